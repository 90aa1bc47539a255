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

Where a pooling of ``ph x pw`` follows, a strip also covers ``ph`` rows of windows, and the columns of ``T`` are
ordered so that the windows of one pooling lie ``v`` apart: see :mod:`convbook.algorithms.pooled`.

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

from convbook.algorithms import windows
from convbook.algorithms._arrays import Array, all_finite
from convbook.algorithms._blocks import (
    NO_PADDING,
    Block,
    Pair,
    Sizes,
    all_filters,
    in_blocks,
    multiply,
    region,
    sum_of_blocks,
    windows_within,
)
from convbook.algorithms._threads import Workspace
from convbook.shapes import effective_kernel, output_size

__all__ = ["Plan", "band", "conv2d", "diagonal_sum", "gather", "kernel_gradient", "plan", "scatter"]

# Numbers in the strips of a block.
_NUMBERS = 400_000


class Plan(NamedTuple):
    """How the windows of one convolution are gathered into strips. Sizes in pixels, unless said otherwise."""

    kernel_size: Pair
    channels: int  # of a group, in
    filters: int  # of a group, out
    groups: int
    strides: Pair
    dilation: Pair
    pool: Pair  # windows that are pooled into one; (1, 1) for a convolution alone
    output: Pair  # pooled windows, down and across
    across: int  # pooled windows of a strip
    height: int  # rows of a strip
    width: int  # of a strip
    gap: int  # from one row of a strip to the next

    @property
    def blocks(self) -> int:
        """Strips across."""
        return self.output[1] // self.across

    @property
    def depth(self) -> int:
        """Numbers in a strip."""
        return self.height * self.width * self.channels


