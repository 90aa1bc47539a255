"""Tiles of the input and their transforms, by which :mod:`convbook.algorithms.winograd` works; its letters are used."""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import DTypeLike, NDArray

from convbook.algorithms._arrays import Array, kernel_phases
from convbook.algorithms._blocks import Block, Pair, Sizes, blocks, region, windows_within
from convbook.algorithms._threads import Workspace, parallel

__all__ = ["Tiling", "all_tiles", "applies", "matrices", "taps", "tiling", "transformed"]

# Elements of a kernel along an axis. With more, the transforms lose too many digits.
_LARGEST_KERNEL = 5

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

# Numbers in the tiles that a thread transforms at a time.
_NUMBERS = 300_000


@functools.cache
def matrices(outputs: int, kernel: int) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """``A'``, ``G`` and ``B'`` of ``F(outputs, kernel)``: ``(m, a)``, ``(a, r)`` and ``(a, a)``."""
    values = outputs + kernel - 1

    def powers(count: int) -> NDArray[np.float64]:
        finite = np.power.outer(np.array(_POINTS[values]), np.arange(count))
        return np.vstack([finite, np.eye(count)[-1:]])

    to_coefficients = np.asarray(np.linalg.inv(powers(values)), np.float64)
    return powers(outputs).T, powers(kernel), to_coefficients.T


