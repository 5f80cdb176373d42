"""Mean activation and confidence against sublayers worked out by hand, one sentence at a time."""

import pytest
import torch

from nmt_prune.errors import PruneError
from nmt_prune.pruning.groups import groups
from nmt_prune.pruning.saliency import saliencies
from tests.pruning.saliency.attending import attend, units
from tests.pruning.saliency.measuring import HEAD_DIM, SENTENCES, batch, evidence, model, weights_and_masks

ATTENTIONS = ["encoder.layers.1.self_attn", "decoder.layers.0.self_attn", "decoder.layers.1.encoder_attn"]
FEED_FORWARDS = ["encoder.layers.0", "decoder.layers.1"]
PADDED = [batch(SENTENCES[:3], extra=2), batch(SENTENCES[3:], extra=1)]


def measured(network, spec, group, batches=None):
    weights, alive = weights_and_masks(network)
    saliency = saliencies.build(spec, evidence=evidence(network, batches or PADDED), head_dim=HEAD_DIM)
    scores = groups.build(group, head_dim=HEAD_DIM).scores(saliency.score(weights, alive), alive)
    return {name: values.flatten() for name, values in scores.items()}


@pytest.mark.parametrize("block", ATTENTIONS)
def test_activation_of_a_head_is_the_mean_of_its_context_over_words(block):
    network = model()
    contexts = torch.cat([attend(network, sentence, block)[1] for sentence in SENTENCES], dim=1)
    found = measured(network, "activation", "head")[block]
    assert torch.allclose(found, contexts.abs().mean(dim=(1, 2)), rtol=1e-9)


@pytest.mark.parametrize("layer", FEED_FORWARDS)
def test_activation_of_a_unit_is_its_mean_over_words(layer):
    network = model()
    outputs = torch.cat([units(network, sentence, layer) for sentence in SENTENCES])
    assert torch.allclose(measured(network, "activation", "unit")[f"{layer}.ffn"], outputs.mean(dim=0), rtol=1e-9)
    share = (outputs > 0).double().mean(dim=0)
    assert len(share.unique()) > 3
    assert torch.allclose(measured(network, "activation:kind=nonzero", "unit")[f"{layer}.ffn"], share, rtol=1e-9)


@pytest.mark.parametrize("block", ATTENTIONS)
def test_confidence_is_the_mean_of_the_largest_attention_to_a_word(block):
    network, total, count = model(), 0.0, 0
    for sentence in SENTENCES:
        attention, _ = attend(network, sentence, block)
        source, target = len(sentence[0]), len(sentence[1])
        # The source ends with </s>; what the decoder reads begins with it.
        queries = range(source - 1) if block.startswith("encoder") else range(1, target)
        keys = range(1, target) if block == "decoder.layers.0.self_attn" else range(source - 1)
        for query in queries:
            total = total + torch.stack([attention[:, query, key] for key in keys]).max(dim=0).values
            count += 1
    found = measured(network, "confidence", "head")[block]
    assert torch.allclose(found, total / count, rtol=1e-9)
    assert 0 < float(found.min()) < float(found.max()) < 1


@pytest.mark.parametrize("spec", ["activation", "activation:kind=nonzero", "confidence"])
def test_padding_and_batching_change_nothing(spec):
    network, group = model(), "unit" if "nonzero" in spec else "head"
    alone = measured(network, spec, group, [batch([sentence]) for sentence in SENTENCES])
    for name, values in measured(network, spec, group, [batch(SENTENCES, extra=3)]).items():
        assert torch.allclose(values, alone[name], rtol=1e-9)


def test_a_head_without_queries_is_least_confident():
    """Attention by a head that cannot tell positions apart is uniform, so as weak as it can be."""
    network = model()
    with torch.no_grad():
        queries = network.encoder.layers[1].self_attn.q_proj
        queries.weight[4:8] = queries.bias[4:8] = 0
    found = measured(network, "confidence", "head")[ATTENTIONS[0]]
    words = [len(source) - 1 for source, _ in SENTENCES]
    uniform = sum(count / (count + 1) for count in words) / sum(words)
    assert float(found[1]) == pytest.approx(uniform, rel=1e-9)
    assert int(found.argmin()) == 1


@pytest.mark.parametrize(
    ("spec", "matrix", "message"),
    [
        ("confidence", "encoder.layers.0.fc1.weight", "it ranks heads; give --group head$"),
        ("activation", "encoder.embed_tokens.weight", "heads and feed-forward units; give --group head or unit"),
    ],
)
def test_what_has_no_score_is_refused(spec, matrix, message):
    network = model()
    saliency = saliencies.build(spec, evidence=evidence(network), head_dim=HEAD_DIM)
    with pytest.raises(PruneError, match=f"^saliency {spec} has no score for {matrix}: .*{message}") as error:
        saliency.score(*weights_and_masks(network))[matrix]
    assert "\n" not in str(error.value)


def test_an_unknown_kind_is_refused():
    with pytest.raises(PruneError, match="kind='median'"):
        saliencies.build("activation:kind=median")
