"""Losses, optimizers and fit: Keras's numbers, and what happens when something goes wrong."""

import os
import signal
import threading
import time
import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from convbook import layers, models, training
from convbook.layers import Activation, Conv2D, Dense, Dropout, Flatten, Input, MaxPooling2D
from convbook.models import Sequential
from convbook.reference import keras
from convbook.training import SGD, Adam, CosineDecay, MeanSquaredError, SparseCategoricalCrossentropy


def blobs(count=96, classes=3, seed=0):
    """Images that a small network can learn: a bright square, whose place tells the class."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, count)
    images = rng.normal(scale=0.1, size=(count, 8, 8, 1)).astype(np.float32)
    for image, label in zip(images, labels, strict=True):
        image[2 * label : 2 * label + 2, 3:5] += 1
    return images, labels


def small(seed=0, dtype=None):
    return Sequential(
        [
            Input((8, 8, 1)),
            Conv2D(4, 3, padding="same", dtype=dtype),
            MaxPooling2D(2, dtype=dtype),
            Activation("relu", dtype=dtype),
            Flatten(dtype=dtype),
            Dense(3, dtype=dtype),
        ],
        seed=seed,
    )


def compiled(seed=0, optimizer=None):
    model = small(seed)
    model.compile(optimizer or SGD(0.1))
    return model


# --- losses ---------------------------------------------------------------------------------------------------


def keras_loss_and_gradient(loss, y_true, y_pred):
    import tensorflow as tf

    outputs = tf.constant(y_pred)
    with tf.GradientTape() as tape:
        tape.watch(outputs)
        value = loss(y_true, outputs)
    return float(value), tape.gradient(value, outputs).numpy()


@pytest.mark.parametrize("from_logits", [True, False])
def test_cross_entropy_and_its_gradient_are_those_of_keras(from_logits):
    rng = np.random.default_rng(0)
    outputs = rng.normal(scale=3, size=(7, 5))
    if not from_logits:
        outputs = layers._softmax(outputs)
        outputs[0] = [0, 1, 0, 0, 0]  # certain, and right or wrong: kept from 0 and 1
        outputs[1] = [1, 0, 0, 0, 0]
    labels = np.array([1, 1, 4, 3, 2, 0, 2])
    ours = SparseCategoricalCrossentropy(from_logits)
    value, slope = keras_loss_and_gradient(
        keras.losses.SparseCategoricalCrossentropy(from_logits=from_logits), labels, outputs
    )
    assert_allclose(ours(labels, outputs), value, rtol=1e-6)
    assert_allclose(ours.gradient(labels, outputs)[2:], slope[2:], rtol=1e-6)
    # At 1 exactly Keras's clipping still passes the gradient; what is clipped here has none.
    if from_logits:
        assert_allclose(ours.gradient(labels, outputs), slope, rtol=1e-6)


def test_mean_squared_error_and_its_gradient_are_those_of_keras():
    rng = np.random.default_rng(0)
    targets, outputs = rng.normal(size=(4, 3, 2)), rng.normal(size=(4, 3, 2))
    value, slope = keras_loss_and_gradient(keras.losses.MeanSquaredError(), targets, outputs)
    assert_allclose(MeanSquaredError()(targets, outputs), value, rtol=1e-6)
    assert_allclose(MeanSquaredError().gradient(targets, outputs), slope, rtol=1e-6)


def test_scores_of_any_size_give_a_finite_loss_and_gradient():
    loss = SparseCategoricalCrossentropy(from_logits=True)
    scores = np.array([[1e4, -1e4, 0], [-1e30, 1e30, 0]], np.float32)
    assert_allclose(loss([1, 1], scores), (2e4 + 0) / 2)
    assert_allclose(loss.gradient(np.array([1, 1]), scores), [[0.5, -0.5, 0], [0, 0, 0]])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: SparseCategoricalCrossentropy()([0], [[2.0, 3.0]]), ValueError, "from_logits=True"),
        (lambda: SparseCategoricalCrossentropy()([2], [[0.5, 0.5]]), ValueError, "got label 2 .* expected 0 to 1"),
        (lambda: SparseCategoricalCrossentropy()([-1], [[0.5, 0.5]]), ValueError, "got label -1"),
        (lambda: SparseCategoricalCrossentropy()([0.0], [[0.5, 0.5]]), TypeError, "expected integer labels"),
        (lambda: SparseCategoricalCrossentropy()([[0]], [[0.5, 0.5]]), ValueError, r"got shape \(1, 1\)"),
        (lambda: SparseCategoricalCrossentropy()([0], [0.5]), ValueError, r"y_pred: got shape \(1,\)"),
        (lambda: MeanSquaredError()([[1.0]], [[1.0, 2.0]]), ValueError, r"y_true: got shape \(1, 1\)"),
    ],
)
def test_answers_that_cannot_belong_to_the_outputs_are_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


# --- optimizers -----------------------------------------------------------------------------------------------

RULES = [
    ("SGD", {}),
    ("SGD", {"learning_rate": 0.1}),
    ("SGD", {"learning_rate": 0.1, "momentum": 0.9}),
    ("SGD", {"learning_rate": 0.1, "momentum": 0.9, "nesterov": True}),
    ("Adam", {}),
    ("Adam", {"learning_rate": 0.01, "beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-3}),
]


@pytest.mark.parametrize(("name", "arguments"), RULES)
def test_an_optimizer_takes_the_steps_of_its_namesake_in_keras(name, arguments):
    rng = np.random.default_rng(0)
    ours, theirs = getattr(training, name)(**arguments), getattr(keras.optimizers, name)(**arguments)
    parameters = rng.normal(size=20).astype(np.float32)
    variable = keras.Variable(parameters)
    for _ in range(30):
        slope = rng.normal(size=20).astype(np.float32)
        ours.update(parameters, slope)
        theirs.apply([keras.ops.convert_to_tensor(slope)], [variable])
        assert_allclose(parameters, np.asarray(variable), rtol=0, atol=2e-6)
    assert ours.iterations == int(theirs.iterations) == 30


def test_the_cosine_is_that_of_keras_and_reaches_the_optimizer():
    ours, theirs = CosineDecay(0.3, 10, alpha=0.1), keras.optimizers.schedules.CosineDecay(0.3, 10, alpha=0.1)
    for step in range(15):
        assert_allclose(ours(step), float(theirs(step)), rtol=1e-6)
    parameters, optimizer = np.zeros(1), SGD(lambda step: [1.0, 0.5, 0.0][step])
    for expected in (-1, -1.5, -1.5):
        optimizer.update(parameters, np.ones(1))
        assert parameters[0] == expected


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: SGD(-0.1), ValueError, r"learning_rate: got -0\.1"),
        (lambda: SGD("fast"), TypeError, "learning_rate: got 'fast'"),
        (lambda: SGD(momentum=1.5), ValueError, r"momentum: got 1\.5, expected a finite number from 0 to 1"),
        (lambda: Adam(beta_2=float("nan")), ValueError, "beta_2: got nan"),
        (lambda: CosineDecay(0.1, 0), ValueError, "decay_steps: got 0"),
        (lambda: SGD().update(np.zeros(2), np.zeros(3)), ValueError, r"gradient: got shape \(3,\)"),
    ],
)
def test_bad_settings_are_refused_by_name(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_an_optimizer_of_one_model_refuses_another():
    optimizer = Adam()
    optimizer.update(np.zeros(3), np.ones(3))
    with pytest.raises(ValueError, match="an optimizer serves one model"):
        optimizer.update(np.zeros(4), np.ones(4))


# --- fit ------------------------------------------------------------------------------------------------------


def keras_twin(model, dtype="float32"):
    """The same network in Keras, with the same weights."""
    kinds = [(type(layer).__name__, {**layer.get_config(), "dtype": dtype}) for layer in model.layers]
    for _, config in kinds:
        config.pop("name")
        for key in ("kernel_initializer", "bias_initializer"):
            config.pop(key, None)
    twin = keras.Sequential(
        [keras.Input(model.input_shape[1:], dtype=dtype), *(getattr(keras.layers, kind)(**c) for kind, c in kinds)]
    )
    twin.set_weights(model.get_weights())
    return twin


def keras_steps(twin, optimizer, x, y, batch_size, steps):
    """Keras's losses, step by step, each before the step it leads to."""
    import tensorflow as tf

    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, dtype=x.dtype.name)
    values = []
    for step in range(steps):
        place = slice(step * batch_size, (step + 1) * batch_size)
        with tf.GradientTape() as tape:
            value = loss(y[place], twin(x[place], training=True))
        values.append(float(value))
        optimizer.apply(tape.gradient(value, twin.trainable_variables), twin.trainable_variables)
    return values


