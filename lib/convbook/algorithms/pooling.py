"""Pooling, and its gradients: a window slides over each channel and keeps one number.

For images ``(B, H, W, C)``, already padded. Like the convolutions beside it, these functions trust their arguments:
``convbook.ops``, ``convbook.gradients`` and ``convbook.layers`` are the doors.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from convbook.algorithms._arrays import Array

__all__ = ["fold", "share_gradient", "winner_gradient"]


def fold(inputs: Array, pool_size: Sequence[int], strides: Sequence[int], ufunc: np.ufunc) -> Array:
    """Every window folded with ``ufunc`` (``np.maximum``, ``np.add``): ``(B, oh, ow, C)``.

    One spatial axis after the other, one strided slice for each place within the window: ``kw + kh`` passes.
    """
    total = inputs
    for axis in reversed(range(len(pool_size))):
        pool, stride = pool_size[axis], strides[axis]
        count = (total.shape[1 + axis] - pool) // stride + 1
        before = (slice(None),) * (1 + axis)
        parts = [total[(*before, slice(o, o + (count - 1) * stride + 1, stride))] for o in range(pool)]
        total = ufunc(parts[0], parts[1]) if pool > 1 else parts[0].copy()
        for part in parts[2:]:
            total = ufunc(total, part, out=total)
    return total


def _places(output: Sequence[int], pool_size: Sequence[int], strides: Sequence[int]) -> list[tuple[slice, ...]]:
    """For each place within the window, the pixels that stand there in all windows; row by row."""
    return [
        (slice(None), *(slice(o, o + (n - 1) * s + 1, s) for o, n, s in zip(offset, output, strides, strict=True)))
        for offset in np.ndindex(*pool_size)
    ]


def _send(result: Array, place: tuple[slice, ...], share: Array, overlap: bool) -> None:
    if overlap:
        result[place] += share
    else:  # no pixel is in two windows, and writing is faster than adding
        result[place] = share


def winner_gradient(inputs: Array, outputs: Array, gradient: Array, pool_size: Sequence[int],
                    strides: Sequence[int]) -> Array:  # fmt: skip
    """Each window's gradient to its largest pixel, the first of those if there are several.

    Args:
        inputs: as the pooling got them; ``outputs``: the maxima it found.
        gradient: with respect to ``outputs``.
    """
    result = np.zeros(inputs.shape, gradient.dtype)
    overlap = any(s < k for s, k in zip(strides, pool_size, strict=True))
    *places, last = _places(gradient.shape[1:-1], pool_size, strides)
    for place in places:
        # What is left of the gradient goes to the first pixel of the window that is the largest, and is gone.
        taken = gradient * (inputs[place] == outputs)
        _send(result, place, taken, overlap)
        gradient = gradient - taken
    _send(result, last, gradient, overlap)
    return result


def share_gradient(gradient: Array, input_shape: tuple[int, ...], pool_size: Sequence[int],
                   strides: Sequence[int]) -> Array:  # fmt: skip
    """Each window's gradient to all of its pixels alike: what a sum over the window hands back."""
    result = np.zeros(input_shape, gradient.dtype)
    overlap = any(s < k for s, k in zip(strides, pool_size, strict=True))
    for place in _places(gradient.shape[1:-1], pool_size, strides):
        _send(result, place, gradient, overlap)
    return result
