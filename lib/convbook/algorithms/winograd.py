"""Convolution with fewer multiplications than it has products: Winograd's minimal filtering.

Take one dimension first: ``m`` outputs of a filter of ``r`` elements read a tile of ``a = m + r - 1`` pixels and cost
``m * r`` multiplications. Winograd's ``F(m, r)`` needs ``a``::

    y = A' ((G g) * (B' d))        with * element by element

It follows from the product of polynomials. Polynomials with coefficients ``g`` and ``h`` (``r`` and ``m`` of them)
have a product with ``a`` coefficients, which is known from its values at ``a`` points:
``s = V^-1 ((V_r g) * (V_m h))``, where row ``p`` of ``V`` holds the powers of point ``p`` (and infinity, as a point,
picks the last coefficient). The numbers that a correlation wants, ``y_j = sum_i g_i d_(i + j)``, are those by which
``h`` is multiplied in the sum of ``d_k s_k``; so ``A = V_m``, ``G = V_r`` and ``B' = V^-1`` transposed.

In two dimensions the transforms are applied down the columns and then along the rows: ``F(4x4, 3x3)`` multiplies 36
times where 144 products are. And since a filter adds over channels, which the last transform can wait for, the
multiplications for all tiles, channels and filters are ``a * a`` matrix products::

    d: tiles (a * a, n, c)    g: kernel (a * a, c, f)    their product: (a * a, n, f)

The price is rounding: values at large points nearly cancel. The points here, 0, 2/3, -2/3, 3/2, -3/2 and infinity for
six, keep the numbers near 1; with the usual 0, 1, -1, 2, -2 the error is four times as large.

Source: Winograd (1980), "Arithmetic Complexity of Computations"; Lavin and Gray (2016), "Fast Algorithms for
Convolutional Neural Networks", section 4. The points: Barabasz et al. (2020), "Error Analysis and Improving the
Accuracy of Winograd Convolution for Deep Neural Networks", whose advice is pairs of reciprocals.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import DTypeLike, NDArray

from convbook.algorithms import blocked
from convbook.algorithms._arrays import Array
from convbook.algorithms._blocks import (
    NO_PADDING,
    Block,
    Pair,
    Sizes,
    add_product,
    by_filters,
    in_blocks,
    region,
    sum_of_blocks,
    windows_within,
)
from convbook.algorithms._threads import Workspace, parallel, threads

__all__ = ["LARGEST_KERNEL", "conv2d_2x2", "conv2d_4x4", "kernel_gradient_4x4", "matrices"]

# Elements of a kernel along an axis. With more, the transforms lose too many digits.
LARGEST_KERNEL = 5

# The points for as many values, infinity not among them.
_POINTS: dict[int, tuple[float, ...]] = {
    1: (),
    2: (0,),
    3: (0, 1),
    4: (0, 1, -1),
    5: (0, 1, -1, 1 / 2),
    6: (0, 2 / 3, -2 / 3, 3 / 2, -3 / 2),
    7: (0, 1, -1, 1 / 2, -1 / 2, 2),
    8: (0, 1, -1, 1 / 2, -1 / 2, 2, -2),
}
# Numbers in the tiles of all blocks that are at work, of which there are four or one for each thread; and in the part
# of the transformed kernel that is there at a time. With fewer, the products would have few rows, and be slow.
_NUMBERS, _KERNEL_NUMBERS = 8_000_000, 4_000_000


@functools.cache
def matrices(outputs: int, kernel: int) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """``A'``, ``G`` and ``B'`` of ``F(outputs, kernel)``: ``(m, a)``, ``(a, r)`` and ``(a, a)``."""
    values = outputs + kernel - 1

    def powers(count: int) -> NDArray[np.float64]:
        finite = np.power.outer(np.array(_POINTS[values]), np.arange(count))
        return np.vstack([finite, np.eye(count)[-1:]])

    to_coefficients = np.asarray(np.linalg.inv(powers(values)), np.float64)
    return powers(outputs).T, powers(kernel), to_coefficients.T


class _Transforms(NamedTuple):
    """The transforms of one axis, ``F(m, r)``."""

    outputs: Array  # A', (m, a)
    kernel: Array  # G, (a, r)
    tile: Array  # B', (a, a)


def _transforms(side: int, kernel_shape: tuple[int, ...], dtype: DTypeLike) -> tuple[_Transforms, _Transforms]:
    """Those down the columns and those along the rows, for tiles with ``side * side`` outputs."""
    # Along an axis where the kernel has one element, there is nothing to save.
    down, across = (
        _Transforms(*(matrix.astype(dtype) for matrix in matrices(side if taps > 1 else 1, taps)))
        for taps in kernel_shape[:2]
    )
    return down, across


def _transformed(down: Array, across: Array, array: Array, workspace: Workspace, name: str) -> Array:
    """``down X across'`` for the first two axes of an array: ``(y, x, ...)`` to ``(Y, X, ...)``."""
    half = workspace.array("half", (len(down), array[0].size), array.dtype)
    np.matmul(down, array.reshape(len(array), -1), out=half)
    whole = workspace.array(name, (len(down), len(across), array[0, 0].size), array.dtype)
    np.matmul(across, half.reshape(len(down), array.shape[1], -1), out=whole)
    return whole.reshape(*whole.shape[:2], *array.shape[2:])


