"""Saliencies that are measured: SNIP, Taylor and GraSP against finite differences and explicit Hessians."""

import pytest
import torch

from nmt_prune.errors import PruneError
from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.masks.prunable import prunable_parameters
from nmt_prune.pruning.budgets import budgets
from nmt_prune.pruning.groups import groups
from nmt_prune.pruning.pruner import Pruner
from nmt_prune.pruning.saliency import saliencies
from tests.pruning.saliency.measuring import HEAD_DIM, evidence, mean_loss, model, weights_and_masks

FC1, QUERY = "encoder.layers.1.fc1.weight", "decoder.layers.0.encoder_attn.q_proj.weight"
EMBEDDING, OUTPUT = "encoder.embed_tokens.weight", "decoder.layers.1.self_attn.out_proj.weight"
STEP = 1e-5


def by_name(network):
    return {prunable.name: parameter for prunable, parameter in prunable_parameters(network).items()}


def scaled_derivative(network, name, row, column, temperature=1.0):
    """dL/ds at 1 of the loss with the weight times s, by central differences."""
    weight = by_name(network)[name].data
    value, losses = float(weight[row, column]), []
    for factor in (1 + STEP, 1 - STEP):
        weight[row, column] = value * factor
        losses.append(mean_loss(network, temperature))
    weight[row, column] = value
    return (losses[0] - losses[1]) / (2 * STEP)


@pytest.mark.parametrize("name", [FC1, QUERY, EMBEDDING, OUTPUT])
def test_snip_is_the_derivative_by_the_scale_of_a_weight(name):
    network = model()
    weights, alive = weights_and_masks(network)
    snip = saliencies.build("snip", evidence=evidence(network)).score(weights, alive)
    taylor = saliencies.build("taylor", evidence=evidence(network), grouped=True).score(weights, alive)
    entries = ((5, 3), (7, 0), (9, 15))
    derivatives = [scaled_derivative(network, name, row, column) for row, column in entries]
    assert max(map(abs, derivatives)) > 1e-5
    for (row, column), expected in zip(entries, derivatives, strict=True):
        assert float(taylor[name][row, column]) == pytest.approx(expected, rel=1e-4, abs=1e-10)
        assert float(snip[name][row, column]) == pytest.approx(abs(expected), rel=1e-4, abs=1e-10)


def test_taylor_has_no_sign_without_groups():
    network = model()
    weights, alive = weights_and_masks(network)
    plain, snip = (
        saliencies.build(name, evidence=evidence(network)).score(weights, alive) for name in ("taylor", "snip")
    )
    assert all(torch.equal(plain[name], snip[name]) for name in snip)


def test_measuring_leaves_the_model_alone():
    network = model().train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    weights, alive = weights_and_masks(network)
    random = torch.get_rng_state()
    for name in ("snip", "grasp", "head-importance"):
        saliencies.build(name, evidence=evidence(network), head_dim=HEAD_DIM).score(weights, alive)[FC1]
    assert network.training
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    assert all(parameter.grad is None and parameter.requires_grad for parameter in network.parameters())
    assert torch.equal(torch.get_rng_state(), random)


def test_the_weights_and_masks_given_are_measured_and_not_those_of_the_model():
    network, other = model(0), model(1)
    weights, alive = weights_and_masks(other)
    alive = MaskSet({p: torch.rand(p.shape) < 0.7 for p in weights})
    found = saliencies.build("snip", evidence=evidence(network).holding(other.state_dict(), "other")).score(
        weights, alive
    )
    with torch.no_grad():
        for prunable, parameter in prunable_parameters(other).items():
            parameter.mul_(alive[prunable.name])
    own = saliencies.build("snip", evidence=evidence(other)).score(*weights_and_masks(other))
    assert all(torch.equal(found[name], own[name]) for name in own)
    assert not found[FC1][~alive[FC1]].any()


def explicit_hessian_product(network, temperature):
    """Hg from the whole Hessian of two matrices, row by row with reverse mode over reverse mode on the CPU."""
    from tests.pruning.saliency.measuring import cross_entropy

    network.eval()
    parameters = [by_name(network)[name] for name in (FC1, QUERY)]
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        losses = [cross_entropy(network, each, temperature).mean for each in evidence(network).batches()]
    loss = torch.stack(losses).mean()
    gradient = torch.cat([g.flatten() for g in torch.autograd.grad(loss, parameters, create_graph=True)])
    rows = [
        torch.cat([h.flatten() for h in torch.autograd.grad(entry, parameters, retain_graph=True)])
        for entry in gradient
    ]
    hessian = torch.stack(rows)
    assert torch.allclose(hessian, hessian.T, atol=1e-12)
    product = hessian @ gradient.detach()
    return dict(zip((FC1, QUERY), product.split([p.numel() for p in parameters]), strict=True)), parameters


@pytest.mark.parametrize("temperature", [1.0, 200.0])
def test_grasp_is_the_weight_times_the_hessian_times_the_gradient(temperature):
    network = model(encoder_ffn_embed_dim=6)
    weights, alive = weights_and_masks(network)
    chosen = {prunable: weight for prunable, weight in weights.items() if prunable.name in (FC1, QUERY)}
    spec = f"grasp:temperature={temperature}"
    scores = saliencies.build(spec, evidence=evidence(network)).score(chosen, alive)
    products, parameters = explicit_hessian_product(network, temperature)
    for name, parameter in zip((FC1, QUERY), parameters, strict=True):
        expected = parameter.detach() * products[name].view(parameter.shape)
        scale = expected.abs().max()
        assert scale > 0
        assert torch.allclose(scores[name] / scale, expected / scale, atol=1e-9)


