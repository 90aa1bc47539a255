"""``LeNetExplorer``: draw a digit, and watch it go through a trained network."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import traitlets
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from convbook import datasets, figures
from convbook.explorers._explorer import Array, Checked, Explorer, refusals, whole
from convbook.layers import Activation, AveragePooling2D, Conv2D, Dense, Dropout, Flatten, Input, Layer, MaxPooling2D
from convbook.models import Sequential

SIZE = 28
"""Pixels of the board along each axis, as in MNIST."""

LIMIT = 150_000
"""Characters that the weights may take on a page, where every 3 bytes become 4."""

_LAYERS = (Conv2D, MaxPooling2D, AveragePooling2D, Activation, Flatten, Dropout, Dense)
_FEWEST_BITS, _MOST_BITS = 12, 16
_UNROUNDED = 32  # bits of a bias


def _switch(name: str, value: Any) -> bool:
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name}: got {value!r}, expected True or False")
    return bool(value)


def _picture(name: str, value: Any) -> Array:
    """An image as the explorer keeps it, or a TypeError or ValueError that names it."""
    try:
        array = np.array(value, np.float64)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name}: got {value!r}, expected an array of numbers") from error
    if array.shape not in ((SIZE, SIZE), (SIZE, SIZE, 1)):
        raise ValueError(f"{name}: got shape {array.shape}, expected ({SIZE}, {SIZE}) or ({SIZE}, {SIZE}, 1)")
    if not ((array >= 0) & (array <= 1)).all():
        raise ValueError(
            f"{name}: got values from {array.min():g} to {array.max():g}, expected 0 to 1; divide bytes by 255"
        )
    array = np.round(array.reshape(SIZE, SIZE) * 255) / 255
    array.setflags(write=False)
    return array


class _Selected(traitlets.TraitType[Any, Any]):
    """A layer of the explorer's network by name, and one of its maps."""

    def validate(self, obj: Any, value: Any) -> tuple[str, int]:
        with refusals():
            return self.checked(obj, value)

    def checked(self, obj: Any, value: Any) -> tuple[str, int]:
        """The same as a tuple, or a TypeError or ValueError that says why it cannot be."""
        if not isinstance(value, (list, tuple)) or len(value) != 2 or not isinstance(value[0], str):
            raise TypeError(f"selected: got {value!r}, expected the name of a layer and a map, such as ('conv2d', 0)")
        maps = {"input": 1, **{layer["name"]: _maps(layer) for layer in obj.layers if layer["shown"]}}
        if value[0] not in maps:
            raise ValueError(f"selected: got layer {value[0]!r}, expected one of {', '.join(maps)}")
        return value[0], whole("selected", value[1], 0, maps[value[0]] - 1)


