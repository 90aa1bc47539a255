"""``PoolingExplorer``: what pooling keeps, and how much of it stays when the input moves by a pixel."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import traitlets
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Rectangle
from numpy.typing import ArrayLike, NDArray

from convbook import figures, ops
from convbook.explorers._explorer import Array, Checked, Explorer, numbers, refusals, whole
from convbook.explorers._pictures import digit, photograph
from convbook.shapes import padding_amounts

SIZE = 12
"""The largest input: on a telephone each of its pixels can still be touched."""

READABLE = 0.18
"""Inches: a still picture has no numbers in cells that are smaller."""

_POOLS = {"max": ops.max_pool, "average": ops.average_pool, "l2": ops.l2_pool}
_STATE = ("input", "pool", "pool_size", "strides", "padding", "shift")

# A letter whose strokes stand in even columns, so that with windows of 2×2 at stride 2 a shift to the right leaves
# most of it in its windows, and a shift in any other direction does not.
_LETTER = [
    [6, 5, 4, 6, 9, 6, 0, 0],
    [7, 0, 0, 0, 0, 0, 4, 0],
    [4, 0, 0, 0, 0, 0, 6, 0],
    [5, 5, 9, 6, 8, 7, 0, 0],
    [7, 0, 0, 0, 5, 0, 0, 0],
    [7, 0, 0, 0, 4, 0, 0, 0],
    [9, 0, 0, 0, 0, 0, 4, 0],
    [5, 0, 0, 0, 0, 0, 5, 0],
]


def _size(name: str, value: Any) -> int:
    return whole(name, value, 1, 4)


def _pair(least: int, most: int) -> Callable[[str, Any], tuple[int, int]]:
    """Two integers between two bounds, for rows and columns."""

    def check(name: str, value: Any) -> tuple[int, int]:
        if isinstance(value, str) or not isinstance(value, Iterable) or len(pair := tuple(value)) != 2:
            raise TypeError(f"{name}: got {value!r}, expected two integers, for rows and columns")
        return whole(name, pair[0], least, most), whole(name, pair[1], least, most)

    return check


def _one_of(names: Iterable[str]) -> Callable[[str, Any], str]:
    expected = ", ".join(names)

    def check(name: str, value: Any) -> str:
        if not isinstance(value, str):
            raise TypeError(f"{name}: got {value!r}, expected one of {expected}")
        if value not in names:
            raise ValueError(f"{name}: got {value!r}, expected one of {expected}")
        return value

    return check


def _picture(name: str, value: Any) -> Array:
    image = numbers(name, value, 2)
    if not all(2 <= n <= SIZE for n in image.shape):
        raise ValueError(f"{name}: got shape {image.shape}, expected 2 to {SIZE} rows and columns; take a part of it")
    return image


def _images(name: str, value: Any) -> dict[str, list[list[float]]]:
    if not isinstance(value, Mapping):
        raise TypeError(f"{name}: got {value!r}, expected matrices by name")
    return {str(key): _picture(f"{name}[{key!r}]", image).tolist() for key, image in value.items()}


class PoolingExplorer(Explorer, page="pooling"):
    """Pool an input, shift it by a pixel, and see which pooled values stay and which change.

    What a shift pushes over the border is out of sight, and zeros come in on the other side; the input itself is kept,
    so that a shift back brings everything back.

    Args:
        input: ``(h, w)``, 2 to 12 pixels each way; a letter by default.
        pool: ``"max"``, ``"average"`` or ``"l2"``, as in the names of :func:`convbook.ops.max_pool`,
            :func:`convbook.ops.average_pool` and :func:`convbook.ops.l2_pool`.
        pool_size: pixels of the window each way, 1 to 4.
        strides: pixels from one window to the next, 1 to 4; ``None`` means ``pool_size``.
        padding: ``"valid"`` or ``"same"``; padding is not counted.
        shift: ``(rows, columns)``, downwards and to the right, each from -12 to 12.
        selected: ``(row, column)`` of the output whose window is shown; the last one where there are fewer.
        images: what the menu offers, by name, as matrices.

    All of them are attributes that follow what the reader does and can be set: ``explorer.pool_size = 3``. Several that
    only fit together are set in ``with explorer.hold_trait_notifications():``.

    Attributes:
        output: ``(oh, ow)``, computed from the input by the pooling of :mod:`convbook.ops`; it can be observed.
        shifted_output: the same from the shifted input.

    Raises:
        TypeError: not numbers, or sizes that are not integers.
        ValueError: sizes out of range, a pool that is larger than the input, unknown names.

    Source: document 003, on the approximate invariance of pooling to small shifts.
    """

    input = Checked(_picture, _LETTER).tag(to_json=lambda value, _: value.tolist())
    pool = Checked(_one_of(_POOLS), "max")
    pool_size = Checked(_size, 2)
    strides = Checked(_size, 2)
    padding = Checked(_one_of(("valid", "same")), "valid")
    shift = Checked(_pair(-SIZE, SIZE), (0, 1))
    selected = Checked(_pair(0, SIZE - 1), (0, 1))
    images = Checked(_images, {})
    output = traitlets.Any(np.zeros((0, 0)), read_only=True)
    shifted_output = traitlets.Any(np.zeros((0, 0)), read_only=True)

    def __init__(
        self,
        input: ArrayLike | None = None,
        *,
        pool: str = "max",
        pool_size: int = 2,
        strides: int | None = None,
        padding: str = "valid",
        shift: tuple[int, int] = (0, 1),
        selected: tuple[int, int] = (0, 1),
        images: Mapping[str, ArrayLike] | None = None,
        **options: Any,
    ) -> None:
        if images is None:
            images = {"a letter": _LETTER, "a digit": digit(), "a photograph": photograph()}
        super().__init__(
            input=_LETTER if input is None else input,
            pool=pool,
            pool_size=pool_size,
            strides=pool_size if strides is None else strides,
            padding=padding,
            shift=shift,
            selected=selected,
            images={"a letter": _LETTER, "a digit": digit(), "a photograph": photograph()}
            if images is None
            else images,
            **options,
        )

    @traitlets.validate(*_STATE)
    def _check(self, proposal: Any) -> Any:
        with refusals():
            self._results(**{proposal.trait.name: proposal.value})
        return proposal.value

    @traitlets.observe(*_STATE)
    def _compute(self, change: object = None) -> None:
        for name, output in zip(("output", "shifted_output"), self._results(), strict=True):
            if not np.array_equal(output, getattr(self, name)):  # a shift leaves the first as it is
                self.set_trait(name, output)

    def _results(self, **changes: Any) -> tuple[Array, Array]:
        """The two outputs that the state would give with some of it changed; errors as in the class."""
        image, pool, size, strides, padding, shift = (changes.get(name, getattr(self, name)) for name in _STATE)
        both = np.stack([image, _shifted(image, *shift)])[..., None]
        outputs = np.asarray(_POOLS[pool](both, size, strides, padding), np.float64)
        outputs.setflags(write=False)
        return outputs[0, :, :, 0], outputs[1, :, :, 0]

    def __repr__(self) -> str:
        """What it shows, in one line."""
        rows, columns = self.input.shape
        return (
            f"PoolingExplorer: {self.pool} pooling of {rows}×{columns}, pool size {self.pool_size}, "
            f"strides {self.strides}, padding {self.padding}, shifted by {self.shift}"
        )

    def still(self) -> Figure:
        """The shifted input with the selected window, and the output before and after the shift."""
        image, before, after = _shifted(self.input, *self.shift), self.output, self.shifted_output
        size, strides = self.pool_size, self.strides
        pads = [padding_amounts(self.padding, n, size, strides) for n in image.shape]
        padded = np.pad(image, pads, constant_values=np.nan)
        row, column = (min(at, n - 1) for at, n in zip(self.selected, before.shape, strict=True))
        top, left = row * strides, column * strides

        gap, width = 1.1, padded.shape[1] + 2 * before.shape[1] + 2 * 1.1 + 0.4
        cell = min(0.32, figures.WIDTH / width)
        height = max(padded.shape[0], before.shape[0]) + 2.2
        figure, ax = plt.subplots(figsize=(width * cell, height * cell))
        ax.set(xlim=(0, width), ylim=(height, 0), aspect="equal")
        ax.axis("off")
        x = 0.2
        _draw(ax, padded, figures.INPUT, x, "input, shifted" if any(self.shift) else "input", cell)
        frame = Rectangle((x + left, 1.1 + top), size, size, facecolor="none", edgecolor=figures.KERNEL, linewidth=2.5)
        ax.add_patch(frame)
        if self.pool == "max":
            seen = padded[top : top + size, left : left + size]
            i, j = np.unravel_index(np.nanargmax(seen), seen.shape)
            won = Circle((x + left + j + 0.5, 1.6 + top + i), 0.42, facecolor="none", edgecolor=figures.ACCENT)
            ax.add_patch(won)
        x += padded.shape[1] + gap
        _draw(ax, before, figures.OUTPUT, x, "before", cell, selected=(row, column))
        x += before.shape[1] + gap
        _draw(ax, after, figures.OUTPUT, x, "after", cell, selected=(row, column))
        changed = self._changed()
        corners = [(x + j + 0.07, 1.17 + i) for i, j in np.argwhere(changed)]
        frames = [[(a, b), (a + 0.86, b), (a + 0.86, b + 0.86), (a, b + 0.86), (a, b)] for a, b in corners]
        ax.add_collection(LineCollection(frames, colors=figures.ACCENT, linewidths=1.2))
        for a, b in corners if cell >= READABLE else ():
            _write(ax, a + 0.71, b + 0.12, "≠", figures.ACCENT, 20 * cell)
        moved = int((image != self.input).sum())
        text = f"{moved} of {image.size} pixels changed, {int(changed.sum())} of {after.size} pooled values did"
        _write(ax, width / 2, height - 0.4, text, figures.INK, min(11, 60 * width * cell / 28))
        return figure

    def _changed(self) -> NDArray[np.bool_]:
        """Which pooled values the shift changes; a sum in another order is not another sum."""
        return np.asarray(np.abs(self.output - self.shifted_output) > 1e-9 * np.abs(self.input).max())


def _shifted(image: Array, rows: int, columns: int) -> Array:
    """The image moved down and to the right, with zeros where nothing came from."""
    h, w = image.shape
    around = np.pad(image, ((SIZE, SIZE), (SIZE, SIZE)))
    return around[SIZE - rows : SIZE - rows + h, SIZE - columns : SIZE - columns + w]


def _write(ax: Axes, x: float, y: float, text: str, colour: str, points: float) -> None:
    ax.text(x, y, text, ha="center", va="center_baseline", fontsize=points, color=colour)


def _draw(ax: Axes, values: Array, colour: str, left: float, title: str, cell: float,
          selected: tuple[int, int] | None = None) -> None:  # fmt: skip
    """A matrix as a grid with few lines: one for each row and column. Not-a-number is padding, and stays empty."""
    top, (h, w) = 1.1, values.shape
    rows, columns = np.flatnonzero((~np.isnan(values)).any(1)), np.flatnonzero((~np.isnan(values)).any(0))
    y0, y1, x0, x1 = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    inside = Rectangle((left + x0, top + y0), x1 - x0, y1 - y0, facecolor=colour, alpha=0.13, linewidth=0)
    ax.add_patch(inside)
    if (h, w) != (y1 - y0, x1 - x0):
        ax.add_patch(Rectangle((left, top), w, h, fill=False, edgecolor=figures.PADDING, linestyle=":"))
    lines = [[(left + x0, top + y), (left + x1, top + y)] for y in range(y0, y1 + 1)]
    lines += [[(left + x, top + y0), (left + x, top + y1)] for x in range(x0, x1 + 1)]
    ax.add_collection(LineCollection(lines, colors=colour, linewidths=0.8))
    if selected is not None:
        i, j = selected
        ax.add_patch(Rectangle((left + j, top + i), 1, 1, facecolor=colour, alpha=0.35, linewidth=0))
    shown = {
        (i, j): f"{round(float(values[i, j]), 2) + 0.0:g}" for i, j in np.ndindex(h, w) if not np.isnan(values[i, j])
    }
    points = min(11.0, 72 * cell * 0.85 / (0.65 * max(2, *(len(text) for text in shown.values()))))
    for (i, j), text in shown.items() if cell >= READABLE else ():
        _write(ax, left + j + 0.5, top + i + 0.5, text, figures.INK, points)
    ax.text(left + w / 2, top - 0.25, title, ha="center", va="bottom", color=colour, fontsize=11)
