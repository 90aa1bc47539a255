"""The exercises of the lesson "Padding"."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convbook.checks._exercise import Exercise
from convbook.shapes import output_size

__all__ = ["padding_once", "predict_width", "reflect"]


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


def _padding_once(kernels: Sequence[int]) -> int | None:
    lost = sum(k - 1 for k in kernels)
    return None if lost % 2 else lost // 2


padding_once = Exercise(
    _padding_once,
    cases=[([3],), ([4],), ([5, 3],), ([2, 4],), ([2, 3],), ([4, 7, 2],), ([1, 5, 5],)],
    mistakes={
        lambda kernels: sum(k - 1 for k in kernels) // 2: "For some lists rounding hides a problem: put [2, 3] and "
        "your number into the formula for the size, layer by layer.",
        lambda kernels: sum((k - 1) // 2 for k in kernels): "Rounded in every layer: what do two kernels of 2 take "
        "away together?",
        lambda kernels: sum(k // 2 for k in kernels): "Right for odd kernels only. What does a kernel of 2 take away?",
        lambda kernels: None if any(k % 2 == 0 for k in kernels) else _padding_once(kernels): "Only the last size "
        "counts, not those on the way: try [2, 4] once more.",
        lambda kernels: sum(k - 1 for k in kernels): "That is the padding of both sides together.",
        lambda kernels: _padding_once(kernels[:1]): "That would do for the first layer alone.",
    },
    hint="By how much does the image shrink in each layer, and in all of them together? The padding stands on both "
    "sides.",
    praise="Two even kernels have together what neither has alone: a symmetric padding.",
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
