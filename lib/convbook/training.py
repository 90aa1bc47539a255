"""What learning needs beside layers: losses, optimizers, learning rates, and ``fit``.

Names, defaults and update rules are Keras's.
"""

from __future__ import annotations

import functools
import math
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from convbook.algorithms._arrays import Array
from convbook.algorithms._threads import alone, single_products
from convbook.layers import Layer, _softmax
from convbook.ops import _real_array
from convbook.shapes import _integer

__all__ = [
    "SGD",
    "Adam",
    "CosineDecay",
    "History",
    "Loss",
    "MeanSquaredError",
    "Optimizer",
    "SparseCategoricalCrossentropy",
    "fit",
]

# --- losses ---------------------------------------------------------------------------------------------------


class Loss:
    """A number for each example, the smaller the better; the loss of a batch is their mean."""

    classifies = False

    def check(self, y_true: ArrayLike, outputs: tuple[int, ...], name: str = "y") -> NDArray[Any]:
        """``y_true`` as an array, refused where it cannot be the answer to outputs of shape ``outputs``.

        Raises:
            TypeError, ValueError: wrong kind, wrong shape, or labels out of range.
        """
        raise NotImplementedError

    def each(self, y_true: NDArray[Any], y_pred: Array) -> Array:
        """The losses, one for each example: ``(B,)``."""
        raise NotImplementedError

    def gradient(self, y_true: NDArray[Any], y_pred: Array, count: int | None = None) -> Array:
        """The gradient of the mean loss over ``count`` examples (those given, by default) for ``y_pred``."""
        raise NotImplementedError

    def __call__(self, y_true: ArrayLike, y_pred: ArrayLike) -> float:
        """The mean loss."""
        outputs = _real_array(y_pred, "y_pred")
        return float(self.each(self.check(y_true, outputs.shape, "y_true"), outputs).mean())


class SparseCategoricalCrossentropy(Loss):
    """Minus the logarithm of the probability given to the right class.

    Args:
        from_logits: whether the outputs are scores, to which softmax is applied here (together with the logarithm,
            so that nothing overflows and no probability becomes 0), or probabilities, as by default.

    Labels: integers ``(B,)`` from 0 to classes - 1. Outputs: ``(B, classes)``.
    """

    classifies = True
    # Keras's epsilon: probabilities are kept this far from 0 and 1.
    _EPSILON = 1e-7

    def __init__(self, from_logits: bool = False) -> None:
        self.from_logits = bool(from_logits)

    def check(self, y_true: ArrayLike, outputs: tuple[int, ...], name: str = "y") -> NDArray[Any]:
        labels = np.asarray(y_true)
        if len(outputs) != 2:
            raise ValueError(f"y_pred: got shape {outputs}, expected one score for each class, (B, classes)")
        if labels.dtype.kind not in "iu":
            raise TypeError(f"{name}: got dtype {labels.dtype}, expected integer labels")
        if labels.shape != (outputs[0],):
            raise ValueError(f"{name}: got shape {labels.shape}, expected {(outputs[0],)}, one label for each example")
        wrong = (labels < 0) | (labels >= outputs[1])
        if wrong.any():
            place = int(wrong.argmax())
            raise ValueError(
                f"{name}: got label {labels[place]} (example {place}; {int(wrong.sum())} such labels in all), expected "
                f"0 to {outputs[1] - 1}, for the model has {outputs[1]} outputs"
            )
        return labels

    def _clipped(self, y_pred: Array) -> Array:
        if y_pred.size and (y_pred.min() < 0 or y_pred.max() > 1.001):
            raise ValueError(
                f"y_pred: got outputs from {y_pred.min():.4g} to {y_pred.max():.4g}, expected probabilities between 0 "
                "and 1; for scores use SparseCategoricalCrossentropy(from_logits=True)"
            )
        return np.clip(y_pred, self._EPSILON, 1 - self._EPSILON)

    def each(self, y_true: NDArray[Any], y_pred: Array) -> Array:
        rows = np.arange(len(y_pred))
        if not self.from_logits:
            shares = self._clipped(y_pred)
            return np.asarray(np.log(shares.sum(axis=1)) - np.log(shares[rows, y_true]))
        shifted = y_pred - y_pred.max(axis=1, keepdims=True)
        return np.asarray(np.log(np.exp(shifted).sum(axis=1)) - shifted[rows, y_true])

    def gradient(self, y_true: NDArray[Any], y_pred: Array, count: int | None = None) -> Array:
        rows, count = np.arange(len(y_pred)), count or len(y_pred)
        if self.from_logits:
            result = _softmax(y_pred)
            result[rows, y_true] -= 1
        else:
            shares = self._clipped(y_pred)
            result = np.broadcast_to(1 / shares.sum(axis=1, keepdims=True), shares.shape).copy()
            result[rows, y_true] -= 1 / shares[rows, y_true]
            result[shares != y_pred] = 0  # the clipping holds these fast
        return np.asarray(result / result.dtype.type(count))


