"""The exercises of the lesson "im2col"."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from convbook.checks._exercise import Exercise
from convbook.shapes import output_size

__all__ = ["col2im", "columns", "predict_shape", "rows_that_fit"]


def _shape() -> tuple[int, int]:
    return 3 * 3 * 8, output_size(32, 3, 2, 1) ** 2


predict_shape = Exercise(
    _shape,
    cases=[()],
    mistakes={
        lambda: (256, 72): "Those are the two numbers, but the windows are the columns here.",
        lambda: (9, 256): "A window is as deep as the image.",
        lambda: (72, 16): "Is that the places along one axis, or all of them?",
        lambda: (72, 1024): "That is one window for each pixel: the windows move by more than one pixel.",
        lambda: (72, 900): "Neither the padding nor the stride is in there.",
        lambda: (72, 225): "The image is padded first.",
        lambda: (144, 256): "How many numbers has a window, before any filter looks at it?",
        lambda: (16, 256): "That is the shape of the product. How large are the windows?",
    },
    hint="What is a column? What counts the columns?",
    praise="A window has 72 numbers, and 256 places to lie at; how many filters there are does not matter.",
)


def _rows_that_fit(limit: int, n: int, k: int, s: int, c: int) -> int:
    return limit // (4 * k * k * c * output_size(n, k, s))


rows_that_fit = Exercise(
    _rows_that_fit,
    cases=[
        (1_000_000, 227, 11, 4, 3),
        (4_200_000, 226, 3, 1, 64),
        (50_000, 14, 5, 1, 6),
        (60_000, 32, 3, 2, 8),
        (100, 9, 2, 3, 1),
    ],
    mistakes={
        lambda limit, n, k, s, c: limit // (k * k * c * output_size(n, k, s)): "So many rows if a number took one "
        "byte. How many bytes has a 32-bit number?",
        lambda limit, n, k, s, c: limit // (8 * k * k * c * output_size(n, k, s)): "A number of 8 bytes has 64 bits.",
        lambda limit, n, k, s, c: limit // (4 * k * k * output_size(n, k, s)): "A window is as deep as the image.",
        lambda limit, n, k, s, c: limit // (4 * k * k * c): "That is how many windows fit; a row of places has many.",
        lambda limit, n, k, s, c: limit // (4 * k * k * c * n): "How many places has a row, when a window must not "
        "leave the image and moves by s pixels?",
        lambda limit, n, k, s, c: limit // (4 * k * k * c * output_size(n, k, 1)): "The windows move by s pixels.",
        lambda limit, n, k, s, c: limit // (4 * n * c): "Those are rows of pixels. What is laid out are windows.",
        lambda limit, n, k, s, c: limit / (4 * k * k * c * output_size(n, k, s)): "A part of a row cannot be laid out.",
    },
    hint="What does the matrix hold for one row of places, and how many bytes is that?",
    praise="Eight rows of VGG's places take 4.1 million bytes, all 224 of them 116 million.",
)


def _columns(image: NDArray[Any], k: int, s: int) -> NDArray[Any]:
    return sliding_window_view(image, (k, k))[::s, ::s].reshape(-1, k * k).T


def _down_first(image: NDArray[Any], k: int, s: int) -> NDArray[Any]:
    """Each window read column by column."""
    return sliding_window_view(image, (k, k))[::s, ::s].swapaxes(2, 3).reshape(-1, k * k).T


def _places_down_first(image: NDArray[Any], k: int, s: int) -> NDArray[Any]:
    """The places gone through column by column."""
    return sliding_window_view(image, (k, k))[::s, ::s].swapaxes(0, 1).reshape(-1, k * k).T


def _no_steps(image: NDArray[Any], k: int, s: int) -> NDArray[Any]:
    """Slices of the right shape whose pixels are neighbours."""
    height, width = (output_size(n, k, s) for n in image.shape)
    return np.array([image[a : a + height, b : b + width].ravel() for a in range(k) for b in range(k)])


_rng = np.random.default_rng(0)
_IMAGES = [(_rng.integers(0, 10, size).astype(float), k, s) for size, k, s in (
    ((3, 4), 2, 1), ((5, 7), 3, 2), ((8, 6), 2, 3), ((6, 9), 3, 1),
)]  # fmt: skip

columns = Exercise(
    _columns,
    cases=_IMAGES,
    mistakes={
        lambda image, k, s: _columns(image, k, s).T: "Those are the right numbers, but each window is a "
        "row. We want the transpose.",
        lambda image, k, s: _columns(image, k, 1): "The stride is not used.",
        _no_steps: "The shape is right, but the pixels of a row are neighbours: where does the next window begin?",
        _down_first: "Row alpha * k + beta should hold pixel (alpha, beta) of each window; yours holds (beta, alpha).",
        _places_down_first: "Each row has the right numbers in a wrong order: the next place is the one to the right.",
        lambda image, k, s: _columns(image, k, s).T.reshape(k * k, -1): "The shape is right, but `reshape` does not "
        "move numbers: a column is no window now. How do rows become columns?",
    },
    hint="Row alpha * k + beta begins with pixel (alpha, beta). How far is it to the next number of the row?",
    praise="Each row is a displaced copy of the image, with steps of s; k * k of them make the matrix.",
)


def _col2im(matrix: NDArray[Any], shape: tuple[int, int], k: int, s: int) -> NDArray[Any]:
    image, windows = _windows(matrix, shape, k, s)
    for (i, j), window in windows:
        image[s * i : s * i + k, s * j : s * j + k] += window
    return image


def _windows(
    matrix: NDArray[Any], shape: tuple[int, int], k: int, s: int
) -> tuple[NDArray[Any], list[tuple[tuple[int, int], NDArray[Any]]]]:  # fmt: skip
    """An empty image, and the windows with their places."""
    height, width = output_size(shape[0], k, s), output_size(shape[1], k, s)
    places = [(i, j) for i in range(height) for j in range(width)]
    return np.zeros(shape), list(zip(places, np.asarray(matrix).T.reshape(-1, k, k), strict=True))


def _overwrites(matrix: NDArray[Any], shape: tuple[int, int], k: int, s: int) -> NDArray[Any]:
    image, windows = _windows(matrix, shape, k, s)
    for (i, j), window in windows:
        image[s * i : s * i + k, s * j : s * j + k] = window
    return image


def _averages(matrix: NDArray[Any], shape: tuple[int, int], k: int, s: int) -> NDArray[Any]:
    counts = _col2im(np.ones_like(matrix), shape, k, s)
    return np.asarray(_col2im(matrix, shape, k, s) / np.maximum(counts, 1))


def _moves_by_one(matrix: NDArray[Any], shape: tuple[int, int], k: int, s: int) -> NDArray[Any]:
    image, windows = _windows(matrix, shape, k, s)
    for (i, j), window in windows:
        image[i : i + k, j : j + k] += window
    return image


def _turned(matrix: NDArray[Any], shape: tuple[int, int], k: int, s: int) -> NDArray[Any]:
    image, windows = _windows(matrix, shape, k, s)
    for (i, j), window in windows:
        image[s * i : s * i + k, s * j : s * j + k] += window.T
    return image


def _matrices() -> list[tuple[Any, ...]]:
    rng = np.random.default_rng(1)
    cases = []
    for shape, k, s in (((3, 4), 2, 1), ((5, 8), 3, 2), ((7, 5), 2, 3)):
        places = output_size(shape[0], k, s) * output_size(shape[1], k, s)
        cases.append((rng.integers(1, 10, (k * k, places)).astype(float), shape, k, s))
    return cases


col2im = Exercise(
    _col2im,
    cases=_matrices(),
    mistakes={
        _overwrites: "Where windows overlap, the last one wins here; they should be added.",
        _averages: "That is the mean of the windows that contain a pixel; we want their sum.",
        _moves_by_one: "The stride is not used: where does the window of place (i, j) begin?",
        _turned: "Each window is turned: its column was read along the rows.",
    },
    hint="Column n belongs to the place in row n // width and column n % width; add it there as a k x k window.",
    praise="Where windows overlap their numbers add up, so col2im does not undo im2col: its matrix is the transpose.",
)
