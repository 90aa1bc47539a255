"""How fast a convolution is: twelve layers of known networks, here, in Keras, TensorFlow, PyTorch and SciPy.

All competitors get the same arrays, in the form that they like best, before the clock starts. Keras's padding "same"
puts the odd pixel elsewhere; that costs the same, and errors are taken against the same padding. Errors are the largest
difference from the result in float64, as a share of the largest number in it.
"""

from __future__ import annotations

import ctypes
import functools
import gc
import math
import statistics
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from convbook import algorithms, gradients, ops
from convbook.algorithms._threads import release
from convbook.benchmark._rounds import installed, machine, spread, take_turns
from convbook.shapes import output_size

__all__ = ["COMPETITORS", "DIRECTIONS", "LAYERS", "Layer", "picture", "run", "table", "turn"]

Array = NDArray[Any]
Runs = dict[str, Callable[[], Any]]

DIRECTIONS = ("forward", "input gradient", "kernel gradient")


class Layer(NamedTuple):
    """A convolution as networks have it; without ``filters``, a depthwise one."""

    name: str
    batch: int
    height: int
    width: int
    channels: int
    kernel: int
    filters: int | None
    stride: int
    padding: int

    @property
    def kernel_shape(self) -> tuple[int, int, int, int]:
        """In the form of ``ops.conv``: ``(kh, kw, C / groups, c_out)``."""
        if self.filters is None:
            return self.kernel, self.kernel, 1, self.channels
        return self.kernel, self.kernel, self.channels, self.filters

    @property
    def output(self) -> tuple[int, int, int, int]:
        """``(B, oh, ow, c_out)``."""
        rows, columns = (
            output_size(size, self.kernel, self.stride, self.padding) for size in (self.height, self.width)
        )
        return self.batch, rows, columns, self.kernel_shape[3]

    @property
    def operations(self) -> int:
        """Multiplications and additions of the definition, with the zeros of the padding."""
        return 2 * math.prod(self.output) * math.prod(self.kernel_shape[:3])

    def arrays(self) -> tuple[Array, Array, Array]:
        """Inputs, kernel and a gradient of the output: normal numbers, of which a window's sum is about 1."""
        rng = np.random.default_rng(0)
        inputs = rng.standard_normal((self.batch, self.height, self.width, self.channels), np.float32)
        kernel = rng.standard_normal(self.kernel_shape, np.float32) / np.float32(
            math.sqrt(math.prod(self.kernel_shape[:3]))
        )
        return inputs, kernel, rng.standard_normal(self.output, np.float32)


LAYERS = (
    Layer("LeNet C1", 32, 32, 32, 1, 5, 6, 1, 0),
    Layer("LeNet C3", 32, 14, 14, 6, 5, 16, 1, 0),
    Layer("Keras example", 256, 28, 28, 1, 3, 5, 1, 0),
    Layer("CIFAR", 32, 32, 32, 3, 3, 32, 1, 1),
    Layer("AlexNet conv1", 8, 227, 227, 3, 11, 96, 4, 0),
    Layer("AlexNet conv2", 8, 27, 27, 96, 5, 256, 1, 2),
    Layer("VGG, 56 pixels", 4, 56, 56, 128, 3, 128, 1, 1),
    Layer("VGG, 28 pixels", 4, 28, 28, 256, 3, 256, 1, 1),
    Layer("VGG, 14 pixels", 4, 14, 14, 512, 3, 512, 1, 1),
    Layer("ResNet 1x1", 8, 56, 56, 64, 1, 256, 1, 0),
    Layer("ResNet, stride 2", 8, 56, 56, 128, 3, 128, 2, 1),
    Layer("MobileNet depthwise", 8, 56, 56, 128, 3, None, 1, 1),
)

# --- the competitors: what a layer is to them, as functions without arguments that compute one direction each ---


