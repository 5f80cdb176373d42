"""Masks as a part of the model: gradients, keys, loading, copies."""

import copy
from argparse import Namespace

import pytest
import torch
from fairseq.models.ema.ema import EMA
from fairseq.models.transformer import TransformerModel
from fairseq.utils import clip_grad_norm_

from nmt_prune.checkpoints import MASK_MODULE
from nmt_prune.errors import PruneError
from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.models.masked_transformer import MaskedTransformer
from tests.tiny_model import TYINGS, real_loss, tiny_model

QUERY, FC1, EMBEDDING = (
    "encoder.layers.0.self_attn.q_proj.weight",
    "decoder.layers.0.fc1.weight",
    "encoder.embed_tokens.weight",
)


def halve(model: MaskedTransformer, *names: str) -> MaskSet:
    """Prunes every second weight of the named matrices."""
    masks = MaskSet.dense(model.masking.parameters_by_matrix)
    for name in names:
        masks[name].view(-1)[::2] = False
    masks = MaskSet({prunable: masks[prunable.name] for prunable in masks.prunables})
    model.masking.replace(masks)
    return masks


def test_pruned_weights_are_zero_in_the_model_and_all_its_aliases():
    model = tiny_model("all")
    before = model.state_dict()[EMBEDDING].clone()
    masks = halve(model, EMBEDDING, QUERY)
    state = model.state_dict()
    for name in (EMBEDDING, "decoder.embed_tokens.weight", "decoder.output_projection.weight"):
        assert torch.equal(state[name], before * masks[EMBEDDING])
    assert model.masking.masks == masks
    assert model.masking.masks.kept(masks.prunables[0]) == masks.prunables[0].size // 2


def test_attention_computes_with_the_masked_matrix():
    """The functional that attention hands q_proj.weight to sees the zeros: the loss is that of explicit zeros."""
    model, explicit = tiny_model(), tiny_model()
    explicit.load_state_dict(model.state_dict())
    masks = halve(model, QUERY)
    dense_loss = real_loss(explicit)
    with torch.no_grad():
        explicit.encoder.layers[0].self_attn.q_proj.weight.mul_(masks[QUERY])
    assert torch.equal(real_loss(model), real_loss(explicit))
    assert not torch.equal(real_loss(model), dense_loss)


def test_gradients_of_pruned_weights_do_not_count_in_clipping():
    model = tiny_model()
    masks = halve(model, QUERY, FC1, EMBEDDING)
    real_loss(model).backward()
    raw = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    assert raw[FC1][~masks[FC1]].any()
    model.masking.mask_gradients()
    expected = {name: grad * masks[name] if name in masks else grad for name, grad in raw.items()}
    norm = torch.cat([grad.flatten() for grad in expected.values()]).norm()
    assert float(clip_grad_norm_(model.parameters(), 0.0)) == pytest.approx(float(norm), rel=1e-5)
    assert all(torch.equal(parameter.grad, expected[name]) for name, parameter in model.named_parameters())


def test_a_missing_gradient_is_no_error():
    model = tiny_model()
    halve(model, FC1)
    model.masking.mask_gradients()
    assert all(parameter.grad is None for parameter in model.parameters())


