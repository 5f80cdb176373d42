"""A dry run refuses what a run would refuse."""

import importlib.util
import subprocess
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from nmt_prune.errors import PruneError
from nmt_prune.experiments.planning import preflight
from nmt_prune.experiments.planning.commands import Places
from nmt_prune.experiments.planning.expansion import expand
from nmt_prune.experiments.planning.plan import Plan
from nmt_prune.experiments.planning.preflight import check_plan
from nmt_prune.files import write_json
from tests.experiments.recipes import make_recipe

TRAINING = {"max_update": 100, "max_tokens": 800, "optimizer": "adam", "lr": 0.005}
pytestmark = pytest.mark.usefixtures("fairseq_starts_at_once")


def check(folder: Path, **changes) -> None:
    recipe = make_recipe(**{"training": TRAINING, **changes})
    check_plan(Plan.of(expand(recipe), Places(folder / "runs", folder / "data-bin")))


@pytest.mark.parametrize(
    ("corpus", "message"),
    [
        ({"name": "nmbers"}, "corpus: unknown corpus 'nmbers'; did you mean numbers"),
        ({"name": "numbers", "target": "xx"}, "corpus: .*xx: corpus numbers has "),
        ({"name": "numbers", "train": "x"}, "corpus: corpus numbers takes no --train"),
        ({"name": "numbers", "vocab_size": 3}, "corpus: --vocab-size 3 is too small"),
        (
            {"name": "plain", "train": "a", "valid": "b", "test": "c"},
            r"corpus: a\.en, one of the train files, does not",
        ),
    ],
)
def test_a_corpus_that_cannot_be_made_is_refused(tmp_path, monkeypatch, corpus, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PruneError, match=message) as error:
        check(tmp_path, corpus=corpus)
    assert "\n" not in str(error.value)


def test_a_parent_that_has_lost_what_a_run_starts_from_is_refused(laboratory, monkeypatch):
    monkeypatch.setattr(preflight, "_check_trainings", lambda runs, plan: None)
    plan = replace(laboratory.plan(techniques=["slt"]), data_is_given=True)
    check_plan(plan)
    write_json(plan.folder(plan.run("dense-seed1")).trained, {})
    for name in ("checkpoint_last.pt", "rewind_1.pt"):
        file = laboratory.runs / "dense-seed1" / name
        with pytest.raises(PruneError, match=f"run slt-50-seed1 starts from {file}, which is gone although"):
            check_plan(plan)
        torch.save({"weights": torch.zeros(99)}, file)
        whole = file.read_bytes()
        file.write_bytes(whole[:-50])
        with pytest.raises(
            PruneError, match=rf"{file}, which is truncated although .*; put it back, or delete \S+/train"
        ):
            check_plan(plan)
        file.write_bytes(whole)
    check_plan(plan)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"training": {**TRAINING, "learning-rate": 1}}, "unrecognized arguments: --learning-rate 1"),
        ({"training": {**TRAINING, "clip-norm": "much"}}, "argument --clip-norm: invalid .* value: 'much'"),
        ({"training": {"max_update": 100, "optimizer": "adam"}}, "give max-tokens or batch-size"),
        ({"model": {"arch": "masked_transfomer"}}, "argument --arch/-a: invalid choice: 'masked_transfomer'"),
        ({"model": {"arch": "masked_transformer_tiny", "encoder-attention-heads": 3}}, "AssertionError: "),
        ({"training": {**TRAINING, "quantizer": "tenary"}}, "unknown quantizer 'tenary'; did you mean ternary"),
    ],
)
def test_a_training_that_fairseq_refuses_is_refused(tmp_path, changes, message):
    with pytest.raises(PruneError, match=f"the trainings of this recipe would fail: .*{message}") as error:
        check(tmp_path, **changes)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


def test_a_report_that_could_not_be_drawn_is_refused_before_the_trainings(tmp_path, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "matplotlib" else found(name))
    with pytest.raises(PruneError, match="matplotlib is not installed here; pip install"):
        check(tmp_path)


@pytest.mark.slow
def test_a_good_recipe_passes_and_writes_nothing(tmp_path, monkeypatch):
    """With fairseq as it is really started."""
    asked = []

    def run(*words, **settings):
        asked.append(subprocess.run(*words, **settings))
        return asked[-1]

    monkeypatch.setattr(preflight, "subprocess", SimpleNamespace(run=run))
    assert check(tmp_path) is None
    assert [(process.returncode, process.stdout) for process in asked] == [(0, "")], "fairseq has judged it"
    assert not list(tmp_path.iterdir())
