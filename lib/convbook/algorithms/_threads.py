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

__all__ = ["Workspace", "alone", "parallel", "release", "single_products", "threads"]

Item = TypeVar("Item")

# More threads than this would wait for the interpreter, and each needs memory of its own.
_MOST = 8
_here = threading.local()
_limiting = threading.Lock()


class Workspace:
    """Arrays of one thread that are used again and again: for new memory the system has to clear pages every time."""

    def __init__(self) -> None:
        self._buffers: dict[str, NDArray[Any]] = {}
        self.nbytes = 0  # of all its arrays

    def array(self, name: str, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """An array with anything in it, which lasts until the same name is asked for again."""
        size = int(np.prod(shape, dtype=np.int64))
        buffer = self._buffers.get(name)
        if buffer is None or buffer.size < size or buffer.dtype != dtype:
            self.nbytes -= buffer.nbytes if buffer is not None else 0
            buffer = self._buffers[name] = np.empty(size, dtype)
            self.nbytes += buffer.nbytes
        return buffer[:size].reshape(shape)


# Workspaces that nobody uses now, for whoever comes next, with so many bytes at most.
_spare: list[Workspace] = []
_SPARE_BYTES = 64_000_000


@contextlib.contextmanager
def _workspace() -> Iterator[Workspace]:
    try:
        workspace = _spare.pop()
    except IndexError:
        workspace = Workspace()
    try:
        yield workspace
    finally:
        if workspace.nbytes + sum(other.nbytes for other in _spare) <= _SPARE_BYTES:
            _spare.append(workspace)


def release() -> None:
    """Give the memory of workspaces that nobody uses back to the system."""
    _spare.clear()


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
    # A forked process has the pool, but not its threads.
    os.register_at_fork(after_in_child=_pool.cache_clear)


@functools.cache
def _blas() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")


@contextlib.contextmanager
def single_products() -> Iterator[None]:
    """Within, each matrix product takes one thread, because the caller shares its work among several itself.

    The number of threads of BLAS is one for the whole process. So of several callers only the first one sets it, and
    sets it back: two that overlapped could each take the other's for what was there before.
    """
    if not _limiting.acquire(blocking=False):
        yield
        return
    try:
        with _blas().limit(limits=1):
            yield
    finally:
        _limiting.release()


def parallel(work: Callable[[Item, Workspace], None], items: Iterable[Item], most: int | None = None) -> None:
    """``work(item, workspace)`` for every item, in several threads, which take the next item when they are free.

    There are as many threads as :func:`threads` says, or at most ``most``; with one, or a single item, all is done in
    the calling thread, its matrix products too: for small ones, to call others costs more than it saves. A thread
    passes the same workspace every time. An error in one item ends the others' work and is raised.
    """
    waiting = list(items)
    waiting.reverse()
    count = min(threads() if most is None else most, len(waiting))

    def worker() -> None:
        with alone(), _workspace() as workspace:
            while True:
                try:
                    item = waiting.pop()
                except IndexError:
                    return
                try:
                    work(item, workspace)
                except BaseException:
                    waiting.clear()  # nobody shall take up more
                    raise

    with single_products():
        # NumPy's settings for floating-point errors are those of the context.
        others = [_pool().submit(contextvars.copy_context().run, worker) for _ in range(count - 1)]
        try:
            worker()
        finally:
            for other in others:  # nobody may still be writing when the caller goes on
                other.exception()
        for other in others:
            other.result()
