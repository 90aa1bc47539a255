"""What several files of tests need and is made once."""

import math

import pytest

from convbook import datasets, models, training
from convbook.algorithms import (
    _tiles,
    banded,
    blocked,
    depthwise,
    kn2row,
    overlap_save,
    pointwise,
    transposed,
    winograd,
)


@pytest.fixture(scope="session")
def digits():
    """MNIST, 6000 digits to learn from and 2000 others; or those that stand in for it, fewer."""
    return datasets.load_mnist(6000, 2000)


@pytest.fixture(scope="session")
def lenet(digits):
    """A LeNet-5 trained for some seconds: about 97 % right on MNIST, about 94 on the digits that stand in for it."""
    epochs = 3 if digits.source == "MNIST" else 12
    model = models.lenet5(dropout=0.1, seed=0)
    model.compile(training.Adam(training.CosineDecay(0.003, epochs * math.ceil(len(digits.x_train) / 32))))
    model.fit(digits.x_train, digits.y_train, batch_size=32, epochs=epochs, seed=0, verbose=0)
    return model


@pytest.fixture(
    params=[(1, 0), (40, 0), (700, 0), (40, 10**9)],
    ids=lambda numbers: f"blocks of {numbers[0]}" + (", of filters" if numbers[1] else ""),
)
def small_blocks(request, monkeypatch):
    """Blocks with so few numbers that small arrays are cut, between images, rows and columns, or filters."""
    numbers, few = request.param
    for module in (_tiles, banded, blocked, depthwise, kn2row, overlap_save, pointwise, transposed, winograd):
        monkeypatch.setattr(module, "_NUMBERS", numbers)
    for module in (overlap_save, winograd):
        monkeypatch.setattr(module, "_KERNEL_NUMBERS", 10 * numbers)
    for name in ("_FEW", "_FEW_FOR_GRADIENT"):
        monkeypatch.setattr(winograd, name, few)