def test_revived_weights_are_counted_and_refused():
    model = tiny_model()
    masks = halve(model, FC1)
    assert model.masking.check("now") == 0
    with torch.no_grad():
        weight = model.decoder.layers[0].fc1.weight
        weight[~masks[FC1]] = torch.tensor([*[1e-30] * 2, float("nan"), *[0.0] * (weight.numel() // 2 - 3)])
        weight[0, 1] = float("inf")  # kept: no revival, whatever else it is
        weight[0, 3] = float("nan")
    assert model.masking.revived() == 3
    with pytest.raises(PruneError, match=r"^after update 7: 3 weights that the mask removes are not zero"):
        model.masking.check("after update 7")


@pytest.mark.parametrize("tying", TYINGS)
def test_weight_keys_are_those_of_the_stock_transformer(tying):
    model = tiny_model(tying)
    stock = set(TransformerModel.state_dict(model))
    assert not any(key.startswith(MASK_MODULE) for key in stock)
    halve(model, FC1, QUERY)
    state = model.state_dict()
    assert set(state) - stock == {f"{MASK_MODULE}.{FC1}", f"{MASK_MODULE}.{QUERY}"}
    mask = state[f"{MASK_MODULE}.{FC1}"]
    assert (mask.dtype, mask.unique().tolist()) == (torch.uint8, [0, 1])
    assert not any(MASK_MODULE in name for name, _ in model.named_parameters())


def test_masks_come_back_with_the_state_dict():
    model, other = tiny_model(), tiny_model()
    masks = halve(model, FC1, EMBEDDING)
    other.load_state_dict(model.state_dict())
    assert other.masking.masks == masks
    model.masking.replace(MaskSet.dense(masks.prunables))  # independent of what it was loaded from
    assert other.masking.masks == masks


def test_a_stock_checkpoint_is_dense_whatever_the_masks_were():
    model = tiny_model()
    stock = {key: value.clone() for key, value in model.state_dict().items()}
    halve(model, FC1)
    model.load_state_dict(stock)
    assert model.masking.masks.sparsity() == 0
    assert torch.equal(model.state_dict()[FC1], stock[FC1])


def test_the_exponential_moving_average_keeps_the_masks():
    """fairseq's EMA loads weights alone, not strictly, after every update."""
    model = tiny_model()
    masks = halve(model, FC1, EMBEDDING)
    average = EMA(model, Namespace(ema_decay=0.9, ema_fp32=False, ema_seed_model=None, ema_update_freq=1))
    before = average.get_model().state_dict()[FC1].clone()
    with torch.no_grad():
        model.decoder.layers[0].fc1.weight.mul_(3)
    average._step_internal(model)
    assert torch.allclose(average.get_model().state_dict()[FC1], 1.2 * before)
    assert average.get_model().masking.masks == masks
    assert average.get_model().masking.revived() == 0


def test_a_mask_of_an_unknown_matrix_is_refused():
    model = tiny_model()
    state = model.state_dict() | {f"{MASK_MODULE}.encoder.layers.9.fc1.weight": torch.ones(2, 2, dtype=torch.uint8)}
    with pytest.raises(RuntimeError, match=r"Unexpected key.*mask_version_1\.encoder\.layers\.9\.fc1\.weight"):
        model.load_state_dict(state)


def test_a_mask_of_another_shape_is_refused_and_the_old_one_stays():
    model = tiny_model()
    masks = halve(model, FC1)
    state = model.state_dict() | {f"{MASK_MODULE}.{FC1}": torch.ones(2, 2, dtype=torch.uint8)}
    with pytest.raises(
        RuntimeError, match=r"mask of decoder\.layers\.0\.fc1\.weight is \(2, 2\), the matrix \(24, 16\)"
    ):
        model.load_state_dict(state)
    assert model.masking.masks == masks


def test_masks_of_another_model_are_refused():
    with pytest.raises(PruneError, match=r"the mask: decoder\.embed_tokens\.weight is missing there"):
        tiny_model("none").masking.replace(tiny_model("all").masking.masks)


def test_a_copy_is_independent_and_masks_its_own_weights():
    model = tiny_model()
    masks = halve(model, FC1)
    twin = copy.deepcopy(model)
    assert twin.masking.masks == masks
    halve(twin, QUERY)
    assert model.masking.masks == masks
    query = model.state_dict()[QUERY]
    assert query.count_nonzero() == query.numel()
    assert not twin.state_dict()[QUERY].flatten()[::2].any()
    with torch.no_grad():
        twin.encoder.layers[0].self_attn.q_proj.weight.fill_(1)
    assert (twin.masking.revived(), model.masking.revived()) == (128, 0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_a_cast_leaves_masks_alone(dtype):
    model = tiny_model()
    masks = halve(model, FC1, EMBEDDING)
    model.to(dtype)
    assert model.state_dict()[f"{MASK_MODULE}.{FC1}"].dtype == torch.uint8
    assert (model.masking.masks, model.masking.revived()) == (masks, 0)
    assert next(iter(model.masking.parameters_by_matrix.values())) is model.encoder.embed_tokens.weight


def test_masks_follow_the_model_to_its_device():
    model = tiny_model()
    halve(model, FC1)
    assert model.to("meta").state_dict()[f"{MASK_MODULE}.{FC1}"].device.type == "meta"
