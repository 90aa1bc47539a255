"""The exercises of the lesson "Constraining the MLP"."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convbook.checks._exercise import Exercise
from convbook.shapes import dense_parameters

__all__ = ["error_on_new", "predict_count", "row_by_offset", "unshuffle"]

Array = NDArray[Any]

predict_count = Exercise(
    lambda: dense_parameters(32 * 32 * 3, 100),
    cases=[()],
    mistakes={
        lambda: 32 * 32 * 3 * 100: "Those are the weights. What else does the layer learn?",
        lambda: 32 * 32 * 100 + 100: "How many numbers does a colour picture have for each pixel?",
        lambda: 32 * 32 * 100: "How many numbers does a colour picture have for each pixel? And weights are not all.",
        lambda: 32 * 32 * 3 * 100 + 32 * 32 * 3: "Biases belong to the outputs, not to the inputs.",
        lambda: 32 * 32 * 3 + 100: "Every input is connected to every output.",
    },
    hint="Count the inputs first, then the weights that one output needs, then what all outputs need.",
    praise="A hundred outputs take 307 200 weights and 100 biases.",
)


def _unshuffle(shuffled: Array, order: Array) -> Array:
    return np.asarray(shuffled)[np.argsort(order)]


unshuffle = Exercise(
    _unshuffle,
    cases=[
        (np.array([40, 10, 30, 20, 50]), np.array([3, 0, 2, 1, 4])),
        (np.array([7, 1, 5, 8, 2, 9]), np.array([5, 0, 4, 1, 3, 2])),
        (np.arange(9.0) ** 2, np.random.default_rng(0).permutation(9)),
    ],
    mistakes={
        lambda shuffled, order: shuffled[order]: "That shuffles once more. Where did entry n of shuffled come from?",
        lambda shuffled, order: shuffled: "That is still shuffled: nothing has moved.",
        lambda shuffled, order: np.sort(shuffled): "A row of pixels was not sorted to begin with; look at the order.",
        lambda shuffled, order: shuffled[::-1]: "Only one of all orders is undone by reversing.",
    },
    hint="Entry n of shuffled is entry order[n] of the row. On which side of an assignment does order[n] belong?",
    praise="Every shuffle can be undone, so no information was lost.",
)


def _rows(take: Callable[[Array, int, int], Any]) -> Callable[[Array], Array]:
    """V of a row, where ``take(W, i, a)`` is the entry for output i and offset a."""

    def build(weights: Array) -> Array:
        matrix = np.asarray(weights)
        n = len(matrix)
        return np.array([[take(matrix, i, a) for a in range(1 - n, n)] for i in range(n)])

    return build


row_by_offset = Exercise(
    _rows(lambda w, i, a: w[i, i + a] if 0 <= i + a < len(w) else 0),
    cases=[
        (np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9]]),),
        (np.array([[1.5, -2.0], [0.5, 3.0]]),),
        (np.arange(1, 17).reshape(4, 4) ** 2,),
    ],
    mistakes={
        _rows(lambda w, i, a: w[i, i + a] if i + a < len(w) else 0): "Where i + a is negative, Python counts from the "
        "end of the row. Those offsets lead out of the picture.",
        _rows(lambda w, i, a: w[i, (i + a) % len(w)]): "Offsets that lead out of the row do not come back in on the "
        "other side; they stay zero.",
        _rows(lambda w, i, a: w[i, i + a] if a >= 0 and i + a < len(w) else 0): "Offsets may be negative: the pixels "
        "to the left count too.",
        _rows(lambda w, i, a: w[i, i - a] if 0 <= i - a < len(w) else 0): "A positive offset points to the right, to "
        "larger indices.",
        _rows(lambda w, i, a: w[i + a, i] if 0 <= i + a < len(w) else 0): "The first index of W is the output, which "
        "is i.",
    },
    hint="For output i, which offsets a keep i + a between 0 and n - 1?",
    praise="Row i holds the old row, moved so that pixel i itself is in the middle.",
)


def _error_on_new(inputs: Array, outputs: Array, new_inputs: Array, new_outputs: Array) -> float:
    return float(np.abs(new_inputs @ _fitted(inputs, outputs) - new_outputs).mean())


def _fitted(inputs: Array, outputs: Array) -> Array:
    solution: Array = np.linalg.lstsq(inputs, outputs, rcond=None)[0]
    return solution


def _examples(count: int, features: int, seed: int) -> tuple[Array, Array, Array, Array]:
    """Pictures as rows and what a layer makes of them: ``count`` for the fit and four new ones."""
    rng = np.random.default_rng(seed)
    pictures, weights = rng.normal(size=(count + 4, features)), rng.normal(size=(features, 5))
    outputs = pictures @ weights
    return pictures[:count], outputs[:count], pictures[count:], outputs[count:]


error_on_new = Exercise(
    _error_on_new,
    cases=[_examples(3, 6, seed=0), _examples(5, 6, seed=1), _examples(9, 6, seed=2)],
    mistakes={
        lambda x, y, new_x, new_y: np.abs(x @ _fitted(x, y) - y).mean(): "That error is almost zero, because it was "
        "measured on the pictures of the fit. Fit on the old ones, measure on the new ones.",
        lambda x, y, new_x, new_y: ((new_x @ _fitted(x, y) - new_y) ** 2).mean(): "That is the mean square; take "
        "absolute values.",
        lambda x, y, new_x, new_y: np.abs(new_x @ _fitted(x, y) - new_y).sum(): "That is the sum of the errors, not "
        "their mean.",
        lambda x, y, new_x, new_y: np.abs((new_x @ _fitted(x, y) - new_y).mean()): "Errors of both signs cancel; take "
        "absolute values before the mean.",
    },
    hint="Fit M on inputs and outputs. Then compare new_inputs @ M with new_outputs.",
    praise="The weights are known once there are as many examples as features, and not before.",
)
