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
    blocks,
    by_filters,
    cut,
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
_NUMBERS, _KERNEL_NUMBERS = 8_000_000, 5_000_000
# With at most so many numbers in all tiles together, blocks of them would make for products with few rows. So the tiles
# are transformed first, and then the filters are shared among the threads instead. The gradient of the kernel is so
# spared the sums over blocks, and gains by it with more.
_FEW, _FEW_FOR_GRADIENT = 2_500_000, 4_000_000


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


class _Tiling(NamedTuple):
    """A convolution, and the transforms down its columns and along its rows."""

    sizes: Sizes
    down: _Transforms
    across: _Transforms

    @property
    def tile(self) -> Pair:
        """Rows and columns of outputs of a tile, ``(m, m)``."""
        return len(self.down.outputs), len(self.across.outputs)

    @property
    def squares(self) -> int:
        """How many matrix products there are, ``a * a``."""
        return len(self.down.tile) * len(self.across.tile)


def _tiling(side: int, sizes: Sizes, dtype: DTypeLike) -> _Tiling:
    """For tiles with ``side * side`` outputs."""
    # Along an axis where the kernel has one element, there is nothing to save.
    down, across = (
        _Transforms(*(matrix.astype(dtype) for matrix in matrices(side if taps > 1 else 1, taps)))
        for taps in sizes.kernel[:2]
    )
    return _Tiling(sizes, down, across)


def _transformed(down: Array, across: Array, array: Array, workspace: Workspace, name: str) -> Array:
    """``down X across'`` for the first two axes of an array: ``(y, x, ...)`` to ``(Y, X, ...)``."""
    half = workspace.array("half", (len(down), array[0].size), array.dtype)
    np.matmul(down, array.reshape(len(array), -1), out=half)
    whole = workspace.array(name, (len(down), len(across), array[0, 0].size), array.dtype)
    np.matmul(across, half.reshape(len(down), array.shape[1], -1), out=whole)
    return whole.reshape(*whole.shape[:2], *array.shape[2:])


def _transformed_kernel(kernel: Array, tiling: _Tiling, workspace: Workspace) -> Array:
    """``(kh, kw, c, g * f)`` as ``(a, a, g, c, f)``: ``G g G'`` for each channel and filter."""
    down, across = tiling.down.kernel, tiling.across.kernel
    # Both sides in one product: there are few elements, and its results can be written where they belong.
    both = np.kron(down, across)
    elements = np.ascontiguousarray(kernel).reshape(both.shape[1], *kernel.shape[2:])
    values = workspace.array("kernel", (len(both), *kernel.shape[2:]), kernel.dtype)

    def work(channels: slice, _: Workspace) -> None:
        part = values[:, channels]
        np.matmul(both, elements[:, channels].reshape(len(elements), -1), out=part.reshape(len(both), -1))

    parallel(work, [slice(start, start + 32) for start in range(0, kernel.shape[2], 32)])
    return values.reshape(len(down), len(across), kernel.shape[2], tiling.sizes.groups, -1).swapaxes(2, 3)


def _transformed_tiles(inputs: Array, block: Block, tiling: _Tiling, workspace: Workspace) -> Array:
    """The tiles that a block's windows read, ``B' d B``: ``(a, a, images, tiles down, tiles across, channels)``."""
    sizes, down, across = tiling
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


def _by_group(tiles: Array, groups: int) -> Array:
    """Transformed tiles as the rows of matrices: ``(a, a, g, n, c)``."""
    return tiles.reshape(*tiles.shape[:2], math.prod(tiles.shape[2:5]), groups, -1).swapaxes(2, 3)


