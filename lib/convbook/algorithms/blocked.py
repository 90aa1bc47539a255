"""im2col in blocks: the same product, a piece at a time.

The whole matrix of windows is ``kh * kw`` times as large as the input. It is written to memory and read again, and
memory is slow. A piece that fits into the cache costs neither: it is copied, multiplied and forgotten, and its place
serves the next piece. The arithmetic is that of :mod:`convbook.algorithms.im2col`.

Source: document 002, "Implementation as Matrix Multiplication", which names the price in memory.
"""

from __future__ import annotations

import numpy as np

from convbook.algorithms._arrays import Array
from convbook.algorithms._blocks import (
    NO_PADDING,
    Block,
    Pair,
    Sizes,
    add_product,
    all_filters,
    in_blocks,
    multiply,
    sum_of_blocks,
    views,
    windows_within,
)
from convbook.algorithms._threads import Workspace

# Numbers of the matrix of windows that are there at a time.
_NUMBERS = 400_000


def _columns(inputs: Array, block: Block, sizes: Sizes, workspace: Workspace) -> Array:
    """The windows of a block, one to a row: ``(g, n, kh * kw * c)``."""
    met = views(inputs, block, sizes, workspace)
    ordered = met.transpose(3, 0, 1, 2, 5, 6, 4)
    columns = workspace.array("columns", ordered.shape, inputs.dtype)
    np.copyto(columns, ordered)
    return columns.reshape(sizes.groups, -1, sizes.depth)


def conv2d(inputs: Array, kernel: Array, strides: Pair, dilation_rate: Pair,
           padding: tuple[Pair, Pair] = NO_PADDING, outputs: Array | None = None) -> Array:  # fmt: skip
    """Cross-correlation by im2col in blocks; arguments and result as in :mod:`convbook.algorithms`."""
    sizes = Sizes(inputs.shape, kernel.shape, strides, dilation_rate, padding)
    by_group = kernel.reshape(sizes.depth, sizes.groups, -1).transpose(1, 0, 2)

    def compute(block: Block, outputs: Array, workspace: Workspace) -> None:
        multiply(_columns(inputs, block, sizes, workspace), by_group, outputs)

    return in_blocks(
        inputs, kernel, sizes, compute, windows_within(_NUMBERS, sizes.groups * sizes.depth), outputs=outputs
    )


def kernel_gradient(inputs: Array, gradient: Array, kernel_shape: tuple[int, ...], strides: Pair, dilation_rate: Pair,
                    padding: tuple[Pair, Pair] = NO_PADDING) -> Array:  # fmt: skip
    """The gradient with respect to the kernel, of shape ``kernel_shape``: the matrix of windows, transposed, times
    ``gradient``, that of the output, ``(B, oh, ow, c_out)``."""
    sizes = Sizes(inputs.shape, kernel_shape, strides, dilation_rate, padding)

    def add(block: Block, part: Array, total: Array, first: bool, workspace: Workspace) -> None:
        columns = _columns(inputs, block, sizes, workspace)
        rows = part.reshape(columns.shape[1], sizes.groups, -1).swapaxes(0, 1)
        add_product(columns.swapaxes(1, 2), rows, total, first, workspace)

    shape = (sizes.groups, sizes.depth, kernel_shape[3] // sizes.groups)
    total = sum_of_blocks(gradient, sizes, add, shape, windows_within(_NUMBERS, sizes.groups * sizes.depth))
    return all_filters(total, shape).swapaxes(0, 1).reshape(kernel_shape)
