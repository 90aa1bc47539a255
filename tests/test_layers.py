"""The layers: their gradients, their agreement with Keras's, and what they refuse."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from problems import numerical_gradient

from convbook import layers
from convbook.layers import (
    Activation,
    AveragePooling2D,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Dropout,
    Flatten,
    GlobalAveragePooling2D,
    Input,
    MaxPooling2D,
)
from convbook.reference import keras

quick = settings(max_examples=60, deadline=None)
SMOOTH = [None, "tanh", "sigmoid", "softmax"]  # relu has its own test, because of its corner


def check(layer, inputs, rng, training=False):
    """``backward`` against numerical differences: of the inputs and of every weight, to a relative 1e-7."""
    weights = rng.normal(size=layer.forward(inputs, training).shape)

    def loss():
        return float((layer.forward(inputs, training) * weights).sum())

    layer.forward(inputs, training)
    found = [layer.backward(weights), *layer.gradients]
    expected = [numerical_gradient(loss, array) for array in (inputs, *layer.weights)]
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.shape == theirs.shape
        scale = np.linalg.norm(ours) + np.linalg.norm(theirs)
        assert np.linalg.norm(ours - theirs) <= 1e-7 * max(scale, 1e-2)


@st.composite
def windows(draw, dilated=True):
    """Kernel size, the other arguments of a sliding window, and sizes that it fits in."""
    kernel = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    steps, one = (draw(st.integers(1, 3)), draw(st.integers(1, 3))), (1, 1)
    dilate = dilated and draw(st.booleans())
    padding = draw(st.sampled_from(["valid", "same", ((0, 1), (1, 0))] if max(kernel) > 1 else ["valid", "same"]))
    if not dilated and padding not in ("valid", "same") and min(kernel) == 1:
        padding = "valid"
    arguments = {"strides": one if dilate else steps, "padding": padding}
    if dilated:
        arguments["dilation_rate"] = steps if dilate else one
    extent = [(k - 1) * (d if dilate else 1) + 1 for k, d in zip(kernel, steps, strict=True)]
    sizes = [draw(st.integers(e, e + 3)) for e in extent]
    return kernel, arguments, sizes, np.random.default_rng(draw(st.integers(0, 2**32 - 1)))


def spread(rng, *shape):
    """Numbers of which no two are close and none is near 0: no tie, no corner within reach of a difference."""
    count = int(np.prod(shape))
    return (rng.permutation(count).reshape(shape) - count // 2 + 0.5) / 10.0


@quick
@given(windows(), st.integers(1, 3), st.integers(1, 2), st.integers(1, 2), st.sampled_from(SMOOTH), st.booleans())
def test_conv2d_has_the_gradients_of_numerical_differences(window, groups, inside, filters, activation, use_bias):
    kernel, arguments, sizes, rng = window
    layer = Conv2D(groups * filters, kernel, groups=groups, activation=activation, use_bias=use_bias, dtype="float64",
                   bias_initializer="ones", **arguments)  # fmt: skip
    check(layer, rng.normal(size=(2, *sizes, groups * inside)), rng)


@quick
@given(windows(), st.integers(1, 3), st.integers(1, 2), st.sampled_from(SMOOTH), st.booleans())
def test_depthwise_conv2d_has_the_gradients_of_numerical_differences(window, channels, multiplier, activation, bias):
    kernel, arguments, sizes, rng = window
    layer = DepthwiseConv2D(kernel, depth_multiplier=multiplier, activation=activation, use_bias=bias, dtype="float64",
                            **arguments)  # fmt: skip
    check(layer, rng.normal(size=(2, *sizes, channels)), rng)


@quick
@given(windows(dilated=False), st.integers(1, 3), st.sampled_from([MaxPooling2D, AveragePooling2D]))
def test_poolings_have_the_gradients_of_numerical_differences(window, channels, kind):
    pool, arguments, sizes, rng = window
    check(kind(pool, dtype="float64", **arguments), spread(rng, 2, *sizes, channels), rng)


@pytest.mark.parametrize(
    "layer",
    [
        lambda: GlobalAveragePooling2D(dtype="float64"),
        lambda: Flatten(dtype="float64"),
        *(lambda name=name: Activation(name, dtype="float64") for name in ("relu", "tanh", "sigmoid", "softmax")),
        lambda: Conv2D(3, 2, activation="relu", dtype="float64"),
        lambda: Dropout(0.0, dtype="float64"),
    ],
)
def test_the_other_layers_have_the_gradients_of_numerical_differences(layer):
    rng = np.random.default_rng(0)
    check(layer(), spread(rng, 2, 4, 3, 2), rng)


@pytest.mark.parametrize("activation", ["linear", "relu", "tanh", "sigmoid", "softmax"])
@pytest.mark.parametrize("use_bias", [True, False])
def test_dense_has_the_gradients_of_numerical_differences(activation, use_bias):
    rng = np.random.default_rng(0)
    check(Dense(5, activation, use_bias, dtype="float64"), spread(rng, 3, 4), rng)


def test_dropout_has_the_gradient_of_what_it_did():
    rng = np.random.default_rng(0)
    layer, inputs, change = Dropout(0.4, seed=1), np.ones((50, 40), np.float32), rng.normal(size=(50, 40)).astype("f")
    outputs = layer.forward(inputs, training=True)
    kept = outputs != 0
    assert 0.5 < kept.mean() < 0.7
    assert_allclose(outputs[kept], 1 / 0.6, rtol=1e-6)
    assert_allclose(layer.backward(change), np.where(kept, change / 0.6, 0), rtol=1e-6)
    assert not np.array_equal(layer.forward(inputs, training=True), outputs)
    assert_array_equal(layer.forward(inputs), inputs)
    assert_array_equal(layer.backward(change), change)
    assert_array_equal(Dropout(0.4, seed=1).forward(inputs, training=True), outputs)


# --- Keras ----------------------------------------------------------------------------------------------------

PAIRS = [
    ("Conv2D", {"filters": 6, "kernel_size": 5}),
    ("Conv2D", {"filters": 4, "kernel_size": (3, 2), "strides": (2, 3), "padding": "same", "activation": "relu"}),
    ("Conv2D", {"filters": 4, "kernel_size": 3, "dilation_rate": 2, "activation": "tanh", "use_bias": False}),
    ("Conv2D", {"filters": 4, "kernel_size": 3, "groups": 2, "activation": "sigmoid"}),
    ("Conv2D", {"filters": 4, "kernel_size": 3, "activation": "softmax"}),
    ("DepthwiseConv2D", {"kernel_size": 3, "depth_multiplier": 2, "activation": "relu"}),
    ("DepthwiseConv2D", {"kernel_size": (2, 3), "strides": 2, "padding": "same"}),
    ("MaxPooling2D", {}),
    ("MaxPooling2D", {"pool_size": 3, "strides": 2, "padding": "same"}),
    ("AveragePooling2D", {"pool_size": (2, 3)}),
    ("AveragePooling2D", {"pool_size": 3, "strides": 2, "padding": "same"}),
    ("GlobalAveragePooling2D", {}),
    ("Flatten", {}),
    ("Activation", {"activation": "relu"}),
    ("Activation", {"activation": "softmax"}),
    ("Dropout", {"rate": 0.5}),
]


@pytest.mark.parametrize(("kind", "arguments"), PAIRS)
def test_a_layer_computes_what_its_namesake_in_keras_does_forward_and_backward(kind, arguments):
    import tensorflow as tf

    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(2, 9, 10, 4)).astype(np.float32)
    ours, theirs = getattr(layers, kind)(**arguments), getattr(keras.layers, kind)(**arguments)
    theirs.build(inputs.shape)
    theirs.set_weights([rng.normal(size=weight.shape) for weight in theirs.get_weights()])
    ours.build(inputs.shape)
    ours.set_weights(theirs.get_weights())
    tensor = tf.constant(inputs)
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        outputs = theirs(tensor)
        change = rng.normal(size=outputs.shape).astype(np.float32)
        loss = tf.reduce_sum(outputs * change)
    expected = tape.gradient(loss, [tensor, *theirs.trainable_variables])
    result = ours.forward(inputs)
    assert result.dtype == np.float32
    assert_allclose(result, outputs, rtol=0, atol=2e-5)
    assert ours.compute_output_shape((None, 9, 10, 4)) == (None, *outputs.shape[1:])
    assert ours.count_params() == theirs.count_params()
    for found, value in zip([ours.backward(change), *ours.gradients], expected, strict=True):
        assert_allclose(found, value, rtol=0, atol=2e-5 * max(1, np.abs(value).max()))


def test_weights_come_back_from_keras_as_they_went():
    for kind, arguments in PAIRS:
        ours, theirs = getattr(layers, kind)(**arguments), getattr(keras.layers, kind)(**arguments)
        ours.build((None, 9, 10, 4), np.random.default_rng(0))
        theirs.build((None, 9, 10, 4))
        theirs.set_weights(ours.get_weights())
        for one, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
            assert_array_equal(one, other)


@pytest.mark.parametrize(("kind", "arguments"), PAIRS)
def test_a_layer_is_named_and_initialised_as_in_keras(kind, arguments):
    ours, theirs = getattr(layers, kind)(**arguments), getattr(keras.layers, kind)(**arguments)
    assert theirs.name.startswith(ours.name)
    ours.build((None, 30, 30, 24), np.random.default_rng(0))
    theirs.build((None, 30, 30, 24))
    for one, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        assert_allclose(one.std(), other.std(), rtol=0.2)
        assert_allclose(np.abs(one).max(), np.abs(other).max(), rtol=0.1)


@pytest.mark.parametrize("name", ["zeros", "ones", "glorot_uniform", "he_uniform", "lecun_uniform"])
def test_initializers_have_the_limits_that_keras_gives_them(name):
    for shape in ((5, 5, 20, 30), (300, 200)):
        layer = Dense(1)
        ours = layer.draw(name, shape, np.random.default_rng(0))
        theirs = np.asarray(keras.initializers.get(name)(shape))
        assert_allclose([ours.min(), ours.max()], [theirs.min(), theirs.max()], rtol=0.01)
        assert_allclose(ours.mean(), theirs.mean(), atol=0.003)


def test_scores_of_any_size_have_an_activation():
    scores = np.array([[1e4, 0, -1e4]])
    assert_array_equal(Activation("softmax").forward(scores), [[1, 0, 0]])
    assert_array_equal(Activation("sigmoid").forward(scores), [[1, 0.5, 0]])


# --- what they remember and refuse ----------------------------------------------------------------------------


def test_the_same_generator_gives_the_same_weights_and_a_function_any():
    first, second = Conv2D(3, 3), Conv2D(3, 3)
    first.build((None, 8, 8, 2), np.random.default_rng(5))
    second.build((None, 8, 8, 2), np.random.default_rng(5))
    assert_array_equal(first.kernel, second.kernel)
    layer = Dense(2, kernel_initializer=lambda shape, rng: np.arange(6).reshape(shape))
    layer.build((None, 3))
    assert_array_equal(layer.kernel, [[0, 1], [2, 3], [4, 5]])


def test_integers_and_float64_become_the_dtype_of_the_layer():
    layer = Conv2D(2, 3)
    assert layer.forward(np.ones((1, 5, 5, 1), np.int64)).dtype == np.float32
    assert Dense(2, dtype="float64").forward(np.ones((1, 3), np.float32)).dtype == np.float64


def test_outputs_are_new_arrays_that_later_calls_leave_alone():
    for layer in (Conv2D(2, 3), MaxPooling2D(2), MaxPooling2D(1), AveragePooling2D(2), Activation("relu")):
        rng = np.random.default_rng(0)
        inputs = rng.normal(size=(2, 6, 6, 2)).astype(np.float32)
        kept = inputs.copy()
        first = layer.forward(inputs)
        copy = first.copy()
        layer.backward(np.ones_like(first))
        layer.forward(inputs + 1)
        assert_array_equal(first, copy)
        assert_array_equal(inputs, kept)


def test_a_replica_shares_weights_and_has_a_memory_of_its_own():
    layer, inputs = Dense(2), np.ones((1, 3), np.float32)
    layer.build((None, 3))
    twin = layer.replica(0)
    layer.forward(inputs)
    twin.forward(5 * inputs)
    layer.backward(np.ones((1, 2), np.float32))
    assert_array_equal(layer.gradients[0], np.ones((3, 2)))
    assert twin.gradients == []
    layer.kernel[...] = 7
    assert_array_equal(twin.kernel, layer.kernel)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: Conv2D(0, 3), ValueError, "filters: got 0"),
        (lambda: Conv2D(2.0, 3), TypeError, r"filters: got 2\.0"),
        (lambda: Conv2D(2, (3, 3, 3)), ValueError, r"kernel_size: got \(3, 3, 3\)"),
        (lambda: Conv2D(2, 3, strides=0), ValueError, "strides: got 0"),
        (lambda: Conv2D(2, 3, strides=2, dilation_rate=2), ValueError, "strides: got 2 with dilation_rate 2"),
        (lambda: Conv2D(2, 3, padding="full"), ValueError, "padding: got 'full'"),
        (lambda: Conv2D(2, 3, data_format="channels_first"), ValueError, "data_format: got 'channels_first'"),
        (lambda: Conv2D(3, 3, groups=2), ValueError, "groups: got 2"),
        (lambda: Conv2D(3, 3, activation="swish"), ValueError, "activation: got 'swish'"),
        (lambda: Conv2D(3, 3, kernel_initializer="orthogonal"), ValueError, "kernel_initializer: got 'orthogonal'"),
        (lambda: Conv2D(3, 3, name=5), TypeError, "name: got 5"),
        (lambda: Conv2D(3, 3, dtype="float16"), ValueError, "dtype: got 'float16'"),
        (lambda: Conv2D(2, 3, groups=2).build((None, 8, 8, 3)), ValueError, "groups: got 2, .* the 3 input"),
        (lambda: Conv2D(2, 3).build((None, 8)), ValueError, r"input_shape: got \(None, 8\)"),
        (lambda: Conv2D(2, 9).build((None, 8, 8, 1)), ValueError, "kernel: reaches over 9"),
        (lambda: DepthwiseConv2D(3, depth_multiplier=0), ValueError, "depth_multiplier: got 0"),
        (lambda: MaxPooling2D(2, padding=2), ValueError, "padding: got 2"),
        (lambda: MaxPooling2D(0), ValueError, "pool_size: got 0"),
        (lambda: Dense(3).build((None, 4, 4, 1)), ValueError, "a Flatten or a GlobalAveragePooling2D"),
        (lambda: Dense(True), TypeError, "units: got True"),
        (lambda: Dropout(1), ValueError, "rate: got 1"),
        (lambda: Dropout("a"), ValueError, "rate: got 'a'"),
        (lambda: Activation("softplus"), ValueError, "activation: got 'softplus'"),
        (lambda: Input(28), TypeError, "shape: got 28"),
        (lambda: Input((28, 0)), ValueError, "shape: got"),
        (lambda: Dense(3).backward(np.ones((1, 3))), RuntimeError, "dense: backward needs a forward"),
        (lambda: Dense(3).set_weights([]), ValueError, "dense: has no weights before it is built"),
        (lambda: Dense(3).forward("a"), TypeError, "inputs: got dtype"),
        (lambda: Dense(2, kernel_initializer=lambda shape, rng: [1]).build((None, 3)), ValueError,
         r"initializer: gave shape \(1,\)"),
    ],
)  # fmt: skip
def test_bad_arguments_are_refused_by_name(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize(
    "layer",
    [Conv2D(2, 3), DepthwiseConv2D(3), MaxPooling2D(2), AveragePooling2D(2), GlobalAveragePooling2D(), Flatten(),
     Activation("relu"), Dropout(0.5), Dense(3)],
    ids=lambda layer: layer.name,
)  # fmt: skip
def test_a_gradient_of_another_shape_than_the_output_is_refused(layer):
    outputs = layer.forward(np.ones((2, 5)) if isinstance(layer, Dense) else np.ones((2, 6, 6, 1)))
    with pytest.raises(ValueError, match=rf"gradient: got shape \(1,.*, the output of {layer.name}"):
        layer.backward(np.ones((1, *outputs.shape[1:])))
    with pytest.raises(TypeError, match="gradient: got dtype"):
        layer.backward("a")


def test_inputs_and_weights_of_another_shape_are_refused():
    layer = Conv2D(2, 3)
    layer.forward(np.ones((1, 8, 8, 1)))
    with pytest.raises(ValueError, match=r"got shape \(1, 8, 8, 2\), but conv2d is built for \(None, 8, 8, 1\)"):
        layer.forward(np.ones((1, 8, 8, 2)))
    with pytest.raises(ValueError, match="built for"):
        layer.build((None, 9, 9, 1))
    kept = layer.get_weights()
    with pytest.raises(ValueError, match=r"weights: got shapes \[\(3, 3, 1, 2\)\] for conv2d"):
        layer.set_weights(kept[:1])
    for before, after in zip(kept, layer.get_weights(), strict=True):
        assert_array_equal(before, after)


def test_a_sliding_window_tells_kernel_stride_padding_before_and_dilation_of_each_axis():
    layer = Conv2D(1, (4, 3), padding=((1, 2), (0, 3)), dilation_rate=(1, 2))
    assert layer.window((None, 9, 9, 1)) == [(4, 1, 1, 1), (3, 1, 0, 2)]
    assert MaxPooling2D(3, (2, 3), padding="same").window((None, 8, 7, 1)) == [(3, 2, 0, 1), (3, 3, 1, 1)]


# --- several in one -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("convolution", "between", "pool"),
    [
        ({"filters": 6, "kernel_size": 5, "padding": "same"}, None, {"pool_size": 2}),
        ({"filters": 3, "kernel_size": 3, "activation": "relu"}, None, {"pool_size": (2, 3)}),
        ({"filters": 3, "kernel_size": (3, 2), "strides": (2, 1), "use_bias": False}, "tanh", {"pool_size": (3, 2)}),
        ({"filters": 20, "kernel_size": 2, "dilation_rate": (2, 3)}, "sigmoid", {"pool_size": (1, 2)}),
        ({"filters": 4, "kernel_size": 1}, "relu", {"pool_size": (2, 1)}),
        ({"filters": 4, "kernel_size": 3, "strides": (1, 2)}, "relu", {"pool_size": 2}),
        ({"filters": 4, "kernel_size": (3, 2), "dilation_rate": (2, 3)}, None, {"pool_size": (2, 3)}),
    ],
)
def test_a_convolution_merged_with_its_pooling_computes_what_the_layers_do(convolution, between, pool):
    rng = np.random.default_rng(0)
    chain = [Conv2D(**convolution, dtype="float64"), MaxPooling2D(**pool, dtype="float64")]
    chain[1:1] = [Activation(between, dtype="float64")] if between else []
    # Whole numbers, so that many windows of a pool are equally large, and sizes that the pool does not divide.
    inputs = rng.integers(-1, 2, (3, 15, 16, 2)).astype(float)
    chain[0].build(inputs.shape)
    chain[0].set_weights([rng.integers(-1, 2, weight.shape) for weight in chain[0].get_weights()])
    outputs = inputs
    for layer in chain:
        outputs = layer.forward(outputs)
    (merged,) = layers.merge(chain)
    assert_allclose(merged.forward(inputs), outputs, rtol=0, atol=1e-12)
    expected = change = rng.normal(size=outputs.shape)
    for layer in reversed(chain):
        expected = layer.backward(expected)
    assert_allclose(merged.backward(change), expected, rtol=0, atol=1e-12)
    for one, other in zip(merged.gradients, chain[0].gradients, strict=True):
        assert_allclose(one, other, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    "chain",
    [
        lambda: [Conv2D(4, 3, groups=2), MaxPooling2D(2)],
        lambda: [Conv2D(4, 3), MaxPooling2D(3, 2)],
        lambda: [Conv2D(4, 3), MaxPooling2D(3, padding="same")],
        lambda: [Conv2D(4, 3), AveragePooling2D(2)],
        lambda: [Conv2D(4, 3, activation="softmax"), MaxPooling2D(2)],
        lambda: [Conv2D(4, 3, activation="relu"), Activation("tanh"), MaxPooling2D(2)],
        lambda: [DepthwiseConv2D(3), MaxPooling2D(2)],
        lambda: [Conv2D(4, 3), Dropout(0.1), MaxPooling2D(2)],
    ],
)
def test_what_cannot_be_merged_is_left_as_it_is(chain):
    shape, made = (None, 9, 9, 2), chain()
    for layer in made:
        layer.build(shape)
        shape = layer.compute_output_shape(shape)
    assert layers.merge(made) == made


def test_a_number_that_is_none_stays_in_the_windows_that_hold_it():
    inputs = np.zeros((1, 12, 12, 1))
    inputs[0, 5, 6] = np.nan
    layer = Conv2D(2, 3)
    found = np.isnan(layer.forward(inputs)[0, :, :, 0])
    expected = np.zeros((10, 10), bool)
    expected[3:6, 4:7] = True
    assert_array_equal(found, expected)
