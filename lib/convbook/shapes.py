"""Sizes, parameters, connections, cost and receptive fields: integer arithmetic, no arrays.

Everything here is a count (of pixels, weights, multiplications), so everything is an exact ``int``.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

__all__ = [
    "ReceptiveField",
    "conv_multiplications",
    "conv_parameters",
    "dense_multiplications",
    "dense_parameters",
    "effective_kernel",
    "output_size",
    "padding_amounts",
    "receptive_field",
]


def _integer(value: Any, name: str, minimum: int, *given: Any) -> int:
    """``value`` as an ``int`` of at least ``minimum``, or an error that names the argument.

    Where ``value`` is one entry of an argument, ``given`` is the whole of it, to be shown in the error.
    """
    shown, kind = (given[0], "integers") if given else (value, "an integer")
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    if number is None:
        raise TypeError(f"{name}: got {shown!r}, expected {kind}")
    if number < minimum:
        raise ValueError(f"{name}: got {shown!r}, expected {kind} of at least {minimum}")
    return number


def effective_kernel(kernel: int, dilation: int = 1) -> int:
    """Pixels from the first to the last one that a dilated kernel reads: ``dilation * (kernel - 1) + 1``.

    Raises:
        TypeError: an argument is not an integer.
        ValueError: an argument is below 1.
    """
    kernel = _integer(kernel, "kernel", 1)
    dilation = _integer(dilation, "dilation", 1)
    return dilation * (kernel - 1) + 1


def padding_amounts(
    padding: int | str | tuple[int, int], size: int, kernel: int, stride: int = 1, dilation: int = 1
) -> tuple[int, int]:
    """Zeros added before and after one axis, as ``(before, after)``.

    ``padding`` is ``"valid"`` (none), ``"same"`` (the output has ``ceil(size / stride)`` pixels; where the
    total is odd the extra one goes after, that is at the bottom or right, as in Keras), one integer for
    both sides, or a pair.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: an unknown name, or a negative amount.
    """
    size = _integer(size, "size", 0)
    stride = _integer(stride, "stride", 1)
    extent = effective_kernel(kernel, dilation)
    if isinstance(padding, str):
        name = padding.lower()
        if name == "valid":
            return 0, 0
        if name == "same":
            total = max((-(-size // stride) - 1) * stride + extent - size, 0)
            return total // 2, total - total // 2
        raise ValueError(f'padding: got {padding!r}, expected "valid", "same", an integer or a pair (before, after)')
    if isinstance(padding, Sequence):
        if len(padding) != 2:
            raise ValueError(f"padding: got {padding!r}, expected an integer or a pair (before, after)")
        return _integer(padding[0], "padding", 0), _integer(padding[1], "padding", 0)
    amount = _integer(padding, "padding", 0)
    return amount, amount


def output_size(
    size: int, kernel: int, stride: int = 1, padding: int | str | tuple[int, int] = 0, dilation: int = 1
) -> int:
    """Pixels along one axis of the output of a convolution or a pooling.

    ``floor((size + before + after - extent) / stride) + 1`` with ``extent = dilation * (kernel - 1) + 1``.

    Args:
        size: pixels of the input along that axis.
        kernel: pixels of the kernel along that axis.
        stride: pixels the kernel moves from one output to the next.
        padding: as in :func:`padding_amounts`.
        dilation: distance between neighbouring kernel elements.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: an argument is too small, or the kernel is larger than the padded input.

    Source: document 001, "Stride"; document 000, Concept 5.7; dilation as in Dumoulin and Visin, "A guide to
    convolution arithmetic for deep learning" (2016), relationship 15.
    """
    size = _integer(size, "size", 0)
    stride = _integer(stride, "stride", 1)
    extent = effective_kernel(kernel, dilation)
    before, after = padding_amounts(padding, size, kernel, stride, dilation)
    room = size + before + after - extent
    if room < 0:
        if isinstance(padding, str) and padding.lower() == "same":
            return 0  # only an empty axis comes here: "same" pads every other one to the kernel's extent
        raise ValueError(
            f"kernel: reaches over {extent} pixels, expected at most the {size + before + after} of the padded "
            f"input ({size} with padding {before} and {after}); use a smaller kernel or more padding"
        )
    return room // stride + 1


def _pair(value: int | Sequence[int], name: str) -> tuple[int, ...]:
    """``value`` as a tuple of positive integers; one integer means the same on two axes."""
    if isinstance(value, Sequence):
        return tuple(_integer(v, name, 1) for v in value)
    return (_integer(value, name, 1),) * 2


def conv_parameters(
    kernel_size: int | Sequence[int], c_in: int, c_out: int, groups: int = 1, use_bias: bool = True
) -> int:
    """Weights and biases of a convolutional layer: ``kh * kw * c_in / groups * c_out`` and ``c_out``.

    An integer ``kernel_size`` means a square; the size of the image does not matter.

    Raises:
        ValueError: ``groups`` does not divide both channel counts, or a count below 1.

    Source: document 000, Concept 5.7; document 002, "Computing Output volume".
    """
    kernel_shape = _pair(kernel_size, "kernel_size")
    c_in, c_out = _integer(c_in, "c_in", 1), _integer(c_out, "c_out", 1)
    groups = _integer(groups, "groups", 1)
    if c_in % groups or c_out % groups:
        raise ValueError(f"groups: got {groups}, expected a divisor of c_in = {c_in} and of c_out = {c_out}")
    return math.prod(kernel_shape) * (c_in // groups) * c_out + (c_out if use_bias else 0)


def dense_parameters(inputs: int, outputs: int, use_bias: bool = True) -> int:
    """Weights and biases of a fully connected layer: ``inputs * outputs`` and ``outputs``."""
    inputs, outputs = _integer(inputs, "inputs", 1), _integer(outputs, "outputs", 1)
    return inputs * outputs + (outputs if use_bias else 0)


def conv_multiplications(
    output_shape: Sequence[int], kernel_size: int | Sequence[int], c_in: int, c_out: int, groups: int = 1
) -> int:
    """Multiplications of a convolution on one image, padded positions counted like the others.

    Each of the ``prod(output_shape) * c_out`` outputs multiplies ``kh * kw * c_in / groups`` pairs. This is
    also the number of connections between the two layers, biases left out.
    """
    if not isinstance(output_shape, Iterable):
        raise TypeError(f"output_shape: got {output_shape!r}, expected one size per spatial axis, such as (55, 55)")
    positions = math.prod(_integer(n, "output_shape", 0) for n in output_shape)
    return positions * conv_parameters(kernel_size, c_in, c_out, groups, use_bias=False)


def dense_multiplications(inputs: int, outputs: int) -> int:
    """Multiplications of a fully connected layer on one example: one for each weight."""
    return dense_parameters(inputs, outputs, use_bias=False)


class ReceptiveField(NamedTuple):
    """What one unit of the last layer sees of the input, along one axis.

    ``size``     pixels from the first to the last that can matter;
    ``stride``   input pixels between the fields of neighbouring units;
    ``padding``  how far the first unit's field begins before the first pixel (negative: after it).
    """

    size: int
    stride: int
    padding: int


def receptive_field(layers: Iterable[Sequence[int]]) -> ReceptiveField:
    """The receptive field of a unit of the last layer, along one axis.

    Args:
        layers: from the input on, ``(kernel, stride)``, ``(kernel, stride, padding)`` or
            ``(kernel, stride, padding, dilation)`` for each layer.

    Each layer adds ``dilation * (kernel - 1)`` times the product of the strides before it. No layer at all
    is the pixel itself: size 1, stride 1, padding 0.

    Raises:
        TypeError: an entry is not an integer.
        ValueError: a layer does not have two to four entries, or an entry is too small.

    Source: Araujo, Norris and Sim, "Computing Receptive Fields of Convolutional Neural Networks" (2019),
    equations 2 and following.
    """
    if not isinstance(layers, Iterable):
        raise TypeError(f"layers: got {layers!r}, expected a sequence of layers such as [(3, 1), (3, 2)]")
    size, jump, start = 1, 1, 0
    for number, layer in enumerate(layers):
        if not isinstance(layer, Sequence) or isinstance(layer, str) or not 2 <= len(layer) <= 4:
            raise ValueError(
                f"layers: layer {number} is {layer!r}, expected (kernel, stride), (kernel, stride, padding) "
                "or (kernel, stride, padding, dilation)"
            )
        kernel = _integer(layer[0], f"layers: kernel of layer {number}", 1)
        stride = _integer(layer[1], f"layers: stride of layer {number}", 1)
        padding = _integer(layer[2], f"layers: padding of layer {number}", 0) if len(layer) > 2 else 0
        dilation = _integer(layer[3], f"layers: dilation of layer {number}", 1) if len(layer) > 3 else 1
        size += dilation * (kernel - 1) * jump
        start += padding * jump
        jump *= stride
    return ReceptiveField(size, jump, start)
