"""Layers in a row, and the networks of the lessons."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from convbook import layers as layers_module
from convbook.algorithms._arrays import Array
from convbook.layers import (
    Activation,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    Input,
    Layer,
    MaxPooling2D,
    Shape,
    merge,
)
from convbook.ops import _real_array
from convbook.shapes import _integer, receptive_field
from convbook.training import (
    SGD,
    Adam,
    History,
    Loss,
    MeanSquaredError,
    Optimizer,
    SparseCategoricalCrossentropy,
    check_data,
    fit,
    measure,
)

__all__ = ["Runs", "Sequential", "cifar_convnet", "lenet5", "load_model", "train_seeds"]

_OPTIMIZERS: dict[str, type[Optimizer]] = {"sgd": SGD, "adam": Adam}
_LOSSES: dict[str, type[Loss]] = {
    "sparse_categorical_crossentropy": SparseCategoricalCrossentropy,
    "mse": MeanSquaredError,
    "mean_squared_error": MeanSquaredError,
}


class Sequential:
    """Layers one after the other, with the methods of ``keras.Sequential``.

    Args:
        layers: the layers; the first entry may be an ``Input(shape)``, without which the model is built by its first
            batch.
        seed: of the initial weights; ``None`` takes one from the system.
        name: of the model.

    Raises:
        TypeError: an entry is no layer.
        ValueError: a layer cannot follow the one before it (the message names both), or stands there twice, or two
            have the same name.
    """

    def __init__(self, layers: Iterable[Layer | Input], seed: int | None = None, name: str = "sequential") -> None:
        entries = list(layers)
        first = entries[0] if entries else None
        shape = first.shape if isinstance(first, Input) else None
        entries = entries[1:] if isinstance(first, Input) else entries
        for entry in entries:
            if not isinstance(entry, Layer):
                raise TypeError(f"layers: got {entry!r}, expected layers, and at most one Input at the start")
        self.layers = [entry for entry in entries if isinstance(entry, Layer)]
        if not self.layers:
            raise ValueError("layers: got none, expected at least one layer")
        if len({id(layer) for layer in self.layers}) < len(self.layers):
            raise ValueError("layers: the same layer stands there twice, expected a new one for each place")
        self.name = name
        self.seed = None if seed is None else _integer(seed, "seed", 0)
        self.loss: Loss | None = None
        self.optimizer: Optimizer | None = None
        self.input_shape: Shape | None = None
        self._name_layers()
        if shape is not None:
            self.build((None, *shape))

    def _name_layers(self) -> None:
        taken = [layer.given_name for layer in self.layers if layer.given_name]
        for name in taken:
            if taken.count(name) > 1:
                raise ValueError(f"layers: {taken.count(name)} layers have the name {name!r}, expected different ones")
        seen = set(taken)
        for layer in self.layers:
            if layer.given_name:
                continue
            base, number = layer.default_name(), 0
            while (candidate := f"{base}_{number}" if number else base) in seen:
                number += 1
            layer.name = candidate
            seen.add(candidate)

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Make the weights of all layers for inputs of ``input_shape``, the batch first."""
        shape: Shape = (None, *input_shape[1:])
        rng = np.random.default_rng(self.seed)
        before = "the input"
        for layer in self.layers:
            try:
                layer.build(shape, rng)
            except (TypeError, ValueError) as error:
                this = f"{layer.name} ({type(layer).__name__})"
                raise type(error)(f"layers: {this} cannot follow {before}, which gives {shape}: {error}") from None
            shape = layer.compute_output_shape(shape)
            before = f"{layer.name} ({type(layer).__name__})"
        self.input_shape, self.output_shape = (None, *input_shape[1:]), shape

    def compile(self, optimizer: str | Optimizer = "adam", loss: str | Loss | None = None) -> None:
        """Choose how to learn.

        Args:
            optimizer: ``"sgd"``, ``"adam"``, or an optimizer.
            loss: ``"sparse_categorical_crossentropy"``, ``"mse"``, or a loss. By default the cross-entropy, of
                probabilities where the last layer ends in softmax, and of scores where it does not.

        Accuracy is measured wherever there are classes.
        """
        self.optimizer = _chosen(optimizer, _OPTIMIZERS, Optimizer, "optimizer")
        if loss is None:
            ends_in_softmax = getattr(self.layers[-1], "activation", None) == "softmax"
            self.loss = SparseCategoricalCrossentropy(from_logits=not ends_in_softmax)
        else:
            self.loss = _chosen(loss, _LOSSES, Loss, "loss")

    # --- computing ---

    def forward(self, inputs: ArrayLike, training: bool = False) -> Array:
        """The outputs for a batch; each layer keeps what ``backward`` needs."""
        if self.input_shape is None:
            self.build(np.shape(inputs))
        outputs = inputs
        for layer in self.layers:
            outputs = layer.forward(outputs, training)
        return np.asarray(outputs)

    def __call__(self, inputs: ArrayLike, training: bool = False) -> Array:
        """The same as ``forward``."""
        return self.forward(inputs, training)

    def backward(self, gradient: Array) -> None:
        """Leave in each layer's ``gradients`` those of its weights, given that of the last outputs."""
        first, *others = self.layers
        for layer in reversed(others):
            gradient = layer.backward(gradient)
        first.backward_weights(gradient)

    def replica(self, seed: int) -> Sequential:
        """The model again, with the same weight arrays and a memory of its own.

        It computes the same faster, for what can be merged is (see :func:`convbook.layers.merge`).
        """
        twin = Sequential.__new__(Sequential)
        twin.__dict__.update(self.__dict__)
        twin.layers = merge([layer.replica(seed + 1000 * place) for place, layer in enumerate(self.layers)])
        return twin

    def predict(self, x: ArrayLike, batch_size: int = 256) -> Array:
        """The outputs for all examples, computed in batches."""
        batch_size, inputs = _integer(batch_size, "batch_size", 1), np.asarray(x)
        if inputs.ndim == 0 or len(inputs) == 0:
            raise ValueError(f"x: got shape {inputs.shape}, expected at least one example")
        return np.concatenate(
            [self.forward(inputs[start : start + batch_size]) for start in range(0, len(inputs), batch_size)]
        )

    def evaluate(self, x: ArrayLike, y: ArrayLike, batch_size: int = 256) -> list[float]:
        """``[mean loss, accuracy]``; ``[mean loss]`` where there are no classes.

        Raises:
            RuntimeError: the model is not compiled.
            TypeError, ValueError: as :func:`convbook.training.fit`.
        """
        if self.loss is None:
            raise RuntimeError("evaluate: the model has no loss yet; call compile(optimizer, loss) first")
        inputs, answers = check_data(self, self.loss, x, y, ("x", "y"))
        return [*measure(self, self.loss, inputs, answers, _integer(batch_size, "batch_size", 1)).values()]

    def fit(self, x: ArrayLike, y: ArrayLike, batch_size: int = 32, epochs: int = 1, verbose: bool | int = True,
            validation_data: tuple[ArrayLike, ArrayLike] | None = None, shuffle: bool = True,
            seed: int | None = None) -> History:  # fmt: skip
        """Train the model: see :func:`convbook.training.fit`."""
        return fit(self, x, y, batch_size, epochs, verbose, validation_data, shuffle, seed)

    # --- weights ---

    def get_weights(self) -> list[Array]:
        """Copies of all weights, in Keras's order."""
        return [weight for layer in self.layers for weight in layer.get_weights()]

    def set_weights(self, weights: Sequence[ArrayLike]) -> None:
        """Copy ``weights`` in, in Keras's order: those of a Keras model of the same layers, for one.

        Raises:
            ValueError: their number or shapes are not those of the model's; nothing is changed then.
        """
        if self.input_shape is None:
            raise ValueError(f"{self.name}: has no weights before it is built; give it an Input, or a batch, first")
        new = [_real_array(weight, "weights") for weight in weights]
        found = [array.shape for array in new]
        expected = [weight.shape for layer in self.layers for weight in layer.weights]
        if found != expected:
            raise ValueError(f"weights: got shapes {found}, expected {expected}")
        rest = iter(new)
        for layer in self.layers:
            layer.set_weights([next(rest) for _ in layer.weights])

    def count_params(self) -> int:
        """The number of weights and biases."""
        return sum(layer.count_params() for layer in self.layers)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write architecture and weights into one ``.npz`` file of plain arrays.

        The file takes the place of one of that name only when it is complete.

        Raises:
            TypeError: an initializer is a function, which a file cannot hold.
            ValueError: the model is not built, or has a layer that this library does not know.
        """
        if self.input_shape is None:
            raise ValueError(f"{self.name}: is not built, so there is nothing to save; give it an Input, or a batch")
        for layer in self.layers:
            if type(layer) is not getattr(layers_module, type(layer).__name__, None):
                raise ValueError(f"layers: {layer.name} is a {type(layer).__name__}, which load_model could not make")
        try:
            text = json.dumps(self._architecture())
        except TypeError as error:
            raise TypeError(f"{self.name}: cannot be written as text ({error}); use initializers by name") from None
        target = Path(path)
        arrays: dict[str, Any] = {f"weight_{number}": weight for number, weight in enumerate(self.get_weights())}
        handle, temporary = tempfile.mkstemp(dir=target.parent, suffix=".npz")
        try:
            with os.fdopen(handle, "wb") as file:
                np.savez_compressed(file, architecture=np.array(text), **arrays)
            os.replace(temporary, target)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise

    def _architecture(self) -> dict[str, Any]:
        assert self.input_shape is not None
        described = [{"class_name": type(layer).__name__, "config": layer.get_config()} for layer in self.layers]
        return {"name": self.name, "input_shape": self.input_shape[1:], "layers": described}

    def load_weights(self, path: str | os.PathLike[str]) -> None:
        """Take the weights from a file that ``save`` wrote.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: it is no such file, or that of a model with other weights; nothing is changed then.
        """
        architecture, weights = _read(path)
        if self.input_shape is None:
            self.build((None, *architecture["input_shape"]))
        try:
            self.set_weights(weights)
        except ValueError as error:
            theirs = ", ".join(entry["class_name"] for entry in architecture["layers"])
            ours = ", ".join(type(layer).__name__ for layer in self.layers)
            raise ValueError(
                f"{Path(path).name}: holds the weights of another model. Its layers: {theirs}. The layers here: "
                f"{ours}. {error}"
            ) from None

    def summary(self) -> None:
        """Print a table: layer, output shape, parameters, multiply-adds and receptive field.

        Multiply-adds are those of one example, biases left out. The receptive field is in pixels of the input.

        Raises:
            ValueError: the model is not built.
        """
        if self.input_shape is None:
            raise ValueError(f"{self.name}: is not built, so its shapes are open; give it an Input, or a batch")
        heads = ("Layer (type)", "Output shape", "Parameters", "Multiply-adds", "Receptive field")
        rows = [heads]
        shape: Shape = self.input_shape
        windows: list[list[tuple[int, int, int, int]]] | None = [[], []] if len(shape) == 4 else None
        total = 0
        for layer in self.layers:
            cost, window = layer.multiply_adds(shape), layer.window(shape)
            if windows is not None and window is not None:
                windows = [[*axis, one] for axis, one in zip(windows, window, strict=True)]
                field = " x ".join(str(receptive_field(axis).size) for axis in windows)
            else:
                windows, field = None, "everything"
            shape, total = layer.compute_output_shape(shape), total + cost
            rows.append(
                (f"{layer.name} ({type(layer).__name__})", str(shape), f"{layer.count_params():,}", f"{cost:,}", field)
            )
        widths = [max(len(row[column]) for row in rows) for column in range(len(heads))]
        line = "  ".join("-" * width for width in widths)
        for number, row in enumerate(rows):
            cells = [row[0].ljust(widths[0]), row[1].ljust(widths[1])]
            cells += [cell.rjust(width) for cell, width in zip(row[2:], widths[2:], strict=True)]
            print("  ".join(cells).rstrip())
            if number == 0:
                print(line)
        print(line)
        print(f"Parameters: {self.count_params():,}. Multiply-adds for one example: {total:,}.")


class Runs(NamedTuple):
    """Final accuracies of one network, trained once per seed, and the last network itself.

    ``train`` and ``test`` have shape ``(seeds,)`` and values in [0, 1].
    """

    train: NDArray[np.float64]
    test: NDArray[np.float64]
    model: Sequential


def train_seeds(
    layers: Callable[[], Iterable[Layer]],
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
        layers: makes a fresh list of layers; the last gives one score (a logit) per class.
        x_train, x_test: inputs, the batch first; y_train, y_test: integer labels.
        seeds: each sets the initial weights and the order of the examples.

    Raises:
        ValueError: no seeds; and as :meth:`Sequential.fit`.
    """
    scores, model = [], None
    for seed in seeds:
        model = Sequential([Input(x_train.shape[1:]), *layers()], seed=seed)
        model.compile(Adam(learning_rate), SparseCategoricalCrossentropy(from_logits=True))
        model.fit(x_train, y_train, batch_size, epochs, verbose=False, seed=seed)
        scores.append([model.evaluate(x, y)[1] for x, y in ((x_train, y_train), (x_test, y_test))])
    if model is None:
        raise ValueError("seeds: got none, expected at least one")
    table = np.asarray(scores)
    return Runs(table[:, 0], table[:, 1], model)


