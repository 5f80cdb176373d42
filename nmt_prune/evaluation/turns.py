"""CPU time of several systems, in turns on the same batches."""

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

Clock = Callable[[], float]


class Turns(NamedTuple):
    """What was measured.

    Attributes:
        batches: how many each system translated.
        seconds: CPU time of each system.
        tokens: what each system wrote.
    """

    batches: int
    seconds: list[float]
    tokens: list[int]


def in_turns(
    systems: Sequence[Callable[[Any], int]], batches: Sequence[Any], enough: float, clock: Clock = time.process_time
) -> Turns:
    """Has each system translate each batch; who goes first changes, since the others find another cache.

    In one process, so that what else the machine does changes all systems' times alike.

    Args:
        systems: each translates a batch and returns the number of tokens that it wrote.
        batches: at least one.
        enough: seconds of the first system, from where on no further batch is translated.
        clock: the process' own CPU time.
    """
    seconds, tokens, count = [0.0] * len(systems), [0] * len(systems), 0
    # The first batch twice: whatever is only done once, in fairseq and in torch, is not counted.
    for number, batch in enumerate([batches[0], *batches]):
        for place in range(len(systems)):
            index = (number + place) % len(systems)
            start = clock()
            written = systems[index](batch)
            seconds[index] += (clock() - start) * (number > 0)
            tokens[index] += written * (number > 0)
        count += number > 0
        if seconds[0] > enough:
            break
    return Turns(count, seconds, tokens)
