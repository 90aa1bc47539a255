"""Which algorithm computes a convolution, and why.

All give the same numbers, so the choice is about time. It follows from the shapes alone, by the first rule that fits:
what a matrix product has to multiply, and what must be copied before it can.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from convbook.algorithms import (
    banded,
    blocked,
    depthwise,
    fft,
    im2col,
    kn2row,
    naive,
    overlap_save,
    pointwise,
    toeplitz,
    transposed,
    windows,
    winograd,
)
from convbook.algorithms._arrays import Array, pad
from convbook.algorithms._blocks import NO_PADDING, Pair, Sizes

__all__ = ["METHODS", "RULES", "Plan", "Rule", "check_method", "convolve", "input_gradient", "kernel_gradient", "plan"]

Algorithm = Callable[..., Array]

METHODS: dict[str, Algorithm] = {
    "naive": naive.conv2d,
    "windows": windows.conv2d,
    "im2col": im2col.conv2d,
    "toeplitz": toeplitz.conv2d,
    "fft": fft.conv2d,
    "banded": banded.conv2d,
    "blocked": blocked.conv2d,
    "pointwise": pointwise.conv2d,
    "depthwise": depthwise.conv2d,
    "kn2row": kn2row.conv2d,
    "overlap_save": overlap_save.conv2d,
    "winograd_2x2": winograd.conv2d_2x2,
    "winograd_4x4": winograd.conv2d_4x4,
}

# These compute block by block: they pad as they go, and keep NaN and infinity to the windows that contain them.
_IN_BLOCKS = {"banded", "blocked", "pointwise", "depthwise", "kn2row", "overlap_save", "winograd_2x2", "winograd_4x4"}

# These multiply pixels by zeros outside of the window (0 * inf is NaN), so one NaN or infinity would spread
# over a part of the map or all of it. The definition keeps it to the windows that contain it.
_FINITE_ONLY = {"toeplitz", "fft"}


class Rule(NamedTuple):
    """An algorithm, when it is the one to take, and why."""

    method: str
    fits: Callable[[Sizes, np.dtype[np.generic]], bool]
    reason: str


class Plan(NamedTuple):
    """What ``method="auto"`` takes."""

    method: str
    reason: str


# The numbers in these rules were measured on an ordinary processor; near them, two algorithms take about as long.


def _winograd_pays(sizes: Sizes, dtype: np.dtype[np.generic]) -> bool:
    height, width = winograd.taps(sizes)
    channels, filters = sizes.kernel[2] * sizes.strides[0] * sizes.strides[1], sizes.kernel[3] // sizes.groups
    return (
        dtype == np.float32
        and winograd.applies(sizes)
        and min(height, width) >= 3
        and height * width * min(channels, filters) >= 288  # from 32 of them on for 3x3, from 12 for 5x5
    )


def _maps_are_small(sizes: Sizes) -> bool:
    height, width, channels, filters = sizes.kernel
    each = filters // sizes.groups
    return sizes.strides == (1, 1) and each < channels and height * width * each <= 150


def _copying_takes_the_time(sizes: Sizes) -> bool:
    channels, filters = sizes.kernel[2], sizes.kernel[3] // sizes.groups
    return min(channels, filters) < 16 and filters < 64


def _transform_pays(sizes: Sizes, dtype: np.dtype[np.generic]) -> bool:
    _, rows, columns, _ = sizes.output
    area = sizes.kernel[0] * sizes.kernel[1]
    return (
        dtype == np.float32
        and sizes.strides == sizes.dilation_rate == (1, 1)
        and sizes.groups == 1
        and area >= 400
        and rows * columns >= area
    )


RULES: tuple[Rule, ...] = (
    Rule("pointwise", lambda sizes, _: sizes.kernel[:2] == (1, 1), "a 1x1 kernel is one matrix product as it is"),
    Rule(
        "depthwise",
        lambda sizes, _: sizes.kernel[2] == 1 and sizes.groups > 1,
        "a filter that sees one channel leaves nothing for a matrix product to add up",
    ),
    Rule(
        "overlap_save",
        _transform_pays,
        "with a large kernel the transforms cost less than the products that they save",
    ),
    Rule(
        "winograd_4x4",
        _winograd_pays,
        "the products take the time, and a small kernel, or a phase of a strided one, can do with fewer",
    ),
    Rule(
        "kn2row",
        lambda sizes, _: _maps_are_small(sizes),
        "with fewer filters than channels, to add up products is cheaper than to copy pixels",
    ),
    Rule(
        "banded",
        lambda sizes, _: _copying_takes_the_time(sizes),
        "with few channels or filters copying takes the time, and neighbouring windows share their pixels",
    ),
    Rule("blocked", lambda sizes, _: True, "one matrix product, a piece at a time"),
)


@functools.lru_cache(maxsize=512)
def _plan(sizes: Sizes, dtype: np.dtype[np.generic]) -> Plan:
    return next(Plan(rule.method, rule.reason) for rule in RULES if rule.fits(sizes, dtype))


def plan(
    inputs_shape: Sequence[int],
    kernel_shape: Sequence[int],
    strides: Pair = (1, 1),
    dilation_rate: Pair = (1, 1),
    padding: tuple[Pair, Pair] = NO_PADDING,
    dtype: DTypeLike = np.float32,
) -> Plan:
    """The algorithm that ``method="auto"`` takes, and why.

    Args:
        inputs_shape: ``(B, H, W, C)``, before padding.
        kernel_shape: ``(kh, kw, C / groups, c_out)``.
        dtype: in float64 nothing is done that costs accuracy.
    """
    return _plan(Sizes(tuple(inputs_shape), tuple(kernel_shape), strides, dilation_rate, padding), np.dtype(dtype))


def check_method(method: str) -> None:
    """Refuse the name of an algorithm that there is not, with a ValueError."""
    if not isinstance(method, str) or (method != "auto" and method not in METHODS):
        names = ", ".join(repr(known) for known in ["auto", *METHODS])
        raise ValueError(f"method: got {method!r}, expected one of {names}")


def convolve(
    inputs: Array,
    kernel: Array,
    strides: Pair,
    dilation_rate: Pair,
    padding: tuple[Pair, Pair] = NO_PADDING,
    outputs: Array | None = None,
    method: str = "auto",
) -> Array:
    """The cross-correlation of ``inputs``, ``(B, H, W, C)`` and not yet padded, with ``kernel``.

    It is written into ``outputs`` if there are some. Where an input is NaN or infinite, an algorithm
    that would spread it gives way to ``windows``.
    """
    if method == "auto":
        method = _plan(Sizes(inputs.shape, kernel.shape, strides, dilation_rate, padding), inputs.dtype).method
    if method in _IN_BLOCKS:
        return METHODS[method](inputs, kernel, strides, dilation_rate, padding, outputs)
    if method in _FINITE_ONLY and not (np.isfinite(inputs).all() and np.isfinite(kernel).all()):
        method = "windows"
    result = METHODS[method](pad(inputs, padding), kernel, strides, dilation_rate)
    if outputs is None:
        return result
    outputs[...] = result
    return outputs


_KERNEL_GRADIENTS: dict[str, Algorithm] = {
    "banded": banded.kernel_gradient,
    "kn2row": banded.kernel_gradient,
    "blocked": blocked.kernel_gradient,
    "pointwise": pointwise.kernel_gradient,
    "depthwise": depthwise.kernel_gradient,
    "winograd_4x4": winograd.kernel_gradient_4x4,
}


def kernel_gradient(
    inputs: Array,
    gradient: Array,
    kernel_shape: tuple[int, ...],
    strides: Pair,
    dilation_rate: Pair,
    padding: tuple[Pair, Pair] = NO_PADDING,
) -> Array:
    """The gradient with respect to the kernel, by the algorithm that computes the convolution, or by ``blocked``.

    Args:
        inputs: ``(B, H, W, C)``, not padded.
        gradient: the gradient with respect to the output, ``(B, oh, ow, c_out)``.
    """
    if 0 in gradient.shape:
        return np.zeros(kernel_shape, gradient.dtype)
    method = _plan(Sizes(inputs.shape, kernel_shape, strides, dilation_rate, padding), inputs.dtype).method
    return _KERNEL_GRADIENTS.get(method, blocked.kernel_gradient)(
        inputs, gradient, kernel_shape, strides, dilation_rate, padding
    )


def input_gradient(
    gradient: Array,
    kernel: Array,
    inputs_shape: tuple[int, ...],
    strides: Pair,
    dilation_rate: Pair,
    padding: tuple[Pair, Pair] = NO_PADDING,
) -> Array:
    """The gradient with respect to the inputs, not padded, of shape ``inputs_shape``.

    Args:
        gradient: the gradient with respect to the output, ``(B, oh, ow, c_out)``.
    """
    sizes = Sizes(inputs_shape, kernel.shape, strides, dilation_rate, padding)
    if 0 in gradient.shape:
        return np.zeros(inputs_shape, gradient.dtype)
    return transposed.input_gradient(gradient, kernel, sizes, convolve)
