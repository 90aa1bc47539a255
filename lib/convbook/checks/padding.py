"""The exercises of the lesson "Padding"."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from convbook.checks._exercise import Exercise
from convbook.shapes import output_size

__all__ = ["predict_width", "reflect", "same_padding"]


def _width() -> int:
    width = 32
    for _ in range(3):
        width = output_size(width, 5, 1, 1)
    return width


predict_width = Exercise(
    _width,
    cases=[()],
    mistakes={
        lambda: 32: "Padding 1 keeps the size under a 3x3 kernel; this one is 5x5.",
        lambda: 30: "That is the width after one layer. There are three.",
        lambda: 20: "That is without padding: each layer gains two columns back.",
        lambda: 29: "Padding 1 adds a column on each side, so two in all.",
    },
    hint="By how much does the width change in one layer? Put n, p and k into the formula.",
    praise="The width falls by 2 in each layer, from 32 to 26.",
)


def _same_padding(k: int) -> int | None:
    return (k - 1) // 2 if k % 2 else None


same_padding = Exercise(
    _same_padding,
    cases=[(1,), (3,), (5,), (11,), (2,), (4,)],
    mistakes={
        lambda k: (k - 1) // 2: "For even kernels rounding hides the problem: put k = 4 and your p into the formula.",
        lambda k: k // 2: "Try k = 2: is 2p equal to k - 1?",
        lambda k: k - 1: "That is the padding of both sides together.",
        lambda k: (k - 1) / 2 if k % 2 == 0 else (k - 1) // 2: "There is no half row of zeros; return None there.",
    },
    hint="Solve 2p = k - 1 for p. When is the solution not a whole number?",
    praise="Odd kernels have one, even kernels do not.",
)


def _reflect(row: NDArray[Any], p: int) -> NDArray[Any]:
    return np.pad(row, p, mode="reflect")


reflect = Exercise(
    _reflect,
    cases=[(np.array([1, 2, 3, 4]), 2), (np.array([5, 0, 7]), 1), (np.arange(6.0), 4)],
    mistakes={
        lambda row, p: np.pad(row, p, mode="symmetric"): "The border pixel itself must not be repeated.",
        lambda row, p: np.pad(row, p, mode="edge"): "That repeats the border pixel; mirror what lies behind it.",
        lambda row, p: np.pad(row, p, mode="wrap"): "That continues on the other side; mirror instead.",
        lambda row, p: np.pad(row, p): "Those are zeros; mirror the row instead.",
        lambda row, p: np.concatenate([row[1 : p + 1], row, row[-p - 1 : -1]]): "The values are the right ones, but "
        "they run the wrong way: a mirror reverses.",
    },
    hint="Which indices stand before index 0? The nearest is a copy of index 1, the next of index 2.",
    praise="The mirror stands on the border pixel.",
)