def taps(sizes: Sizes) -> Pair:
    """Elements of the kernel of one phase of the strides, down and across."""
    down, across = (-(-size // stride) for size, stride in zip(sizes.kernel[:2], sizes.strides, strict=True))
    return down, across


def applies(sizes: Sizes) -> bool:
    """Whether the transforms serve: no dilation, and no more than five elements along an axis of a phase."""
    return sizes.dilation_rate == (1, 1) and max(taps(sizes)) <= _LARGEST_KERNEL


class _Transforms(NamedTuple):
    """The transforms of one axis, ``F(m, r)``."""

    outputs: Array  # A', (m, a)
    kernel: Array  # G, (a, r)
    tile: Array  # B', (a, a)


def transformed(down: Array, across: Array, array: Array, workspace: Workspace, name: str) -> Array:
    """``down X across'`` for the first two axes of an array: ``(y, x, ...)`` to ``(Y, X, ...)``."""
    half = workspace.array("half", (len(down), array[0].size), array.dtype)
    np.matmul(down, array.reshape(len(array), -1), out=half)
    whole = workspace.array(name, (len(down), len(across), array[0, 0].size), array.dtype)
    np.matmul(across, half.reshape(len(down), array.shape[1], -1), out=whole)
    return whole.reshape(*whole.shape[:2], *array.shape[2:])


class Tiling(NamedTuple):
    """A convolution, and the transforms down its columns and along its rows."""

    sizes: Sizes
    down: _Transforms
    across: _Transforms

    @property
    def tile(self) -> Pair:
        """Rows and columns of outputs of a tile, ``(m, m)``."""
        return len(self.down.outputs), len(self.across.outputs)

    @property
    def values(self) -> Pair:
        """Rows and columns of a tile, ``(a, a)``."""
        return len(self.down.tile), len(self.across.tile)

    @property
    def squares(self) -> int:
        """Numbers in a tile, ``a * a``: so many matrix products there are."""
        return math.prod(self.values)

    @property
    def channels(self) -> int:
        """Channels of a group, those of all phases of the strides."""
        return self.sizes.kernel[2] * math.prod(self.sizes.strides)

    def of_kernel(self, kernel: Array, workspace: Workspace) -> Array:
        """``(kh, kw, c, g * f)`` as ``(a, a, g, c, f)``: ``G g G'`` for each channel and filter."""
        # Both sides in one product: there are few elements, and its results can be written where they belong.
        both, filters = np.kron(self.down.kernel, self.across.kernel), kernel.shape[3]
        phases = kernel_phases(kernel, self.sizes.strides).transpose(0, 2, 1, 3, 4, 5)
        elements = phases.reshape(both.shape[1], self.channels, filters)
        values = workspace.array("kernel", (len(both), self.channels, filters), kernel.dtype)

        def work(channels: slice, _: Workspace) -> None:
            part = values[:, channels]
            np.matmul(both, elements[:, channels].reshape(len(elements), -1), out=part.reshape(len(both), -1))

        parallel(work, [slice(start, start + 32) for start in range(0, self.channels, 32)])
        return values.reshape(*self.values, self.channels, self.sizes.groups, -1).swapaxes(2, 3)

    def to_kernel(self, values: Array) -> Array:
        """``G' X G``: the transpose of :meth:`of_kernel`."""
        both, (height, width, channels, _) = np.kron(self.down.kernel, self.across.kernel), self.sizes.kernel
        elements = both.T @ values.reshape(len(both), -1)
        groups, _, filters = values.shape[2:]
        phases = elements.reshape(*taps(self.sizes), groups, *self.sizes.strides, channels, filters)
        full = phases.transpose(0, 3, 1, 4, 5, 2, 6)  # taps, s, taps, s, c, g, f
        full = full.reshape(full.shape[0] * full.shape[1], -1, channels, groups * filters)
        return full[:height, :width]

    def of_tiles(self, inputs: Array, block: Block, workspace: Workspace) -> Array:
        """The tiles that a block's windows read, ``B' d B``: ``(a, a, images, tiles down, tiles across, g * c)``."""
        (down, across), (tall, wide), (rows, columns) = self.sizes.strides, self.tile, self.values
        counts = [-(-(stop - start) // side) for (start, stop), side in zip(block[1:], self.tile, strict=True)]
        reach = (((counts[0] - 1) * tall + rows) * down, ((counts[1] - 1) * wide + columns) * across)
        pixels = region(inputs, block, self.sizes, workspace, reach)
        image, row, column, channel = pixels.strides
        groups, channels = self.sizes.groups, self.sizes.kernel[2]
        view = as_strided(
            pixels,
            (rows, columns, len(pixels), *counts, groups, down, across, channels),
            (down * row, across * column, image, down * tall * row, across * wide * column,
             channels * channel, row, column, channel),
        )  # fmt: skip
        tiles = workspace.array("tiles", view.shape, pixels.dtype)
        np.copyto(tiles, view)
        tiles = tiles.reshape(*tiles.shape[:5], -1)
        return transformed(self.down.tile, self.across.tile, tiles, workspace, "tiles")  # in place of the pixels


def tiling(side: int, sizes: Sizes, dtype: DTypeLike) -> Tiling:
    """For tiles with ``side * side`` outputs."""
    # Along an axis where the kernel has one element, there is nothing to save.
    down, across = (
        _Transforms(*(matrix.astype(dtype) for matrix in matrices(side if count > 1 else 1, count)))
        for count in taps(sizes)
    )
    return Tiling(sizes, down, across)


def all_tiles(inputs: Array, how: Tiling, most: int) -> Array | None:
    """The tiles of all windows, as :meth:`Tiling.of_tiles` has those of a block.

    None if there are none, or several groups of channels, or more than ``most`` numbers in them.
    """
    (batch, height, width, _), tile = how.sizes.output, how.tile
    shape = (*how.values, batch, -(-height // tile[0]), -(-width // tile[1]), how.channels)
    if how.sizes.groups > 1 or not 0 < math.prod(shape) <= most:
        return None
    tiles = np.empty(shape, inputs.dtype)

    def work(block: Block, workspace: Workspace) -> None:
        images, rows, columns = (
            slice(start // unit, -(-stop // unit)) for (start, stop), unit in zip(block, (1, *tile), strict=True)
        )
        tiles[:, :, images, rows, columns] = how.of_tiles(inputs, block, workspace)

    # The same blocks for any number of threads, so that the rounding is the same.
    windows = windows_within(_NUMBERS, how.squares * how.channels) * math.prod(tile)
    parallel(work, blocks(how.sizes.output, windows, tile, 4))
    return tiles
