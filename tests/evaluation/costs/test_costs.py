"""Costs of checkpoints whose translation is pretended: what is measured, against what, and what is not."""

import json
import subprocess
from pathlib import Path

import pytest
import torch

from nmt_prune.checkpoints import MASK_MODULE, Checkpoint, save
from nmt_prune.errors import PruneError
from nmt_prune.evaluation.costs.measurement import measure_costs
from nmt_prune.evaluation.quality.subset import Subset
from nmt_prune.evaluation.quality.translation import Decoding
from nmt_prune.evaluation.records.costs import CpuTime
from nmt_prune.shrinking.checkpoint import shrink
from tests.inspection.test_memory import FC1, FC2, PARAMETERS, checkpoint

DECODING = Decoding(beam=3, extra=("--fp16",))


@pytest.fixture
def subset(tmp_path) -> Subset:
    return Subset(tmp_path, "test", "en", "de", tmp_path / "test.de")


@pytest.fixture
def timing(monkeypatch):
    """Pretends that the program of the timing ran; collects what it was given."""
    calls = []

    def run(command, env, **_):
        original, used = command[command.index("--path") + 1].split(":")
        calls.append((command, env, Checkpoint.load(original), Checkpoint.load(used)))
        output = "a line of fairseq's\n" + json.dumps({"sentences": 40, "seconds": [8.0, 6.0]}) + "\n"
        return subprocess.CompletedProcess(command, 0, output, "")

    monkeypatch.setattr(subprocess, "run", run)
    return calls


def without_units(tmp_path: Path, count: int) -> Checkpoint:
    units = torch.arange(12) >= count
    return checkpoint(tmp_path, **{FC1: units[:, None].expand(12, 8), FC2: units.expand(8, 12)})


def test_a_shrunk_model_is_timed_against_the_same_model_before(tmp_path, subset, timing):
    costs = measure_costs(without_units(tmp_path, 5), subset, DECODING)
    assert (costs.cpu_ratio, costs.cpu) == (0.75, CpuTime(6.0, 8.0, 40))
    left = PARAMETERS - 5 * 17
    assert (costs.bytes_masked, costs.bytes_used) == (4 * PARAMETERS, 4 * left)
    ((command, environment, original, used),) = timing
    assert original.model[FC1].shape == (12, 8)
    assert used.model[FC1].shape == (7, 8)
    assert command[2] == "nmt_prune.measuring.translation_time"
    assert command[-2:] == ["--cpu", "--fp16"]
    assert environment["OMP_NUM_THREADS"] == environment["MKL_NUM_THREADS"] == "1"


def test_a_mask_without_dead_structure_is_as_slow_as_the_dense_model_and_not_timed(tmp_path, subset, timing):
    mask = torch.arange(96).view(12, 8) % 2 == 0
    costs = measure_costs(checkpoint(tmp_path, **{FC1: mask}), subset, DECODING)
    assert (costs.cpu_ratio, costs.cpu, timing) == (1.0, None, [])
    assert costs.bytes_used == costs.bytes_masked == 4 * PARAMETERS


def test_next_to_nothing_is_not_worth_timing(tmp_path, subset, timing):
    # One unit is 17 of 1,424 parameters, 1.2 %; without its row of fc1 alone it is folded into the bias all the same.
    assert measure_costs(without_units(tmp_path, 1), subset, DECODING).cpu is not None
    large = checkpoint(tmp_path).state
    large["model"]["encoder.embed_positions.weight"] = torch.zeros(50, 8)
    units = torch.arange(12) >= 1
    large["model"][FC2] = large["model"][FC2] * units
    large["model"][f"{MASK_MODULE}.{FC2}"] = units.expand(8, 12).byte()
    save(large, tmp_path / "large.pt")  # 17 of 1,824, 0.9 %
    costs = measure_costs(Checkpoint.load(tmp_path / "large.pt"), subset, DECODING)
    assert (costs.cpu_ratio, costs.cpu, len(timing)) == (1.0, None, 1)
    assert costs.bytes_masked - costs.bytes_used == 4 * 17


def test_what_was_shrunk_before_has_no_dense_model_to_be_compared_with(tmp_path, subset, timing):
    shrunk = shrink(without_units(tmp_path, 5))
    save(shrunk.state, tmp_path / "shrunk.pt")
    costs = measure_costs(Checkpoint.load(tmp_path / "shrunk.pt"), subset, DECODING)
    assert (costs.cpu_ratio, costs.cpu, timing) == (None, None, [])
    assert costs.bytes_used == 4 * (PARAMETERS - 5 * 17)


def test_another_model_keeps_what_it_has(tmp_path, subset, timing):
    state = toy = checkpoint(tmp_path).state
    toy["model"]["encoder.adapter.weight"] = torch.zeros(10)
    save(state, tmp_path / "other.pt")
    costs = measure_costs(Checkpoint.load(tmp_path / "other.pt"), subset, DECODING)
    assert (costs.bytes_used, costs.cpu_ratio) == (4 * (PARAMETERS + 10), 1.0)


def test_a_failure_is_one_line(tmp_path, subset, monkeypatch):
    monkeypatch.setattr(
        subprocess, "run", lambda command, **_: subprocess.CompletedProcess(command, 1, "", "KeyError: 'no'\n")
    )
    with pytest.raises(PruneError, match=r"fairseq-generate failed on .*toy\.pt: KeyError: 'no'$"):
        measure_costs(without_units(tmp_path, 5), subset, DECODING)
