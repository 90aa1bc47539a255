"""Convolutions and poolings in the signatures of ``keras.ops``.

Names, argument order, defaults and results are those of ``keras.ops``; ``data_format=None`` means
``"channels_last"``. In addition, ``padding`` may be numbers (an integer for every side, one integer per
axis, or one ``(before, after)`` pair per axis) and ``method`` may name an algorithm.

Every function takes arrays of rank 3 (1-D: ``(B, L, C)``) or rank 4 (2-D: ``(B, H, W, C)``), and returns
the dtype it was given: float32 in, float32 out; float64 in, float64 out. Integers and booleans become
float64, where they are exact up to 2**53. float16 is computed in float32. An empty batch gives an empty
result. NaN and infinity are passed through to every output whose window contains them.

Bad input is refused here, at the door, with a ``TypeError`` (wrong kind of thing) or a ``ValueError``
(right kind, wrong value) that names the argument.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from convbook import algorithms
from convbook.algorithms import pooling
from convbook.algorithms._arrays import Array, pad
from convbook.shapes import _integer, effective_kernel, output_size, padding_amounts

__all__ = [
    "average_pool",
    "conv",
    "conv_transpose",
    "depthwise_conv",
    "global_average_pool",
    "global_max_pool",
    "l2_pool",
    "max_pool",
    "separable_conv",
]

PaddingLike = str | int | Sequence[int] | Sequence[Sequence[int]]
Pairs = tuple[tuple[int, int], ...]

# --- the door: arguments in, checked and in one form ----------------------------------------------------------


def _real_array(value: ArrayLike, name: str) -> NDArray[Any]:
    """``value`` as an array of real numbers."""
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{name}: expected a rectangular array of numbers; NumPy says: {error}") from None
    # ml_dtypes' bfloat16 (kind "V") also ends here: NumPy cannot compute with it.
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name}: got dtype {array.dtype}, expected real numbers (floats, integers or booleans)")
    return array


def _common_dtypes(*arrays: NDArray[Any]) -> tuple[DTypeLike, DTypeLike]:
    """The dtype to return for these arrays, and the one to compute in."""
    dtype = np.result_type(*(array.dtype for array in arrays))
    if dtype.kind != "f":
        return np.float64, np.float64
    return dtype, (np.float32 if dtype == np.float16 else dtype)


def _channels_last(array: NDArray[Any], data_format: str | None, name: str = "inputs") -> NDArray[Any]:
    """``array`` with its channels at the end, and a rank that we know."""
    if data_format not in (None, "channels_last", "channels_first"):
        raise ValueError(f'data_format: got {data_format!r}, expected "channels_last" or "channels_first"')
    if array.ndim not in (3, 4):
        order = "(B, C, H, W) or (B, C, L)" if data_format == "channels_first" else "(B, H, W, C) or (B, L, C)"
        raise ValueError(f"{name}: got shape {array.shape} of rank {array.ndim}, expected {order}, rank 4 or 3")
    return np.moveaxis(array, 1, -1) if data_format == "channels_first" else array


def _restore(outputs: Array, data_format: str | None, dtype: DTypeLike) -> Array:
    """``outputs`` in the caller's layout and dtype."""
    if data_format == "channels_first":
        outputs = np.moveaxis(outputs, -1, 1)
    return np.ascontiguousarray(outputs, dtype=dtype)


def _has_entries(value: Any) -> TypeGuard[Iterable[Any]]:
    """Whether ``value`` is several things: not a string, and not NumPy's array of rank 0, which is one number."""
    return isinstance(value, Iterable) and not isinstance(value, str) and getattr(value, "ndim", 1) > 0


