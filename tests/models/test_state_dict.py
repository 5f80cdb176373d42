"""What is in a masked checkpoint, and which checkpoints a masked model loads."""

from argparse import Namespace
from types import SimpleNamespace

import pytest
import torch
from fairseq.models import ARCH_CONFIG_REGISTRY
from fairseq.models.transformer import transformer_legacy as stock

from nmt_prune.masks.mask_set import MaskSet
from tests.tasks.training import STOCK, assert_same
from tests.tiny_model import SMALL, TYINGS, dictionary, tiny_model

FC1 = "encoder.layers.0.fc1.weight"


def stock_model(tying: str = "all") -> stock.TransformerModel:
    args = Namespace(**{**SMALL, **TYINGS[tying]})
    ARCH_CONFIG_REGISTRY["transformer_tiny"](args)
    target = dictionary() if tying == "all" else dictionary(25)
    languages = SimpleNamespace(source_dictionary=dictionary(), target_dictionary=target)
    return stock.TransformerModel.build_model(args, languages)


def prune_half(model) -> None:
    """Removes half of each matrix but the decoder's first feed-forward one."""
    masks = {}
    for prunable, weight in model.masking.parameters_by_matrix.items():
        whole = prunable.name == "decoder.layers.0.fc1.weight"
        masks[prunable] = torch.ones_like(weight).bool() if whole else weight > weight.median()
    model.masking.replace(MaskSet(masks))


@pytest.mark.parametrize("tying", TYINGS)
def test_a_stock_checkpoint_loads_and_the_keys_stay(tying):
    weights, model = stock_model(tying).state_dict(), tiny_model(tying)
    prune_half(model)
    model.load_state_dict(weights)
    assert_same(model.state_dict(), weights)  # no masks: the checkpoint says that nothing is pruned


@pytest.mark.parametrize("tying", TYINGS)
def test_masks_stand_beside_unchanged_weight_keys(tying):
    model = tiny_model(tying)
    prune_half(model)
    keys, matrices = set(model.state_dict()), model.masking.parameters_by_matrix
    expected = {f"mask_version_1.{p.name}" for p in matrices if p.name != "decoder.layers.0.fc1.weight"}
    assert keys == set(stock_model(tying).state_dict()) | expected


@pytest.mark.parametrize("tying", TYINGS)
def test_a_masked_checkpoint_loads_again(tying):
    model, other = tiny_model(tying), tiny_model(tying)
    prune_half(model)
    other.load_state_dict(model.state_dict())
    assert_same(other.state_dict(), model.state_dict())
    assert other.masking.masks == model.masking.masks
    other.masking.clear()
    assert model.masking.masks != other.masking.masks


@pytest.mark.parametrize("conversion", ["half", "bfloat16", "double"])
def test_masks_survive_a_change_of_precision(conversion):
    model = tiny_model()
    prune_half(model)
    masks = model.masking.masks
    getattr(model, conversion)()
    assert model.masking.masks == masks
    assert model.state_dict()[f"mask_version_1.{FC1}"].dtype == torch.uint8


def test_a_weight_that_its_mask_removes_is_refused():
    model = tiny_model()
    prune_half(model)
    state = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    state[FC1][state[f"mask_version_1.{FC1}"] == 0] = 1e-8
    with pytest.raises(SystemExit, match=r"nmt-prune: error: the checkpoint to be loaded: 192 weights .* not zero"):
        tiny_model().load_state_dict(state)


@pytest.mark.parametrize("change", ["unknown matrix", "other shape"])
def test_masks_of_another_model_are_refused(change):
    model = tiny_model()
    prune_half(model)
    state, key = dict(model.state_dict()), f"mask_version_1.{FC1}"
    if change == "unknown matrix":
        state["mask_version_1.encoder.layers.7.fc1.weight"] = state[key]
    else:
        state[key] = state[key].T
    with pytest.raises(RuntimeError, match=r"layers\.7" if change == "unknown matrix" else r"mask of .*is \(16, 24\)"):
        tiny_model().load_state_dict(state)


@pytest.mark.slow
@pytest.mark.parametrize("flag", ["--restore-file", "--finetune-from-model"])
def test_a_stock_training_goes_on_masked(run_training, flag):
    trained = run_training("stock", STOCK, "--max-update 4")
    start = (flag, trained.folder / "checkpoint_last.pt")
    masked = run_training("masked", *start, "--max-update 5 --lr 0 --rewind-points 5")
    number = 0 if flag == "--finetune-from-model" else 4
    assert masked.progress()[0]["num_updates"] == number + 1
    assert_same(masked.weights(), trained.weights())  # at learning rate 0
    further = run_training("pruned", *start, "--schedule oneshot:at=5 --sparsity 0.5 --max-update 6")
    assert further.progress()[-1]["sparsity"] == pytest.approx(0.5, abs=1e-3)


@pytest.mark.slow
def test_a_stock_checkpoint_is_a_tickets_parent(run_training):
    trained = run_training("stock", STOCK)
    masked = run_training("ticket", "--mask-from", trained.folder / "checkpoint_last.pt", "--sparsity 0.5")
    assert masked.progress()[-1]["sparsity"] == pytest.approx(0.5, abs=1e-3)
