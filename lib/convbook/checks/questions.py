"""The exercises of the lesson "Twenty-one questions"."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from convbook.checks._exercise import Exercise

__all__ = ["exact_shifts", "kernel_gradient", "power_pool"]


exact_shifts = Exercise(
    lambda: [6, 12],
    cases=[()],
    mistakes={
        lambda: [2, 4, 6, 8, 10, 12]: "Those are right after the pooling. What does the convolution read?",
        lambda: [3, 6, 9, 12]: "That is so for the convolution alone. How far apart are the numbers that it reads?",
        lambda: [6]: "That one is right. Which others are multiples of it?",
        lambda: [5, 10]: "Strides are not added up: a step of the second is so many steps of the first.",
        lambda: [9]: "The sizes of the windows do not matter, only how far apart they begin.",
        lambda: [0, 6, 12]: "The question begins with 1.",
        lambda: list(range(1, 13)): "That is so at stride 1. Where do the windows begin here?",
    },
    hint="How many pixels of the image lie between two neighbours of the last map?",
    praise="The strides 2 and 3 multiply, and shifts by multiples of 6 are exact.",
)


def _copies(untied: NDArray[Any], stride: int) -> NDArray[Any]:
    """The entries of the kernel's copies: one row for each output."""
    rows, columns = untied.shape
    k = columns - stride * (rows - 1)
    return np.array([untied[i, stride * i : stride * i + k] for i in range(rows)])


def _one_step(untied: NDArray[Any], stride: int) -> NDArray[Any]:
    """As many weights, with every row one column further than the last."""
    rows, columns = untied.shape
    k = columns - stride * (rows - 1)
    return np.asarray(np.array([untied[i, i : i + k] for i in range(rows)]).sum(axis=0))


_numbers = np.random.default_rng(7)

kernel_gradient = Exercise(
    lambda untied, stride: _copies(untied, stride).sum(axis=0),
    cases=[
        (np.array([[1, 2, 9, 9], [9, 3, 4, 9], [9, 9, 5, 6]]), 1),
        (_numbers.integers(-9, 10, (4, 9)), 2),
        (_numbers.integers(-9, 10, (3, 10)), 3),
    ],
    mistakes={
        lambda untied, stride: _copies(untied, stride).mean(axis=0): "That is the mean of the copies; the effects of "
        "all copies add up.",
        lambda untied, stride: _copies(untied, stride)[0]: "That is the first row alone: one copy of each weight.",
        lambda untied, stride: _copies(untied, stride).sum(axis=0)[
            ::-1
        ]: "Those are the right sums in the wrong order: the first row begins with the first weight.",
        _one_step: "That is so for stride 1. Where does the kernel begin in the second row?",
        lambda untied, stride: untied.sum(axis=0): "That adds up whole columns, the entries that belong to no weight "
        "too.",
    },
    hint="In which columns does the kernel stand in the first row, in the second, in the last?",
    praise="The gradient of a tied weight is the sum over its copies, wherever the stride puts them.",
)


def _power_pool(row: NDArray[Any], size: int, p: float) -> NDArray[Any]:
    windows = np.abs(np.asarray(row, float)).reshape(-1, size)
    return np.asarray((windows**p).mean(axis=1) ** (1 / p))


def _powers(row: NDArray[Any], size: int, p: float) -> NDArray[Any]:
    return np.asarray(np.abs(np.asarray(row, float)).reshape(-1, size) ** p)


power_pool = Exercise(
    _power_pool,
    cases=[
        (np.array([1.0, 3.0, -2.0, 4.0]), 2, 1),
        (np.array([3.0, 4.0, 0.0, -5.0, 1.0, 1.0]), 2, 2),
        (np.array([1.0, -2.0, 2.0, 0.5, 0.0, 3.0]), 3, 3),
        (np.array([0.0, 8.0, 1.0, -6.0]), 4, 60),
    ],
    mistakes={
        lambda row, size, p: _powers(row, size, p).sum(axis=1) ** (1 / p): "That is the sum of the powers; with the "
        "mean, a window of equal numbers keeps its value.",
        lambda row, size, p: _powers(row, size, p).mean(axis=1): "The root is missing: the answer must be of the size "
        "of the numbers in the window.",
        lambda row, size, p: np.abs(row).reshape(-1, size).mean(axis=1): "That is so for p = 1 only.",
        lambda row, size, p: np.abs(row).reshape(-1, size).max(axis=1): "That is where p grows without end.",
        lambda row, size, p: np.abs((np.asarray(row, float).reshape(-1, size) ** p).mean(axis=1)) ** (1 / p): "An odd "
        "power keeps the sign, so numbers cancel: take the magnitudes first.",
    },
    hint="Magnitudes, to the power p, their mean over each window, then the p-th root.",
    praise="p = 1 is the mean of the magnitudes, p = 2 is L2 pooling over the root of the window's size, and large p "
    "comes near the maximum.",
    tolerance=1e-4,
)
