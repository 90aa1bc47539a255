"""The exercises of the lesson "LeNet"."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from convbook.checks._exercise import Exercise
from convbook.shapes import conv_parameters, dense_parameters

__all__ = ["count", "largest", "predict_letters", "worst_pair"]


def _letters() -> int:
    dense = (400, 120), (120, 84), (84, 26)
    return conv_parameters(5, 1, 6) + conv_parameters(5, 6, 16) + sum(dense_parameters(*sizes) for sizes in dense)


predict_letters = Exercise(
    _letters,
    cases=[()],
    mistakes={
        lambda: 61706: "That is for ten classes; the last layer grows with their number.",
        lambda: 61706 + 26 * 85: "The ten outputs for digits are gone: take their parameters away.",
        lambda: 61706 + 16 * 84: "Each new output has a bias as well.",
        lambda: 26 * 85: "That is the last layer alone. What do the others have?",
        lambda: 61706 * 26 // 10: "Only the last layer knows how many classes there are.",
    },
    hint="Which layers depend on the number of classes? Take their parameters away and put the new ones in.",
    praise="Only the last layer changes: 26 times 85 parameters in place of 10 times 85.",
)


def _count(table: Any, k: int, n: int) -> tuple[int, int]:
    entries = np.asarray(table, bool)
    parameters = int(k * k * entries.sum()) + entries.shape[1]
    return parameters, parameters * (n - k + 1) ** 2


def _full(table: Any, k: int, n: int) -> tuple[int, int]:
    return _count(np.ones_like(np.asarray(table, bool)), k, n)


def _no_bias(table: Any, k: int, n: int) -> tuple[int, int]:
    weights = int(k * k * np.asarray(table, bool).sum())
    return weights, weights * (n - k + 1) ** 2


def _bias_once(table: Any, k: int, n: int) -> tuple[int, int]:
    parameters, weights = _count(table, k, n)[0], _no_bias(table, k, n)
    return parameters, weights[1]


def _on_inputs(table: Any, k: int, n: int) -> tuple[int, int]:
    parameters = _count(table, k, n)[0]
    return parameters, parameters * n * n


def _bias_of_inputs(table: Any, k: int, n: int) -> tuple[int, int]:
    parameters = int(k * k * np.asarray(table, bool).sum()) + len(np.asarray(table))
    return parameters, parameters * (n - k + 1) ** 2


_CASES_OF_TABLES: list[tuple[Any, int, int]] = [
    (np.array([[1, 0], [1, 1], [0, 1]]), 3, 6),
    (np.eye(6, 16, dtype=int) + np.eye(6, 16, 3, dtype=int), 5, 14),
    (np.array([[1]]), 5, 32),
]

count = Exercise(
    _count,
    cases=_CASES_OF_TABLES,
    mistakes={
        _full: "That is without the table. A filter has weights only for the maps that it reads.",
        _no_bias: "Each filter has a bias, and the bias is connected to every output of the filter.",
        _bias_once: "The parameters are right. A bias is a connection too, at every place.",
        _on_inputs: "The parameters are right. At how many places does a k×k filter fit into n×n pixels?",
        _bias_of_inputs: "There is a bias for each filter (a column of the table), not for each map that is read.",
        lambda table, k, n: (_count(table, k, n)[0],) * 2: "The parameters are right, but each serves many places.",
        lambda table, k, n: _count(table, k, n)[::-1]: "Both numbers are there: the parameters come first.",
    },
    hint="Each 1 in the table stands for k×k weights, each column for a bias; all are used at every place.",
    praise="A parameter is used once at every place, so the ratio of the two is the number of places.",
)


def _worst_pair(confusion: NDArray[Any]) -> tuple[int, int]:
    both = np.triu(np.asarray(confusion) + np.asarray(confusion).T, 1)
    row, column = np.unravel_index(int(both.argmax()), both.shape)
    return int(row), int(column)


def _one_way(confusion: NDArray[Any]) -> tuple[int, int]:
    wrong = np.asarray(confusion) * (1 - np.eye(len(confusion), dtype=int))
    row, column = np.unravel_index(int(wrong.argmax()), wrong.shape)
    return int(row), int(column)


def _one_way_sorted(confusion: NDArray[Any]) -> tuple[int, int]:
    row, column = sorted(_one_way(confusion))
    return row, column


def _with_diagonal(confusion: NDArray[Any]) -> tuple[int, int]:
    row, column = np.unravel_index(int(np.asarray(confusion).argmax()), np.asarray(confusion).shape)
    return int(row), int(column)


worst_pair = Exercise(
    _worst_pair,
    cases=[
        (np.array([[90, 6, 0], [0, 95, 4], [1, 5, 80]]),),
        (np.array([[50, 0, 3, 1], [0, 70, 0, 9], [4, 0, 60, 7], [0, 1, 2, 90]]),),
        (np.array([[9, 0, 3], [2, 9, 0], [3, 0, 5]]),),
        (np.array([[40, 1, 2], [1, 50, 1], [8, 1, 60]]),),
    ],
    mistakes={
        _with_diagonal: "Those were read rightly: the diagonal holds no mistakes.",
        _one_way: "That is the largest single entry. A 4 read as 9 and a 9 read as 4 are the same pair: add the two.",
        _one_way_sorted: "That comes from the largest single entry. A 4 read as 9 and a 9 read as 4 are the same "
        "pair: add the two.",
        lambda confusion: _worst_pair(confusion)[::-1]: "The right pair; give the smaller class first.",
    },
    hint="Add the matrix to its transpose, leave the diagonal out, and find the largest entry.",
    praise="The sum of the two directions tells which classes are mixed up.",
)


def _parameters(w: int) -> int:
    convolutions = conv_parameters(5, 1, w) + conv_parameters(5, w, 2 * w)
    return convolutions + dense_parameters(50 * w, 10 * w) + dense_parameters(10 * w, 10)


def _largest(budget: int) -> int:
    w = 0
    while _parameters(w + 1) <= budget:
        w += 1
    return w


largest = Exercise(
    _largest,
    cases=[(697,), (698,), (5374,), (9361,), (9362,), (10000,), (61706,)],
    mistakes={
        lambda budget: _largest(budget - 1): "A network that has exactly as many parameters as allowed fits too.",
        lambda budget: _largest(budget) + 1: "That one is too large by one step: try it in the formula.",
        lambda budget: max(_largest(budget), 1): "With few enough parameters not even w = 1 fits; return 0 there.",
        lambda budget: int((budget / 550) ** 0.5): "The term with w² is the largest, but not the only one.",
        _parameters: "That is how many parameters the network has; look for the w that a number of parameters allows.",
    },
    hint="Write the number of parameters as a function of w, then raise w for as long as the next one still fits.",
    praise="Nearly all parameters stand between the last maps and the dense layer, and they grow like w².",
)