@pytest.mark.parametrize(
    ("rule", "tolerance"), [(0, 1e-14), (1, 1e-14), (2, 1e-7), (3, 1e-7), (4, 1e-5), (5, 5e-7)], ids=lambda n: str(n)
)
def test_the_losses_of_fifty_steps_are_those_of_keras_in_float64(rule, tolerance):
    """Plain SGD agrees to the last digit or two for 50 steps, once ours has Keras's learning rate.

    Keras keeps its settings in float32 (a rate of 0.1 is 0.10000000149 there), also in a float64 model. The rate
    can be taken over; momentum and betas cannot, and their difference of some 1e-8 grows with each step, most in
    Adam, which divides by gradients that may be tiny. A wrong rule differs in the third digit after two steps.
    """
    name, arguments = RULES[rule]
    x, y = blobs(800)
    model = small(dtype="float64")
    twin = keras_twin(model, "float64")
    theirs = getattr(keras.optimizers, name)(**arguments)
    expected = keras_steps(twin, theirs, x.astype(np.float64), y, 16, 50)
    ours = getattr(training, name)(**{**arguments, "learning_rate": float(theirs.learning_rate)})
    model.compile(ours)
    history = model.fit(x, y, batch_size=16, shuffle=False, verbose=False)
    assert_allclose(history.steps, expected, rtol=0, atol=tolerance)
    assert expected[-1] < 0.8 * expected[0]


