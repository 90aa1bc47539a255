"""The exercises of the lesson "Architectures"."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from convbook.checks._exercise import Exercise
from convbook.shapes import conv_parameters, dense_parameters, receptive_field

__all__ = ["first_fault", "pattern_field", "predict_parameters", "separable_outputs"]

predict_parameters = Exercise(
    lambda: conv_parameters(5, 1, 8) + dense_parameters(12 * 12 * 8, 10),
    cases=[()],
    mistakes={
        lambda: 11530: "That is the dense layer. The convolution learns too.",
        lambda: 11720: "Those are the weights. The filters and the scores have biases.",
        lambda: 11728: "The scores have biases too.",
        lambda: 46298: "Between convolution and dense layer there is a pooling.",
        lambda: 15898: "Without padding the convolution makes the map smaller.",
        lambda: 1658: "The dense layer reads all channels, not one.",
    },
    hint="How large is the map after the convolution, and after the pooling? How many numbers reach the dense layer?",
    praise="208 in the convolution and 11,530 in the dense layer, 11,738 together.",
)


def _outputs(k: int, c_in: int, c_out: int) -> int:
    return (conv_parameters(k, c_in, c_out) - k * k * c_in) // (c_in + 1)


separable_outputs = Exercise(
    _outputs,
    cases=[(3, 2, 4), (3, 16, 32), (5, 7, 3), (1, 4, 4), (3, 5, 1)],
    mistakes={
        lambda k, c_in, c_out: (k * k * c_in * c_out - k * k * c_in) // c_in: "Both layers have biases: one for each "
        "of their outputs.",
        lambda k, c_in, c_out: (k * k * c_in * c_out - k * k * c_in) // (c_in + 1): "The full layer has biases too.",
        lambda k, c_in, c_out: (conv_parameters(k, c_in, c_out) - k * k * c_in) // c_in: "The separable layer has "
        "biases too.",
        lambda k, c_in, c_out: (conv_parameters(k, c_in, c_out) - k * k * c_in - c_in) // (c_in + 1): "The depthwise "
        "part has no biases here.",
        lambda k, c_in, c_out: conv_parameters(k, c_in, c_out) // (c_in + 1): "The slices have to be paid for as well.",
        lambda k, c_in, c_out: (conv_parameters(k, c_in, c_out) - k * k) // (c_in + 1): "Each input channel has a "
        "slice of its own.",
        lambda k, c_in, c_out: _outputs(k, c_in, c_out) + 1: "One output fewer: with this many there are more "
        "parameters than the full layer has.",
    },
    hint="How many parameters has the full layer? What does the separable layer need before its first output, and "
    "what does each output cost?",
    praise="Filtering is paid for once; then each output costs a weight for each channel, and a bias.",
)


def _field(convolutions: int, blocks: int) -> int:
    return receptive_field([*[(3, 1)] * convolutions, (2, 2)] * blocks).size


pattern_field = Exercise(
    _field,
    cases=[(2, 2), (1, 1), (1, 3), (3, 2), (2, 5)],
    mistakes={
        lambda n, m: 1 + 2 * n * (2**m - 1): "The poolings see neighbours too: windows of 2 add one step.",
        lambda n, m: 1 + (2 * n + 1) * m: "After a pooling the units stand twice as far apart: does your step grow?",
        lambda n, m: 1 + 2 * n * m: "That is for convolutions without any pooling.",
        lambda n, m: 1 + (4 * n + 2) * (2**m - 1): "Double the step after the pooling, not before the block.",
        lambda n, m: 1 + (3 * n + 2) * (2**m - 1): "A window of 3 adds 2 pixels to the first one, not 3.",
    },
    hint="Go through one block by hand: what does each convolution add to the field, what the pooling, and how far "
    "apart are the units after it?",
    praise="Convolutions add to the field, poolings multiply what comes after them.",
)

Plan = Sequence[tuple[Any, ...]]


def _walk(
    grow: Callable[[int, int, int], int] = lambda size, k, p: size + 2 * p - k + 1,
    shrink: Callable[[int, int], int] = lambda size, k: size // k,
    count: Callable[[int, int], int] = lambda size, channels: size * size * channels,
    look_at_channels: bool = True,
    look_at_windows: bool = True,
    first: int = 0,
) -> Callable[[Plan, int, int], int | None]:
    """The right function, or one of its near misses."""

    def first_fault(plan: Plan, size: int, channels: int) -> int | None:
        for place, (kind, *numbers) in enumerate(plan, start=first):
            if kind == "conv":
                k, c_in, c_out, p = numbers
                fits = (c_in == channels or not look_at_channels) and (k <= size + 2 * p or not look_at_windows)
                size, channels = grow(size, k, p), c_out
            elif kind == "pool":
                fits = numbers[0] <= size or not look_at_windows
                size = shrink(size, numbers[0])
            else:
                inputs, outputs = numbers
                fits = inputs == count(size, channels)
                size, channels = 1, outputs
            if not fits:
                return place
        return None

    return first_fault


_LENET = [("conv", 5, 1, 6, 2), ("pool", 2), ("conv", 5, 6, 16, 0), ("pool", 2)]
_CIFAR = [("conv", 3, 3, 12, 1), ("pool", 2)]

first_fault = Exercise(
    _walk(),
    cases=[
        ([*_CIFAR, ("dense", 12288, 10)], 32, 3),
        ([*_CIFAR, ("dense", 3072, 10)], 32, 3),
        ([*_LENET, ("dense", 400, 120), ("dense", 120, 10)], 28, 1),
        ([*_LENET, ("dense", 400, 120), ("dense", 84, 10)], 28, 1),
        ([("conv", 5, 1, 6, 0), ("pool", 2), ("conv", 5, 1, 16, 0), ("dense", 1024, 10)], 28, 1),
        ([("conv", 3, 1, 4, 0), ("pool", 2), ("pool", 3), ("dense", 4, 10)], 9, 1),
        ([("pool", 2), ("pool", 2), ("pool", 2), ("pool", 2)], 8, 3),
        ([("conv", 5, 1, 4, 0)], 4, 1),
        ([("conv", 5, 1, 4, 1), ("dense", 16, 10)], 4, 1),
    ],
    mistakes={
        _walk(look_at_channels=False): "A filter has a slice for each channel that arrives: compare the two numbers.",
        _walk(look_at_windows=False): "A window can be larger than the map that it is to slide over.",
        _walk(grow=lambda size, k, p: size - k + 1): "Padding makes the map larger, on both sides.",
        _walk(grow=lambda size, k, p: size): "Not every padding keeps the size: work it out from n, p and k.",
        _walk(shrink=lambda size, k: -(-size // k)): "Where windows of a pooling do not come out even, the rest is "
        "not read.",
        _walk(count=lambda size, channels: size * size): "A dense layer reads all channels of every pixel.",
        _walk(first=1): "That is the right layer, counted from 1. We count from 0.",
    },
    hint="Carry size and channels along from layer to layer, and compare what arrives with what the layer expects.",
    praise="You have written a part of what Sequential does when it is built.",
)
