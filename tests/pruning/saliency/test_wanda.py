"""|w| · ‖x‖ against inputs taken by hand, one sentence at a time."""

import pytest
import torch

from nmt_prune.errors import PruneError
from nmt_prune.pruning.saliency import saliencies
from tests.pruning.saliency.attending import attend, inputs, units
from tests.pruning.saliency.measuring import SENTENCES, batch, cross_entropy, evidence, model, weights_and_masks


def scores(network):
    weights, alive = weights_and_masks(network)
    return saliencies.build("wanda", evidence=evidence(network)).score(weights, alive)


@pytest.mark.parametrize(
    ("matrix", "states"),
    [
        ("encoder.layers.1.self_attn.q_proj", lambda *a: inputs(*a, "encoder.layers.1.self_attn")[0]),
        ("decoder.layers.0.encoder_attn.q_proj", lambda *a: inputs(*a, "decoder.layers.0.encoder_attn")[0]),
        ("decoder.layers.0.encoder_attn.v_proj", lambda *a: inputs(*a, "decoder.layers.0.encoder_attn")[1]),
        (
            "decoder.layers.1.self_attn.out_proj",
            lambda *a: attend(*a, "decoder.layers.1.self_attn")[1].transpose(0, 1).flatten(1),
        ),
        ("encoder.layers.0.fc2", lambda *a: units(*a, "encoder.layers.0")),
    ],
)
def test_the_norm_is_over_all_tokens_but_padding(matrix, states):
    network = model()
    tokens = torch.cat([states(network, sentence) for sentence in SENTENCES])
    weight = network.get_parameter(f"{matrix}.weight").detach()
    expected = weight.abs() * (tokens**2).sum(dim=0).sqrt()[None]
    assert torch.allclose(scores(network)[f"{matrix}.weight"], expected)


def test_a_tied_embedding_is_scored_as_the_output_projection():
    network = model()
    final = []
    hook = network.decoder.output_projection.register_forward_pre_hook(lambda _, given: final.append(given[0]))
    network.eval()
    for sentence in SENTENCES:
        cross_entropy(network, batch([sentence]))
    hook.remove()
    norm = torch.cat([states[0] for states in final]).detach().square().sum(dim=0).sqrt()
    weight = network.encoder.embed_tokens.weight.detach()
    assert torch.allclose(scores(network)["encoder.embed_tokens.weight"], weight.abs() * norm)


def test_what_is_only_looked_up_has_no_score():
    found = scores(model(tying="none"))
    assert found["decoder.output_projection.weight"].all()
    with pytest.raises(PruneError, match=r"no score for encoder\.embed_tokens\.weight, which is looked up.*body"):
        found["encoder.embed_tokens.weight"]