def _convbook(layer: Layer, method: str = "auto") -> Runs:
    inputs, kernel, gradient = layer.arrays()
    geometry: dict[str, Any] = {"strides": layer.stride, "padding": layer.padding}
    runs: Runs = {"forward": lambda: ops.conv(inputs, kernel, method=method, **geometry)}
    if method == "auto":
        runs["input gradient"] = lambda: gradients.conv_input(gradient, kernel, inputs.shape, **geometry)
        runs["kernel gradient"] = lambda: gradients.conv_kernel(inputs, gradient, kernel.shape, **geometry)
    return runs


def _keras_padding(layer: Layer) -> str:
    return "same" if layer.padding else "valid"


def _tensorflow(layer: Layer, compiled: bool | None) -> Runs:
    """Keras's layer: as it is called for ``None``, within ``tf.function`` otherwise, by XLA if ``compiled``."""
    from convbook.reference import keras
    from convbook.reference import tensorflow as tf

    arrays = layer.arrays()
    given: dict[str, Any] = {"strides": layer.stride, "padding": _keras_padding(layer), "use_bias": False}
    if layer.filters is None:
        made = keras.layers.DepthwiseConv2D(layer.kernel, **given)
    else:
        made = keras.layers.Conv2D(layer.filters, layer.kernel, **given)
    inputs, gradient = tf.constant(arrays[0]), tf.constant(arrays[2])
    made.build(inputs.shape)
    made.set_weights([arrays[1].reshape(made.get_weights()[0].shape)])
    kernel = made.trainable_weights[0].value

    def change(inputs: Any, gradient: Any, of_kernel: bool) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = made(inputs)
        return tape.gradient(outputs, kernel if of_kernel else inputs, gradient)

    if compiled is not None:
        forward, backward = (tf.function(one, jit_compile=compiled) for one in (made, change))
        # A graph leaves out the forward pass where its result is not needed.
        return {
            "forward": lambda: forward(inputs),
            "input gradient": lambda: backward(inputs, gradient, False),
            "kernel gradient": lambda: backward(inputs, gradient, True),
        }
    # Eagerly the forward pass is recorded once, before the clock starts.
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(inputs)
        outputs = made(inputs)
    return {
        "forward": lambda: made(inputs),
        "input gradient": lambda: tape.gradient(outputs, inputs, gradient),
        "kernel gradient": lambda: tape.gradient(outputs, kernel, gradient),
    }


def _torch(layer: Layer, channels_last: bool) -> Runs:
    import torch

    memory = torch.channels_last if channels_last else torch.contiguous_format
    numbers = layer.arrays()
    orders = ((0, 3, 1, 2), (3, 2, 0, 1), (0, 3, 1, 2))
    inputs, kernel, gradient = (
        torch.from_numpy(np.ascontiguousarray(array.transpose(order))).contiguous(memory_format=memory)
        for array, order in zip(numbers, orders, strict=True)
    )
    groups = layer.channels if layer.filters is None else 1

    def backward(*wanted: bool) -> Any:
        with torch.no_grad():
            return torch.ops.aten.convolution_backward(
                gradient, inputs, kernel, None, [layer.stride] * 2, [layer.padding] * 2, [1, 1], False, [0, 0], groups,
                [*wanted, False],
            )  # fmt: skip

    def forward() -> Any:
        with torch.no_grad():
            return torch.nn.functional.conv2d(inputs, kernel, None, layer.stride, layer.padding, 1, groups)

    return {
        "forward": lambda: forward().permute(0, 2, 3, 1),
        "input gradient": lambda: backward(True, False)[0].permute(0, 2, 3, 1),
        "kernel gradient": lambda: backward(False, True)[1].permute(2, 3, 1, 0),
    }


def _scipy(layer: Layer) -> Runs:
    from scipy import signal

    inputs, kernel, _ = layer.arrays()
    around = ((0, 0), (layer.padding,) * 2, (layer.padding,) * 2, (0, 0))

    def forward() -> Array:
        padded = np.pad(inputs, around)
        maps = [signal.correlate(padded, kernel[np.newaxis, ..., one], "valid") for one in range(kernel.shape[3])]
        return np.concatenate(maps, axis=3)

    return {"forward": forward}


