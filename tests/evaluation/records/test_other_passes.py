"""Mini-batches that no update counts, over the ancestors of a run."""

from nmt_prune.evaluation.records.other_passes import other_passes
from nmt_prune.files import write_json


def make(folder, parent=None, **records):
    run = {"technique": "t", "sparsity": 0.5, "seed": 1, "updates": 8, "total_updates": 8, "parent": parent}
    write_json(folder / "run.json", run)
    for name, count in records.items():
        write_json(folder / f"{name}.json", {} if count is None else {"other_passes": count})


def test_they_are_those_of_the_run_and_its_ancestors(tmp_path):
    make(tmp_path / "dense")
    make(tmp_path / "search", "dense", steps=40)
    make(tmp_path / "good", "search", pruning=2)
    assert [other_passes(tmp_path / name) for name in ("dense", "search", "good")] == [0, 40, 42]
    make(tmp_path / "en-de/slt", pruning=5)
    make(tmp_path / "en-fr/from-en-de", "en-de/slt", pruning=1)
    assert other_passes(tmp_path / "en-fr/from-en-de") == 6


def test_they_are_unknown_where_a_record_is_older_or_an_ancestor_is_gone(tmp_path):
    make(tmp_path / "old", pruning=None)
    make(tmp_path / "child", "old", pruning=3)
    make(tmp_path / "orphan", "nobody", pruning=3)
    assert [other_passes(tmp_path / name) for name in ("old", "child", "orphan")] == [None, None, None]
