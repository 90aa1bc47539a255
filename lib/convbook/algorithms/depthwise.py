"""A depthwise convolution without a matrix product: multiply and add, a row of pixels at a time.

Each output is a sum of ``kh * kw`` products of numbers of one channel. As a matrix product that would be one of a width
of 1 for each channel. But neighbouring numbers in memory are neighbouring channels, so the same element of the kernel
of every channel, written once for each pixel of a row, multiplies a whole row at once. ``einsum`` adds each such
product to the outputs as it goes, which stay in the cache.

Several channels to a group, or several filters to a channel, are as many such passes.

Source: document 003, "How do we take advantage of having separable kernels" (MobileNet).
"""

from __future__ import annotations

import numpy as np

from convbook.algorithms._arrays import Array, grouped_patches
from convbook.algorithms._blocks import NO_PADDING, Block, Pair, Sizes, in_blocks, region, sum_of_blocks, windows_within
from convbook.algorithms._threads import Workspace

# Numbers of the output that a block has.
_NUMBERS = 60_000


def conv2d(inputs: Array, kernel: Array, strides: Pair, dilation_rate: Pair,
           padding: tuple[Pair, Pair] = NO_PADDING, outputs: Array | None = None) -> Array:  # fmt: skip
    """Cross-correlation without a matrix product; arguments and result as in :mod:`convbook.algorithms`."""
    sizes = Sizes(inputs.shape, kernel.shape, strides, dilation_rate, padding)
    filters = kernel.shape[3] // sizes.groups
    by_filter = kernel.reshape(*kernel.shape[:3], sizes.groups, filters).transpose(2, 4, 0, 1, 3)

    def compute(block: Block, outputs: Array, workspace: Workspace) -> None:
        views = grouped_patches(region(inputs, block, sizes, workspace), kernel.shape, strides, dilation_rate)
        columns = outputs.shape[2]
        row = workspace.array("row", (*kernel.shape[:2], columns, sizes.groups), kernel.dtype)
        for filter_ in range(filters):
            of_filter = outputs[..., filter_::filters]
            for channel in range(kernel.shape[2]):
                row[...] = by_filter[channel, filter_, :, :, np.newaxis]
                if channel == 0:
                    np.einsum("bijgxy,xyjg->bijg", views[..., channel, :, :], row, out=of_filter)
                else:
                    of_filter += np.einsum("bijgxy,xyjg->bijg", views[..., channel, :, :], row)

    return in_blocks(inputs, kernel, sizes, compute, windows_within(_NUMBERS, kernel.shape[3]), outputs=outputs)


def kernel_gradient(inputs: Array, gradient: Array, kernel_shape: tuple[int, ...], strides: Pair, dilation_rate: Pair,
                    padding: tuple[Pair, Pair] = NO_PADDING) -> Array:  # fmt: skip
    """The gradient with respect to the kernel, of shape ``kernel_shape``.

    ``gradient`` is that of the output, ``(B, oh, ow, c_out)``. The sums over rows come first, whole rows at a
    time, and those along the rows last.
    """
    sizes = Sizes(inputs.shape, kernel_shape, strides, dilation_rate, padding)
    filters = kernel_shape[3] // sizes.groups

    def add(block: Block, part: Array, total: Array, workspace: Workspace) -> None:
        views = grouped_patches(region(inputs, block, sizes, workspace), kernel_shape, strides, dilation_rate)
        for filter_ in range(filters):
            of_filter = part[..., filter_::filters]
            for channel in range(kernel_shape[2]):
                rows = np.einsum("bijgxy,bijg->xyjg", views[..., channel, :, :], of_filter)
                total[:, :, channel, :, filter_] += rows.sum(axis=2)

    shape = (*kernel_shape[:3], sizes.groups, filters)
    total = sum_of_blocks(gradient, add, shape, windows_within(_NUMBERS, kernel_shape[3]))
    return total.reshape(kernel_shape)
