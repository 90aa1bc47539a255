"""The exercises of the lesson "An infinitely strong prior"."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convbook.checks._exercise import Exercise

__all__ = ["choose", "nearest", "predict_weight", "toward"]

Array = NDArray[Any]

predict_weight = Exercise(
    lambda: (18 + 3 * 6) / (9 + 3),
    cases=[()],
    mistakes={
        lambda: 2: "That is what the data say alone; the prior has a say too.",
        lambda: 6: "That is the prior's mean, which only an infinitely strong prior insists on.",
        lambda: 4: "That is the plain mean of 2 and 6; but the two do not have equal weights.",
        lambda: 5: "You gave the data the weight 3 and the prior 9: which has which?",
        lambda: 36: "You have the numerator; a weighted mean is divided by the sum of its weights.",
    },
    hint="What do the data say alone, and with which weight? Then take the weighted mean with the prior's opinion.",
    praise="The data say 2 with the weight 9, the prior says 6 with the weight 3.",
)


def _nearest(W: Array, k: int, mean: Callable[[Array], Any] = np.mean) -> Array:
    rows = np.arange(len(W))
    result = np.zeros(np.shape(W))
    for a in range(k):
        result[rows, rows + a] = mean(np.asarray(W)[rows, rows + a])
    return result


def _whole_diagonals(W: Array, k: int) -> Array:
    result = np.zeros(np.shape(W))
    rows, columns = len(W), len(W[0])
    for a in range(-rows + 1, columns):
        copies = [(i, i + a) for i in range(rows) if 0 <= i + a < columns]
        for place in copies:
            result[place] = np.mean([W[other] for other in copies])
    return result


nearest = Exercise(
    _nearest,
    cases=[
        (np.array([[2.0, 1, 0, 3], [0, 4, -1, 1], [1, 0, 3, -3]]), 2),
        (np.array([[1.0, 2, 3, 4, 5], [6, 7, 8, 9, 1], [2, 3, 4, 5, 8]]), 3),
        (np.array([[4.0, 1], [3, -2]]), 1),
    ],
    mistakes={
        lambda W, k: _nearest(W, k, lambda copies: copies): "The zeros are in place, but the copies of a weight still "
        "differ. Which single number is nearest to all of them?",
        _whole_diagonals: "Every diagonal has its mean now; but outside the band nothing is connected.",
        lambda W, k: _nearest(W, k, np.sum): "You added the copies up. Which single number is nearest to all of them?",
        lambda W, k: _nearest(W, k, lambda copies: copies[0]): "You took the first copy for all. The nearest number "
        "listens to each of them.",
        lambda W, k: np.where(_nearest(np.ones(W.shape), k) > 0, W[_nearest(np.ones(W.shape), k) > 0].mean(), 0): "All "
        "weights of the kernel became one; only copies of the same weight are tied.",
        lambda W, k: np.asarray(W): "That is W itself, which is no convolution.",
    },
    hint="Look at `ties(4, 2)`: in which column is weight a in row i? And which number is nearest to all copies?",
    praise="Along each diagonal of the band the mean, and zero outside.",
)


def _toward(X: Array, y: Array, mean: Any, strength: float, pull: float = 1.0, keep: float = 1.0) -> Array:
    left = X.T @ X + keep * strength * np.eye(X.shape[1])
    return np.asarray(np.linalg.solve(left, X.T @ y + pull * strength * np.asarray(mean)))


_X = np.array([[1.0, 2, 0], [0, 1, -1], [2, 0, 1], [1, 1, 3]])
toward = Exercise(
    _toward,
    cases=[
        (_X, np.array([1.0, 2, 0, -1]), np.array([1.0, -1, 2]), 3.0),
        (_X[:, :2], np.array([4.0, 0, 1, 2]), np.array([5.0, 3]), 0.5),
        (_X, np.array([1.0, 1, 5, 2]), np.array([0.0, 2, 1]), 100.0),
    ],
    mistakes={
        lambda X, y, mean, strength: _toward(X, y, mean, strength, pull=0): "These weights are drawn towards zero; the "
        "prior wants them near its mean.",
        lambda X, y, mean, strength: _toward(X, y, mean, 0): "That is plain least squares: the prior is missing.",
        lambda X, y, mean, strength: _toward(X, y, mean, strength, keep=0): "The right side has the prior, the left "
        "side does not: the slope of the penalty contains w as well.",
        lambda X, y, mean, strength: _toward(X, y, mean, strength, pull=1 / strength): "On the right side the mean "
        "counts with the strength, too.",
        lambda X, y, mean, strength: _toward(X, y, mean, strength, pull=0) + mean: "Adding the mean at the end moves "
        "what the data say as well. Put it into the equations.",
        lambda X, y, mean, strength: np.linalg.solve(X.T @ X + strength, X.T @ y + strength * mean): "Adding a number "
        "to a matrix adds it to every entry; the penalty of a weight concerns its own equation only.",
    },
    hint="Write down the slopes of both halves for all weights, set them to zero, and collect what multiplies w.",
    praise="With strength 0 it is least squares, with infinite strength the mean.",
)


def _ties(n: int) -> dict[str, Array]:
    shared = np.full((n - 2, n), -1)
    for i in range(n - 2):
        shared[i, i : i + 3] = np.arange(3)
    local = np.full(shared.shape, -1)
    local[shared >= 0] = np.arange((shared >= 0).sum())
    return {"none": np.arange(shared.size).reshape(shared.shape), "local": local, "shared": shared}


def _constrained(X: Array, Y: Array, ids: Array) -> Array:
    columns = [(X @ (ids == weight).T).ravel() for weight in range(ids.max() + 1)]
    free = np.linalg.lstsq(np.column_stack(columns), Y.ravel(), rcond=None)[0]
    return np.where(ids < 0, 0, free[ids])


def _errors(X: Array, Y: Array) -> dict[str, float]:
    cut = 2 * len(X) // 3
    return {
        name: float(((X[cut:] @ _constrained(X[:cut], Y[:cut], ids).T - Y[cut:]) ** 2).mean())
        for name, ids in _ties(X.shape[1]).items()
    }


def _choose(X: Array, Y: Array) -> str:
    errors = _errors(X, Y)
    return min(errors, key=lambda name: errors[name])


def _worst(X: Array, Y: Array) -> str:
    errors = _errors(X, Y)
    return max(errors, key=lambda name: errors[name])


def _data(kind: str, count: int, noise: float, seed: int) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    ids = _ties(8)[kind]
    W = np.where(ids < 0, 0, rng.normal(size=ids.max() + 1)[ids])
    if kind == "local":  # about 1 in the mean, so that sharing is nearly right
        W[ids >= 0] = 1 + W[ids >= 0] / 2
    X = rng.normal(size=(count, 8))
    return X, X @ W.T + noise * rng.normal(size=(count, 6))


choose = Exercise(
    _choose,
    cases=[
        _data("shared", 18, 1.0, 0),
        _data("none", 90, 0.5, 1),
        _data("local", 36, 1.0, 2),
        _data("local", 9, 2.0, 3),
    ],
    mistakes={
        lambda X, Y: "none": "The layer with the most free weights fits the examples that it has seen best, always. "
        "Judge on examples that the fit has not seen.",
        lambda X, Y: "shared": "Not all data come from a convolution. Let the last third decide.",
        lambda X, Y: "local": "Own weights at each place are not always best. Let the last third decide.",
        _worst: "That is the constraint with the largest error.",
    },
    hint="Fit each constraint to the first two thirds, and compare the mean squared errors on the last third.",
    praise="Examples that the fit has not seen say which constraint is worth having.",
)
