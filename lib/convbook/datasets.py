"""The pictures of the book: MNIST, the digits that ship with scikit-learn, Fashion-MNIST, photographs.

MNIST and Fashion-MNIST are four files each, known by their MD5 sums. They are taken from the folder that an
environment variable names (``CONVBOOK_DATA`` and ``CONVBOOK_FASHION``), or else fetched once and kept in the
user's cache. Where MNIST can be had neither way the lessons run on the digits inside scikit-learn, and say so.
A folder that is named is never passed over: where it does not hold the files, that is an error.
"""

from __future__ import annotations

import errno
import functools
import gzip
import hashlib
import io
import os
import threading
from collections import deque
from concurrent.futures import Future
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from convbook.shapes import _integer

__all__ = ["Digits", "load_digits", "load_fashion_mnist", "load_mnist", "load_photograph"]

_TIMEOUT = 10  # seconds without an answer after which a server cannot be reached


class Digits(NamedTuple):
    """Images ``(N, 28, 28, 1)`` float32 in [0, 1] of ten kinds, labels ``(N,)`` int64 in 0 to 9, and which these are.

    The kinds are the handwritten digits, or the articles of clothing of Fashion-MNIST.
    """

    x_train: NDArray[np.float32]
    y_train: NDArray[np.int64]
    x_test: NDArray[np.float32]
    y_test: NDArray[np.int64]
    source: str


class _File(NamedTuple):
    name: str
    md5: str
    size: int  # bytes


class _Collection(NamedTuple):
    name: str
    variable: str  # the environment variable that names a folder with the files
    cache: str  # the folder in the user's cache: both collections use the same four names
    mirrors: tuple[str, ...]
    files: tuple[_File, ...]

    @property
    def advice(self) -> str:
        return f"{self.variable} names a folder with the four original files: {', '.join(f.name for f in self.files)}"


_Arrays = tuple[NDArray[np.uint8], ...]

# LeCun, Cortes and Burges, 1998.
_MNIST = _Collection(
    "MNIST",
    "CONVBOOK_DATA",
    "",
    (
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
    ),
    (
        _File("train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873", 9912422),
        _File("train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432", 28881),
        _File("t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3", 1648877),
        _File("t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c", 4542),
    ),
)
# Xiao, Rasul and Vollgraf, 2017.
_FASHION = _Collection(
    "Fashion-MNIST",
    "CONVBOOK_FASHION",
    "fashion-mnist",
    ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",),
    (
        _File("train-images-idx3-ubyte.gz", "8d4fb7e6c68d591d4c3dfef9ec88bf0d", 26421880),
        _File("train-labels-idx1-ubyte.gz", "25c81989df183df01b3e8a0aad5dffbe", 29515),
        _File("t10k-images-idx3-ubyte.gz", "bef4ecab320f06d8554ea6380940ec79", 4422102),
        _File("t10k-labels-idx1-ubyte.gz", "bb300cfdad3c16e7a12a480ee83cd310", 5148),
    ),
)


def _read_idx(content: bytes) -> NDArray[np.uint8]:
    """A packed idx file of unsigned bytes: a magic number, the shape, the bytes."""
    content = gzip.decompress(content)
    rank = content[3]
    shape = tuple(int.from_bytes(content[4 + 4 * axis : 8 + 4 * axis], "big") for axis in range(rank))
    return np.frombuffer(content, np.uint8, offset=4 + 4 * rank).reshape(shape)


def _complaint(content: bytes, file: _File) -> str | None:
    """What is wrong with a file, or nothing if it is the original."""
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if found == file.md5:
        return None
    if not b"\x1f\x8b".startswith(content[:2]):
        guess = "is no gzip file"
    elif len(content) < file.size:
        guess = "looks half-downloaded"
    else:
        guess = "is damaged or another file"
    return (
        f"its MD5 sum is {found}, expected {file.md5}; it has {len(content)} bytes, expected {file.size}, and {guess}"
    )


