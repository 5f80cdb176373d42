"""Saliencies on every kind of model that fairseq trains: computed, or one line that names the flag."""

from dataclasses import replace

import pytest
import torch

from nmt_prune.errors import PruneError
from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.pruning.saliency import saliencies
from tests.devices import on_gpus
from tests.pruning.saliency.measuring import HEAD_DIM, evidence, model, weights_and_masks

SALIENCIES = [
    "snip",
    "grasp",
    "taylor",
    "head-importance",
    "activation",
    "confidence",
    "wanda",
    "fisher",
    "oes:steps=3",
    "synflow:rounds=2",
]
MODELS = {
    "checkpointed": {"checkpoint_activations": True},
    "offloaded": {"checkpoint_activations": True, "offload_activations": True},
    "another output width": {"decoder_output_dim": 32, "tying": "none"},
    "another input width": {"decoder_input_dim": 32, "tying": "none"},
    "no cross-attention": {"no_cross_attention": True},
    "one attention for both": {"cross_self_attention": True},
    "layer drop": {"encoder_layerdrop": 0.3, "decoder_layerdrop": 0.3},
    "quantization noise": {"quant_noise_pq": 0.1, "quant_noise_pq_block_size": 4},
    "normalised embeddings": {"layernorm_embedding": True},
    "learned positions": {"encoder_learned_pos": True, "decoder_learned_pos": True},
    "no positions": {"no_token_positional_embeddings": True},
    "another activation": {"activation_fn": "gelu"},
    "pre-norm": {"encoder_normalize_before": True, "decoder_normalize_before": True},
}
REFUSED = {
    ("wanda", "one attention for both"): "another saliency for this architecture",
    ("synflow:rounds=2", "another output width"): "--decoder-output-dim",
}


def scores(saliency: str, network, there: torch.device | None = None) -> dict[str, torch.Tensor]:
    weights, alive = weights_and_masks(network)
    measured = evidence(network)
    if there is not None:
        weights = {prunable: weight.to(there) for prunable, weight in weights.items()}
        alive = MaskSet({prunable: alive[prunable.name].to(there) for prunable in weights})
        batches = [{side: tokens.to(there) for side, tokens in each.items()} for each in measured.batches()]
        measured = replace(measured, batches=lambda: batches, device=str(there))
    built = saliencies.build(saliency, head_dim=HEAD_DIM, evidence=measured, seed=1)
    found = built.aimed(list(weights), 0.5).score(weights, alive)
    is_of_channels = saliency in ("head-importance", "activation", "confidence")
    wanted = ("q_proj",) if saliency == "confidence" else ("_proj", "fc1", "fc2")
    names = [p.name for p in weights if p.in_body and any(part in p.name for part in wanted)]
    if saliency == "wanda":  # has no score where nothing but a look-up is done
        names = [p.name for p in weights if p.in_body]
    return {name: found[name] for name in (names if is_of_channels or saliency == "wanda" else list(found))}


@on_gpus
@pytest.mark.parametrize("saliency", [name for name in SALIENCIES if not name.startswith("oes")])
def test_scores_on_a_gpu_are_those_of_the_cpu(saliency, there):
    """But for optimal eye surgeon's, whose noise every device draws in its own way."""
    expected, found = scores(saliency, model()), scores(saliency, model(), there)
    assert found.keys() == expected.keys()
    for name, score in found.items():
        assert torch.allclose(score.cpu(), expected[name], rtol=1e-6, atol=1e-12), name


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("saliency", SALIENCIES)
def test_scores(saliency, kind):
    network = model(**MODELS[kind])
    if (saliency, kind) in REFUSED:
        with pytest.raises(PruneError, match=REFUSED[saliency, kind]):
            scores(saliency, network)
        return
    found = scores(saliency, network)
    assert found
    assert all(torch.isfinite(score).all() for score in found.values())
    assert any(score.unique().numel() > 1 for score in found.values())


@pytest.mark.parametrize("saliency", SALIENCIES)
def test_checkpointed_activations_change_nothing(saliency):
    plain, checkpointed = (scores(saliency, model(checkpoint_activations=is_on)) for is_on in (False, True))
    assert plain.keys() == checkpointed.keys()
    assert all(torch.equal(score, checkpointed[name]) for name, score in plain.items())


def test_an_encoder_that_nothing_looks_at_has_no_importance():
    found = scores("head-importance", model(no_cross_attention=True))
    assert not any(score.any() for name, score in found.items() if name.startswith("encoder."))
    assert any(score.any() for name, score in found.items() if name.startswith("decoder."))