class MeanSquaredError(Loss):
    """The mean of the squared differences. Targets have the shape of the outputs."""

    def check(self, y_true: ArrayLike, outputs: tuple[int, ...], name: str = "y") -> NDArray[Any]:
        targets = _real_array(y_true, name)
        if targets.shape != outputs:
            raise ValueError(f"{name}: got shape {targets.shape}, expected {outputs}, that of the outputs")
        return targets

    def each(self, y_true: NDArray[Any], y_pred: Array) -> Array:
        squares = np.square(y_pred - y_true.astype(y_pred.dtype, copy=False))
        return np.asarray(squares.reshape(len(squares), -1).mean(axis=1))

    def gradient(self, y_true: NDArray[Any], y_pred: Array, count: int | None = None) -> Array:
        numbers = (count or len(y_pred)) * math.prod(y_pred.shape[1:])
        return np.asarray((y_pred - y_true.astype(y_pred.dtype, copy=False)) * y_pred.dtype.type(2 / numbers))


# --- optimizers -----------------------------------------------------------------------------------------------

LearningRate = float | Callable[[int], float]


class CosineDecay:
    """A learning rate that falls from ``initial_learning_rate`` to ``alpha`` of it along half a cosine.

    Args:
        decay_steps: steps (batches) until the end; afterwards it stays.

    Source: Loshchilov and Hutter (2017), equation 5, without restarts; arguments of
    ``keras.optimizers.schedules.CosineDecay``.
    """

    def __init__(self, initial_learning_rate: float, decay_steps: int, alpha: float = 0.0) -> None:
        self.initial_learning_rate = _rate(initial_learning_rate, "initial_learning_rate")
        self.decay_steps = _integer(decay_steps, "decay_steps", 1)
        self.alpha = float(alpha)

    def __call__(self, step: int) -> float:
        """The learning rate of step ``step``, the first being 0."""
        share = min(step, self.decay_steps) / self.decay_steps
        return self.initial_learning_rate * (self.alpha + (1 - self.alpha) * (1 + math.cos(math.pi * share)) / 2)


def _rate(value: Any, name: str, largest: float = math.inf) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        raise TypeError(f"{name}: got {value!r}, expected a number")
    if not (0 <= float(value) <= largest and math.isfinite(value)):
        limits = "of at least 0" if largest == math.inf else f"from 0 to {largest:g}"
        raise ValueError(f"{name}: got {value!r}, expected a finite number {limits}")
    return float(value)


