"""The exercises of the lesson "Symmetry"."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convbook import ops
from convbook.checks._exercise import Exercise

__all__ = ["best_pose", "half_turn_conv", "predict_mirror", "symmetrize"]

Array = NDArray[Any]


def _mirror() -> int:
    columns = {min(j, 4 - j) for j in range(5)}
    return 5 * len(columns)


predict_mirror = Exercise(
    _mirror,
    cases=[()],
    mistakes={
        lambda: 12.5: "A mirror does not pair up all cells: which ones does it leave where they are?",
        lambda: 10: "The cells of the middle column are their own mirror images. They count too.",
        lambda: 13: "That is what half a turn leaves. A mirror leaves more cells where they are.",
        lambda: 9: "That is with a second mirror, which swaps top and bottom.",
        lambda: 7: "That is what the quarter turns leave. A mirror ties at most two cells together.",
        lambda: 25: "That is without any symmetry.",
    },
    hint="Which cell does the cell in row i and column j have to equal? How many cells of a row can be chosen freely?",
    praise="Two columns are tied to two others, and the middle one is free: 5 rows of 3.",
)


def _conv(image: Array, kernel: Array) -> Array:
    return ops.conv(image[None, :, :, None], kernel[:, :, None, None])[0, :, :, 0]


def _slice(kernel: Array, number: int) -> Array:
    return np.rot90(kernel[number], 2)


def _pair(first: Array, second: Array, maps: Array) -> Array:
    """One map of two maps under two slices."""
    return np.asarray(_conv(maps[0], first) + _conv(maps[1], second))


def _with_second(change: Callable[[Array], tuple[Array, Array]]) -> Callable[[Array, Array], Array]:
    """The layer with the two slices ``change(kernel)`` in the second map."""
    return lambda maps, kernel: np.stack([_pair(kernel[0], kernel[1], maps), _pair(*change(kernel), maps)])


def _half_turn_conv(maps: Array, kernel: Array) -> Array:
    return _with_second(lambda kernel: (_slice(kernel, 1), _slice(kernel, 0)))(maps, kernel)


_IMAGE = np.array([[3.0, 1, 0, 2, 5], [0, 4, 1, 1, 0], [2, 0, 6, 3, 1], [1, 5, 0, 2, 7], [0, 2, 4, 0, 3]])
_KERNEL = np.array([[1.0, 2, 0], [0, -1, 3], [-2, 0, 5]])
_NARROW = np.array([[1.0, 0, 3, 2], [5, 1, 0, 4], [2, 7, 1, 0]])

_MAPS = np.array([_IMAGE[:4], _IMAGE[::-1, ::-1][1:] ** 2])
_KERNELS = np.array([_KERNEL, [[0.0, 1, 4], [2, -3, 1], [1, 0, -1]]])

half_turn_conv = Exercise(
    _half_turn_conv,
    cases=[
        (_MAPS, _KERNELS),
        (np.array([_NARROW, _NARROW[::-1] + 1]), np.array([[[1.0, 2], [-3, 5]], [[0, 4], [1, -2]]])),
    ],
    mistakes={
        _with_second(lambda kernel: (kernel[1], kernel[0])): "The slices are the right ones, but in the second map "
        "they have to be turned.",
        _with_second(lambda kernel: (_slice(kernel, 0), _slice(kernel, 1))): "The slices are turned, but not moved on: "
        "which is q - r for q = 0 and r = 1?",
        _with_second(lambda kernel: (np.rot90(kernel[1]), np.rot90(kernel[0]))): "Those are quarter turns. How often "
        "does the power of R turn a slice for r = 1?",
        _with_second(lambda kernel: (kernel[1][::-1], kernel[0][::-1])): "Those slices are mirrored, not turned. (In "
        "a stack, the first two axes are not those of a slice.)",
        _with_second(lambda kernel: (kernel[1][:, ::-1], kernel[0][:, ::-1])): "Those slices are mirror images. "
        "Half a turn changes the rows and the columns.",
        _with_second(lambda kernel: (kernel[0], kernel[1])): "Both maps are the same. What changes for r = 1?",
        lambda maps, kernel: _half_turn_conv(maps, kernel)[::-1]: "The two maps are right, in the wrong order: for "
        "r = 0 nothing is turned.",
        lambda maps, kernel: _half_turn_conv(maps, kernel).sum(axis=0): "The two maps are to be kept, one for each "
        "orientation.",
    },
    hint="Write the two terms of the sum down, for r = 0 and for r = 1: which slice meets which map, and how is it "
    "turned?",
    praise="It is the group convolution again, with two hours on the clock in place of four.",
)


def _terms(matrix: Array, inputs: Sequence[Array], outputs: Sequence[Array]) -> list[Array]:
    return [h.T @ matrix @ g for g, h in zip(inputs, outputs, strict=True)]


def _symmetrize(matrix: Array, inputs: Sequence[Array], outputs: Sequence[Array]) -> Array:
    return np.asarray(np.mean(_terms(matrix, inputs, outputs), axis=0))


def _ring(n: int) -> list[Array]:
    """The shifts of a ring of n numbers, as matrices."""
    return [np.roll(np.eye(n), d, axis=0) for d in range(n)]


def _turns(n: int) -> list[Array]:
    """The quarter turns of a picture of n x n pixels, as matrices on its n^2 numbers."""
    places = np.arange(n * n).reshape(n, n)
    return [np.eye(n * n)[np.rot90(places, r).ravel()] for r in range(4)]


_W = np.array([[4.0, 1, 0], [2, 1, 3], [5, 1, 1]])
_W9 = np.array([[1.0, 7, 0, 2, 3, 5, 8, 1, 4], [0, 2, 6, 9, 1, 1, 3, 2, 7], [5, 0, 4, 1, 8, 2, 2, 6, 3]])
_W9 = np.vstack([_W9, [9.0, 3, 1, 0, 4, 7, 5, 2, 1]])

symmetrize = Exercise(
    _symmetrize,
    cases=[(_W, _ring(3), _ring(3)), (_W9, _turns(3), _ring(4)), (_W9[:, :4], _turns(2), [np.eye(4)] * 4)],
    mistakes={
        lambda matrix, inputs, outputs: sum(_terms(matrix, inputs, outputs)): "That is the sum. It is equivariant, "
        "but the average is asked for: a matrix that is equivariant already should stay as it is.",
        lambda matrix, inputs, outputs: np.mean(
            [h @ matrix @ g for g, h in zip(inputs, outputs, strict=True)], axis=0
        ): "After the layer the move must be undone, and you do it a second time.",
        lambda matrix, inputs, outputs: np.mean([h.T @ matrix for h in outputs], axis=0): "Here only what comes out is "
        "moved; move what goes in, too.",
        lambda matrix, inputs, outputs: np.mean([matrix @ g for g in inputs], axis=0): "Here only what goes in is "
        "moved; what comes out must be moved back.",
        lambda matrix, inputs, outputs: np.mean([h.T @ matrix @ g for g in inputs for h in outputs], axis=0): "You "
        "combine every move of the inputs with every move of the outputs. Which two belong together?",
        lambda matrix, inputs, outputs: np.full(matrix.shape, np.mean(matrix)): "That is the average of all entries: "
        "every input counts alike. The moves tie only some of them.",
    },
    hint="For each move: move the input with g, apply the matrix, undo the move of the output. What is the average of "
    "these matrices?",
    praise="It makes an equivariant layer of any matrix, whatever the moves do to inputs and outputs.",
)


def _poses(kernel: Array) -> list[Array]:
    return [np.rot90(side, r) for side in (kernel, kernel[:, ::-1]) for r in range(4)]


def _best_pose(image: Array, kernel: Array) -> float:
    return max(float(_conv(image, pose).max()) for pose in _poses(kernel))


_HOOK = np.array([[3.0, -1, -2], [2, -1, -1], [1, 4, -1]])


def _canvas(pose: Array, row: int, column: int) -> Array:
    canvas = np.zeros((6, 7))
    canvas[row : row + 3, column : column + 3] = pose
    return canvas


best_pose = Exercise(
    _best_pose,
    cases=[(_canvas(pose, n % 3, n % 4), _HOOK) for n, pose in enumerate(_poses(_HOOK))] + [(_IMAGE, _KERNEL)],
    mistakes={
        lambda image, kernel: max(float(_conv(image, p).max()) for p in _poses(kernel)[:4]): "The turned pictures "
        "are found, the mirrored ones are not.",
        lambda image, kernel: max(float(_conv(image, p).max()) for p in (kernel, kernel[:, ::-1])): "That is the "
        "kernel and its mirror image. Both can be turned as well.",
        lambda image, kernel: max(
            float(_conv(image, p).max()) for p in (kernel, kernel[:, ::-1], kernel[::-1], kernel[::-1, ::-1])
        ): "Two mirrors make four poses. Which poses of a hand do they leave out?",
        lambda image, kernel: float(_conv(image, kernel).max()): "That is one pose of eight.",
        lambda image, kernel: float(np.mean([_conv(image, p).max() for p in _poses(kernel)])): "Averaged over the "
        "poses the score stays the same too, but it is the best pose that is asked for.",
        lambda image, kernel: float(
            np.sum([_conv(image, p) for p in _poses(kernel)], axis=0).max()
        ): "You add the eight maps up, "
        "which is one convolution with a kernel that is blind to direction. Take the largest.",
    },
    hint="List the eight poses of the kernel. Slide each over the picture, and keep the largest sum of all.",
    praise="Eight poses: the group of the square, with its turns and its mirrors.",
)
