"""A depthwise convolution without a matrix product: multiply and add, a row of pixels at a time.

Each output is a sum of ``kh * kw`` products of numbers of one channel. As a matrix product that would be one of a width
of 1 for each channel. But neighbouring numbers in memory are neighbouring channels, so the same element of the kernel
of every channel, written once for each pixel of a row, multiplies a whole row at once. ``einsum`` adds each such
product to the outputs as it goes, which stay in the cache.

Several channels to a group, or several filters to a channel, are as many such passes.

Source: document 003, "How do we take advantage of having separable kernels" (MobileNet).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.lib.stride_tricks import as_strided

from convbook.algorithms._arrays import Array
from convbook.algorithms._blocks import (
    NO_PADDING,
    Block,
    Pair,
    Sizes,
    all_filters,
    in_blocks,
    sum_of_blocks,
    views,
    windows_within,
)
from convbook.algorithms._threads import Workspace

# Numbers of the output that a block has.
_NUMBERS = 800_000


def _windows(sizes: Sizes) -> int:
    """Windows of a block; fewer where the kernel, written once for each pixel of a row, would be larger than that."""
    area, filters = math.prod(sizes.kernel[:2]), sizes.kernel[3]
    return windows_within(_NUMBERS, filters if area * sizes.output[2] * filters <= _NUMBERS else area * filters)


def _rows(views: Array) -> Array:
    """A view of the windows of a channel, ``(B, oh, ow, g, kh, kw)``, as ``(B, oh, ow * g, kh, kw)``.

    Where a stride leaves gaps between the columns, there are no such rows, and it stays as it is.
    """
    batch, height, width, groups, *size = views.shape
    if views.strides[2] != groups * views.strides[3]:
        return views
    image, row, _, group, *step = views.strides
    return as_strided(views, (batch, height, width * groups, *size), (image, row, group, *step))


def conv2d(inputs: Array, kernel: Array, strides: Pair, dilation_rate: Pair,
           padding: tuple[Pair, Pair] = NO_PADDING, outputs: Array | None = None) -> Array:  # fmt: skip
    """Cross-correlation without a matrix product; arguments and result as in :mod:`convbook.algorithms`."""
    sizes = Sizes(inputs.shape, kernel.shape, strides, dilation_rate, padding)
    filters = kernel.shape[3] // sizes.groups
    by_filter = kernel.reshape(*kernel.shape[:3], sizes.groups, filters).transpose(2, 4, 0, 1, 3)

    def compute(block: Block, outputs: Array, workspace: Workspace) -> None:
        met = views(inputs, block, sizes, workspace)
        repeated = workspace.array("row", (*kernel.shape[:2], outputs.shape[2], sizes.groups), kernel.dtype)
        for filter_, channel in np.ndindex(filters, kernel.shape[2]):
            repeated[...] = by_filter[channel, filter_, :, :, np.newaxis]
            rows, part = _rows(met[..., channel, :, :]), outputs[..., filter_::filters]
            at_once = channel == 0 and part.flags.c_contiguous
            sums = part if at_once else workspace.array("sums", part.shape, kernel.dtype)
            shape = rows.shape[:-2]
            elements = repeated.reshape(*kernel.shape[:2], *shape[2:])
            np.einsum("bi...xy,xy...->bi...", rows, elements, out=sums.reshape(shape))
            if channel:
                part += sums
            elif not at_once:
                part[...] = sums

    return in_blocks(inputs, kernel, sizes, compute, _windows(sizes), outputs=outputs)


def kernel_gradient(inputs: Array, gradient: Array, kernel_shape: tuple[int, ...], strides: Pair, dilation_rate: Pair,
                    padding: tuple[Pair, Pair] = NO_PADDING) -> Array:  # fmt: skip
    """The gradient with respect to the kernel, of shape ``kernel_shape``.

    ``gradient`` is that of the output, ``(B, oh, ow, c_out)``. The sums over rows come first, whole rows at a
    time, and those along the rows last.
    """
    sizes = Sizes(inputs.shape, kernel_shape, strides, dilation_rate, padding)
    filters = kernel_shape[3] // sizes.groups

    def add(block: Block, part: Array, total: Array, first: bool, workspace: Workspace) -> None:
        met = views(inputs, block, sizes, workspace)
        if first:
            total.fill(0)
        for filter_, channel in np.ndindex(filters, kernel_shape[2]):
            rows = _rows(met[..., channel, :, :])
            changes = part[..., filter_::filters].reshape(rows.shape[:-2])
            sums = np.einsum("bi...xy,bi...->xy...", rows, changes)
            total[:, :, channel, :, filter_] += sums.reshape(*kernel_shape[:2], -1, sizes.groups).sum(axis=2)

    shape = (*kernel_shape[:3], sizes.groups, filters)
    total = sum_of_blocks(gradient, sizes, add, shape, _windows(sizes))
    return all_filters(total, kernel_shape)
