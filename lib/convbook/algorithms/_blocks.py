"""The output of a convolution cut into blocks, so that what one block needs stays in the cache.

A block is a few images, or some rows of one, or a part of a row. The pixels that its windows read, with their
padding, are a region of the input. Only what is copied for the blocks at work takes memory, however large the input.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np

from convbook.algorithms._arrays import Array, all_finite, grouped_patches
from convbook.algorithms._threads import Workspace, parallel, threads
from convbook.algorithms.windows import conv2d
from convbook.shapes import effective_kernel, output_size

__all__ = [
    "NO_PADDING",
    "Block",
    "Pair",
    "Sizes",
    "add_product",
    "all_filters",
    "blocks",
    "by_filters",
    "cut",
    "in_blocks",
    "multiply",
    "region",
    "sum_of_blocks",
    "views",
    "windows_within",
]

Pair = tuple[int, int]
NO_PADDING: tuple[Pair, Pair] = ((0, 0), (0, 0))


class Sizes(NamedTuple):
    """All that one convolution's cost depends on, in pixels and channels."""

    inputs: tuple[int, ...]  # (B, H, W, C), before padding
    kernel: tuple[int, ...]  # (kh, kw, C / groups, c_out)
    strides: Pair = (1, 1)
    dilation_rate: Pair = (1, 1)
    padding: tuple[Pair, Pair] = NO_PADDING

    @property
    def extents(self) -> Pair:
        """Rows and columns from a window's first pixel to its last."""
        return _extents(self)

    @property
    def groups(self) -> int:
        """Groups of channels."""
        return self.inputs[3] // self.kernel[2]

    @property
    def depth(self) -> int:
        """Numbers that one filter multiplies."""
        return self.kernel[0] * self.kernel[1] * self.kernel[2]

    @property
    def output(self) -> tuple[int, int, int, int]:
        """``(B, oh, ow, c_out)``."""
        return _output(self)


# The same layer comes again and again, and for a small one these checks would take as long as its arithmetic.
@functools.lru_cache(maxsize=512)
def _extents(sizes: Sizes) -> Pair:
    rows, columns = (effective_kernel(sizes.kernel[axis], sizes.dilation_rate[axis]) for axis in (0, 1))
    return rows, columns


@functools.lru_cache(maxsize=512)
def _output(sizes: Sizes) -> tuple[int, int, int, int]:
    rows, columns = (
        output_size(
            sizes.inputs[1 + axis],
            sizes.kernel[axis],
            sizes.strides[axis],
            sizes.padding[axis],
            sizes.dilation_rate[axis],
        )
        for axis in (0, 1)
    )
    return sizes.inputs[0], rows, columns, sizes.kernel[3]


class Block(NamedTuple):
    """A part of the output, in images, rows and columns from and to."""

    images: Pair
    rows: Pair
    columns: Pair

    def of(self, outputs: Array) -> Array:
        """This part of ``outputs``: a view."""
        return outputs[slice(*self.images), slice(*self.rows), slice(*self.columns)]


