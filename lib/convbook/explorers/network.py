"""``NetworkBuilder``: layers stacked by hand, with what each of them makes of the input, costs and sees."""

from __future__ import annotations

import base64
import functools
import io
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import traitlets
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from PIL import Image

from convbook import datasets, figures, models
from convbook import layers as library
from convbook.explorers._explorer import Explorer, whole
from convbook.shapes import ReceptiveField, conv_parameters, dense_parameters, effective_kernel, receptive_field

Shape = tuple[int, ...]
Settings = Mapping[str, Any]

# The bounds of a setting. With them no network has 2**53 multiply-adds, up to which the page counts exactly.
LIMITS: dict[str, tuple[int, int]] = {
    "filters": (1, 1024),
    "units": (1, 4096),
    "kernel_size": (1, 32),
    "pool_size": (1, 32),
    "strides": (1, 32),
    "dilation_rate": (1, 32),
    "groups": (1, 64),
}
MOST_LAYERS = 22  # as many as VGG-16 has
_INPUT_LIMITS = {"height": (1, 512), "width": (1, 512), "channels": (1, 512)}
_WORDS: dict[str, tuple[str | None, ...]] = {
    "padding": ("valid", "same"),
    "activation": (None, "relu", "tanh", "sigmoid", "softmax"),
}
_SLIDES = {"strides": 1, "padding": "valid", "dilation_rate": 1}
_POOLS = {"pool_size": 2, "strides": None, "padding": "valid"}

KINDS: dict[str, dict[str, Any]] = {
    "Conv2D": {"filters": 8, "kernel_size": 3, **_SLIDES, "groups": 1, "activation": None},
    "DepthwiseConv2D": {"kernel_size": 3, **_SLIDES, "activation": None},
    "MaxPooling2D": _POOLS,
    "AveragePooling2D": _POOLS,
    "GlobalAveragePooling2D": {},
    "Flatten": {},
    "Dense": {"units": 10, "activation": None},
}
"""The layers, with their arguments in Keras and what these are where a layer does not say."""


def _conv(filters: int, kernel_size: int, **more: Any) -> dict[str, Any]:
    return {"class_name": "Conv2D", "filters": filters, "kernel_size": kernel_size, "activation": "relu", **more}


def _pool(pool_size: int, **more: Any) -> dict[str, Any]:
    return {"class_name": "MaxPooling2D", "pool_size": pool_size, **more}


def _dense(units: int, activation: str | None = None) -> dict[str, Any]:
    return {"class_name": "Dense", "units": units, "activation": activation}


_FLATTEN = {"class_name": "Flatten"}
_VGG16 = [
    layer
    for repeats, filters in ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))
    for layer in [*[_conv(filters, 3, padding="same")] * repeats, _pool(2)]
]
NETWORKS: dict[str, dict[str, Any]] = {
    "a digit, nearly seen": {
        "input_shape": (28, 28, 1),
        "layers": [_conv(8, 5), _pool(2), _conv(16, 5), _pool(2), _conv(32, 3), _FLATTEN, _dense(10)],
        "selected": 4,
    },
    "LeNet-5": {
        "input_shape": (28, 28, 1),
        "layers": [_conv(6, 5, padding="same"), _pool(2), _conv(16, 5), _pool(2), _FLATTEN, _dense(120, "relu"),
                   _dense(84, "relu"), _dense(10)],
        "selected": 2,
    },
    "a small network for CIFAR-10": {
        "input_shape": (32, 32, 3),
        "layers": [_conv(12, 3, padding="same"), _pool(2), _FLATTEN, _dense(10)],
        "selected": 0,
    },
    "AlexNet, its convolutions": {
        "input_shape": (227, 227, 3),
        "layers": [_conv(96, 11, strides=4), _pool(3, strides=2), _conv(256, 5, padding="same", groups=2),
                   _pool(3, strides=2), _conv(384, 3, padding="same"), _conv(384, 3, padding="same", groups=2),
                   _conv(256, 3, padding="same", groups=2), _pool(3, strides=2)],
        "selected": 7,
    },
    "VGG-16, its convolutions": {"input_shape": (224, 224, 3), "layers": _VGG16, "selected": 17},
}  # fmt: skip
"""What the menu offers to start from: each the state of a builder, as ``NetworkBuilder(**NETWORKS["LeNet-5"])``."""


