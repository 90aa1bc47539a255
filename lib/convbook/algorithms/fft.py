"""Convolution as a product of spectra.

The Fourier transform of a circular cross-correlation is the product of one transform with the complex
conjugate of the other, frequency by frequency. A circle as large as the padded image is enough: the
outputs that would wrap around are just those a "valid" correlation does not have. Strides are taken at the
end, so they save nothing here.

Source: document 003, "Is the Fourier Transform useful"; the convolution theorem.
"""

from __future__ import annotations

import numpy as np

from convbook.algorithms._arrays import Array, output_shape
from convbook.shapes import effective_kernel


def conv2d(inputs: Array, kernel: Array, strides: tuple[int, int], dilation_rate: tuple[int, int]) -> Array:
    """Cross-correlation by FFT; arguments and result as in :mod:`convbook.algorithms`."""
    kernel_height, kernel_width, group_channels, filters = kernel.shape
    batch, rows, columns, channels = inputs.shape
    groups = channels // group_channels
    height, width = output_shape(inputs, (kernel_height, kernel_width), strides, dilation_rate)

    # A dilated kernel is a kernel with zeros between its elements.
    extent = [effective_kernel(k, d) for k, d in zip(kernel.shape[:2], dilation_rate, strict=True)]
    spread = np.zeros((*extent, group_channels, filters), dtype=kernel.dtype)
    spread[:: dilation_rate[0], :: dilation_rate[1]] = kernel

    size = (rows, columns)
    input_spectrum = np.fft.rfft2(inputs, size, axes=(1, 2))
    kernel_spectrum = np.conj(np.fft.rfft2(spread, size, axes=(0, 1)))
    frequencies = input_spectrum.shape[1:3]
    input_spectrum = input_spectrum.reshape(batch, *frequencies, groups, group_channels)
    kernel_spectrum = kernel_spectrum.reshape(*frequencies, group_channels, groups, filters // groups)
    # One small matrix product over the channels for each frequency and group.
    product = np.matmul(input_spectrum.transpose(1, 2, 3, 0, 4), kernel_spectrum.transpose(0, 1, 3, 2, 4))
    spectrum = product.transpose(3, 0, 1, 2, 4).reshape(batch, *frequencies, filters)

    full = np.fft.irfft2(spectrum, size, axes=(1, 2))
    bottom, right = (height - 1) * strides[0] + 1, (width - 1) * strides[1] + 1
    return np.ascontiguousarray(full[:, : bottom : strides[0], : right : strides[1]], dtype=inputs.dtype)