def _chosen(value: Any, known: dict[str, type[Any]], kind: type[Any], name: str) -> Any:
    if isinstance(value, kind):
        return value
    if isinstance(value, str) and value.lower() in known:
        return known[value.lower()]()
    raise ValueError(f"{name}: got {value!r}, expected {', '.join(map(repr, known))} or a {kind.__name__}")


def _read(path: str | os.PathLike[str]) -> tuple[dict[str, Any], list[Array]]:
    name = Path(path).name
    if not Path(path).is_file():
        raise FileNotFoundError(f"path: there is no file {name} in {Path(path).parent}")
    try:
        with np.load(path, allow_pickle=False) as file:
            architecture = json.loads(str(file["architecture"]))
            return architecture, [file[f"weight_{number}"] for number in range(len(file.files) - 1)]
    except Exception as error:
        raise ValueError(f"{name}: is not a file that Sequential.save wrote, or is damaged ({error})") from None


def load_model(path: str | os.PathLike[str]) -> Sequential:
    """The model that ``Sequential.save`` wrote, weights and all; it is not compiled.

    Raises:
        FileNotFoundError, ValueError: as :meth:`Sequential.load_weights`.
    """
    architecture, weights = _read(path)
    try:
        entries = [getattr(layers_module, entry["class_name"])(**_tuples(entry["config"]))
                   for entry in architecture["layers"]]  # fmt: skip
        model = Sequential([Input(architecture["input_shape"]), *entries], name=architecture["name"])
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"{Path(path).name}: describes a model that cannot be made here ({error})") from None
    model.set_weights(weights)
    return model


