"""What the algorithms share: the sizes of the output, and the windows of the input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from convbook.shapes import effective_kernel, output_size

Array = NDArray[np.floating[Any]]


def output_shape(
    inputs: NDArray[Any], kernel_size: tuple[int, int], strides: tuple[int, int], dilation_rate: tuple[int, int]
) -> tuple[int, int]:
    """Height and width of the output for padded ``inputs`` of shape ``(B, H, W, C)``."""
    height, width = (
        output_size(inputs.shape[1 + axis], kernel_size[axis], strides[axis], 0, dilation_rate[axis]) for axis in (0, 1)
    )
    return height, width


def patches(
    inputs: NDArray[Any], kernel_size: tuple[int, int], strides: tuple[int, int], dilation_rate: tuple[int, int]
) -> NDArray[Any]:
    """Every window of ``inputs`` as a view of shape ``(B, oh, ow, C, kh, kw)``: no pixel is copied."""
    extent = tuple(effective_kernel(k, d) for k, d in zip(kernel_size, dilation_rate, strict=True))
    views = sliding_window_view(inputs, extent, axis=(1, 2))
    return views[:, :: strides[0], :: strides[1], :, :: dilation_rate[0], :: dilation_rate[1]]


def grouped_patches(
    inputs: Array, kernel_shape: tuple[int, ...], strides: tuple[int, int], dilation_rate: tuple[int, int]
) -> Array:
    """Every window that a kernel meets, by group of channels: a view of shape ``(B, oh, ow, g, C / g, kh, kw)``."""
    kernel_height, kernel_width, group_channels, _ = kernel_shape
    views = patches(inputs, (kernel_height, kernel_width), strides, dilation_rate)
    groups = inputs.shape[3] // group_channels
    return views.reshape(*views.shape[:3], groups, group_channels, kernel_height, kernel_width)


def pad(inputs: NDArray[Any], pairs: Sequence[tuple[int, int]], value: float = 0.0) -> NDArray[Any]:
    """``inputs`` with ``value`` around them, so many pixels before and after each spatial axis."""
    if not any(before or after for before, after in pairs):
        return inputs
    # As np.pad does it, but in a tenth of the time for small arrays: this runs in every step of a training.
    sizes = inputs.shape[1:-1]
    sums = (before + size + after for size, (before, after) in zip(sizes, pairs, strict=True))
    padded = np.full((inputs.shape[0], *sums, inputs.shape[-1]), value, inputs.dtype)
    inside = tuple(slice(before, before + size) for size, (before, _) in zip(sizes, pairs, strict=True))
    padded[(slice(None), *inside)] = inputs
    return padded


def all_finite(array: Array) -> bool:
    """Whether there is no NaN and no infinity in it. Its sum tells; False also where the sum overflows."""
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(np.add.reduce(array, axis=None)))


def kernel_phases(kernel: Array, strides: tuple[int, int]) -> Array:
    """The elements of a kernel by the phases of its strides: a view of shape ``(taps, s, taps, s, c, f)``.

    Element ``s * t + a`` is tap ``t`` of phase ``a``, and meets only the pixels ``a, a + s, a + 2 s, ...`` of a window.
    So a convolution with strides is one without, of all phases as channels. Zeros fill the last tap up.
    """
    (height, width, *rest), (down, across) = kernel.shape, strides
    taps = (-(-height // down), -(-width // across))
    full = np.zeros((taps[0] * down, taps[1] * across, *rest), kernel.dtype)
    full[:height, :width] = kernel
    return full.reshape(taps[0], down, taps[1], across, *rest)
