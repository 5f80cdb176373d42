"""Penalties in the loss, and weights that take the place of the trained ones for the length of an update."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from nmt_prune.errors import PruneError
from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.masks.prunable import parse
from nmt_prune.training.callback import Callback, Substitution
from nmt_prune.training.callbacks import Callbacks
from nmt_prune.training.optimizer_state import gradients


class Penalty(Callback):
    def __init__(self, parameter):
        self.parameter = parameter

    def penalty(self):
        return 3 * self.parameter.sum()


class Doubled(Substitution):
    def substitute(self, update):
        return {prunable.name: 2 * parameter for prunable, parameter in self.parameters.items()}


@pytest.fixture
def parameter():
    return nn.Parameter(torch.tensor([[1.0, -2.0]]))


@pytest.fixture
def doubled(parameter):
    return Doubled({parse("encoder.layers.0.fc1.weight", (1, 2)): parameter})


def test_a_penalty_counts_once_per_token_whatever_the_mini_batches(parameter):
    def criterion(model, sample):
        return (sample * parameter).sum(), sample.shape[0], {}

    penalised = Callbacks({"penalty": Penalty(parameter)}).penalised(criterion)
    total = 0
    for sample in (torch.ones(5, 2), torch.ones(3, 2)):
        loss, size, _ = penalised(None, sample)
        loss.backward()
        total += size
    assert torch.equal(parameter.grad / total, torch.tensor([[1.0 + 3, 1.0 + 3]]))


def test_without_callbacks_the_criterion_is_left_alone():
    criterion = object()
    assert Callbacks({}).penalised(criterion) is criterion


def test_substitutes_last_from_the_first_mini_batch_to_the_step(parameter, doubled):
    trained = parameter.detach().clone()
    for _ in range(3):
        doubled.before_forward(0)
        assert torch.equal(parameter, 2 * trained)
    (parameter**2).sum().backward()
    doubled.before_step(None, 0)
    assert torch.equal(parameter, trained)
    assert torch.equal(parameter.grad, 4 * trained), "the gradient is that by the substitutes"
    doubled.before_step(None, 0)
    assert torch.equal(parameter, trained)


def test_judged_are_the_substitutes(parameter, doubled):
    trained = parameter.detach().clone()
    with doubled.evaluation():
        assert torch.equal(parameter, 2 * trained)
    assert torch.equal(parameter, trained)


def test_a_failed_evaluation_gives_the_trained_weights_back(parameter, doubled):
    def fail():
        with doubled.evaluation():
            raise ZeroDivisionError

    trained = parameter.detach().clone()
    with pytest.raises(ZeroDivisionError):
        fail()
    assert torch.equal(parameter, trained)


def test_a_matrix_without_a_substitute_stays(parameter):
    other = nn.Parameter(torch.ones(1, 2))
    both = {parse(f"encoder.layers.0.{name}.weight", (1, 2)): p for name, p in (("fc1", parameter), ("fc2", other))}

    class OnlyOne(Substitution):
        def substitute(self, update):
            return {"encoder.layers.0.fc2.weight": torch.zeros(1, 2)}

    substitution = OnlyOne(both)
    substitution.before_forward(0)
    assert parameter.tolist() == [[1.0, -2.0]]
    assert other.tolist() == [[0.0, 0.0]]


def test_two_cannot_both_replace_the_weights(parameter, doubled):
    with pytest.raises(PruneError, match="movement and quantizer both put weights in place of the trained ones"):
        Callbacks({"movement": doubled, "penalty": Penalty(parameter), "quantizer": doubled})


def test_one_that_needs_dense_gradients_or_holds_masks_back_is_enough(parameter):
    class Late(Callback):
        settled_at = 5

        def needs_dense_gradients(self, update):
            return update == 3

        def masks(self, update):
            return MaskSet({parse("encoder.layers.0.fc1.weight", (1, 2)): torch.tensor([[True, update > 7]])})

    both = Callbacks({"penalty": Penalty(parameter), "late": Late()})
    assert both.settled_at == 5
    assert [update for update in range(6) if both.needs_dense_gradients(update)] == [3]
    assert both.masks(8)["encoder.layers.0.fc1.weight"].tolist() == [[True, True]]
    without = Callbacks({"penalty": Penalty(parameter)})
    assert (without.settled_at, without.needs_dense_gradients(3), without.masks(8)) == (0, False, None)


def test_states_go_to_the_callbacks_that_they_came_from(parameter):
    class Counter(Callback):
        count = 0

        def state_dict(self):
            return {"count": self.count}

        def load_state_dict(self, state):
            self.count = state["count"]

    first = Counter()
    first.count = 7
    states = Callbacks({"counter": first, "silent": Callback()}).state_dict()
    assert states == {"counter": {"count": 7}}
    second = Counter()
    Callbacks({"counter": second, "new": Counter()}).load_state_dict({**states, "gone": {}})
    assert second.count == 7


def test_gradients_are_those_that_a_half_precision_optimizer_steps_with(parameter):
    (parameter.half() * 8).sum().backward()
    assert gradients(SimpleNamespace(), [parameter])[0].tolist() == [[8.0, 8.0]]
    assert gradients(SimpleNamespace(_multiply_factor=0.25), [parameter])[0].tolist() == [[2.0, 2.0]]
    assert gradients(SimpleNamespace(), [nn.Parameter(torch.ones(2))])[0].tolist() == [0.0, 0.0]


def test_a_checkpoint_after_a_skipped_update_holds_the_trained_weights(parameter, doubled):
    trained = parameter.detach().clone()
    doubled.before_forward(0)
    Callbacks({"doubled": doubled}).state_dict()
    assert torch.equal(parameter, trained)