class LeNetExplorer(Explorer, page="lenet"):
    """Draw a digit, and watch every feature map of a trained network and its ten answers follow the pen.

    The network travels in the page. Its weights are rounded, to 14 bits or more in a LeNet-5, so that they fit into
    :data:`LIMIT` characters; the shares on the page then differ from Python's by less than a thousandth.

    Args:
        model: trained, for images of 28x28 pixels with one channel and ten classes; of Conv2D, MaxPooling2D,
            AveragePooling2D, Activation, Flatten, Dropout and Dense layers. It is copied: what it learns later does
            not show.
        images: digits to begin from, by name, ``(28, 28)`` or ``(28, 28, 1)`` with values from 0 to 1. By default a
            test digit of each class from :func:`convbook.datasets.load_mnist`, and two mistakes of the model.
        image: what is drawn; by default the first of ``images``.
        centred: whether the network gets the drawing as the makers of MNIST would have prepared it: scaled until its
            longer side has 20 pixels, and moved until its centre of mass lies in the middle. Digits of MNIST stay as
            they are.
        selected: the layer and the map that are shown enlarged, such as ``("conv2d", 0)``; for layers without maps,
            and for ``"input"``, the map is 0. Flatten, Dropout and a softmax at the end have no picture of their own.
        note: a line that is shown with the samples, such as what the model has been trained on.

    ``image``, ``centred`` and ``selected`` are attributes that follow what the reader does and can be set:
    ``explorer.image = ...``. Images are kept in steps of 1/255, as those of MNIST are.

    Attributes:
        input: ``(28, 28)``, what the network gets.
        scores: ``(10,)``, what ``model.predict`` gives for it.
        shares: ``(10,)``, the softmax of the scores; the scores themselves where the model ends in a softmax.

        These three are computed in Python by the model as it was given, and can be observed.

    Raises:
        TypeError: ``model`` is no Sequential, or an argument is of another kind than the above.
        ValueError: a layer that the page cannot compute (the message names it), other shapes than the above, weights
            that are not finite or too many for the page, values out of range.

    Source: LeCun, Bottou, Bengio and Haffner (1998), sections II.B and III.A, for the network and the centring.
    """

    image = Checked(_picture, np.zeros((SIZE, SIZE))).tag(
        to_json=lambda value, _: _levels(value), from_json=lambda value, _: np.divide(value, 255)
    )
    centred = Checked(_switch, True)
    selected = _Selected(("input", 0)).tag(
        sync=True, to_json=lambda value, _: list(value), from_json=lambda value, _: value
    )
    images = traitlets.Dict(read_only=True).tag(
        sync=True,
        # As pairs: what stores a notebook sorts the names of an object.
        to_json=lambda value, _: [[name, _levels(image)] for name, image in value.items()],
        from_json=lambda value, _: {name: _picture("images", np.divide(image, 255)) for name, image in value},
    )
    note = traitlets.Unicode().tag(sync=True)
    layers: Any = traitlets.List(read_only=True).tag(sync=True)
    weights = traitlets.Bytes(read_only=True).tag(sync=True)
    input = traitlets.Any(read_only=True)
    scores = traitlets.Any(read_only=True)
    shares = traitlets.Any(read_only=True)

    def __init__(
        self,
        model: Sequential,
        images: Mapping[str, ArrayLike] | None = None,
        *,
        image: ArrayLike | None = None,
        centred: bool = True,
        selected: tuple[str, int] | None = None,
        note: str = "",
        **options: Any,
    ) -> None:
        self._model = _copied(model)
        pictures = _examples(self._model, centred) if images is None else images
        layers, weights = _packed(self._model)
        first = next((layer["name"] for layer in layers if layer["kind"] == "Conv2D"), "input")
        self.set_trait("layers", layers)
        self.set_trait("weights", weights)
        self.set_trait("images", {str(name): _picture(f"images: {name}", value) for name, value in pictures.items()})
        if image is None:
            image = next(iter(self.images.values()), np.zeros((SIZE, SIZE)))
        selected = (first, 0) if selected is None else selected
        super().__init__(image=image, centred=centred, selected=selected, note=note, **options)
        self._compute()

    @traitlets.observe("image", "centred")
    def _compute(self, change: object = None) -> None:
        self.set_trait("input", centre(self.image) if self.centred else self.image)
        scores = self._model.predict(self.input[np.newaxis, :, :, np.newaxis])
        self.set_trait("scores", scores[0])
        ends_in_softmax = getattr(self._model.layers[-1], "activation", None) == "softmax"
        self.set_trait("shares", scores[0] if ends_in_softmax else Activation("softmax")(scores)[0])

    def activations(self, layer: str) -> NDArray[Any]:
        """The output of a layer for the present input, ``(h, w, channels)`` or ``(n,)``.

        Raises:
            ValueError: the model has no layer of that name.
        """
        names = [one.name for one in self._model.layers]
        if layer not in names:
            raise ValueError(f"layer: got {layer!r}, expected one of {', '.join(names)}")
        outputs = self.input[np.newaxis, :, :, np.newaxis]
        for one in self._model.layers[: names.index(layer) + 1]:
            outputs = one(outputs)
        return np.asarray(outputs[0])

    def __repr__(self) -> str:
        """Its network, in one line. What that sees is not told: it differs with the training and the machine."""
        return f"LeNetExplorer: {self._model.name}, {self._model.count_params():,} parameters"

    def still(self) -> Figure:
        """The drawing, the maps of every layer, and the shares."""
        drawn = [layer for layer in self.layers if layer["kind"] in ("Conv2D", "MaxPooling2D", "AveragePooling2D")]
        figure = plt.figure(figsize=(figures.WIDTH, 2.4 + sum(map(_height, drawn))))
        axes = figure.subplot_mosaic(
            [["drawing", "shares"], *([layer["name"]] * 2 for layer in drawn)],
            height_ratios=[2.4, *map(_height, drawn)],
        )
        axes["drawing"].imshow(self.input, cmap="Blues", vmin=0, vmax=1)
        axes["drawing"].set_title("what the network gets", color=figures.INPUT)
        for layer in drawn:
            name = layer["name"]
            axes[name].imshow(maps := _tiled(self.activations(name)), cmap="PuOr", **_limits(maps))
            axes[name].set_title(f"{name}: {_maps(layer)} maps of {layer['shape'][0]}×{layer['shape'][1]}")
        for name in ["drawing", *(layer["name"] for layer in drawn)]:
            axes[name].axis("off")
        _draw_shares(axes["shares"], self.shares)
        if self.note:
            figure.text(0, 0, "\n".join(textwrap.wrap(self.note, 90)), va="top", fontsize=8, color=figures.MUTED)
        return figure


