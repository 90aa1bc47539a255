"""Keras, quietly: the independent implementation that the book compares itself with.

The only module of ours that imports Keras. It keeps TensorFlow's start-up messages off the page, which must
be asked for before TensorFlow is imported.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import numpy as np
from numpy.typing import NDArray

__all__ = ["Runs", "keras", "train"]

# In a notebook TensorFlow's Python logger writes to stdout, where its advice on speed would be part of the page.
logging.getLogger("tensorflow").setLevel(logging.ERROR)


class Runs(NamedTuple):
    """Final accuracies of one network, trained once per seed, and the last network itself.

    ``train`` and ``test`` have shape ``(seeds,)`` and values in [0, 1].
    """

    train: NDArray[np.float64]
    test: NDArray[np.float64]
    model: Any


def train(
    layers: Callable[[], list[Any]],
    x_train: NDArray[Any],
    y_train: NDArray[Any],
    x_test: NDArray[Any],
    y_test: NDArray[Any],
    *,
    seeds: Iterable[int] = range(3),
    epochs: int = 5,
    batch_size: int = 32,
    learning_rate: float = 1e-3,
) -> Runs:
    """Train the same classifier once per seed with Adam, and measure it on both sets.

    Args:
        layers: makes a fresh list of Keras layers; the last gives one score (a logit) per class.
        x_train, x_test: inputs, the batch first; y_train, y_test: integer labels.
        seeds: each sets the initial weights and the order of the examples.
    """
    scores: list[tuple[float, float]] = []
    model = None
    for seed in seeds:
        keras.utils.set_random_seed(seed)
        model = keras.Sequential([keras.Input(x_train.shape[1:]), *layers()])
        model.compile(
            optimizer=keras.optimizers.Adam(learning_rate),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        )
        model.fit(x_train, y_train, epochs=epochs, batch_size=batch_size, verbose=0)
        shares = [
            float(np.mean(model.predict(x, batch_size=256, verbose=0).argmax(axis=1) == y))
            for x, y in ((x_train, y_train), (x_test, y_test))
        ]
        scores.append((shares[0], shares[1]))
    if model is None:
        raise ValueError("seeds: got none, expected at least one")
    table = np.asarray(scores)
    return Runs(table[:, 0], table[:, 1], model)
