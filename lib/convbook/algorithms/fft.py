"""Convolution as a product of spectra.

The Fourier transform of a circular cross-correlation is the product of one transform with the complex
conjugate of the other, frequency by frequency. A circle as large as the padded image is enough: the
outputs that would wrap around are just those a "valid" correlation does not have. Strides are taken at the
end, so they save nothing here.

Source: document 003, "Is the Fourier Transform useful"; the convolution theorem.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from convbook.algorithms._arrays import Array, output_shape
from convbook.shapes import effective_kernel

Spectrum = NDArray[np.complexfloating[Any]]


def kernel_spectrum(kernel: Array, dilation_rate: tuple[int, int], size: tuple[int, int], groups: int) -> Spectrum:
    """The conjugate transform of a kernel on a circle of ``size``: ``(rows, frequencies, g, c, f)``."""
    # A dilated kernel is a kernel with zeros between its elements.
    extent = [effective_kernel(k, d) for k, d in zip(kernel.shape[:2], dilation_rate, strict=True)]
    spread = np.zeros((*extent, *kernel.shape[2:]), dtype=kernel.dtype)
    spread[:: dilation_rate[0], :: dilation_rate[1]] = kernel
    spectrum: Spectrum = np.conj(np.fft.rfft2(spread, size, axes=(0, 1)))
    return spectrum.reshape(*spectrum.shape[:3], groups, -1).transpose(0, 1, 3, 2, 4)


def circular(inputs: Array, spectrum: Spectrum) -> Array:
    """The circular cross-correlation of ``inputs``, ``(B, H, W, C)``, with a kernel of that spectrum."""
    size, (groups, channels, filters) = inputs.shape[1:3], spectrum.shape[2:]
    of_inputs = np.fft.rfft2(inputs, size, axes=(1, 2))
    by_group = of_inputs.reshape(*of_inputs.shape[:3], groups, channels)
    # One small matrix product over the channels for each frequency and group.
    product = np.matmul(by_group.transpose(1, 2, 3, 0, 4), spectrum).transpose(3, 0, 1, 2, 4)
    full: Array = np.fft.irfft2(product.reshape(*of_inputs.shape[:3], groups * filters), size, axes=(1, 2))
    return full


def conv2d(inputs: Array, kernel: Array, strides: tuple[int, int], dilation_rate: tuple[int, int]) -> Array:
    """Cross-correlation by FFT; arguments and result as in :mod:`convbook.algorithms`."""
    size, groups = (inputs.shape[1], inputs.shape[2]), inputs.shape[3] // kernel.shape[2]
    height, width = output_shape(inputs, (kernel.shape[0], kernel.shape[1]), strides, dilation_rate)
    full = circular(inputs, kernel_spectrum(kernel, dilation_rate, size, groups))
    bottom, right = (height - 1) * strides[0] + 1, (width - 1) * strides[1] + 1
    return np.ascontiguousarray(full[:, : bottom : strides[0], : right : strides[1]], dtype=inputs.dtype)
