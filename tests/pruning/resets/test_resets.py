"""What survivors become: where each value comes from, bit by bit."""

from math import sqrt

import pytest
import torch
from torch import Tensor

from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.masks.prunable import prunable_matrices
from nmt_prune.pruning.resets import resets
from tests.toy import DIMENSION, FEEDFORWARD, VOCABULARY, toy_model

TRAINED, START = toy_model(0), toy_model(1)
SOURCE = torch.Generator().manual_seed(2)
MASKS = MaskSet({p: torch.rand(p.shape, generator=SOURCE) < 0.5 for p in prunable_matrices(TRAINED)})
FC1 = "encoder.layers.0.fc1.weight"
EMBEDDING = ("encoder.embed_tokens.weight", "decoder.embed_tokens.weight", "decoder.output_projection.weight")


def apply(spec: str, seed: int = 1) -> dict[str, Tensor]:
    ticket = resets.build(spec, seed=seed).apply(MASKS, TRAINED, START)
    assert list(ticket) == list(TRAINED)
    for prunable in MASKS.prunables:
        assert not ticket[prunable.name][~MASKS[prunable.name]].any()
        assert all(torch.equal(ticket[alias], ticket[prunable.name]) for alias in prunable.names)
    return ticket


def same_bits(a: Tensor, b: Tensor) -> bool:
    return torch.equal(a.view(torch.int32), b.view(torch.int32))


@pytest.mark.parametrize(("spec", "source"), [("rewind", START), ("keep", TRAINED)])
def test_survivors_are_bit_equal_to_their_source_and_the_rest_is_plus_zero(spec, source):
    ticket = apply(spec)
    for name in source:
        if name in MASKS:
            mask = MASKS[name]
            assert same_bits(ticket[name][mask], source[name][mask])
            assert not ticket[name][~mask].view(torch.int32).any()
        elif name not in EMBEDDING:
            assert same_bits(ticket[name], source[name])


@pytest.mark.parametrize(
    ("spec", "source"), [("rewind", START), ("shuffle", START), ("sign", START), ("keep", TRAINED)]
)
def test_the_padding_row_stays_that_of_the_base(spec, source):
    assert torch.equal(apply(spec)[EMBEDDING[2]][1], source[EMBEDDING[0]][1])


def test_sign_has_the_signs_of_the_rewind_point_and_xaviers_bound():
    ticket = apply("sign")
    # sqrt(6 / (n_in + n_out)): 0.5477 for fc1 and fc2 (8 and 12), 0.6124 in attention, 0.5620 for the embedding.
    for name, fan in ((FC1, DIMENSION + FEEDFORWARD), (EMBEDDING[0], VOCABULARY + DIMENSION)):
        mask, alpha = MASKS[name].clone(), sqrt(6 / fan)
        mask[1] &= name == FC1  # not the padding row
        assert torch.equal(ticket[name][mask], (torch.sign(START[name]) * alpha)[mask])
        assert not torch.equal(ticket[name][mask].sign(), TRAINED[name][mask].sign())
    values = ticket["decoder.layers.0.encoder_attn.out_proj.weight"].unique()
    assert values.tolist() == pytest.approx([-0.6123724, 0.0, 0.6123724])
    assert torch.equal(ticket["encoder.layers.0.fc1.bias"], START["encoder.layers.0.fc1.bias"])


def test_random_signs_are_balanced_independent_and_of_the_same_size():
    ticket, again, other = apply("random-sign"), apply("random-sign"), apply("random-sign", seed=2)
    assert ticket[FC1].abs().unique().tolist() == pytest.approx([0, sqrt(6 / 20)])
    assert torch.equal(ticket[FC1], again[FC1])
    assert not torch.equal(ticket[FC1], other[FC1])
    signs = torch.cat([ticket[p.name][MASKS.candidates(p)].sign() for p in MASKS.prunables])
    origin = torch.cat([START[p.name][MASKS.candidates(p)].sign() for p in MASKS.prunables])
    # About 620 coins: a standard deviation of 0.04.
    assert abs(float(signs.mean())) < 0.16
    assert abs(float((signs * origin).mean())) < 0.16


def test_shuffle_permutes_the_survivors_of_each_matrix():
    ticket = apply("shuffle")
    for prunable in MASKS.prunables:
        name, mask = prunable.name, MASKS.candidates(prunable)
        before, after = START[name][mask], ticket[name][mask]
        assert torch.equal(before.sort().values, after.sort().values)
        assert not torch.equal(before, after)
    assert torch.equal(apply("shuffle")[FC1], ticket[FC1])
    assert not torch.equal(apply("shuffle", seed=2)[FC1], ticket[FC1])


@pytest.mark.parametrize("spec", ["rewind", "keep", "sign", "random-sign", "shuffle", "reinit"])
def test_inf_and_nan_under_the_mask_become_zeros(spec):
    broken = {name: tensor.clone() for name, tensor in START.items()}
    broken[FC1][~MASKS[FC1]] = float("nan")
    broken[FC1][0][~MASKS[FC1][0]] = float("inf")
    ticket = resets.build(spec).apply(MASKS, broken, broken)[FC1]
    assert torch.isfinite(ticket).all()
    assert not ticket[~MASKS[FC1]].any()


def test_tickets_of_half_precision_checkpoints_are_float32_and_integers_stay():
    half = {name: tensor.half() for name, tensor in START.items()} | {"decoder.steps": torch.tensor([7])}
    ticket = resets.build("rewind").apply(MASKS, TRAINED, half)
    assert ticket[FC1].dtype == torch.float32
    assert torch.equal(ticket[FC1], torch.where(MASKS[FC1], half[FC1].float(), 0.0))
    assert (ticket["decoder.steps"].dtype, ticket["decoder.steps"].tolist()) == (torch.int64, [7])


def test_the_inputs_are_left_alone():
    before = [toy_model(0), toy_model(1)]
    for spec in resets.entries().keys() - {"shuffle-layers"}:  # of one layer there is nothing to shuffle
        apply(spec)
    assert all(torch.equal(a[name], b[name]) for a, b in zip(before, [TRAINED, START], strict=True) for name in a)


def test_which_resets_need_a_rewind_point():
    need = {name for name, entry in resets.entries().items() if entry.needs_rewind_point}
    assert {"rewind", "sign", "random-sign", "shuffle"} <= need
    assert not need & {"keep", "reinit"}
