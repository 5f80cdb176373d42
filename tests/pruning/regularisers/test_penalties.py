"""Penalties by hand and by finite differences; the proximal step by hand."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from nmt_prune.errors import PruneError
from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.masks.prunable import prunable_matrices
from nmt_prune.pruning.groups import groups
from nmt_prune.pruning.regularisers import regularisers
from nmt_prune.pruning.regularisers.regularisation import Regularisation
from nmt_prune.training.callbacks import Callbacks
from nmt_prune.training.masking import Masking
from tests.toy import toy_model

FC1, FC2 = "encoder.layers.0.fc1.weight", "encoder.layers.0.fc2.weight"


def parameters(**weights):
    """The feed-forward matrices of a toy model's encoder in double precision, or given ones."""
    model = {name: tensor for name, tensor in toy_model().items() if name in (FC1, FC2)} | weights
    return {prunable: nn.Parameter(tensor.clone()) for prunable, tensor in prunable_matrices(model).items()}


def regularisation(spec, group="unit", chosen=None, until=0):
    chosen = parameters() if chosen is None else chosen
    return Regularisation(regularisers.build(spec), groups.build(group, head_dim={}), chosen, until)


def row_of_norms(*norms):
    """A matrix with blocks of two inputs per row, of these norms."""
    model = {FC1: torch.tensor([[0.6 * norm, 0.8 * norm] for norm in norms])}
    return {prunable: nn.Parameter(tensor) for prunable, tensor in prunable_matrices(model).items()}


def test_group_lasso_is_the_sum_of_norms_over_both_matrices():
    chosen = parameters()
    fc1, fc2 = (parameter.detach() for parameter in chosen.values())
    expected = 0.5 * sum(float((fc1[j].square().sum() + fc2[:, j].square().sum()).sqrt()) for j in range(12))
    assert regularisation("group-lasso:strength=0.5", chosen=chosen).penalty().item() == pytest.approx(expected)


@pytest.mark.parametrize("group", ["unit", "block:rows=1,columns=4", "block:rows=3,columns=1", "sublayer"])
@pytest.mark.parametrize("spec", ["group-lasso:strength=0.1", "clipped-group-lasso:strength=0.1,ratio=1.05"])
def test_gradients_agree_with_finite_differences(spec, group):
    chosen = parameters()
    penalty = regularisation(spec, group, chosen)
    penalty.penalty().backward()
    # δ is a constant to the gradient: with it moving, differences would differ.
    limits = [penalty._regulariser._limit(family.norms(family.parameters)) for family in penalty._families] if (
        "clipped" in spec
    ) else None  # fmt: skip

    def value():
        norms = [family.norms(family.parameters).double() for family in penalty._families]
        if limits is None:
            return 0.1 * sum(float(norm.sum()) for norm in norms)
        return 0.1 * sum(float(norm.clamp(max=limit).sum()) for norm, limit in zip(norms, limits, strict=True))

    for parameter in chosen.values():
        for row, column in ((0, 0), (3, 5), (7, 2)):
            found = float(parameter.grad[row, column])
            with torch.no_grad():
                ends = []
                for difference in (1e-2, -2e-2):
                    parameter[row, column] += difference
                    ends.append(value())
                parameter[row, column] += 1e-2
            assert found == pytest.approx((ends[0] - ends[1]) / 2e-2, abs=2e-4)


def test_clipped_groups_have_no_gradient_and_small_ones_that_of_the_lasso():
    # mean 4, δ = 0.5 · 4 = 2: the group of norm 1 is below.
    chosen = row_of_norms(1.0, 4.0, 7.0)
    penalty = regularisation("clipped-group-lasso:strength=1,ratio=0.5", "block:rows=1,columns=2", chosen)
    value = penalty.penalty()
    value.backward()
    (weight,) = chosen.values()
    assert value.item() == pytest.approx(1 + 2 + 2)
    assert torch.allclose(weight.grad[0], torch.tensor([0.6, 0.8]))
    assert not weight.grad[1:].any()


@pytest.mark.parametrize("spec", ["group-lasso", "clipped-group-lasso"])
def test_a_group_of_zeros_has_the_gradient_zero(spec):
    chosen = row_of_norms(0.0, 3.0)
    regularisation(spec, "block:rows=1,columns=2", chosen).penalty().backward()
    (weight,) = chosen.values()
    assert weight.grad[0].tolist() == [0, 0]
    assert weight.grad.isfinite().all()


def test_all_groups_of_a_matrix_may_be_zero():
    chosen = row_of_norms(0.0, 0.0)
    penalty = regularisation("clipped-group-lasso:step=proximal", "block:rows=1,columns=2", chosen)
    penalty.after_step(SimpleNamespace(get_lr=lambda: 0.1), 1)
    assert not next(iter(chosen.values())).any()
    assert penalty.statistics() == {"penalty": 0.0, "negligible_groups": 1.0}


def test_the_proximal_step_by_hand():
    # ηλ = 0.5 · 0.4 = 0.2; norms 0.1, 1, 3, mean 4.1/3, δ = 0.7 · 4.1/3 = 0.957: only the first shrinks, to nothing.
    rate = SimpleNamespace(get_lr=lambda: 0.5)
    block = "block:rows=1,columns=2"
    clipped, lasso = row_of_norms(0.1, 1.0, 3.0), row_of_norms(0.1, 1.0, 3.0)
    regularisation("clipped-group-lasso:strength=0.4,step=proximal", block, clipped).after_step(rate, 1)
    regularisation("group-lasso:strength=0.4,step=proximal", block, lasso).after_step(rate, 1)
    assert torch.allclose(*clipped.values(), torch.tensor([[0.0, 0.0], [0.6, 0.8], [1.8, 2.4]]))
    expected = torch.tensor([[0.0, 0.0], [0.6 * 0.8, 0.8 * 0.8], [0.6 * 2.8, 0.8 * 2.8]])
    assert torch.allclose(*lasso.values(), expected)


