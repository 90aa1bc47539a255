"""The exercises of the lesson "1x1 convolutions and dense layers"."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convbook import ops
from convbook.checks._exercise import Exercise
from convbook.shapes import output_size

__all__ = ["find", "from_pytorch", "predict_lists"]

Array = NDArray[Any]
Shape = Sequence[int]


def _lists() -> int:
    size = 320
    for _ in range(5):
        size = output_size(size, 2, 2)
    return output_size(size, 7) ** 2


predict_lists = Exercise(
    _lists,
    cases=[()],
    mistakes={
        lambda: 4: "That is along one axis.",
        lambda: 100: "That many pixels has the last volume. In how many places does a kernel of 7 fit there?",
        lambda: 10: "That is one side of the last volume, before the dense layers' kernels.",
        lambda: 9: "How many places has a window of 7 on 10 pixels? Count them: 0 is one of them.",
        lambda: 3: "How many places has a window of 7 on 10 pixels? Count them, and along both axes.",
        lambda: 36: "That is for 384 pixels.",
        lambda: 9409: "Crops a single pixel apart? The network takes one step for 32 pixels.",
        lambda: 16_000: "Those are the scores. How many lists of 1000 do they make?",
    },
    hint="Divide by 32 for the five poolings; then count the places of the 7 x 7 kernel, along both axes.",
    praise="10 - 7 + 1 = 4 places along each axis, 16 lists in all.",
)


def _table(inputs: int, outputs: int, seed: int) -> Array:
    return np.random.default_rng(seed).permutation(inputs * outputs).reshape(inputs, outputs)


def _from_pytorch(W: Array, volume_shape: Shape) -> Array:
    rows, columns, channels = volume_shape
    table = np.asarray(W)
    return table.reshape(table.shape[0], channels, rows, columns).transpose(2, 3, 1, 0)


from_pytorch = Exercise(
    _from_pytorch,
    cases=[
        (_table(5, 2 * 3 * 4, 3), (2, 3, 4)),
        (_table(3, 3 * 3 * 3, 4), (3, 3, 3)),
        (_table(4, 4 * 2 * 3, 5), (4, 2, 3)),
    ],
    mistakes={
        lambda W, s: W.T.reshape(*s, -1): "The outputs are in place, and the pixels are scrambled: this list runs "
        "through the channels first.",
        lambda W, s: W.reshape(*s, -1): "The table has a row for each output here, and the channels come first in the "
        "list: neither is taken care of.",
        lambda W, s: W.reshape(-1, s[2], s[0], s[1]): "The split is right. Now the axes have to move to our order.",
        lambda W, s: _from_pytorch(W, s)[::-1, ::-1]: "The kernel is turned by half a turn; both libraries slide it as "
        "it is.",
        lambda W, s: W.reshape(-1, s[2], s[1], s[0]).transpose(3, 2, 1, 0): "Rows and columns are exchanged: within a "
        "channel the list is still written row by row.",
        lambda W, s: W.reshape(-1, s[2], s[0], s[1]).transpose(2, 3, 0, 1): "The last two axes of a kernel are input "
        "channels, then outputs.",
    },
    hint="Reshape to (outputs, channels, rows, columns), which is how the list was made; then transpose.",
    praise="First the reshape that fits the list, then the order that we want.",
)


def _scores(W: Array, canvas: Array, shape: Shape, kind: int) -> Array:
    kernel = np.asarray(W)[:, kind].reshape(*shape, 1, 1)
    scores: Array = ops.conv(np.asarray(canvas)[np.newaxis, :, :, np.newaxis], kernel)[0, :, :, 0]
    return scores


def _highest(scores: Array) -> tuple[int, int]:
    i, j = np.unravel_index(int(scores.argmax()), scores.shape)
    return int(i), int(j)


def _find(W: Array, canvas: Array, shape: Shape, kind: int) -> tuple[int, int]:
    return _highest(_scores(W, canvas, shape, kind))


def _flipped(W: Array, canvas: Array, shape: Shape, kind: int) -> tuple[int, int]:
    turned = np.asarray(W).reshape(*shape, -1)[::-1, ::-1].reshape(np.shape(W))
    return _find(turned, canvas, shape, kind)


def _best_class(W: Array, canvas: Array, shape: Shape, kind: int) -> tuple[int, int]:
    kinds = range(np.shape(W)[1])
    return _highest(np.max([_scores(W, canvas, shape, n) for n in kinds], axis=0))


def _search(height: int, width: int, shape: tuple[int, int], kind: int, seed: int) -> tuple[Any, ...]:
    rng = np.random.default_rng(seed)
    table = rng.normal(size=(shape[0] * shape[1], 4)).round(2)
    return table, rng.normal(size=(height, width)).round(2), shape, kind


find = Exercise(
    _find,
    cases=[_search(9, 13, (3, 4), 2, 6), _search(14, 8, (3, 3), 0, 7), _search(10, 11, (2, 4), 3, 8)],
    mistakes={
        lambda W, c, s, k: _find(W, c, s, k)[::-1]: "The place is right; the row comes before the column.",
        _flipped: "The kernel is turned by half a turn. The first weight belongs to the first pixel of the window.",
        lambda W, c, s, k: _find(W.T.reshape(W.shape), c, s, k): "The weights of the classes are mixed up: a class is "
        "a column of the table.",
        lambda W, c, s, k: _highest(-_scores(W, c, s, k)): "That is the place of the lowest score.",
        lambda W, c, s, k: int(_scores(W, c, s, k).argmax()): "That is the number of the place in the list of all; "
        "np.unravel_index makes a row and a column of it.",
        _best_class: "That is where any class has its highest score. Which one is asked for?",
        lambda W, c, s, k: _find(W, c, s, 0): "That looks for class 0 whatever is asked for.",
        lambda W, c, s, k: tuple(a + n // 2 for a, n in zip(_find(W, c, s, k), s, strict=True)): "That is the middle "
        "of the window; its top left corner is asked for.",
    },
    hint="Make a kernel of one column of the table, slide it over the canvas, and find the highest score.",
    praise="One class of a digit reader, slid over a canvas, is a map of where its digit may be.",
)