@functools.cache
def _from_folder(collection: _Collection, folder: str) -> _Arrays:
    """The arrays from a folder that the user named. Errors are not remembered: the folder can be put right."""
    try:
        there = os.listdir(folder)
    except OSError as error:
        problems = {FileNotFoundError: "does not exist", NotADirectoryError: "is a file, not a folder"}
        problem = problems.get(type(error), f"cannot be read ({error.strerror})")
        raise type(error)(f"{collection.variable}: {folder} {problem}; expected that {collection.advice}") from error
    missing = [file.name for file in collection.files if file.name not in there]
    unpacked = [name for name in missing if name.removesuffix(".gz") in there]
    if missing:
        hint = f"; {', '.join(unpacked)} is there unpacked, expected as it is fetched, with .gz" if unpacked else ""
        raise FileNotFoundError(
            f"{collection.variable}: the folder {folder} has no {', '.join(missing)}{hint}; "
            f"expected that {collection.advice}"
        )
    arrays = []
    for file in collection.files:
        try:
            content = Path(folder, file.name).read_bytes()
        except OSError as error:
            raise type(error)(
                f"{collection.variable}: the file {file.name} in {folder} cannot be read ({error.strerror}); "
                "make it readable, or fetch it again"
            ) from error
        if complaint := _complaint(content, file):
            raise ValueError(
                f"{collection.variable}: the file {file.name} in {folder} is not used: {complaint}. "
                "Remove it and fetch it again"
            )
        arrays.append(_read_idx(content))
    return tuple(arrays)


def _download(file: _File, url: str, target: str, _: object) -> None:
    """A downloader for pooch: the original file, or a ConnectionError that says what the server did instead.

    pooch's own downloader does the work, into memory and in a thread: its time-out counts anew for each of a
    server's addresses and not at all while the name is looked up, which can take minutes without a network.
    """
    import pooch
    from requests import exceptions

    content = io.BytesIO()
    outcome: Future[None] = Future()

    def work() -> None:
        try:
            pooch.HTTPDownloader(timeout=_TIMEOUT)(url, content, None)
            outcome.set_result(None)
        except Exception as error:
            outcome.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    failure: BaseException | None
    try:
        failure = outcome.exception(_TIMEOUT)
    except TimeoutError as silence:
        failure = outcome.exception() if content.tell() else silence
    if failure is None:
        if complaint := _complaint(content.getvalue(), file):
            raise ConnectionError(f"sends a wrong file ({complaint})")
        Path(target).write_bytes(content.getvalue())
        return
    if isinstance(failure, exceptions.HTTPError) and failure.response is not None:
        words = f"answers {failure.response.status_code} {failure.response.reason}"
    elif content.tell() or isinstance(failure, exceptions.ChunkedEncodingError):
        words = "breaks off half-way"
    elif isinstance(failure, exceptions.ProxyError):
        words = "cannot be reached through the proxy"
    elif isinstance(failure, exceptions.SSLError):
        words = "gives no secure connection"
    elif isinstance(failure, (exceptions.ConnectionError, exceptions.Timeout, TimeoutError)):
        words = "cannot be reached"
    else:
        words = f"fails ({type(failure).__name__})"
    raise ConnectionError(words) from failure


def _fetch(collection: _Collection, file: _File, mirrors: deque[str]) -> bytes:
    """A file from the user's cache or from the first mirror that has it, or an OSError that says why not.

    A mirror that fails goes to the end of the queue, so that the next file need not wait for it.
    """
    import pooch

    pooch.get_logger().setLevel("ERROR")
    cache = pooch.os_cache("convbook") / collection.cache
    said: dict[str, str] = {}  # by whom
    try:
        for _ in range(len(mirrors)):
            try:
                path = pooch.retrieve(
                    mirrors[0] + file.name,
                    known_hash=f"md5:{file.md5}",
                    fname=file.name,
                    path=cache,
                    downloader=functools.partial(_download, file),
                )
                return Path(path).read_bytes()
            except ConnectionError as error:
                said[urlsplit(mirrors[0]).netloc] = str(error)
                mirrors.rotate(-1)
        # pooch asks the mirrors only where the cache has no such file, or a wrong one.
        held = cache / file.name
        spoilt = (
            f"the copy in {cache} is not used ({_complaint(held.read_bytes(), file)}), and " if held.exists() else ""
        )
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        problem = "has no room left" if full else f"cannot be written or read ({error.strerror or 'no permission'})"
        raise OSError(f"{file.name}: the cache folder {cache} {problem}") from error
    if set(said.values()) == {"cannot be reached"}:
        reason = f"no network, {' and '.join(said)} cannot be reached"
    else:
        reason = ", ".join(f"{server} {words}" for server, words in said.items())
    raise OSError(f"{file.name}: {spoilt}{reason}")


