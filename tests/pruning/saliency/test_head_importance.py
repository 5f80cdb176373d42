"""Head and unit importance against finite differences of gates, one sentence (or one position) at a time."""

import pytest
import torch

from nmt_prune.errors import PruneError
from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.masks.prunable import prunable_parameters
from nmt_prune.pruning.groups import groups
from nmt_prune.pruning.saliency import saliencies
from tests.pruning.saliency.measuring import (
    HEAD_DIM,
    SENTENCES,
    batch,
    cross_entropy,
    evidence,
    model,
    weights_and_masks,
)

STEP = 1e-5
ATTENTIONS = ["encoder.layers.1.self_attn", "decoder.layers.0.self_attn", "decoder.layers.1.encoder_attn"]
FEED_FORWARDS = ["encoder.layers.0", "decoder.layers.1"]


def importance(network, group, batches=None, per="example", ffn="unit"):
    weights, alive = weights_and_masks(network)
    spec = f"head-importance:per={per},ffn={ffn}"
    saliency = saliencies.build(spec, evidence=evidence(network, batches), head_dim=HEAD_DIM)
    scores = groups.build(group, head_dim=HEAD_DIM).scores(saliency.score(weights, alive), alive)
    return {name: values.flatten() for name, values in scores.items()}


def gated_loss(network, sentence, module, channels, gate, position=None):
    """Summed loss of one sentence with what enters a module multiplied by a gate, at one position or at all."""

    def scale(_, inputs):
        (x,) = inputs
        factor = torch.ones_like(x)
        factor[slice(None) if position is None else position, :, channels] = gate
        return (x * factor,)

    network.eval()
    for part in network.modules():
        if hasattr(part, "skip_embed_dim_check"):
            part.skip_embed_dim_check = True  # the unfused path, which calls out_proj
    hook = network.get_submodule(module).register_forward_pre_hook(scale)
    with torch.no_grad():
        loss = cross_entropy(network, batch([sentence]))
    hook.remove()
    return float(loss.mean) * loss.target_tokens


def gate_derivative(*arguments, **position):
    return sum(sign * gated_loss(*arguments, 1 + sign * STEP, **position) for sign in (1, -1)) / (2 * STEP)


@pytest.mark.parametrize("block", ATTENTIONS)
def test_a_head_by_its_gate_for_each_sentence(block):
    network = model()
    found = importance(network, "head")[block]
    for head in (0, 3):
        channels = slice(4 * head, 4 * head + 4)
        gates = [gate_derivative(network, sentence, f"{block}.out_proj", channels) for sentence in SENTENCES]
        assert min(gates) < 0 < max(gates) or head == 3  # the sign matters: |sum| would be smaller
        expected = sum(map(abs, gates)) / len(gates)
        assert float(found[head]) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("layer", FEED_FORWARDS)
def test_a_unit_by_its_gate_for_each_sentence(layer):
    network = model()
    found = importance(network, "unit")[f"{layer}.ffn"]
    for unit in (0, 11, 23):
        gates = [gate_derivative(network, sentence, f"{layer}.fc2", slice(unit, unit + 1)) for sentence in SENTENCES]
        assert float(found[unit]) == pytest.approx(sum(map(abs, gates)) / len(gates), rel=1e-5, abs=1e-9)
    assert float(found.sum()) > 0


def test_a_feed_forward_sublayer_by_its_gate_for_each_sentence():
    network = model()
    found = importance(network, "sublayer", ffn="sublayer")
    for stack in ("encoder", "decoder"):
        for layer in (0, 1):
            module = f"{stack}.layers.{layer}.fc2"
            gates = [gate_derivative(network, sentence, module, slice(None)) for sentence in SENTENCES]
            expected = sum(map(abs, gates)) / len(gates)
            assert float(found[f"{stack}.ffn"][layer]) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("group", "family", "module", "width"),
    [
        ("head", ATTENTIONS[0], f"{ATTENTIONS[0]}.out_proj", 4),
        ("unit", "encoder.layers.0.ffn", "encoder.layers.0.fc2", 1),
    ],
)
def test_importance_does_not_depend_on_density(group, family, module, width):
    """Groups from sparse to dense, in a model that is sparse already: still the derivative by a gate."""
    network = model()
    weights, _ = weights_and_masks(network)
    torch.manual_seed(1)
    alive = MaskSet({each: torch.rand(each.shape) < torch.linspace(0.1, 1, each.shape[0])[:, None] for each in weights})
    with torch.no_grad():
        for prunable, parameter in prunable_parameters(network).items():
            parameter.mul_(alive[prunable.name])
    weights, _ = weights_and_masks(network)
    saliency = saliencies.build("head-importance", evidence=evidence(network), head_dim=HEAD_DIM)
    scores = groups.build(group, head_dim=HEAD_DIM).scores(saliency.score(weights, alive), alive)[family].flatten()
    for index in range(len(scores)):
        channels = slice(width * index, width * index + width)
        gates = [gate_derivative(network, sentence, module, channels) for sentence in SENTENCES]
        assert float(scores[index]) == pytest.approx(sum(map(abs, gates)) / len(gates), rel=1e-4, abs=1e-9)


@pytest.mark.parametrize("block", ATTENTIONS)
def test_a_head_by_its_gate_at_each_position(block):
    network = model()
    found = importance(network, "head", per="token")[block]
    total, count = 0.0, 0
    for sentence in SENTENCES:
        length = len(sentence[0] if block.startswith("encoder") else sentence[1])
        for position in range(length):
            total += abs(gate_derivative(network, sentence, f"{block}.out_proj", slice(4, 8), position=position))
        count += length
    assert float(found[1]) == pytest.approx(total / count, rel=1e-5)


@pytest.mark.parametrize("per", ["example", "token"])
@pytest.mark.parametrize("group", ["head", "unit"])
def test_padding_and_batching_change_nothing(per, group):
    network = model()
    alone = importance(network, group, [batch([sentence]) for sentence in SENTENCES], per)
    padded = importance(network, group, [batch(SENTENCES, extra=3)], per)
    for name in alone:
        assert torch.allclose(alone[name], padded[name], rtol=1e-9, atol=1e-14)


def test_the_fast_importance_is_a_lower_bound():
    """|mean of derivatives| ≤ mean |derivative|: what the absolute value per sentence is there for."""
    network = model()
    batches = [batch([sentence]) for sentence in SENTENCES]
    exact = importance(network, "head", batches)
    weights, alive = weights_and_masks(network)
    taylor = saliencies.build("taylor", evidence=evidence(network, batches), grouped=True).score(weights, alive)
    fast = groups.build("head:reduce=abs-sum,of=output", head_dim=HEAD_DIM).scores(taylor, alive)
    longest = max(len(target) for _, target in SENTENCES)  # taylor's losses are means over a sentence's tokens
    for name in exact:
        assert (fast[name].flatten() <= exact[name] + 1e-12).all()
        assert (fast[name].flatten() * longest < exact[name]).any()


def test_other_groups_and_settings_are_refused():
    network = model()
    weights, alive = weights_and_masks(network)
    saliency = saliencies.build("head-importance", evidence=evidence(network), head_dim=HEAD_DIM)
    with pytest.raises(PruneError, match=r"has no score for encoder\.embed_tokens\.weight: .* --group head or unit"):
        saliency.score(weights, alive)["encoder.embed_tokens.weight"]
    with pytest.raises(PruneError, match="per='sentence'"):
        saliencies.build("head-importance:per=sentence")