def test_grasp_keeps_what_the_gradient_norm_would_lose():
    """Removing weights with high scores lowers |g|², as its derivative by the weights' scale says."""
    network = model()
    weights, alive = weights_and_masks(network)
    scores = saliencies.build("grasp:temperature=1", evidence=evidence(network)).score(weights, alive)
    with torch.no_grad():
        by_name(network)[FC1][3].mul_(1 + STEP)

    def squared_norm():
        gradients = evidence(network).probe(*weights_and_masks(network)).gradients()
        return sum(float(gradient.square().sum()) for gradient in gradients.values())

    larger = squared_norm()
    with torch.no_grad():
        by_name(network)[FC1][3].div_(1 + STEP).mul_(1 - STEP)
    derivative = (larger - squared_norm()) / (2 * STEP)
    assert derivative == pytest.approx(2 * float(scores[FC1][3].sum()), rel=1e-4)


def test_default_grasp_has_the_temperature_of_the_paper():
    assert saliencies.settings("grasp") == {"temperature": 200.0, "preserve": False, "rounds": 1}


def test_preserving_the_gradient_norm_is_the_score_without_its_sign():
    network = model()
    weights, alive = weights_and_masks(network)
    signed, absolute = (
        saliencies.build(spec, evidence=evidence(network)).score(weights, alive)
        for spec in ("grasp", "grasp:preserve=true")
    )
    assert signed[FC1].min() < 0
    assert all(torch.equal(absolute[name], signed[name].abs()) for name in signed)


@pytest.mark.parametrize("block", ["encoder.layers.0.self_attn", "decoder.layers.1.encoder_attn"])
def test_taylor_of_a_head_is_the_derivative_by_its_gate(block):
    network = model()
    weights, alive = weights_and_masks(network)
    group = groups.build("head:reduce=abs-sum,of=output", head_dim=HEAD_DIM)
    saliency = saliencies.build("taylor", evidence=evidence(network), grouped=True)
    found = group.scores(saliency.score(weights, alive), alive)[block]
    columns = by_name(network)[f"{block}.out_proj.weight"].data[:, 4:8]
    before, losses = columns.clone(), []
    for factor in (1 + STEP, 1 - STEP):
        columns.copy_(before * factor)
        losses.append(mean_loss(network))
    assert float(found.flatten()[1]) == pytest.approx(abs(losses[0] - losses[1]) / (2 * STEP), rel=1e-4)


@pytest.mark.parametrize("name", ["snip", "grasp"])
def test_rounds_score_the_survivors_anew(name):
    network = model()
    weights, alive = weights_and_masks(network)

    def prune(rounds, start=alive, sparsity=0.9):
        saliency = saliencies.build(f"{name}:rounds={rounds}", evidence=evidence(network))
        return Pruner(saliency, budgets.build("global-body")).prune(weights, start, sparsity)

    by_hand = prune(1, prune(1, prune(1, sparsity=1 - 0.1 ** (1 / 3)), sparsity=1 - 0.1 ** (2 / 3)))
    assert prune(3) == by_hand
    assert prune(3) != prune(1)
    assert prune(3).sparsity() == pytest.approx(0.9, abs=1e-3)


def test_nothing_is_measured_where_nothing_is_pruned():
    network = model()
    weights, alive = weights_and_masks(network)
    saliency = saliencies.build("snip:rounds=4", evidence=evidence(network, batches=[]))
    assert Pruner(saliency, budgets.build("global")).prune(weights, alive, 0.0) == alive


@pytest.mark.parametrize("control", ["shuffled", "inverted"])
def test_controls_of_rounds_have_the_same_counts(control):
    network = model()
    weights, alive = weights_and_masks(network)
    saliency = saliencies.build("snip:rounds=3", evidence=evidence(network))
    real, other = (
        Pruner(saliency, budgets.build("global"), mask_control=name).prune(weights, alive, 0.8)
        for name in ("none", control)
    )
    assert [real.kept(prunable) for prunable in weights] == [other.kept(prunable) for prunable in weights]
    assert real != other


@pytest.mark.parametrize("name", ["snip", "grasp", "taylor", "head-importance", "activation", "confidence", "oes"])
def test_without_data_each_says_what_to_give(name):
    weights, alive = weights_and_masks(model())
    with pytest.raises(PruneError, match=f"^saliency {name} is measured on training data: give --data") as error:
        saliencies.build(name, head_dim=HEAD_DIM).score(weights, alive)[QUERY]
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["snip", "grasp", "taylor", "head-importance", "activation", "confidence", "oes"])
def test_an_empty_calibration_set_is_refused(name):
    network = model()
    weights, alive = weights_and_masks(network)
    saliency = saliencies.build(name, evidence=evidence(network, batches=[]), head_dim=HEAD_DIM)
    with pytest.raises(PruneError, match=r"^the calibration set is empty: give --calibration-batches"):
        saliency.score(weights, alive)[FC1]


def test_other_mistakes():
    network = model()
    with pytest.raises(PruneError, match="temperature=0 must be above 0"):
        saliencies.build("grasp:temperature=0")
    with pytest.raises(PruneError, match="rounds=0 must be at least 1"):
        Pruner(saliencies.build("snip:rounds=0"), budgets.build("matrix"))
    with pytest.raises(PruneError, match=r"thin\.pt is of another architecture .*\(24, 16\) in the model"):
        evidence(network).holding(model(encoder_ffn_embed_dim=20).state_dict(), "thin.pt")
