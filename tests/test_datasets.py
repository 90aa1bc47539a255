"""The data sets: what they hold, and what is said when they cannot be had."""

import gzip
import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

from convbook import datasets


@pytest.fixture(autouse=True)
def nothing_remembered():
    datasets._mnist_arrays.cache_clear()
    yield
    datasets._mnist_arrays.cache_clear()


def idx(array):
    """An array in the idx format."""
    header = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return gzip.compress(header + array.astype(np.uint8).tobytes())


@pytest.fixture
def small_mnist(tmp_path, monkeypatch):
    """A folder with four small files in MNIST's names and format, taken for the real ones."""
    rng = np.random.default_rng(0)
    arrays = {
        "train-images-idx3-ubyte.gz": rng.integers(0, 256, (6, 28, 28)),
        "train-labels-idx1-ubyte.gz": rng.integers(0, 10, 6),
        "t10k-images-idx3-ubyte.gz": rng.integers(0, 256, (3, 28, 28)),
        "t10k-labels-idx1-ubyte.gz": rng.integers(0, 10, 3),
    }
    for name, array in arrays.items():
        (tmp_path / name).write_bytes(idx(array))
    sums = {name: hashlib.md5((tmp_path / name).read_bytes()).hexdigest() for name in arrays}
    monkeypatch.setattr(datasets, "MNIST_FILES", sums)
    monkeypatch.setenv("CONVBOOK_DATA", str(tmp_path))
    return tmp_path, arrays


def test_mnist_is_read_from_the_folder_that_the_variable_names(small_mnist):
    _, arrays = small_mnist
    digits = datasets.load_mnist()
    assert digits.source == "MNIST"
    assert digits.x_train.shape == (6, 28, 28, 1)
    assert digits.x_train.dtype == np.float32
    np.testing.assert_allclose(digits.x_train[..., 0] * 255, arrays["train-images-idx3-ubyte.gz"], atol=1e-4)
    np.testing.assert_array_equal(digits.y_test, arrays["t10k-labels-idx1-ubyte.gz"])


def test_a_part_is_the_start_of_the_whole(small_mnist):
    whole, part = datasets.load_mnist(), datasets.load_mnist(train=4, test=2)
    np.testing.assert_array_equal(part.x_train, whole.x_train[:4])
    np.testing.assert_array_equal(part.y_test, whole.y_test[:2])


def test_a_damaged_file_is_refused_with_its_name_and_both_sums(small_mnist):
    folder, _ = small_mnist
    name = "t10k-labels-idx1-ubyte.gz"
    expected = datasets.MNIST_FILES[name]
    (folder / name).write_bytes((folder / name).read_bytes()[:-3])
    found = hashlib.md5((folder / name).read_bytes()).hexdigest()
    with pytest.raises(ValueError, match=rf"{name}.*{found}.*{expected}"):
        datasets.load_mnist()


def test_a_missing_file_is_named(small_mnist):
    folder, _ = small_mnist
    (folder / "train-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(FileNotFoundError, match=r"CONVBOOK_DATA.*train-labels-idx1-ubyte.gz"):
        datasets.load_mnist()


def test_a_folder_that_does_not_exist_is_refused_not_replaced_by_digits(monkeypatch, tmp_path):
    monkeypatch.setenv("CONVBOOK_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(FileNotFoundError, match="nowhere"):
        datasets.load_mnist()


def test_without_a_network_the_digits_take_its_place_and_say_so(monkeypatch):
    monkeypatch.delenv("CONVBOOK_DATA", raising=False)

    def offline(name, md5):
        raise OSError("no route to host")

    monkeypatch.setattr(datasets, "_fetch", offline)
    digits = datasets.load_mnist(train=100, test=50)
    assert "scikit-learn" in digits.source
    assert "no route to host" in digits.source
    assert digits.x_train.shape == (100, 28, 28, 1)


def test_a_fetched_file_is_looked_for_at_every_mirror(monkeypatch, tmp_path):
    import pooch

    asked = []

    def retrieve(url, **arguments):
        asked.append(url)
        assert arguments["known_hash"] == "md5:abc"
        if len(asked) < len(datasets._MIRRORS):
            raise OSError("down")
        return str(tmp_path / "file")

    monkeypatch.setattr(pooch, "retrieve", retrieve)
    assert datasets._fetch("name.gz", "abc") == Path(tmp_path / "file")
    assert asked == [mirror + "name.gz" for mirror in datasets._MIRRORS]


def test_the_digits_have_the_shape_and_range_of_mnist():
    digits = datasets.load_digits()
    assert digits.x_train.shape == (1437, 28, 28, 1)
    assert digits.x_test.shape == (360, 28, 28, 1)
    assert digits.x_train.min() == 0
    assert 0.9 < digits.x_train.max() <= 1
    assert set(digits.y_train) == set(range(10))
    # The frame is empty, as in MNIST.
    assert digits.x_train[:, :4].max() == digits.x_train[:, :, -4:].max() == 0


def test_the_digits_still_look_like_the_originals():
    from sklearn.datasets import load_digits

    digits = datasets.load_digits()
    small = load_digits().images[:1437] / 16
    blocks = digits.x_train[:, 4:24, 4:24, 0].reshape(1437, 4, 5, 4, 5).mean(axis=(2, 4))
    coarse = small.reshape(1437, 4, 2, 4, 2).mean(axis=(2, 4))
    assert np.corrcoef(blocks.ravel(), coarse.ravel())[0, 1] > 0.98


def test_a_photograph_has_the_size_asked_for_and_is_no_noise():
    photograph = datasets.load_photograph("china", 160, 240)
    assert photograph.shape == (160, 240, 3)
    assert photograph.dtype == np.float32
    assert 0 <= photograph.min() < 0.1
    assert 0.9 < photograph.max() <= 1
    assert np.corrcoef(photograph[:, :-1].ravel(), photograph[:, 1:].ravel())[0, 1] > 0.8


def test_an_unknown_photograph_or_size_is_refused():
    with pytest.raises(ValueError, match=r"name: got 'cat'"):
        datasets.load_photograph("cat")
    with pytest.raises(ValueError, match="height, width: got 500"):
        datasets.load_photograph("china", 500, 10)


def test_the_real_mnist_is_what_it_is_known_to_be():
    """Only where MNIST is at hand; everything else here runs on files made by the test."""
    folder = os.environ.get("CONVBOOK_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("CONVBOOK_DATA names no folder with MNIST")
    digits = datasets.load_mnist()
    assert digits.x_train.shape == (60000, 28, 28, 1)
    assert digits.x_test.shape == (10000, 28, 28, 1)
    assert digits.y_train[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert abs(float(digits.x_train.mean()) - 0.1307) < 1e-4
