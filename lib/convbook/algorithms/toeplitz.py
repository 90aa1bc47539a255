"""Convolution as multiplication by one sparse, structured matrix.

``matrix`` lays the kernel out as the weights of the fully connected layer that does the same: one row for
each output, one column for each input, zeros where nothing is connected. In one dimension the rows are
shifted copies of each other (a Toeplitz matrix); in two, the blocks repeat in the same way (doubly
blocked). The zeros are stored, so this is for seeing, not for large images.

Source: document 003, "Convolution Operation"; document 000, Concept 5.9.
"""

from __future__ import annotations

import math

import numpy as np

from convbook.algorithms._arrays import Array, output_shape, patches

# One gibibyte of float32: enough for one channel of 128 x 128 pixels in and one out.
_LARGEST = 2**28


def matrix(
    input_shape: tuple[int, int, int],
    kernel: Array,
    strides: tuple[int, int] = (1, 1),
    dilation_rate: tuple[int, int] = (1, 1),
) -> Array:
    """The matrix ``A`` with ``A @ X.ravel() == conv(X).ravel()`` for one (padded) image.

    Args:
        input_shape: ``(H, W, C)``.
        kernel: ``(kh, kw, C / groups, c_out)``.

    Returns:
        ``(oh * ow * c_out, H * W * C)``, in the dtype of ``kernel``.

    Raises:
        ValueError: the matrix would have more than 2**28 entries.
    """
    kernel_height, kernel_width, group_channels, filters = kernel.shape
    inputs = math.prod(input_shape)
    groups = input_shape[2] // group_channels
    index = np.arange(inputs).reshape(1, *input_shape)
    height, width = output_shape(index, (kernel_height, kernel_width), strides, dilation_rate)
    outputs = height * width * filters
    if outputs * inputs > _LARGEST:
        raise ValueError(
            f"method: 'toeplitz' needs a matrix of {outputs} x {inputs} here, expected at most {_LARGEST} entries; "
            "use 'im2col' or 'fft'"
        )
    # Which input each kernel element meets, for every output position: (oh * ow, g, c * kh * kw).
    read = patches(index, (kernel_height, kernel_width), strides, dilation_rate)
    read = read.reshape(height * width, groups, group_channels * kernel_height * kernel_width)
    weights = kernel.transpose(2, 0, 1, 3).reshape(-1, groups, filters // groups)
    full = np.zeros((height * width, groups, filters // groups, inputs), dtype=kernel.dtype)
    np.put_along_axis(full, read[:, :, np.newaxis, :], weights.transpose(1, 2, 0)[np.newaxis], axis=3)
    return full.reshape(outputs, inputs)


def conv2d(inputs: Array, kernel: Array, strides: tuple[int, int], dilation_rate: tuple[int, int]) -> Array:
    """Cross-correlation by a Toeplitz matrix; arguments and result as in :mod:`convbook.algorithms`."""
    batch, rows, columns, channels = inputs.shape
    height, width = output_shape(inputs, (kernel.shape[0], kernel.shape[1]), strides, dilation_rate)
    weights = matrix((rows, columns, channels), kernel, strides, dilation_rate)
    product: Array = inputs.reshape(batch, rows * columns * channels) @ weights.T
    return product.reshape(batch, height, width, kernel.shape[3])