def _per_axis(value: Any, name: str, axes: int, minimum: int = 1) -> tuple[int, ...]:
    """``value`` as one integer per spatial axis; a single integer serves them all."""
    if not _has_entries(value):
        return (_integer(value, name, minimum, value),) * axes
    entries = tuple(value)
    if len(entries) not in (1, axes):
        raise ValueError(f"{name}: got {value!r} with {len(entries)} entries, expected an integer or {axes}")
    return tuple(_integer(entry, name, minimum, value) for entry in entries) * (axes // len(entries))


def _padding_pairs(padding: PaddingLike, sizes: Sequence[int], kernel_size: Sequence[int],
                   strides: Sequence[int], dilation_rate: Sequence[int]) -> Pairs:  # fmt: skip
    """``padding`` as one ``(before, after)`` per spatial axis."""
    axes = len(sizes)
    forms = '"valid", "same", an integer, ' + (
        "(ph, pw) or ((top, bottom), (left, right))" if axes == 2 else "(p,) or ((before, after),)"
    )
    if isinstance(padding, str):
        if padding.lower() not in ("valid", "same"):
            raise ValueError(f"padding: got {padding!r}, expected {forms}")
        return tuple(
            padding_amounts(padding, *axis) for axis in zip(sizes, kernel_size, strides, dilation_rate, strict=True)
        )
    if not _has_entries(padding):
        return ((_integer(padding, "padding", 0, padding),) * 2,) * axes
    entries = tuple(padding)
    if len(entries) != axes:
        raise ValueError(f"padding: got {padding!r} with {len(entries)} entries, expected {forms}")
    pairs = []
    for entry in entries:
        sides = tuple(entry) if _has_entries(entry) else (entry, entry)
        if len(sides) != 2:
            raise ValueError(f"padding: got {padding!r}, expected {forms}")
        before, after = (_integer(side, "padding", 0, padding) for side in sides)
        pairs.append((before, after))
    return tuple(pairs)


def _check_fits(sizes: Sequence[int], kernel_size: Sequence[int], dilation_rate: Sequence[int],
                pairs: Pairs, name: str) -> None:  # fmt: skip
    """Refuse a kernel (or a pool) that reaches over more pixels than the padded input has."""
    for axis, size in enumerate(sizes):
        extent = effective_kernel(kernel_size[axis], dilation_rate[axis])
        before, after = pairs[axis]
        if extent > size + before + after:
            raise ValueError(
                f"{name}: reaches over {extent} pixels of spatial axis {axis}, expected at most the "
                f"{size + before + after} of the padded input ({size} with padding {before} and {after}); "
                "use a smaller one or more padding"
            )


def _unpad(padded: Array, pairs: Pairs) -> Array:
    """``padded`` without its padding: a view."""
    inside = tuple(slice(before, size - after) for size, (before, after) in zip(padded.shape[1:], pairs, strict=False))
    return padded[(slice(None), *inside)]


def _as_2d(array: NDArray[Any], axis: int) -> NDArray[Any]:
    """A sequence as an image of one row, so that the algorithms need to know two dimensions only."""
    return np.expand_dims(array, axis)


def _check_kernel(kernel: NDArray[Any], axes: int, name: str = "kernel", last: str = "c_in / groups, c_out") -> None:
    spatial = "kh, kw" if axes == 2 else "k"
    if kernel.ndim != axes + 2:
        raise ValueError(
            f"{name}: got shape {kernel.shape} of rank {kernel.ndim}, expected ({spatial}, {last}), "
            f"rank {axes + 2} like inputs"
        )
    if 0 in kernel.shape:
        raise ValueError(f"{name}: got shape {kernel.shape}, expected no axis of length 0")


# --- convolutions ---------------------------------------------------------------------------------------------


def _correlate(inputs: Array, kernel: Array, strides: tuple[int, ...], padding: PaddingLike,
               dilation_rate: tuple[int, ...], method: str, name: str = "kernel") -> Array:  # fmt: skip
    """Pad, lift to two dimensions, and run an algorithm; arguments are checked, channels are last."""
    axes = inputs.ndim - 2
    sizes, kernel_size = inputs.shape[1:-1], kernel.shape[:axes]
    pairs = _padding_pairs(padding, sizes, kernel_size, strides, dilation_rate)
    algorithms.check_method(method)
    if 0 in sizes and isinstance(padding, str) and padding.lower() == "same":
        # ceil(0 / stride) is 0: the map is empty, and there is nothing to slide over.
        shape = [output_size(n, k, s, "same") for n, k, s in zip(sizes, kernel_size, strides, strict=True)]
        return np.zeros((inputs.shape[0], *shape, kernel.shape[-1]), dtype=inputs.dtype)
    _check_fits(sizes, kernel_size, dilation_rate, pairs, name)
    if axes == 1:
        inputs, kernel = _as_2d(inputs, 1), _as_2d(kernel, 0)
        strides, dilation_rate, pairs = (1, *strides), (1, *dilation_rate), ((0, 0), *pairs)
    outputs = algorithms.convolve(
        inputs, kernel, (strides[0], strides[1]), (dilation_rate[0], dilation_rate[1]), (pairs[0], pairs[1]),
        method=method,
    )  # fmt: skip
    return outputs[:, 0] if axes == 1 else outputs


def conv(
    inputs: ArrayLike,
    kernel: ArrayLike,
    strides: int | Sequence[int] = 1,
    padding: PaddingLike = "valid",
    data_format: str | None = "channels_last",
    dilation_rate: int | Sequence[int] = 1,
    method: str = "auto",
) -> Array:
    """N-D convolution as networks use it: cross-correlation, in 1-D or 2-D, with groups.

    Args:
        inputs: ``(B, H, W, C)`` or ``(B, L, C)``; channels second for ``"channels_first"``.
        kernel: ``(kh, kw, C / groups, c_out)`` or ``(k, C / groups, c_out)`` in both data formats. The number
            of groups follows from the shapes.
        strides: pixels from one window to the next, one integer or one per spatial axis.
        padding: ``"valid"``, ``"same"``, an integer, ``(ph, pw)`` or ``((top, bottom), (left, right))``.
        data_format: ``"channels_last"`` (also ``None``) or ``"channels_first"``.
        dilation_rate: pixels between neighbouring kernel elements; with strides above 1 it must be 1, as in Keras.
        method: ``"auto"`` or a name in :data:`convbook.algorithms.METHODS`.

    Returns:
        ``(B, oh, ow, c_out)`` with sizes as :func:`convbook.shapes.output_size` gives them.

    Raises:
        TypeError: not real numbers, or sizes that are not integers.
        ValueError: ranks or channels that do not match, a kernel larger than the padded input, strides below 1,
            strides and dilation both above 1, an unknown padding, data format or method.

    Source: document 000, Definition 5.3 and Concept 5.7; signature of ``keras.ops.conv``.
    """
    array, weights = _real_array(inputs, "inputs"), _real_array(kernel, "kernel")
    array = _channels_last(array, data_format)
    axes = array.ndim - 2
    _check_kernel(weights, axes)
    stride, dilation = _per_axis(strides, "strides", axes), _per_axis(dilation_rate, "dilation_rate", axes)
    if max(stride) > 1 and max(dilation) > 1:
        raise ValueError(
            f"strides: got {strides!r} with dilation_rate {dilation_rate!r}, expected one of the two to be 1"
        )
    channels, group_channels, filters = array.shape[-1], *weights.shape[-2:]
    if channels == 0 or channels % group_channels:
        raise ValueError(
            f"kernel: takes {group_channels} channels (shape {weights.shape}), expected the {channels} of inputs, "
            f"or a divisor of {channels} for a grouped convolution"
        )
    groups = channels // group_channels
    if filters % groups:
        raise ValueError(
            f"kernel: has {filters} filters (shape {weights.shape}), expected a multiple of the {groups} groups "
            f"that {channels} input channels in groups of {group_channels} make"
        )
    dtype, compute = _common_dtypes(array, weights)
    outputs = _correlate(
        array.astype(compute, copy=False), weights.astype(compute, copy=False), stride, padding, dilation, method
    )
    return _restore(outputs, data_format, dtype)


def depthwise_conv(
    inputs: ArrayLike,
    kernel: ArrayLike,
    strides: int | Sequence[int] = 1,
    padding: PaddingLike = "valid",
    data_format: str | None = "channels_last",
    dilation_rate: int | Sequence[int] = 1,
    method: str = "auto",
) -> Array:
    """Each channel convolved by filters of its own: as many groups as channels.

    Args:
        kernel: ``(kh, kw, C, m)`` or ``(k, C, m)``; output channel ``c * m + q`` is filter ``q`` of channel ``c``.

    The other arguments, the result (with ``C * m`` channels) and the errors are those of :func:`conv`, but
    strides and dilation may both be above 1, as in ``keras.ops.depthwise_conv``.
    """
    return _depthwise(inputs, kernel, strides, padding, data_format, dilation_rate, method, "kernel")


def _depthwise(inputs: ArrayLike, kernel: ArrayLike, strides: int | Sequence[int], padding: PaddingLike,
               data_format: str | None, dilation_rate: int | Sequence[int], method: str,
               name: str) -> Array:  # fmt: skip
    """:func:`depthwise_conv` for a kernel that the caller knows as ``name``."""
    array, weights = _real_array(inputs, "inputs"), _real_array(kernel, name)
    array = _channels_last(array, data_format)
    axes, channels = array.ndim - 2, array.shape[-1]
    _check_kernel(weights, axes, name, "c_in, multiplier")
    if weights.shape[-2] != channels:
        raise ValueError(
            f"{name}: takes {weights.shape[-2]} channels (shape {weights.shape}), expected the {channels} of inputs"
        )
    stride, dilation = _per_axis(strides, "strides", axes), _per_axis(dilation_rate, "dilation_rate", axes)
    dtype, compute = _common_dtypes(array, weights)
    grouped = weights.reshape(*weights.shape[:-2], 1, -1)
    outputs = _correlate(
        array.astype(compute, copy=False), grouped.astype(compute, copy=False), stride, padding, dilation, method, name
    )
    return _restore(outputs, data_format, dtype)


def separable_conv(
    inputs: ArrayLike,
    depthwise_kernel: ArrayLike,
    pointwise_kernel: ArrayLike,
    strides: int | Sequence[int] = 1,
    padding: PaddingLike = "valid",
    data_format: str | None = "channels_last",
    dilation_rate: int | Sequence[int] = 1,
    method: str = "auto",
) -> Array:
    """A depthwise convolution, then a 1x1 convolution that mixes the channels.

    Args:
        depthwise_kernel: ``(kh, kw, C, m)``, as in :func:`depthwise_conv`; strides, padding and dilation are its.
        pointwise_kernel: ``(1, 1, C * m, c_out)`` (1-D: ``(1, C * m, c_out)``).

    The rest is as in :func:`depthwise_conv`.

    Source: signature of ``keras.ops.separable_conv``; document 003, "How do we take advantage of having
    separable kernels" (MobileNet).
    """
    array, depthwise = _real_array(inputs, "inputs"), _real_array(depthwise_kernel, "depthwise_kernel")
    pointwise = _real_array(pointwise_kernel, "pointwise_kernel")
    axes = _channels_last(array, data_format).ndim - 2
    _check_kernel(depthwise, axes, "depthwise_kernel", "c_in, multiplier")
    _check_kernel(pointwise, axes, "pointwise_kernel", "c_in * multiplier, c_out")
    middle = depthwise.shape[-2] * depthwise.shape[-1]
    if pointwise.shape[:-1] != (1,) * axes + (middle,):
        raise ValueError(
            f"pointwise_kernel: got shape {pointwise.shape}, expected {(1,) * axes + (middle,)} and the filters, "
            f"for the {middle} channels that depthwise_kernel makes"
        )
    dtype, compute = _common_dtypes(array, depthwise, pointwise)
    between = _depthwise(
        array.astype(compute, copy=False), depthwise, strides, padding, data_format, dilation_rate, method,
        "depthwise_kernel",
    )  # fmt: skip
    # For one pixel, "same" adds nothing to nothing; unlike "valid" it takes an axis of length 0.
    return conv(between, pointwise, 1, "same", data_format, method=method).astype(dtype, copy=False)


def conv_transpose(
    inputs: ArrayLike,
    kernel: ArrayLike,
    strides: int | Sequence[int] = 1,
    padding: PaddingLike = "valid",
    output_padding: int | Sequence[int] | None = None,
    data_format: str | None = "channels_last",
    dilation_rate: int | Sequence[int] = 1,
) -> Array:
    """The transpose of :func:`conv`: each input pixel paints the kernel, scaled, and where they overlap they add.

    It is the gradient of ``conv`` with respect to its input, and turns shapes back: what ``conv`` makes
    smaller this makes larger.

    Args:
        inputs: ``(B, H, W, C)`` or ``(B, L, C)``.
        kernel: ``(kh, kw, c_out, C)`` or ``(k, c_out, C)``: the kernel of the convolution it transposes.
        strides: pixels between the places where neighbouring input pixels paint.
        padding: that of the convolution it transposes: what was added there is cut off here.
        output_padding: pixels added after each axis, fewer than the stride. ``None`` is none, but as in Keras
            ``"same"`` then gives ``size * stride``, and ``"valid"`` at least ``stride`` pixels for each input.

    Returns:
        ``(B, oh, ow, c_out)``; with numeric padding, ``oh = (H - 1) * stride + extent - before - after +
        output_padding`` where ``extent = dilation * (kh - 1) + 1``.

    Raises:
        TypeError, ValueError: as :func:`conv`, and for an ``output_padding`` out of range.

    Source: signature and sizes of ``keras.ops.conv_transpose``; Dumoulin and Visin (2016), chapter 4.
    """
    array, weights = _real_array(inputs, "inputs"), _real_array(kernel, "kernel")
    array = _channels_last(array, data_format)
    axes = array.ndim - 2
    _check_kernel(weights, axes, last="c_out, c_in")
    if weights.shape[-1] != array.shape[-1]:
        raise ValueError(
            f"kernel: takes {weights.shape[-1]} channels (shape {weights.shape}), expected the {array.shape[-1]} of "
            "inputs; a transposed kernel ends in (c_out, c_in)"
        )
    stride, dilation = _per_axis(strides, "strides", axes), _per_axis(dilation_rate, "dilation_rate", axes)
    extra = (None,) * axes if output_padding is None else _per_axis(output_padding, "output_padding", axes, 0)
    sizes = array.shape[1:-1]
    extents = [effective_kernel(k, d) for k, d in zip(weights.shape, dilation, strict=False)]
    same = isinstance(padding, str) and padding.lower() == "same"
    cuts = (
        (None,) * axes
        if same
        else [sum(pair) for pair in _padding_pairs(padding, sizes, weights.shape[:axes], stride, dilation)]
    )
    # As in Keras, "valid" leaves no input pixel without a stride of its own, even where the kernel is smaller.
    defaults = [max(s - e, 0) if isinstance(padding, str) else 0 for s, e in zip(stride, extents, strict=True)]
    totals = list(map(_transposed_size, range(axes), sizes, extents, stride, cuts, defaults, extra))
    pairs = _padding_pairs(padding, totals, weights.shape[:axes], stride, dilation)

    dtype, compute = _common_dtypes(array, weights)
    array, weights = array.astype(compute, copy=False), weights.astype(compute, copy=False)
    # Room for everything that is painted, and for the output where output_padding reaches beyond it.
    reach = [max((n - 1) * s + e, before + total) for n, s, e, (before, _), total
             in zip(sizes, stride, extents, pairs, totals, strict=True)]  # fmt: skip
    canvas = np.zeros((array.shape[0], *reach, weights.shape[-2]), dtype=compute)
    for offset in np.ndindex(*weights.shape[:axes]):
        place = tuple(
            slice(o * d, o * d + (n - 1) * s + 1, s) for o, d, n, s in zip(offset, dilation, sizes, stride, strict=True)
        )
        canvas[(slice(None), *place)] += array @ weights[offset].T
    kept = tuple(slice(before, before + total) for (before, _), total in zip(pairs, totals, strict=True))
    return _restore(canvas[(slice(None), *kept)], data_format, dtype)


def _transposed_size(
    axis: int, size: int, extent: int, stride: int, cut: int | None, default: int, added: int | None
) -> int:
    """One output size of :func:`conv_transpose`: one for which ``conv`` would give ``size`` back.

    ``cut`` is what numeric padding takes away, ``None`` for "same"; ``default`` what ``added`` is when not given.
    """
    if size == 0:
        raise ValueError(f"inputs: spatial axis {axis} has length 0, expected at least 1")
    painted = (size - 1) * stride + extent
    if cut is None:
        smallest, largest = (size - 1) * stride + 1, size * stride
        total = largest if added is None else smallest - 1 + extent % 2 + added
        if not smallest <= total <= largest:
            raise ValueError(
                f"output_padding: got {added} on spatial axis {axis}, which makes {total} pixels, expected between "
                f"{smallest} and {largest} for padding 'same' and stride {stride}"
            )
        return total
    added = default if added is None else added
    if added >= stride:
        raise ValueError(f"output_padding: got {added} on spatial axis {axis}, expected less than the stride, {stride}")
    if cut >= painted + added:
        raise ValueError(
            f"padding: cuts {cut} pixels of spatial axis {axis}, expected less than the {painted + added} there are"
        )
    return painted - cut + added


# --- poolings -------------------------------------------------------------------------------------------------


def _pool(
    inputs: ArrayLike,
    pool_size: int | Sequence[int],
    strides: int | Sequence[int] | None,
    padding: PaddingLike,
    data_format: str | None,
    summarise: Callable[[Callable[[NDArray[Any], np.ufunc, float], Array], Array, NDArray[Any]], Array],
) -> Array:
    """Check the arguments and let ``summarise`` reduce the windows of one array or another.

    ``summarise(reduce, array, inside)`` gets ``reduce(values, ufunc, padding_value)``, which pads ``values``
    and folds every window with ``ufunc``; the array; and ones of its spatial shape, to count real pixels with.
    """
    array = _channels_last(_real_array(inputs, "inputs"), data_format)
    pool, stride, pairs = _pool_windows(array, pool_size, strides, padding)
    dtype, compute = _common_dtypes(array)

    def reduce(values: NDArray[Any], ufunc: np.ufunc, padding_value: float) -> Array:
        return pooling.fold(pad(values, pairs, padding_value), pool, stride, ufunc)

    inside = np.ones((1, *array.shape[1:-1], 1), dtype=compute)
    return _restore(summarise(reduce, array.astype(compute, copy=False), inside), data_format, dtype)


def _pool_windows(array: NDArray[Any], pool_size: int | Sequence[int], strides: int | Sequence[int] | None,
                  padding: PaddingLike) -> tuple[tuple[int, ...], tuple[int, ...], Pairs]:  # fmt: skip
    """Pool, strides and padding for ``array``, channels last, as one entry per spatial axis; checked."""
    axes, sizes = array.ndim - 2, array.shape[1:-1]
    pool = _per_axis(pool_size, "pool_size", axes)
    stride = pool if strides is None else _per_axis(strides, "strides", axes)
    ones = (1,) * axes
    pairs = _padding_pairs(padding, sizes, pool, stride, ones)
    for axis, (before, after) in enumerate(pairs):
        if max(before, after) >= pool[axis] and 0 not in sizes:
            raise ValueError(
                f"padding: got {padding!r}, expected less than the pool on spatial axis {axis}, {pool[axis]}: "
                "a window of nothing but padding has no maximum and no average"
            )
    if 0 in sizes:
        raise ValueError(f"inputs: got shape {array.shape} (channels last), expected no spatial axis of length 0")
    _check_fits(sizes, pool, ones, pairs, "pool_size")
    return pool, stride, pairs


def max_pool(
    inputs: ArrayLike,
    pool_size: int | Sequence[int],
    strides: int | Sequence[int] | None = None,
    padding: PaddingLike = "valid",
    data_format: str | None = "channels_last",
) -> Array:
    """The largest value of every window, channel by channel. Padding never wins, however negative the input.

    Args:
        inputs: ``(B, H, W, C)`` or ``(B, L, C)``.
        pool_size: pixels of the window, one integer or one per spatial axis.
        strides: pixels from one window to the next; ``None`` means ``pool_size``.
        padding: as in :func:`conv`; numbers must be smaller than the pool.

    Returns:
        ``(B, oh, ow, C)``.

    Raises:
        TypeError, ValueError: as :func:`conv`.

    Source: document 002, "Pooling Layer"; signature of ``keras.ops.max_pool``.
    """
    return _pool(inputs, pool_size, strides, padding, data_format,
                 lambda reduce, array, inside: reduce(array, np.maximum, -math.inf))  # fmt: skip


def average_pool(
    inputs: ArrayLike,
    pool_size: int | Sequence[int],
    strides: int | Sequence[int] | None = None,
    padding: PaddingLike = "valid",
    data_format: str | None = "channels_last",
) -> Array:
    """The mean of every window, channel by channel. Padding is not counted: the mean is over real pixels.

    Arguments, result and errors are those of :func:`max_pool`.

    Source: document 001, "Pooling"; signature of ``keras.ops.average_pool``.
    """
    return _pool(inputs, pool_size, strides, padding, data_format,
                 lambda reduce, array, inside: reduce(array, np.add, 0.0) / reduce(inside, np.add, 0.0))  # fmt: skip


def l2_pool(
    inputs: ArrayLike,
    pool_size: int | Sequence[int],
    strides: int | Sequence[int] | None = None,
    padding: PaddingLike = "valid",
    data_format: str | None = "channels_last",
) -> Array:
    """The root of the sum of squares of every window, channel by channel.

    Arguments, result and errors are those of :func:`max_pool`. Squares are summed in float64, so that a
    float32 input cannot overflow on the way to a result that float32 can hold.

    Source: document 003, "How does L2-norm pooling work?".
    """
    return _pool(inputs, pool_size, strides, padding, data_format,
                 lambda reduce, array, inside: np.sqrt(
                     reduce(np.square(array.astype(np.float64)), np.add, 0.0)))  # fmt: skip


def _global_inputs(inputs: ArrayLike, data_format: str | None) -> tuple[NDArray[Any], tuple[int, ...], DTypeLike]:
    array = _channels_last(_real_array(inputs, "inputs"), data_format)
    if 0 in array.shape[1:-1]:
        raise ValueError(f"inputs: got shape {array.shape} (channels last), expected no spatial axis of length 0")
    dtype, compute = _common_dtypes(array)
    return array.astype(compute, copy=False), tuple(range(1, array.ndim - 1)), dtype


def global_max_pool(inputs: ArrayLike, data_format: str | None = "channels_last") -> Array:
    """The largest value of each channel: ``(B, H, W, C)`` or ``(B, L, C)`` to ``(B, C)``.

    Raises:
        TypeError, ValueError: as :func:`max_pool`.
    """
    array, spatial, dtype = _global_inputs(inputs, data_format)
    return np.ascontiguousarray(array.max(axis=spatial), dtype=dtype)


def global_average_pool(inputs: ArrayLike, data_format: str | None = "channels_last") -> Array:
    """The mean of each channel: ``(B, H, W, C)`` or ``(B, L, C)`` to ``(B, C)``.

    Raises:
        TypeError, ValueError: as :func:`max_pool`.

    Source: document 003, "Pooling" (global average pooling).
    """
    array, spatial, dtype = _global_inputs(inputs, data_format)
    return np.ascontiguousarray(array.mean(axis=spatial), dtype=dtype)
