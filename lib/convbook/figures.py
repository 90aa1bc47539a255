"""The drawings of the book.

One palette, with one meaning for each colour everywhere: ``INPUT``, ``KERNEL``, ``OUTPUT``, ``PADDING``, and
``ACCENT`` for what a caption points at. The colours follow those of Okabe and Ito (2008), told apart with any
colour vision, and are dark enough for text. Figures are SVG with a transparent ground; each carries a style
sheet that lightens its colours where the page is dark, so one picture serves both themes.

Figures are at most ``WIDTH`` inches wide with text of 11 points: on a telephone they shrink to two thirds
and stay readable. Every function makes a figure and returns it; in a notebook write ``_ = figures.grid(...)``.
"""

from __future__ import annotations

import codecs
import io
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from cycler import cycler
from matplotlib import cbook
from matplotlib.axes import Axes
from matplotlib.backend_bases import register_backend
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike, NDArray

from convbook import ops
from convbook.ops import PaddingLike
from convbook.shapes import effective_kernel, output_size, padding_amounts

__all__ = [
    "ACCENT",
    "INK",
    "INPUT",
    "KERNEL",
    "MUTED",
    "OUTPUT",
    "PADDING",
    "WIDTH",
    "channels",
    "convolution",
    "draw_grid",
    "gallery",
    "grids",
    "matrices",
    "padded",
    "runs",
    "use_style",
    "window_rows",
]

INPUT = "#0072b2"
KERNEL = "#b84d00"
OUTPUT = "#00795a"
PADDING = "#6b7280"
ACCENT = "#a8467f"
INK = "#1f2328"
MUTED = "#59636e"

# The same colours for a dark page, each at least 4.5 : 1 against it.
_ON_DARK = {
    INPUT: "#56b4e9",
    KERNEL: "#ff9a52",
    OUTPUT: "#3ec99a",
    PADDING: "#9aa4b2",
    ACCENT: "#e08abf",
    INK: "#e6e9ec",
    MUTED: "#a3adb8",
}

WIDTH = 5.5

_STYLE: Any = {
    "figure.figsize": (WIDTH, 3.2),
    "figure.constrained_layout.use": True,
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "axes.facecolor": "none",
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.titlesize": 11,
    "axes.labelsize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": cycler(color=[INPUT, KERNEL, OUTPUT, ACCENT, PADDING]),
    "font.size": 11,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "lines.linewidth": 2,
    "lines.markersize": 7,
    "image.cmap": "gray",
    "image.interpolation": "none",
    "svg.fonttype": "path",
    "svg.hashsalt": "convbook",  # the same picture is the same file
}


class _ThemedSVG(FigureCanvasSVG):  # type: ignore[misc, unused-ignore]
    """SVG that follows the page: a style sheet inside it turns the palette over where the page is dark."""

    # Matplotlib passes every option of savefig to a canvas that is not its own; SVG knows two of them.
    def print_svg(self, filename: Any, **options: Any) -> None:
        buffer = io.StringIO()
        super().print_svg(  # type: ignore[no-untyped-call]
            buffer,
            bbox_inches_restore=options.get("bbox_inches_restore"),
            metadata={"Date": None, **(options.get("metadata") or {})},
        )
        rules = "".join(
            f'[style*="{role}: {light}"]{{{role}:{dark}!important}}'
            for light, dark in _ON_DARK.items()
            for role in ("fill", "stroke")
        )
        sheet = f"<style>@media (prefers-color-scheme:dark){{{rules}}}</style>\n</svg>"
        text = buffer.getvalue().replace("</svg>", sheet)
        with cbook.open_file_cm(filename, "w", encoding="utf-8") as file:
            writer = file if cbook.file_requires_unicode(file) else codecs.getwriter("utf-8")(file)
            writer.write(text)


