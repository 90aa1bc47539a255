"""Every operation gives what ``keras.ops`` gives, over random shapes, strides, paddings, dilations and groups."""

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from convbook import ops, reference

keras_ops = reference.keras.ops

# Keras compiles for each new shape, so an example costs up to a second the first time.
slow = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
TOLERANCE = {"float32": 2e-5, "float64": 1e-12}


def numbers(draw, *shape, dtype="float64"):
    seed = draw(st.integers(0, 2**32 - 1))
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def in_keras(name, inputs, *arguments, data_format):
    """``keras.ops.name`` in either layout: on a CPU, TensorFlow has some operations for channels last only.

    The input becomes a tensor first: from the second call on, TensorFlow's max_pool makes a NumPy float64 a float32.
    """
    if data_format == "channels_last":
        return np.asarray(getattr(keras_ops, name)(keras_ops.convert_to_tensor(inputs), *arguments))
    outputs = getattr(keras_ops, name)(keras_ops.convert_to_tensor(np.moveaxis(inputs, 1, -1)), *arguments)
    return np.moveaxis(np.asarray(outputs), -1, 1)


def agree(ours, theirs, dtype):
    theirs = np.asarray(theirs)
    assert ours.shape == theirs.shape
    assert ours.dtype == theirs.dtype == dtype
    np.testing.assert_allclose(ours, theirs, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


@st.composite
def images(draw, axes, channels):
    """An input in a data format, with its dtype."""
    dtype = draw(st.sampled_from(["float32", "float64"]))
    data_format = draw(st.sampled_from(["channels_last", "channels_first"]))
    sizes = [draw(st.integers(4, 9)) for _ in range(axes)]
    inputs = numbers(draw, draw(st.integers(1, 3)), *sizes, channels, dtype=dtype)
    if data_format == "channels_first":
        inputs = np.ascontiguousarray(np.moveaxis(inputs, -1, 1))
    return inputs, data_format, dtype


@st.composite
def strides_and_dilation(draw, axes):
    """Strides or dilation above one, not both: what Keras accepts."""
    strides = draw(st.one_of(st.integers(1, 3), st.tuples(*[st.integers(1, 3)] * axes)))
    dilation = 1 if np.max(strides) > 1 else draw(st.one_of(st.integers(1, 2), st.tuples(*[st.integers(1, 2)] * axes)))
    return strides, dilation


@st.composite
def kernel_size(draw, axes, sizes, dilation, padding):
    """A kernel that fits into the input."""
    dilation = np.broadcast_to(dilation, axes)
    limit = [4 if padding == "same" else min(4, (n - 1) // d + 1) for n, d in zip(sizes, dilation, strict=True)]
    return [draw(st.integers(1, most)) for most in limit]


def spatial(inputs, data_format):
    return inputs.shape[2:] if data_format == "channels_first" else inputs.shape[1:-1]


@slow
@given(st.data())
def test_conv_equals_keras(data):
    axes = data.draw(st.sampled_from([1, 2]))
    groups, group_channels, per_group = (data.draw(st.integers(1, 3)) for _ in range(3))
    inputs, data_format, dtype = data.draw(images(axes, groups * group_channels))
    padding = data.draw(st.sampled_from(["valid", "same"]))
    strides, dilation = data.draw(strides_and_dilation(axes))
    size = data.draw(kernel_size(axes, spatial(inputs, data_format), dilation, padding))
    kernel = numbers(data.draw, *size, group_channels, groups * per_group, dtype=dtype)
    theirs = in_keras("conv", inputs, kernel, strides, padding, None, dilation, data_format=data_format)
    agree(ops.conv(inputs, kernel, strides, padding, data_format, dilation), theirs, dtype)


@slow
@given(st.data())
def test_depthwise_conv_equals_keras(data):
    axes, channels, multiplier = (
        data.draw(st.sampled_from([1, 2])),
        data.draw(st.integers(1, 4)),
        data.draw(st.integers(1, 3)),
    )
    inputs, data_format, dtype = data.draw(images(axes, channels))
    padding = data.draw(st.sampled_from(["valid", "same"]))
    strides, dilation = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 2))
    size = data.draw(kernel_size(axes, spatial(inputs, data_format), dilation, padding))
    kernel = numbers(data.draw, *size, channels, multiplier, dtype=dtype)
    theirs = in_keras("depthwise_conv", inputs, kernel, strides, padding, None, dilation, data_format=data_format)
    agree(ops.depthwise_conv(inputs, kernel, strides, padding, data_format, dilation), theirs, dtype)


@slow
@given(st.data())
def test_separable_conv_equals_keras(data):
    axes, channels, multiplier, filters = (
        data.draw(st.sampled_from([1, 2])),
        *(data.draw(st.integers(1, 3)) for _ in range(3)),
    )
    inputs, data_format, dtype = data.draw(images(axes, channels))
    padding = data.draw(st.sampled_from(["valid", "same"]))
    strides, dilation = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 2))
    size = data.draw(kernel_size(axes, spatial(inputs, data_format), dilation, padding))
    depthwise = numbers(data.draw, *size, channels, multiplier, dtype=dtype)
    pointwise = numbers(data.draw, *[1] * axes, channels * multiplier, filters, dtype=dtype)
    kernels = (depthwise, pointwise)
    theirs = in_keras("separable_conv", inputs, *kernels, strides, padding, None, dilation, data_format=data_format)
    agree(ops.separable_conv(inputs, *kernels, strides, padding, data_format, dilation), theirs, dtype)


