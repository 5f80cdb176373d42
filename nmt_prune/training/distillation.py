"""What a student has to say against its teachers: word by word, and layer by layer."""

from collections.abc import Sequence

import torch
from torch import Tensor

from nmt_prune.errors import PruneError

_EPSILON = 1e-6  # for teachers that are silent in a layer


def word_divergence(student: Tensor, teachers: Sequence[Tensor], temperature: float, counted: Tensor) -> Tensor:
    """T² · KL(teacher || student) of the next word, both softened by T, summed over positions (Hinton 2015).

    Args:
        student: logits, of shape (..., vocabulary).
        teachers: the same of each teacher; their probabilities are averaged.
        temperature: T; T² keeps gradients as large as those of the cross entropy.
        counted: which positions count, of shape (...).

    Returns:
        A scalar in nats.
    """
    said = torch.log_softmax(student.float() / temperature, dim=-1)
    with torch.no_grad():
        taught = torch.log_softmax(teachers[0].float() / temperature, dim=-1)
        if len(teachers) > 1:
            each = [taught, *(torch.log_softmax(one.float() / temperature, dim=-1) for one in teachers[1:])]
            taught = torch.stack(each).logsumexp(dim=0) - torch.tensor(float(len(each))).log()
    divergence = torch.nn.functional.kl_div(said, taught, reduction="none", log_target=True).sum(dim=-1)
    return temperature**2 * divergence.masked_fill(~counted, 0.0).sum()


def square_head(student: Sequence[Tensor], teacher: Sequence[Tensor], counted: Tensor) -> Tensor:
    """Σ over layers of mean((h_s - h_t)²) / (mean(h_t²) + ε): SquareHead (Kurtic 2023).

    Args:
        student: hidden states of each layer, of shape (time, batch, dimension).
        teacher: the same of the teacher.
        counted: which positions count, of shape (batch, time).

    Raises:
        PruneError: the shapes differ.
    """
    mine, theirs = ([tuple(state.shape) for state in states] for states in (student, teacher))
    if mine != theirs:
        raise PruneError(
            f"hidden states can only be compared between equal shapes: the student has {_sizes(mine)}, the teacher"
            f" {_sizes(theirs)}; give --teacher-hidden 0, or a teacher of the student's depth and width (without"
            " LayerDrop)"
        )
    weight = counted.t().unsqueeze(-1)
    total = weight.new_zeros((), dtype=torch.float32)
    for own, taught in zip(student, teacher, strict=True):
        size = weight.sum() * own.shape[-1]
        error = ((own.float() - taught.float()) ** 2 * weight).sum() / size
        total = total + error / ((taught.float() ** 2 * weight).sum() / size + _EPSILON)
    return total


def _sizes(shapes: list[tuple[int, ...]]) -> str:
    return f"{len(shapes)} layers of {' and '.join(map(str, sorted({shape[-1] for shape in shapes})))}"
