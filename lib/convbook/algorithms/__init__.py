"""One file per way to convolve, all with one signature.

Each module has a function

    ``conv2d(inputs, kernel, strides, dilation_rate)``

that takes ``inputs`` of shape ``(B, H, W, C)``, already padded, a ``kernel`` of shape
``(kh, kw, C / groups, c_out)``, two strides and two dilation rates, and returns the cross-correlation of
shape ``(B, oh, ow, c_out)`` in the dtype of ``inputs``. All give the same answer up to rounding. They
trust their arguments: ``convbook.ops.conv`` is the door where they are checked.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from convbook.algorithms import banded, fft, im2col, naive, toeplitz, windows
from convbook.algorithms._arrays import Array

__all__ = ["METHODS", "Algorithm", "banded", "choose", "fft", "im2col", "naive", "toeplitz", "windows"]

Algorithm = Callable[[Array, Array, tuple[int, int], tuple[int, int]], Array]

METHODS: dict[str, Algorithm] = {
    "naive": naive.conv2d,
    "windows": windows.conv2d,
    "im2col": im2col.conv2d,
    "banded": banded.conv2d,
    "toeplitz": toeplitz.conv2d,
    "fft": fft.conv2d,
}

# These multiply pixels by zeros outside of the window (0 * inf is NaN), so one NaN or infinity would spread
# over a part of the map or all of it. The definition keeps it to the windows that contain it.
_FINITE_ONLY = {"banded", "toeplitz", "fft"}


def choose(method: str, inputs: Array, kernel: Array) -> Algorithm:
    """The algorithm that ``method`` names; ``"auto"`` is im2col, one large matrix product.

    Where an input is NaN or infinite, an algorithm that would spread it gives way to ``windows``.

    Raises:
        ValueError: no algorithm has that name.
    """
    name = "im2col" if method == "auto" else method
    if not isinstance(name, str) or name not in METHODS:
        names = ", ".join(repr(known) for known in ["auto", *METHODS])
        raise ValueError(f"method: got {method!r}, expected one of {names}")
    if name in _FINITE_ONLY and not (np.isfinite(inputs).all() and np.isfinite(kernel).all()):
        name = "windows"
    return METHODS[name]
