"""SynFlow: its conservation law, an independent forward pass, and what goes wrong without the port or the rounds."""

import pytest
import torch
from torch import Tensor

from nmt_prune.errors import PruneError
from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.masks.prunable import prunable_parameters
from nmt_prune.pruning.budgets import budgets
from nmt_prune.pruning.groups import groups
from nmt_prune.pruning.pruner import Pruner
from nmt_prune.pruning.saliency import saliencies
from tests.pruning.saliency.measuring import HEAD_DIM, model, weights_and_masks

BLOCKS = [
    f"{stack}.layers.{layer}.{block}."
    for stack, blocks in (("encoder", ["self_attn"]), ("decoder", ["self_attn", "encoder_attn"]))
    for layer in (0, 1)
    for block in blocks
]
LAYERS = [f"{stack}.layers.{layer}." for stack in ("encoder", "decoder") for layer in (0, 1)]


def synflow(rounds: int = 100):
    return saliencies.build(f"synflow:rounds={rounds}", head_dim=HEAD_DIM)


def random_masks(weights, density):
    return MaskSet({p: torch.rand(p.shape) < density for p in weights})


@pytest.mark.parametrize("density", [1.0, 0.3])
@pytest.mark.parametrize("tying", ["all", "decoder", "none"])
def test_flow_is_conserved_in_every_block(tying, density):
    weights, _ = weights_and_masks(model(tying=tying))
    alive = random_masks(weights, density)
    scores = synflow().score(weights, alive)
    for block in BLOCKS:
        q, k, v, o = (float(scores[f"{block}{name}_proj.weight"].sum()) for name in ("q", "k", "v", "out"))
        assert q == pytest.approx(k, rel=1e-10) == pytest.approx(o, rel=1e-10)
        # The heads without queries or keys attend uniformly and still pass their values on.
        assert v == pytest.approx(o, rel=1e-10)
        assert 0 < q < 1
    for layer in LAYERS:
        sums = [float(scores[f"{layer}{name}.weight"].sum()) for name in ("fc1", "fc2")]
        assert sums[0] == pytest.approx(sums[1], rel=1e-10)
        assert 0 < sums[0] < 1
    assert all((scores[name][~alive[name]] == 0).all() and (scores[name] >= 0).all() for name in scores)


def explicit_flow(weights: dict[str, Tensor], output: Tensor, source: int, target: int) -> Tensor:
    """R by a forward pass over several positions with a causal mask."""

    def attention(prefix, x, memory, mask):
        heads, (q, k, v, o) = 4, (weights[f"{prefix}{name}_proj.weight"] for name in ("q", "k", "v", "out"))
        queries = (x.detach() @ q.T).view(len(x), heads, -1)
        keys, values = ((y @ m.T).view(len(memory), heads, -1) for y, m in ((memory.detach(), k), (memory, v)))
        affinity = torch.einsum("ihd,jhd->hij", queries, keys) * mask
        attended = affinity / affinity.sum(dim=2, keepdim=True).detach()
        return torch.einsum("hij,jhd->ihd", attended, values).reshape(len(x), -1) @ o.T

    def ffn(prefix, x):
        return x @ weights[f"{prefix}fc1.weight"].T @ weights[f"{prefix}fc2.weight"].T

    x, y = torch.ones(source, 16, dtype=torch.float64), torch.ones(target, 16, dtype=torch.float64)
    causal = torch.ones(target, target, dtype=torch.float64).tril()
    for layer in (0, 1):
        prefix = f"encoder.layers.{layer}."
        x = x + attention(f"{prefix}self_attn.", x, x, torch.ones(source, source))
        x = x + ffn(prefix, x)
    for layer in (0, 1):
        prefix = f"decoder.layers.{layer}."
        y = y + attention(f"{prefix}self_attn.", y, y, causal)
        y = y + attention(f"{prefix}encoder_attn.", y, x, torch.ones(target, source))
        y = y + ffn(prefix, y)
    return (y @ output.T).sum()


def test_one_position_stands_for_all():
    weights, alive = weights_and_masks(model())
    scores = synflow().score(weights, alive)
    magnitudes = {p.name: weight.abs().clone().requires_grad_() for p, weight in weights.items()}
    output = magnitudes["encoder.embed_tokens.weight"].detach()
    total = explicit_flow(magnitudes, output, source=3, target=4)
    for name, weight in magnitudes.items():
        if name.endswith("embed_tokens.weight"):
            continue
        expected = weight.detach() * torch.autograd.grad(total, weight, retain_graph=True)[0] / total.detach()
        assert torch.allclose(scores[name], expected, rtol=1e-9, atol=0), name