def test_the_proximal_step_reaches_the_master_copy():
    (parameter,) = row_of_norms(0.1, 1.0).values()
    chosen = {prunable: nn.Parameter(parameter.detach().half()) for prunable in row_of_norms(0.1, 1.0)}
    (half,) = chosen.values()
    master = nn.Parameter(half.detach().float())
    optimizer = SimpleNamespace(get_lr=lambda: 1.0, fp16_params=[half], fp32_params=[master])
    regularisation("group-lasso:strength=0.25,step=proximal", "block:rows=1,columns=2", chosen).after_step(optimizer, 1)
    assert torch.allclose(master, torch.tensor([[0.0, 0.0], [0.45, 0.6]]), atol=1e-3)
    assert torch.equal(half, master.half())


def test_it_is_either_in_the_loss_or_a_step():
    chosen = row_of_norms(0.1, 1.0)
    before = next(iter(chosen.values())).detach().clone()
    assert regularisation("group-lasso:step=proximal", "block", chosen).penalty() is None
    regularisation("group-lasso", "block", chosen).after_step(None, 1)
    assert torch.equal(before, *chosen.values())


@pytest.mark.parametrize("step", ["loss", "proximal"])
def test_what_a_mask_has_removed_is_no_group(step):
    """Norms 1, 4 and 7, and as many removed ones as you like: δ = 0.5 · 4 = 2, and the first alone is penalised."""
    model = nn.Module()
    model.encoder, layer = nn.Module(), nn.Module()
    model.encoder.layers = nn.ModuleList([layer])
    layer.fc1 = nn.Linear(2, 6, bias=False)
    with torch.no_grad():
        layer.fc1.weight.copy_(torch.tensor([[0.6 * norm, 0.8 * norm] for norm in (1.0, 4.0, 7.0, 5.0, 5.0, 5.0)]))
    masking = Masking(model)
    block, spec = groups.build("block:rows=1,columns=2"), f"clipped-group-lasso:strength=1,ratio=0.5,step={step}"
    penalty = Regularisation(regularisers.build(spec), block, masking.parameters_by_matrix, masking=masking)
    masks = {p: torch.tensor([[number < 3] * 2 for number in range(6)]) for p in masking.parameters_by_matrix}
    masking.replace(MaskSet(masks))
    penalty.before_forward(0)
    if step == "loss":
        penalty.penalty().backward()
        assert torch.allclose(layer.fc1.weight.grad[0], torch.tensor([0.6, 0.8]))
        assert not layer.fc1.weight.grad[1:].any()
    else:
        penalty.after_step(SimpleNamespace(get_lr=lambda: 0.5), 1)
        assert torch.allclose(layer.fc1.weight.norm(dim=1), torch.tensor([0.5, 4.0, 7.0, 0.0, 0.0, 0.0]))
    assert penalty.statistics()["negligible_groups"] == 0


def test_it_ends_when_the_mask_is_final():
    penalty = regularisation("group-lasso", until=3)
    penalty.before_forward(2)
    assert penalty.penalty() is not None
    penalty.before_forward(3)
    assert penalty.penalty() is None


def test_mini_batches_and_workers_do_not_change_its_gradient():
    """One batch of 8 tokens, or 5 and 3 on two workers: the trainer divides the sum by the sum of tokens."""

    def gradient(sizes):
        chosen = parameters()
        callbacks = Callbacks({"regulariser": regularisation("group-lasso", chosen=chosen)})
        compute = callbacks.penalised(lambda model, size: (next(iter(chosen.values())).sum() * size, size, {}))
        for size in sizes:
            compute(None, size)[0].backward()
        return [parameter.grad / sum(sizes) for parameter in chosen.values()]

    for whole, parts in zip(gradient([8]), gradient([5, 3]), strict=True):
        assert torch.allclose(whole, parts, atol=1e-7)


@pytest.mark.parametrize(
    ("spec", "group", "message"),
    [
        ("group-lasso", "element", "--regulariser penalises groups of weights: say which with --group"),
        ("group-lasso", "head", "no matrix of the prune set has such groups"),
        ("group-lasso:strength=0", "unit", "strength=0 must be above 0"),
        ("clipped-group-lasso:ratio=-1", "unit", "ratio=-1 must be above 0"),
        ("group-lasso:step=leap", "unit", "step='leap'"),
        ("grouplasso", "unit", "did you mean group-lasso"),
    ],
)
def test_mistakes_are_refused(spec, group, message):
    with pytest.raises(PruneError, match=message) as error:
        regularisation(spec, group)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("rows", "norms"), [(1, [1.0, 3.0, 4.0]), (2, [1.0, 5.0])])
def test_the_padding_row_of_an_embedding_is_no_group(rows, norms):
    name = "encoder.embed_tokens.weight"
    chosen = parameters(**{name: torch.tensor([[1.0], [0.0], [3.0], [4.0]])})
    words = {prunable: parameter for prunable, parameter in chosen.items() if prunable.name == name}
    masking = Masking(nn.Module(), words)
    penalty = Regularisation(
        regularisers.build("group-lasso:strength=0.5,step=proximal"),
        groups.build(f"block:rows={rows},columns=1"),
        words,
        masking=masking,
    )
    for _ in range(2):  # before and after the masks are looked at
        assert penalty.statistics() == {"penalty": pytest.approx(0.5 * sum(norms)), "negligible_groups": 0.0}
        penalty.before_forward(0)
