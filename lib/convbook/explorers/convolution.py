"""``ConvolutionExplorer``: a window that slides, stepped through by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import traitlets
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from convbook import figures, ops
from convbook.explorers._explorer import Array, ArrayTrait, Checked, Explorer, refusals, whole
from convbook.explorers._pictures import digit, photograph
from convbook.shapes import effective_kernel

_THIRD = 1 / 9
KERNELS: dict[str, list[list[float]]] = {
    "identity": [[0, 0, 0], [0, 1, 0], [0, 0, 0]],
    "blur": [[_THIRD] * 3] * 3,
    "sharpen": [[0, -1, 0], [-1, 5, -1], [0, -1, 0]],
    "Sobel, left to right": [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]],
    "Sobel, top to bottom": [[-1, -2, -1], [0, 0, 0], [1, 2, 1]],
    "Laplacian": [[0, 1, 0], [1, -4, 1], [0, 1, 0]],
}
"""Kernels of image processing, each ``(3, 3)``."""

_OPERATIONS = ("cross-correlation", "convolution")
_SETTINGS = ("strides", "padding", "dilation_rate", "operation")
_STATE = ("input", "kernel", "bias", *_SETTINGS)


def _from(least: int) -> Callable[[str, Any], int]:
    return lambda name, value: whole(name, value, least, 8)


def _operation(name: str, value: Any) -> str:
    if value not in _OPERATIONS:
        raise ValueError(f"{name}: got {value!r}, expected one of {', '.join(_OPERATIONS)}")
    return str(value)


def _left_out(name: str, value: Any) -> list[str]:
    if not isinstance(value, (list, tuple)):
        raise TypeError(f"{name}: got {value!r}, expected a list of some of {', '.join(_SETTINGS)}")
    for setting in value:
        if setting not in _SETTINGS:
            raise ValueError(f"{name}: got {setting!r}, expected some of {', '.join(_SETTINGS)}")
    return [*value]


def _place(name: str, value: Any) -> tuple[int, ...]:
    if not isinstance(value, (list, tuple)) or len(value) != 3:
        raise TypeError(f"{name}: got {value!r}, expected (row, column, filter)")
    return tuple(whole(name, at, 0, 9999) for at in value)


def images() -> dict[str, Array]:
    """What the input can be filled with, ``(h, w)`` with values from 0 to 9."""
    edge = np.zeros((6, 6))
    edge[:, 3:] = 9
    dot = np.zeros((7, 7))
    dot[3, 3] = 9
    return {"an edge": edge, "a dot": dot, "a digit": digit(), "a photograph": photograph()}


_pictures = images  # the class has an argument of that name


class ConvolutionExplorer(Explorer, page="convolution"):
    """Slide a kernel over an input, and see what every output is made of.

    Args:
        input: ``(h, w, c_in)``, or ``(h, w)`` for one channel; an edge by default.
        kernel: ``(kh, kw, c_in, c_out)``, or ``(kh, kw)`` for one filter on one channel.
        bias: ``(c_out,)``; zeros by default.
        strides, padding, dilation_rate: integers, as in :func:`convbook.ops.conv`.
        operation: ``"cross-correlation"``, as networks compute it, or ``"convolution"``, which turns the kernel.
        images, kernels: what the menus offer, by name, as matrices; for one channel and one filter.
        without: settings that are not offered, such as ``["dilation_rate", "operation"]``.

    All but the last are attributes that follow what the reader does and can be set: ``explorer.kernel = ...``. Several
    that only fit together are set in ``with explorer.hold_trait_notifications():``.

    Attributes:
        output: ``(oh, ow, c_out)``, computed by :func:`convbook.ops.conv` from the present state; it can be observed.
        selected: ``(row, column, filter)`` of the output whose sum is shown; the last one where there are fewer.

    Raises:
        TypeError: not numbers, or sizes that are not integers.
        ValueError: shapes that do not fit together, sizes out of range, strides and dilation both above 1.

    Source: the running demonstration of document 002 (5x5x3, two filters of 3x3x3, stride 2, padding 1).
    """

    input = ArrayTrait(3)
    kernel = ArrayTrait(4)
    bias = ArrayTrait(1)
    strides = Checked(_from(1), 1)
    padding = Checked(_from(0), 0)
    dilation_rate = Checked(_from(1), 1)
    operation = Checked(_operation, "cross-correlation")
    selected = Checked(_place, (0, 0, 0))
    images = traitlets.Dict().tag(sync=True)
    kernels = traitlets.Dict().tag(sync=True)
    without = Checked(_left_out, [])
    output = traitlets.Any(read_only=True)

    def __init__(
        self,
        input: ArrayLike | None = None,
        kernel: ArrayLike | None = None,
        bias: ArrayLike | None = None,
        *,
        strides: int = 1,
        padding: int = 0,
        dilation_rate: int = 1,
        operation: str = "cross-correlation",
        selected: tuple[int, int, int] = (0, 0, 0),
        images: Mapping[str, ArrayLike] | None = None,
        kernels: Mapping[str, ArrayLike] | None = None,
        without: Sequence[str] = (),
        **options: Any,
    ) -> None:
        pictures = {**(_pictures() if images is None else images)}
        presets = {**(KERNELS if kernels is None else kernels)}
        image = _with_axes(next(iter(pictures.values())) if input is None else input, 3)
        weights = _with_axes(KERNELS["Sobel, left to right"] if kernel is None else kernel, 4)
        super().__init__(
            input=image,
            kernel=weights,
            bias=np.zeros(weights.shape[-1:]) if bias is None else bias,
            strides=strides,
            padding=padding,
            dilation_rate=dilation_rate,
            operation=operation,
            selected=selected,
            images={name: _with_axes(picture, 3).tolist() for name, picture in pictures.items()},
            kernels={name: _with_axes(preset, 4).tolist() for name, preset in presets.items()},
            without=without,
            **options,
        )

    @traitlets.validate(*_STATE)
    def _check(self, proposal: Any) -> Any:
        name, value = proposal.trait.name, proposal.value
        with refusals():
            self._result(**{name: value})
        return value

    @traitlets.observe(*_STATE)
    def _compute(self, change: object = None) -> None:
        self.set_trait("output", self._result())

    def _result(self, **changes: Any) -> Array:
        """The output that the state would give with some of it changed; errors as in the class."""
        state = {name: changes.get(name, getattr(self, name)) for name in _STATE}
        kernel, bias = state["kernel"], state["bias"]
        if kernel.shape[2] != state["input"].shape[2]:
            raise ValueError(
                f"kernel: takes {kernel.shape[2]} channels, expected the {state['input'].shape[2]} of input"
            )
        if bias.shape != kernel.shape[3:]:
            raise ValueError(f"bias: got shape {bias.shape}, expected one value for each of {kernel.shape[3]} filters")
        if state["operation"] == "convolution":
            kernel = kernel[::-1, ::-1]
        output = ops.conv(
            state["input"][None], kernel, state["strides"], state["padding"], dilation_rate=state["dilation_rate"]
        )
        return np.asarray(output[0] + bias, np.float64)

    def __repr__(self) -> str:
        """What it shows, in one line."""
        shapes = " and ".join("×".join(map(str, array.shape)) for array in (self.input, self.kernel))
        return (
            f"ConvolutionExplorer: {self.operation} of {shapes}, strides {self.strides}, padding {self.padding}, "
            f"dilation {self.dilation_rate}"
        )

    def still(self) -> Figure:
        """Input, filters and output, with the window of the selected output."""
        row, column, filter = (min(at, size - 1) for at, size in zip(self.selected, self.output.shape, strict=True))
        if self.input.shape[2] == 1 and self.kernel.shape[3] == 1 and self.operation == "cross-correlation":
            return figures.convolution(
                self.input[:, :, 0], self.kernel[:, :, 0, 0], (row, column), strides=self.strides,
                padding=self.padding, dilation_rate=self.dilation_rate, show_sum=not self.bias.any(),
            )  # fmt: skip
        pad, (kh, kw, channels, filters) = self.padding, self.kernel.shape
        extent = effective_kernel(kh, self.dilation_rate), effective_kernel(kw, self.dilation_rate)
        framed = np.pad(self.input, ((pad, pad), (pad, pad), (0, 0)))
        border = np.pad(np.zeros(self.input.shape[:2], bool), pad, constant_values=True)
        chosen = np.zeros(self.output.shape, bool)
        chosen[row, column, filter] = True
        (h, w), (oh, ow) = border.shape, self.output.shape[:2]
        height = max(channels * (h + 1.2), channels * (kh + 1.2), filters * (oh + 1.2))
        left = (0.2, w + 1.2, w + 1.2 + filters * (kw + 0.7))
        figure, ax = plt.subplots(figsize=(figures.WIDTH, figures.WIDTH * height / (left[2] + ow + 0.5)))
        for c in range(channels):
            title = "input" if channels == 1 else f"channel {c}"
            window = (row * self.strides, column * self.strides, *extent)
            figures.draw_grid(ax, framed[:, :, c], origin=(left[0], 1 + c * (h + 1.2)), title=title, dashed=border,
                              window=window)  # fmt: skip
            for f in range(filters):
                title = "kernel" if filters == 1 else f"filter {f}"
                figures.draw_grid(ax, self.kernel[:, :, c, f], figures.KERNEL, title=title if c == 0 else None,
                                  origin=(left[1] + f * (kw + 0.7), 1 + c * (kh + 1.2)))  # fmt: skip
        for f in range(filters):
            title = "output" if filters == 1 else f"output {f}"
            figures.draw_grid(ax, self.output[:, :, f], figures.OUTPUT, origin=(left[2], 1 + f * (oh + 1.2)),
                              title=title, marked=chosen[:, :, f])  # fmt: skip
        ax.set(xlim=(0, left[2] + ow + 0.3), ylim=(height, 0), aspect="equal")
        ax.axis("off")
        return figure


def _with_axes(array: ArrayLike, axes: int) -> Array:
    """A matrix as one channel, and as one filter."""
    values = np.asarray(array, np.float64)
    return values.reshape(values.shape + (1,) * (axes - values.ndim)) if values.ndim == 2 else values