def _url(picture: NDArray[Any]) -> str:
    """Values in [0, 1], ``(h, w)`` or ``(h, w, 3)``, as the address of a JPEG that holds the picture itself."""
    file = io.BytesIO()
    Image.fromarray(np.round(255 * picture).astype(np.uint8)).save(file, "JPEG", quality=85, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()


@functools.cache
def _pictures() -> dict[str, str]:
    """What the input is drawn as."""
    digit = datasets.load_digits(test=12).x_test[11, :, :, 0]
    photograph = datasets.load_photograph(height=160, width=160)
    return {"one channel": _url(digit), "several channels": _url(photograph)}


def _picture(url: str) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))) as image:
        return np.asarray(image)


def _input_shape(value: Any) -> Shape:
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != 3:
        raise TypeError(f"input_shape: got {value!r}, expected (height, width, channels), such as (28, 28, 1)")
    return tuple(
        whole(f"input_shape: {name}", size, *_INPUT_LIMITS[name])
        for name, size in zip(_INPUT_LIMITS, value, strict=True)
    )


def _layer(value: Any, where: str) -> Settings:
    """A layer with all its arguments, checked one by one: whether they fit together is said in the summary."""
    kind = value.get("class_name") if isinstance(value, Mapping) else None
    if not isinstance(kind, str) or kind not in KINDS:
        raise ValueError(
            f'{where}: got {value!r}, expected a dict with "class_name", one of {", ".join(KINDS)}, and its arguments'
        )
    where = f"{where} ({kind})"
    given = {name: argument for name, argument in value.items() if name != "class_name"}
    for name in given:
        if name not in KINDS[kind]:
            raise ValueError(f"{where}: has no argument {name!r}, expected {', '.join(KINDS[kind]) or 'none'}")
    settings = {"class_name": kind, **KINDS[kind], **given}
    if "pool_size" in settings and settings["strides"] is None:
        settings["strides"] = settings["pool_size"]
    for name, argument in settings.items():
        if name in LIMITS:
            settings[name] = whole(f"{where}: {name}", argument, *LIMITS[name])
        elif name in _WORDS and not (isinstance(argument, str | None) and argument in _WORDS[name]):
            words = ", ".join(map(repr, _WORDS[name]))
            raise ValueError(f"{where}: {name}: got {argument!r}, expected one of {words}")
    return MappingProxyType(settings)


def _layers(value: Any) -> tuple[Settings, ...]:
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise TypeError(f"layers: got {value!r}, expected a list of dicts, one for each layer")
    if len(value) > MOST_LAYERS:
        raise ValueError(f"layers: got {len(value)}, expected at most {MOST_LAYERS}")
    return tuple(_layer(layer, f"layers: layer {number}") for number, layer in enumerate(value, 1))


def _selected(value: Any) -> int:
    return whole("selected", value, 0, MOST_LAYERS - 1)


class _Checked(traitlets.TraitType[Any, Any]):
    """A trait with what a function makes of a value, which may refuse it."""

    def __init__(self, check: Callable[[Any], Any], default: Any) -> None:
        super().__init__(default)
        self.check = check

    def validate(self, obj: Any, value: Any) -> Any:
        return self.check(value)


def _made(settings: Settings) -> library.Layer:
    """The layer of the library, not built: it has no weights yet.

    Raises:
        ValueError: its arguments do not fit together.
    """
    arguments = {name: argument for name, argument in settings.items() if name != "class_name"}
    layer: library.Layer = getattr(library, settings["class_name"])(**arguments)
    return layer


def _parameters(layer: library.Layer, input_shape: Shape) -> int:
    channels = input_shape[-1]
    if isinstance(layer, library.Conv2D):
        return conv_parameters(layer.kernel_size, channels, layer.filters, layer.groups)
    if isinstance(layer, library.DepthwiseConv2D):
        return conv_parameters(layer.kernel_size, channels, channels, groups=channels)
    return dense_parameters(channels, layer.units) if isinstance(layer, library.Dense) else 0


Window = tuple[int, int, int, int]


class _Row(NamedTuple):
    """What a layer does to the shape that reaches it: along the rows and the columns, and in numbers."""

    output_shape: Shape
    parameters: int
    multiply_adds: int
    windows: tuple[Window, Window]  # (kernel, stride, padding before, dilation)
    sizes: tuple[int, int]  # pixels that the windows slide over
    fields: tuple[ReceptiveField, ReceptiveField]


