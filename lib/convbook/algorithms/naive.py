"""The definition, loop by loop.

    Y[b, i, j, l] = sum over alpha, beta, c of  K[alpha, beta, c, l] * X[b, i*s + alpha*d, j*s + beta*d, c]

with stride ``s`` and dilation ``d``; channel ``c`` counts within the group of ``l``. Seven loops, one for
each index. It is here to be read and to be compared with, and takes minutes where the others take
milliseconds.

Source: document 000, Definition 5.3.
"""

from __future__ import annotations

import numpy as np

from convbook.algorithms._arrays import Array, output_shape


def conv2d(inputs: Array, kernel: Array, strides: tuple[int, int], dilation_rate: tuple[int, int]) -> Array:
    """Cross-correlation by the definition; arguments and result as in :mod:`convbook.algorithms`."""
    kernel_height, kernel_width, group_channels, filters = kernel.shape
    batch = inputs.shape[0]
    height, width = output_shape(inputs, (kernel_height, kernel_width), strides, dilation_rate)
    groups = inputs.shape[3] // group_channels
    outputs = np.zeros((batch, height, width, filters), dtype=inputs.dtype)
    for b in range(batch):
        for i in range(height):
            for j in range(width):
                for filter_index in range(filters):
                    group = filter_index // (filters // groups)
                    for alpha in range(kernel_height):
                        for beta in range(kernel_width):
                            for c in range(group_channels):
                                outputs[b, i, j, filter_index] += (
                                    kernel[alpha, beta, c, filter_index]
                                    * inputs[
                                        b,
                                        i * strides[0] + alpha * dilation_rate[0],
                                        j * strides[1] + beta * dilation_rate[1],
                                        group * group_channels + c,
                                    ]
                                )
    return outputs