def test_lenet_has_the_outputs_and_the_losses_of_keras_in_float32():
    rng = np.random.default_rng(0)
    x = rng.random((50 * 16, 28, 28, 1), np.float32)
    y = rng.integers(0, 10, len(x))
    x[np.arange(len(x)), 2 * y + 3, 5:20] += 2  # something to learn
    model = models.lenet5(seed=0)
    twin = keras_twin(model)
    assert_allclose(model.predict(x[:64]), twin.predict(x[:64], verbose=0), rtol=0, atol=5e-6)
    expected = keras_steps(twin, keras.optimizers.SGD(0.01, momentum=0.9), x, y, 16, 50)
    model.compile(SGD(0.01, momentum=0.9))
    steps = model.fit(x, y, batch_size=16, shuffle=False, verbose=False).steps
    # Rounding in float32 is 6e-8 of a number at each operation, and each step builds on the ones before.
    assert_allclose(steps, expected, rtol=0, atol=1e-5)
    assert steps[-1] < 0.5 * steps[0]


def test_fit_learns_and_reports_what_it_measured():
    x, y = blobs()
    model = compiled()
    history = model.fit(x, y, 16, 8, verbose=False, validation_data=blobs(50, seed=1), seed=0)
    assert set(history.history) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    assert all(len(values) == 8 for values in history.history.values())
    assert len(history.steps) == 8 * 6
    assert_allclose(history.history["loss"], np.mean(np.reshape(history.steps, (8, 6)), axis=1))
    assert history.history["val_accuracy"][-1] > 0.9
    assert history.stopped is None
    loss, accuracy = model.evaluate(*blobs(50, seed=1))
    assert [loss, accuracy] == [history.history["val_loss"][-1], history.history["val_accuracy"][-1]]
    scores = model.predict(blobs(50, seed=1)[0])
    assert_allclose(accuracy, np.mean(scores.argmax(axis=1) == blobs(50, seed=1)[1]))
    assert_allclose(loss, SparseCategoricalCrossentropy(True)(blobs(50, seed=1)[1], scores), rtol=1e-6)


def test_a_network_can_fit_numbers_as_well_as_classes():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 5)).astype(np.float32)
    y = x @ rng.normal(size=(5, 2))
    model = Sequential([Input((5,)), Dense(2)], seed=0)
    model.compile("adam", "mse")
    model.compile(SGD(0.2), "mse")
    history = model.fit(x, y, 16, 60, verbose=False, seed=0)
    assert set(history.history) == {"loss"}
    assert history.history["loss"][-1] < 1e-6
    assert len(model.evaluate(x, y)) == 1


def with_dropout():
    model = Sequential([Input((8, 8, 1)), Flatten(), Dense(16, "relu"), Dropout(0.5), Dense(3)], seed=0)
    model.compile(SGD(0.1))
    return model


def test_the_seed_decides_everything():
    x, y = blobs()
    weights = []
    for seed in (1, 1, 2):
        model = with_dropout()
        model.fit(x, y, 16, 2, verbose=False, seed=seed)
        weights.append(np.concatenate([weight.ravel() for weight in model.get_weights()]))
    assert_array_equal(weights[0], weights[1])
    assert np.abs(weights[0] - weights[2]).max() > 1e-3


def test_without_threads_the_numbers_are_the_same(monkeypatch):
    x, y = blobs()
    first, second = with_dropout(), with_dropout()
    first.fit(x, y, 32, 2, verbose=False, seed=0)
    monkeypatch.setattr(training.sys, "platform", "emscripten")
    second.fit(x, y, 32, 2, verbose=False, seed=0)
    for one, other in zip(first.get_weights(), second.get_weights(), strict=True):
        assert_array_equal(one, other)