@functools.cache
def _fetched(collection: _Collection) -> _Arrays | str:
    """The arrays from the cache or the network, or why there are none: either is found out once, and remembered."""
    mirrors = deque(collection.mirrors)
    try:
        return tuple(_read_idx(_fetch(collection, file, mirrors)) for file in collection.files)
    except OSError as error:
        return (
            f"{collection.name} is not at hand ({error}); to have it, see that {collection.variable} names a folder "
            "with its four files, or start Python anew to try again"
        )


def _load(collection: _Collection, train: int | None, test: int | None) -> Digits | str:
    """The data set, or why it could not be fetched."""
    _check_counts(train, test)
    folder = os.environ.get(collection.variable)
    if folder:
        arrays: _Arrays | str = _from_folder(collection, os.path.abspath(os.path.expanduser(folder)))
    else:
        arrays = _fetched(collection)
    return arrays if isinstance(arrays, str) else _as_digits(arrays, train, test, collection.name)


def _check_counts(train: int | None, test: int | None) -> None:
    for name, count in (("train", train), ("test", test)):
        if count is not None:
            _integer(count, name, 1)


def _as_digits(arrays: _Arrays, train: int | None, test: int | None, source: str) -> Digits:
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
        train, test: how many images to take, from the start; all by default, and all where there are fewer
            (60000 and 10000 in MNIST, 1437 and 360 in the digits that stand in for it).

    Returns:
        :class:`Digits`, whose ``source`` is ``"MNIST"``, or says in one line which data these are and why. Why
        MNIST could not be fetched is found out once: later calls do not try again.

    Raises:
        TypeError: a count is no integer.
        ValueError: a count is below 1; or a file in ``CONVBOOK_DATA`` is not the original one, and the message has
            both sums.
        OSError: ``CONVBOOK_DATA`` names what is no folder, does not hold the files, or cannot be read.
    """
    mnist = _load(_MNIST, train, test)
    if isinstance(mnist, Digits):
        return mnist
    digits = load_digits(train, test)
    return digits._replace(source=f"{digits.source}, because {mnist}")


def load_fashion_mnist(train: int | None = None, test: int | None = None) -> Digits:
    """Fashion-MNIST: articles of clothing in the format of MNIST (Xiao, Rasul and Vollgraf, 2017).

    The labels stand for: T-shirt, trousers, pullover, dress, coat, sandal, shirt, sneaker, bag, ankle boot.

    Args:
        train, test: as in :func:`load_mnist`.

    Raises:
        TypeError, ValueError: as in :func:`load_mnist`.
        OSError: as there, with ``CONVBOOK_FASHION``; or it could not be fetched, and nothing stands in for it.
    """
    fashion = _load(_FASHION, train, test)
    if isinstance(fashion, Digits):
        return fashion
    raise OSError(fashion)


def load_digits(train: int | None = None, test: int | None = None) -> Digits:
    """The 1797 digits inside scikit-learn, 8x8, enlarged to 20x20 and framed to 28x28 as in MNIST.

    The first 1437 are for training and the last 360 for testing; ``train`` and ``test`` are as in
    :func:`load_mnist`.
    """
    _check_counts(train, test)
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
        TypeError: a size is no integer.
        ValueError: another name, or a size below 1 or above the original's.
    """
    from sklearn.datasets import load_sample_image

    if name not in ("china", "flower"):
        raise ValueError(f'name: got {name!r}, expected "china" or "flower"')
    original: NDArray[np.float32] = load_sample_image(f"{name}.jpg").astype(np.float32) / np.float32(255)
    height, width = _integer(height, "height", 1), _integer(width, "width", 1)
    if height > original.shape[0] or width > original.shape[1]:
        raise ValueError(
            f"height, width: got {height}, {width}, expected at most {original.shape[0]}, {original.shape[1]}"
        )
    # Whole blocks of pixels, as large as fit, averaged: the middle of the photograph.
    block = min(original.shape[0] // height, original.shape[1] // width)
    top, left = (original.shape[0] - block * height) // 2, (original.shape[1] - block * width) // 2
    middle = original[top : top + block * height, left : left + block * width]
    blocks: NDArray[np.float32] = middle.reshape(height, block, width, block, 3)
    return np.asarray(blocks.mean(axis=(1, 3)), dtype=np.float32)
