"""The gradients of the operations in ``convbook.ops``: what backpropagation needs of each.

Every function takes ``gradient``, the gradient of a scalar loss with respect to the output of the operation, and
returns that with respect to one of its arguments, in that argument's shape. ``strides``, ``padding``,
``data_format`` and ``dilation_rate`` mean what they mean there, and are to be those of the forward pass.

Bad input is refused as in ``convbook.ops``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from convbook import algorithms
from convbook.algorithms import pooling
from convbook.algorithms._arrays import Array, pad
from convbook.ops import (
    PaddingLike,
    Pairs,
    _as_2d,
    _channels_last,
    _check_fits,
    _check_kernel,
    _common_dtypes,
    _padding_pairs,
    _per_axis,
    _pool_windows,
    _real_array,
    _restore,
    _unpad,
)
from convbook.shapes import _integer, output_size

__all__ = ["average_pool", "conv_input", "conv_kernel", "max_pool"]


def _shape(value: Any, name: str, rank: int | None = None) -> tuple[int, ...]:
    """``value`` as a shape of rank 3 or 4, or of the ``rank`` asked for."""
    if not isinstance(value, Sequence):
        raise TypeError(f"{name}: got {value!r}, expected a shape such as (8, 28, 28, 1)")
    shape = tuple(_integer(size, name, 0, value) for size in value)
    if len(shape) != rank if rank is not None else len(shape) not in (3, 4):
        raise ValueError(f"{name}: got {shape} of rank {len(shape)}, expected rank {rank or '3 or 4'}")
    return shape


def _check_gradient(gradient: NDArray[Any], expected: tuple[int, ...]) -> None:
    if gradient.shape != expected:
        raise ValueError(
            f"gradient: got shape {gradient.shape}, expected {expected} (channels last), the shape of the output"
        )


def _windows(sizes: Sequence[int], kernel_size: Sequence[int], strides: int | Sequence[int],
             padding: PaddingLike, dilation_rate: int | Sequence[int],
             name: str) -> tuple[tuple[int, ...], tuple[int, ...], Pairs, tuple[int, ...]]:  # fmt: skip
    """Strides, dilations, paddings and output sizes of a convolution, checked."""
    axes = len(sizes)
    stride, dilation = _per_axis(strides, "strides", axes), _per_axis(dilation_rate, "dilation_rate", axes)
    pairs = _padding_pairs(padding, sizes, kernel_size, stride, dilation)
    _check_fits(sizes, kernel_size, dilation, pairs, name)
    return stride, dilation, pairs, tuple(map(output_size, sizes, kernel_size, stride, pairs, dilation))


def _check_channels(channels: int, kernel_shape: tuple[int, ...], name: str) -> None:
    group_channels, filters = kernel_shape[-2:]
    if 0 in kernel_shape or channels % group_channels or filters % (channels // group_channels):
        raise ValueError(
            f"{name}: got {kernel_shape} for {channels} input channels, expected (..., c_in / groups, c_out) with "
            "groups that divide both"
        )


def conv_kernel(
    inputs: ArrayLike,
    gradient: ArrayLike,
    kernel_shape: Sequence[int],
    strides: int | Sequence[int] = 1,
    padding: PaddingLike = "valid",
    data_format: str | None = "channels_last",
    dilation_rate: int | Sequence[int] = 1,
) -> Array:
    """The gradient of ``ops.conv(inputs, kernel, ...)`` with respect to ``kernel``.

    ``dK[x, y, c, f]`` is the sum over images and places ``(i, j)`` of ``X[s i + d x, s j + d y, c] dY[i, j, f]``: the
    input correlated with the output's gradient, whose elements a stride of ``s`` sets ``s`` pixels apart.

    Args:
        inputs: ``(B, H, W, C)`` or ``(B, L, C)``, as the convolution got them.
        gradient: ``(B, oh, ow, c_out)`` or ``(B, ol, c_out)``, with respect to its output.
        kernel_shape: ``(kh, kw, C / groups, c_out)`` or ``(k, C / groups, c_out)``.

    Returns:
        The gradient, of shape ``kernel_shape``.

    Raises:
        TypeError, ValueError: as :func:`convbook.ops.conv`; and where the shape of ``gradient`` is not that of the
            output.

    Source: document 004, "Invariance in deep learning" (the operation); LeCun et al. (1998), section II (shared
    weights: the gradient is the sum over the places that share them).
    """
    array, change = _real_array(inputs, "inputs"), _real_array(gradient, "gradient")
    array, change = _channels_last(array, data_format), _channels_last(change, data_format, "gradient")
    axes = array.ndim - 2
    shape = _shape(kernel_shape, "kernel_shape", axes + 2)
    _check_channels(array.shape[-1], shape, "kernel_shape")
    stride, dilation, pairs, output = _windows(
        array.shape[1:-1], shape[:axes], strides, padding, dilation_rate, "kernel_shape"
    )
    _check_gradient(change, (array.shape[0], *output, shape[-1]))
    dtype, compute = _common_dtypes(array, change)
    array, change = array.astype(compute, copy=False), change.astype(compute, copy=False)
    shape_2d = shape
    if axes == 1:
        array, change, shape_2d = _as_2d(array, 1), _as_2d(change, 1), (1, *shape)
        stride, dilation, pairs = (1, *stride), (1, *dilation), ((0, 0), *pairs)
    result = algorithms.kernel_gradient(
        array, change, shape_2d, (stride[0], stride[1]), (dilation[0], dilation[1]), (pairs[0], pairs[1])
    )
    return np.ascontiguousarray(result.reshape(shape), dtype=dtype)


def conv_input(
    gradient: ArrayLike,
    kernel: ArrayLike,
    input_shape: Sequence[int],
    strides: int | Sequence[int] = 1,
    padding: PaddingLike = "valid",
    data_format: str | None = "channels_last",
    dilation_rate: int | Sequence[int] = 1,
) -> Array:
    """The gradient of ``ops.conv(inputs, kernel, ...)`` with respect to ``inputs``.

    Each output sends its gradient back to the pixels of its window, weighted as it read them: a full convolution of
    the output's gradient, its elements ``s`` pixels apart, with the kernel turned by 180 degrees.

    Args:
        gradient: ``(B, oh, ow, c_out)`` or ``(B, ol, c_out)``, with respect to the output.
        kernel: ``(kh, kw, C / groups, c_out)`` or ``(k, C / groups, c_out)``.
        input_shape: ``(B, H, W, C)`` or ``(B, L, C)``, in ``data_format``: several inputs give one output shape.

    Returns:
        The gradient, of shape ``input_shape``. Pixels that no window reads get 0.

    Raises:
        TypeError, ValueError: as :func:`conv_kernel`.

    Source: Dumoulin and Visin (2016), chapter 4.
    """
    change, weights = _real_array(gradient, "gradient"), _real_array(kernel, "kernel")
    change = _channels_last(change, data_format, "gradient")
    shape = _shape(input_shape, "input_shape", change.ndim)
    if data_format == "channels_first":
        shape = (shape[0], *shape[2:], shape[1])
    axes = len(shape) - 2
    _check_kernel(weights, axes)
    _check_channels(shape[-1], weights.shape, "kernel")
    sizes = shape[1:-1]
    stride, dilation, pairs, output = _windows(sizes, weights.shape[:axes], strides, padding, dilation_rate, "kernel")
    _check_gradient(change, (shape[0], *output, weights.shape[-1]))
    dtype, compute = _common_dtypes(change, weights)
    change, weights = change.astype(compute, copy=False), weights.astype(compute, copy=False)
    if axes == 1:
        change, weights = _as_2d(change, 1), _as_2d(weights, 0)
        shape, stride, dilation, pairs = (shape[0], 1, *shape[1:]), (1, *stride), (1, *dilation), ((0, 0), *pairs)
    result = algorithms.input_gradient(
        change, weights, shape, (stride[0], stride[1]), (dilation[0], dilation[1]), (pairs[0], pairs[1])
    )
    return _restore(result[:, 0] if axes == 1 else result, data_format, dtype)


def _pool(inputs: ArrayLike, gradient: ArrayLike, pool_size: int | Sequence[int],
          strides: int | Sequence[int] | None, padding: PaddingLike, data_format: str | None,
          maximum: bool) -> Array:  # fmt: skip
    """The gradient of a pooling; the values of ``inputs`` matter only for the maximum."""
    array, change = _real_array(inputs, "inputs"), _real_array(gradient, "gradient")
    array, change = _channels_last(array, data_format), _channels_last(change, data_format, "gradient")
    sizes = array.shape[1:-1]
    pool, stride, pairs = _pool_windows(array, pool_size, strides, padding)
    output = map(output_size, sizes, pool, stride, pairs)
    _check_gradient(change, (array.shape[0], *output, array.shape[-1]))
    dtype, compute = _common_dtypes(array, change)
    change = change.astype(compute, copy=False)
    padded = pad(array.astype(compute, copy=False), pairs, -np.inf if maximum else 0.0)
    if not maximum:
        inside = pad(np.ones((1, *sizes, 1), compute), pairs)
        share = change / pooling.fold(inside, pool, stride, np.add)
        result = pooling.share_gradient(share, padded.shape, pool, stride)
    else:
        largest = pooling.fold(padded, pool, stride, np.maximum)
        result = pooling.winner_gradient(padded, largest, change, pool, stride)
    return _restore(_unpad(result, pairs), data_format, dtype)


def max_pool(
    inputs: ArrayLike,
    gradient: ArrayLike,
    pool_size: int | Sequence[int],
    strides: int | Sequence[int] | None = None,
    padding: PaddingLike = "valid",
    data_format: str | None = "channels_last",
) -> Array:
    """The gradient of ``ops.max_pool(inputs, ...)``: each window's goes to its largest pixel.

    Of several that are equally large the first one gets it, row by row, as in TensorFlow. A pixel that is the
    largest of several windows gets the sum.

    Args:
        inputs: ``(B, H, W, C)`` or ``(B, L, C)``, as the pooling got them.
        gradient: ``(B, oh, ow, C)`` or ``(B, ol, C)``, with respect to its output.

    Returns:
        The gradient, in the shape of ``inputs``.

    Raises:
        TypeError, ValueError: as :func:`convbook.ops.max_pool`; and where the shape of ``gradient`` is not that of
            the output.
    """
    return _pool(inputs, gradient, pool_size, strides, padding, data_format, True)


def average_pool(
    gradient: ArrayLike,
    input_shape: Sequence[int],
    pool_size: int | Sequence[int],
    strides: int | Sequence[int] | None = None,
    padding: PaddingLike = "valid",
    data_format: str | None = "channels_last",
) -> Array:
    """The gradient of ``ops.average_pool``: each window's, shared equally among its real pixels.

    Args:
        gradient: ``(B, oh, ow, C)`` or ``(B, ol, C)``, with respect to the output.
        input_shape: ``(B, H, W, C)`` or ``(B, L, C)``, in ``data_format``. The values do not matter.

    The result, and the errors, are those of :func:`max_pool`.
    """
    change = _real_array(gradient, "gradient")
    blank = np.broadcast_to(np.zeros((), change.dtype), _shape(input_shape, "input_shape"))
    return _pool(blank, change, pool_size, strides, padding, data_format, False)
