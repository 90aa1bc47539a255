"""The exercises of the lesson "Backpropagation"."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convbook import gradients
from convbook.checks._exercise import Exercise

__all__ = ["find_right", "pencil", "pixel_gradient", "predict_factors", "winner_gradient"]

predict_factors = Exercise(
    lambda: (6, 2, 2),
    cases=[()],
    mistakes={
        lambda: (6, 6, 2): "Does the formula for dX contain X?",
        lambda: (6, 2, 6): "Does the formula for db contain X?",
        lambda: (6, 6, 6): "Of the three formulas only one contains X.",
        lambda: (3, 2, 2): "Each product in dK has a factor from X and one from dY, and both have changed.",
        lambda: (5, 2, 2): "In dK a pixel and an entry of dY are multiplied: so are their factors.",
        lambda: (2, 6, 2): "Which of the two gradients is made with the pixels, and which with the weights?",
        lambda: (6, 1, 2): "dX does not contain X, but it does contain dY.",
        lambda: (6, 2, 1): "The bias gets a sum over dY, and all of dY has grown.",
    },
    hint="Look at the three formulas: which of X, K and dY does each of them contain?",
    praise="dK grows with X and dY, dX and db with dY alone.",
)

pencil = Exercise(
    lambda: [2, 1, 3, -5, 8, -4, 2],
    cases=[()],
    mistakes={
        lambda: [2, 1, -2, 5, -7, 6, 2]: "dX is made without the flip: which weight did Y_0 read X_0 with?",
        lambda: [1, 4, 3, -5, 8, -4, 2]: "dK is made with dY turned over. Nothing is flipped there.",
        lambda: [1, 2, 3, -5, 8, -4, 2]: "The two numbers of dK are exchanged: K_0 met X_0, X_1 and X_2.",
        lambda: [2, 1, 3, -5, 8, -4, 2 / 3]: "That is the mean of dY. Every output moves as much as the bias does.",
        lambda: [2, 1, -5, 8, 2]: "dX has as many numbers as X: the first and the last pixel were read too.",
    },
    hint="Seven numbers: two of dK, four of dX, one of db. For dK slide dY over X; for dX pad dY, flip K; for db add.",
    praise="Two sliding sums and a plain one.",
)


def _pixel_gradient(gradient: NDArray[Any], kernel: NDArray[Any], n: int, s: int) -> NDArray[Any]:
    pixels = np.zeros(n)
    for i, a in np.ndindex(len(gradient), len(kernel)):
        pixels[s * i + a] += gradient[i] * kernel[a]
    return pixels


def _overwritten(gradient: NDArray[Any], kernel: NDArray[Any], n: int, s: int) -> NDArray[Any]:
    pixels = np.zeros(n)
    for i, a in np.ndindex(len(gradient), len(kernel)):
        pixels[s * i + a] = gradient[i] * kernel[a]
    return pixels


def _without_unread(gradient: NDArray[Any], kernel: NDArray[Any], n: int, s: int) -> NDArray[Any]:
    return _pixel_gradient(gradient, kernel, s * (len(gradient) - 1) + len(kernel), s)


pixel_gradient = Exercise(
    _pixel_gradient,
    cases=[
        (np.array([1, 2]), np.array([2, -1, 3]), 6, 2),
        (np.array([1, 2, 0]), np.array([2, -1]), 4, 1),
        (np.array([3, -1, 2]), np.array([1, 4]), 9, 3),
        (np.array([1.5, -2, 1, 1]), np.array([1, 0, -2, 5]), 11, 2),
    ],
    mistakes={
        lambda gradient, kernel, n, s: _pixel_gradient(gradient, kernel[::-1], n, s): "The kernel is flipped. In the "
        "loops there is nothing to flip: which weight did output i read pixel s * i + a with?",
        lambda gradient, kernel, n, s: _pixel_gradient(gradient, kernel, n, 1): "The stride is not used: at which "
        "pixel does the window of output i begin?",
        _overwritten: "Where windows overlap, a pixel gets something from each of them. Is it added?",
        _without_unread: "Too short: pixels that no window reads have a gradient too.",
    },
    hint="Which pixel did output i read with weight a? Add gradient[i] times that weight there.",
    praise="Adding at the pixels that were read needs no flip, no padding and no dilation.",
)


def _winner_gradient(image: NDArray[Any], gradient: NDArray[Any], k: int, s: int) -> NDArray[Any]:
    batch = np.asarray(image, float)[None, :, :, None]
    return gradients.max_pool(batch, np.asarray(gradient, float)[None, :, :, None], k, s)[0, :, :, 0]


def _by_window(share: Callable[[NDArray[Any]], NDArray[Any]], add: bool = True) -> Callable[..., NDArray[Any]]:
    """A pooling's gradient, each window's given to its pixels as ``share`` says; or the last window's alone."""

    def function(image: NDArray[Any], gradient: NDArray[Any], k: int, s: int) -> NDArray[Any]:
        pixels = np.zeros(image.shape)
        for i, j in np.ndindex(*gradient.shape):
            place = np.s_[i * s : i * s + k, j * s : j * s + k]
            part = share(image[place])
            pixels[place] = np.where(part != 0, pixels[place] * add + part * gradient[i, j], pixels[place])
        return pixels

    return function