def use_style() -> None:
    """Give every figure made from now on the look of the book, as SVG where it is shown in a notebook."""
    mpl.rcParams.update(_STYLE)
    register_backend("svg", _ThemedSVG, "Scalable Vector Graphics that follow the page's theme")
    try:
        from IPython import get_ipython
    except ImportError:
        return
    if get_ipython() is not None:
        from matplotlib_inline.backend_inline import set_matplotlib_formats

        set_matplotlib_formats("svg")  # type: ignore[no-untyped-call]


# --- grids: an array as cells with numbers in them ------------------------------------------------------------


def _number(value: float) -> str:
    """A cell's number: integers without a point, others with at most two digits after it."""
    if not math.isfinite(value):
        return str(value)
    rounded = round(float(value), 2)
    return f"{rounded:.0f}" if rounded == int(rounded) else f"{rounded:g}"


def draw_grid(
    ax: Axes,
    values: ArrayLike,
    colour: str = INPUT,
    *,
    origin: tuple[float, float] = (0.0, 0.0),
    title: str | None = None,
    numbers: bool = True,
    marked: ArrayLike | None = None,
    dashed: ArrayLike | None = None,
    window: tuple[int, int, int, int] | None = None,
    window_colour: str = KERNEL,
    fontsize: float = 11,
) -> None:
    """Draw a matrix as a grid of cells on ``ax``, one unit to a cell, rows downwards.

    Args:
        values: ``(H, W)``.
        origin: column and row of the top left corner.
        marked: boolean ``(H, W)``: cells that are filled more strongly.
        dashed: boolean ``(H, W)``: cells of the padding, drawn grey and dashed.
        window: ``(top, left, height, width)`` in cells: a thick frame.
        fontsize: of the numbers, in points.
    """
    array = np.asarray(values)
    left, top = origin
    strong = np.zeros(array.shape, bool) if marked is None else np.asarray(marked, bool)
    border = np.zeros(array.shape, bool) if dashed is None else np.asarray(dashed, bool)
    for i, j in np.ndindex(array.shape):
        own = PADDING if border[i, j] else colour
        corner = (left + j, top + i)
        ax.add_patch(Rectangle(corner, 1, 1, facecolor=own, alpha=0.45 if strong[i, j] else 0.13, linewidth=0))
        ax.add_patch(
            Rectangle(
                corner, 1, 1, facecolor="none", edgecolor=own, linewidth=0.8, linestyle=":" if border[i, j] else "-"
            )
        )
        if numbers:
            tint = MUTED if border[i, j] and not strong[i, j] else INK
            ax.text(left + j + 0.5, top + i + 0.5, _number(float(array[i, j])), ha="center", va="center_baseline",
                    fontsize=fontsize, color=tint)  # fmt: skip
    if window is not None:
        row, column, height, width = window
        ax.add_patch(
            Rectangle(
                (left + column, top + row),
                width,
                height,
                facecolor="none",
                edgecolor=window_colour,
                linewidth=2.5,
                zorder=3,
            )
        )
    if title:
        ax.text(left + array.shape[1] / 2, top - 0.25, title, ha="center", va="bottom", color=colour, fontsize=11)


def _canvas(width: float, height: float, *, cell: float = 0.42) -> tuple[Figure, Axes]:
    """A figure for drawings measured in cells, with rows downwards and no axes."""
    scale = min(cell, WIDTH / width)
    figure, ax = plt.subplots(figsize=(width * scale, height * scale))
    ax.set_xlim(0, width)
    ax.set_ylim(height, 0)
    ax.set_aspect("equal")
    ax.axis("off")
    return figure, ax


