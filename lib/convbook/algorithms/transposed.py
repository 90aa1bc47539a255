"""The gradient with respect to the inputs is a convolution too.

With a stride of 1, pixel ``j`` was read by window ``j - x`` through element ``x`` of the kernel, so its gradient is
``dX[j] = sum over x of dY[j - x] K[x]``: the output's gradient, with zeros around it, convolved with the kernel turned
by 180 degrees, whose filters are now the channels. With a stride of ``s``, only the elements ``a, a + s, a + 2 s, ...``
reach the pixels ``s i + a``: each of these ``s * s`` phases of the input is a convolution with a part of the kernel,
and no zeros are multiplied. So whatever is fast for a convolution is so for this gradient.

Where there are few channels, ``s * s`` convolutions with few filters each are slow: all phases at once are the filters
of a single one, its kernel filled up with zeros to a multiple of ``s``.

Source: Dumoulin and Visin (2016), chapter 4.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from convbook.algorithms._arrays import Array, kernel_phases
from convbook.algorithms._blocks import Pair, Sizes, cut

__all__ = ["input_gradient", "turned"]

Convolve = Callable[..., Array]


def turned(kernel: Array, groups: int) -> Array:
    """The kernel by 180 degrees, with its channels and filters exchanged: ``(kh, kw, f, g * c)``."""
    height, width, channels, _ = kernel.shape
    by_group = kernel[::-1, ::-1].reshape(height, width, channels, groups, -1)
    return by_group.transpose(0, 1, 4, 3, 2).reshape(height, width, -1, groups * channels)


class _Phase(NamedTuple):
    """Along one axis, the pixels ``a, a + s, a + 2 s, ...``, and what reaches them."""

    pixels: slice  # of the input
    elements: slice  # of the kernel
    dilation: int  # of these elements, as windows see them
    windows: slice  # of the output, whose gradient they carry
    padding: Pair  # of that gradient


def _phases(sizes: Sizes, axis: int) -> list[_Phase]:
    """The phases of an axis, but for those that no window reads."""
    stride, dilation, before = sizes.strides[axis], sizes.dilation_rate[axis], sizes.padding[axis][0]
    size, last = sizes.inputs[1 + axis], sizes.output[1 + axis] - 1
    found = []
    for phase in range(stride):
        elements = [element for element in range(sizes.kernel[axis]) if dilation * element % stride == phase]
        # Pixel s i + phase of the padded input: of those, i runs from the first real pixel to the last one.
        first, final = -((phase - before) // stride), (before + size - 1 - phase) // stride
        if not elements or final < first:
            continue
        # Window i - q reaches it through the first of these elements, i - q - step through the second.
        apart, step = elements[1] - elements[0] if len(elements) > 1 else 1, dilation // math.gcd(stride, dilation)
        nearest = (dilation * elements[0] - phase) // stride
        start, stop = first - nearest - step * (len(elements) - 1), final - nearest
        if stop < 0 or start > last:
            continue
        found.append(_Phase(
            slice(first * stride + phase - before, final * stride + phase - before + 1, stride),
            slice(elements[0], elements[-1] + 1, apart),
            step,
            slice(max(start, 0), min(stop, last) + 1),
            (max(-start, 0), max(stop - last, 0)),
        ))  # fmt: skip
    return found


def input_gradient(gradient: Array, kernel: Array, sizes: Sizes, convolve: Convolve) -> Array:
    """The gradient with respect to the inputs, ``(B, H, W, C)``, from that of the output, ``(B, oh, ow, c_out)``.

    Args:
        sizes: of the convolution.
        convolve: computes a convolution, in the signature of an algorithm that takes padding and a place for outputs.
    """
    if sizes.groups == 1 and max(sizes.strides) > 1 and sizes.dilation_rate == (1, 1) and sizes.inputs[3] < 16:
        return _all_phases(gradient, kernel, sizes, convolve)
    result = np.zeros(sizes.inputs, gradient.dtype)
    for rows, columns in itertools.product(_phases(sizes, 0), _phases(sizes, 1)):
        convolve(
            gradient[:, rows.windows, columns.windows],
            turned(kernel[rows.elements, columns.elements], sizes.groups),
            (1, 1),
            (rows.dilation, columns.dilation),
            (rows.padding, columns.padding),
            result[:, rows.pixels, columns.pixels],
        )
    return result


# Numbers of the input's gradient that are there twice: as phases, and in their places.
_NUMBERS = 2_000_000


def _all_phases(gradient: Array, kernel: Array, sizes: Sizes, convolve: Convolve) -> Array:
    """All phases as the filters of one convolution, some rows at a time."""
    (down, across), (channels, filters) = sizes.strides, kernel.shape[2:]
    split = kernel_phases(kernel, sizes.strides)[::-1, :, ::-1]
    taps = (split.shape[0], split.shape[2])
    stacked = split.transpose(0, 2, 5, 1, 3, 4).reshape(*taps, filters, -1)
    # Pixel s i + phase of the padded input: i of the first real pixel, and one more than i of the last.
    ends = [
        (before // stride, (before + size - 1) // stride + 1)
        for (before, _), stride, size in zip(sizes.padding, sizes.strides, sizes.inputs[1:], strict=False)
    ]
    left = sizes.padding[1][0] - ends[1][0] * across
    result = np.empty(sizes.inputs, gradient.dtype)
    numbers = (ends[1][1] - ends[1][0]) * stacked.shape[3]  # of one row of phases
    rows = ends[0][1] - ends[0][0]
    for images, band in itertools.product(
        cut(len(gradient), _NUMBERS // (rows * numbers)), cut(rows, _NUMBERS // numbers)
    ):
        first, last = band[0] + ends[0][0], band[1] + ends[0][0]
        part, padding = gradient[slice(*images)], []
        for axis, (start, stop) in enumerate(((first, last), ends[1])):
            # Window i - q reaches the pixels of i, for q from 0 to taps - 1.
            windows = slice(max(start - taps[axis] + 1, 0), max(min(stop, gradient.shape[1 + axis]), 0))
            part = part[(slice(None),) * (1 + axis) + (windows,)]
            padding.append((windows.start - (start - taps[axis] + 1), stop - windows.stop))
        phases = convolve(part, stacked, (1, 1), (1, 1), (padding[0], padding[1]))
        pixels = phases.reshape(*phases.shape[:3], down, across, channels).transpose(0, 1, 3, 2, 4, 5)
        pixels = pixels.reshape(len(part), (last - first) * down, -1, channels)
        top = first * down - sizes.padding[0][0]  # the row of the input that the first of these pixels is
        inside = slice(max(top, 0), min(top + pixels.shape[1], sizes.inputs[1]))
        result[slice(*images), inside] = pixels[
            :, inside.start - top : inside.stop - top, left : left + sizes.inputs[2]
        ]
    return result
