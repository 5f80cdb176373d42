"""Movement pruning against two updates by hand and against autograd through an explicit mask."""

import pytest
import torch
from torch.func import functional_call

from nmt_prune.errors import PruneError
from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.pruning.saliency import saliencies
from tests.pruning.saliency.learning import FC1, FC2, OneLayer, learner, update
from tests.tiny_model import real_loss, tiny_model

LINEAR = "cubic:end=4,interval=4,exponent=1"


def two_by_two():
    return OneLayer(torch.tensor([[2.0, -1.0], [0.5, 4.0]]), torch.tensor([[1.0, 1.0], [1.0, 1.0]]))


def test_three_updates_by_hand():
    """Slopes are constant: ∂L/∂W' = c. Of 4 weights 4, 4, 3 and 2 are seen at sparsities 0, 1/8, 1/4 and 1/2."""
    model = two_by_two()
    callback = learner(model, "movement:lr=0.1,optimizer=sgd", LINEAR)
    weight = model.encoder.layers[0].fc1.weight
    slope = torch.tensor([[1.0, 2.0], [4.0, -1.0]])
    seen = []

    def loss():
        seen.append(weight.detach().clone())
        return (slope * weight).sum()

    update(model, callback, loss, 0, lr=0.5)
    # S = -0.1 · c · W; W goes on to W - 0.5 c.
    assert callback.scores[FC1].tolist() == pytest.approx(torch.tensor([[-0.2, 0.2], [-0.2, 0.4]]))
    assert weight.tolist() == [[1.5, -2.0], [-1.5, 4.5]]
    update(model, callback, loss, 1, lr=0.5)
    assert callback.scores[FC1].tolist() == pytest.approx(torch.tensor([[-0.35, 0.6], [0.4, 0.85]]))
    assert torch.equal(seen[1], torch.tensor([[1.5, -2.0], [-1.5, 4.5]]))
    assert weight.tolist() == [[1.0, -3.0], [-3.5, 5.0]]
    update(model, callback, loss, 2, lr=0.5)
    # The lowest score is masked, and its weight and score go on all the same.
    assert torch.equal(seen[2], torch.tensor([[0.0, -3.0], [-3.5, 5.0]]))
    assert callback.scores[FC1].tolist() == pytest.approx(torch.tensor([[-0.45, 1.2], [1.8, 1.35]]))
    assert weight.tolist() == [[0.5, -4.0], [-5.5, 5.5]]
    assert model.masking.masks.sparsity() == 0
    update(model, callback, loss, 3, lr=0.5)
    assert callback.scores[FC1].tolist() == pytest.approx(torch.tensor([[-0.5, 2.0], [4.0, 1.9]]))
    # Settled: two of four survive, by the scores; the magnitudes would have said 5.5 and 6.
    assert model.masking.masks[FC1].int().tolist() == [[0, 1], [1, 0]]
    assert weight.tolist() == [[0.0, -5.0], [-7.5, 0.0]]
    before = callback.scores[FC1].clone()
    update(model, callback, loss, 4)
    assert torch.equal(before, callback.scores[FC1])
    assert torch.equal(seen[4], torch.tensor([[0.0, -5.0], [-7.5, 0.0]]))


@pytest.mark.parametrize("straight_through", [True, False])
def test_gradients_are_those_by_an_explicit_mask(straight_through):
    model = tiny_model().double()
    spec = f"movement:lr=1,optimizer=sgd,straight_through={straight_through}"
    callback = learner(model, spec, LINEAR, prune_set="body")
    for score in callback.scores.values():
        score.data = torch.randn_like(score)
    callback.updates = 3
    start = {name: score.clone() for name, score in callback.scores.items()}
    masks = callback.masks(3)
    assert masks.sparsity([p for p in masks.prunables if p.in_body]) == pytest.approx(0.375, abs=1e-3)

    ones = {name: masks[name].double().requires_grad_() for name in start}
    trained = {name: p.detach().clone().requires_grad_() for name, p in model.named_parameters()}
    masked = {name: weight * ones[name] if name in ones else weight for name, weight in trained.items()}

    def call(source, lengths, target):
        return functional_call(model, masked, (source, lengths, target))

    real_loss(call).backward()
    update(model, callback, lambda: real_loss(model), 3)
    for name, mask in ones.items():
        moved = (start[name] - callback.scores[name]).double()
        assert torch.allclose(moved, mask.grad, atol=1e-5), name
        parameter = model.get_parameter(name)
        assert torch.equal(parameter.detach()[~masks[name]], torch.zeros_like(parameter.detach()[~masks[name]]))
        if straight_through:
            assert torch.allclose(parameter.grad * masks[name], trained[name].grad, atol=1e-6)
            assert parameter.grad[~masks[name]].abs().max() > 0
        else:
            assert torch.allclose(parameter.grad, trained[name].grad, atol=1e-6)


