from dataclasses import replace

from nmt_prune.evaluation.records.scored_runs import ScoredRuns, read_runs
from nmt_prune.evaluation.reports.page.reproduction import recipes, whole


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


def test_other_references_and_flags_are_named(page):
    run = read_runs(page.runs).scored[0]
    other = replace(
        run, scores=replace(run.scores, reference="/elsewhere/refs.txt", generate_flags=("--no-repeat", "3"))
    )
    command = recipes(ScoredRuns(page.runs, (other,), ()))[run.name].commands[-1]
    assert command.endswith("--reference /elsewhere/refs.txt -- --no-repeat 3")
    assert "--data toy.en-de " in command