def _transformed_kernel(kernel: Array, down: _Transforms, across: _Transforms, groups: int) -> Array:
    """``(kh, kw, c, g * f)`` as ``(a, a, g, c, f)``: ``G g G'`` for each channel and filter."""
    # Both sides in one product: there are few elements, and its results can be written where they belong.
    both = np.kron(down.kernel, across.kernel)
    elements = np.ascontiguousarray(kernel).reshape(both.shape[1], *kernel.shape[2:])
    values = np.empty((len(both), *kernel.shape[2:]), kernel.dtype)

    def work(channels: slice, _: Workspace) -> None:
        part = values[:, channels]
        np.matmul(both, elements[:, channels].reshape(len(elements), -1), out=part.reshape(len(both), -1))

    parallel(work, [slice(start, start + 32) for start in range(0, kernel.shape[2], 32)])
    return values.reshape(len(down.kernel), len(across.kernel), kernel.shape[2], groups, -1).swapaxes(2, 3)


def _transformed_tiles(inputs: Array, block: Block, sizes: Sizes, down: _Transforms, across: _Transforms,
                       workspace: Workspace) -> Array:  # fmt: skip
    """The tiles that a block's windows read, ``B' d B``: ``(a, a, images, tiles down, tiles across, channels)``."""
    counts, reach = [], []
    for (start, stop), axis in zip(block[1:], (down, across), strict=True):
        outputs, values = axis.outputs.shape
        counts.append(-(-(stop - start) // outputs))
        reach.append((counts[-1] - 1) * outputs + values)
    pixels = region(inputs, block, sizes, workspace, (reach[0], reach[1]))
    image, row, column, channel = pixels.strides
    view = as_strided(
        pixels,
        (len(down.tile), len(across.tile), len(pixels), *counts, pixels.shape[3]),
        (row, column, image, len(down.outputs) * row, len(across.outputs) * column, channel),
    )
    tiles = workspace.array("tiles", view.shape, pixels.dtype)
    np.copyto(tiles, view)
    return _transformed(down.tile, across.tile, tiles, workspace, "tiles")  # in place of the pixels


def applies(sizes: Sizes) -> bool:
    """Whether these transforms serve: no strides, no dilation, and no more than five elements along an axis."""
    return sizes.strides == sizes.dilation_rate == (1, 1) and max(sizes.kernel[:2]) <= LARGEST_KERNEL


def _conv2d(side: int, inputs: Array, kernel: Array, strides: Pair, dilation_rate: Pair,
            padding: tuple[Pair, Pair], outputs: Array | None) -> Array:  # fmt: skip
    sizes = Sizes(inputs.shape, kernel.shape, strides, dilation_rate, padding)
    if not applies(sizes):
        return blocked.conv2d(inputs, kernel, strides, dilation_rate, padding, outputs)
    groups, channels = sizes.groups, inputs.shape[3]
    down, across = _transforms(side, kernel.shape, inputs.dtype)
    tile = (len(down.outputs), len(across.outputs))
    squares = len(down.tile) * len(across.tile)

    def convolve(kernel: Array, outputs: Array) -> None:
        weights = _transformed_kernel(kernel, down, across, groups)

        def compute(block: Block, outputs: Array, workspace: Workspace) -> None:
            values = _transformed_tiles(inputs, block, sizes, down, across, workspace)
            places = values.shape[2:5]
            by_group = values.reshape(*values.shape[:2], math.prod(places), groups, -1).swapaxes(2, 3)
            products = workspace.array("products", (*by_group.shape[:4], weights.shape[4]), inputs.dtype)
            np.matmul(by_group, weights, out=products)
            inverse = _transformed(down.outputs, across.outputs, products, workspace, "inverse")
            inverse = inverse.reshape(*tile, groups, *places, -1).transpose(0, 1, 3, 4, 5, 2, 6)
            for i, j in np.ndindex(*tile):
                part = outputs[:, i :: tile[0], j :: tile[1]]
                part = part.reshape(*part.shape[:3], groups, weights.shape[4])
                part[...] = inverse[i, j, :, : part.shape[1], : part.shape[2]]

        each = 2 * squares * (channels + kernel.shape[3])
        windows = windows_within(_NUMBERS // max(threads(), 4), each) * math.prod(tile)
        of_kernel = sizes._replace(kernel=kernel.shape)
        in_blocks(inputs, kernel, of_kernel, compute, windows, tile, outputs, spreads=True)

    result = np.empty(sizes.output, inputs.dtype) if outputs is None else outputs
    # The transformed kernel is several times as large as the kernel: a few filters at a time.
    return by_filters(convolve, kernel, sizes, _KERNEL_NUMBERS // (squares * channels), result)


def conv2d_2x2(inputs: Array, kernel: Array, strides: Pair, dilation_rate: Pair,
               padding: tuple[Pair, Pair] = NO_PADDING, outputs: Array | None = None) -> Array:  # fmt: skip
    """Cross-correlation by ``F(2x2, r x r)``; arguments and result as in :mod:`convbook.algorithms`.

    Kernels to which it does not apply are left to :mod:`convbook.algorithms.blocked`.
    """
    return _conv2d(2, inputs, kernel, strides, dilation_rate, padding, outputs)


def conv2d_4x4(inputs: Array, kernel: Array, strides: Pair, dilation_rate: Pair,
               padding: tuple[Pair, Pair] = NO_PADDING, outputs: Array | None = None) -> Array:  # fmt: skip
    """Cross-correlation by ``F(4x4, r x r)``: fewer multiplications than :func:`conv2d_2x2`, and one digit less."""
    return _conv2d(4, inputs, kernel, strides, dilation_rate, padding, outputs)


def kernel_gradient_4x4(inputs: Array, gradient: Array, kernel_shape: tuple[int, ...], strides: Pair,
                        dilation_rate: Pair, padding: tuple[Pair, Pair] = NO_PADDING) -> Array:  # fmt: skip
    """The gradient of :func:`conv2d_4x4` with respect to the kernel, of shape ``kernel_shape``.

    ``gradient`` is that of the output, ``(B, oh, ow, c_out)``. The steps are the transposes of those forward:
    ``y = A' ((G g) * (B' d))`` is linear in ``g``, with the gradient ``G' ((B' d) * (A dy))``, added up over all tiles
    before the last transform.
    """
    sizes = Sizes(inputs.shape, kernel_shape, strides, dilation_rate, padding)
    if not applies(sizes):
        return blocked.kernel_gradient(inputs, gradient, kernel_shape, strides, dilation_rate, padding)
    groups, channels, filters = sizes.groups, inputs.shape[3], kernel_shape[3]
    down, across = _transforms(4, kernel_shape, inputs.dtype)
    tile = (len(down.outputs), len(across.outputs))
    squares = len(down.tile) * len(across.tile)

    def add(block: Block, part: Array, total: Array, first: bool, workspace: Workspace) -> None:
        values = _transformed_tiles(inputs, block, sizes, down, across, workspace)
        places = values.shape[2:5]
        by_group = values.reshape(*values.shape[:2], math.prod(places), groups, -1).transpose(0, 1, 3, 4, 2)
        changes = workspace.array("changes", (*tile, groups, *places, total.shape[4]), inputs.dtype)
        changes.fill(0)  # windows that complete the last tiles, but are not there
        for i, j in np.ndindex(*tile):
            some = part[:, i :: tile[0], j :: tile[1]]
            some = some.reshape(*some.shape[:3], groups, total.shape[4])
            changes[i, j, :, :, : some.shape[1], : some.shape[2]] = some.transpose(3, 0, 1, 2, 4)
        spread = _transformed(down.outputs.T, across.outputs.T, changes, workspace, "spread")
        add_product(by_group, spread.reshape(*spread.shape[:3], -1, total.shape[4]), total, first, workspace)

    shape = (len(down.tile), len(across.tile), groups, channels // groups, filters // groups)

    def windows(filters: int) -> int:
        return windows_within(_NUMBERS // 4, 2 * squares * (channels + filters)) * math.prod(tile)

    to_elements = np.kron(down.kernel, across.kernel).T
    result = np.empty(kernel_shape, inputs.dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        for part, total in sum_of_blocks(gradient, sizes, add, shape, windows, tile):
            change = to_elements @ total.reshape(squares, -1)
            change = change.reshape(*kernel_shape[:2], *total.shape[2:]).swapaxes(2, 3)
            result[..., part if groups == 1 else slice(None)] = change.reshape(*change.shape[:3], -1)
        all_finite = np.isfinite(np.add.reduce(result, axis=None))
    if not all_finite:  # NaN and infinity have spread
        return blocked.kernel_gradient(inputs, gradient, kernel_shape, strides, dilation_rate, padding)
    return result