@pytest.mark.parametrize(("budget", "prune_set"), [("matrix", "all"), ("global", "body"), ("erk", "body")])
def test_counts_are_exact_when_it_settles(budget, prune_set):
    model = tiny_model()
    callback = learner(model, "movement", LINEAR, 0.7, budget=budget, prune_set=prune_set)
    for number in range(4):
        update(model, callback, lambda: real_loss(model), number, lr=0.1)
        held = model.masking.masks
        assert (held.sparsity() > 0) == (number == 3)
    chosen = [prunable for prunable in held.prunables if prune_set == "all" or prunable.in_body]
    size = sum(prunable.size for prunable in chosen)
    assert sum(held.kept(prunable) for prunable in chosen) == int(0.3 * size + 0.5)
    assert model.masking.revived() == 0


def test_units_go_by_the_sum_of_their_scores():
    model = two_by_two()
    callback = learner(model, "movement", LINEAR, group="unit:reduce=sum")
    callback.scores[FC1].data = torch.tensor([[5.0, -1.0], [-9.0, 0.0]])
    callback.scores[FC2].data = torch.tensor([[-1.0, 0.0], [0.0, 0.0]])
    masks = callback.masks(4)
    assert masks[FC1].int().tolist() == [[1, 1], [0, 0]]
    assert masks[FC2].int().tolist() == [[1, 0], [1, 0]]


def test_what_is_pruned_already_stays_pruned():
    model = two_by_two()
    callback = learner(model, "movement", LINEAR)
    prunables = list(model.masking.parameters_by_matrix)
    model.masking.replace(MaskSet({p: torch.tensor([[False, True], [True, True]]) for p in prunables}))
    callback.scores[FC1].data[0, 0] = 100.0
    assert not callback.masks(4)[FC1][0, 0]


def test_judged_is_the_masked_model_and_saved_the_dense_one():
    model = tiny_model()
    callback = learner(model, "movement", LINEAR, 0.9)
    for number in range(3):
        update(model, callback, lambda: real_loss(model), number, lr=0.1)
    dense = {name: p.detach().clone() for name, p in model.named_parameters()}
    with callback.evaluation():
        masks = callback.masks(3)
        for name in callback.scores:
            assert torch.equal(model.get_parameter(name), dense[name] * masks[name])
    callback.before_forward(3)  # and the update overflows
    callback.put_back()  # as before every save
    assert all(torch.equal(p, dense[name]) for name, p in model.named_parameters())
    assert callback.statistics()["learned_sparsity"] == pytest.approx(masks.sparsity())


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_it_goes_on_from_its_state(optimizer):
    def run(model, callback, numbers):
        for number in numbers:
            update(model, callback, lambda: real_loss(model), number, lr=0.1)

    spec = f"movement:optimizer={optimizer}"
    whole, parts = tiny_model(), tiny_model()
    parts.load_state_dict(whole.state_dict())
    first, second = (learner(model, spec, "cubic:end=8,interval=4", 0.6) for model in (whole, parts))
    run(whole, first, range(8))
    run(parts, second, range(3))
    third = learner(parts, spec, "cubic:end=8,interval=4", 0.6)
    third.load_state_dict(second.state_dict())
    run(parts, third, range(3, 8))
    assert whole.masking.masks.digest() == parts.masking.masks.digest()
    assert all(torch.equal(first.scores[name], third.scores[name]) for name in first.scores)
    fourth = learner(parts, spec, "cubic:end=8,interval=4", 0.6)
    assert first.state_dict() == {"updates": 8}
    fourth.load_state_dict(first.state_dict())
    assert fourth.is_settled


def test_the_state_of_other_matrices_is_refused():
    first, second = (
        learner(model, "movement", LINEAR, prune_set=chosen)
        for model, chosen in ((tiny_model(), "body"), (tiny_model(), "all"))
    )
    with pytest.raises(PruneError, match=r"learned scores do not fit: decoder\.\S+ has others|encoder.embed_tokens"):
        second.load_state_dict(first.state_dict())


def test_without_a_training_there_are_no_scores():
    movement = saliencies.build("movement")
    with pytest.raises(PruneError, match="saliency movement is learned while training: it needs fairseq-train"):
        movement.score_matrix(None, torch.ones(1))


@pytest.mark.parametrize(
    ("saliency", "schedule", "settings", "message"),
    [
        ("movement", "constant", {}, "choose a schedule that changes the mask"),
        ("movement", "cubic", {"sparsity": 0.0}, "--sparsity above that of the start"),
        ("movement", "cubic", {"group": "unit"}, "give --group NAME:reduce=sum"),
        ("movement:lr=0", "cubic", {}, "lr=0 must be above 0"),
        ("soft-movement", "cubic", {"group": "unit:reduce=sum"}, "leave out --group"),
        ("soft-movement:exact=false,threshold=1", "cubic", {}, r"threshold=1 is outside \[0, 1\)"),
        (
            "soft-movement:threshold=0.2",
            "cubic",
            {},
            "threshold=0.2 does nothing while --sparsity decides; add exact=false",
        ),
        ("movement:soft=true", "cubic", {}, "unknown setting 'soft'; movement takes .*; did you mean soft-movement"),
        ("soft-movement:strength=-1", "cubic", {}, "strength=-1 must not be negative"),
        ("movement:optimizer=adagrad", "cubic", {}, "optimizer='adagrad'"),
    ],
)
def test_what_makes_no_sense_is_refused(saliency, schedule, settings, message):
    with pytest.raises(PruneError, match=message) as error:
        learner(two_by_two(), saliency, schedule, **settings)
    assert "\n" not in str(error.value)