@functools.lru_cache(maxsize=256)
def plan(image: tuple[int, int, int], kernel_shape: tuple[int, int, int, int], strides: Pair, dilation: Pair,
         pool: Pair = (1, 1)) -> Plan:  # fmt: skip
    """The plan that costs least, for padded images of shape ``image``, ``(H, W, C)``.

    A rough count in nanoseconds: a multiplication 0.02 (with the outputs of a strip rounded up to 16, below which a
    matrix product slows down), a number copied 0.15, the start of a run of neighbouring numbers 3.5. Only the ratios
    matter; they were measured on an ordinary processor, and the minimum is flat.
    """
    copied, started = 0.15, 3.5
    kernel_size, channels = (kernel_shape[0], kernel_shape[1]), kernel_shape[2]
    groups = image[2] // channels
    down, across = (
        output_size(image[axis], kernel_size[axis], strides[axis], 0, dilation[axis]) // pool[axis] for axis in (0, 1)
    )
    extents = [effective_kernel(kernel_size[axis], dilation[axis]) for axis in (0, 1)]
    # Where the windows of a strip lie in one row, only the rows that the kernel reads are gathered.
    gap = dilation[0] if pool[0] == 1 else 1
    height = ((pool[0] - 1) * strides[0] + extents[0] - 1) // gap + 1
    choices = []
    for share in range(1, across + 1):
        if across % share:
            continue
        width = (share * pool[1] - 1) * strides[1] + extents[1]
        found = Plan(kernel_size, channels, kernel_shape[3] // groups, groups, strides, dilation, pool, (down, across),
                     share, height, width, gap)  # fmt: skip
        wide = -(-pool[0] * pool[1] * share * found.filters // 16) * 16
        choices.append((down * found.blocks * (found.depth * (0.02 * wide + copied) + started * height), found))
    return min(choices)[1]


def _places(images: Array, plan: Plan) -> Array:
    """The strips as a view of shape ``(g, B, down, blocks, height, width, c)``: no pixel is copied."""
    image, row, column, channel = images.strides
    step = plan.across * plan.pool[1] * plan.strides[1]
    return as_strided(
        images,
        (plan.groups, len(images), plan.output[0], plan.blocks, plan.height, plan.width, plan.channels),
        (plan.channels * channel, image, plan.pool[0] * plan.strides[0] * row, step * column, plan.gap * row,
         column, channel),
    )  # fmt: skip


def gather(inputs: Array, plan: Plan, workspace: Workspace) -> Array:
    """The strips copied, one to a row: ``(g, n, depth)`` with ``n = B * down * blocks``."""
    places = _places(inputs, plan)
    strips = workspace.array("strips", places.shape, inputs.dtype)
    np.copyto(strips, places)
    return strips.reshape(plan.groups, -1, plan.depth)


def scatter(strips: Array, input_shape: tuple[int, int, int, int], plan: Plan) -> Array:
    """The transpose of :func:`gather`: each pixel is the sum of what stands in its places in the strips."""
    images = np.zeros(input_shape, strips.dtype)
    places = _places(images, plan)
    strips = strips.reshape(places.shape)
    # Strips overlap. Those that are added in one go must not: one row of a strip, one block at a time.
    for block in range(plan.blocks):
        for row in range(plan.height):
            places[:, :, :, block, row] += strips[:, :, :, block, row]
    return images


def _diagonals(matrix: Array, plan: Plan) -> Array:
    """The places of a band matrix that hold weights: a view ``(g, kh, kw, c, ph, pw, across, f)``.

    ``matrix`` is ``(g, height, width, c, ph, pw, across, f)``.
    """
    group, row, column, channel, top, left, window, filter_ = matrix.strides
    (down, right), (rows, columns) = plan.strides, plan.dilation
    return as_strided(
        matrix,
        (plan.groups, *plan.kernel_size, plan.channels, *plan.pool, plan.across, plan.filters),
        (group, rows // plan.gap * row, columns * column, channel, top + down * row, left + right * column,
         window + plan.pool[1] * right * column, filter_),
    )  # fmt: skip


def _matrix_shape(plan: Plan) -> tuple[int, ...]:
    return (plan.groups, plan.height, plan.width, plan.channels, *plan.pool, plan.across, plan.filters)


def band(kernel: Array, plan: Plan) -> Array:
    """The band matrix of each group, ``(g, depth, ph * pw * across * f)``: the kernel, once for each window."""
    matrix = np.zeros(_matrix_shape(plan), kernel.dtype)
    by_group = kernel.reshape(*kernel.shape[:3], plan.groups, plan.filters).transpose(3, 0, 1, 2, 4)
    _diagonals(matrix, plan)[...] = by_group[:, :, :, :, np.newaxis, np.newaxis, np.newaxis]
    return matrix.reshape(plan.groups, plan.depth, -1)


def diagonal_sum(matrix: Array, plan: Plan) -> Array:
    """The gradient of the kernel, from that of the band matrix: ``(kh, kw, c, g * f)``."""
    tied: Array = _diagonals(matrix.reshape(_matrix_shape(plan)), plan).sum(axis=(4, 5, 6))
    return tied.transpose(1, 2, 3, 0, 4).reshape(*plan.kernel_size, plan.channels, -1)


def _plan_for(inputs: tuple[int, ...], kernel: tuple[int, ...], strides: Pair, dilation_rate: Pair) -> Plan:
    image, shape = (inputs[1], inputs[2], inputs[3]), (kernel[0], kernel[1], kernel[2], kernel[3])
    return plan(image, shape, strides, dilation_rate)


def _rows(gradient: Array, plan: Plan) -> Array:
    """``(B, oh, ow, c_out)`` as one row for each strip: ``(g, n, across * f)``."""
    split = gradient.reshape(-1, plan.across, plan.groups, plan.filters)
    return split.transpose(2, 0, 1, 3).reshape(plan.groups, -1, plan.across * plan.filters)


def _windows(sizes: Sizes) -> int:
    """Windows of a block. Strips overlap little: a window takes some two numbers for each row and channel it reads."""
    return windows_within(_NUMBERS, 2 * sizes.groups * sizes.depth // sizes.kernel[1])


def conv2d(inputs: Array, kernel: Array, strides: Pair, dilation_rate: Pair,
           padding: tuple[Pair, Pair] = NO_PADDING, outputs: Array | None = None) -> Array:  # fmt: skip
    """Cross-correlation by band matrices; arguments and result as in :mod:`convbook.algorithms`."""
    sizes = Sizes(inputs.shape, kernel.shape, strides, dilation_rate, padding)
    matrices: dict[Plan, Array] = {}

    def compute(block: Block, outputs: Array, workspace: Workspace) -> None:
        pixels = region(inputs, block, sizes, workspace)
        if not all_finite(pixels):  # a zero of the band times infinity is NaN, which would spread over the strip
            outputs[...] = windows.conv2d(pixels, kernel, strides, dilation_rate)
            return
        made = _plan_for(pixels.shape, kernel.shape, strides, dilation_rate)
        if made not in matrices:
            matrices[made] = band(kernel, made)
        multiply(gather(pixels, made, workspace), matrices[made], outputs, made.across)

    return in_blocks(inputs, kernel, sizes, compute, _windows(sizes), outputs=outputs)


def kernel_gradient(inputs: Array, gradient: Array, kernel_shape: tuple[int, ...], strides: Pair, dilation_rate: Pair,
                    padding: tuple[Pair, Pair] = NO_PADDING) -> Array:  # fmt: skip
    """The gradient with respect to the kernel, of shape ``kernel_shape``.

    ``gradient`` is that of the output, ``(B, oh, ow, c_out)``; the inputs are not padded yet.
    """
    sizes = Sizes(inputs.shape, kernel_shape, strides, dilation_rate, padding)

    def add(block: Block, part: Array, total: Array, first: bool, workspace: Workspace) -> None:
        pixels = region(inputs, block, sizes, workspace)
        made = _plan_for(pixels.shape, kernel_shape, strides, dilation_rate)
        strips = gather(pixels, made, workspace)
        change = diagonal_sum(strips.swapaxes(1, 2) @ _rows(part, made), made)
        total[...] = change if first else total + change

    return all_filters(sum_of_blocks(gradient, sizes, add, kernel_shape, _windows(sizes)), kernel_shape)
