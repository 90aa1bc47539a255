"""A convolution and the max pooling after it, in one.

The convolution's outputs serve the pooling alone, so they need not stand in the order of an image. The columns of the
band matrix are ordered by place within the pool: the product has, for each strip, ``ph * pw`` runs of numbers of
which the ``i``-th holds the windows at place ``i`` of their pools, and the pooling is the largest of ``ph * pw``
neighbouring runs. The separate layers instead pick every second number out of an image, row by row, which takes
NumPy longer than the convolution itself; and strips that serve a whole pool overlap less, so less is copied and
multiplied. A bias and an activation that never falls may follow the pooling in place of going before it, on
``ph * pw`` times fewer numbers: the largest stays the largest.

For one group, and for pools that do not overlap and need no padding.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from convbook.algorithms import banded
from convbook.algorithms._arrays import Array
from convbook.algorithms._blocks import Pair
from convbook.algorithms._threads import Workspace
from convbook.algorithms.banded import Plan

__all__ = ["Memory", "conv2d_max_pool", "gradients"]


class Memory(NamedTuple):
    """What the gradients need of the forward pass."""

    strips: Array
    matrix: Array
    candidates: Array  # (n, ph * pw, across * f): the convolution's outputs, by place within the pool
    largest: Array  # (n, across * f)
    input_shape: tuple[int, int, int, int]
    plan: Plan


def conv2d_max_pool(inputs: Array, kernel: Array, strides: Pair, dilation_rate: Pair,
                    pool: Pair) -> tuple[Array, Memory]:  # fmt: skip
    """Max pooling of the convolution of ``inputs``, ``(B, H, W, C)`` and already padded: ``(B, oh, ow, c_out)``."""
    batch, height, width, channels = inputs.shape
    made = banded.plan((height, width, channels), (kernel.shape[0], kernel.shape[1], kernel.shape[2], kernel.shape[3]),
                       strides, dilation_rate, pool)  # fmt: skip
    strips, matrix = banded.gather(inputs, made, Workspace())[0], banded.band(kernel, made)[0]
    candidates = (strips @ matrix).reshape(len(strips), pool[0] * pool[1], -1)
    largest: Array = candidates[:, 0]
    for place in range(1, candidates.shape[1]):
        largest = np.maximum(largest, candidates[:, place])
    memory = Memory(strips, matrix, candidates, largest, (batch, height, width, channels), made)
    return largest.reshape(batch, *made.output, kernel.shape[3]), memory


def gradients(memory: Memory, gradient: Array, want_inputs: bool) -> tuple[Array, Array | None]:
    """The gradients of the kernel and, if wanted, of the inputs, from that of the output.

    Of several windows of a pool that are equally large the first one gets the gradient, row by row.
    """
    strips, matrix, candidates, largest, input_shape, made = memory
    spread = np.empty_like(candidates)
    rest = gradient.reshape(largest.shape)
    for place in range(candidates.shape[1] - 1):
        taken = np.multiply(rest, candidates[:, place] == largest, out=spread[:, place])
        rest = rest - taken
    spread[:, -1] = rest
    by_strip = spread.reshape(len(strips), -1)
    kernel = banded.diagonal_sum(strips.T @ by_strip, made)
    if not want_inputs:
        return kernel, None
    return kernel, banded.scatter(by_strip @ matrix.T, input_shape, made)
