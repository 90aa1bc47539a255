"""Work shared among the cores.

NumPy lets go of the interpreter's lock while it copies, adds and multiplies, so threads compute at the same time. The
matrix products have threads of their own, in BLAS, which would only get in the way: they are held to one for as long.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

__all__ = ["Workspace", "alone", "parallel", "threads"]

Item = TypeVar("Item")

# More threads than this would wait for the interpreter, and each needs memory of its own.
_MOST = 8
_here = threading.local()
_lock = threading.Lock()
_holders = 0
_limit: Any = None


class Workspace:
    """Arrays of one thread that are used again and again: for new memory the system has to clear pages every time."""

    def __init__(self) -> None:
        self._buffers: dict[str, NDArray[Any]] = {}

    def array(self, name: str, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """An array with anything in it, which lasts until the same name is asked for again."""
        size = int(np.prod(shape, dtype=np.int64))
        buffer = self._buffers.get(name)
        if buffer is None or buffer.size < size or buffer.dtype != dtype:
            buffer = self._buffers[name] = np.empty(size, dtype)
        return buffer[:size].reshape(shape)


def threads() -> int:
    """How many :func:`parallel` would use here: one for each core that this process may use, up to eight."""
    if getattr(_here, "alone", False) or sys.platform == "emscripten":  # in a browser there are none
        return 1
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(usable, _MOST)


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Within, :func:`parallel` works in this thread only, because the caller already shares its work among threads."""
    before = getattr(_here, "alone", False)
    _here.alone = True
    try:
        yield
    finally:
        _here.alone = before


@functools.cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_MOST - 1, "convbook")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)  # a forked process has the pool, but not its threads


@functools.cache
def _blas() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")


@contextlib.contextmanager
def _blas_held() -> Iterator[None]:
    """Matrix products take one thread each. The last of several callers to leave gives them back what they had."""
    global _holders, _limit
    with _lock:
        _holders += 1
        if _holders == 1:
            _limit = _blas().limit(limits=1)
    try:
        yield
    finally:
        with _lock:
            _holders -= 1
            if _holders == 0:
                _limit.restore_original_limits()


def parallel(work: Callable[[Item, Workspace], None], items: Iterable[Item], most: int | None = None) -> None:
    """``work(item, workspace)`` for every item, in several threads, which take the next item when they are free.

    There are as many threads as :func:`threads` says, or at most ``most``; with one, or a single item, all is done in
    the calling thread. A thread passes the same workspace every time. An error in one item ends the others' work and
    is raised.
    """
    waiting = list(items)
    waiting.reverse()
    count = min(threads() if most is None else most, len(waiting))

    def worker() -> None:
        workspace = Workspace()
        with alone():
            while True:
                try:
                    item = waiting.pop()
                except IndexError:
                    return
                work(item, workspace)

    if count <= 1 and most != 1:
        worker()  # one large piece of work: the threads of BLAS share its products
        return
    with _blas_held():
        # NumPy's settings for floating-point errors are those of the context.
        others = [_pool().submit(contextvars.copy_context().run, worker) for _ in range(count - 1)]
        try:
            worker()
        finally:
            # Here when all is done, or when something went wrong: then nobody shall take up more.
            waiting.clear()
            for other in others:
                other.exception()
        for other in others:
            other.result()
