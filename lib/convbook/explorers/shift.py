"""``ShiftExplorer``: a digit that is moved, and what three layers make of it."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import traitlets
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike

from convbook import datasets, figures, ops
from convbook.explorers._explorer import Array, ArrayTrait, Checked, Explorer, numbers, refusals, whole
from convbook.explorers.convolution import KERNELS

_KERNELS = ("Sobel, left to right", "Sobel, top to bottom", "Laplacian", "identity")
_PADDINGS = ("same", "valid")
_STATE = ("image", "shift", "kernel", "padding", "pool_size", "dense_kernel")
_COMPUTED = ("hidden", "feature_map", "pooled_map")

_SIZES = 8, 32  # of pictures, along each side
_CANVAS = 20  # pixels along each side of the default picture
_DIGITS = {"a 5": 11, "a 0": 56, "a 2": 0, "a 4": 2, "a 7": 5}  # by their place in the test set

# Violet and orange of the explorers' maps, as in their style sheet.
_POSITIVE, _NEGATIVE = "#7b5aa6", "#c4680f"


class _Layers(NamedTuple):
    """What the three layers make of one picture."""

    hidden: Array
    feature_map: Array
    pooled_map: Array


@functools.cache
def _examples() -> tuple[dict[str, Array], Array]:
    """Digits of 10x10 pixels on a dark ground, and weights that look for each of the ten digits in its middle.

    Pixels are whole numbers from 0 to 9. The weights of unit n are the mean of all digits n less the mean of all
    digits, rounded; three of four test digits in the middle make the right unit the strongest.
    """
    digits = datasets.load_digits()
    train, test = (np.round(9 * x[:, 4:24:2, 4:24:2, 0].astype(float)) for x in (digits.x_train, digits.x_test))
    means = np.stack([train[digits.y_train == n].mean(axis=0) for n in range(10)], axis=-1)
    images = {name: _placed(test[n], (5, 5), (_CANVAS, _CANVAS)) for name, n in _DIGITS.items()}
    return images, np.round(means - train.mean(axis=0)[..., None])


def _dense_kernel(shape: tuple[int, ...]) -> Array:
    """The default weights for pictures of this shape, ``(h * w, 10)``."""
    _, weights = _examples()
    top, left = ((size - 10) // 2 for size in shape)
    units = [_placed(weights[:, :, n], (top, left), shape).ravel() for n in range(10)]
    return np.stack(units, axis=-1)


def _placed(image: Array, corner: tuple[int, int], shape: tuple[int, ...]) -> Array:
    """A matrix on a ground of zeros of a given shape, its corner somewhere: what falls outside is lost."""
    top, left = corner
    placed = np.zeros(shape)
    (h, w), (rows, columns) = image.shape, shape
    inside = image[max(0, -top) : max(0, min(h, rows - top)), max(0, -left) : max(0, min(w, columns - left))]
    i, j = max(0, top), max(0, left)
    placed[i : i + inside.shape[0], j : j + inside.shape[1]] = inside
    return placed


def _compact(array: ArrayLike) -> Any:
    """Nested lists for the page, without a point where all numbers are whole: half as many characters."""
    values = np.asarray(array)
    return (values.astype(int) if (values == np.round(values)).all() else values).tolist()


def _pair(name: str, value: Any) -> tuple[int, int]:
    """Two integers, or a TypeError that names them."""
    if isinstance(value, str) or not isinstance(value, Iterable) or len(pair := tuple(value)) != 2:
        raise TypeError(f"{name}: got {value!r}, expected two integers, for rows and columns")
    return whole(name, pair[0], -32, 32), whole(name, pair[1], -32, 32)


def _pool_size(name: str, value: Any) -> int:
    return whole(name, value, 1, 4)


def _padding(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name}: got {value!r}, expected one of {', '.join(_PADDINGS)}")
    if value not in _PADDINGS:
        raise ValueError(f"{name}: got {value!r}, expected one of {', '.join(_PADDINGS)}")
    return value


def _matrices(name: str, value: Any) -> dict[str, list[list[float]]]:
    if not isinstance(value, Mapping):
        raise TypeError(f"{name}: got {value!r}, expected matrices by name")
    return {str(key): _compact(numbers(f"{name}[{key!r}]", matrix, 2)) for key, matrix in value.items()}


class ShiftExplorer(Explorer, page="shift"):
    """Move a digit, and see what moves along in a dense layer, a feature map and a pooled map, and what stays.

    Args:
        image: the picture before the move, ``(h, w)``, 8 to 32 pixels along each side; a digit by default.
        shift: by how many rows down and columns to the right it is moved. What leaves the picture is lost, and
            zeros come in.
        kernel: ``(kh, kw)``, up to 5x5.
        padding: ``"same"`` or ``"valid"``, as in :func:`convbook.ops.conv`.
        pool_size: 1 to 4; the ReLU of the feature map is pooled by the largest value of each such square.
        dense_kernel: ``(h * w, units)``, up to 16 units, as Keras keeps the weights of ``Dense`` behind ``Flatten``.
            By default ten units, of which unit n answers to a digit n in the middle. The weights travel in the page:
            round them.
        images, kernels: what the menus offer, by name, as matrices; the images in the shape of ``image``.

    All of them are attributes that follow what the reader does and can be set: ``explorer.shift = 2, -1``. An image of
    another size and its ``images`` and ``dense_kernel`` are set in ``with explorer.hold_trait_notifications():``.

    Attributes:
        moved: the picture after the move.
        hidden, feature_map, pooled_map: what the layers make of ``image``: ``(units,)`` and two matrices.
        moved_hidden, moved_feature_map, moved_pooled_map: what they make of ``moved``. All are computed by
            :mod:`convbook.ops` from the present state, and can be observed.

    Raises:
        TypeError: not numbers, or a shift or size that is not made of integers.
        ValueError: shapes that do not fit together, sizes out of range, another padding.

    Source: documents 001 and 004 on translation invariance, document 003 on pooling and shifts.
    """

    image = ArrayTrait(2).tag(to_json=lambda value, _: _compact(value))
    shift = Checked(_pair, (0, 0))
    kernel = ArrayTrait(2).tag(to_json=lambda value, _: _compact(value))
    padding = Checked(_padding, "same")
    pool_size = Checked(_pool_size, 2)
    dense_kernel = ArrayTrait(2).tag(to_json=lambda value, _: _compact(value))
    images = Checked(_matrices, {})
    kernels = Checked(_matrices, {})
    moved = traitlets.Any(read_only=True)
    hidden = traitlets.Any(read_only=True)
    feature_map = traitlets.Any(read_only=True)
    pooled_map = traitlets.Any(read_only=True)
    moved_hidden = traitlets.Any(read_only=True)
    moved_feature_map = traitlets.Any(read_only=True)
    moved_pooled_map = traitlets.Any(read_only=True)

    def __init__(
        self,
        image: ArrayLike | None = None,
        shift: tuple[int, int] = (1, 0),
        kernel: ArrayLike | None = None,
        dense_kernel: ArrayLike | None = None,
        *,
        padding: str = "same",
        pool_size: int = 2,
        images: Mapping[str, ArrayLike] | None = None,
        kernels: Mapping[str, ArrayLike] | None = None,
        **options: Any,
    ) -> None:
        examples, _ = _examples()
        with refusals():
            menu = examples if images is None else _matrices("images", images)
            picture = numbers("image", next(iter(menu.values()), examples["a 5"]) if image is None else image, 2)
            _check_size("image", picture.shape, *_SIZES)
        if images is None and picture.shape != (_CANVAS, _CANVAS):
            menu = {}  # the digits would not fit the weights
        super().__init__(
            image=picture,
            shift=shift,
            kernel=KERNELS[_KERNELS[0]] if kernel is None else kernel,
            dense_kernel=_dense_kernel(picture.shape) if dense_kernel is None else dense_kernel,
            padding=padding,
            pool_size=pool_size,
            images=menu,
            kernels={name: KERNELS[name] for name in _KERNELS} if kernels is None else kernels,
            **options,
        )

    # --- the state ------------------------------------------------------------------------------------------------

    @traitlets.validate(*_STATE, "images", "kernels")
    def _check(self, proposal: Any) -> Any:
        with refusals():
            self._fits(**{proposal.trait.name: proposal.value})
        return proposal.value

    @traitlets.observe(*_STATE)
    def _compute(self, change: object = None) -> None:
        self.set_trait("moved", _placed(self.image, self.shift, self.image.shape))
        for prefix, picture in (("", self.image), ("moved_", self.moved)):
            for name, value in self._layers(picture)._asdict().items():
                self.set_trait(prefix + name, value)

    def _fits(self, **changes: Any) -> None:
        """Whether the state, with some of it changed, holds together; errors as in the class."""
        state = {name: changes.get(name, getattr(self, name)) for name in (*_STATE, "images", "kernels")}
        shape = state["image"].shape
        _check_size("image", shape, *_SIZES)
        for name, matrix in state["kernels"].items():
            _check_size(f"kernels[{name!r}]", np.shape(matrix), 1, 5)
        _check_size("kernel", state["kernel"].shape, 1, 5)
        for name, matrix in state["images"].items():
            if np.shape(matrix) != shape:
                raise ValueError(f"images[{name!r}]: got shape {np.shape(matrix)}, expected {shape}, that of image")
        for axis, moved, size in zip(("rows", "columns"), state["shift"], shape, strict=True):
            whole(f"shift, {axis}", moved, -size, size)
        pixels, (inputs, units) = shape[0] * shape[1], state["dense_kernel"].shape
        if inputs != pixels or not 1 <= units <= 16:
            raise ValueError(
                f"dense_kernel: got shape {(inputs, units)}, expected ({pixels}, units): a row for each of the "
                f"{shape[0]}×{shape[1]} pixels of image, and 1 to 16 units"
            )

    def _layers(self, picture: Array) -> _Layers:
        volume = picture[None, :, :, None]
        feature_map = ops.conv(volume, self.kernel[:, :, None, None], 1, self.padding)
        pooled = ops.max_pool(np.maximum(feature_map, 0), self.pool_size)
        maps = (np.asarray(volume[0, :, :, 0], np.float64) for volume in (feature_map, pooled))
        return _Layers(picture.ravel() @ self.dense_kernel, *maps)

    # --- what it shows --------------------------------------------------------------------------------------------

    def _verdicts(self) -> tuple[str, str, str]:
        """What became of each layer's answer, in a few words."""
        close = 1e-9 * max(1, np.abs(self.hidden).max(), np.abs(self.moved_hidden).max())
        changed = int((np.abs(self.hidden - self.moved_hidden) > close).sum())
        along, places = _agreement(
            _placed(self.feature_map, self.shift, self.feature_map.shape), self.moved_feature_map
        )
        stayed, values = _agreement(self.pooled_map, self.moved_pooled_map)
        return (
            f"{changed} of {self.hidden.size} changed",
            f"{along} of {places} moved along",
            f"{stayed} of {values} stayed",
        )

    def __repr__(self) -> str:
        """What it shows, in one line."""
        size = "×".join(map(str, self.image.shape))
        dense, along, stayed = self._verdicts()
        return (
            f"ShiftExplorer: a picture of {size} pixels, shift {self.shift}; "
            f"dense layer: {dense}, feature map: {along}, pooled map: {stayed}"
        )

    def still(self) -> Figure:
        """The picture and the three answers, above before the move and below after it."""
        figure, axes = plt.subplots(2, 4, figsize=(figures.WIDTH, 3.3))
        for ax, title in zip(axes[0], ("picture", "dense layer", "feature map", "pooled map"), strict=True):
            ax.set_title(title, fontsize=10)
        strongest = {
            name: max(float(np.abs(getattr(self, prefix + name)).max()) for prefix in ("", "moved_"))
            for name in _COMPUTED
        }
        for row, prefix, picture in zip(axes, ("", "moved_"), (self.image, self.moved), strict=True):
            _draw_map(row[0], picture, float(np.abs(self.image).max()), figures.INPUT, figures.INPUT)
            _draw_units(row[1], getattr(self, f"{prefix}hidden"), strongest["hidden"])
            for ax, name in zip(row[2:], _COMPUTED[1:], strict=True):
                _draw_map(ax, getattr(self, prefix + name), strongest[name], _POSITIVE, figures.OUTPUT)
        axes[0, 0].set_ylabel("before")
        axes[1, 0].set_ylabel("moved")
        _draw_old_place(axes[1, 0], self.image)
        for ax, verdict in zip(axes[1, 1:], self._verdicts(), strict=True):
            ax.set_xlabel(verdict.replace(" of ", "\u00a0of\u00a0").replace(" ", "\n", 1), fontsize=9)
        return figure


