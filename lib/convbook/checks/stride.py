"""The exercises of the lesson "Stride"."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from convbook import ops
from convbook.checks._exercise import Exercise
from convbook.shapes import output_size

__all__ = ["averaging_kernel", "conv_layer", "predict_width", "zeros_to_add"]


def _width() -> int:
    width = 90
    for kernel, stride, padding in ((5, 2, 2), (3, 2, 1), (3, 1, 0)):
        width = output_size(width, kernel, stride, padding)
    return width


predict_width = Exercise(
    _width,
    cases=[()],
    mistakes={
        lambda: 23: "That is the width after two layers. There are three.",
        lambda: 21.25: "There is no quarter of a pixel: round down in every layer, before the next one.",
        lambda: 22: "Rounded up somewhere: an output whose window does not fit is not computed.",
        lambda: 18: "The first window is an output too: is the + 1 there in every layer?",
        lambda: 19: "The first two layers are padded.",
        lambda: 20: "Padding p adds p pixels on each side, so 2p in all.",
        lambda: 88: "The first two layers move by two pixels at a time.",
    },
    hint="Layer by layer: room = n + 2p - k, divide it by s, round down, add 1.",
    praise="The width goes from 90 to 45, 23 and 21.",
)


def _zeros_to_add(n: int, k: int, s: int) -> int:
    return -(n - k) % s


zeros_to_add = Exercise(
    _zeros_to_add,
    cases=[(7, 3, 3), (224, 11, 4), (227, 11, 4), (7, 3, 2), (28, 3, 2), (10, 4, 5)],
    mistakes={
        lambda n, k, s: (n - k) % s: "That is what is left over. How much is missing until the next multiple of s?",
        lambda n, k, s: s - (n - k) % s: "Right where something is left over. And where the division is exact already?",
        lambda n, k, s: -n % s: "It is not n that s has to divide, but the room that the kernel has, n - k.",
        lambda n, k, s: (-(n - k) % s) / 2: "We count the zeros of both ends together.",
    },
    hint="Add zeros one by one: for how many is the room, n + zeros - k, a multiple of s?",
    praise="Fewer than s zeros are always enough, and where the division is exact it takes none.",
)


def _diagonal(c: int, weights: NDArray[Any]) -> NDArray[Any]:
    """A kernel that applies the same weights to each channel by itself."""
    return weights[:, :, None, None] * np.eye(c)


averaging_kernel = Exercise(
    lambda c: _diagonal(c, np.full((2, 2), 1 / 4)),
    cases=[(1,), (2,), (3,)],
    mistakes={
        lambda c: np.full((2, 2, c, c), 1 / 4): "Every output channel is now a sum over all input channels; each "
        "should see only its own.",
        lambda c: np.full((2, 2, c, c), 1 / (4 * c)): "That is the mean over the channels too; each output channel "
        "should see only its own.",
        lambda c: _diagonal(c, np.ones((2, 2))): "That is the sum of the block, not its mean.",
        lambda c: _diagonal(c, np.array([[1, 0], [0, 0]])): "That keeps one pixel of the block and forgets three.",
    },
    hint="Output channel d should read input channel d and no other: which entries kernel[a, b, c, d] are zero?",
    praise="So averaging blocks is a convolution with stride 2 whose weights are fixed.",
)


def _conv_layer(image: NDArray[Any], filters: NDArray[Any], bias: NDArray[Any], s: int, p: int) -> NDArray[Any]:
    return np.asarray(ops.conv(image[None], filters, s, p)[0] + bias)


def _forgets_to_move(
    image: NDArray[Any], filters: NDArray[Any], bias: NDArray[Any], s: int, p: int
) -> NDArray[Any]:  # fmt: skip
    height, width = _conv_layer(image, filters, bias, s, p).shape[:2]
    return _conv_layer(image, filters, bias, 1, p)[:height, :width]


def _layer_cases() -> list[tuple[Any, ...]]:
    rng = np.random.default_rng(0)

    def case(height: int, width: int, k: int, c_in: int, c_out: int, s: int, p: int) -> tuple[Any, ...]:
        shapes = (height, width, c_in), (k, k, c_in, c_out), (c_out,)
        image, filters, bias = (rng.integers(-3, 4, shape).astype(float) for shape in shapes)
        return image, filters, bias, s, p

    return [case(5, 5, 3, 3, 2, 2, 1), case(7, 4, 2, 1, 3, 1, 0), case(6, 9, 3, 2, 1, 3, 2), case(8, 7, 1, 2, 2, 2, 0)]


conv_layer = Exercise(
    _conv_layer,
    cases=_layer_cases(),
    mistakes={
        _forgets_to_move: "The output has the right size, but neighbouring windows are one pixel apart: where does "
        "the window of output (i, j) begin?",
        lambda image, filters, bias, s, p: _conv_layer(image, filters, bias, 1, p): "The stride is not used.",
        lambda image, filters, bias, s, p: _conv_layer(image, filters, bias, s, 0): "The padding is not used.",
        lambda image, filters, bias, s, p: _conv_layer(image, filters, 0 * bias, s, p): "The bias is missing.",
        lambda image, filters, bias, s, p: _conv_layer(image, filters[::-1, ::-1], bias, s, p): "The filter is "
        "upside down: its first row meets the first row of the window.",
    },
    hint="The window of output (i, j) begins at row i * s and column j * s of the padded image, and has all channels.",
    praise="Padding, stride, channels, filters and bias: this is the whole layer.",
)
