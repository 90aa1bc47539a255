"""The gradients of the operations: against numerical differences, against TensorFlow, and as adjoints."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from problems import numerical_gradient, problems

from convbook import gradients, ops
from convbook.reference import keras

quick = settings(max_examples=80, deadline=None)


@st.composite
def poolings(draw):
    axes = draw(st.sampled_from([1, 2]))
    pool = [draw(st.integers(1, 3)) for _ in range(axes)]
    strides = draw(st.sampled_from([None, [draw(st.integers(1, 3)) for _ in range(axes)]]))
    pairs = [(draw(st.integers(0, k - 1)), draw(st.integers(0, k - 1))) for k in pool]
    padding = draw(st.sampled_from(["valid", "same", pairs]))
    sizes = [draw(st.integers(k, 7)) for k in pool]
    data_format = draw(st.sampled_from(["channels_last", "channels_first"]))
    batch, channels = draw(st.integers(1, 2)), draw(st.integers(1, 3))
    shape = (batch, *sizes, channels) if data_format == "channels_last" else (batch, channels, *sizes)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    # No two pixels alike or close: at a tie the maximum has no derivative.
    inputs = rng.permutation(int(np.prod(shape))).reshape(shape) / 10.0
    return inputs, pool, (strides, padding, data_format), rng


def agree(ours, reference, tolerance=1e-7):
    """The relative error, over the whole array."""
    assert ours.shape == reference.shape
    scale = np.linalg.norm(ours) + np.linalg.norm(reference)
    assert np.linalg.norm(ours - reference) <= tolerance * max(scale, 1e-3)


@quick
@given(problems(dtypes=("float64",), smallest_batch=1), st.integers(0, 2**32 - 1))
def test_the_gradients_of_conv_are_those_of_numerical_differences(problem, seed):
    inputs, kernel, *arguments = problem
    weights = np.random.default_rng(seed).normal(size=ops.conv(inputs, kernel, *arguments).shape)

    def loss():
        return float((ops.conv(inputs, kernel, *arguments) * weights).sum())

    agree(gradients.conv_kernel(inputs, weights, kernel.shape, *arguments), numerical_gradient(loss, kernel))
    agree(gradients.conv_input(weights, kernel, inputs.shape, *arguments), numerical_gradient(loss, inputs))


@quick
@given(poolings())
def test_the_gradients_of_pooling_are_those_of_numerical_differences(problem):
    inputs, pool, arguments, rng = problem
    weights = rng.normal(size=ops.max_pool(inputs, pool, *arguments).shape)
    largest = numerical_gradient(lambda: float((ops.max_pool(inputs, pool, *arguments) * weights).sum()), inputs)
    agree(gradients.max_pool(inputs, weights, pool, *arguments), largest)
    mean = numerical_gradient(lambda: float((ops.average_pool(inputs, pool, *arguments) * weights).sum()), inputs)
    agree(gradients.average_pool(weights, inputs.shape, pool, *arguments), mean)


def tape(operation, *arrays):
    """TensorFlow's gradients of ``sum(operation(arrays) * weights)``, and the weights."""
    import tensorflow as tf

    variables = [tf.constant(array) for array in arrays]
    with tf.GradientTape() as recorder:
        for variable in variables:
            recorder.watch(variable)
        outputs = operation(*variables)
        weights = np.random.default_rng(7).normal(size=outputs.shape).astype(arrays[0].dtype)
        loss = tf.reduce_sum(outputs * weights)
    return [gradient.numpy() for gradient in recorder.gradient(loss, variables)], weights


@pytest.mark.parametrize(
    ("shape", "kernel_shape", "strides", "padding", "dilation"),
    [
        ((2, 9, 8, 4), (3, 2, 4, 6), 1, "same", 1),
        ((2, 9, 8, 4), (3, 2, 4, 8), (2, 3), "valid", 1),
        ((2, 9, 8, 4), (3, 2, 1, 8), 2, "same", 1),
        ((2, 9, 8, 4), (3, 2, 2, 6), 1, "valid", 2),
        ((2, 9, 3), (4, 3, 2), 2, "same", 1),
    ],
)
def test_the_gradients_of_conv_are_those_of_tensorflow(shape, kernel_shape, strides, padding, dilation):
    rng = np.random.default_rng(0)
    inputs, kernel = rng.normal(size=shape), rng.normal(size=kernel_shape)
    theirs, weights = tape(lambda x, k: keras.ops.conv(x, k, strides, padding, None, dilation), inputs, kernel)
    arguments = (strides, padding, None, dilation)
    assert_allclose(gradients.conv_input(weights, kernel, shape, *arguments), theirs[0], rtol=0, atol=1e-12)
    assert_allclose(gradients.conv_kernel(inputs, weights, kernel_shape, *arguments), theirs[1], rtol=0, atol=1e-12)