# --- what the network gets ------------------------------------------------------------------------------------


def centre(image: ArrayLike) -> Array:
    """A digit as the makers of MNIST prepared theirs, ``(28, 28)``.

    Its longer side is scaled to 20 pixels, and its centre of mass moved to the pixel (14, 14), which is the middle of
    the digits of MNIST.
    """
    pixels = np.asarray(image, np.float64)
    rows, columns = np.flatnonzero(pixels.any(axis=1)), np.flatnonzero(pixels.any(axis=0))
    if not rows.size:
        return pixels
    digit = pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    height, width = ((40 * side + max(digit.shape)) // (2 * max(digit.shape)) for side in digit.shape)
    height, width = max(height, 1), max(width, 1)
    if (height, width) != digit.shape:
        small = Image.fromarray(digit.astype(np.float32)).resize((width, height), Image.Resampling.BILINEAR)
        digit = np.asarray(small, np.float64)
    top, left = (_offset(digit.sum(axis=1 - axis)) for axis in (0, 1))
    result = np.zeros((SIZE, SIZE))
    result[top : top + height, left : left + width] = digit
    return result


def _offset(ink: Array) -> int:
    """Where a digit must begin for its centre of mass to be at 14, and the whole of it on the board."""
    middle = float(ink @ np.arange(ink.size) / ink.sum())
    # A little less than half, so that rounding errors do not decide where a symmetric drawing goes.
    return min(max(math.floor(SIZE / 2 - middle + 0.5 - 1e-5), 0), SIZE - ink.size)


def _levels(image: Array) -> list[list[int]]:
    """An image as the page keeps it: whole numbers from 0 to 255."""
    rows: list[list[int]] = np.round(255 * image).astype(int).tolist()
    return rows


def _with_article(digit: int) -> str:
    return f"an {digit}" if digit == 8 else f"a {digit}"


def _examples(model: Sequential, centred: bool) -> dict[str, Array]:
    """A test digit of each class, and two that the model misreads, each in another way."""
    digits = datasets.load_mnist(train=1, test=2000)
    images = np.array([centre(image) for image in digits.x_test[:, :, :, 0]]) if centred else digits.x_test[..., 0]
    answers = model.predict(images[..., np.newaxis]).argmax(axis=1)
    right = answers == digits.y_test
    found: dict[str, Array] = {}
    for label in range(10):
        for place in np.flatnonzero(right & (digits.y_test == label))[:1]:
            found[_with_article(label)] = digits.x_test[place]
    misread: dict[str, Array] = {}
    for place in np.flatnonzero(~right):
        name = f"{_with_article(digits.y_test[place])}, read as {answers[place]}"
        misread.setdefault(name, digits.x_test[place])
    return {**found, **dict(list(misread.items())[:2])}


# --- the network, as it travels -------------------------------------------------------------------------------


def _copied(model: Any) -> Sequential:
    """The model again, with weights of its own, or an error that says why the page could not compute it."""
    if not isinstance(model, Sequential):
        raise TypeError(f"model: got {type(model).__name__}, expected a convbook.models.Sequential")
    if model.input_shape is None:
        raise ValueError(f"model: {model.name} is not built; give it an Input(({SIZE}, {SIZE}, 1)), and train it")
    shapes = model.input_shape[1:], model.output_shape[1:]
    if shapes != ((SIZE, SIZE, 1), (10,)):
        raise ValueError(
            f"model: {model.name} makes {shapes[1]} of {shapes[0]}, expected ten scores, (10,), of images of "
            f"({SIZE}, {SIZE}, 1)"
        )
    for layer in model.layers:
        _check_layer(layer)
    entries = [type(layer)(**{**layer.get_config(), "name": layer.name}) for layer in model.layers]
    copy = Sequential([Input((SIZE, SIZE, 1)), *entries], name=model.name)
    copy.set_weights(model.get_weights())
    return copy


def _check_layer(layer: Layer) -> None:
    if type(layer) not in _LAYERS:
        known = ", ".join(kind.__name__ for kind in _LAYERS)
        raise ValueError(f"model: {layer.name} is a {type(layer).__name__}, expected only {known}")
    if layer.name == "input":
        raise ValueError("model: a layer is named 'input', expected another name, for that is the image's")
    if isinstance(layer, Conv2D):
        if layer.groups != 1:
            raise ValueError(f"model: {layer.name} has groups={layer.groups}, expected 1")
        for name in ("strides", "dilation_rate"):
            if len(set(getattr(layer, name))) > 1:
                raise ValueError(f"model: {layer.name} has {name}={getattr(layer, name)}, expected the same twice")
    if not all(np.isfinite(array).all() for array in layer.weights):
        raise ValueError(f"model: {layer.name} has weights that are not finite numbers")


def _packed(model: Sequential) -> tuple[list[dict[str, Any]], bytes]:
    """What the page needs to compute a model: its layers, and the numbers of their weights.

    The numbers of a kernel are integers of so many ``bits``, offset so that none is negative, one after the other
    without a gap; before them stands, as a 32-bit float, what one step is worth in each filter or unit. Biases are
    32-bit floats. All arrays begin at a whole byte; the lowest byte of a float comes first, the highest bit of an
    integer.
    """
    arrays = [weight for layer in model.layers for weight in layer.weights]
    bits = dict(zip(map(id, arrays), _bits([array.shape for array in arrays]), strict=True))
    layers, packed = [], []
    for layer in model.layers:
        assert layer.input_shape is not None
        shape = layer.compute_output_shape(layer.input_shape)
        described: dict[str, Any] = {"kind": type(layer).__name__, "name": layer.name, "shape": list(shape[1:])}
        # Flatten and Dropout change no number, and the shares show what a softmax at the end gives.
        ending = isinstance(layer, Activation) and layer.activation == "softmax" and layer is model.layers[-1]
        described["shown"] = not ending and not isinstance(layer, (Flatten, Dropout))
        if isinstance(layer, (Conv2D, MaxPooling2D, AveragePooling2D)):
            # Kernel, stride, padding before, dilation, for rows and for columns.
            described["window"] = [list(axis) for axis in layer.window(layer.input_shape)]
        if isinstance(layer, (Conv2D, Dense, Activation)):
            described["activation"] = layer.activation
        if layer.weights:
            described["weights"] = [{"shape": list(array.shape), "bits": bits[id(array)]} for array in layer.weights]
        layers.append(described)
        packed += [_bytes(array, bits[id(array)]) for array in layer.weights]
    return layers, b"".join(packed)


def _bits(shapes: list[tuple[int, ...]]) -> list[int]:
    """How finely each array is rounded: all alike at first, then the smaller ones better, as long as all fit."""

    def fits(bits: list[int]) -> bool:
        return 4 * math.ceil(sum(map(_size, shapes, bits)) / 3) <= LIMIT

    def with_bits(count: int) -> list[int]:
        return [_UNROUNDED if len(shape) == 1 else count for shape in shapes]

    common = next((count for count in range(_MOST_BITS, _FEWEST_BITS - 1, -1) if fits(with_bits(count))), None)
    if common is None:
        raise ValueError(
            f"model: has {sum(map(math.prod, shapes))} weights, more than fit into a page's {LIMIT} characters with "
            f"{_FEWEST_BITS} bits each; expected a model of the size of LeNet-5, with 61706"
        )
    bits = with_bits(common)
    for place in sorted(range(len(shapes)), key=lambda place: math.prod(shapes[place])):
        while bits[place] < _MOST_BITS and fits(better := [count + (n == place) for n, count in enumerate(bits)]):
            bits = better
    return bits


def _size(shape: tuple[int, ...], bits: int) -> int:
    """Bytes of a packed array."""
    count = math.prod(shape)
    return 4 * count if bits == _UNROUNDED else 4 * shape[-1] + math.ceil(count * bits / 8)


def _bytes(array: NDArray[Any], bits: int) -> bytes:
    """An array as it travels: see :func:`_packed`."""
    if bits == _UNROUNDED:
        return bytes(array.astype("<f4").tobytes())
    values = array.reshape(-1, array.shape[-1]).astype(np.float64)
    middle = 2 ** (bits - 1)
    steps = (np.abs(values).max(axis=0) / (middle - 1)).astype("<f4")
    levels = np.round(values / np.where(steps > 0, steps, 1)).clip(1 - middle, middle - 1) + middle
    digits = np.unpackbits(levels.astype(">u2").reshape(-1, 1).view(np.uint8), axis=1)
    return bytes(steps.tobytes() + np.packbits(digits[:, 16 - bits :]).tobytes())


# --- the still picture ----------------------------------------------------------------------------------------


def _maps(layer: Mapping[str, Any]) -> int:
    """How many pictures a layer's output is."""
    return int(layer["shape"][2]) if len(layer["shape"]) == 3 else 1


def _columns(count: int) -> int:
    """Maps in a row."""
    return min(count, 8)


def _height(layer: Mapping[str, Any]) -> float:
    """Inches for the maps of a layer, side by side over the whole width, and the line above."""
    rows = math.ceil(_maps(layer) / _columns(_maps(layer)))
    tall = float(layer["shape"][0] / layer["shape"][1])
    return 0.35 + rows * tall * min(0.62, figures.WIDTH / _columns(_maps(layer)))


def _tiled(maps: NDArray[Any]) -> NDArray[Any]:
    """Maps ``(h, w, channels)`` side by side as one picture, with a gap of a pixel that is nothing."""
    height, width, count = maps.shape
    columns = _columns(count)
    gap = max(width // 14, 1)
    rows = math.ceil(count / columns)
    picture = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap), np.nan)
    for n in range(count):
        top, left = n // columns * (height + gap), n % columns * (width + gap)
        picture[top : top + height, left : left + width] = maps[:, :, n]
    return picture


def _limits(maps: NDArray[Any]) -> dict[str, float]:
    """One scale for all maps of a layer, with zero in its middle."""
    bound = float(np.nanmax(np.abs(maps)))
    return {"vmin": -(bound or 1.0), "vmax": bound or 1.0}


def _draw_shares(ax: Axes, shares: NDArray[Any]) -> None:
    best = int(shares.argmax())
    colours = [figures.ACCENT if digit == best else figures.OUTPUT for digit in range(10)]
    ax.barh(range(10), 100 * shares, color=colours)
    for digit, share in enumerate(shares):
        if share >= 0.005:
            ax.text(100 * share + 2, digit, f"{100 * share:.0f} %", va="center", fontsize=9)
    ax.set_yticks(range(10), [str(digit) for digit in range(10)], fontsize=9)
    ax.set_ylim(9.6, -0.6)
    ax.set_xlim(0, 125)
    ax.set_xticks([])
    ax.spines["bottom"].set_visible(False)
    ax.set_title("share of each digit")