class Optimizer:
    """Changes an array of parameters against its gradient, step by step.

    Args:
        learning_rate: a number, or a function of the step (the first is 0) that gives one.
    """

    def __init__(self, learning_rate: LearningRate) -> None:
        self.learning_rate = learning_rate if callable(learning_rate) else _rate(learning_rate, "learning_rate")
        self.reset()

    def reset(self) -> None:
        """Forget all steps so far."""
        self.iterations = 0
        self._memory: list[Array] = []

    def update(self, parameters: Array, gradient: Array) -> None:
        """Take one step: change ``parameters`` in place.

        Raises:
            ValueError: the gradient's shape is another, or that of earlier steps was.
        """
        if gradient.shape != parameters.shape:
            raise ValueError(f"gradient: got shape {gradient.shape}, expected {parameters.shape}, the parameters'")
        if not self._memory:
            self._memory = [np.zeros_like(parameters) for _ in range(self.memories())]
        elif self._memory[0].shape != parameters.shape:
            raise ValueError(
                f"parameters: got shape {parameters.shape}, expected {self._memory[0].shape} as in the steps before; "
                "an optimizer serves one model"
            )
        rate = self.learning_rate(self.iterations) if callable(self.learning_rate) else self.learning_rate
        self.iterations += 1
        self.step(parameters, gradient, float(rate))

    def memories(self) -> int:
        """How many arrays it keeps of the parameters' shape."""
        return 0

    def step(self, parameters: Array, gradient: Array, rate: float) -> None:
        """The update rule, in place."""
        raise NotImplementedError


class SGD(Optimizer):
    """Gradient descent; with ``momentum`` the steps before go on, with ``nesterov`` one looks ahead.

    With ``m`` the momentum: ``velocity = m * velocity - rate * gradient``, and the parameters change by the velocity
    (Nesterov: by ``m * velocity - rate * gradient`` with the new one).

    Source: Sutskever, Martens, Dahl and Hinton (2013), equations 1 to 4, in the form of ``keras.optimizers.SGD``.
    """

    def __init__(self, learning_rate: LearningRate = 0.01, momentum: float = 0.0, nesterov: bool = False) -> None:
        self.momentum = _rate(momentum, "momentum", 1.0)
        self.nesterov = bool(nesterov)
        super().__init__(learning_rate)

    def memories(self) -> int:
        return 1 if self.momentum else 0

    def step(self, parameters: Array, gradient: Array, rate: float) -> None:
        change = gradient * gradient.dtype.type(-rate)
        if not self.momentum:
            parameters += change
            return
        (velocity,) = self._memory
        velocity *= velocity.dtype.type(self.momentum)
        velocity += change
        parameters += change + velocity * velocity.dtype.type(self.momentum) if self.nesterov else velocity


class Adam(Optimizer):
    """Steps of about the learning rate for every parameter, whatever the size of its gradient.

    The gradient's running mean, divided by the root of the running mean of its square, both corrected for their
    start at 0.

    Source: Kingma and Ba (2015), algorithm 1, with the order of computation given at the end of its section 2;
    defaults of ``keras.optimizers.Adam``.
    """

    def __init__(self, learning_rate: LearningRate = 0.001, beta_1: float = 0.9, beta_2: float = 0.999,
                 epsilon: float = 1e-7) -> None:  # fmt: skip
        self.beta_1, self.beta_2 = _rate(beta_1, "beta_1", 1.0), _rate(beta_2, "beta_2", 1.0)
        self.epsilon = _rate(epsilon, "epsilon")
        super().__init__(learning_rate)

    def memories(self) -> int:
        return 2

    def step(self, parameters: Array, gradient: Array, rate: float) -> None:
        mean, square = self._memory
        number = parameters.dtype.type
        corrected = rate * math.sqrt(1 - self.beta_2**self.iterations) / (1 - self.beta_1**self.iterations)
        mean += (gradient - mean) * number(1 - self.beta_1)
        square += (gradient * gradient - square) * number(1 - self.beta_2)
        parameters -= mean * number(corrected) / (np.sqrt(square) + number(self.epsilon))


# --- fit ------------------------------------------------------------------------------------------------------


