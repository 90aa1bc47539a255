"""The exercises of the lesson "Pooling"."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from convbook.checks._exercise import Exercise
from convbook.shapes import output_size

__all__ = ["places", "predict_shape", "read_again", "unpool"]


def _shape() -> tuple[int, int, int]:
    size = output_size(output_size(output_size(31, 3, 2), 5), 2, 2)
    return size, size, 16


predict_shape = Exercise(
    _shape,
    cases=[()],
    mistakes={
        lambda: (5, 5, 6): "Pooling keeps the number of channels. Does the convolution?",
        lambda: (6, 6, 16): "The last pooling has a row of pixels left over, and no window for it.",
        lambda: (5.5, 5.5, 16): "There is no half window: what happens to a row that is left over?",
        lambda: (7, 7, 16): "The convolution has no padding, so it takes something away.",
        lambda: (24, 24, 16): "Both poolings move by two pixels at a time.",
        lambda: (16, 5, 5): "The numbers are the right ones; in this book the channels come last.",
    },
    hint="Take one layer after the other, with the formula for the size; which of them decides about the channels?",
    praise="Both poolings change the size alone, the convolution the channels as well.",
)


def _read_again(n: int, m: int) -> int:
    stride = n // m
    windows = np.zeros(n, int)
    for i in range(m):
        windows[i * stride : n - (m - 1 - i) * stride] += 1
    return int((windows > 1).sum())


read_again = Exercise(
    _read_again,
    cases=[(26, 4), (28, 4), (38, 4), (11, 4), (10, 3), (9, 1), (15, 2)],
    mistakes={
        lambda n, m: (m - 1) * (n % m): "Right as long as no three windows meet. Where they do, count each pixel once.",
        lambda n, m: n % m: "That is what two neighbours share. How many pairs of neighbours are there?",
        lambda n, m: m * (n % m): "Between m windows there are not m places where two meet.",
        lambda n, m: 0: "Try n = 10 and m = 3: where do the three windows begin, and where do they end?",
        lambda n, m: n - (m - 1) * (n // m): "That is the size of a window.",
        lambda n, m: n - _read_again(n, m): "Those are the pixels that lie in one window only.",
    },
    hint="Window i begins at pixel i * s. Count for every pixel in how many windows it lies.",
    praise="The windows overlap wherever m does not divide n: that is the price of reading every pixel.",
)


def _places(image: NDArray[Any], k: int) -> NDArray[np.intp]:
    height, width = image.shape[0] // k, image.shape[1] // k
    windows = image[: height * k, : width * k].reshape(height, k, width, k).swapaxes(1, 2).reshape(height, width, -1)
    rows, columns = np.divmod(windows.argmax(axis=-1), k)
    rows, columns = rows + np.arange(height)[:, None] * k, columns + np.arange(width) * k
    return np.asarray(rows * image.shape[1] + columns)


def _within(image: NDArray[Any], k: int) -> NDArray[np.intp]:
    rows, columns = np.divmod(_places(image, k), image.shape[1])
    return np.asarray(rows % k * k + columns % k)


def _maxima(image: NDArray[Any], k: int) -> NDArray[Any]:
    return np.asarray(image.ravel()[_places(image, k)])


def _by_height(image: NDArray[Any], k: int) -> NDArray[np.intp]:
    rows, columns = np.divmod(_places(image, k), image.shape[1])
    return np.asarray(rows * image.shape[0] + columns)


def _first_pixels(image: NDArray[Any], k: int) -> NDArray[np.intp]:
    rows, columns = np.mgrid[: image.shape[0] // k, : image.shape[1] // k] * k
    return np.asarray(rows * image.shape[1] + columns)


# Different numbers in every image, so that each window has one largest; one case has rows and columns left over.
_CASES = [
    (np.array([[1, 9], [4, 2], [0, 3], [8, 5]]), 2),
    (np.random.default_rng(1).permutation(48).reshape(6, 8), 2),
    (np.random.default_rng(2).permutation(77).reshape(7, 11) - 80.0, 3),
]

places = Exercise(
    _places,
    cases=_CASES,
    mistakes={
        _within: "That is the place within the window; add where the window begins.",
        _maxima: "Those are the largest numbers themselves; we want their places.",
        _by_height: "How many places does one row of the image take up: its height or its width?",
        _first_pixels: "That is where each window begins, not where its largest number is.",
        lambda image, k: _places(-image, k): "Those are the places of the smallest numbers.",
    },
    hint="Find the row and the column in the window, add those of the window's first pixel, and remember how long a "
    "row of the image is.",
    praise="With the places kept, nothing about the maxima is forgotten.",
)


def _unpool(values: NDArray[Any], found: NDArray[np.intp], shape: tuple[int, int]) -> NDArray[Any]:
    image = np.zeros(shape)
    image.ravel()[found] = values
    return image


def _spread(values: NDArray[Any], found: NDArray[np.intp], shape: tuple[int, int]) -> NDArray[Any]:
    k = min(shape[0] // values.shape[0], shape[1] // values.shape[1])
    image = np.zeros(shape)
    image[: values.shape[0] * k, : values.shape[1] * k] = np.kron(values, np.ones((k, k)))
    return image


unpool = Exercise(
    _unpool,
    cases=[(_maxima(image, k), _places(image, k), image.shape) for image, k in _CASES],
    mistakes={
        _spread: "Every value belongs to one pixel, not to its whole window.",
        lambda values, found, shape: _unpool(np.ones_like(values), found, shape): "The places are right; put the "
        "values there instead of ones.",
        lambda values, found, shape: _unpool(values, np.sort(found, axis=None).reshape(found.shape), shape): "Each "
        "value must stay with its own place; do not sort the places.",
        lambda values, found, shape: _unpool(values.ravel(), np.arange(values.size), shape): "The values are in the "
        "first pixels of the image; `found` says where they belong.",
        lambda values, found, shape: np.zeros(shape): "The image is still empty. Assigning to a copy, such as "
        "`flatten()` makes, does not reach it.",
    },
    hint="Write to the image as if it were one long row: `found` counts its pixels that way.",
    praise="The maxima are back where they came from, and everything else is lost.",
)
