"""How fast LeNet learns: images per second of ``fit``, here, in Keras and in PyTorch.

The same network (``models.lenet5``), the same batch size, Adam, loss and accuracy measured at each step. The images
are random: speed does not depend on what they show.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from convbook.benchmark._rounds import installed, machine, spread, take_turns

__all__ = ["COMPETITORS", "run", "table", "turn"]

Fit = Callable[[Any, Any], object]


def _convbook(batch_size: int) -> Fit:
    from convbook import models

    model = models.lenet5(seed=0)
    model.compile("adam")
    return lambda x, y: model.fit(x, y, batch_size, verbose=False)


def _keras(batch_size: int) -> Fit:
    from convbook.reference import keras

    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(6, 5, padding="same"),
            layers.MaxPooling2D(),
            layers.Activation("relu"),
            layers.Conv2D(16, 5),
            layers.MaxPooling2D(),
            layers.Activation("relu"),
            layers.Flatten(),
            layers.Dense(120, activation="relu"),
            layers.Dense(84, activation="relu"),
            layers.Dense(10),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=["accuracy"])
    return lambda x, y: model.fit(x, y, batch_size=batch_size, verbose=0)


def _torch(batch_size: int, channels_last: bool = False) -> Fit:
    import torch
    from torch import nn

    memory = torch.channels_last if channels_last else torch.contiguous_format
    model = nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.MaxPool2d(2), nn.ReLU(), nn.Conv2d(6, 16, 5), nn.MaxPool2d(2), nn.ReLU(),
        nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    ).to(memory_format=memory)  # fmt: skip
    optimizer, loss = torch.optim.Adam(model.parameters(), eps=1e-7), nn.CrossEntropyLoss()

    def fit(x: Any, y: Any) -> None:
        images = torch.from_numpy(x.transpose(0, 3, 1, 2)).contiguous(memory_format=memory)
        labels = torch.from_numpy(y)
        order = torch.randperm(len(x))
        total, right = 0.0, 0
        for start in range(0, len(x), batch_size):
            batch = order[start : start + batch_size]
            optimizer.zero_grad()
            outputs = model(images[batch])
            value = loss(outputs, labels[batch])
            value.backward()
            optimizer.step()
            total += value.item()
            right += int((outputs.argmax(1) == labels[batch]).sum())

    return fit


# Each with the library that it needs, if that may be missing.
COMPETITORS: dict[str, tuple[str | None, Callable[[int], Fit]]] = {
    "convbook": (None, _convbook),
    "Keras": ("keras", _keras),
    "PyTorch": ("torch", _torch),
    "PyTorch, channels last": ("torch", lambda batch_size: _torch(batch_size, channels_last=True)),
}


def _peak_memory() -> float:
    """The most memory that this process has had so far, in MB."""
    kilo = 1024 if sys.platform != "darwin" else 1
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * kilo / 1e6


def turn(name: str, images: int, batch_size: int) -> dict[str, float]:
    """One competitor's turn: the time of ``fit`` over the images, after a first one to warm up.

    Returns:
        ``images_per_second``; ``memory_mb``, what the process grew by beyond the data while it was training.
    """
    rng = np.random.default_rng(0)
    x, y = rng.random((images, 28, 28, 1), np.float32), rng.integers(0, 10, images)
    fit = COMPETITORS[name][1](batch_size)
    before = _peak_memory()
    fit(x[: 10 * batch_size], y[: 10 * batch_size])
    start = time.perf_counter()
    fit(x, y)
    seconds = time.perf_counter() - start
    return {"images_per_second": images / seconds, "memory_mb": _peak_memory() - before}


def run(rounds: int, images: int, batch_size: int) -> dict[str, Any]:
    """All competitors that are installed, in turn; ratios are those of the same round."""
    names = [name for name, (module, _) in COMPETITORS.items() if installed(module)]
    command = ["-m", "convbook.benchmark", "training", "--images", str(images), "--batch-size", str(batch_size)]
    turns = take_turns(names, command, rounds)
    ours = [one["images_per_second"] for one in turns["convbook"]]
    competitors = {}
    for name in names:
        speeds = [one["images_per_second"] for one in turns[name]]
        competitors[name] = {
            "images_per_second": spread(speeds),
            "convbook_is_faster_by": spread([mine / theirs for mine, theirs in zip(ours, speeds, strict=True)]),
            "memory_mb": max(one["memory_mb"] for one in turns[name]),
            "rounds": speeds,
        }
    return {
        "benchmark": "training",
        "network": "lenet5",
        "images": images,
        "batch_size": batch_size,
        "rounds": rounds,
        "machine": machine(),
        "competitors": competitors,
    }


def table(results: dict[str, Any]) -> str:
    """The results as text."""
    lines = [
        f"Training {results['network']}: batch {results['batch_size']}, {results['images']} images a turn, "
        f"{results['rounds']} rounds, {results['machine']['cores']} cores. Median (least to most).",
        f"{'':24}{'images per second':>28}{'convbook is faster by':>26}{'memory, MB':>12}",
    ]
    for name, one in results["competitors"].items():
        speed, ratio = one["images_per_second"], one["convbook_is_faster_by"]
        lines.append(
            f"{name:24}{speed['median']:>10,.0f} ({speed['least']:>6,.0f} to {speed['most']:>6,.0f})"
            f"{ratio['median']:>10.2f} ({ratio['least']:.2f} to {ratio['most']:.2f}){one['memory_mb']:>12.0f}"
        )
    return "\n".join(lines)
