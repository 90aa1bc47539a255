"""The exercises of the lesson "How fast can a convolution be?"."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convbook.checks._exercise import Exercise

__all__ = ["intensity", "predict_limits", "row_conv", "two_outputs"]

predict_limits = Exercise(
    lambda: [False, True, True, False],
    cases=[()],
    mistakes={
        lambda: [True, False, False, True]: "Right, the other way round: `True` is for the memory.",
        lambda: [False, True, False, False]: "A 1x1 layer is one matrix product; but how often is a number used in "
        "it, if there are few channels?",
        lambda: [False, False, True, False]: "How many operations does the depthwise layer do for a pixel of a "
        "channel, and how many bytes are that pixel and its output?",
        lambda: [False, False, False, False]: "Where is the bend of this machine's roofline? Two of the layers lie to "
        "the left of it.",
        lambda: [False, True, True, True]: "Compare the two 1x1 layers: channels enter once as a product and once as a "
        "sum.",
        lambda: [False, True, False, True]: "Compare the two 1x1 layers: which of them uses a number more often?",
        lambda: [True, True, True, True]: "Where is the bend of this machine's roofline? Two of the layers lie to the "
        "right of it.",
    },
    hint="Where is the bend? Count, for one pixel, the operations and the bytes of its channels, in and out.",
    praise="The bend is at 8 operations for each byte; the layers have 144, 6.25, 4 and 64.",
)


def _intensity(B: int, n: int, k: int, c_in: int, c_out: int) -> float:
    return _operations(B, n, k, c_in, c_out) / (4 * sum(_numbers(B, n, k, c_in, c_out)))


def _operations(B: int, n: int, k: int, c_in: int, c_out: int) -> int:
    return 2 * B * (n - k + 1) ** 2 * k * k * c_in * c_out


def _numbers(B: int, n: int, k: int, c_in: int, c_out: int) -> tuple[int, int, int]:
    """Of the input, the kernel and the output."""
    return B * n * n * c_in, k * k * c_in * c_out, B * (n - k + 1) ** 2 * c_out


def _with_places_of_input(B: int, n: int, k: int, c_in: int, c_out: int) -> float:
    images, kernel, _ = _numbers(B, n, k, c_in, c_out)
    return 2 * B * n * n * k * k * c_in * c_out / (4 * (images + kernel + B * n * n * c_out))


def _kernel_for_each_image(B: int, n: int, k: int, c_in: int, c_out: int) -> float:
    images, kernel, outputs = _numbers(B, n, k, c_in, c_out)
    return _operations(B, n, k, c_in, c_out) / (4 * (images + B * kernel + outputs))


def _without(part: int) -> Any:
    """The intensity with one of the three arrays left out."""

    def wrong(*sizes: int) -> float:
        numbers = _numbers(*sizes)
        return _operations(*sizes) / (4 * (sum(numbers) - numbers[part]))

    return wrong


intensity = Exercise(
    _intensity,
    cases=[(1, 4, 3, 1, 1), (4, 56, 3, 64, 64), (2, 14, 5, 6, 16), (8, 28, 1, 32, 64), (1, 7, 7, 3, 10)],
    mistakes={
        lambda *sizes: _intensity(*sizes) / 2: "Is that the number of multiplications? Additions are operations, too.",
        lambda *sizes: _intensity(*sizes) * 4: "That is for each number. How many bytes has one?",
        lambda *sizes: _intensity(*sizes) * 2: "That would be numbers of 16 bits, or operations counted twice.",
        lambda *sizes: 1 / _intensity(*sizes): "That is bytes for each operation; we want its inverse.",
        lambda *sizes: _operations(*sizes): "Those are the operations. How many bytes are moved for them?",
        _without(0): "Which of the three arrays is missing among the bytes?",
        _without(1): "The kernel has to be fetched, too.",
        _without(2): "The results have to be written, too.",
        _with_places_of_input: "Without padding, a window has fewer places than the image has pixels.",
        _kernel_for_each_image: "All images share the kernel: it has to be fetched once.",
    },
    hint="Operations: two for each product, of which each output is a sum. Bytes: four for each number of the input, "
    "the kernel and the output.",
    praise="The first is the layer that we did by hand; in the others channels, filters and images are used again.",
)


def _two_outputs(d: Sequence[float], g: Sequence[float]) -> list[float]:
    return [d[0] * g[0] + d[1] * g[1], d[1] * g[0] + d[2] * g[1]]


two_outputs = Exercise(
    _two_outputs,
    cases=[([5, 1, 4], [1, 2]), ([3, -2, 7], [-4, 5]), ([0, 6, 1], [2, 9]), ([8, 8, -3], [1, -1])],
    mistakes={
        lambda d, g: [d[0] * g[1] + d[1] * g[0], d[1] * g[1] + d[2] * g[0]]: "That is the flipped filter.",
        lambda d, g: [d[0] * g[0] + d[1] * g[1], d[1] * g[0] + (2 * d[1] - d[2]) * g[1]]: "The first output is right. "
        "In the last product a difference has the wrong sign.",
        lambda d, g: [(d[0] - d[1]) * g[0], d[1] * (g[0] + g[1]), (d[2] - d[1]) * g[1]]: "Those are the three "
        "products. The outputs are sums of two of them each.",
        lambda d, g: [d[0] * g[0] + d[1] * g[1], d[1] * (g[0] + g[1]) + d[2] * g[1]]: "The first output is right. The "
        "second has a term too many: which product of the middle one does it not want?",
        lambda d, g: [d[0] * g[0], d[1] * g[0] + d[2] * g[1] - d[1] * g[1]]: "What has to be added to the first "
        "product so that it becomes the first output?",
    },
    hint="The middle product serves both outputs. What is missing in the first output, once m1 is there?",
    praise="Three products for two outputs of two weights, at the points 0, 1 and infinity.",
)


def _row_conv(row: NDArray[Any], g: NDArray[Any]) -> NDArray[Any]:
    return np.correlate(row, g)


def _no_ragged_end(row: NDArray[Any], g: NDArray[Any]) -> NDArray[Any]:
    outputs = np.correlate(row, g)
    return outputs[: len(outputs) // 2 * 2]


def _with_one_too_many(row: NDArray[Any], g: NDArray[Any]) -> NDArray[Any]:
    """The end filled up with a zero, and its output kept."""
    return np.correlate(np.append(row, [0] * (len(row) % 2)), g)


def _tiles_apart(row: NDArray[Any], g: NDArray[Any]) -> NDArray[Any]:
    """Tiles four pixels apart, with the outputs between them missing."""
    filled = np.append(row, [0, 0, 0])
    tiles = [np.correlate(filled[start : start + 4], g) for start in range(0, len(row), 4)]
    return np.concatenate(tiles)[: len(row) - 2]


row_conv = Exercise(
    _row_conv,
    cases=[
        (np.array([5.0, 1, 4, 2]), np.array([1.0, 2, 3])),
        (np.array([5.0, 1, 4, 2, 7, 3, 0, 6]), np.array([1.0, -2, 4])),
        (np.array([5.0, 1, 4, 2, 7, 3, 9]), np.array([2.0, 1, -1])),
        (np.array([2.0, 7, 1]), np.array([3.0, 1, 5])),
        (np.array([1.0, 8, 2, 8, 1]), np.array([4.0, 5, 9])),
    ],
    mistakes={
        _no_ragged_end: "With an even number of outputs it is right. What becomes of the last output of an odd number?",
        _with_one_too_many: "There is an output too many where their number is odd: one reads a pixel beyond the end.",
        _tiles_apart: "Tiles that do not overlap skip outputs: a tile gives two of them, so where does the next begin?",
        lambda row, g: np.convolve(row, g, "valid"): "That is the flipped filter.",
        lambda row, g: np.correlate(row, g, "same"): "There are n - 2 outputs: no padding.",
        lambda row, g: _row_conv(row[:4], g): "Those are the two outputs of the first tile. What about the others?",
    },
    hint="A tile of four pixels gives two outputs, so tiles begin two pixels apart; the last one may stick out.",
    praise="Tiles overlap by two pixels, and the ragged end is filled up: so the library does it in two dimensions.",
)
