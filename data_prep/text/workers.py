"""Worker processes that give their results back in order, with little under way at any time."""

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from nmt_prune.errors import PruneError
from nmt_prune.processes import die_with_parent

Item = TypeVar("Item")
Result = TypeVar("Result")

_UNDER_WAY = 3
_function: Callable[[Any], Any]


def in_order(function: Callable[[Item], Result], items: Iterable[Item], workers: int) -> Iterator[tuple[Item, Result]]:
    """Maps a function over items in processes.

    Args:
        function: picklable; sent to each worker once.
        items: taken only a few at a time, so that memory does not grow with their number.
        workers: processes; with 1 everything happens in this one.

    Yields:
        Items and results, in the order of the items.

    Raises:
        PruneError: a worker was killed, mostly for want of memory.
    """
    if workers == 1:
        for item in items:
            yield item, function(item)
        return
    # Not forked: a process with threads, such as one that shows progress, must not be.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, initializer=_begin, initargs=(function,)) as pool:
        waiting: deque[tuple[Item, Future[Result]]] = deque()
        try:
            for item in items:
                waiting.append((item, pool.submit(_call, item)))
                if len(waiting) >= _UNDER_WAY * workers:
                    done, future = waiting.popleft()
                    yield done, future.result()
            while waiting:
                done, future = waiting.popleft()
                yield done, future.result()
        except BrokenProcessPool:
            raise PruneError(
                "a worker process was killed, perhaps for want of memory; repeat the command with fewer --workers"
            ) from None
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _begin(function: Callable[[Any], Any]) -> None:
    global _function
    die_with_parent()
    _function = function


def _call(item: Any) -> Any:
    return _function(item)