def cut(size: int, largest: int, unit: int = 1, parts: int = 1) -> list[Pair]:
    """``size`` in at least ``parts`` pieces of at most ``largest``, all but the last a multiple of ``unit``.

    The pieces are as equal as can be, so that nobody waits long for the last one. There are fewer than ``parts`` only
    where there are fewer units.
    """
    units = -(-size // unit)
    count = max(-(-units // max(largest // unit, 1)), min(parts, units))
    edges = [min(units * piece // count * unit, size) for piece in range(count + 1)]
    return list(itertools.pairwise(edges))


def blocks(output: tuple[int, ...], windows: int, tile: Pair, parts: int) -> list[Block]:
    """``output``, ``(B, oh, ow, c_out)``, in blocks of at most ``windows`` windows, or of one ``tile`` of them.

    Args:
        parts: how many there are to be at least, if there are as many rows of tiles.
    """
    batch, height, width, _ = output
    if 0 in output:
        return []
    down, across = (-(-size // unit) * unit for size, unit in zip((height, width), tile, strict=True))
    if windows >= down * across and batch >= parts:
        return [Block(images, (0, height), (0, width)) for images in cut(batch, windows // (down * across), 1, parts)]
    rows = cut(height, windows // across, tile[0], -(-parts // batch))
    columns = cut(width, windows // tile[0], tile[1]) if windows < tile[0] * across else [(0, width)]
    return [Block((image, image + 1), row, column) for image in range(batch) for row in rows for column in columns]


def region(inputs: Array, block: Block, sizes: Sizes, workspace: Workspace, reach: Pair | None = None) -> Array:
    """The pixels that the windows of a block read, padding included: a view if there is none, else a copy.

    With ``reach``, so many rows and columns from the first pixel on; beyond the padded input there are zeros.
    """
    bounds = []
    for axis, (first, last) in enumerate((block.rows, block.columns)):
        start = first * sizes.strides[axis] - sizes.padding[axis][0]
        stop = start + (reach[axis] if reach else (last - 1 - first) * sizes.strides[axis] + sizes.extents[axis])
        size = inputs.shape[1 + axis]
        bounds.append((start, stop, min(max(start, 0), size), max(min(stop, size), 0)))
    (top, bottom, first_row, last_row), (left, right, first_column, last_column) = bounds
    inside = inputs[slice(*block.images), first_row:last_row, first_column:last_column]
    if (top, bottom, left, right) == (first_row, last_row, first_column, last_column):
        return inside
    padded = workspace.array("region", (len(inside), bottom - top, right - left, inputs.shape[3]), inputs.dtype)
    rows, columns = slice(first_row - top, last_row - top), slice(first_column - left, last_column - left)
    for border in ((slice(0, rows.start), slice(None)), (slice(rows.stop, None), slice(None)),
                   (rows, slice(0, columns.start)), (rows, slice(columns.stop, None))):  # fmt: skip
        padded[:, border[0], border[1]] = 0
    padded[:, rows, columns] = inside
    return padded


def views(inputs: Array, block: Block, sizes: Sizes, workspace: Workspace) -> Array:
    """The windows of a block, by group of channels: a view of its region, of shape ``(B, oh, ow, g, c, kh, kw)``."""
    pixels = region(inputs, block, sizes, workspace)
    return grouped_patches(pixels, sizes.kernel, sizes.strides, sizes.dilation_rate)


def in_blocks(
    inputs: Array,
    kernel: Array,
    sizes: Sizes,
    compute: Callable[[Block, Array, Workspace], None],
    windows: int,
    tile: Pair = (1, 1),
    outputs: Array | None = None,
    spreads: bool = False,
) -> Array:
    """The output of a convolution, block by block, by several threads.

    Args:
        compute: gets a block, the part of the output that it is to fill, and a workspace.
        windows: of a block, at most.
        tile: rows and columns of windows that are computed together.
        outputs: where to put the output, if not into a new array.
        spreads: whether ``compute`` also multiplies pixels outside of a window, by zeros or by numbers that cancel.
            Then NaN or infinity would spread over the block; one that has some is computed again, window by window.
    """
    made = np.empty(sizes.output, inputs.dtype) if outputs is None else outputs

    def work(block: Block, workspace: Workspace) -> None:
        part = block.of(made)
        if not spreads:
            compute(block, part, workspace)
            return
        with np.errstate(over="ignore", invalid="ignore"):
            compute(block, part, workspace)
        if not all_finite(part):
            part[...] = conv2d(region(inputs, block, sizes, workspace), kernel, sizes.strides, sizes.dilation_rate)

    workers = _workers(sizes)
    parallel(work, blocks(made.shape, windows, tile, workers), workers)
    return made


def by_filters(
    convolve: Callable[[Array, Array], object], kernel: Array, sizes: Sizes, most: int, outputs: Array
) -> Array:
    """``convolve(kernel, outputs)`` for at most so many filters at a time: what it makes of a kernel takes memory.

    Groups stay together, because their filters belong to different channels.
    """
    filters = kernel.shape[3]
    for start, stop in cut(filters, most if sizes.groups == 1 else filters):
        convolve(kernel[..., start:stop], outputs[..., start:stop])
    return outputs


def _workers(sizes: Sizes) -> int:
    """How many threads to share a convolution among: all that there are, if there is enough to do.

    Roughly, in multiplications: a number read or written costs as much as thirty, and to call another thread as much as
    ten million.
    """
    work = math.prod(sizes.output) * (2 * sizes.depth + 30) + 30 * math.prod(sizes.inputs)
    return min(threads(), 1 + work // 20_000_000)


# A sum over blocks is shared among four: each takes every fourth block. Larger sums take less memory shared among two,
# or as two halves of the filters. It does not depend on the number of cores: the order of a sum changes its rounding.
# So many numbers are in these sums at a time:
_SUMS = 5_000_000


def sum_of_blocks(
    gradient: Array,
    sizes: Sizes,
    add: Callable[[Block, Array, Array, bool, Workspace], None],
    shape: tuple[int, ...],
    windows: int | Callable[[int], int],
    tile: Pair = (1, 1),
) -> Iterator[tuple[slice, Array]]:
    """The sum over all blocks of something of ``shape``: the gradient of a kernel, to which every window contributes.

    It comes a part of the filters at a time: which, and their sum, whose memory the next part gets.

    Args:
        gradient: that of the output, ``(B, oh, ow, c_out)``.
        add: gets a block, its part of the gradient, the array to add to, whether to write there instead because it has
            nothing in it yet, and a workspace.
        shape: of the sum, filters last.
        windows, tile: of a block, as in :func:`in_blocks`; or how many windows for so many filters.
    """
    each, filters = math.prod(shape[:-1]), shape[-1]  # numbers for each filter; filters
    lanes, chunks = next((share for share in ((4, 1), (2, 2)) if share[0] * each * filters <= _SUMS), (1, 2))
    parts = [(0, filters)]
    if sizes.groups == 1:  # the filters of several groups are side by side in the gradient, but not in the sum
        parts = cut(filters, _SUMS // (each * chunks), 1, chunks)
    most = windows if isinstance(windows, int) else windows(parts[0][1])
    pieces = blocks(gradient.shape, most, tile, lanes)
    memory = np.empty((chunks, lanes, each * max(stop - start for start, stop in parts)), gradient.dtype)

    def work(share: tuple[tuple[Pair, int], Array], workspace: Workspace) -> None:
        (part, lane), total = share
        of_part = gradient[..., slice(*part)] if sizes.groups == 1 else gradient
        for number, block in enumerate(pieces[lane::lanes]):
            add(block, block.of(of_part), total, number == 0, workspace)

    for first in range(0, len(parts), chunks):
        totals = {
            (part, lane): memory[number, lane, : each * (part[1] - part[0])].reshape(*shape[:-1], -1)
            for number, part in enumerate(parts[first : first + chunks])
            for lane in range(lanes)
        }
        parallel(work, list(totals.items()), _workers(sizes))
        for part in parts[first : first + chunks]:
            for lane in range(1, min(lanes, len(pieces))):
                totals[part, 0] += totals[part, lane]
            yield slice(*part), totals[part, 0]


def all_filters(parts: Iterable[tuple[slice, Array]], shape: tuple[int, ...]) -> Array:
    """What :func:`sum_of_blocks` gives, put together into an array of ``shape``."""
    return np.concatenate([total.copy() for _, total in parts], axis=-1).reshape(shape)


def multiply(rows: Array, columns: Array, outputs: Array, across: int = 1) -> None:
    """The product of each group, ``(g, n, k)`` times ``(g, k, across * f)``, into ``outputs``, ``(B, oh, ow, g * f)``.

    A row of the product is ``across`` neighbouring windows.
    """
    if len(rows) == 1 and outputs.flags.c_contiguous:
        np.matmul(rows[0], columns[0], out=outputs.reshape(rows.shape[1], -1))
        return
    product = np.matmul(rows, columns).reshape(len(rows), -1, across, columns.shape[2] // across)
    outputs[...] = product.transpose(1, 2, 0, 3).reshape(outputs.shape)


def add_product(one: Array, other: Array, total: Array, first: bool, workspace: Workspace) -> None:
    """Add the product of two stacks of matrices to ``total``; write it there if it is the ``first`` one."""
    if first:
        np.matmul(one, other, out=total)
    else:
        total += np.matmul(one, other, out=workspace.array("product", total.shape, total.dtype))


def windows_within(numbers: int, each: int) -> int:
    """Windows of a block whose arrays are to hold ``numbers``, if each window takes so many of them; at least one."""
    return max(numbers // each, 1)