def grids(
    *arrays: ArrayLike,
    titles: Sequence[str] = (),
    colours: Sequence[str] = (),
    symbols: Sequence[str] = (),
    numbers: bool = True,
    cell: float = 0.42,
) -> Figure:
    """Several matrices in a row, with ``symbols`` (such as ``"*"`` and ``"="``) between them."""
    shown = [np.atleast_2d(np.asarray(array)) for array in arrays]
    gap = 1.2
    height = max(a.shape[0] for a in shown)
    figure, ax = _canvas(sum(a.shape[1] for a in shown) + gap * (len(shown) - 1) + 0.4, height + 1.3, cell=cell)
    left = 0.2
    for n, array in enumerate(shown):
        top = 1.1 + (height - array.shape[0]) / 2
        draw_grid(ax, array, colours[n] if n < len(colours) else INPUT, origin=(left, top),
                  title=titles[n] if n < len(titles) else None, numbers=numbers)  # fmt: skip
        left += array.shape[1]
        if n < len(symbols) and n < len(shown) - 1:
            ax.text(left + gap / 2, 1.1 + height / 2, symbols[n], ha="center", va="center", fontsize=14)
        left += gap
    return figure


def _with_border(image: NDArray[Any], padding: PaddingLike, kernel: Sequence[int], strides: Sequence[int],
                 dilation: Sequence[int]) -> tuple[NDArray[Any], NDArray[np.bool_]]:  # fmt: skip
    """A matrix with its padding, and which cells are padding."""
    if isinstance(padding, (str, int)):
        pairs = [padding_amounts(padding, *axis) for axis in zip(image.shape, kernel, strides, dilation, strict=True)]
    else:
        pairs = [(p, p) if isinstance(p, int) else (p[0], p[1]) for p in padding]
    border = np.pad(np.zeros(image.shape, bool), pairs, constant_values=True)
    return np.pad(image, pairs), border


def padded(image: ArrayLike, padding: PaddingLike, *, title: str | None = None, numbers: bool = True) -> Figure:
    """A matrix with its border of zeros."""
    array, border = _with_border(np.asarray(image), padding, (1, 1), (1, 1), (1, 1))
    figure, ax = _canvas(array.shape[1] + 0.4, array.shape[0] + 1.2)
    draw_grid(ax, array, INPUT, origin=(0.2, 1.0), title=title, dashed=border, numbers=numbers)
    return figure


def convolution(
    inputs: ArrayLike,
    kernel: ArrayLike,
    position: tuple[int, int] | None = (0, 0),
    *,
    strides: int = 1,
    padding: PaddingLike = "valid",
    dilation_rate: int = 1,
    numbers: bool = True,
    show_sum: bool = True,
) -> Figure:
    """One step of a convolution: the padded input with a window, the kernel, the output with its cell.

    Args:
        inputs: ``(H, W)``.
        kernel: ``(kh, kw)``.
        position: row and column of the output cell to explain; ``None`` marks none.
        show_sum: write the products and their sum under the drawing (of nine terms or fewer).
    """
    image, weights = np.asarray(inputs), np.asarray(kernel)
    outputs = ops.conv(image[None, :, :, None], weights[:, :, None, None], strides, padding,
                       dilation_rate=dilation_rate)[0, :, :, 0]  # fmt: skip
    full, border = _with_border(image, padding, weights.shape, (strides,) * 2, (dilation_rate,) * 2)
    gap = 1.1
    rows = max(full.shape[0], weights.shape[0], outputs.shape[0])
    explain = show_sum and position is not None and weights.size <= 9
    width = full.shape[1] + weights.shape[1] + outputs.shape[1] + 2 * gap + 0.4
    figure, ax = _canvas(width, rows + (2.6 if explain else 1.3))

    marked = np.zeros(full.shape, bool)
    cell = np.zeros(outputs.shape, bool)
    window = None
    if position is not None:
        top, left = position[0] * strides, position[1] * strides
        extent = [effective_kernel(k, dilation_rate) for k in weights.shape]
        marked[top : top + extent[0] : dilation_rate, left : left + extent[1] : dilation_rate] = True
        cell[position] = True
        window = (top, left, extent[0], extent[1])

    def middle(array: NDArray[Any]) -> float:
        return 1.1 + (int(rows) - len(array)) / 2

    x = 0.2
    draw_grid(ax, full, INPUT, origin=(x, middle(full)), title="input", dashed=border, marked=marked, window=window,
              numbers=numbers)  # fmt: skip
    x += full.shape[1]
    ax.text(x + gap / 2, 1.1 + rows / 2, "∗", ha="center", va="center", fontsize=14)
    x += gap
    draw_grid(ax, weights, KERNEL, origin=(x, middle(weights)), title="kernel", numbers=numbers)
    x += weights.shape[1]
    ax.text(x + gap / 2, 1.1 + rows / 2, "=", ha="center", va="center", fontsize=14)
    x += gap
    draw_grid(ax, outputs, OUTPUT, origin=(x, middle(outputs)), title="output", marked=cell, numbers=numbers)
    if explain and position is not None:
        seen = full[marked].reshape(weights.shape)
        terms = " + ".join(f"{_number(a)}·{_factor(b)}" for a, b in zip(seen.ravel(), weights.ravel(), strict=True))
        ax.text(width / 2, rows + 1.9, f"{terms} = {_number(outputs[position])}", ha="center", va="center",
                fontsize=min(11, 11 * 44 / max(len(terms), 1)))  # fmt: skip
    return figure