def test_the_last_batch_may_be_smaller_and_nothing_is_left_out():
    x, y = blobs(50)
    model = compiled(optimizer=SGD(0.0))
    history = model.fit(x, y, 16, 1, verbose=False, seed=0)
    assert len(history.steps) == 4
    assert_allclose(history.history["loss"][0], model.evaluate(x, y)[0], rtol=1e-6)


def test_a_second_fit_goes_on_where_the_first_ended():
    x, y = blobs()
    whole, halves = compiled(optimizer=Adam(0.01)), compiled(optimizer=Adam(0.01))
    whole.fit(x, y, 16, 2, verbose=False, shuffle=False)
    halves.fit(x, y, 16, 1, verbose=False, shuffle=False)
    halves.fit(x, y, 16, 1, verbose=False, shuffle=False)
    for one, other in zip(whole.get_weights(), halves.get_weights(), strict=True):
        assert_allclose(one, other, rtol=0, atol=1e-6)


def test_a_progress_bar_shows_loss_and_accuracy_on_the_error_stream(capsys):
    model = compiled()
    model.fit(*blobs(), 16, 2, seed=0)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "12/12" in shown.err
    assert "loss=" in shown.err
    assert "accuracy=" in shown.err
    model.fit(*blobs(), 16, 1, verbose=False)
    assert capsys.readouterr().err == ""


