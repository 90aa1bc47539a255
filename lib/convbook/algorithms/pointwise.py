"""A 1x1 convolution is one matrix product; a larger one is a sum of such products.

A 1x1 kernel sees one pixel at a time: the pixels, one to a row, times the kernel, and nothing is copied but what a
stride leaves out or a padding adds. A kernel of ``kh x kw`` is ``kh * kw`` of these, each for the pixels that lie under
one of its elements, added up.

Source: document 003, "What is the purpose of 1x1 convolutions"; Lin et al. (2014), "Network in Network".
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

# Numbers of the input and of the output that a block has.
_NUMBERS = 400_000


def conv2d(inputs: Array, kernel: Array, strides: Pair, dilation_rate: Pair,
           padding: tuple[Pair, Pair] = NO_PADDING, outputs: Array | None = None) -> Array:  # fmt: skip
    """Cross-correlation by a product for each element of the kernel; arguments and result as in
    :mod:`convbook.algorithms`."""
    sizes = Sizes(inputs.shape, kernel.shape, strides, dilation_rate, padding)
    (first, *rest), channels = list(np.ndindex(*kernel.shape[:2])), kernel.shape[2]
    by_group = kernel.reshape(*kernel.shape[:3], sizes.groups, -1).transpose(0, 1, 3, 2, 4)

    def compute(block: Block, outputs: Array, workspace: Workspace) -> None:
        met = views(inputs, block, sizes, workspace)

        def rows(place: tuple[int, ...]) -> Array:
            pixels = met[..., place[0], place[1]].reshape(-1, sizes.groups, channels)
            return pixels.transpose(1, 0, 2)

        multiply(rows(first), by_group[first], outputs)
        for place in rest:
            more = workspace.array("more", outputs.shape, outputs.dtype)
            multiply(rows(place), by_group[place], more)
            outputs += more

    return in_blocks(
        inputs, kernel, sizes, compute, windows_within(_NUMBERS, inputs.shape[3] + kernel.shape[3]), outputs=outputs
    )


def kernel_gradient(inputs: Array, gradient: Array, kernel_shape: tuple[int, ...], strides: Pair, dilation_rate: Pair,
                    padding: tuple[Pair, Pair] = NO_PADDING) -> Array:  # fmt: skip
    """The gradient with respect to the kernel, of shape ``kernel_shape``: for each of its elements the pixels under it,
    transposed, times ``gradient``, that of the output, ``(B, oh, ow, c_out)``."""
    sizes = Sizes(inputs.shape, kernel_shape, strides, dilation_rate, padding)
    places = list(np.ndindex(*kernel_shape[:2]))

    def add(block: Block, part: Array, total: Array, first: bool, workspace: Workspace) -> None:
        met = views(inputs, block, sizes, workspace)
        rows = part.reshape(-1, sizes.groups, total.shape[-1]).swapaxes(0, 1)
        for place in places:
            pixels = met[..., place[0], place[1]].reshape(-1, sizes.groups, kernel_shape[2])
            add_product(pixels.transpose(1, 2, 0), rows, total[place], first, workspace)

    shape = (*kernel_shape[:2], sizes.groups, kernel_shape[2], kernel_shape[3] // sizes.groups)
    total = sum_of_blocks(gradient, sizes, add, shape, windows_within(_NUMBERS, inputs.shape[3] + kernel_shape[3]))
    return all_filters(total, shape).swapaxes(2, 3).reshape(kernel_shape)