def _tuples(value: Any) -> Any:
    """JSON has lists where the layers have tuples."""
    if isinstance(value, dict):
        return {key: _tuples(entry) for key, entry in value.items()}
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def lenet5(classes: int = 10, dropout: float = 0.0, seed: int | None = None) -> Sequential:
    """The LeNet-5 of today, for images of 28x28 pixels with one channel: 61,706 weights with ten classes.

    Two convolutions, each with a pooling, and three dense layers, as in the paper; in place of its trainable
    subsampling, its connection table and its scaled tanh there are max pooling, full connections and ReLU. ReLU
    comes after the pooling: the largest of several numbers is the same before and after a function that never
    falls, and there are four times fewer to compute. The outputs are scores (logits), not probabilities.

    Args:
        classes: outputs.
        dropout: the rate of a dropout before each of the first two dense layers; 0 leaves it out.
        seed: of the initial weights.

    Source: LeCun, Bottou, Bengio and Haffner (1998), section II.B; document 001, "LeNet".
    """

    def drop() -> list[Layer]:
        return [Dropout(dropout)] if dropout else []

    return Sequential(
        [
            Input((28, 28, 1)),
            Conv2D(6, 5, padding="same"),
            MaxPooling2D(2),
            Activation("relu"),
            Conv2D(16, 5),
            MaxPooling2D(2),
            Activation("relu"),
            Flatten(),
            *drop(),
            Dense(120, activation="relu"),
            *drop(),
            Dense(84, activation="relu"),
            Dense(classes),
        ],
        seed=seed,
        name="lenet5",
    )


def cifar_convnet(classes: int = 10, seed: int | None = None) -> Sequential:
    """The smallest network for 32x32 colour images: convolution with 12 filters, ReLU, pooling, dense.

    The outputs are scores (logits), not probabilities.

    Source: document 002, "Layers used to build ConvNets".
    """
    return Sequential(
        [
            Input((32, 32, 3)),
            Conv2D(12, 3, padding="same"),
            Activation("relu"),
            MaxPooling2D(2),
            Flatten(),
            Dense(classes),
        ],
        seed=seed,
        name="cifar_convnet",
    )
