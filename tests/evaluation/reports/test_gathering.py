import csv

import pytest
from pydantic import TypeAdapter

from nmt_prune.errors import PruneError
from nmt_prune.evaluation.quality.text import write_lines
from nmt_prune.evaluation.reports.run_result import RunResult, write_csv
from nmt_prune.files import write_json
from tests.evaluation.corpus import corrupted, gathered, references, write_run
from tests.evaluation.samples import row

REFERENCES = references()
DENSE = corrupted(REFERENCES, 0.2, seed=1)


@pytest.fixture
def reference(tmp_path):
    path = tmp_path / "data/raw/test.de"
    write_lines(path, REFERENCES)
    return path


@pytest.fixture
def recipe(tmp_path, reference):
    folder = tmp_path / "runs/toy"
    write_run(folder, "dense-seed1", DENSE, reference, technique="dense", sparsity=0.0)
    write_run(folder, "mp-50-seed1", corrupted(DENSE, 0.1, 5), reference)
    write_run(folder, "slt-50-seed2", corrupted(DENSE, 0.1, 6), reference, technique="slt", seed=2, also=["slt-mp"])
    return folder


def test_rows(recipe):
    results = gathered(recipe)
    assert results.recipe == "toy"
    assert results.unscored == ()
    assert [row.run for row in results.rows] == ["dense-seed1", "mp-50-seed1", "slt-50-seed2"]
    dense, pruned, other_seed = results.rows
    assert (dense.bleu_delta, dense.bleu_p_value) == (None, None)
    assert pruned.bleu_delta == pytest.approx(pruned.bleu - dense.bleu)
    assert pruned.bleu_p_value == pytest.approx(1 / 1001)
    assert pruned.bleu_low < pruned.bleu < pruned.bleu_high
    assert (pruned.target_sparsity, pruned.sparsity_all, pruned.dev_bleu) == (0.5, 0.45, 30.5)
    assert other_seed.techniques == ("slt", "slt-mp")


def test_only_the_dense_run_of_the_same_seed_is_the_baseline(recipe):
    other_seed = gathered(recipe).rows[2]
    assert (other_seed.bleu_delta, other_seed.bleu_p_value) == (None, None)
    assert other_seed.bleu_low < other_seed.bleu < other_seed.bleu_high


def test_runs_without_scores_are_named(recipe):
    (recipe / "mp-50-seed1/scores.json").unlink()
    results = gathered(recipe)
    assert results.unscored == ("mp-50-seed1",)
    assert len(results.rows) == 2


def test_references_elsewhere(recipe, reference, tmp_path):
    (tmp_path / "data").rename(tmp_path / "moved")
    with pytest.raises(PruneError, match=r"test\.de is gone; give --data"):
        gathered(recipe)
    assert len(gathered(recipe, tmp_path / "moved").rows) == 3


def test_changed_references(recipe, reference):
    write_lines(reference, REFERENCES[::-1])
    with pytest.raises(PruneError, match=r"test\.de is not the one that the runs were scored with"):
        gathered(recipe)


def test_another_file_of_the_name_that_the_data_folder_has(recipe, reference, tmp_path):
    """``generation.reference`` beside ``nmt-prune data``, which writes raw/test.TARGET itself."""
    own = tmp_path / "other" / "raw" / reference.name
    own.parent.mkdir(parents=True)
    write_lines(own, REFERENCES[::-1])
    assert len(gathered(recipe, tmp_path / "other").rows) == 3


def test_missing_hypotheses(recipe):
    (recipe / "mp-50-seed1/hypotheses.test.txt").unlink()
    with pytest.raises(PruneError, match=r"mp-50-seed1/hypotheses\.test\.txt does not exist"):
        gathered(recipe)


def test_hypotheses_of_another_length(recipe):
    write_lines(recipe / "mp-50-seed1/hypotheses.test.txt", DENSE[:-1])
    with pytest.raises(PruneError, match="mp-50-seed1: 199 lines for 200 references"):
        gathered(recipe)


