"""Several requests under way at once: threads add no speed to our CPU work, they hide the service's latency."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain
from queue import SimpleQueue
from typing import TypeVar

A = TypeVar("A")
R = TypeVar("R")


def in_flight(work: Callable[[A], R], inputs: Iterable[A], *, limit: int) -> Iterator[R]:
    """The results of `work`, in any order, with at most `limit` of them under way or waiting to be taken.

    Inputs are read as results are taken. After an error, and when the caller stops early, no further work
    starts and what is under way is waited for: once this ends, nothing happens behind the caller's back.
    """
    waiting = iter(inputs)
    head = [item for _, item in zip(range(2), waiting, strict=False)]
    if len(head) < 2:
        yield from map(work, head)  # a single request needs no thread
        return
    done: SimpleQueue[Future[R]] = SimpleQueue()
    pool = ThreadPoolExecutor(max_workers=limit)
    try:
        under_way = 0
        for item in chain(head, waiting):
            if under_way == limit:
                yield done.get().result()
                under_way -= 1
            pool.submit(work, item).add_done_callback(done.put)
            under_way += 1
        for _ in range(under_way):
            yield done.get().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
