"""The exercises of the lesson "Convolution as a matrix"."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from convbook.checks._exercise import Exercise

__all__ = ["fill", "predict_matrix", "separate"]

predict_matrix = Exercise(
    lambda: (64, 120, 960),
    cases=[()],
    mistakes={
        lambda: (120, 64, 960): "Rows and columns are exchanged: which of them belong to the outputs?",
        lambda: (120, 120, 1800): "The kernel does not fit around every pixel: in how many places does it fit?",
        lambda: (64, 120, 7680): "That is all entries, zeros too. How many inputs does one output read?",
        lambda: (64, 120, 15): "That is how many different weights there are. Each stands in every row.",
        lambda: (64, 120, 1800): "The weights stand once in each row. How many rows are there?",
        lambda: (63, 120, 945): "From 10 pixels a kernel of 3 leaves 10 - 3 + 1; you seem to count one place less.",
    },
    hint="A row for each output, a column for each input, and in each row the weights of the kernel.",
    praise="64 outputs, 120 inputs, and 15 connections for each output.",
)


def _fill(w: NDArray[Any], n: int) -> NDArray[Any]:
    matrix = np.zeros((n - len(w) + 1, n))
    for i, row in enumerate(matrix):
        row[i : i + len(w)] = w
    return matrix


def _circular(w: NDArray[Any], n: int) -> NDArray[Any]:
    first = np.concatenate([w, np.zeros(n - len(w))])
    return np.array([np.roll(first, i) for i in range(n)])


def _shifted(w: NDArray[Any], n: int) -> NDArray[Any]:
    return np.roll(_fill(w, n), 1, axis=1)


def _to_the_left(w: NDArray[Any], n: int) -> NDArray[Any]:
    return _fill(w, n)[::-1]


def _not_moved(w: NDArray[Any], n: int) -> NDArray[Any]:
    return np.repeat(_fill(w, n)[:1], n - len(w) + 1, axis=0)


fill = Exercise(
    _fill,
    cases=[
        (np.array([3, -1, 2]), 8),
        (np.array([1, 2]), 4),
        (np.array([2.0, 0.5, -1, 4, 3]), 7),
        (np.array([5, 1]), 6),
    ],
    mistakes={
        lambda w, n: _fill(w, n).T: "It lies on its side: a row for each output, a column for each input.",
        lambda w, n: _fill(np.asarray(w)[::-1], n): "The kernel is flipped. An output reads with it as it stands.",
        _shifted: "Everything stands one column too far right: which pixel does the first output begin with?",
        _to_the_left: "The kernel moves the wrong way: the next output begins one pixel further right.",
        _not_moved: "Every row is the same: where does the window of output i begin?",
        _circular: "The last windows run over the end and come in again at the beginning. Leave those rows out.",
        lambda w, n: _fill(w, n)[:-1]: "The last window is missing: it ends with the last pixel.",
    },
    hint="There are n - r + 1 rows, as many as places for the kernel; in row i the weights begin at column i.",
    praise="Each weight once in every row, along its own diagonal.",
)


def _parts(kernel: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    columns, sigmas, rows = np.linalg.svd(np.asarray(kernel, float))
    return columns[:, 0], rows[0], sigmas


def _scaled(column: NDArray[Any]) -> NDArray[Any]:
    scaled: NDArray[Any] = column / column[np.abs(column).argmax()]
    return scaled


def _within(kernel: NDArray[Any], bound: float) -> tuple[NDArray[Any], NDArray[Any]] | None:
    """Column and row, where the second singular value is at most ``bound`` times the first."""
    column, row, sigmas = _parts(kernel)
    if sigmas[1] > bound * sigmas[0]:
        return None
    return _scaled(column), sigmas[0] * column[np.abs(column).argmax()] * row


def _separate(kernel: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]] | None:
    return _within(kernel, 1e-9)


def _when_separable(change: Any) -> Any:
    """What ``change`` makes of column, row and first singular value, where the kernel has rank 1."""

    def function(kernel: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]] | None:
        column, row, sigmas = _parts(kernel)
        if sigmas[1] > 1e-9 * sigmas[0]:
            return None
        pair: tuple[NDArray[Any], NDArray[Any]] = change(column, row, sigmas[0])
        return pair

    return function


separate = Exercise(
    _separate,
    cases=[
        (np.outer([1, 2, 1], [-1, 0, 1]),),
        (np.array([[1, 2, 0], [0, 1, 3], [2, 1, 0]]),),
        (np.outer([0.3, -0.7, 0.1, 0.2], [0.1, 0.6, 0.9, -0.2]),),
        (np.eye(5),),
        (np.array([[3, -1], [6, -2]]),),
        (np.outer([1, 2, 4], [3, 1, 2]) + 0.01 * np.eye(3),),
        (np.outer(np.sqrt(np.arange(2, 9)), np.cos(np.arange(7))),),
        (np.outer([0, 0, 1], [0, 4, 0]),),
        (1e-12 * np.array([[1, 2], [3, 4]]),),
    ],
    mistakes={
        lambda K: _within(K, 1): "That is a pair even where one pair is not enough. Look at sigmas[1].",
        lambda K: _within(K, 0): "Rounding makes sigmas[1] tiny where it should be 0: "
        "compare it with sigmas[0] instead of asking for an exact 0.",
        lambda K: _within(K, 1e-9 / _parts(K)[2][0]): "A kernel of tiny weights has tiny "
        "singular values, and may need both: compare sigmas[1] with sigmas[0].",
        lambda K: _within(K, 0.05): "One of the kernels misses by about a percent, and that is more than rounding.",
        _when_separable(lambda c, r, s: (_scaled(c), s * r)): "The column is scaled, but its product with the row is "
        "no longer the kernel: what the column loses, the row must gain.",
        _when_separable(lambda c, r, s: (_scaled(c), r * c[np.abs(c).argmax()])): "The singular value is missing from "
        "the product.",
        _when_separable(lambda c, r, s: (c, s * r)): "The product is right. Now divide the column by its largest entry "
        "(in absolute value, sign and all), and multiply the row by it.",
        _when_separable(lambda c, r, s: (c * s, r)): "The product is right. Now divide the column by its largest entry "
        "(in absolute value, sign and all), and multiply the row by it.",
        _when_separable(lambda c, r, s: (_scaled(r), s * r[np.abs(r).argmax()] * c)): "Column and row have changed "
        "places.",
    },
    hint="How large is the second singular value against the first? If it is tiny, columns[:, 0] and rows[0] are the "
    "pair, up to scale.",
    praise="One pair is enough where the second singular value is nothing but rounding.",
)
