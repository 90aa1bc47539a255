"""The exercises of the lesson "Receptive fields"."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count, product
from math import prod

from convbook import shapes
from convbook.checks._exercise import Exercise

__all__ = ["cover", "pixels_seen", "predict_field", "seen_count"]

Layers = Sequence[Sequence[int]]


def _predicted() -> int:
    return shapes.receptive_field([(5, 1), (2, 2), (3, 1), (2, 2), (3, 1)]).size


predict_field = Exercise(
    _predicted,
    cases=[()],
    mistakes={
        lambda: 11: "That is the width if all strides were 1. How far apart are the units that the later layers read?",
        lambda: 12: "That is the width after the second pooling. One layer is missing.",
        lambda: 16: "The jump is the product of all strides before a layer, not the last of them.",
        lambda: 23: "A layer's own stride does not widen its own field, only those of the layers after it.",
        lambda: 30: "From the first to the last of k units there are k - 1 steps, not k.",
        lambda: 400: "That is the number of pixels in the field; we ask for its width.",
        lambda: 19: "It all begins with a single pixel, before any layer: start at 1.",
    },
    hint="Start at 1. Each layer adds (k - 1) times the product of the strides before it.",
    praise="The widths are 5, 6, 10, 12 and 20, at jumps of 1, 1, 2, 2 and 4.",
)


def _seen_count(
    layers: Layers, *, forwards: bool = False, step: str = "d", stride: bool = True, stretched: bool = False
) -> int:
    places = {0}
    for k, s, d in layers if forwards else reversed(layers):
        move, far = s if stride else 1, d if step == "d" else 1
        places = {move * i + far * a * (s if stretched else 1) for i in places for a in range(k)}
    return len(places)


def _paths(layers: Layers) -> int:
    return prod(k for k, _, _ in layers)


seen_count = Exercise(
    _seen_count,
    cases=[
        ([(3, 1, 2), (3, 1, 2), (3, 1, 2)],),
        ([(1, 2, 1), (3, 1, 1)],),
        ([(2, 3, 1), (3, 1, 1)],),
        ([(3, 2, 1), (3, 2, 1), (3, 1, 1)],),
        ([(3, 1, 1), (3, 1, 2), (3, 1, 4)],),
        ([(1, 1, 1)],),
        ([(3, 1, 2), (2, 2, 1), (3, 3, 3)],),
    ],
    mistakes={
        lambda layers: shapes.receptive_field([(k, s, 0, d) for k, s, d in layers]).size: "That is the width, from "
        "the first pixel to the last. Are all pixels between them seen?",
        lambda layers: _seen_count(layers, forwards=True): "The layer next to the unit is the last one: which places "
        "does the unit read there?",
        lambda layers: _seen_count(layers, step="1"): "The dilation is not used: the places that a kernel reads lie "
        "d apart.",
        lambda layers: _seen_count(layers, stride=False): "The stride is not used: the window of the next unit begins "
        "s places further on.",
        lambda layers: _seen_count(layers, stretched=True): "A stride moves the window; it does not stretch it.",
        _paths: "That is the number of paths. A pixel to which several paths lead is one pixel.",
    },
    hint="Go back from the unit, layer by layer, and keep the set of the places that it has read so far.",
    praise="The set of places tells what the width does not.",
)


def _seen(i: int, n: int, layers: Layers, *, jump: str = "product", padding: str = "jumps", last: int = -1,
          cut: bool = True) -> tuple[int, int]:  # fmt: skip
    size, step, _ = field = shapes.receptive_field(layers)
    before = {"jumps": field.padding, "none": 0, "sum": sum(layer[2] for layer in layers)}[padding]
    first = i * (step if jump == "product" else layers[-1][1]) - before
    end = first + size + last
    return (max(first, 0), min(end, n - 1)) if cut else (first, end)


def _cut_too_early(i: int, n: int, layers: Layers) -> tuple[int, int]:
    first = _seen(i, n, layers)[0]
    return first, min(first + shapes.receptive_field(layers).size - 1, n - 1)


_TWO = [(3, 2, 1), (3, 1, 1)]

pixels_seen = Exercise(
    _seen,
    cases=[
        (0, 12, _TWO),
        (2, 12, _TWO),
        (5, 12, _TWO),
        (1, 32, [(5, 1, 0), (2, 2, 0), (5, 1, 0)]),
        (3, 30, [(3, 2, 1), (3, 2, 1), (3, 2, 1)]),
    ],
    mistakes={
        lambda i, n, layers: _seen(i, n, layers, cut=False): "Right before the border cuts: the image has only the "
        "pixels 0 to n - 1.",
        lambda i, n, layers: _seen(i, n, layers, padding="none"): "The padding is not used: it moves the windows to "
        "the left.",
        lambda i, n, layers: _seen(i, n, layers, padding="sum"): "A padding of one unit in a later map is worth "
        "several pixels of the image.",
        lambda i, n, layers: _seen(i, n, layers, jump="last"): "How far apart are the fields of neighbours, after "
        "all layers? The last stride alone does not tell.",
        lambda i, n, layers: _seen(i, n, layers, last=0): "The last pixel is one too far: a field of one pixel ends "
        "where it begins.",
        _cut_too_early: "Work out the last pixel before you cut the first: what lies outside is lost, not moved.",
    },
    hint="The field begins at i times the jump, less the padding in pixels; it is `size` pixels long; then cut it.",
    praise="Start, length, and what the border leaves of it.",
)


def _cover(n: int, *, fits: int = 0, steps: int = 2) -> tuple[int, int]:
    for depth in count(1):
        sizes = []
        for strides in product((1, 2), repeat=depth - 1):
            jump, size = 1, 1 + steps
            for s in strides:
                jump *= s
                size += steps * jump
            sizes.append(size)
        enough = [size for size in sizes if size >= n + fits]
        if enough:
            return depth, min(enough)
    raise AssertionError


def _all_halve(n: int) -> tuple[int, int]:
    depth = next(depth for depth in count(1) if 2 ** (depth + 1) - 1 >= n)
    return depth, 2 ** (depth + 1) - 1


cover = Exercise(
    _cover,
    cases=[(7,), (8,), (16,), (20,), (28,), (40,), (100,)],
    mistakes={
        _all_halve: "The number of layers is right. Does it need every stride of 2 to cover n? Look for the least "
        "field that does.",
        lambda n: (-(-(n - 1) // 2), 2 * -(-(n - 1) // 2) + 1): "That is with strides of 1 only. A few strides of 2 "
        "need far fewer layers.",
        lambda n: _cover(n, fits=1): "A field of exactly n pixels covers n pixels.",
        lambda n: _cover(n, steps=3): "A 3×3 kernel takes two steps from its first pixel to its last.",
    },
    hint="For 1, 2, 3, ... layers, work out the fields of all choices of strides; stop at the first depth where one "
    "is at least n.",
    praise="Depth first, then the least excess.",
)