def _walk(input_shape: Shape, layers: Iterable[Settings]) -> tuple[list[_Row], str | None]:
    """The rows of the layers up to the first that cannot work, and why that one cannot."""
    rows: list[_Row] = []
    shape = input_shape
    for settings in layers:
        try:
            layer = _made(settings)
            reaching = (None, *shape)
            output = layer.compute_output_shape(reaching)
        except ValueError as error:
            return rows, _outgrown(settings, shape) if "reaches over" in str(error) else str(error)
        height, width = sizes = shape[:2] if len(shape) == 3 else (1, 1)
        # A layer that reads a whole map is a window of the map's size.
        down, across = layer.window(reaching) or [(height, 1, 0, 1), (width, 1, 0, 1)]
        windows = [*(row.windows for row in rows), (down, across)]
        field_down, field_across = (receptive_field(axis) for axis in zip(*windows, strict=True))
        costs = _parameters(layer, shape), layer.multiply_adds(reaching)
        shape = tuple(size or 0 for size in output[1:])
        rows.append(_Row(shape, *costs, (down, across), sizes, (field_down, field_across)))
    return rows, None


def _outgrown(settings: Settings, shape: Shape) -> str:
    """That a layer's window has no place on the map that reaches it.

    The library speaks of one axis, and of a kernel where a pooling has none.
    """
    size = settings.get("kernel_size", settings.get("pool_size"))
    extent = effective_kernel(size, settings.get("dilation_rate", 1))
    height, width, _ = shape
    spread = f", spread over {extent}×{extent}," if extent > size else ""
    return (
        f"a window of {size}×{size} pixels{spread} does not fit on a map of {height}×{width}; take a smaller one, or "
        'padding "same"'
    )


