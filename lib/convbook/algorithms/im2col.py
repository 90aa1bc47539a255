"""Convolution as one matrix product.

Every window is copied into one row of ``X_col``, of shape ``(B * oh * ow, kh * kw * c)``; every filter is
one column of ``K_col``, of shape ``(kh * kw * c, c_out)``. The product of the two is the whole output. The
price is memory: a pixel stands in ``X_col`` once for each window it belongs to.

Source: document 002, "Implementation as Matrix Multiplication" (whose columns are our rows).
"""

from __future__ import annotations

import numpy as np

from convbook.algorithms._arrays import Array, grouped_patches


def conv2d(inputs: Array, kernel: Array, strides: tuple[int, int], dilation_rate: tuple[int, int]) -> Array:
    """Cross-correlation by im2col; arguments and result as in :mod:`convbook.algorithms`."""
    kernel_height, kernel_width, group_channels, filters = kernel.shape
    views = grouped_patches(inputs, kernel.shape, strides, dilation_rate)
    batch, height, width, groups = views.shape[:4]
    # (g, B, oh, ow, kh, kw, c): the group first, so that each group is one product of the stack.
    ordered = views.transpose(3, 0, 1, 2, 5, 6, 4)
    columns = ordered.reshape(groups, batch * height * width, kernel_height * kernel_width * group_channels)
    by_group = kernel.reshape(-1, groups, filters // groups).transpose(1, 0, 2)
    product: Array = np.matmul(columns, by_group)
    return product.transpose(1, 0, 2).reshape(batch, height, width, filters)