def channels(
    inputs: ArrayLike, kernel: ArrayLike, bias: ArrayLike | None = None, position: tuple[int, int] | None = (0, 0)
) -> Figure:
    """A convolutional layer on one small image: a row for each input channel, a column for each filter.

    Under a single filter the sum of each channel is written, and what they and the bias add up to.

    Args:
        inputs: ``(H, W, c_in)``.
        kernel: ``(kh, kw, c_in, c_out)``.
        bias: ``(c_out,)``; None shows none.
        position: row and column of the output pixel to explain; None marks none.
    """
    image, weights = np.asarray(inputs), np.asarray(kernel)
    kh, kw, c_in, c_out = weights.shape
    shift = np.zeros(c_out) if bias is None else np.asarray(bias)
    outputs = ops.conv(image[None], weights)[0] + shift
    rows, high, wide = outputs.shape[0], image.shape[0], image.shape[1]
    gap, between, pitch = 1.1, 0.7, high + 1.3
    explain = position is not None and c_out == 1
    width = 0.4 + wide + gap + c_out * kw + (c_out - 1) * between + gap + outputs.shape[1]
    stack = c_in * pitch
    below = max(stack, c_out * (rows + 1.3)) + (0 if bias is None else 0.5)
    height = below + (c_in + 1.3 if explain else 0)
    figure, ax = _canvas(max(width, 11.6) if explain else width, height)
    left = 0.2 + (max(11.6 - width, 0) / 2 if explain else 0)

    seen = np.zeros((high, wide), bool)
    cell = np.zeros(outputs.shape[:2], bool)
    if position is not None:
        seen[position[0] : position[0] + kh, position[1] : position[1] + kw] = True
        cell[position] = True
    frame = None if position is None else (*position, kh, kw)
    names = [f" {f}" for f in range(c_out)] if c_out > 1 else [""]
    first = left + wide + gap
    for c in range(c_in):
        top = c * pitch + 1.1
        draw_grid(ax, image[:, :, c], INPUT, origin=(left, top), title=f"channel {c}", marked=seen, window=frame)
        ax.text(left + wide + gap / 2, top + high / 2, "∗", ha="center", va="center", fontsize=14)
        for f in range(c_out):
            origin = (first + f * (kw + between), top + (high - kh) / 2)
            draw_grid(ax, weights[:, :, c, f], KERNEL, origin=origin, title=f"filter{names[f]}" if c == 0 else None)
    if bias is not None:
        for f in range(c_out):
            ax.text(first + f * (kw + between) + kw / 2, stack + 0.1, f"bias {_number(float(shift[f]))}", ha="center",
                    va="center", color=KERNEL)  # fmt: skip
    last = first + c_out * kw + (c_out - 1) * between
    ax.text(last + gap / 2, 1.1 + (stack - 1.3) / 2, "=", ha="center", va="center", fontsize=14)
    for f in range(c_out):
        top = 1.1 + (stack - 1.3) / 2 + (f - (c_out - 1) / 2) * (rows + 1.3) - rows / 2
        draw_grid(ax, outputs[:, :, f], OUTPUT, origin=(last + gap, top), title=f"output{names[f]}", marked=cell)
    if explain and position is not None:
        sums = []
        for c in range(c_in):
            pixels, factors = image[:, :, c][seen], weights[:, :, c, 0].ravel()
            sums.append(_number(float(pixels @ factors)))
            terms = " + ".join(f"{_number(float(a))}·{_factor(float(b))}" for a, b in zip(pixels, factors, strict=True))
            ax.text(left, below + 0.6 + c, f"channel {c}:  {terms} = {sums[-1]}", va="center", color=INPUT,
                    fontsize=min(11, 11 * 44 / (len(terms) + 14)))  # fmt: skip
        total = " + ".join([*sums, *([] if bias is None else [_number(float(shift[0]))])])
        result = _number(float(outputs[(*position, 0)]))
        ax.text(left, below + 0.7 + c_in, f"together:   {total} = {result}", va="center", color=OUTPUT)
    return figure