class Trainable(Protocol):
    """What ``fit`` needs of a model."""

    layers: list[Layer]
    loss: Loss | None
    optimizer: Optimizer | None

    def forward(self, inputs: ArrayLike, training: bool = False) -> Array:
        """The outputs for a batch."""

    def backward(self, gradient: Array) -> None:
        """Leave the gradients in the layers."""

    def replica(self, seed: int) -> Trainable:
        """The model again, with the same weight arrays and its own memory."""


class History:
    """What a training was like.

    ``history``   as in Keras: lists, one number for each epoch, of ``"loss"`` and ``"accuracy"`` over the batches as
                  they came, and of ``"val_loss"`` and ``"val_accuracy"`` after the epoch
    ``steps``     the loss of each batch, before the step it led to
    ``stopped``   why it ended early, or ``None``
    """

    def __init__(self) -> None:
        self.history: dict[str, list[float]] = {}
        self.steps: list[float] = []
        self.stopped: str | None = None


# Each batch is computed in this many parts, one to a thread. It does not depend on the number of cores, because the
# order of a sum changes its rounding, and the same seed is to give the same weights on one core as on eight.
_PARTS = 2
_SMALLEST_PART = 8


class _Workers:
    """The parts of a batch at the same time, each on a replica of the model with its own memory.

    NumPy lets go of the interpreter's lock while it computes, so two threads compute at the same time; but they hand
    the lock to and fro at each call, and so gain a third to a half, not twice.
    """

    def __init__(self, model: Trainable, seeds: Sequence[int]) -> None:
        self.replicas = [model.replica(seed) for seed in seeds]
        # In a browser there are no threads; one after the other gives the same numbers.
        self._pool = ThreadPoolExecutor(len(seeds) - 1) if len(seeds) > 1 and sys.platform != "emscripten" else None

    def run(self, function: Callable[[Trainable, slice], Any], size: int) -> list[Any]:
        """``function(replica, part)`` for the parts of ``size`` examples."""
        count = max(1, min(len(self.replicas), size // _SMALLEST_PART))
        edges = [size * part // count for part in range(count + 1)]
        jobs = list(zip(self.replicas, map(slice, edges[:-1], edges[1:]), strict=False))

        def work(replica: Trainable, part: slice) -> Any:
            with alone():
                return function(replica, part)

        if self._pool is None:
            return [work(*job) for job in jobs]
        others = [self._pool.submit(work, *job) for job in jobs[1:]]
        try:
            return [work(*jobs[0]), *(other.result() for other in others)]
        finally:
            for other in others:  # nobody may still be reading the weights when the caller changes them
                other.exception()

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown()


@contextmanager
def _parallel(model: Trainable, seed: int) -> Iterator[_Workers]:
    """Workers, with the matrix products held to one thread each: the parts already use the cores."""
    workers = _Workers(model, [seed + part for part in range(_PARTS)])
    try:
        with single_products():
            yield workers
    finally:
        workers.close()


@contextmanager
def _interrupts() -> Iterator[Callable[[], bool]]:
    """Whether the user has asked to stop: a first interrupt lets the step end, a second one acts as ever.

    A process that ignores interrupts, as one started in the background does, goes on ignoring them.
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or before is signal.SIG_IGN:
        yield lambda: False
        return
    asked = threading.Event()

    def note(number: int, frame: Any) -> None:
        asked.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, note)
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGINT, before)


def pack(layers: Sequence[Layer]) -> Array:
    """All weights of ``layers`` in one vector, of which the layers' arrays become views.

    An optimizer then takes one step on one array, and the weights before it are one copy.
    """
    places = [(layer, name) for layer in layers for name in layer.weight_names if getattr(layer, name) is not None]
    weights = [getattr(layer, name) for layer, name in places]
    if not weights:
        raise ValueError("model: has no weights, expected at least one layer that can learn")
    if len({weight.dtype for weight in weights}) > 1:
        kinds = ", ".join(f"{layer.name} {getattr(layer, name).dtype}" for layer, name in places if name == "kernel")
        raise ValueError(f"model: has weights of several dtypes ({kinds}), expected one for all layers")
    vector: Array = np.concatenate([weight.ravel() for weight in weights])
    ends = np.cumsum([weight.size for weight in weights])
    for (layer, name), weight, end in zip(places, weights, ends, strict=True):
        setattr(layer, name, vector[end - weight.size : end].reshape(weight.shape))
    return vector


def check_data(model: Trainable, loss: Loss, x: ArrayLike, y: ArrayLike, names: tuple[str, str]) -> tuple[Any, Any]:
    """Inputs and answers as arrays that belong together and to the model.

    Raises:
        TypeError, ValueError: empty, of different lengths, of a shape the model does not take, labels out of range.
    """
    inputs = _real_array(x, names[0])
    if inputs.ndim == 0 or len(inputs) == 0:
        raise ValueError(f"{names[0]}: got shape {inputs.shape}, expected at least one example")
    answers = np.asarray(y)
    if answers.ndim == 0 or len(answers) != len(inputs):
        raise ValueError(
            f"{names[1]}: got shape {answers.shape}, expected one answer for each of the {len(inputs)} examples"
        )
    shape = model.forward(inputs[:1]).shape
    return inputs, loss.check(answers, (len(inputs), *shape[1:]), names[1])


def _score(loss: Loss, answers: NDArray[Any], outputs: Array) -> tuple[float, int]:
    """The losses added up, and how many answers are right (0 where there are no classes)."""
    hits = int((outputs.argmax(axis=-1) == answers).sum()) if loss.classifies else 0
    return float(loss.each(answers, outputs).sum(dtype=np.float64)), hits


def measure(model: Trainable, loss: Loss, x: NDArray[Any], y: NDArray[Any], batch_size: int,
            workers: _Workers | None = None) -> dict[str, float]:  # fmt: skip
    """Mean loss, and for classes the accuracy, over data that :func:`check_data` has seen."""

    def part(batch: slice, replica: Trainable, place: slice) -> tuple[float, int]:
        return _score(loss, y[batch][place], replica.forward(x[batch][place]))

    with ExitStack() as stack:
        active = workers or stack.enter_context(_parallel(model, 0))
        total, right = 0.0, 0
        for start in range(0, len(x), batch_size):
            batch = slice(start, min(start + batch_size, len(x)))
            for lost, hits in active.run(functools.partial(part, batch), batch.stop - start):
                total, right = total + lost, right + hits
    result = {"loss": total / len(x)}
    if loss.classifies:
        result["accuracy"] = right / len(x)
    return result


def fit(
    model: Trainable,
    x: ArrayLike,
    y: ArrayLike,
    batch_size: int = 32,
    epochs: int = 1,
    verbose: bool | int = True,
    validation_data: tuple[ArrayLike, ArrayLike] | None = None,
    shuffle: bool = True,
    seed: int | None = None,
) -> History:
    """Train a compiled model: ``Sequential.fit`` is this.

    Args:
        x, y: the examples and their answers, the batch first.
        batch_size: examples to a step; the last of an epoch may be fewer.
        verbose: whether to show a progress bar (on the error stream).
        validation_data: ``(x, y)`` to measure after each epoch.
        shuffle: whether each epoch sees the examples in a new order.
        seed: of that order and of dropout; ``None`` takes one from the system.

    Returns:
        A :class:`History`. An interrupt (Ctrl+C, or the stop button of a notebook) ends the training after the
        step at hand; what was learned so far stays, and ``stopped`` says where it ended.

    Raises:
        RuntimeError: the model is not compiled.
        TypeError, ValueError: data that are empty, that do not belong together or to the model; labels out of range.
        FloatingPointError: the loss became NaN or infinite. The model has the last weights with a finite loss, and
            the optimizer starts anew.
    """
    from tqdm import tqdm

    loss, optimizer = model.loss, model.optimizer
    if loss is None or optimizer is None:
        raise RuntimeError("fit: the model has no loss and no optimizer yet; call compile(optimizer, loss) first")
    batch_size, epochs = _integer(batch_size, "batch_size", 1), _integer(epochs, "epochs", 1)
    inputs, answers = check_data(model, loss, x, y, ("x", "y"))
    validation = None
    if validation_data is not None:
        if not isinstance(validation_data, Sequence) or len(validation_data) != 2:
            raise ValueError("validation_data: expected a pair (x, y)")
        validation = check_data(model, loss, *validation_data, ("validation_data: x", "validation_data: y"))
    rng = np.random.default_rng(None if seed is None else _integer(seed, "seed", 0))
    parameters = pack(model.layers)
    good = parameters.copy()
    history = History()
    steps = -(-len(inputs) // batch_size)

    def part(batch: NDArray[Any], replica: Trainable, place: slice) -> tuple[float, int, Array]:
        """One forward and backward over a part of a batch: summed loss, right answers, gradient."""
        chosen = batch[place]
        labels = answers[chosen]
        with np.errstate(all="ignore"):  # what overflows shows in the loss, which is looked at below
            outputs = replica.forward(inputs[chosen], training=True)
            lost, hits = _score(loss, labels, outputs)
            replica.backward(loss.gradient(labels, outputs, len(batch)))
        slopes = [slope.ravel() for layer in replica.layers for slope in (layer.gradients if layer.weights else [])]
        return lost, hits, np.concatenate(slopes)

    with ExitStack() as stack:
        interrupted = stack.enter_context(_interrupts())
        workers = stack.enter_context(_parallel(model, int(rng.integers(2**31))))
        bar = stack.enter_context(tqdm(total=epochs * steps, unit="step", disable=not verbose, dynamic_ncols=True))
        for epoch in range(epochs):
            order = rng.permutation(len(inputs)) if shuffle else np.arange(len(inputs))
            total, right, seen = 0.0, 0, 0
            for step in range(steps):
                batch = order[step * batch_size : (step + 1) * batch_size]
                parts = workers.run(functools.partial(part, batch), len(batch))
                value = sum(lost for lost, _, _ in parts) / len(batch)
                if not math.isfinite(value):
                    parameters[...] = good
                    optimizer.reset()
                    raise FloatingPointError(
                        f"fit: the loss became {value} at step {step + 1} of epoch {epoch + 1}; the model keeps the "
                        "weights of the step before. A smaller learning rate, or inputs without NaN, would help"
                    )
                good[...] = parameters
                with np.errstate(all="ignore"):
                    optimizer.update(parameters, sum((slope for _, _, slope in parts[1:]), parts[0][2]))
                history.steps.append(value)
                total, seen = total + value * len(batch), seen + len(batch)
                right += sum(hits for _, hits, _ in parts)
                if step % 20 == 19 or step == steps - 1:
                    shown = {"loss": f"{total / seen:.4f}"}
                    if loss.classifies:
                        shown["accuracy"] = f"{right / seen:.4f}"
                    bar.set_postfix(epoch=epoch + 1, **shown, refresh=False)
                bar.update()
                if interrupted():
                    history.stopped = f"interrupted after step {step + 1} of epoch {epoch + 1}"
                    break
            numbers = {"loss": total / seen, **({"accuracy": right / seen} if loss.classifies else {})}
            if validation is not None:
                measured = measure(model, loss, *validation, 256, workers)
                numbers |= {f"val_{key}": number for key, number in measured.items()}
            for key, number in numbers.items():
                history.history.setdefault(key, []).append(number)
            if history.stopped:
                bar.write(f"fit: {history.stopped}; the weights are those learned so far", file=sys.stderr)
                break
    return history
