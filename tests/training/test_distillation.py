"""Numbers worked out by hand."""

from math import log

import pytest
import torch
from torch import Tensor

from nmt_prune.errors import PruneError
from nmt_prune.training.distillation import square_head, word_divergence

ALL = torch.tensor([[True]])


def logits(*probabilities: float) -> Tensor:
    """One position of one sentence, whose softmax is known."""
    return torch.tensor(probabilities).log()[None, None]


def test_divergence_of_two_words():
    found = word_divergence(logits(0.5, 0.5), [logits(0.8, 0.2)], 1.0, ALL)
    assert float(found) == pytest.approx(0.8 * log(1.6) + 0.2 * log(0.4))


def test_a_temperature_softens_both_and_is_squared():
    # At T = 2 the odds 16 : 1 are 4 : 1, and 1 : 1 they stay.
    found = word_divergence(logits(0.5, 0.5), [logits(16 / 17, 1 / 17)], 2.0, ALL)
    assert float(found) == pytest.approx(4 * (0.8 * log(1.6) + 0.2 * log(0.4)))


def test_the_probabilities_of_several_teachers_are_averaged():
    found = word_divergence(logits(0.5, 0.5), [logits(0.9, 0.1), logits(0.7, 0.3)], 1.0, ALL)
    assert float(found) == pytest.approx(0.8 * log(1.6) + 0.2 * log(0.4))


def test_padding_says_nothing():
    student, teacher = logits(0.5, 0.5).repeat(1, 3, 1), logits(0.8, 0.2).repeat(1, 3, 1)
    student[0, 2] = torch.inf  # whatever stands there
    found = word_divergence(student, [teacher], 1.0, torch.tensor([[True, True, False]]))
    assert float(found) == pytest.approx(2 * (0.8 * log(1.6) + 0.2 * log(0.4)))


def test_the_gradient_is_the_difference_of_the_probabilities():
    """T² d KL / dz = T (p_student - p_teacher)."""
    student = logits(0.5, 0.5).requires_grad_()
    word_divergence(student, [logits(16 / 17, 1 / 17)], 2.0, ALL).backward()
    torch.testing.assert_close(student.grad[0, 0], torch.tensor([2 * (0.5 - 0.8), 2 * (0.5 - 0.2)]))


def test_half_precision_is_computed_in_single():
    halves = [one.half() for one in (logits(0.5, 0.5), logits(0.8, 0.2))]
    found = word_divergence(halves[0], halves[1:], 1.0, ALL)
    assert found.dtype == torch.float32
    assert float(found) == pytest.approx(0.8 * log(1.6) + 0.2 * log(0.4), abs=1e-3)


def test_square_head_sums_relative_errors_over_layers():
    teacher = [torch.tensor([[[1.0, 3.0]]]), torch.tensor([[[2.0, 0.0]]])]  # mean squares 5 and 2
    student = [torch.tensor([[[2.0, 3.0]]]), torch.tensor([[[2.0, 4.0]]])]  # mean errors 0.5 and 8
    assert float(square_head(student, teacher, ALL)) == pytest.approx(0.5 / 5 + 8 / 2)


def test_square_head_leaves_padding_out():
    teacher, student = torch.ones(2, 1, 4), torch.ones(2, 1, 4)
    student[0], student[1], teacher[1] = 3.0, 100.0, 50.0
    assert float(square_head([student], [teacher], torch.tensor([[True, False]]))) == pytest.approx(4.0)


@pytest.mark.parametrize("shapes", [[(1, 1, 4)], [(1, 1, 2), (1, 1, 2)]])
def test_unequal_shapes_are_refused(shapes):
    with pytest.raises(PruneError, match=r"the student has 1 layers of 2, the teacher \d layers of \d; give --teach"):
        square_head([torch.ones(1, 1, 2)], [torch.ones(shape) for shape in shapes], ALL)