class Competitor(NamedTuple):
    """One way to compute a layer."""

    module: str | None  # the library that it needs, if that may be missing
    prepare: Callable[[Layer], Runs]
    applies: Callable[[Layer], bool] = lambda layer: True


def _up_to(operations: float, also: Callable[[Layer], bool] = lambda layer: True) -> Callable[[Layer], bool]:
    """Layers that cost no more than so many operations: with more, a turn would take minutes."""
    return lambda layer: layer.operations <= operations and also(layer)


def _with(method: str, applies: Callable[[Layer], bool] = lambda layer: True) -> Competitor:
    return Competitor(None, functools.partial(_convbook, method=method), applies)


COMPETITORS: dict[str, Competitor] = {
    "convbook": _with("auto"),
    "Keras": Competitor("keras", functools.partial(_tensorflow, compiled=None)),
    "tf.function": Competitor("keras", functools.partial(_tensorflow, compiled=False)),
    "tf.function, XLA": Competitor("keras", functools.partial(_tensorflow, compiled=True)),
    "PyTorch": Competitor("torch", functools.partial(_torch, channels_last=False)),
    "PyTorch, channels last": Competitor("torch", functools.partial(_torch, channels_last=True)),
    "SciPy": Competitor("scipy", _scipy, _up_to(1e8, lambda layer: layer.stride == 1 and layer.filters is not None)),
    "naive": _with("naive", _up_to(1e5)),  # none of the twelve: it would take minutes for the smallest
    "windows": _with("windows", _up_to(1e9)),
    "im2col": _with("im2col"),
    "blocked": _with("blocked"),
    "banded": _with("banded", lambda layer: layer.filters is not None),
    "toeplitz": _with("toeplitz", _up_to(2e7)),
    "fft": _with("fft", _up_to(1e9, lambda layer: layer.filters is not None)),
    "winograd_2x2": _with("winograd_2x2", lambda layer: layer.filters is not None),
    "winograd_4x4": _with("winograd_4x4", lambda layer: layer.filters is not None),
    "pointwise": _with("pointwise", lambda layer: layer.filters is not None),
    "depthwise": _with("depthwise", lambda layer: layer.filters is None),
    "kn2row": _with("kn2row", lambda layer: layer.filters is not None),
    "overlap_save": _with("overlap_save", _up_to(1e9, lambda layer: layer.filters is not None)),
}

# --- one competitor's turn, in a process of its own ---


def _exact(layer: Layer, direction: str, padding: str | int) -> Array:
    """The result in float64, by the plainest method that ends in time."""
    inputs, kernel, gradient = (array.astype(np.float64) for array in layer.arrays())
    if direction == "forward":
        return ops.conv(inputs, kernel, layer.stride, padding, method="im2col")
    if direction == "input gradient":
        return gradients.conv_input(gradient, kernel, inputs.shape, layer.stride, padding)
    return gradients.conv_kernel(inputs, gradient, kernel.shape, layer.stride, padding)