def _check_size(name: str, shape: tuple[int, ...], least: int, most: int) -> None:
    if not all(least <= size <= most for size in shape):
        raise ValueError(f"{name}: got shape {shape}, expected {least} to {most} along each side")


def _agreement(one: Array, other: Array) -> tuple[int, int]:
    """At how many places two maps agree, and of how many: those at which both are 0 say nothing and are left out."""
    close = 1e-9 * max(1, np.abs(one).max(), np.abs(other).max())
    something = (np.abs(one) > close) | (np.abs(other) > close)
    return int((np.abs(one - other)[something] <= close).sum()), int(something.sum())


def _draw_map(ax: Axes, values: Array, strength: float, colour: str, frame: str) -> None:
    """A picture whose colour is the sign and whose strength is the size of each value, on whatever ground."""
    strength = strength or 1.0
    tints = np.array([to_rgb(colour), to_rgb(_NEGATIVE)])[(values < 0).astype(int)]
    ax.imshow(np.concatenate([tints, np.minimum(np.abs(values) / strength, 1)[..., None]], axis=-1))
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set(visible=True, color=frame)


def _draw_units(ax: Axes, values: Array, strength: float) -> None:
    """A bar for each unit, the strongest with its number."""
    ax.barh(range(values.size), values, color=[_POSITIVE if value >= 0 else _NEGATIVE for value in values])
    ax.set_xlim(-1.05 * (strength or 1), 1.05 * (strength or 1))
    ax.set_ylim(values.size - 0.4, -0.6)
    ax.set_xticks([])
    ax.set_yticks([int(values.argmax())] if np.ptp(values) else [])
    ax.set_box_aspect(1)
    ax.tick_params(axis="y", length=0, labelsize=10)
    ax.axvline(0, color=figures.MUTED, linewidth=0.8)
    ax.spines[:].set(visible=True, color=figures.OUTPUT)


def _draw_old_place(ax: Axes, image: Array) -> None:
    """A dashed frame where the digit was before the move."""
    rows, columns = np.nonzero(image)
    if rows.size:
        top, left = rows.min() - 0.5, columns.min() - 0.5
        height, width = rows.max() + 0.5 - top, columns.max() + 0.5 - left
        frame = Rectangle((left, top), width, height, fill=False, edgecolor=figures.PADDING, linestyle="--")
        ax.add_patch(frame)
