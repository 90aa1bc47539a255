"""One file per way to convolve, all with one signature.

Each module has a function

    ``conv2d(inputs, kernel, strides, dilation_rate)``

that takes ``inputs`` of shape ``(B, H, W, C)``, already padded, a ``kernel`` of shape
``(kh, kw, C / groups, c_out)``, two strides and two dilation rates, and returns the cross-correlation of
shape ``(B, oh, ow, c_out)`` in the dtype of ``inputs``. All give the same answer up to rounding. They
trust their arguments: ``convbook.ops.conv`` is the door where they are checked.

``naive``, ``windows``, ``im2col``, ``toeplitz`` and ``fft`` are written to be read. ``blocked``, ``banded``,
``pointwise``, ``depthwise``, ``kn2row``, ``overlap_save`` and ``winograd`` are for speed, and need little memory:
they take the padding as a fifth argument, ``((top, bottom), (left, right))``, and compute block by block.
"""

from __future__ import annotations

from convbook.algorithms.choice import (
    METHODS,
    RULES,
    Plan,
    Rule,
    check_method,
    convolve,
    input_gradient,
    kernel_gradient,
    plan,
)

__all__ = [
    "METHODS",
    "RULES",
    "Plan",
    "Rule",
    "check_method",
    "convolve",
    "input_gradient",
    "kernel_gradient",
    "plan",
]