@pytest.mark.parametrize(("pool", "strides", "padding"), [(2, None, "valid"), (3, 2, "same"), ((3, 2), 1, "valid")])
def test_the_gradients_of_pooling_are_those_of_tensorflow_also_where_pixels_are_alike(pool, strides, padding):
    # Few different values, so that most windows have a tie.
    inputs = np.random.default_rng(0).integers(0, 3, (2, 9, 8, 3)).astype(np.float32)
    (theirs,), weights = tape(lambda x: keras.ops.max_pool(x, pool, strides, padding), inputs)
    assert_allclose(gradients.max_pool(inputs, weights, pool, strides, padding), theirs, rtol=0, atol=1e-6)
    (theirs,), weights = tape(lambda x: keras.ops.average_pool(x, pool, strides, padding), inputs)
    ours = gradients.average_pool(weights, inputs.shape, pool, strides, padding)
    assert_allclose(ours, theirs, rtol=0, atol=1e-6)


def test_the_input_gradient_is_the_transposed_convolution():
    rng = np.random.default_rng(0)
    kernel, change = rng.normal(size=(3, 3, 2, 4)), rng.normal(size=(1, 4, 5, 4))
    assert_allclose(gradients.conv_input(change, kernel, (1, 6, 7, 2)), ops.conv_transpose(change, kernel), atol=1e-12)


def test_pixels_that_no_window_reads_get_nothing():
    result = gradients.conv_input(np.ones((1, 2, 2, 1)), np.ones((2, 2, 1, 1)), (1, 6, 6, 1), strides=3)
    assert_array_equal(result[0, 2], np.zeros((6, 1)))
    assert result.sum() == 16


def test_dtypes_and_empty_batches_are_kept():
    inputs, change = np.ones((0, 5, 5, 2), np.float32), np.ones((0, 3, 3, 4), np.float32)
    kernel = np.ones((3, 3, 2, 4), np.float32)
    assert gradients.conv_kernel(inputs, change, kernel.shape).dtype == np.float32
    assert gradients.conv_kernel(inputs, change, kernel.shape).sum() == 0
    assert gradients.conv_input(change, kernel, inputs.shape).shape == inputs.shape
    assert gradients.max_pool(np.ones((1, 4, 4, 1), np.float16), np.ones((1, 2, 2, 1)), 2).dtype == np.float64


IMAGE, KERNEL, OUTPUT = np.ones((1, 5, 5, 2)), np.ones((3, 3, 2, 4)), np.ones((1, 3, 3, 4))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: gradients.conv_kernel(IMAGE, np.ones((1, 4, 3, 4)), KERNEL.shape), ValueError,
         r"gradient: got shape \(1, 4, 3, 4\), expected \(1, 3, 3, 4\)"),
        (lambda: gradients.conv_kernel(IMAGE, OUTPUT, (3, 3, 4)), ValueError, r"kernel_shape: .* of rank 3"),
        (lambda: gradients.conv_kernel(IMAGE, OUTPUT, (3, 3, 5, 4)), ValueError, "kernel_shape: .* 2 input channels"),
        (lambda: gradients.conv_kernel(IMAGE, OUTPUT, 3), TypeError, "kernel_shape: got 3"),
        (lambda: gradients.conv_kernel(IMAGE, OUTPUT, (9, 9, 2, 4)), ValueError, "kernel_shape: reaches over 9"),
        (lambda: gradients.conv_input(OUTPUT, KERNEL, (1, 5, 5)), ValueError, "input_shape: .* of rank 3"),
        (lambda: gradients.conv_input(OUTPUT, KERNEL, (1, 5, 5.0, 2)), TypeError, "input_shape: got"),
        (lambda: gradients.conv_input(OUTPUT, KERNEL, (2, 5, 5, 2)), ValueError, "gradient: got shape"),
        (lambda: gradients.conv_input(OUTPUT, KERNEL, (1, 5, 5, 3)), ValueError, "kernel: .* 3 input channels"),
        (lambda: gradients.max_pool(IMAGE, np.ones((1, 5, 5, 2)), 2), ValueError, "gradient: got shape"),
        (lambda: gradients.max_pool(IMAGE, IMAGE, 2, 0), ValueError, "strides: got 0"),
        (lambda: gradients.max_pool(IMAGE, IMAGE, 7), ValueError, "pool_size: reaches over 7"),
        (lambda: gradients.average_pool(np.ones((1, 2, 2, 2)), (5, 5), 2), ValueError, "input_shape: "),
        (lambda: gradients.average_pool("a", (1, 5, 5, 2), 2), TypeError, "gradient: got dtype"),
        (lambda: gradients.max_pool(IMAGE, np.ones((1, 5, 5, 2)), 3, 2, padding=3), ValueError, "padding: got 3"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_by_name(call, error, message):
    with pytest.raises(error, match=message):
        call()
