"""The exercises of the lesson "Locality"."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from convbook.checks._exercise import Exercise
from convbook.shapes import conv_parameters

__all__ = ["delta_of", "layers_needed", "predict_parameters", "window"]


predict_parameters = Exercise(
    lambda: conv_parameters(2 * 3 + 1, 1, 1),
    cases=[()],
    mistakes={
        lambda: 49: "Those are the weights; the layer learns one more number.",
        lambda: 36: "That is the loose count: offset 0 is missing, and so is the bias.",
        lambda: 37: "That is the loose count with a bias: offset 0 is missing.",
        lambda: 10: "Delta reaches to both sides of the middle: the window is wider than 3.",
        lambda: 50_000_000: "One filter serves all positions: nothing is learned per output pixel.",
    },
    hint="List the values that the offset a takes when delta is 3, and do not forget the bias.",
    praise="Seven by seven weights and one bias; the size of the image does not matter.",
)


def _offsets(m: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """The distances |a| and |b| of all offsets from -m to m, as a column and a row."""
    distance = np.abs(np.arange(-m, m + 1))
    return distance[:, np.newaxis], distance[np.newaxis]


def _window(m: int, delta: int) -> NDArray[Any]:
    a, b = _offsets(m)
    return np.asarray((a <= delta) & (b <= delta), int)


def _cross(m: int, delta: int) -> NDArray[Any]:
    a, b = _offsets(m)
    return np.asarray((a <= delta) | (b <= delta), int)


def _diamond(m: int, delta: int) -> NDArray[Any]:
    a, b = _offsets(m)
    return np.asarray(a + b <= delta, int)


def _open(m: int, delta: int) -> NDArray[Any]:
    a, b = _offsets(m)
    return np.asarray((a < delta) & (b < delta), int)


def _corner(m: int, delta: int) -> NDArray[Any]:
    mask = np.zeros((2 * m + 1, 2 * m + 1), int)
    mask[: 2 * delta + 1, : 2 * delta + 1] = 1
    return mask


window = Exercise(
    _window,
    cases=[(2, 1), (5, 1), (4, 3), (3, 0), (3, 3)],
    mistakes={
        _cross: "That is a cross: an offset that is small in one direction only is let through.",
        _diamond: "That is a diamond: the two offsets are limited one by one, not their sum.",
        _open: "An offset of exactly delta is still allowed.",
        _corner: "The window is as large as it should be, but offset (0, 0) is not in its middle.",
        lambda m, delta: 1 - _window(m, delta): "Ones and zeros have changed places.",
    },
    hint="Row 0 belongs to the offset a = -m. In which rows is |a| at most delta? And which columns?",
    praise="A square of (2 delta + 1)² ones around the middle, whatever m is.",
)


def _ceiling(number: int, divisor: int) -> int:
    return -(-number // divisor)


layers_needed = Exercise(
    lambda distance, delta: _ceiling(distance, 2 * delta),
    cases=[(27, 1), (28, 1), (2, 1), (3, 1), (27, 2), (60, 3), (999, 15)],
    mistakes={
        lambda distance, delta: distance // (2 * delta): "Rounded the wrong way: a part of a layer is a layer more.",
        lambda distance, delta: distance / (2 * delta): "There is no part of a layer.",
        lambda distance, delta: _ceiling(distance, delta): "That is how long one pixel needs to reach the other's "
        "place. They can meet half way.",
        lambda distance, delta: distance // delta: "That is how long one pixel needs to reach the other's place. "
        "They can meet half way.",
        lambda distance, delta: _ceiling(distance, 2 * delta + 1): "The window is 2 delta + 1 wide, but how much "
        "does a layer add to what is seen?",
        lambda distance, delta: _ceiling(distance + 1, 2 * delta): "Too many for a distance of 2 delta: there one "
        "layer has both in its window.",
    },
    hint="After n layers each pixel has reached n delta to both sides. When do the two reaches touch?",
    praise="Each layer brings the two nearer by 2 delta, delta from either side.",
)


def _shared_kernel(weights: NDArray[Any]) -> dict[tuple[int, int], float] | None:
    """The weight of every offset, or None if it depends on the position."""
    kernel: dict[tuple[int, int], float] = {}
    for (i, j, k, m), weight in np.ndenumerate(weights):
        if kernel.setdefault((k - i, m - j), weight) != weight:
            return None
    return kernel


def _delta_of(weights: NDArray[Any]) -> int | None:
    kernel = _shared_kernel(weights)
    if kernel is None:
        return None
    return max(max(abs(a), abs(b)) for (a, b), weight in kernel.items() if weight)


def _reach(weights: NDArray[Any], combine: Any) -> int:
    """The largest offset of any weight but zero, with the two directions combined in some way."""
    return max(int(combine((abs(k - i), abs(m - j)))) for (i, j, k, m), w in np.ndenumerate(weights) if w)


def _if_shared(rule: Any) -> Any:
    return lambda weights: None if _shared_kernel(weights) is None else rule(weights)


def _layer(n: int, kernel: dict[tuple[int, int], int]) -> NDArray[Any]:
    """The weights W[i, j, k, l] of the shared layer that has these weights by offset."""
    weights = np.zeros((n, n, n, n), int)
    for i, j, k, m in np.ndindex(weights.shape):
        weights[i, j, k, m] = kernel.get((k - i, m - j), 0)
    return weights


def _tensors() -> list[NDArray[Any]]:
    square = {(a, b): 3 * a + b + 5 for a in (-1, 0, 1) for b in (-1, 0, 1)}
    cross = {(a, b): 1 + a * a + b for a in range(-4, 5) for b in range(-4, 5) if 0 in (a, b)}
    cross |= {(0, -1): 7}
    up_left = {(0, 0): 1, (1, 0): 2, (-3, -2): 4}
    unshared = _layer(5, square)
    unshared[2, 3, 2, 4] += 1
    dense = np.arange(1, 257).reshape(4, 4, 4, 4)
    return [_layer(5, square), _layer(4, {(0, 0): 2}), _layer(6, up_left), _layer(5, cross), unshared, dense]


delta_of = Exercise(
    _delta_of,
    cases=[(tensor,) for tensor in _tensors()],
    mistakes={
        lambda weights: _reach(weights, max): "One of these layers has weights that depend on (i, j). First compare "
        "all weights of the same offset.",
        _if_shared(lambda weights: _reach(weights, min)): "With the smaller of |a| and |b| a cross passes for local: "
        "the word is OR.",
        _if_shared(lambda weights: _reach(weights, sum)): "The two offsets count one by one, not added up.",
        _if_shared(lambda weights: 2 * _reach(weights, max) + 1): "That is the size of the window. Delta is how far "
        "it reaches from its middle.",
        _if_shared(lambda weights: _reach(weights[:1, :1], max)): "The top left output pixel sees offsets of one "
        "sign only. What of those to the left and above?",
    },
    hint="The weight W[i, j, k, l] has the offset a = k - i, b = l - j. Go through all four indices.",
    praise="Shared: one weight for each offset. Local: no weight beyond delta, in either direction.",
)