def _seen(rows: Sequence[_Row]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The rows and the columns of the input that the middle unit of the last of these layers sees."""
    down, across = ({middle} for middle in _middle(rows[-1].output_shape))
    for row in reversed(rows):
        down = _read(down, row.windows[0], row.sizes[0])
        across = _read(across, row.windows[1], row.sizes[1])
    return np.array(sorted(down), np.int64), np.array(sorted(across), np.int64)


def _read(places: set[int], window: Window, size: int) -> set[int]:
    """Which of ``size`` pixels these places of a window read; what they read of the padding is left out."""
    kernel, stride, before, dilation = window
    read = {stride * place + dilation * element - before for place in places for element in range(kernel)}
    return read & set(range(size))


def _middle(shape: Shape) -> tuple[int, int]:
    """The place of the middle unit; a list has one place."""
    return (shape[0] // 2, shape[1] // 2) if len(shape) == 3 else (0, 0)


class NetworkBuilder(Explorer, page="network"):
    """Stack layers, and see what each makes of the input: shapes, parameters, multiply-adds, receptive fields.

    Args:
        input_shape: ``(height, width, channels)``.
        layers: a list of dicts, each with the ``class_name`` of a layer in Keras and its arguments, for example
            ``{"class_name": "Conv2D", "filters": 6, "kernel_size": 5}``; :data:`KINDS` has them all. Sizes are
            integers: windows are square.
        selected: the layer, counted from 0, whose settings and whose receptive field are shown; the last, where there
            are not so many.
        networks: what the menu offers to start from, by name, in the form of :data:`NETWORKS`.
        kinds: the layers that can be added.

    Without the first two it opens on the first network of the menu. ``input_shape``, ``layers`` and ``selected`` are
    attributes that follow what the reader does and can be set. Layers that do not fit together are no error: the
    summary says which of them cannot work, and why.

    Attributes:
        summary: a list of dicts, one for each layer: ``class_name``, ``output_shape``, ``parameters``,
            ``multiply_adds`` of one example, ``receptive_field`` (that of the rows and that of the columns, as
            :func:`convbook.shapes.receptive_field` gives them; a layer that reads whole maps counts as a window of
            their size) and ``error``. Where a layer cannot work, ``error`` says why; there and in all
            layers after it the other values are None.
        totals: ``parameters`` and ``multiply_adds`` of all layers together; None where one cannot work.
        seen: which rows and which columns of the input the middle unit of the selected layer sees, two arrays in
            which padding does not count; None where there is no such unit.

    Raises:
        TypeError: no list of dicts, or sizes that are not integers.
        ValueError: an unknown layer or argument, sizes out of range, too many layers.

    Source: document 001, "Receptive field"; Araujo, Norris and Sim (2019).
    """

    input_shape = _Checked(_input_shape, (1, 1, 1)).tag(sync=True)
    layers = _Checked(_layers, ()).tag(sync=True, to_json=lambda value, _: [dict(layer) for layer in value])
    selected = _Checked(_selected, 0).tag(sync=True)
    networks = traitlets.Dict().tag(sync=True)
    kinds: traitlets.List[Any] = traitlets.List().tag(sync=True)
    pictures = traitlets.Dict().tag(sync=True)
    summary = traitlets.Any(read_only=True)
    totals = traitlets.Any(read_only=True)
    seen = traitlets.Any(read_only=True)

    def __init__(
        self,
        input_shape: Sequence[int] | None = None,
        layers: Sequence[Settings] | None = None,
        *,
        selected: int | None = None,
        networks: Mapping[str, Mapping[str, Any]] | None = None,
        kinds: Iterable[str] | None = None,
        **options: Any,
    ) -> None:
        offered = NETWORKS if networks is None else networks
        menu = {name: _network(name, network) for name, network in offered.items()}
        if input_shape is None and layers is None:
            start = next(iter(menu.values()), _network("networks", next(iter(NETWORKS.values()))))
        else:
            start = {"input_shape": (28, 28, 1) if input_shape is None else input_shape, "layers": layers or []}
            start["selected"] = min(max(len(start["layers"]) - 1, 0), MOST_LAYERS - 1)
        super().__init__(
            input_shape=start["input_shape"],
            layers=start["layers"],
            selected=start["selected"] if selected is None else selected,
            networks=menu,
            kinds=[dict(_layer({"class_name": kind}, "kinds")) for kind in (KINDS if kinds is None else kinds)],
            pictures=_pictures(),
            **options,
        )

    @traitlets.observe("input_shape", "layers", "selected")
    def _compute(self, change: object = None) -> None:
        rows, error = _walk(self.input_shape, self.layers)
        none = dict.fromkeys(("output_shape", "parameters", "multiply_adds", "receptive_field", "error"))
        summary = [{"class_name": layer["class_name"], **none} for layer in self.layers]
        for entry, row in zip(summary, rows, strict=False):
            entry.update(output_shape=row.output_shape, parameters=row.parameters, multiply_adds=row.multiply_adds,
                         receptive_field=row.fields)  # fmt: skip
        if error is not None:
            summary[len(rows)]["error"] = error
        self.set_trait("summary", summary)
        counts = ("parameters", "multiply_adds")
        self.set_trait("totals", {name: None if error else sum(getattr(row, name) for row in rows) for name in counts})
        at = self._at()
        self.set_trait("seen", _seen(rows[: at + 1]) if 0 <= at < len(rows) else None)

    def _at(self) -> int:
        """The selected layer, or -1 if there is none."""
        return min(int(self.selected), len(self.layers) - 1)

    def model(self, seed: int | None = None) -> models.Sequential:
        """The network itself, with weights drawn from ``seed``, ready to be compiled and trained.

        Raises:
            ValueError: there are no layers, or one of them cannot work.
        """
        for number, row in enumerate(self.summary, 1):
            if row["error"]:
                raise ValueError(f"layers: layer {number} ({row['class_name']}) cannot work: {row['error']}")
        return models.Sequential([library.Input(self.input_shape), *map(_made, self.layers)], seed)

    def __repr__(self) -> str:
        """What it shows, in one line."""
        shape, kinds = "×".join(map(str, self.input_shape)), ", ".join(layer["class_name"] for layer in self.layers)
        failed = [number for number, row in enumerate(self.summary, 1) if row["error"]]
        end = f"; layer {failed[0]} cannot work" if failed else f"; {self.totals['parameters']:,} parameters"
        return f"NetworkBuilder: {kinds or 'no layers'} on {shape}{end}"

    def still(self) -> Figure:
        """The table, and the receptive field of the selected layer on its picture."""
        rows = len(self.layers) + 3
        figure, (table, picture) = plt.subplots(
            2, 1, figsize=(figures.WIDTH, 0.21 * rows + 2.3), height_ratios=(0.21 * rows, 2.3)
        )
        self._draw_table(table)
        self._draw_field(picture)
        return figure

    def _draw_table(self, ax: Axes) -> None:
        heads = ("Layer", "Output shape", "Parameters", "Multiply-adds", "Field")
        lines: list[tuple[str, ...]] = [heads, ("input", "×".join(map(str, self.input_shape)), "", "", "")]
        for number, (layer, row) in enumerate(zip(self.layers, self.summary, strict=True), 1):
            name = f"{number}  {_described(layer)}"
            if row["output_shape"] is None:
                lines.append((name, "cannot work" if row["error"] else "–", *[""] * 3))
                continue
            field = "×".join(str(axis.size) for axis in row["receptive_field"])
            lines.append((name, "×".join(map(str, row["output_shape"])), f"{row['parameters']:,}",
                          f"{row['multiply_adds']:,}", field))  # fmt: skip
        counts = ["–" if count is None else f"{count:,}" for count in self.totals.values()]
        lines.append(("total", "", *counts, ""))
        ax.set(xlim=(0, 1), ylim=(len(lines), 0))
        ax.axis("off")
        for place, cells in enumerate(lines):
            chosen = place == self._at() + 2
            colour = figures.ACCENT if chosen else figures.MUTED if place == 0 else figures.INK
            for x, cell in zip((0, 0.52, 0.66, 0.84, 1), cells, strict=True):
                # A layer with many settings has a long name, which stays in its column.
                ax.text(x, place + 0.5, cell, ha="right" if x else "left", va="center", color=colour,
                        fontsize=min(8, 8 * 34 / max(len(cell), 1)), fontweight="bold" if chosen else "normal",
                        )  # fmt: skip
        for edge in (1, len(lines) - 1):
            ax.axhline(edge, color=figures.MUTED, linewidth=0.6)

    def _draw_field(self, ax: Axes) -> None:
        height, width, channels = self.input_shape
        picture = _cut(_picture(self.pictures[_which(channels)]), height / width)[:: 1 if channels == 1 else 2]
        picture = picture if channels == 1 else picture[:, ::2]
        ax.imshow(picture, extent=(0, width, height, 0), cmap="gray", vmin=0, vmax=255)
        margin = 0.12 * max(height, width)
        ax.set(xlim=(-margin, width + margin), ylim=(height + margin, -margin))
        ax.axis("off")
        ax.add_patch(Rectangle((0, 0), width, height, facecolor="none", edgecolor=figures.PADDING, linestyle=":"))
        rows, columns = ((), ()) if self.seen is None else self.seen
        grey = np.zeros((height, width, 4))
        grey[..., :3], grey[..., 3] = 0.5, 0.72
        grey[np.ix_(rows, columns)] = 0
        ax.imshow(grey, extent=(0, width, height, 0))
        if self.seen is None:
            failed = [f"Layer {n}: {row['error']}" for n, row in enumerate(self.summary, 1) if row["error"]]
            ax.set_title("\n".join(textwrap.wrap(" ".join(failed), 80)), fontsize=8)
            return
        (top, tall), (left, wide) = self._frame()
        ax.add_patch(Rectangle((left, top), wide, tall, facecolor="none", edgecolor=figures.ACCENT, linewidth=2.5))
        name = self.layers[self._at()]["class_name"]
        ax.set_title(f"Layer {self._at() + 1}, {name}: {len(rows)}×{len(columns)} of {height}×{width} pixels are seen",
                     fontsize=9)  # fmt: skip

    def _frame(self) -> list[tuple[int, int]]:
        """Where the field of the middle unit begins, and its size, along the rows and the columns."""
        row = self.summary[self._at()]
        places = zip(_middle(row["output_shape"]), row["receptive_field"], strict=True)
        return [(middle * field.stride - field.padding, field.size) for middle, field in places]


def _network(name: str, network: Mapping[str, Any]) -> dict[str, Any]:
    """An entry of the menu, complete and as the page has it."""
    try:
        layers = [dict(layer) for layer in _layers(network["layers"])]
        shape = [*_input_shape(network["input_shape"])]
        selected = _selected(network.get("selected", max(len(layers) - 1, 0)))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"networks: {name!r}: {error}") from None
    return {"input_shape": shape, "layers": layers, "selected": selected}


def _described(layer: Settings) -> str:
    """A layer in a few words: ``Conv2D 6, 5×5, same``."""
    words = [str(layer[name]) for name in ("filters", "units") if name in layer]
    size = layer.get("kernel_size", layer.get("pool_size"))
    words += [f"{size}×{size}"] if size else []
    usual = layer.get("pool_size", 1)
    words += [f"stride {layer['strides']}"] if layer.get("strides", usual) != usual else []
    words += ["same"] if layer.get("padding") == "same" else []
    words += [f"{name.split('_')[0]} {layer[name]}" for name in ("dilation_rate", "groups") if layer.get(name, 1) != 1]
    return " ".join([layer["class_name"], ", ".join(words)]).strip()


def _which(channels: int) -> str:
    return "one channel" if channels == 1 else "several channels"


def _cut(picture: NDArray[np.uint8], ratio: float) -> NDArray[np.uint8]:
    """The middle of a picture, as large as can be, with this height over width."""
    height, width = picture.shape[:2]
    tall, wide = min(height, max(1, round(width * ratio))), min(width, max(1, round(height / ratio)))
    top, left = (height - tall) // 2, (width - wide) // 2
    return picture[top : top + tall, left : left + wide]
