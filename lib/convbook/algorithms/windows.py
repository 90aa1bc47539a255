"""All windows at once, as a view.

``patches`` shows the input as ``(B, oh, ow, C, kh, kw)`` without copying a pixel; the sum over the last
three axes is one ``einsum``, whose subscripts are the indices of the definition.
"""

from __future__ import annotations

import numpy as np

from convbook.algorithms._arrays import Array, grouped_patches


def conv2d(inputs: Array, kernel: Array, strides: tuple[int, int], dilation_rate: tuple[int, int]) -> Array:
    """Cross-correlation over window views; arguments and result as in :mod:`convbook.algorithms`."""
    kernel_height, kernel_width, group_channels, filters = kernel.shape
    views = grouped_patches(inputs, kernel.shape, strides, dilation_rate)
    batch, height, width, groups = views.shape[:4]
    by_group = kernel.reshape(kernel_height, kernel_width, group_channels, groups, filters // groups)
    outputs: Array = np.einsum("bijgcxy,xycgl->bijgl", views, by_group)
    return outputs.reshape(batch, height, width, filters)