@slow
@given(st.data())
def test_conv_transpose_equals_keras(data):
    axes, channels, filters = data.draw(st.sampled_from([1, 2])), *(data.draw(st.integers(1, 3)) for _ in range(2))
    inputs, data_format, _ = data.draw(images(axes, channels))
    # In float32 only: on a CPU, TensorFlow refuses a dilated transposed convolution in float64.
    dtype, inputs = "float32", inputs.astype("float32")
    padding = data.draw(st.sampled_from(["valid", "same"]))
    strides, dilation = data.draw(strides_and_dilation(axes))
    size = [data.draw(st.integers(1, 4)) for _ in range(axes)]
    kernel = numbers(data.draw, *size, filters, channels, dtype=dtype)
    output_padding = None
    if np.ndim(strides) == 0 and data.draw(st.booleans()):
        extent = [d * (k - 1) + 1 for k, d in zip(size, np.broadcast_to(dilation, axes), strict=True)]
        if padding == "valid":
            output_padding = data.draw(st.integers(0, strides - 1))
        else:
            low, high = max(1 - e % 2 for e in extent), min(strides - e % 2 for e in extent)
            assume(low <= high)
            output_padding = data.draw(st.integers(low, high))
    sizes = (strides, padding, output_padding)
    theirs = in_keras("conv_transpose", inputs, kernel, *sizes, None, dilation, data_format=data_format)
    agree(ops.conv_transpose(inputs, kernel, *sizes, data_format, dilation), theirs, dtype)


@pytest.mark.parametrize("name", ["max_pool", "average_pool"])
@slow
@given(data=st.data())
def test_pooling_equals_keras(name, data):
    axes = data.draw(st.sampled_from([1, 2]))
    inputs, data_format, dtype = data.draw(images(axes, data.draw(st.integers(1, 3))))
    # A shift below zero: a maximum over zero padding would be seen.
    inputs = inputs - np.asarray(3, dtype)
    pool = data.draw(st.one_of(st.integers(1, 4), st.tuples(*[st.integers(1, 4)] * axes)))
    strides = data.draw(st.one_of(st.none(), st.integers(1, 4)))
    padding = data.draw(st.sampled_from(["valid", "same"]))
    theirs = in_keras(name, inputs, pool, strides, padding, data_format=data_format)
    agree(getattr(ops, name)(inputs, pool, strides, padding, data_format), theirs, dtype)


@slow
@given(st.data())
def test_l2_pool_is_the_root_of_the_average_of_squares_times_the_area(data):
    inputs, data_format, dtype = data.draw(images(2, 2))
    pool, strides = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 3))
    squares = inputs.astype("float64") ** 2
    mean = in_keras("average_pool", squares, pool, strides, "valid", data_format=data_format)
    agree(ops.l2_pool(inputs, pool, strides, "valid", data_format), np.sqrt(mean * pool**2).astype(dtype), dtype)


@pytest.mark.parametrize(
    ("ours", "theirs"), [("global_max_pool", "GlobalMaxPooling2D"), ("global_average_pool", "GlobalAveragePooling2D")]
)
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_global_pooling_equals_the_keras_layer(ours, theirs, data_format):
    inputs = np.random.default_rng(0).normal(size=(2, 5, 4, 3)).astype("float32")
    layer = getattr(reference.keras.layers, theirs)(data_format=data_format)
    agree(getattr(ops, ours)(inputs, data_format), layer(inputs), "float32")


@slow
@given(st.data())
def test_numeric_padding_equals_padding_by_hand(data):
    axes = data.draw(st.sampled_from([1, 2]))
    inputs, data_format, dtype = data.draw(images(axes, 2))
    pairs = [(data.draw(st.integers(0, 3)), data.draw(st.integers(0, 3))) for _ in range(axes)]
    kernel = numbers(data.draw, *[3] * axes, 2, 2, dtype=dtype)
    widths = [(0, 0), *pairs, (0, 0)] if data_format == "channels_last" else [(0, 0), (0, 0), *pairs]
    agree(
        ops.conv(inputs, kernel, 1, pairs, data_format),
        in_keras("conv", np.pad(inputs, widths), kernel, 1, "valid", data_format=data_format),
        dtype,
    )


@slow
@given(st.data())
def test_conv_transpose_is_the_adjoint_of_conv(data):
    axes, channels, filters = data.draw(st.sampled_from([1, 2])), *(data.draw(st.integers(1, 3)) for _ in range(2))
    inputs, data_format, _ = data.draw(images(axes, channels))
    inputs = inputs.astype("float64")
    strides, dilation = data.draw(strides_and_dilation(axes))
    pairs = [(data.draw(st.integers(0, 2)), data.draw(st.integers(0, 2))) for _ in range(axes)]
    kernel = numbers(data.draw, *[2] * axes, channels, filters)
    outputs = ops.conv(inputs, kernel, strides, pairs, data_format, dilation)
    other = numbers(data.draw, *outputs.shape)
    # What conv's strides left unread at the end is what output_padding gives back.
    sizes, out_sizes = spatial(inputs, data_format), spatial(outputs, data_format)
    lost = [
        n + sum(pair) - ((o - 1) * s + d + 1)
        for n, o, pair, s, d in zip(
            sizes, out_sizes, pairs, np.broadcast_to(strides, axes), np.broadcast_to(dilation, axes), strict=True
        )
    ]
    back = ops.conv_transpose(other, kernel, strides, pairs, lost, data_format, dilation)
    assert back.shape == inputs.shape
    np.testing.assert_allclose((outputs * other).sum(), (inputs * back).sum(), rtol=1e-10, atol=1e-10)
