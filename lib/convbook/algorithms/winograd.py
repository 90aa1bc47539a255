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

With strides of ``s``, element ``s * t + p`` of the kernel meets only every ``s``-th pixel of the input, from a window's
``p``-th on. So the layer is one without strides, of ``s * s`` times as many channels, one for each phase ``p`` down and
across, whose kernel is ``s`` times smaller along each axis.

The price is rounding: values at large points nearly cancel. The points here, 0, 2/3, -2/3, 3/2, -3/2 and infinity for
six, keep the numbers near 1; with the usual 0, 1, -1, 2, -2 the error is four times as large.

Source: Winograd (1980), "Arithmetic Complexity of Computations"; Lavin and Gray (2016), "Fast Algorithms for
Convolutional Neural Networks", section 4. The points: Barabasz et al. (2020), "Error Analysis and Improving the
Accuracy of Winograd Convolution for Deep Neural Networks", whose advice is pairs of reciprocals.
"""

from __future__ import annotations

import math

import numpy as np

from convbook.algorithms import blocked
from convbook.algorithms._arrays import Array, all_finite
from convbook.algorithms._blocks import (
    NO_PADDING,
    Block,
    Pair,
    Sizes,
    add_product,
    by_filters,
    cut,
    in_blocks,
    sum_of_blocks,
    windows_within,
)
from convbook.algorithms._threads import Workspace, parallel, threads
from convbook.algorithms._tiles import Tiling, all_tiles, applies, matrices, taps, tiling, transformed

__all__ = ["applies", "conv2d_2x2", "conv2d_4x4", "kernel_gradient_4x4", "matrices", "taps"]

# Numbers in the tiles of all blocks that are at work, of which there are four or one for each thread; and in the part
# of the transformed kernel that is there at a time. With fewer, the products would have few rows, and be slow.
_NUMBERS, _KERNEL_NUMBERS = 8_000_000, 4_800_000
# With at most so many numbers in all tiles together, blocks of them would make for products with few rows. So the tiles
# are transformed first, and then the filters are shared among the threads instead. The gradient of the kernel is so
# spared the sums over blocks, and gains by it with more.
_FEW, _FEW_FOR_GRADIENT = 2_500_000, 4_000_000


def _by_group(tiles: Array, groups: int) -> Array:
    """Transformed tiles as the rows of matrices: ``(a, a, g, n, c)``."""
    return tiles.reshape(*tiles.shape[:2], math.prod(tiles.shape[2:5]), groups, -1).swapaxes(2, 3)


def _some_images(tiles: Array, filters: int, numbers: int) -> list[slice]:
    """The images of tiles in parts whose products with so many filters are at most so many numbers."""
    each = math.prod(tiles.shape[:2]) * math.prod(tiles.shape[3:5]) * filters
    return [slice(*part) for part in cut(tiles.shape[2], numbers // each)]


def _multiply(tiles: Array, weights: Array, how: Tiling, outputs: Array, workspace: Workspace) -> None:
    """Transformed tiles times a transformed kernel, and back into ``outputs``."""
    by_group, (groups, _, filters) = _by_group(tiles, weights.shape[2]), weights.shape[2:]
    products = workspace.array("products", (*by_group.shape[:4], filters), tiles.dtype)
    np.matmul(by_group, weights, out=products)
    inverse = transformed(how.down.outputs, how.across.outputs, products, workspace, "inverse")
    inverse = inverse.reshape(*how.tile, groups, *tiles.shape[2:5], -1).transpose(0, 1, 3, 4, 5, 2, 6)
    for i, j in np.ndindex(*how.tile):
        part = outputs[:, i :: how.tile[0], j :: how.tile[1]]
        part = part.reshape(*part.shape[:3], groups, filters)
        part[...] = inverse[i, j, :, : part.shape[1], : part.shape[2]]


def _conv2d_by_blocks(inputs: Array, kernel: Array, how: Tiling, outputs: Array) -> Array:
    """The threads share the tiles, and have the transformed kernel in common."""
    sizes, squares, channels = how.sizes, how.squares, how.channels * how.sizes.groups

    def convolve(kernel: Array, outputs: Array) -> None:
        weights = how.of_kernel(kernel, Workspace())

        def compute(block: Block, outputs: Array, workspace: Workspace) -> None:
            _multiply(how.of_tiles(inputs, block, workspace), weights, how, outputs, workspace)

        each = 2 * squares * (channels + sizes.kernel[3])
        windows = windows_within(_NUMBERS // max(threads(), 4), each) * math.prod(how.tile)
        of_kernel = sizes._replace(kernel=kernel.shape)
        in_blocks(inputs, kernel, of_kernel, compute, windows, how.tile, outputs, spreads=True)

    # The transformed kernel is several times as large as the kernel: a few filters at a time.
    return by_filters(convolve, kernel, sizes, _KERNEL_NUMBERS // (squares * channels), outputs)


def _conv2d_by_filters(tiles: Array, kernel: Array, how: Tiling, outputs: Array) -> Array:
    """The threads share the filters, and have the transformed tiles in common."""
    each = _KERNEL_NUMBERS // threads()

    def work(part: Pair, workspace: Workspace) -> None:
        weights = how.of_kernel(kernel[..., slice(*part)], workspace)
        for images in _some_images(tiles, weights.shape[4], each // 2):
            _multiply(tiles[:, :, images], weights, how, outputs[images, ..., slice(*part)], workspace)

    parallel(work, cut(kernel.shape[3], each // (how.squares * how.channels), 1, threads()))
    return outputs


def _conv2d(side: int, inputs: Array, kernel: Array, strides: Pair, dilation_rate: Pair,
            padding: tuple[Pair, Pair], outputs: Array | None) -> Array:  # fmt: skip
    sizes = Sizes(inputs.shape, kernel.shape, strides, dilation_rate, padding)
    if not applies(sizes):
        return blocked.conv2d(inputs, kernel, strides, dilation_rate, padding, outputs)
    how = tiling(side, sizes, inputs.dtype)
    result = np.empty(sizes.output, inputs.dtype) if outputs is None else outputs
    with np.errstate(over="ignore", invalid="ignore"):
        tiles = all_tiles(inputs, how, _FEW)
        if tiles is None:
            return _conv2d_by_blocks(inputs, kernel, how, result)
        _conv2d_by_filters(tiles, kernel, how, result)
    if not all_finite(result):  # NaN and infinity have spread
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
    how = tiling(4, sizes, inputs.dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        tiles = all_tiles(inputs, how, _FEW_FOR_GRADIENT)
        if tiles is None:
            result = _kernel_gradient_by_blocks(inputs, gradient, how)
        else:
            result = _kernel_gradient_by_filters(tiles, gradient, how)
    if not all_finite(result):  # NaN and infinity have spread
        return blocked.kernel_gradient(inputs, gradient, kernel_shape, strides, dilation_rate, padding)
    return result


def _add(tiles: Array, gradient: Array, how: Tiling, total: Array, first: bool, workspace: Workspace) -> None:
    """Add ``(B' d B) * (A dy A')``, ``(a, a, g, c, f)``, to ``total``, or write it there if it is the ``first``."""
    tile, groups, filters, places = how.tile, how.sizes.groups, total.shape[4], tiles.shape[2:5]
    changes = workspace.array("changes", (*tile, groups, *places, filters), tiles.dtype)
    changes.fill(0)  # windows that complete the last tiles, but are not there
    for i, j in np.ndindex(*tile):
        some = gradient[:, i :: tile[0], j :: tile[1]]
        some = some.reshape(*some.shape[:3], groups, filters)
        changes[i, j, :, :, : some.shape[1], : some.shape[2]] = some.transpose(3, 0, 1, 2, 4)
    spread = transformed(how.down.outputs.T, how.across.outputs.T, changes, workspace, "spread")
    spread = spread.reshape(*spread.shape[:3], -1, filters)
    add_product(_by_group(tiles, groups).swapaxes(3, 4), spread, total, first, workspace)


def _kernel_gradient_by_blocks(inputs: Array, gradient: Array, how: Tiling) -> Array:
    """The threads share the tiles, and add up what they get from them."""
    sizes, squares, channels = how.sizes, how.squares, how.channels * how.sizes.groups

    def add(block: Block, part: Array, total: Array, first: bool, workspace: Workspace) -> None:
        _add(how.of_tiles(inputs, block, workspace), part, how, total, first, workspace)

    def windows(filters: int) -> int:
        return windows_within(_NUMBERS // 4, 2 * squares * (channels + filters)) * math.prod(how.tile)

    shape = (*how.values, sizes.groups, how.channels, sizes.kernel[3] // sizes.groups)
    parts = sum_of_blocks(gradient, sizes, add, shape, windows, how.tile)
    return np.concatenate([how.to_kernel(total) for _, total in parts], axis=-1)


def _kernel_gradient_by_filters(tiles: Array, gradient: Array, how: Tiling) -> Array:
    """The threads share the filters, and have the transformed tiles in common."""
    result = np.empty(how.sizes.kernel, tiles.dtype)
    each = _KERNEL_NUMBERS // 4

    def work(part: Pair, workspace: Workspace) -> None:
        changes = gradient[..., slice(*part)]
        total = workspace.array("total", (*how.values, 1, how.channels, changes.shape[3]), tiles.dtype)
        for images in _some_images(tiles, changes.shape[3], each):
            _add(tiles[:, :, images], changes[images], how, total, images.start == 0, workspace)
        result[..., slice(*part)] = how.to_kernel(total)

    # The same parts for any number of threads, so that the rounding is the same; and not too narrow for a product.
    filters = result.shape[3]
    parts = cut(filters, each // (how.squares * how.channels), 1, 4 if filters >= 256 else 2)
    parallel(work, parts, min(threads(), 4))
    return result
