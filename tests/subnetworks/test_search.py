"""A whole search in a small real model, with a score that is read off its weights."""

import json
from pathlib import Path

import pytest
import torch

from nmt_prune.checkpoints import Checkpoint
from nmt_prune.errors import PruneError
from nmt_prune.masks.mask_file import load_masks
from nmt_prune.subnetworks.search import SearchSettings, find_subnetworks
from tests.pruning.saliency.measuring import evidence, model

SIZES = {f"{stack}_{name}": size for stack in ("encoder", "decoder") for name, size in (("embed_dim", 16),)}
HEADS = {f"{stack}_attention_heads": 4 for stack in ("encoder", "decoder")}


@pytest.fixture(scope="module")
def network():
    return model()


@pytest.fixture(scope="module")
def trained(network, tmp_path_factory) -> Checkpoint:
    path = tmp_path_factory.mktemp("trained") / "checkpoint_best.pt"
    torch.save({"model": network.state_dict(), "cfg": {"model": {**SIZES, **HEADS}}}, path)
    return Checkpoint.load(path)


def body(network) -> float:
    """Σ w² of the body: falls with each step, by more where larger weights are pruned."""
    return sum(
        float(weight.detach().square().sum()) for name, weight in network.named_parameters() if ".layers." in name
    )


class Killed(Exception):
    pass


class DiesAfter:
    """A score that raises instead of the ``calls`` + 1-th time."""

    def __init__(self, calls):
        self.calls = calls

    def __call__(self, network):
        if self.calls == 0:
            raise Killed
        self.calls -= 1
        return body(network)


def settings(method="s", **changes):
    return SearchSettings(**{"method": method, "keep": 0.6, "saliency": "magnitude", **changes})


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("method", ["s", "m"])
def test_a_killed_search_goes_on_and_gives_the_same_bytes(trained, network, tmp_path, method):
    whole = find_subnetworks(trained, evidence(network), body, settings(method), tmp_path / "whole")
    expected = files(tmp_path / "whole")
    assert expected.keys() == {
        *("good.safetensors", "random.safetensors", "bad.safetensors"),
        *("journal.safetensors", "steps.json", "steps.txt"),
    }
    calls = 1 + len(whole.steps) + 3
    for killed_after in range(calls):
        out, told = tmp_path / f"killed-{killed_after}", []
        with pytest.raises(Killed):
            find_subnetworks(trained, evidence(network), DiesAfter(killed_after), settings(method), out)
        find_subnetworks(trained, evidence(network), body, settings(method), out, told.append)
        assert files(out) == expected
        assert len(told) == min(calls - 1, calls - killed_after)  # what was done is not done again
    find_subnetworks(trained, evidence(network), DiesAfter(0), settings(method), tmp_path / "whole")
    assert files(tmp_path / "whole") == expected


def test_the_masks_are_those_of_the_last_step_that_passed(trained, network, tmp_path):
    find_subnetworks(trained, evidence(network), body, settings(), tmp_path)
    found = json.loads((tmp_path / "steps.json").read_text())
    steps, subnetworks = found["steps"], {each["phase"]: each for each in found["subnetworks"]}
    last = [step for step in steps if step["passed"]][-1]
    assert found["limit"] == pytest.approx(0.6 * found["start"]["score"])
    assert all(step["passed"] == (step["score"] >= found["limit"]) for step in steps)
    assert subnetworks["good"] == {**last, "phase": "good"}
    assert subnetworks["random"]["left"] == subnetworks["bad"]["left"] == last["left"]
    good, provenance = load_masks(tmp_path / "good.safetensors")
    assert good.sparsity() == pytest.approx(last["sparsity"])
    assert provenance["parent_sha256"] == trained.digest
    weights = {prunable: weight * good[prunable.name] for prunable, weight in trained.matrices.items()}
    biases = sum(
        float(tensor.double().square().sum())
        for name, tensor in trained.model.items()
        if ".layers." in name and name not in good
    )
    masked = sum(float(weight.square().sum()) for prunable, weight in weights.items() if prunable.in_body)
    assert masked + biases == pytest.approx(last["score"])
    table = (tmp_path / "steps.txt").read_text()
    assert table.count("joint") == sum(step["phase"] == "joint" for step in steps)
    assert f"at least {found['limit']:.4f}" in table


def test_importance_of_gates_is_measured_on_training_data(trained, network, tmp_path):
    for ffn in ("sublayer", "unit:normalise=true"):
        chosen = settings(saliency=None, ffn=ffn)
        journal = find_subnetworks(trained, evidence(network), body, chosen, tmp_path / ffn[:4])
        assert journal.settings["saliency"].startswith("head-importance")
        assert any(step.passed for step in journal.steps)
    with pytest.raises(PruneError, match="the calibration set is empty: give --calibration-batches of at least 1"):
        find_subnetworks(trained, evidence(network, []), body, settings(saliency=None), tmp_path / "empty")


def test_other_settings_do_not_go_on_with_a_search(trained, network, tmp_path):
    with pytest.raises(Killed):
        find_subnetworks(trained, evidence(network), DiesAfter(2), settings(), tmp_path / "out")
    before = files(tmp_path / "out")
    with pytest.raises(PruneError, match=r"out holds a search with keep 0\.6, not 0\.7; give another --out, or delete"):
        find_subnetworks(trained, evidence(network), body, settings(keep=0.7), tmp_path / "out")
    assert files(tmp_path / "out") == before


def test_a_search_that_finds_nothing(trained, network, tmp_path):
    with pytest.raises(PruneError, match=r"none: no step keeps a dev bleu of .* after joint.*give a smaller --step"):
        find_subnetworks(trained, evidence(network), body, settings(keep=1.0), tmp_path / "none")
    assert not (tmp_path / "none" / "good.safetensors").exists()
    with pytest.raises(
        PruneError, match=r"all: the dev bleu never fell below .*give a higher --keep or a lower --drop"
    ):
        find_subnetworks(trained, evidence(network), lambda _: 30.0, settings(), tmp_path / "all")
    with pytest.raises(PruneError, match="the dev score of the dense model is 0"):
        find_subnetworks(trained, evidence(network), lambda _: 0.0, settings(), tmp_path / "zero")
    assert not (tmp_path / "zero").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "l"}, "unknown search 'l'; known: s .*, m"),
        ({"score": "chrf"}, "unknown dev score 'chrf'; known: bleu, loss"),
        ({"step": 0.0}, r"--step 0 is outside \(0, 1\)"),
        ({"heads": "unit"}, "--heads unit is not the group head"),
        ({"ffn": "layer"}, "--ffn layer is neither the group sublayer nor unit"),
        ({"ffn": "neuron"}, "unknown group 'neuron'"),
    ],
)
def test_wrong_settings(changes, message):
    with pytest.raises(PruneError, match=message):
        settings(**changes).parts({"encoder": 4, "decoder": 4})
