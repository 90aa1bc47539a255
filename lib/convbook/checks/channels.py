"""The exercises of the lesson "Channels: the convolutional layer"."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from convbook import ops
from convbook.checks._exercise import Exercise
from convbook.shapes import conv_parameters

__all__ = ["predict_parameters", "stages", "to_keras", "total"]

Array = NDArray[Any]

predict_parameters = Exercise(
    lambda: conv_parameters(5, 16, 8),
    cases=[()],
    mistakes={
        lambda: 5 * 5 * 16 * 8: "Those are the weights. What does each filter have besides them?",
        lambda: 5 * 5 * 16 * 8 + 1: "One bias for the whole layer? Each filter has its own.",
        lambda: 5 * 5 * 3 * 8 + 8: "The colours are what the first layer reads. What does the second one read?",
        lambda: 5 * 5 * 8 + 8: "That is for filters of a single slice.",
        lambda: 5 * 5 * 16 + 16: "Which layer makes 16 maps, and which one reads them?",
        lambda: (3 * 3 * 3 * 16 + 16) + (5 * 5 * 16 * 8 + 8): "That counts both layers; the question is the second.",
    },
    hint="How many numbers has one filter of that layer? How many filters are there?",
    praise="5 x 5 x 16 weights and a bias for each of 8 filters; the 64 x 64 pixels do not matter.",
)


def _total(image: Array, kernel: Array, bias: Array, i: int, j: int) -> Array:
    outputs: Array = (ops.conv(np.asarray(image)[np.newaxis], kernel) + np.asarray(bias))[0, i, j]
    return outputs


def _window(image: Array, kernel: Array, i: int, j: int) -> Array:
    high, wide = kernel.shape[:2]
    return np.asarray(image)[i : i + high, j : j + wide]


def _numbers(*shape: int, seed: int) -> Array:
    return np.random.default_rng(seed).integers(-3, 4, size=shape).astype(float)


total = Exercise(
    _total,
    cases=[
        (_numbers(4, 5, 2, seed=0), _numbers(2, 2, 2, 3, seed=1), np.array([1.0, -2.0, 5.0]), 0, 0),
        (_numbers(6, 6, 3, seed=2), _numbers(3, 3, 3, 3, seed=3), np.array([4.0, 0.0, -1.0]), 1, 3),
        (_numbers(5, 7, 3, seed=4), _numbers(2, 3, 3, 4, seed=5), np.array([0.0, 1.0, 2.0, 3.0]), 3, 1),
    ],
    mistakes={
        lambda X, K, u, i, j: _total(X, K, 0 * u, i, j): "The products are right. What is added at the end?",
        lambda X, K, u, i, j: _total(X, K, u, i, j).sum(): "That adds the filters up as well. They stay apart: one "
        "number for each.",
        lambda X, K, u, i, j: _total(X, K[::-1, ::-1], u, i, j): "The kernel is turned by half a turn; it lies on the "
        "window as it is.",
        lambda X, K, u, i, j: np.einsum("abc,abcl->cl", _window(X, K, i, j), K) + u: "There is a number for each "
        "channel of the input; the sum runs over those too.",
        lambda X, K, u, i, j: np.einsum("ab,abl->l", _window(X, K, i, j)[:, :, 0], K[:, :, 0]) + u: "That reads the "
        "first channel alone.",
    },
    hint="Which pixels does the output at row i and column j read? How many numbers should come out?",
    praise="One number for each filter: all the channels of a single output pixel.",
)


def _to_keras(w: Array) -> Array:
    return np.asarray(w).transpose(2, 3, 1, 0)


to_keras = Exercise(
    _to_keras,
    cases=[
        (np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5),),
        (np.arange(4 * 3 * 5 * 5).reshape(4, 3, 5, 5),),
        (np.arange(3 * 3 * 3 * 3).reshape(3, 3, 3, 3),),
    ],
    mistakes={
        lambda w: np.reshape(w, (*np.shape(w)[2:], np.shape(w)[1], np.shape(w)[0])): "The shape is right and the "
        "weights are not: reshape keeps the numbers in their old order. The axes must move.",
        lambda w: np.transpose(w, (2, 3, 0, 1)): "The last two axes are in the wrong order: which one is c_out?",
        lambda w: np.transpose(w, (3, 2, 1, 0)): "That turns every slice over its diagonal: rows and columns are "
        "swapped.",
        lambda w: np.transpose(w, (0, 2, 3, 1)): "That is the move for images, whose first axis is the batch and "
        "stays. Here the first axis is c_out.",
        lambda w: w: "Nothing has moved.",
    },
    hint="Where does each of the four axes have to go? transpose takes, for each new axis, the number of the old one.",
    praise="The axes move, and every weight moves with them.",
)


def _convolved(image: Array, kernel: Array, bias: Array) -> Array:
    answers: Array = ops.conv(np.asarray(image)[np.newaxis], kernel) + np.asarray(bias)
    return answers


def _stages(image: Array, kernel: Array, bias: Array) -> Array:
    pooled: Array = ops.max_pool(np.maximum(_convolved(image, kernel, bias), 0), 2)[0]
    return pooled


stages = Exercise(
    _stages,
    cases=[
        (_numbers(7, 9, 3, seed=6), _numbers(2, 2, 3, 2, seed=7), np.array([-9.0, -4.0])),
        (_numbers(8, 8, 1, seed=8), _numbers(3, 3, 1, 4, seed=9), np.array([-1.0, 3.0, -2.0, -8.0])),
    ],
    mistakes={
        lambda X, K, u: ops.max_pool(_convolved(X, K, u), 2)[0]: "There are negative numbers left: which stage takes "
        "them away?",
        lambda X, K, u: np.maximum(_convolved(X, K, u), 0)[0]: "The maps are still large: the last stage is missing.",
        lambda X, K, u: ops.average_pool(np.maximum(_convolved(X, K, u), 0), 2)[0]: "That is the mean of each square; "
        "we want its largest number.",
        lambda X, K, u: ops.max_pool(np.maximum(_convolved(X, K, 0 * u), 0), 2)[0]: "The bias is missing; it belongs "
        "to the first stage.",
        lambda X, K, u: ops.max_pool(np.maximum(_convolved(X, K, 0 * u), 0) + u, 2)[0]: "The bias comes too late: it "
        "decides what the second stage cuts off.",
        lambda X, K, u: ops.max_pool(np.maximum(_convolved(X, K, u), 0), 2, 1)[0]: "The squares must not overlap: "
        "from one to the next it is 2 pixels.",
        lambda X, K, u: ops.max_pool(_convolved(np.maximum(X, 0), K, u), 2)[0]: "The second stage acts on what the "
        "first has made, not on the image.",
    },
    hint="Three lines: convolve and add the bias; replace negative numbers by 0; the largest of every 2 x 2 square.",
    praise="Convolution, ReLU, pooling: one typical layer, in NumPy.",
)