def test_hypotheses_that_are_not_those_of_the_scores(recipe):
    write_lines(recipe / "mp-50-seed1/hypotheses.test.txt", REFERENCES)
    with pytest.raises(PruneError, match=r"hypotheses\.test\.txt gives BLEU 100\.00 and scores\.json says"):
        gathered(recipe)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"beam": 1}, r"dense-seed1 and slt-90 were scored with different beam \(5 and 1\)"),
        ({"subset": "valid"}, "different subset"),
        ({"reference_sha256": "0"}, "different reference_sha256"),
        ({"signatures": {"bleu": "tok:none", "chrf": "", "ter": ""}}, "different signatures"),
    ],
)
def test_scores_of_different_conventions_never_share_a_table(recipe, reference, change, message):
    write_run(recipe, "slt-90", DENSE, reference, sparsity=0.9, scores=change)
    with pytest.raises(PruneError, match=message):
        gathered(recipe)


def test_two_runs_for_one_cell(recipe, reference):
    write_run(recipe, "slt-mp-50", DENSE, reference, technique="slt-mp", seed=2)
    with pytest.raises(PruneError, match=r"slt-50-seed2 and slt-mp-50 are both slt-mp at sparsity 0\.5 with seed 2"):
        gathered(recipe)


def test_dense_controls_differ_in_their_updates(recipe, reference):
    for total in (1600, 2400):
        write_run(
            recipe, f"dense-{total}", DENSE, reference, technique="dense-longer", sparsity=0.0, total_updates=total
        )
    twin = next(row for row in gathered(recipe).rows if row.run == "dense-1600")
    assert (twin.bleu_delta, twin.bleu_p_value) == (0, 1)


def test_updates_are_those_of_ancestors_that_ended_early(tmp_path, reference):
    """Of a transfer target, whose parents are named from one folder further up, and behind a search without scores."""
    folder = tmp_path / "transfer" / "en-de"
    planned = {"updates": 200, "total_updates": 200}
    write_run(
        folder, "dense-seed1", DENSE, reference, technique="dense", sparsity=0.0, scores={"updates": 100}, **planned
    )
    search = {"technique": "search", "sparsity": 0.0, "seed": 1, "updates": 0, "total_updates": 200, "step": "search"}
    write_json(folder / "search-seed1" / "run.json", {**search, "parent": "en-de/dense-seed1"})
    follows = {"updates": 200, "total_updates": 400, "scores": {"updates": 200}}
    write_run(folder, "slt", DENSE, reference, technique="slt", parent="en-de/dense-seed1", **follows)
    write_run(folder, "good", DENSE, reference, technique="subnetwork-good", parent="search-seed1", **follows)
    totals = {row.run: (row.total_updates, row.planned_total_updates) for row in gathered(folder).rows}
    assert totals == {"dense-seed1": (100, 200), "slt": (300, 400), "good": (300, 400)}


def test_broken_records(recipe, tmp_path):
    write_json(recipe / "mp-50-seed1/run.json", {"technique": "mp"})
    with pytest.raises(PruneError, match=r"run\.json: sparsity: field required"):
        gathered(recipe)
    (recipe / "mp-50-seed1/run.json").write_text("{")
    with pytest.raises(PruneError, match=r"run\.json is not JSON"):
        gathered(recipe)


def test_no_runs(tmp_path):
    with pytest.raises(PruneError, match="is not a folder of runs"):
        gathered(tmp_path / "nowhere")
    with pytest.raises(PruneError, match="holds no run"):
        gathered(tmp_path)


def test_csv_round_trip(tmp_path):
    rows = [
        row("dense", 0, 22.123456789012345, 800),
        row("slt", 0.5, 1 / 3, 1600, p_value=0.04, delta=-0.1, also=("a", "b")),
    ]
    write_csv(tmp_path / "results.csv", rows)
    with (tmp_path / "results.csv").open(newline="") as file:
        read = [{key: value or None for key, value in line.items()} for line in csv.DictReader(file)]
    for line in read:
        line |= {key: tuple((line[key] or "").split()) for key in ("also", "left_out")}
    assert TypeAdapter(list[RunResult]).validate_python(read) == rows
