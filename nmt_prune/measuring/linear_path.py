"""The loss along the line from one model's weights to another's (Frankle et al. 2020, section 2)."""

from pathlib import Path
from typing import NamedTuple

import torch

from nmt_prune.errors import PruneError
from nmt_prune.measuring.checkpoints import load_with_task
from nmt_prune.measuring.dev_set import load_dev_set
from nmt_prune.subnetworks.search import SearchSettings


class LinearPath(NamedTuple):
    """What lies between two models.

    Attributes:
        losses: cross-entropy on the validation set in nats per target token, without label smoothing, at equal
            distances from the first model to the second, both included.
    """

    losses: tuple[float, ...]

    @property
    def barrier(self) -> float:
        """How far the path rises above the straight line between the losses of its ends, in nats; 0 if nowhere.

        Frankle 2020 subtracts the mean of the ends, which is the same where these are equal; for ends of different
        sparsity the line is that of Paul et al. 2023.
        """
        first, last, steps = self.losses[0], self.losses[-1], len(self.losses) - 1
        line = (first + (last - first) * step / steps for step in range(steps + 1))
        return max(0.0, *(loss - height for loss, height in zip(self.losses, line, strict=True)))


def linear_path(first: Path, second: Path, data: Path, points: int) -> LinearPath:
    """Measures the path between two checkpoints of one architecture.

    Masks are not applied on the way: a weight that one of the two lacks moves from or to 0.

    Args:
        first: a checkpoint of a translation model, masked or stock.
        second: another.
        data: folder of the binarized corpus; its validation set is measured.
        points: how many, both ends included.

    Raises:
        PruneError: a checkpoint cannot be measured on the data, or they are of two architectures.
    """
    if points < 3:
        raise PruneError(f"--points {points}: at least one lies between two ends; give 3 or more")
    dev = load_dev_set(first, data, SearchSettings(score="loss"))
    model = dev.evidence.model.to(dev.evidence.device).float().eval()
    ends = [
        {name: value.detach().to(dev.evidence.device, torch.float32).clone() for name, value in one.named_parameters()}
        for one in (model, load_with_task(second, data)[0])
    ]
    shapes = [{name: tuple(value.shape) for name, value in end.items()} for end in ends]
    for name in sorted(shapes[0].keys() | shapes[1].keys()):
        here, there = (shape.get(name, "missing") for shape in shapes)
        if here != there:
            raise PruneError(
                f"{second} is of another architecture than {first}: {name} is {there} there and {here} here"
            )
    losses = []
    for step in range(points):
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                parameter.copy_(torch.lerp(ends[0][name], ends[1][name], step / (points - 1)))
        losses.append(dev.loss(model))
    return LinearPath(tuple(losses))
