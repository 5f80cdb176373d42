"""Re-initialisation against what fairseq really draws for a new model."""

import pytest
import torch
from torch import Tensor

from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.masks.prunable import parse, prunable_matrices
from nmt_prune.pruning.resets import resets
from tests.tiny_model import TYINGS, tiny_model

SIZE = {"encoder_embed_dim": 128, "encoder_ffn_embed_dim": 192, "encoder_learned_pos": True, "max_source_positions": 60}


@pytest.fixture(scope="module", params=[*TYINGS, "narrow decoder"])
def models(request) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Tensor]]:
    """A new fairseq model, another one, and the re-initialisation of the first, all without masks."""
    tying, flags = (request.param, SIZE) if request.param in TYINGS else ("none", {**SIZE, "decoder_embed_dim": 96})
    fresh, other = (tiny_model(tying, words=400, **flags).state_dict() for _ in range(2))
    masks = MaskSet.dense(prunable_matrices(fresh))
    trained = {name: tensor + 3 for name, tensor in fresh.items()}
    return fresh, other, resets.build("reinit", seed=4).apply(masks, trained, trained)


def test_every_matrix_has_the_deviation_and_range_of_fairseqs_own(models):
    fresh, _, drawn = models
    seen = set()
    for name, real in fresh.items():
        if real.dim() != 2:
            continue
        kind = getattr(parse(name, real.shape), "matrix", "positions")
        seen.add(kind)
        assert float(drawn[name].std()) == pytest.approx(float(real.std()), rel=0.05), name
        assert float(drawn[name].mean()) == pytest.approx(0, abs=0.02 * float(real.std()) + 2e-3), name
        normal = kind in ("embed_tokens", "output_projection", "positions")
        tail = 0.25 if normal else 0.02  # the largest of a uniform sample hardly varies
        assert float(drawn[name].abs().max()) == pytest.approx(float(real.abs().max()), rel=tail), name
    assert {"q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2", "embed_tokens", "positions"} <= seen


def test_biases_and_layer_norms_are_those_of_a_new_model(models):
    fresh, _, drawn = models
    for name, real in fresh.items():
        if name.endswith("out_proj.bias") or "layer_norm" in name:
            assert torch.equal(drawn[name], real), name
        elif name.endswith(".bias"):
            assert float(drawn[name].std()) == pytest.approx(float(real.std()), rel=0.3), name
            assert float(drawn[name].abs().max()) == pytest.approx(float(real.abs().max()), rel=0.1), name


def test_padding_rows_are_zero(models):
    fresh, _, drawn = models
    rows = [name for name in fresh if name.endswith(("embed_tokens.weight", "encoder.embed_positions.weight"))]
    assert len(rows) == 3
    assert all(not fresh[name][1].any() and not drawn[name][1].any() for name in rows)


def test_values_are_new(models):
    fresh, other, drawn = models
    for name, real in fresh.items():
        if real.dim() == 2:
            pairs = torch.stack([drawn[name].flatten(), real.flatten(), other[name].flatten()])
            assert pairs.corrcoef().triu(1).abs().max() < 0.1


def test_the_seed_decides_and_the_global_generator_does_not():
    trained = tiny_model().state_dict()
    masks = MaskSet.dense(prunable_matrices(trained))

    def draw(seed: int) -> Tensor:
        torch.manual_seed(seed + 100)
        return torch.cat(
            [t.flatten() for t in resets.build("reinit", seed=seed).apply(masks, trained, trained).values()]
        )

    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))


def test_masks_hold_and_tied_matrices_stay_tied():
    trained = tiny_model("all").state_dict()
    masks = MaskSet({p: torch.rand(p.shape) < 0.5 for p in prunable_matrices(trained)})
    ticket = resets.build("reinit").apply(masks, trained, trained)
    for prunable in masks.prunables:
        assert not ticket[prunable.name][~masks[prunable.name]].any()
        assert all(torch.equal(ticket[name], ticket[prunable.name]) for name in prunable.names)
