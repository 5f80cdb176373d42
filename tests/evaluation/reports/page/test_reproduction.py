from dataclasses import replace

from nmt_prune.evaluation.records.scored_runs import ScoredRuns, read_runs
from nmt_prune.evaluation.reports.page.reproduction import recipes, whole
from nmt_prune.files import read_json, write_json


def test_commands_of_a_run(page):
    scored = read_runs(page.runs)
    run = next(run for run in scored.scored if run.name == "slt-50-seed1")
    (made, scoring) = recipes(scored)[run.name].commands
    assert made.startswith("fairseq-train '<img src=")
    data = page.runs.parents[1] / "data"
    assert scoring == (
        f"nmt-prune score --checkpoint '{run.checkpoint}' --data {data} --subset test --beam 5 --lenpen 1"
        f" --tokenize 13a --out '{run.folder}/scores.json'"
    )
    assert whole(page.runs)[1] == f"nmt-prune report '{page.runs}'"


def test_what_has_no_number_of_its_own_comes_before(page):
    """A search or a translation, a transfer, and the quantized checkpoint after the training."""
    for name, command in {"search-seed1": "nmt-prune search", "distilled-seed1": "nmt-prune distill"}.items():
        write_json(page.runs / name / "run.json", {"command": command.split(), "settings": {}})
    run = read_runs(page.runs).scored[0]
    path = run.folder / "run.json"
    described = read_json(path) | {"before": [["nmt-prune", "transfer"]], "after": [["nmt-prune", "quantize"]]}
    described |= {"parent": "search-seed1", "settings": {"teacher": {"sequence": "distilled-seed1"}}}
    write_json(path, described)
    found = recipes(read_runs(page.runs))[run.name].commands
    assert found[:3] == ("nmt-prune search", "nmt-prune distill", "nmt-prune transfer")
    assert found[3].startswith("fairseq-train ")
    assert found[4] == "nmt-prune quantize"
    assert found[5].startswith("nmt-prune score ")


def test_other_references_and_flags_are_named(page):
    run = read_runs(page.runs).scored[0]
    other = replace(
        run, scores=replace(run.scores, reference="/elsewhere/refs.txt", generate_flags=("--no-repeat", "3"))
    )
    command = recipes(ScoredRuns(page.runs, (other,), ()))[run.name].commands[-1]
    assert command.endswith("--reference /elsewhere/refs.txt -- --no-repeat 3")
    assert "--data toy.en-de " in command