def _only(window: NDArray[Any], place: int) -> NDArray[Any]:
    part = np.zeros(window.shape)
    part.flat[place] = 1
    return part


winner_gradient = Exercise(
    _winner_gradient,
    cases=[
        (np.array([[1, 3, 0, 4], [5, 1, 3, 0], [2, 1, 1, 3], [2, 4, 9, 3]]), np.array([[1, 2], [4, 8]]), 2, 2),
        (np.array([[7, 7, 1], [0, 7, 2], [1, 2, 2]]), np.array([[3, 1], [-2, 5]]), 2, 1),
        (np.array([[0, 1, 0, 2, 0], [3, 0, 9, 0, 1], [0, 1, 0, 2, 2]]), np.array([[2, 3]]), 3, 2),
        (np.array([[-5, -2], [-2, -7]]), np.array([[4]]), 2, 2),
    ],
    mistakes={
        _by_window(lambda window: (window == window.max()) * 1.0): "Where two numbers tie, the first of them gets "
        "everything and the second nothing.",
        _by_window(lambda window: _only(window, window.size - 1 - int(window.ravel()[::-1].argmax()))): "Where two "
        "numbers tie, you take the last; the first, row by row, is asked for.",
        _by_window(lambda window: _only(window, int(window.argmax())), add=False): "A pixel that wins in several "
        "windows gets the sum of their gradients.",
        _by_window(lambda window: np.full(window.shape, 1 / window.size)): "That is average pooling: everyone gets "
        "a share.",
        _by_window(lambda window: _only(window, int(window.argmin()))): "That goes to the smallest number of the "
        "window.",
    },
    hint="window.argmax() counts row by row from 0: turn it into a row and a column, and add gradient[i, j] there.",
    praise="The winner takes all, and adds up what it wins in several windows.",
)


class _Named:
    """A function that shows its name in the checker's line."""

    def __init__(self, name: str, function: Callable[[NDArray[Any]], Any]) -> None:
        self.name, self.function = name, function

    def __call__(self, x: NDArray[Any]) -> float:
        return float(self.function(np.asarray(x, float)))

    def __repr__(self) -> str:
        return self.name


_Candidates = Sequence[NDArray[Any]]


def _nudged(f: Callable[[NDArray[Any]], float], x: NDArray[Any]) -> NDArray[Any]:
    point, slopes = np.array(x, float), np.zeros(x.shape)
    for place in np.ndindex(*x.shape):
        up, down = point.copy(), point.copy()
        up[place] += 1e-5
        down[place] -= 1e-5
        slopes[place] = (f(up) - f(down)) / 2e-5
    return slopes


def _errors(f: Callable[[NDArray[Any]], float], x: NDArray[Any], candidates: _Candidates) -> list[float]:
    nudged = _nudged(f, x)
    return [float(np.abs(candidate - nudged).max()) for candidate in candidates]


def _detective_cases() -> list[tuple[Any, ...]]:
    rng = np.random.default_rng(0)
    x, weights = rng.normal(size=5), rng.normal(size=5)
    square = rng.normal(size=(3, 3))
    cubes, product, squares = 3 * x**2, weights, 2 * square
    return [
        (_Named("the sum of cubes", lambda v: (v**3).sum()), x, [cubes[::-1], x**2, cubes]),
        (_Named("a product", lambda v: (v * weights).sum()), x, [product[::-1], product, product[::-1]]),
        (_Named("the sum of squares", lambda v: (v**2).sum()), square, [squares, squares.T, -squares]),
        (_Named("the sum of squares", lambda v: (v**2).sum()), square, [square, squares[::-1], squares]),
    ]


def _by_sums(f: Callable[[NDArray[Any]], float], x: NDArray[Any], candidates: _Candidates) -> int:
    total = _nudged(f, x).sum()
    return int(np.argmin([round(abs(float(candidate.sum() - total)), 6) for candidate in candidates]))


def _majority(f: Callable[[NDArray[Any]], float], x: NDArray[Any], candidates: _Candidates) -> int:
    middle = np.median(candidates, axis=0)
    return int(np.argmin([np.abs(candidate - middle).max() for candidate in candidates]))


find_right = Exercise(
    lambda f, x, candidates: int(np.argmin(_errors(f, x, candidates))),
    cases=_detective_cases(),
    mistakes={
        lambda f, x, candidates: int(np.argmax(_errors(f, x, candidates))): "That one is the farthest from what "
        "nudging finds.",
        _by_sums: "You compare sums. A gradient with its entries in the wrong order has the right sum.",
        _majority: "What most of them say need not be right: ask f.",
        lambda f, x, candidates: candidates[int(np.argmin(_errors(f, x, candidates)))]: "That is the gradient itself; "
        "its index in the list is asked for.",
    },
    hint="numerical_gradient(f, x) knows the answer. Which candidate is nearest to it, entry by entry?",
    praise="A gradient check settles the matter, whoever wrote the formula.",
)