def test_vocabulary_matrices_are_ranked_by_magnitude_and_apart():
    weights, alive = weights_and_masks(model())
    name = "encoder.embed_tokens.weight"
    embedding = next(weight for prunable, weight in weights.items() if prunable.name == name)
    assert torch.equal(synflow().score(weights, alive)[name], embedding.abs())
    with pytest.raises(PruneError, match="with --budget global also give --prune-set body"):
        Pruner(synflow(), budgets.build("global"))
    with pytest.raises(PruneError, match="with --budget global also give --prune-set body"):
        Pruner(synflow(), budgets.build("global"), groups.build("block"))
    Pruner(synflow(), budgets.build("global"), groups.build("unit"))
    for budget, prune_set in (("global", "body"), ("global-body", "all"), ("matrix", "all")):
        Pruner(synflow(), budgets.build(budget), prune_set=prune_set)


def test_a_dead_head_does_not_kill_its_values():
    weights, alive = weights_and_masks(model())
    block = "encoder.layers.0.self_attn."
    masks = {p: alive[p.name].clone() for p in weights}
    for prunable, mask in masks.items():
        if prunable.name == f"{block}q_proj.weight":
            mask[:4] = False
    scores = synflow().score(weights, MaskSet(masks))
    assert (scores[f"{block}k_proj.weight"][:4] == 0).all()
    assert (scores[f"{block}v_proj.weight"][:4] > 0).all()
    assert (scores[f"{block}k_proj.weight"][4:] > 0).all()


def test_the_growth_of_deep_stacks_stays_finite():
    weights, alive = weights_and_masks(model(encoder_layers=6, decoder_layers=6))
    huge = {prunable: weight * 1e4 for prunable, weight in weights.items()}
    scores = synflow().score(huge, alive)
    assert all(scores[name].isfinite().all() for name in scores)
    last = scores["decoder.layers.5.fc2.weight"].float()
    assert 0.9 < float(last.sum()) <= 1


def naive_scores(network) -> dict[str, Tensor]:
    """The control: SynFlow as published on the Transformer as it is, softmax and layer norm included, ones put in."""
    with torch.no_grad():
        for tensor in network.state_dict().values():
            tensor.abs_()
    network.eval()
    for stack in (network.encoder, network.decoder):
        stack.embed_tokens.forward = lambda tokens: torch.ones(*tokens.shape, 16, dtype=torch.float64)
        stack.embed_positions = None
    tokens = torch.full((1, 4), 5)
    logits, _ = network(tokens, torch.tensor([4]), tokens)
    logits.sum().backward()
    parameters = prunable_parameters(network)
    return {p.name: (weight.grad * weight).abs().detach() for p, weight in parameters.items()}


def survivors(masks: MaskSet) -> dict[str, int]:
    return {prunable.name: masks.kept(prunable) for prunable in masks.prunables if prunable.in_body}


def dead(masks: MaskSet) -> list[str]:
    return [name for name, kept in survivors(masks).items() if kept == 0]


QUERIES_AND_KEYS = {f"{block}{name}_proj.weight" for block in BLOCKS for name in ("q", "k")}


def test_a_naive_port_kills_every_query_and_key():
    network = model()
    weights, alive = weights_and_masks(network)
    weights = {prunable: weight.clone() for prunable, weight in weights.items()}
    masks = budgets.build("global-body").select(naive_scores(network), alive, 0.5)
    assert set(dead(masks)) == QUERIES_AND_KEYS
    ported = dead(Pruner(synflow(), budgets.build("global-body")).prune(weights, alive, 0.5))
    # Blocks that a residual connection bypasses may die, but as a whole.
    for block in BLOCKS:
        assert len({f"{block}{name}_proj.weight" in ported for name in ("q", "k", "v", "out")}) == 1
    assert len(QUERIES_AND_KEYS - set(ported)) >= 8
    floored = Pruner(synflow(), budgets.build("global-body:floor=0.25")).prune(weights, alive, 0.5)
    assert not dead(floored)


def test_a_single_round_kills_more_than_a_hundred():
    weights, alive = weights_and_masks(model(encoder_embed_dim=32, decoder_embed_dim=32, encoder_ffn_embed_dim=64))

    def prune(rounds, budget):
        saliency = saliencies.build(f"synflow:rounds={rounds}", head_dim={"encoder": 8, "decoder": 8})
        return Pruner(saliency, budgets.build(budget)).prune(weights, alive, 0.98)

    once, hundred = (prune(rounds, "global-body") for rounds in (1, 100))
    assert set(dead(hundred)) < set(dead(once))
    # One round kills feed-forward sublayers, many small scores each; a hundred only what residuals bypass.
    assert any("fc1" in name for name in dead(once))
    assert not any("fc" in name for name in dead(hundred))
    floored = prune(100, "global-body:floor=0.25")
    for prunable in floored.prunables:
        assert floored.kept(prunable) >= int(0.25 * 0.02 * prunable.size) > 0


def test_the_width_of_heads_must_be_known():
    weights, alive = weights_and_masks(model())
    with pytest.raises(PruneError, match=r"^saliency synflow needs the width of attention heads"):
        saliencies.build("synflow").score(weights, alive)["encoder.layers.0.fc1.weight"]
