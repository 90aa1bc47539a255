"""Small pictures that the inputs of explorers can be filled with: ``(h, w)``, whole numbers from 0 to 9."""

from __future__ import annotations

import numpy as np

from convbook import datasets
from convbook.explorers._explorer import Array


def digit() -> Array:
    """A handwritten digit, 10×10."""
    from sklearn.datasets import load_digits

    return np.round(9 * np.pad(load_digits().images[7] / 16, 1))


def photograph() -> Array:
    """The photograph of the book, 12×12."""
    image = datasets.load_photograph(height=12, width=18)[:, 3:15].mean(axis=2)
    return np.asarray(np.round(9 * image), np.float64)
