"""The pictures of the book: MNIST, the digits that ship with scikit-learn, photographs, generated shapes.

MNIST is four files, known by their MD5 sums. They are taken from the folder that the environment variable
``CONVBOOK_DATA`` names, or else fetched once and kept in the user's cache. Where they can be had neither way
the lessons run on the digits inside scikit-learn, and say so.
"""

from __future__ import annotations

import functools
import gzip
import hashlib
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["MNIST_FILES", "Digits", "load_digits", "load_mnist", "load_photograph"]

# The original files and their MD5 sums (LeCun, Cortes and Burges, 1998).
MNIST_FILES = {
    "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
}
_MIRRORS = (
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
)
_TIMEOUT = 10  # seconds without an answer after which there is no network


class Digits(NamedTuple):
    """Handwritten digits: images ``(N, 28, 28, 1)`` float32 in [0, 1], labels ``(N,)`` int64 in 0 to 9."""

    x_train: NDArray[np.float32]
    y_train: NDArray[np.int64]
    x_test: NDArray[np.float32]
    y_test: NDArray[np.int64]
    source: str


def _read_idx(path: Path) -> NDArray[np.uint8]:
    """An idx file of unsigned bytes: a magic number, the shape, the bytes."""
    with gzip.open(path, "rb") as file:
        content = file.read()
    rank = content[3]
    shape = tuple(int.from_bytes(content[4 + 4 * axis : 8 + 4 * axis], "big") for axis in range(rank))
    return np.frombuffer(content, np.uint8, offset=4 + 4 * rank).reshape(shape)


def _verify(path: Path, expected: str) -> Path:
    if not path.is_file():
        raise FileNotFoundError(
            f"CONVBOOK_DATA: the folder {path.parent} has no file {path.name}; it must hold the four original MNIST "
            f"files: {', '.join(MNIST_FILES)}"
        )
    found = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
    if found != expected:
        raise ValueError(
            f"{path.name}: its MD5 sum is {found}, expected {expected}; the file is damaged or is another one, and is "
            "not used. Remove it and fetch it again"
        )
    return path


def _fetch(name: str, md5: str) -> Path:
    """The file from the user's cache, or from the first mirror that has it."""
    import pooch

    error: Exception | None = None
    for mirror in _MIRRORS:
        try:
            return Path(
                pooch.retrieve(
                    mirror + name,
                    known_hash=f"md5:{md5}",
                    fname=name,
                    path=pooch.os_cache("convbook"),
                    downloader=pooch.HTTPDownloader(timeout=_TIMEOUT),
                )
            )
        except Exception as failure:  # whatever the network did, the next mirror may still answer
            error = failure
    raise OSError(f"{name}: could not be fetched from any of {len(_MIRRORS)} places; the last said: {error}")


@functools.cache
def _mnist_arrays() -> tuple[NDArray[np.uint8], ...]:
    folder = os.environ.get("CONVBOOK_DATA")
    if folder:
        paths = [_verify(Path(folder).expanduser() / name, md5) for name, md5 in MNIST_FILES.items()]
    else:
        import pooch

        pooch.get_logger().setLevel("ERROR")
        paths = [_fetch(name, md5) for name, md5 in MNIST_FILES.items()]
    return tuple(_read_idx(path) for path in paths)


def _as_digits(arrays: tuple[NDArray[np.uint8], ...], train: int | None, test: int | None, source: str) -> Digits:
    def images(array: NDArray[np.uint8], count: int | None) -> NDArray[np.float32]:
        return (array[:count, :, :, np.newaxis] / np.float32(255)).astype(np.float32)

    return Digits(
        images(arrays[0], train),
        arrays[1][:train].astype(np.int64),
        images(arrays[2], test),
        arrays[3][:test].astype(np.int64),
        source,
    )


def load_mnist(train: int | None = None, test: int | None = None) -> Digits:
    """MNIST, or the digits of :func:`load_digits` where MNIST cannot be had.

    Args:
        train, test: how many images to take, from the start; all by default.

    Returns:
        :class:`Digits`, whose ``source`` says in one line which data these are.

    Raises:
        FileNotFoundError: ``CONVBOOK_DATA`` names a folder that does not hold the files.
        ValueError: a file there is not the original one; the message has both sums.
    """
    try:
        arrays = _mnist_arrays()
    except (FileNotFoundError, ValueError):
        raise
    except OSError as error:
        digits = load_digits(train, test)
        return digits._replace(source=f"{digits.source}, because MNIST is not at hand ({str(error).split(';')[0]})")
    return _as_digits(arrays, train, test, "MNIST")


def load_digits(train: int | None = None, test: int | None = None) -> Digits:
    """The 1797 digits inside scikit-learn, 8x8, enlarged to 20x20 and framed to 28x28 as in MNIST.

    The first 1437 are for training and the last 360 for testing.
    """
    from scipy import ndimage
    from sklearn.datasets import load_digits as load

    bunch = load()
    small = bunch.images / 16.0
    large = np.clip(ndimage.zoom(small, (1, 2.5, 2.5), order=1), 0, 1)
    framed = np.pad(large, ((0, 0), (4, 4), (4, 4)))
    images = np.round(framed * 255).astype(np.uint8)
    labels = bunch.target.astype(np.uint8)
    arrays = (images[:1437], labels[:1437], images[1437:], labels[1437:])
    return _as_digits(arrays, train, test, "the 8x8 digits of scikit-learn, enlarged")


def load_photograph(name: str = "china", height: int = 160, width: int = 240) -> NDArray[np.float32]:
    """A photograph from scikit-learn, ``(height, width, 3)`` float32 in [0, 1].

    Args:
        name: ``"china"`` (a temple) or ``"flower"``; both are 427x640 originally, and shrunk here by averaging.

    Raises:
        ValueError: another name, or a size above the original's.
    """
    from sklearn.datasets import load_sample_image

    if name not in ("china", "flower"):
        raise ValueError(f'name: got {name!r}, expected "china" or "flower"')
    original: NDArray[np.float32] = load_sample_image(f"{name}.jpg").astype(np.float32) / np.float32(255)
    if not (1 <= height <= original.shape[0] and 1 <= width <= original.shape[1]):
        raise ValueError(
            f"height, width: got {height}, {width}, expected at most {original.shape[0]}, {original.shape[1]}"
        )
    # Whole blocks of pixels, as large as fit, averaged: the middle of the photograph.
    block = min(original.shape[0] // height, original.shape[1] // width)
    top, left = (original.shape[0] - block * height) // 2, (original.shape[1] - block * width) // 2
    middle = original[top : top + block * height, left : left + block * width]
    blocks: NDArray[np.float32] = middle.reshape(height, block, width, block, 3)
    return np.asarray(blocks.mean(axis=(1, 3)), dtype=np.float32)