@pytest.fixture
def interrupts_raise():
    """Interrupts as at a terminal: a process started in the background ignores them."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield signal.default_int_handler
    signal.signal(signal.SIGINT, before)


def interrupt(handled):
    """Send an interrupt and wait until Python has taken it: two that come at once are one to it."""
    os.kill(os.getpid(), signal.SIGINT)
    for _ in range(5000):
        if handled():
            return
        time.sleep(0.001)


def test_an_interrupt_ends_the_training_after_its_step_and_keeps_what_was_learned(capsys, interrupts_raise):
    x, y = blobs()
    before = interrupts_raise

    def rate(step):
        if step == 8:  # in the middle of a step, in the second epoch
            interrupt(lambda: signal.getsignal(signal.SIGINT) is before)
        return 0.1

    model, same = compiled(optimizer=SGD(rate)), compiled(optimizer=SGD(0.1))
    history = model.fit(x, y, 16, 5, shuffle=False)
    assert signal.getsignal(signal.SIGINT) is before
    assert history.stopped == "interrupted after step 3 of epoch 2"
    assert len(history.steps) == 9
    assert len(history.history["loss"]) == 2
    assert "interrupted after step 3 of epoch 2; the weights are those learned so far" in capsys.readouterr().err
    same.fit(np.concatenate([x, x[:48]]), np.concatenate([y, y[:48]]), 16, 1, verbose=False, shuffle=False)
    for one, other in zip(model.get_weights(), same.get_weights(), strict=True):
        assert_array_equal(one, other)
    model.fit(x, y, 16, 1, verbose=False)  # and it can go on


def test_a_second_interrupt_is_not_held_back(interrupts_raise):
    before = interrupts_raise

    def rate(step):
        if step == 1:
            interrupt(lambda: signal.getsignal(signal.SIGINT) is before)
            interrupt(lambda: False)  # raises
        return 0.1

    with pytest.raises(KeyboardInterrupt):
        compiled(optimizer=SGD(rate)).fit(*blobs(), 16, 1, verbose=False)
    assert signal.getsignal(signal.SIGINT) is before


def test_interrupts_that_the_process_ignores_stay_ignored():
    def rate(step):
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        if step == 1:
            os.kill(os.getpid(), signal.SIGINT)
        return 0.1

    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        history = compiled(optimizer=SGD(rate)).fit(*blobs(), 16, 1, verbose=False)
    finally:
        signal.signal(signal.SIGINT, before)
    assert history.stopped is None
    assert len(history.steps) == 6


def test_fit_also_runs_outside_the_main_thread():
    found = []
    thread = threading.Thread(target=lambda: found.append(compiled().fit(*blobs(), 16, 1, verbose=False)))
    thread.start()
    thread.join()
    assert len(found[0].steps) == 6


def test_a_loss_that_is_not_a_number_stops_at_its_step_and_the_last_good_weights_stay():
    x, y = blobs()
    rates = [0.1, 0.1, 1e30, 0.1]
    model, same = compiled(optimizer=SGD(lambda step: rates[step])), compiled(optimizer=SGD(0.1))
    with pytest.raises(FloatingPointError, match=r"the loss became (nan|inf) at step 4 of epoch 1"):
        model.fit(x, y, 16, 1, verbose=False, shuffle=False)
    # The third step spoiled them: the loss of the fourth shows it. Before it, two steps were taken.
    same.fit(x[:32], y[:32], 16, 1, verbose=False, shuffle=False)
    for one, other in zip(model.get_weights(), same.get_weights(), strict=True):
        assert_array_equal(one, other)
    assert model.optimizer.iterations == 0
    model.compile(SGD(0.1))
    assert np.isfinite(model.fit(x, y, 16, 1, verbose=False).steps).all()


def test_inputs_that_are_not_numbers_stop_the_first_step_and_change_nothing():
    x, y = blobs()
    x[0, 0, 0, 0] = np.nan
    model = compiled()
    kept = model.get_weights()
    with pytest.raises(FloatingPointError, match="at step 1 of epoch 1"):
        model.fit(x, y, 16, 1, verbose=False, shuffle=False)
    for one, other in zip(kept, model.get_weights(), strict=True):
        assert_array_equal(one, other)


def test_an_error_in_a_part_reaches_the_caller():
    class Broken(layers.Layer):
        def forward(self, inputs, training=False):
            if training:
                raise ZeroDivisionError("in a part")
            return self.take(inputs)

    model = Sequential([Input((8, 8, 1)), Flatten(), Dense(3), Broken()], seed=0)
    model.compile(SGD(0.1), SparseCategoricalCrossentropy(from_logits=True))
    with pytest.raises(ZeroDivisionError, match="in a part"):
        model.fit(*blobs(), 32, 1, verbose=False)


X, Y = blobs()


def mixed():
    model = Sequential([Input((8, 8, 1)), Flatten(), Dense(4), Dense(3, dtype="float64")])
    model.compile()
    return model


def weightless():
    model = Sequential([Input((8, 8, 1)), Flatten()])
    model.compile()
    return model


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: small().fit(X, Y), RuntimeError, r"fit: .* call compile\(optimizer, loss\) first"),
        (lambda: small().evaluate(X, Y), RuntimeError, "evaluate: .* call compile"),
        (lambda: compiled().fit(X[:0], Y[:0]), ValueError, r"x: got shape \(0, 8, 8, 1\), expected at least one"),
        (lambda: compiled().evaluate(X[:0], Y[:0]), ValueError, "x: got shape .* expected at least one"),
        (lambda: compiled().predict(X[:0]), ValueError, "x: got shape .* expected at least one"),
        (lambda: compiled().fit(X, Y[:5]), ValueError, r"y: got shape \(5,\), expected one answer for each of the 96"),
        (lambda: compiled().fit(X, Y + 1), ValueError, "y: got label 3 .* expected 0 to 2, for the model has 3"),
        (lambda: compiled().fit(X, Y - 1), ValueError, "y: got label -1"),
        (lambda: compiled().fit(X, Y.astype(float)), TypeError, "y: got dtype float64, expected integer labels"),
        (lambda: compiled().fit(X[:, :7], Y), ValueError, r"inputs: got shape \(1, 7, 8, 1\), but conv2d is built for"),
        (lambda: compiled().fit("a", Y), TypeError, "x: got dtype"),
        (lambda: compiled().fit(X, Y, batch_size=0), ValueError, "batch_size: got 0"),
        (lambda: compiled().fit(X, Y, epochs=1.5), TypeError, r"epochs: got 1\.5"),
        (lambda: compiled().fit(X, Y, seed=-1), ValueError, "seed: got -1"),
        (lambda: compiled().fit(X, Y, validation_data=X), ValueError, "validation_data: expected a pair"),
        (lambda: compiled().fit(X, Y, validation_data=(X, Y + 5)), ValueError, "validation_data: y: got label"),
        (lambda: mixed().fit(X, Y), ValueError, "several dtypes .*dense float32, dense_1 float64"),
        (lambda: weightless().fit(X, Y), ValueError, "model: has no weights"),
        (lambda: small().compile("adagrad"), ValueError, "optimizer: got 'adagrad'"),
        (lambda: small().compile("sgd", "hinge"), ValueError, "loss: got 'hinge'"),
    ],
)
def test_bad_data_are_refused_by_name_before_anything_is_learned(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_training_lenet_at_batch_64_needs_little_memory_beside_the_data():
    rng = np.random.default_rng(0)
    x, y = rng.random((640, 28, 28, 1), np.float32), rng.integers(0, 10, 640)
    model = models.lenet5(seed=0)
    model.compile("adam")
    tracemalloc.start()
    try:
        model.fit(x, y, 64, 1, verbose=False)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert 1e6 < peak < 60e6  # bytes; what NumPy allocates is traced, the data were there before