def _resident(field: str) -> float:
    """``VmRSS`` or ``VmHWM`` of this process, in MB, where the system tells."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024 / 1e6
    raise OSError(f"/proc/self/status has no {field}")


def _extra_memory(run: Callable[[], Any], result: int) -> float | None:
    """The most memory that ``run`` takes beyond its ``result`` bytes, in MB; ``None`` where it cannot be measured."""
    try:
        gc.collect()
        release()
        ctypes.CDLL(None).malloc_trim(0)  # what earlier calls left for later ones counts as taken again
        Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts anew
        before = _resident("VmRSS")
        run()
        return max(_resident("VmHWM") - before - result / 1e6, 0.0)
    except (OSError, AttributeError):
        return None


def _time(run: Callable[[], Any], seconds: float = 0.2) -> float:
    """Seconds of one call, the median of three or more."""
    run()
    times: list[float] = []
    stop = time.perf_counter() + seconds
    while len(times) < 3 or time.perf_counter() < stop:
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def _peak() -> float:
    """GFLOP/s of a large matrix product in float32."""
    matrix = np.random.default_rng(0).standard_normal((2048, 2048), np.float32)
    return 2 * 2048**3 / _time(lambda: matrix @ matrix, 1.0) / 1e9


def turn(name: str, layers: Iterable[str]) -> dict[str, Any]:
    """One competitor's turn: seconds, error and extra memory for each layer and direction.

    Returns:
        By layer and direction ``{"seconds": ..., "error": ..., "extra_mb": ...}``; a convbook's turn also has ``peak``.
    """
    competitor = COMPETITORS[name]
    found: dict[str, dict[str, dict[str, float | None]]] = {}
    for layer in LAYERS:
        if layer.name not in layers or not competitor.applies(layer):
            continue
        padding = _keras_padding(layer) if competitor.module == "keras" else layer.padding
        found[layer.name] = {}
        for direction, run in competitor.prepare(layer).items():
            seconds, result = _time(run), np.asarray(run())
            exact = _exact(layer, direction, padding).reshape(result.shape)
            found[layer.name][direction] = {
                "seconds": seconds,
                "error": float(np.abs(result - exact).max() / np.abs(exact).max()),
                "extra_mb": _extra_memory(run, result.nbytes),
            }
    return {"layers": found, **({"peak": _peak()} if name == "convbook" else {})}


# --- all of them, and what came out ---


def _better(turns: list[dict[str, Any]], others: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """In each round, layer and direction the faster of two."""
    return [
        {"layers": {
            layer: {direction: min(found, other["layers"][layer][direction], key=lambda one: one["seconds"])
                    for direction, found in directions.items()}
            for layer, directions in one["layers"].items()
        }}
        for one, other in zip(turns, others, strict=True)
    ]  # fmt: skip


BETTER = "PyTorch, the better"


def run(rounds: int, layers: Iterable[str], names: Iterable[str] | None = None) -> dict[str, Any]:
    """All competitors that are installed, in turn; ratios are those of the same round.

    Args:
        layers: names in ``LAYERS``.
        names: the competitors beside convbook; all if not given.
    """
    chosen = [layer for layer in LAYERS if layer.name in set(layers)]
    wanted = set(COMPETITORS if names is None else names) | {"convbook"}
    able = [
        name for name, one in COMPETITORS.items()
        if name in wanted and installed(one.module) and any(map(one.applies, chosen))
    ]  # fmt: skip
    command = ["-m", "convbook.benchmark", "conv", "--layers", *(layer.name for layer in chosen)]
    turns = take_turns(able, command, rounds)
    if {"PyTorch", "PyTorch, channels last"} <= set(able):
        turns[BETTER] = _better(turns["PyTorch"], turns["PyTorch, channels last"])
    return {
        "benchmark": "conv",
        "rounds": rounds,
        "machine": machine(),
        "peak_gflops": spread([one["peak"] for one in turns["convbook"]]),
        "layers": {layer.name: _of_layer(layer, turns) for layer in chosen},
        "faster_by": {direction: _means(chosen, direction, turns) for direction in DIRECTIONS},
    }


def _seconds(turns: list[dict[str, Any]], layer: Layer, direction: str) -> list[float] | None:
    """Of each round, or ``None`` for a competitor that does not compute this."""
    found = [one["layers"].get(layer.name, {}).get(direction) for one in turns]
    return None if None in found else [one["seconds"] for one in found]


def _of_layer(layer: Layer, turns: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    sizes = (layer.batch, layer.height, layer.width, layer.channels)
    plan = algorithms.plan(sizes, layer.kernel_shape, (layer.stride,) * 2, padding=((layer.padding,) * 2,) * 2)
    found: dict[str, Any] = {"operations": layer.operations, "method": plan.method, "reason": plan.reason}
    for direction in DIRECTIONS:
        ours = _seconds(turns["convbook"], layer, direction)
        assert ours is not None
        found[direction] = {}
        for name, theirs in turns.items():
            seconds = _seconds(theirs, layer, direction)
            if seconds is None:
                continue
            first = theirs[0]["layers"][layer.name][direction]
            found[direction][name] = {
                "seconds": spread(seconds),
                "gflops": layer.operations / statistics.median(seconds) / 1e9,
                "convbook_is_faster_by": spread([one / mine for one, mine in zip(seconds, ours, strict=True)]),
                "error": max(one["layers"][layer.name][direction]["error"] for one in theirs),
                "extra_mb": first["extra_mb"],
            }
    return found


def _means(layers: list[Layer], direction: str, turns: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """How many times faster convbook is than each competitor that computes all layers: the geometric mean over them."""
    means = {}
    for name, theirs in turns.items():
        pairs = [
            (_seconds(theirs, layer, direction), _seconds(turns["convbook"], layer, direction)) for layer in layers
        ]
        if any(one is None for one, _ in pairs):
            continue
        rounds = [
            statistics.geometric_mean(one[number] / mine[number] for one, mine in pairs if one and mine)
            for number in range(len(theirs))
        ]
        means[name] = spread(rounds)
    return means


def table(results: dict[str, Any]) -> str:
    """The results as text."""
    peak = results["peak_gflops"]["median"]
    lines = [
        f"Convolutions: {results['rounds']} rounds, {results['machine']['cores']} cores; a large matrix product "
        f"reaches {peak:.0f} GFLOP/s. Medians; how many times faster convbook is than each, least to most in brackets."
    ]
    for direction in DIRECTIONS:
        lines += ["", direction.capitalize()]
        for name, layer in results["layers"].items():
            ours = layer[direction]["convbook"]
            extra = "" if ours["extra_mb"] is None else f", {ours['extra_mb']:.0f} MB extra"
            how = f", {layer['method']}" if direction == "forward" else ""
            lines.append(
                f"  {name}: {ours['seconds']['median'] * 1e3:.2f} ms, {ours['gflops']:.0f} GFLOP/s, "
                f"{ours['gflops'] / peak:.0%} of the product's, error {ours['error']:.0e}{extra}{how}"
            )
            others = [
                f"{other} {one['seconds']['median'] * 1e3:.2f} ms, {one['convbook_is_faster_by']['median']:.2f} "
                f"({one['convbook_is_faster_by']['least']:.2f} to {one['convbook_is_faster_by']['most']:.2f})"
                for other, one in layer[direction].items()
                if other != "convbook"
            ]
            lines += [f"      {other}" for other in others]
        lines.append("  geometric mean over the layers:")
        for other, one in results["faster_by"][direction].items():
            if other != "convbook":
                lines.append(f"      {other} {one['median']:.2f} ({one['least']:.2f} to {one['most']:.2f})")
    return "\n".join(lines)


def picture(results: dict[str, Any], file: Path) -> None:
    """The forward times as bars, one group for each layer, relative to convbook's, into ``file``."""
    import matplotlib.pyplot as plt

    names = ["Keras", "tf.function", "tf.function, XLA", "PyTorch", "PyTorch, channels last"]
    present = [name for name in names if name in results["faster_by"]["forward"]]
    layers = list(results["layers"])
    figure, axes = plt.subplots(figsize=(9, 0.55 * len(layers) + 1), layout="constrained")
    height = 0.8 / max(len(present), 1)
    for number, name in enumerate(present):
        ratios = [results["layers"][layer]["forward"][name]["convbook_is_faster_by"]["median"] for layer in layers]
        axes.barh(np.arange(len(layers)) + number * height, ratios, height, align="edge", label=name)
    axes.axvline(1, color="0.3", linewidth=1)
    axes.set(xscale="log", yticks=np.arange(len(layers)) + 0.4, yticklabels=layers)
    axes.set_xlabel("time of the competitor / time of convbook, forward")
    axes.invert_yaxis()
    axes.legend()
    figure.savefig(file)
    plt.close(figure)
