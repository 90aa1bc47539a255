"""The exercises of the lesson "Translation invariance"."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from convbook import ops
from convbook.checks._exercise import Exercise

__all__ = ["circular", "predict_kinds", "predict_weights", "smallest_shift"]

predict_weights = Exercise(
    lambda: (2 * 28 - 1) ** 2,
    cases=[()],
    mistakes={
        lambda: 56**2: "That counts one offset too many along each axis: how far apart are the first and last pixel?",
        lambda: 28**2: "That is one weight for each pixel; offsets are also negative.",
        lambda: 28**4: "That is the dense layer, with weights of its own at every place.",
        lambda: 2 * 28 - 1: "That is along one axis. The picture has two.",
        lambda: (2 * 28 - 1) ** 2 + 1: "The bias was not to be counted.",
    },
    hint="List the offsets along one axis: which is the smallest, which the largest, and how many are they?",
    praise="A dense layer has 614,656 of them.",
)

predict_kinds = Exercise(
    lambda: "EINENI",
    cases=[()],
    mistakes={
        lambda: "IENINE": "You have E and I the wrong way round: which of the two moves with the picture?",
        lambda: "EIEENI": "Look at the third again: does the mask move when the picture does?",
        lambda: "EINEEI": "Look at the fifth again: what is kept after a shift by one?",
        lambda: "EIEEEI": "Four are right. In the other two, does the same happen at every place?",
        lambda: "eineni": "The right letters; write them as capitals.",
    },
    hint="One word of six letters out of E, I and N. Try each on a single bright pixel: move it by one and compare.",
    praise="What is done alike everywhere is equivariant; what forgets the place is invariant.",
)

smallest_shift = Exercise(
    lambda strides: math.prod(strides),
    cases=[([2],), ([2, 2],), ([1, 1, 1],), ([2, 3],), ([4, 2, 1],), ([3, 2, 3, 2],)],
    mistakes={
        lambda strides: sum(strides): "Strides do not add up: what shift does the second layer see?",
        lambda strides: max(strides): "The largest stride alone is not enough: try [2, 2] and a shift by 2.",
        lambda strides: math.lcm(*strides): "A multiple of each stride is not enough: a shift arrives divided at the "
        "second layer.",
        lambda strides: strides[-1]: "The layers before the last have strides too.",
        lambda strides: strides[0]: "The layers after the first have strides too.",
    },
    hint="By how much does the first map move, if the input moves by d? That is the shift of the next layer's input.",
    praise="The strides multiply.",
)


def _sums(row: ArrayLike, weights: ArrayLike) -> NDArray[Any]:
    """The filter slid over a row, where it fits."""
    outputs = ops.conv(np.asarray(row)[None, :, None], np.asarray(weights)[:, None, None])
    return np.asarray(outputs[0, :, 0])


def _circular(row: ArrayLike, weights: ArrayLike, mode: Any = "wrap") -> NDArray[Any]:
    return _sums(np.pad(np.asarray(row), (0, len(np.asarray(weights)) - 1), mode=mode), weights)


circular = Exercise(
    _circular,
    cases=[
        (np.array([5, 0, 7]), np.array([1, -1])),
        (np.array([0, 0, 1, 2, 0, 0]), np.array([1, 2, -1])),
        (np.array([1, 4, 2, 8]), np.array([3])),
        (np.array([1.5, 4.0, 2.0, 8.0, 5.0]), np.array([1.0, 0.0, 2.0, -0.5])),
    ],
    mistakes={
        _sums: "There must be as many sums as pixels: let the last windows go on at the start.",
        lambda row, weights: _circular(row, weights, "constant"): "After the last pixel comes the first, not a zero.",
        lambda row, weights: _circular(row, weights, "edge"): "The last pixel is not its own neighbour on a circle.",
        lambda row, weights: _circular(row, weights[::-1]): "Your filter is turned round: its first weight belongs to "
        "the first pixel of the window.",
        lambda row, weights: np.roll(_circular(row, weights), len(weights) - 1): "Your first window begins before the "
        "first pixel; let it begin there, so that the last ones stick out.",
    },
    hint="How many pixels does the last window lack, and which are they?",
    praise="A circle has no border.",
)