def _few_tiles(inputs: Array, tiling: _Tiling, most: int) -> Array | None:
    """All tiles, transformed; None if there are none, or more than ``most`` numbers in them."""
    (batch, height, width, _), tile = tiling.sizes.output, tiling.tile
    sides = (len(tiling.down.tile), len(tiling.across.tile))
    shape = (*sides, batch, -(-height // tile[0]), -(-width // tile[1]), inputs.shape[3])
    if tiling.sizes.groups > 1 or not 0 < math.prod(shape) <= most:
        return None
    tiles = np.empty(shape, inputs.dtype)

    def work(block: Block, workspace: Workspace) -> None:
        images, rows, columns = (
            slice(start // unit, -(-stop // unit)) for (start, stop), unit in zip(block, (1, *tile), strict=True)
        )
        tiles[:, :, images, rows, columns] = _transformed_tiles(inputs, block, tiling, workspace)

    # The same blocks for any number of threads, so that the rounding is the same.
    parallel(work, blocks(tiling.sizes.output, 64 * math.prod(tile), tile, 4))
    return tiles


def _some_images(tiles: Array, filters: int, numbers: int) -> list[slice]:
    """The images of tiles in parts whose products with so many filters are at most so many numbers."""
    each = math.prod(tiles.shape[:2]) * math.prod(tiles.shape[3:5]) * filters
    return [slice(*part) for part in cut(tiles.shape[2], numbers // each)]


def applies(sizes: Sizes) -> bool:
    """Whether these transforms serve: no strides, no dilation, and no more than five elements along an axis."""
    return sizes.strides == sizes.dilation_rate == (1, 1) and max(sizes.kernel[:2]) <= LARGEST_KERNEL


def _multiply(tiles: Array, weights: Array, tiling: _Tiling, outputs: Array, workspace: Workspace) -> None:
    """Transformed tiles times a transformed kernel, and back into ``outputs``."""
    by_group, (groups, _, filters) = _by_group(tiles, weights.shape[2]), weights.shape[2:]
    products = workspace.array("products", (*by_group.shape[:4], filters), tiles.dtype)
    np.matmul(by_group, weights, out=products)
    inverse = _transformed(tiling.down.outputs, tiling.across.outputs, products, workspace, "inverse")
    inverse = inverse.reshape(*tiling.tile, groups, *tiles.shape[2:5], -1).transpose(0, 1, 3, 4, 5, 2, 6)
    for i, j in np.ndindex(*tiling.tile):
        part = outputs[:, i :: tiling.tile[0], j :: tiling.tile[1]]
        part = part.reshape(*part.shape[:3], groups, filters)
        part[...] = inverse[i, j, :, : part.shape[1], : part.shape[2]]


def _conv2d_by_blocks(inputs: Array, kernel: Array, tiling: _Tiling, outputs: Array) -> Array:
    """The threads share the tiles, and have the transformed kernel in common."""
    sizes, channels = tiling.sizes, inputs.shape[3]

    def convolve(kernel: Array, outputs: Array) -> None:
        weights = _transformed_kernel(kernel, tiling, Workspace())

        def compute(block: Block, outputs: Array, workspace: Workspace) -> None:
            tiles = _transformed_tiles(inputs, block, tiling, workspace)
            _multiply(tiles, weights, tiling, outputs, workspace)

        each = 2 * tiling.squares * (channels + sizes.kernel[3])
        windows = windows_within(_NUMBERS // max(threads(), 4), each) * math.prod(tiling.tile)
        of_kernel = sizes._replace(kernel=kernel.shape)
        in_blocks(inputs, kernel, of_kernel, compute, windows, tiling.tile, outputs, spreads=True)

    # The transformed kernel is several times as large as the kernel: a few filters at a time.
    return by_filters(convolve, kernel, sizes, _KERNEL_NUMBERS // (tiling.squares * channels), outputs)


def _conv2d_by_filters(tiles: Array, kernel: Array, tiling: _Tiling, outputs: Array) -> Array:
    """The threads share the filters, and have the transformed tiles in common."""
    each = _KERNEL_NUMBERS // threads()

    def work(part: Pair, workspace: Workspace) -> None:
        weights = _transformed_kernel(kernel[..., slice(*part)], tiling, workspace)
        for images in _some_images(tiles, weights.shape[4], each // 2):
            _multiply(tiles[:, :, images], weights, tiling, outputs[images, ..., slice(*part)], workspace)

    parallel(work, cut(kernel.shape[3], each // (tiling.squares * kernel.shape[2]), 1, threads()))
    return outputs


def _conv2d(side: int, inputs: Array, kernel: Array, strides: Pair, dilation_rate: Pair,
            padding: tuple[Pair, Pair], outputs: Array | None) -> Array:  # fmt: skip
    sizes = Sizes(inputs.shape, kernel.shape, strides, dilation_rate, padding)
    if not applies(sizes):
        return blocked.conv2d(inputs, kernel, strides, dilation_rate, padding, outputs)
    tiling = _tiling(side, sizes, inputs.dtype)
    result = np.empty(sizes.output, inputs.dtype) if outputs is None else outputs
    with np.errstate(over="ignore", invalid="ignore"):
        tiles = _few_tiles(inputs, tiling, _FEW)
        if tiles is None:
            return _conv2d_by_blocks(inputs, kernel, tiling, result)
        _conv2d_by_filters(tiles, kernel, tiling, result)
        all_finite = np.isfinite(np.add.reduce(result, axis=None))
    if not all_finite:  # NaN and infinity have spread
        blocked.conv2d(inputs, kernel, strides, dilation_rate, padding, result)
    return result


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
    tiling = _tiling(4, sizes, inputs.dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        tiles = _few_tiles(inputs, tiling, _FEW_FOR_GRADIENT)
        if tiles is None:
            result = _kernel_gradient_by_blocks(inputs, gradient, tiling)
        else:
            result = _kernel_gradient_by_filters(tiles, gradient, tiling)
        all_finite = np.isfinite(np.add.reduce(result, axis=None))
    if not all_finite:  # NaN and infinity have spread
        return blocked.kernel_gradient(inputs, gradient, kernel_shape, strides, dilation_rate, padding)
    return result


def _add(tiles: Array, gradient: Array, tiling: _Tiling, total: Array, first: bool, workspace: Workspace) -> None:
    """Add ``(B' d B) * (A dy A')``, ``(a, a, g, c, f)``, to ``total``, or write it there if it is the ``first``."""
    tile, groups, filters, places = tiling.tile, tiling.sizes.groups, total.shape[4], tiles.shape[2:5]
    changes = workspace.array("changes", (*tile, groups, *places, filters), tiles.dtype)
    changes.fill(0)  # windows that complete the last tiles, but are not there
    for i, j in np.ndindex(*tile):
        some = gradient[:, i :: tile[0], j :: tile[1]]
        some = some.reshape(*some.shape[:3], groups, filters)
        changes[i, j, :, :, : some.shape[1], : some.shape[2]] = some.transpose(3, 0, 1, 2, 4)
    spread = _transformed(tiling.down.outputs.T, tiling.across.outputs.T, changes, workspace, "spread")
    spread = spread.reshape(*spread.shape[:3], -1, filters)
    add_product(_by_group(tiles, groups).swapaxes(3, 4), spread, total, first, workspace)


def _of_elements(total: Array, tiling: _Tiling) -> Array:
    """``G' X G``: what was added up, ``(a, a, g, c, f)``, for the elements of the kernel, ``(kh, kw, c, g * f)``."""
    to_elements = np.kron(tiling.down.kernel, tiling.across.kernel).T
    change = to_elements @ total.reshape(tiling.squares, -1)
    change = change.reshape(*tiling.sizes.kernel[:2], *total.shape[2:]).swapaxes(2, 3)
    return change.reshape(*change.shape[:3], -1)


def _kernel_gradient_by_blocks(inputs: Array, gradient: Array, tiling: _Tiling) -> Array:
    """The threads share the tiles, and add up what they get from them."""
    sizes, channels = tiling.sizes, inputs.shape[3]

    def add(block: Block, part: Array, total: Array, first: bool, workspace: Workspace) -> None:
        _add(_transformed_tiles(inputs, block, tiling, workspace), part, tiling, total, first, workspace)

    def windows(filters: int) -> int:
        return windows_within(_NUMBERS // 4, 2 * tiling.squares * (channels + filters)) * math.prod(tiling.tile)

    sides = (len(tiling.down.tile), len(tiling.across.tile))
    shape = (*sides, sizes.groups, sizes.kernel[2], sizes.kernel[3] // sizes.groups)
    parts = sum_of_blocks(gradient, sizes, add, shape, windows, tiling.tile)
    return np.concatenate([_of_elements(total, tiling) for _, total in parts], axis=-1)


def _kernel_gradient_by_filters(tiles: Array, gradient: Array, tiling: _Tiling) -> Array:
    """The threads share the filters, and have the transformed tiles in common."""
    channels, filters = tiling.sizes.kernel[2:]
    result = np.empty(tiling.sizes.kernel, tiles.dtype)
    each = _KERNEL_NUMBERS // 4

    def work(part: Pair, workspace: Workspace) -> None:
        changes = gradient[..., slice(*part)]
        total = workspace.array("total", (*tiles.shape[:2], 1, channels, changes.shape[3]), tiles.dtype)
        for images in _some_images(tiles, changes.shape[3], each):
            _add(tiles[:, :, images], changes[images], tiling, total, images.start == 0, workspace)
        result[..., slice(*part)] = _of_elements(total, tiling)

    # The same parts for any number of threads, so that the rounding is the same.
    parallel(work, cut(filters, each // (tiling.squares * channels), 1, 4), min(threads(), 4))
    return result