def _factor(value: float) -> str:
    """A factor of a product, in brackets where it is negative."""
    return _number(value) if value >= 0 else f"({_number(value)})"


def window_rows(
    size: int, kernel: int, stride: int = 1, padding: int | str | tuple[int, int] = 0, dilation: int = 1
) -> Figure:
    """One row of pixels, and under it every window that reads it, one below the other.

    Pixels that no window reads are filled in the accent colour.
    """
    before, after = padding_amounts(padding, size, kernel, stride, dilation)
    count = output_size(size, kernel, stride, padding, dilation)
    total = before + size + after
    figure, ax = _canvas(total + 2.6, count + 2.4, cell=0.36)
    read = np.zeros(total, bool)
    for n in range(count):
        read[n * stride : n * stride + effective_kernel(kernel, dilation) : dilation] = True
    for j in range(total):
        is_padding = not before <= j < before + size
        draw_grid(ax, [[0 if is_padding else j - before + 1]], INPUT if read[j] or is_padding else ACCENT,
                  origin=(0.2 + j, 0.9), dashed=[[is_padding]], marked=[[not read[j] and not is_padding]],
                  fontsize=9)  # fmt: skip
    for n in range(count):
        for tap in range(kernel):
            corner = (0.2 + n * stride + tap * dilation, 2.2 + n)
            ax.add_patch(Rectangle(corner, 1, 0.8, facecolor=KERNEL, alpha=0.3, linewidth=0))
            ax.add_patch(Rectangle(corner, 1, 0.8, facecolor="none", edgecolor=KERNEL, linewidth=1))
        ax.text(total + 0.5, 2.6 + n, f"output {n + 1}", va="center", fontsize=9, color=OUTPUT)
    return figure


# --- pictures -------------------------------------------------------------------------------------------------


