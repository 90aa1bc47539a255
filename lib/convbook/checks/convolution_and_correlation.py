"""The exercises of the lesson "Convolution and correlation"."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from convbook import ops
from convbook.checks._exercise import Exercise

__all__ = ["convolve", "difference", "edge_strength", "predict_echo"]

Array = NDArray[Any]

predict_echo = Exercise(
    lambda: [3, 1, 6, 2],
    cases=[()],
    mistakes={
        lambda: [1, 3, 2, 6]: "There the kernel is turned over: a clap at time 0 would be heard as 1 first, then as 3.",
        lambda: [1, 6]: "Those are the two moments at which the kernel fits. It also sounds before and after them.",
        lambda: [3, 2]: "That slides the kernel unflipped, and only where it fits.",
        lambda: [3, 1, 6]: "The hall answers the last sound with two numbers as well: one is missing.",
        lambda: [5, 1, 6]: "What is still to be heard at the end does not come back at time 0.",
    },
    hint="Write down the copy of (3, 1) that each of the three sounds starts, one below the other, and add up.",
    praise="Two copies that do not meet: 1 times (3, 1) from time 0 on, 2 times (3, 1) from time 2 on.",
)


def _slide(image: Array, kernel: Array, padding: Any = 0) -> Array:
    inputs, weights = np.asarray(image)[None, :, :, None], np.asarray(kernel)[:, :, None, None]
    outputs: Array = ops.conv(inputs, weights, padding=padding)[0, :, :, 0]
    return outputs


def _full(kernel: Array) -> tuple[int, int]:
    return kernel.shape[0] - 1, kernel.shape[1] - 1


def _convolve(image: Array, kernel: Array) -> Array:
    return _slide(image, kernel[::-1, ::-1], _full(kernel))


def _overwritten(image: Array, kernel: Array) -> Array:
    outputs = np.zeros((image.shape[0] + kernel.shape[0] - 1, image.shape[1] + kernel.shape[1] - 1))
    for i, j in np.ndindex(*image.shape):
        outputs[i : i + kernel.shape[0], j : j + kernel.shape[1]] = image[i, j] * kernel
    return outputs


def _numbers(*shape: int, seed: int) -> Array:
    return np.random.default_rng(seed).integers(-4, 5, size=shape).astype(float)


convolve = Exercise(
    _convolve,
    cases=[
        (np.array([[1.0, 0.0], [0.0, 0.0]]), np.array([[1.0, 2.0], [3.0, 4.0]])),
        (_numbers(4, 5, seed=0), _numbers(2, 3, seed=1)),
        (_numbers(3, 6, seed=2), _numbers(3, 3, seed=3)),
    ],
    mistakes={
        lambda X, K: _slide(X, K, _full(K)): "The kernel is turned by half a turn: that is the cross-correlation. The "
        "first case is one point of light; which picture should it become?",
        lambda X, K: _slide(X, K[::-1], _full(K)): "The kernel is flipped along one axis only; look at the columns.",
        lambda X, K: _slide(X, K[:, ::-1], _full(K)): "The kernel is flipped along one axis only; look at the rows.",
        lambda X, K: _slide(X, K[::-1, ::-1]): "Those are the places where the kernel fits; it paints beyond them.",
        lambda X, K: _slide(X, K): "Two things: the kernel is not flipped, and it also paints where it does not fit.",
        _overwritten: "Where two copies of the kernel overlap, the second replaces the first. Are they added?",
    },
    hint="Frame the image with kh - 1 rows and kw - 1 columns of zeros on every side. Which way round does the kernel "
    "lie under it?",
    praise="Each output collects what the pixels paint onto it.",
)


def _difference(f: Array, g: Array) -> Array:
    return np.convolve(f, np.asarray(g)[::-1])


difference = Exercise(
    _difference,
    cases=[
        (np.array([0.0, 0.25, 0.75]), np.array([0.0, 0.5, 0.3, 0.2])),
        (np.array([0.0, 0.1, 0.2, 0.3, 0.4]), np.array([0.0, 0.7, 0.2, 0.1])),
    ],
    mistakes={
        lambda f, g: np.convolve(f, g): "That is the distribution of the sum.",
        lambda f, g: np.convolve(f[::-1], g): "That is the second die minus the first.",
        lambda f, g: np.convolve(f[::-1], g[::-1]): "With both flipped it is the sum again, read backwards.",
        lambda f, g: np.correlate(f, g): "The right operation, cut to the places where one list lies within the other; "
        "every difference is asked for.",
    },
    hint="a - b is the sum of a and -b. What is the distribution of -b, as a list?",
    praise="A difference is a sum with the second one mirrored: a cross-correlation.",
)


def _strength(image: Array, across: Array, down: Array) -> Array:
    return np.hypot(_slide(image, across), _slide(image, down))


_CASES = [
    (_numbers(5, 6, seed=4), np.array([[1.0, 2.0], [0.0, -1.0]]), np.array([[0.0, 1.0], [3.0, 0.0]])),
    (_numbers(6, 4, seed=5), _numbers(3, 3, seed=6), _numbers(3, 3, seed=7)),
    (_numbers(6, 7, seed=8), _numbers(2, 3, seed=9), _numbers(2, 3, seed=10)),
]

edge_strength = Exercise(
    _strength,
    cases=_CASES,
    mistakes={
        lambda X, a, d: np.hypot(_slide(X, a[::-1, ::-1]), _slide(X, d[::-1, ::-1])): "The kernels are turned by half "
        "a turn. Some kernels hide that; these do not.",
        lambda X, a, d: np.abs(_slide(X, a)): "Only one direction: what does the second kernel say?",
        lambda X, a, d: np.abs(_slide(X, d)): "Only one direction: what does the first kernel say?",
        lambda X, a, d: _slide(X, a) + _slide(X, d): "An edge from bright to dark is as strong as one from dark to "
        "bright, and here the two may cancel: signs must go before you add.",
        lambda X, a, d: np.abs(_slide(X, a) + _slide(X, d)): "The sign goes too late: the two may have cancelled by "
        "then.",
        lambda X, a, d: np.abs(_slide(X, a)) + np.abs(_slide(X, d)): "A fair measure too, but one that favours slanted "
        "edges; the root of the sum of squares is asked for.",
        lambda X, a, d: _slide(X, a) ** 2 + _slide(X, d) ** 2: "The root is missing.",
        lambda X, a, d: np.hypot(_slide(X, a, "same"), _slide(X, d, "same")): "That map is as large as the image, with "
        "an edge to the black outside on its border. Keep the places where the kernel fits.",
        lambda X, a, d: np.hypot(_slide(X, a, _full(a)), _slide(X, d, _full(d))): "That map is larger than the image. "
        "Keep the places where the kernel fits.",
    },
    hint="Two maps from sliding the two kernels where they fit; then, at each place, the root of the sum of squares.",
    praise="Strong where either kernel answers, whatever the sign.",
)
