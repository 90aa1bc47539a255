"""Products first, shifts afterwards: kn2row.

The other algorithms copy the pixels of every window and then multiply. With few filters it is the other way round that
is cheap: every pixel is multiplied by every element of the kernel, ``(kh * kw * f, c)`` times ``(c, pixels)``, and what
the elements made of the pixels, ``kh * kw`` maps for each filter, is added up, each map shifted by its element's place.
The maps have ``f`` numbers for a pixel where its copies in the windows would have ``c``.

In memory a map is one long row, pixel after pixel, so that a shift is another place to begin at. Sums that run over
the right edge of the image mix two of its rows; they belong to no window and are left out.

Source: Vasudevan, Anderson and Gregg (2017), "Parallel Multi Channel Convolution using General Matrix Multiplication",
section III.
"""

from __future__ import annotations

import numpy as np

from convbook.algorithms._arrays import Array
from convbook.algorithms._blocks import NO_PADDING, Block, Pair, Sizes, in_blocks, region, windows_within
from convbook.algorithms._threads import Workspace

# Numbers of the maps and of the input that a block has.
_NUMBERS = 800_000


def conv2d(inputs: Array, kernel: Array, strides: Pair, dilation_rate: Pair,
           padding: tuple[Pair, Pair] = NO_PADDING, outputs: Array | None = None) -> Array:  # fmt: skip
    """Cross-correlation by products first and shifts afterwards; arguments and result as in
    :mod:`convbook.algorithms`."""
    sizes = Sizes(inputs.shape, kernel.shape, strides, dilation_rate, padding)
    height, width, channels, _ = kernel.shape
    by_group = kernel.reshape(height * width, channels, sizes.groups, -1).transpose(2, 0, 3, 1)
    elements = by_group.reshape(sizes.groups, -1, channels)

    def compute(block: Block, outputs: Array, workspace: Workspace) -> None:
        pixels = region(inputs, block, sizes, workspace)
        images, rows, columns, _ = pixels.shape
        by_pixel = pixels.reshape(-1, sizes.groups, channels).transpose(1, 2, 0)
        maps = workspace.array("maps", (*elements.shape[:2], by_pixel.shape[2]), inputs.dtype)
        np.matmul(elements, by_pixel, out=maps)
        maps = maps.reshape(sizes.groups, height, width, -1, by_pixel.shape[2])
        sums = maps[:, 0, 0]
        with np.errstate(over="ignore", invalid="ignore"):  # of sums that belong to no window, too
            for row, column in np.ndindex(height, width):
                shift = row * dilation_rate[0] * columns + column * dilation_rate[1]
                if shift:
                    sums[..., : sums.shape[2] - shift] += maps[:, row, column, :, shift:]
        met = sums.reshape(-1, images, rows, columns)[
            :, :, : rows - sizes.extents[0] + 1 : strides[0], : columns - sizes.extents[1] + 1 : strides[1]
        ]
        outputs[...] = met.transpose(1, 2, 3, 0)

    each = (kernel.shape[3] * height * width + inputs.shape[3]) * strides[0] * strides[1]
    return in_blocks(inputs, kernel, sizes, compute, windows_within(_NUMBERS, each), outputs=outputs)