def gallery(
    images: Iterable[ArrayLike],
    titles: Sequence[str] = (),
    *,
    columns: int | None = None,
    signed: bool = False,
    limits: tuple[float, float] | None = None,
    same_scale: bool = True,
    heading: str | None = None,
) -> Figure:
    """Pictures side by side: photographs, digits, kernels, feature maps.

    Args:
        images: ``(H, W)``, ``(H, W, 1)`` or ``(H, W, 3)`` each.
        signed: values below and above zero, in two colours that meet in white at zero.
        limits: values shown black and white; by default the extremes of all images together.
        same_scale: False stretches each picture over its own range.
        heading: a line above all of them.
    """
    shown = [np.asarray(image) for image in images]
    shown = [image[:, :, 0] if image.ndim == 3 and image.shape[2] == 1 else image for image in shown]
    columns = columns or min(len(shown), 4)
    rows = math.ceil(len(shown) / columns)
    tall = max(image.shape[0] / image.shape[1] for image in shown)
    side = WIDTH / max(columns, 2)
    head = (0.3 if titles else 0.08) * rows + (0.35 if heading else 0)
    figure, axes = plt.subplots(rows, columns, figsize=(side * columns, side * tall * rows + head), squeeze=False)
    low, high = limits or (min(float(i.min()) for i in shown), max(float(i.max()) for i in shown))
    for ax in axes.flat:
        ax.axis("off")
    for n, image in enumerate(shown):
        lowest, highest = (low, high) if same_scale else (float(image.min()), float(image.max()))
        if signed:
            bound = max(abs(lowest), abs(highest)) or 1.0
            axes.flat[n].imshow(image, cmap="PuOr", vmin=-bound, vmax=bound)
        else:
            axes.flat[n].imshow(image, cmap="gray", vmin=lowest, vmax=highest)
        if n < len(titles):
            axes.flat[n].set_title(titles[n])
    if heading:
        figure.suptitle(heading, fontsize=11)
    return figure


def matrices(
    arrays: Mapping[str, ArrayLike], *, xlabel: str = "input pixel", ylabel: str = "output pixel", columns: int = 2
) -> Figure:
    """Weight matrices as pictures: zeros blank, the rest in two colours by sign."""
    rows = math.ceil(len(arrays) / columns)
    columns = min(columns, len(arrays))
    figure, axes = plt.subplots(
        rows, columns, figsize=(WIDTH * columns / max(columns, 2), 2.9 * rows), squeeze=False
    )  # fmt: skip
    for ax in axes.flat[len(arrays) :]:
        ax.axis("off")
    for ax, (name, values) in zip(axes.flat, arrays.items(), strict=False):
        array = np.asarray(values, float)
        bound = float(np.abs(array).max()) or 1.0
        ax.imshow(np.ma.masked_equal(array, 0), cmap="PuOr", vmin=-bound, vmax=bound)
        ax.set_title(name)
        ax.set_xlabel(xlabel)
        ax.set_ylabel(ylabel)
        ax.spines[:].set_visible(True)
        ax.locator_params(integer=True, nbins=5)
    return figure


def runs(
    results: Mapping[str, ArrayLike],
    *,
    xlabel: str = "test accuracy",
    percent: bool = True,
    colours: Sequence[str] = (),
    form: Callable[[float], str] | None = None,
) -> Figure:
    """Trainings compared: one dot for each seed, a bar for their mean, which is also written.

    Args:
        results: for each label the values of its seeds.
        percent: the values are shares, shown as percentages.
        form: how to write the mean.
    """
    write = form or ((lambda v: f"{100 * v:.1f} %") if percent else _number)
    figure, ax = plt.subplots(figsize=(WIDTH, 0.75 + 0.5 * len(results)))
    for n, values in enumerate(results.values()):
        seeds = np.asarray(values, float)
        colour = colours[n] if n < len(colours) else INPUT
        scale = 100 if percent else 1
        ax.plot([seeds.mean() * scale] * 2, [n - 0.3, n + 0.3], color=colour, linewidth=3, solid_capstyle="butt")
        ax.plot(seeds * scale, np.full(seeds.shape, n), "o", color=colour, alpha=0.55, markeredgewidth=0)
        ax.annotate(write(float(seeds.mean())), (1.02, n), xycoords=("axes fraction", "data"), va="center", fontsize=11)
    ax.set_yticks(range(len(results)), list(results))
    ax.set_ylim(len(results) - 0.4, -0.6)
    ax.set_xlabel(f"{xlabel} (%)" if percent else xlabel)
    ax.grid(axis="x", color=MUTED, alpha=0.25, linewidth=0.8)
    return figure
