"""From the settings of a technique to masks and tickets."""

from dataclasses import fields
from pathlib import Path

import pytest
import torch

from nmt_prune.checkpoints import Checkpoint, save
from nmt_prune.errors import PruneError
from nmt_prune.masks.mask_file import load_masks, save_masks
from nmt_prune.pruning.budgets import kept_count
from nmt_prune.pruning.settings import PruningSettings
from tests.toy import save_toy

FC1 = "encoder.layers.0.fc1.weight"
TOTAL = 1232


@pytest.fixture
def trained(tmp_path) -> str:
    return str(save_toy(tmp_path / "trained.pt", seed=0))


@pytest.fixture
def start(tmp_path) -> str:
    return str(save_toy(tmp_path / "rewind_0.pt", seed=1, updates=0))


def rung(tmp_path: Path, name: str, **settings) -> Checkpoint:
    state, _ = PruningSettings(**settings).ticket()
    save(state, tmp_path / name)
    return Checkpoint.load(tmp_path / name)


def test_a_ladder_is_exact_and_nested(tmp_path, trained, start):
    parent, masks = trained, Checkpoint.load(trained).masks
    for percent in (10, 20, 50, 80, 90, 98):
        sparsity = percent / 100
        found = rung(tmp_path, f"{percent}.pt", mask_from=parent, rewind_from=start, reset="rewind", sparsity=sparsity)
        assert sum(map(found.masks.kept, found.masks.prunables)) == kept_count(TOTAL, sparsity)
        assert all(not (found.masks[name] & ~masks[name]).any() for name in masks)
        parent, masks = str(found.path), found.masks


def test_without_a_sparsity_the_mask_is_inherited(tmp_path, trained, start):
    parent = rung(tmp_path, "80.pt", mask_from=trained, sparsity=0.8)
    settings = PruningSettings(mask_from=str(parent.path), rewind_from=start, reset="sign")
    state, facts = settings.ticket()
    assert facts["masks"] == parent.masks.digest()
    assert facts["inherited"] == parent.masks.sparsity()
    assert (state["model"][FC1] != 0).sum() == parent.masks[FC1].sum()


def test_a_growing_schedule_starts_with_the_parents_mask(tmp_path, trained):
    parent = rung(tmp_path, "60.pt", mask_from=trained, sparsity=0.6)
    for schedule in ("cubic", "cubic:initial=0.6", "oneshot:at=50"):
        found = rung(tmp_path, "next.pt", mask_from=str(parent.path), sparsity=0.9, schedule=schedule, max_update=100)
        assert found.masks == parent.masks


@pytest.mark.parametrize("schedule", ["constant", "cubic:initial=0.3"])
def test_less_than_is_already_pruned_is_refused(tmp_path, trained, schedule):
    parent = rung(tmp_path, "60.pt", mask_from=trained, sparsity=0.6)
    settings = PruningSettings(mask_from=str(parent.path), sparsity=0.5, schedule=schedule, max_update=100)
    with pytest.raises(PruneError, match=r"sparsity 0\.[53] is below what is already pruned \(0\.599838\)"):
        settings.ticket()


def test_a_mask_file_is_used_as_it_is_on_the_rewind_points_weights(tmp_path, trained, start):
    masks = rung(tmp_path, "70.pt", mask_from=trained, sparsity=0.7).masks
    file = tmp_path / "m.safetensors"
    save_masks(masks, file, {})
    settings = PruningSettings(mask_from=str(file), rewind_from=start, reset="rewind")
    state, facts = settings.ticket()
    assert settings.mask_is_file
    assert facts["masks"] == masks.digest()
    assert torch.equal(state["model"][FC1], Checkpoint.load(start).model[FC1] * masks[FC1])
    assert settings.load_mask_source()[1] == load_masks(file)[0]


def test_a_mask_file_without_weights_is_no_ticket(tmp_path, trained):
    save_masks(Checkpoint.load(trained).masks, tmp_path / "m.safetensors", {})
    with pytest.raises(PruneError, match="is a mask without weights: give --rewind-from"):
        PruningSettings(mask_from=str(tmp_path / "m.safetensors")).ticket()


