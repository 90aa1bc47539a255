"""Convolution with fewer multiplications than it has products: Winograd's minimal filtering.

Take one dimension first: ``m`` outputs of a filter of ``r`` elements read a tile of ``a = m + r - 1`` pixels and cost
``m * r`` multiplications. Winograd's ``F(m, r)`` needs ``a``::

    y = A' ((G g) * (B' d))        with * element by element

It follows from the product of polynomials. Polynomials with coefficients ``g`` and ``h`` (``r`` and ``m`` of them)
have a product with ``a`` coefficients, which is known from its values at ``a`` points:
``s = V^-1 ((V_r g) * (V_m h))``, where row ``p`` of ``V`` holds the powers of point ``p`` (and infinity, as a point,
picks the last coefficient). The numbers that a correlation wants, ``y_j = sum_i g_i d_(i + j)``, are those by which
``h`` is multiplied in the sum of ``d_k s_k``; so ``A = V_m``, ``G = V_r`` and ``B' = V^-1`` transposed.

In two dimensions the transforms are applied to rows and to columns, which is one product with a Kronecker product of
matrices; ``F(4x4, 3x3)`` multiplies 36 times where 144 products are. And since a filter adds over channels, which the
last transform can wait for, the multiplications for all tiles, channels and filters are ``a * a`` matrix products::

    d: tiles (a * a, n, c)    g: kernel (a * a, c, f)    their product: (a * a, n, f)

The price is rounding: values at large points nearly cancel. The points here, 0, 2/3, -2/3, 3/2, -3/2 and infinity for
six, keep the numbers near 1; with the usual 0, 1, -1, 2, -2 the error is four times as large.

A stride of ``s`` is a convolution of stride 1 over ``s * s`` times as many channels: the pixels of a square of
``s * s`` are made channels of one pixel, and so are the elements of the kernel, filled up with zeros to a multiple of
``s``.

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
    in_blocks,
    region,
    sum_of_blocks,
    windows_within,
)
from convbook.algorithms._threads import Workspace, parallel

__all__ = ["LARGEST_KERNEL", "conv2d_2x2", "conv2d_4x4", "kernel_gradient_4x4", "matrices", "transform_kernel"]

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
# Numbers in the transformed tiles of a block, and in the part of the transformed kernel that is there at a time.
_NUMBERS, _KERNEL_NUMBERS = 900_000, 4_000_000


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
    """The three transforms of a convolution in two dimensions, and what they are made for."""

    outputs: Pair  # of a tile, down and across
    values: Pair  # of a tile
    strides: Pair
    kernel: Array  # (a * a, r * r)
    tiles: Array  # (a * a, a * a)
    inverse: Array  # (m * m, a * a)


def _transforms(outputs: int, kernel_size: tuple[int, ...], strides: Pair, dtype: DTypeLike) -> _Transforms:
    taps = [-(-size // stride) for size, stride in zip(kernel_size, strides, strict=True)]
    # Along an axis where the kernel has one element, there is nothing to save.
    sides = [outputs if tap > 1 else 1 for tap in taps]
    down, across = map(matrices, sides, taps)
    inverse, kernel, tiles = (np.kron(one, other).astype(dtype) for one, other in zip(down, across, strict=True))
    values = (len(down[2]), len(across[2]))
    return _Transforms((sides[0], sides[1]), values, strides, kernel, tiles, inverse)


def transform_kernel(kernel: Array, made: _Transforms, groups: int) -> Array:
    """``(kh, kw, c, g * f)`` as ``(a * a, g, s * s * c, f)``: ``G g G'`` for each channel and filter."""
    (down, across), channels, filters = made.strides, kernel.shape[2], kernel.shape[3]
    taps = [-(-kernel.shape[axis] // made.strides[axis]) for axis in (0, 1)]
    full = np.zeros((taps[0] * down, taps[1] * across, channels, filters), kernel.dtype)
    full[: kernel.shape[0], : kernel.shape[1]] = kernel
    phases = full.reshape(taps[0], down, taps[1], across, channels, filters).transpose(0, 2, 1, 3, 4, 5)
    elements = phases.reshape(taps[0] * taps[1], -1, filters)
    values = np.empty((len(made.kernel), *elements.shape[1:]), kernel.dtype)

    def work(part: slice, _: Workspace) -> None:
        rows = elements[:, part].reshape(len(elements), -1)
        np.matmul(made.kernel, rows, out=values[:, part].reshape(len(values), -1))

    parallel(work, [slice(start, start + 64) for start in range(0, elements.shape[1], 64)])
    return values.reshape(*values.shape[:2], groups, -1).transpose(0, 2, 1, 3)


def _phases(pixels: Array, made: _Transforms, groups: int, workspace: Workspace) -> Array:
    """The pixels of each square of ``s * s`` as channels of one: ``(n, h / s, w / s, g * s * s * c)``."""
    down, across = made.strides
    images, height, width, channels = pixels.shape
    split = pixels.reshape(images, height // down, down, width // across, across, groups, channels // groups)
    ordered = split.transpose(0, 1, 3, 5, 2, 4, 6)
    phases = workspace.array("phases", ordered.shape, pixels.dtype)
    np.copyto(phases, ordered)
    return phases.reshape(*phases.shape[:3], -1)


def _tiles(inputs: Array, block: Block, sizes: Sizes, made: _Transforms, workspace: Workspace) -> Array:
    """The tiles of a block's pixels, transformed: ``(a * a, n, th, tw, g * s * s * c)``."""
    counts = [-(-(to - start) // m) for (start, to), m in zip(block[1:], made.outputs, strict=True)]
    reach = [((n - 1) * m + a) * s for n, m, a, s in zip(counts, made.outputs, made.values, made.strides, strict=True)]
    pixels = region(inputs, block, sizes, workspace, (reach[0], reach[1]))
    if made.strides != (1, 1):
        pixels = _phases(pixels, made, sizes.groups, workspace)
    image, row, column, channel = pixels.strides
    view = as_strided(
        pixels,
        (*made.values, len(pixels), *counts, pixels.shape[3]),
        (row, column, image, made.outputs[0] * row, made.outputs[1] * column, channel),
    )
    tiles = workspace.array("tiles", view.shape, pixels.dtype)
    np.copyto(tiles, view)
    values = workspace.array("values", (len(made.tiles), *view.shape[2:]), pixels.dtype)
    np.matmul(made.tiles, tiles.reshape(len(values), -1), out=values.reshape(len(values), -1))
    return values


def _conv2d(side: int, inputs: Array, kernel: Array, strides: Pair, dilation_rate: Pair,
            padding: tuple[Pair, Pair], outputs: Array | None) -> Array:  # fmt: skip
    sizes = Sizes(inputs.shape, kernel.shape, strides, dilation_rate, padding)
    if not applies(sizes):
        return blocked.conv2d(inputs, kernel, strides, dilation_rate, padding, outputs)
    groups, dtype = sizes.groups, inputs.dtype
    made = _transforms(side, kernel.shape[:2], strides, dtype)
    area, squares = math.prod(made.outputs), math.prod(made.values)
    channels = inputs.shape[3] * math.prod(strides)

    def convolve(kernel: Array, outputs: Array) -> None:
        transformed = transform_kernel(kernel, made, groups)

        def compute(block: Block, outputs: Array, workspace: Workspace) -> None:
            values = _tiles(inputs, block, sizes, made, workspace)
            _, images, down, across, _ = values.shape
            by_group = values.reshape(squares, images * down * across, groups, -1).swapaxes(1, 2)
            products = workspace.array("products", (*by_group.shape[:3], transformed.shape[3]), dtype)
            np.matmul(by_group, transformed, out=products)
            inverse = workspace.array("inverse", (area, *products.shape[1:]), dtype)
            np.matmul(made.inverse, products.reshape(squares, -1), out=inverse.reshape(area, -1))
            places = inverse.reshape(*made.outputs, groups, images, down, across, -1).transpose(0, 1, 3, 4, 5, 2, 6)
            for i, j in np.ndindex(*made.outputs):
                part = outputs[:, i :: made.outputs[0], j :: made.outputs[1]]
                part = part.reshape(*part.shape[:3], groups, transformed.shape[3])
                part[...] = places[i, j, :, : part.shape[1], : part.shape[2]]

        each = squares * (2 * channels + kernel.shape[3]) + (squares + area) * kernel.shape[3]
        windows = windows_within(_NUMBERS, each) * area
        of_kernel = sizes._replace(kernel=kernel.shape)
        in_blocks(inputs, kernel, of_kernel, compute, windows, made.outputs, outputs, spreads=True)

    result = np.empty(sizes.output, dtype) if outputs is None else outputs
    # The transformed kernel is several times as large as the kernel: a few filters at a time.
    step = _KERNEL_NUMBERS // (squares * channels // groups) if groups == 1 else kernel.shape[3]
    for first in range(0, kernel.shape[3], max(step, 1)):
        part = slice(first, first + max(step, 1))
        convolve(kernel[..., part], result[..., part])
    return result


def _kernel_gradient(side: int, inputs: Array, gradient: Array, kernel_shape: tuple[int, ...], strides: Pair,
                     dilation_rate: Pair, padding: tuple[Pair, Pair]) -> Array:  # fmt: skip
    """The transposes of the same steps: ``y = A' ((G g) * (B' d))`` is linear in ``g``, with the gradient

    ``G' ((B' d) * (A dy))``, added up over all tiles before the last transform.
    """
    sizes = Sizes(inputs.shape, kernel_shape, strides, dilation_rate, padding)
    if not applies(sizes):
        return blocked.kernel_gradient(inputs, gradient, kernel_shape, strides, dilation_rate, padding)
    groups, dtype = sizes.groups, inputs.dtype
    made = _transforms(side, kernel_shape[:2], strides, dtype)
    area, squares = math.prod(made.outputs), math.prod(made.values)
    channels = inputs.shape[3] * math.prod(strides)

    def add(block: Block, part: Array, total: Array, first: bool, workspace: Workspace) -> None:
        values = _tiles(inputs, block, sizes, made, workspace)
        _, images, down, across, _ = values.shape
        by_group = values.reshape(squares, images * down * across, groups, -1).transpose(0, 2, 3, 1)
        places = workspace.array("places", (*made.outputs, groups, images, down, across, total.shape[3]), dtype)
        places.fill(0)
        for i, j in np.ndindex(*made.outputs):
            some = part[:, i :: made.outputs[0], j :: made.outputs[1]]
            some = some.reshape(*some.shape[:3], groups, total.shape[3])
            places[i, j, :, :, : some.shape[1], : some.shape[2]] = some.transpose(3, 0, 1, 2, 4)
        changes = workspace.array("changes", (squares, groups, images * down * across, total.shape[3]), dtype)
        np.matmul(made.inverse.T, places.reshape(area, -1), out=changes.reshape(squares, -1))
        add_product(by_group, changes, total, first, workspace)

    filters = kernel_shape[3]
    shape = (squares, groups, channels // groups, filters // groups)
    windows = windows_within(2 * _NUMBERS, squares * (2 * channels + filters) + area * filters) * area
    result = np.empty(kernel_shape, dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        for part, total in sum_of_blocks(gradient, sizes, add, shape, windows, made.outputs):
            elements = made.kernel.T @ total.swapaxes(1, 2).reshape(squares, -1)
            of_part = slice(None) if groups > 1 else part
            result[..., of_part] = _from_phases(elements, made, result[..., of_part].shape)
        all_finite = np.isfinite(np.add.reduce(result, axis=None))
    if not all_finite:  # NaN and infinity have spread
        return blocked.kernel_gradient(inputs, gradient, kernel_shape, strides, dilation_rate, padding)
    return result


def _from_phases(elements: Array, made: _Transforms, kernel_shape: tuple[int, ...]) -> Array:
    """The elements of a kernel whose channels are phases, ``(r * r, s * s * c * f)``, in its own order."""
    (down, across), (height, width, channels, filters) = made.strides, kernel_shape
    taps = [-(-height // down), -(-width // across)]
    ordered = elements.reshape(*taps, down, across, channels, filters).transpose(0, 2, 1, 3, 4, 5)
    full = ordered.reshape(taps[0] * down, taps[1] * across, channels, filters)
    return full[:height, :width]


def applies(sizes: Sizes) -> bool:
    """Whether there is something to transform: no dilation, and no more than five elements along an axis."""
    taps = [-(-size // stride) for size, stride in zip(sizes.kernel[:2], sizes.strides, strict=True)]
    return sizes.dilation_rate == (1, 1) and max(taps) <= LARGEST_KERNEL


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

    ``gradient`` is that of the output, ``(B, oh, ow, c_out)``.
    """
    return _kernel_gradient(4, inputs, gradient, kernel_shape, strides, dilation_rate, padding)
