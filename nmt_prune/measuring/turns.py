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
    systems: Sequence[Callable[[Any], int]],
    batches: Sequence[Any],
    enough: float,
    shortest: float = 0.0,
    clock: Clock = time.process_time,
) -> Turns:
    """Has each system translate each batch; who goes first changes, since the others find another cache.

    In one process, so that what else the machine does changes all systems' times alike.

    Args:
        systems: each translates a batch and returns the number of tokens that it wrote.
        batches: at least one.
        enough: seconds of the first system, from where on no further batch is translated.
        shortest: seconds of a turn; a system that is done with the batch sooner translates it again, and the mean of
            its repetitions counts.
        clock: the process' own CPU time.
    """
    seconds, tokens, done = [0.0] * len(systems), [0] * len(systems), 0
    # The first batch twice: whatever is only done once, in fairseq and in torch, is not counted.
    for number, batch in enumerate([batches[0], *batches]):
        for place in range(len(systems)):
            index = (number + place) % len(systems)
            taken, written = _turn(systems[index], batch, shortest, clock)
            seconds[index] += taken * (number > 0)
            tokens[index] += written * (number > 0)
        done += number > 0
        if seconds[0] > enough:
            break
    return Turns(done, seconds, tokens)


def _turn(system: Callable[[Any], int], batch: Any, shortest: float, clock: Clock) -> tuple[float, int]:
    start, repetitions, taken = clock(), 0, -1.0
    while taken < shortest:
        written = system(batch)
        taken = clock() - start
        repetitions += 1
    return taken / repetitions, written