def test_a_mask_file_of_another_architecture_is_refused(tmp_path, trained, start):
    state = torch.load(trained)
    del state["model"][FC1]
    torch.save(state, tmp_path / "other.pt")
    save_masks(Checkpoint.load(tmp_path / "other.pt").masks, tmp_path / "m.safetensors", {})
    settings = PruningSettings(mask_from=str(tmp_path / "m.safetensors"), rewind_from=start, reset="rewind")
    with pytest.raises(PruneError, match=r"m\.safetensors: encoder\.layers\.0\.fc1\.weight is missing there"):
        settings.ticket()


def test_the_seed_reaches_saliency_control_and_reset(trained, start):
    def facts(**settings) -> tuple[str, list[float]]:
        state, found = PruningSettings(mask_from=trained, rewind_from=start, sparsity=0.5, **settings).ticket()
        return found["masks"], state["model"][FC1].flatten().tolist()

    for choice in ({"saliency": "random"}, {"mask_control": "shuffled"}):
        assert facts(**choice, seed=1)[0] == facts(**choice, seed=1)[0] != facts(**choice, seed=2)[0]
    for reset in ("random-sign", "shuffle", "reinit"):
        assert facts(reset=reset, seed=1) == facts(reset=reset, seed=1)
        assert facts(reset=reset, seed=1)[1] != facts(reset=reset, seed=2)[1]


def test_provenance_names_every_choice_but_no_folder(tmp_path, trained):
    _, facts = PruningSettings(mask_from=trained, sparsity=0.5).ticket()
    assert str(tmp_path) not in str(facts)
    assert facts["parent"] == "trained.pt"
    assert facts["parent_sha256"] == Checkpoint.load(trained).digest
    assert facts["parent_updates"] == 100
    assert {"saliency", "budget", "prune_set", "mask_control", "sparsity", "seed"} <= set(facts)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"saliency": "magnitud"}, "unknown saliency 'magnitud'; did you mean magnitude"),
        ({"budget": "local"}, "unknown budget 'local'; .*known: erk, global, global-body, layerwise, matrix"),
        ({"schedule": "linear"}, "unknown schedule 'linear'; known: acdc, constant, cubic, granet, layerwise, oneshot"),
        ({"reset": "rewnd"}, "unknown reset 'rewnd'; did you mean rewind"),
        ({"mask_control": "bad"}, "unknown mask control 'bad'"),
        ({"prune_set": "heads"}, "unknown prune set 'heads'"),
        ({"clock": "resume"}, "unknown clock 'resume'"),
        ({"sparsity": 1.0}, "--sparsity 1 is outside"),
        ({"sparsity": -0.5}, r"--sparsity -0\.5 is outside"),
        ({"mask_from": "nowhere.pt"}, "checkpoint nowhere.pt does not exist"),
        ({"rewind_from": "nowhere.pt"}, "checkpoint nowhere.pt does not exist"),
        ({"mask_from": "nowhere.safetensors"}, "mask file nowhere.safetensors does not exist"),
    ],
)
def test_each_mistake_is_one_line(trained, settings, message):
    with pytest.raises(PruneError, match=message) as error:
        PruningSettings(**{"mask_from": trained, "sparsity": 0.5, **settings}).ticket()
    assert "\n" not in str(error.value)


def test_a_dense_checkpoint_needs_a_sparsity(trained):
    with pytest.raises(PruneError, match="is dense, and there is no --sparsity"):
        PruningSettings(mask_from=trained).ticket()
    state, facts = PruningSettings(mask_from=trained, sparsity=0.0).ticket()
    assert facts["inherited"] == 0
    assert torch.equal(state["model"][FC1], Checkpoint.load(trained).model[FC1])
    assert {field.name for field in fields(PruningSettings)} >= {"saliency", "budget", "schedule", "reset", "clock"}
