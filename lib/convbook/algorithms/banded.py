"""Convolution as a product of strips of pixels with a band matrix; and both of its gradients, the same way.

im2col copies a pixel once for each window that holds it; the Toeplitz matrix copies the kernel once for each
window, and is mostly zeros. Between the two lies this: ``v`` neighbouring windows of one row share a strip of
``kh`` rows and ``(v - 1) * stride + dilation * (kw - 1) + 1`` columns. The strip is copied once, and the
kernel ``v`` times, along a diagonal, into the band matrix ``T`` (here ``kw = 3``, ``v = 3``, one row, one channel)::

    k0  .   .
    k1  k0  .
    k2  k1  k0      strips (B * oh * ow / v, kh * width * c)  times  T (kh * width * c, v * c_out)
    .   k2  k1
    .   .   k2

``v = 1`` is im2col, ``v = ow`` a Toeplitz matrix for one row. In between, small kernels with few channels save
most of the copying for a few multiplications by zero, and a matrix product of a good width.

The gradients follow from ``Y = S T``: that of ``T`` is ``S' dY``, and the kernel's is its sum along the
diagonals, because the entries of a diagonal are one weight; that of ``S`` is ``dY T'``, and a pixel's is the
sum over the strips that hold it.

Source: document 003, "Convolution Operation" (the Toeplitz matrix), and document 002, "Implementation as Matrix
Multiplication", of which this is a mixture.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from convbook.algorithms._arrays import Array, output_shape
from convbook.shapes import effective_kernel

__all__ = ["conv2d", "input_gradient", "kernel_gradient"]

Pair = tuple[int, int]


class _Strips(NamedTuple):
    """How the windows of one convolution are gathered: ``windows`` to a strip, ``blocks`` strips to a row."""

    height: int
    blocks: int
    windows: int
    width: int
    groups: int


def _windows_per_strip(height: int, output_width: int, kernel_size: Pair, channels: int, filters: int,
                       stride: int, dilation: int, adding: bool) -> int:  # fmt: skip
    """The number of windows in a strip that costs least: a divisor of the output's width.

    A rough count in nanoseconds: a multiplication 0.02 (with the filters rounded up to 16, the width below which
    a matrix product slows down), a number copied 0.15, the start of a run of neighbouring numbers 2.2; and five
    times as much where strips are not copied but added (the gradient of the inputs). Only the ratios matter; they
    were measured on an ordinary processor, and the minimum is flat.
    """
    copied, started = (0.75, 11.0) if adding else (0.15, 2.2)
    best, least = 1, float("inf")
    for windows in range(1, output_width + 1):
        if output_width % windows:
            continue
        strips = height * output_width // windows
        width = (windows - 1) * stride + effective_kernel(kernel_size[1], dilation)
        depth = kernel_size[0] * width * channels
        cost = strips * (0.02 * depth * -(-windows * filters // 16) * 16 + copied * depth + started * kernel_size[0])
        if cost < least:
            best, least = windows, cost
    return best


@functools.lru_cache(maxsize=256)
def _plan(shape: tuple[int, ...], kernel_shape: tuple[int, ...], output: Pair, strides: Pair, dilation: Pair,
          adding: bool = False) -> _Strips:  # fmt: skip
    kernel_height, kernel_width, group_channels, filters = kernel_shape
    groups = shape[3] // group_channels
    height, width = output
    windows = _windows_per_strip(height, width, (kernel_height, kernel_width), group_channels, filters // groups,
                                 strides[1], dilation[1], adding)  # fmt: skip
    span = (windows - 1) * strides[1] + effective_kernel(kernel_width, dilation[1])
    return _Strips(height, width // windows, windows, span, groups)


def _strips(inputs: Array, kernel_height: int, plan: _Strips, strides: Pair, dilation: Pair) -> Array:
    """The strips as a view of shape ``(g, B, oh, blocks, kh, width, C / g)``: no pixel is copied."""
    batch, _, _, channels = inputs.shape
    image, row, column, channel = inputs.strides
    group_channels = channels // plan.groups
    return as_strided(
        inputs,
        (plan.groups, batch, plan.height, plan.blocks, kernel_height, plan.width, group_channels),
        (group_channels * channel, image, strides[0] * row, plan.windows * strides[1] * column, dilation[0] * row,
         column, channel),
        writeable=inputs.flags.writeable,
    )  # fmt: skip


def _gathered(inputs: Array, kernel_height: int, plan: _Strips, strides: Pair, dilation: Pair) -> Array:
    """The strips copied, one to a row: ``(g, B * oh * blocks, kh * width * C / g)``."""
    view = _strips(inputs, kernel_height, plan, strides, dilation)
    return view.reshape(plan.groups, inputs.shape[0] * plan.height * plan.blocks, -1)


def _diagonals(band: Array, kernel_width: int, stride: int, dilation: int) -> Array:
    """The places of ``band`` ``(g, kh, width, c, v, f)`` that hold weights: a view ``(g, kh, kw, c, v, f)``."""
    group, row, column, channel, window, filter_ = band.strides
    groups, kernel_height, _, channels, windows, filters = band.shape
    return as_strided(
        band,
        (groups, kernel_height, kernel_width, channels, windows, filters),
        (group, row, dilation * column, channel, window + stride * column, filter_),
    )


def _by_group(kernel: Array, groups: int) -> Array:
    """``(kh, kw, c, f)`` as ``(g, kh, kw, c, f / g)``."""
    return kernel.reshape(*kernel.shape[:3], groups, -1).transpose(3, 0, 1, 2, 4)


def _band(kernel: Array, plan: _Strips, stride: int, dilation: int) -> Array:
    """The band matrix of each group, ``(g, kh * width * c, v * f)``: the kernel, once for each window of a strip."""
    kernel_height, kernel_width, channels, filters = kernel.shape
    band = np.zeros(
        (plan.groups, kernel_height, plan.width, channels, plan.windows, filters // plan.groups), kernel.dtype
    )
    _diagonals(band, kernel_width, stride, dilation)[...] = _by_group(kernel, plan.groups)[:, :, :, :, np.newaxis]
    return band.reshape(plan.groups, kernel_height * plan.width * channels, -1)


def _gradient_rows(gradient: Array, plan: _Strips) -> Array:
    """``(B, oh, ow, c_out)`` as one row for each strip: ``(g, B * oh * blocks, v * f)``."""
    batch, filters = gradient.shape[0], gradient.shape[3] // plan.groups
    split = gradient.reshape(batch * plan.height * plan.blocks, plan.windows, plan.groups, filters)
    return split.transpose(2, 0, 1, 3).reshape(plan.groups, -1, plan.windows * filters)


def conv2d(inputs: Array, kernel: Array, strides: Pair, dilation_rate: Pair) -> Array:
    """Cross-correlation by band matrices; arguments and result as in :mod:`convbook.algorithms`."""
    output = output_shape(inputs, (kernel.shape[0], kernel.shape[1]), strides, dilation_rate)
    if 0 in (inputs.shape[0], *output):
        return np.zeros((inputs.shape[0], *output, kernel.shape[3]), inputs.dtype)
    plan = _plan(inputs.shape, kernel.shape, output, strides, dilation_rate)
    product: Array = _gathered(inputs, kernel.shape[0], plan, strides, dilation_rate) @ _band(
        kernel, plan, strides[1], dilation_rate[1]
    )
    by_window = product.reshape(plan.groups, -1, plan.windows, kernel.shape[3] // plan.groups)
    return np.ascontiguousarray(by_window.transpose(1, 2, 0, 3).reshape(inputs.shape[0], *output, kernel.shape[3]))


def kernel_gradient(
    inputs: Array, gradient: Array, kernel_shape: tuple[int, int, int, int], strides: Pair, dilation_rate: Pair
) -> Array:
    """The gradient with respect to the kernel, of shape ``kernel_shape``.

    Args:
        inputs: ``(B, H, W, C)``, padded, as :func:`conv2d` got them.
        gradient: the gradient with respect to the output, ``(B, oh, ow, c_out)``.
    """
    if 0 in gradient.shape:
        return np.zeros(kernel_shape, gradient.dtype)
    kernel_height, kernel_width, channels, filters = kernel_shape
    plan = _plan(inputs.shape, kernel_shape, (gradient.shape[1], gradient.shape[2]), strides, dilation_rate)
    strips = _gathered(inputs, kernel_height, plan, strides, dilation_rate)
    band: Array = strips.swapaxes(1, 2) @ _gradient_rows(gradient, plan)
    band = band.reshape(plan.groups, kernel_height, plan.width, channels, plan.windows, filters // plan.groups)
    tied: Array = _diagonals(band, kernel_width, strides[1], dilation_rate[1]).sum(axis=4)
    return tied.transpose(1, 2, 3, 0, 4).reshape(kernel_shape)


def input_gradient(
    gradient: Array, kernel: Array, input_shape: tuple[int, int, int, int], strides: Pair, dilation_rate: Pair
) -> Array:
    """The gradient with respect to the (padded) inputs, of shape ``input_shape``.

    Args:
        gradient: the gradient with respect to the output, ``(B, oh, ow, c_out)``.
    """
    outputs = np.zeros(input_shape, gradient.dtype)
    if 0 in gradient.shape:
        return outputs
    kernel_height = kernel.shape[0]
    plan = _plan(input_shape, kernel.shape, (gradient.shape[1], gradient.shape[2]), strides, dilation_rate, True)
    band = _band(kernel, plan, strides[1], dilation_rate[1])
    strips: Array = _gradient_rows(gradient, plan) @ band.swapaxes(1, 2)
    places = _strips(outputs, kernel_height, plan, strides, dilation_rate)
    strips = strips.reshape(places.shape)
    # Strips overlap. Those that are added in one go must not: one row of the kernel, one block at a time.
    for block in range(plan.blocks):
        for row in range(kernel_height):
            places[:, :, :, block, row] += strips[:, :, :, block, row]
    return outputs
