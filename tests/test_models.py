"""Sequential and the networks of the lessons: shapes, summaries, files, and Keras's weights."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from convbook import models
from convbook.layers import (
    Activation,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Dropout,
    Flatten,
    GlobalAveragePooling2D,
    Input,
    Layer,
    MaxPooling2D,
)
from convbook.models import Sequential, cifar_convnet, lenet5, load_model
from convbook.reference import keras


def everything():
    """A model with every kind of layer that has weights or settings."""
    return Sequential(
        [
            Input((12, 12, 2)),
            Conv2D(4, (3, 2), strides=(2, 1), padding=((1, 0), (0, 1)), activation="tanh", name="first"),
            DepthwiseConv2D(3, padding="same", depth_multiplier=2, use_bias=False),
            Dropout(0.2, seed=3),
            MaxPooling2D((2, 3), padding="same"),
            Conv2D(6, 1, groups=2),
            Activation("relu"),
            GlobalAveragePooling2D(),
            Dense(3, activation="softmax"),
        ],
        seed=0,
        name="everything",
    )


def images(*shape):
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def test_lenet_and_the_cifar_network_have_the_shapes_parameters_and_outputs_of_keras():
    built = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            keras.layers.Conv2D(6, 5, padding="same"),
            keras.layers.MaxPooling2D(),
            keras.layers.Activation("relu"),
            keras.layers.Conv2D(16, 5),
            keras.layers.MaxPooling2D(),
            keras.layers.Activation("relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(120, activation="relu"),
            keras.layers.Dense(84, activation="relu"),
            keras.layers.Dense(10),
        ]
    )
    cifar = keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            keras.layers.Conv2D(12, 3, padding="same", activation="relu"),
            keras.layers.MaxPooling2D(),
            keras.layers.Flatten(),
            keras.layers.Dense(10),
        ]
    )
    for ours, theirs, inputs in (
        (lenet5(seed=0), built, images(5, 28, 28, 1)),
        (cifar_convnet(seed=0), cifar, images(5, 32, 32, 3)),
    ):
        assert ours.count_params() == theirs.count_params()
        theirs.set_weights(ours.get_weights())
        for _ in range(2):
            expected = theirs.predict(inputs, verbose=0)
            assert_allclose(ours.predict(inputs), expected, rtol=0, atol=1e-6 * np.abs(expected).max())
            theirs.set_weights([weight + 0.01 for weight in theirs.get_weights()])
            ours.set_weights(theirs.get_weights())


def test_layers_get_the_names_that_keras_would_give_them():
    names = [layer.name for layer in lenet5(seed=0).layers]
    assert names == ["conv2d", "max_pooling2d", "activation", "conv2d_1", "max_pooling2d_1", "activation_1", "flatten",
                     "dense", "dense_1", "dense_2"]  # fmt: skip
    given = Sequential([Dense(2, name="dense"), Dense(2)])
    assert [layer.name for layer in given.layers] == ["dense", "dense_1"]


def test_the_summary_says_shape_parameters_cost_and_receptive_field(capsys):
    lenet5(seed=0).summary()
    lines = capsys.readouterr().out.splitlines()
    rows = {line.split()[0]: line for line in lines[2:-2]}
    assert lines[0].split("  ")[0] == "Layer (type)"
    assert rows["conv2d"].split("  ")[-1].strip() == "5 x 5"
    for name, cells in {
        "conv2d": ["(None, 28, 28, 6)", "156", "117,600", "5 x 5"],
        "max_pooling2d": ["(None, 14, 14, 6)", "0", "0", "6 x 6"],
        "conv2d_1": ["(None, 10, 10, 16)", "2,416", "240,000", "14 x 14"],
        "max_pooling2d_1": ["(None, 5, 5, 16)", "16 x 16"],
        "dense": ["(None, 120)", "48,120", "48,000", "everything"],
        "dense_2": ["(None, 10)", "850", "840"],
    }.items():
        assert all(cell in rows[name] for cell in cells), (name, rows[name])
    assert lines[-1] == "Parameters: 61,706. Multiply-adds for one example: 416,520."
    assert all(line == line.rstrip() for line in lines)


def test_behind_a_layer_that_sees_everything_every_layer_does(capsys):
    Sequential([Input((6, 6, 1)), GlobalAveragePooling2D(), Dropout(0.1), Activation("relu")]).summary()
    rows = capsys.readouterr().out.splitlines()[2:-2]
    assert [row.split()[-1] for row in rows] == ["everything"] * 3


def test_the_dropouts_of_a_replica_draw_each_for_itself():
    model = Sequential([Input((50,)), Dropout(0.5), Dropout(0.5)])
    first, second = (layer.forward(np.ones((4, 50)), training=True) for layer in model.replica(0).layers)
    assert (first != second).any()
    again = model.replica(0).layers[0].forward(np.ones((4, 50)), training=True)
    assert_array_equal(first, again)


def test_the_receptive_field_of_the_summary_is_where_the_gradient_is(capsys):
    model = Sequential(
        [Input((30, 31, 1)), Conv2D(2, (3, 2), strides=2), MaxPooling2D(2), Conv2D(2, 3, dilation_rate=2)], seed=0
    )
    model.summary()
    shown = capsys.readouterr().out.splitlines()[4].rsplit("  ", 1)[-1].strip()
    outputs = model.forward(np.random.default_rng(0).random((1, 30, 31, 1)))
    change = np.zeros_like(outputs)
    change[0, 1, 1] = 1
    # Average pooling in place of the maximum would be needed to see every pixel at once: ask all pixels of a window.
    seen = np.zeros((30, 31), bool)
    for seed in range(40):
        model.forward(np.random.default_rng(seed).random((1, 30, 31, 1)))
        gradient = change
        for layer in reversed(model.layers):
            gradient = layer.backward(gradient)
        seen |= gradient[0, :, :, 0] != 0
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    assert shown == f"{np.ptp(rows) + 1} x {np.ptp(columns) + 1}"


def test_the_same_seed_gives_the_same_weights():
    for one, other in zip(lenet5(seed=4).get_weights(), lenet5(seed=4).get_weights(), strict=True):
        assert_array_equal(one, other)
    assert np.abs(lenet5(seed=4).get_weights()[0] - lenet5(seed=5).get_weights()[0]).max() > 0.1


def test_lenet_with_dropout_computes_the_same_except_while_it_trains():
    plain, dropping, inputs = lenet5(seed=0), lenet5(dropout=0.5, seed=0), images(4, 28, 28, 1)
    assert [layer.rate for layer in dropping.layers if isinstance(layer, Dropout)] == [0.5, 0.5]
    assert_array_equal(dropping.predict(inputs), plain.predict(inputs))
    assert np.abs(dropping(inputs, training=True) - plain(inputs, training=True)).max() > 0.01
    with pytest.raises(ValueError, match="rate: got 2"):
        lenet5(dropout=2)


def test_a_model_without_an_input_is_built_by_its_first_batch():
    model = Sequential([Flatten(), Dense(3)], seed=0)
    with pytest.raises(ValueError, match="has no weights before it is built"):
        model.set_weights([])
    with pytest.raises(ValueError, match="is not built"):
        model.summary()
    assert model.predict(np.ones((4, 2, 2, 1))).shape == (4, 3)
    assert model.input_shape == (None, 2, 2, 1)


def test_predict_gives_for_many_what_it_gives_for_one():
    model, inputs = everything(), images(10, 12, 12, 2)
    whole = model.predict(inputs, batch_size=4)
    assert whole.shape == (10, 3)
    for place in range(10):
        assert_allclose(whole[place], model(inputs[place : place + 1])[0], rtol=0, atol=1e-6)


# --- files ----------------------------------------------------------------------------------------------------


def test_a_saved_model_comes_back_with_every_setting_and_weight(tmp_path):
    model, inputs = everything(), images(3, 12, 12, 2)
    model.save(tmp_path / "model.npz")
    again = load_model(tmp_path / "model.npz")
    assert_array_equal(again.predict(inputs), model.predict(inputs))
    assert [layer.name for layer in again.layers] == [layer.name for layer in model.layers]
    assert again.name == "everything"
    for one, other in zip(model.layers, again.layers, strict=True):
        assert one.get_config() == other.get_config()
    assert list(tmp_path.iterdir()) == [tmp_path / "model.npz"]


def test_weights_alone_can_be_loaded_into_a_model_of_the_same_layers(tmp_path):
    lenet5(seed=1).save(tmp_path / "lenet.npz")
    model = lenet5(seed=2)
    model.load_weights(tmp_path / "lenet.npz")
    for one, other in zip(model.get_weights(), lenet5(seed=1).get_weights(), strict=True):
        assert_array_equal(one, other)


def test_a_file_of_another_model_is_refused_and_nothing_is_changed(tmp_path):
    everything().save(tmp_path / "other.npz")
    model = lenet5(seed=0)
    with pytest.raises(ValueError, match=r"other.npz: holds the weights of another model. Its layers: Conv2D, Depthw"):
        model.load_weights(tmp_path / "other.npz")
    for one, other in zip(model.get_weights(), lenet5(seed=0).get_weights(), strict=True):
        assert_array_equal(one, other)


def test_a_file_that_is_none_of_ours_is_refused(tmp_path):
    (tmp_path / "text.npz").write_text("not a model")
    np.savez(tmp_path / "arrays.npz", a=np.ones(3))
    np.savez(tmp_path / "pickle.npz", architecture=np.array([{}], object))
    lenet5(seed=0).save(tmp_path / "cut.npz")
    (tmp_path / "cut.npz").write_bytes((tmp_path / "cut.npz").read_bytes()[:5000])
    for name in ("text", "arrays", "pickle", "cut"):
        for load in (load_model, lenet5(seed=0).load_weights):
            with pytest.raises(
                ValueError, match=f"{name}.npz: is not a file that Sequential.save wrote, or is damaged"
            ):
                load(tmp_path / f"{name}.npz")
    with pytest.raises(FileNotFoundError, match=r"there is no file none\.npz in"):
        load_model(tmp_path / "none.npz")


def test_the_file_holds_no_pickle(tmp_path):
    everything().save(tmp_path / "model.npz")
    with np.load(tmp_path / "model.npz", allow_pickle=False) as file:
        assert all(file[name].dtype.kind in "fU" for name in file.files)


def test_a_failed_save_leaves_the_file_that_was_there(tmp_path, monkeypatch):
    model = lenet5(seed=0)
    model.save(tmp_path / "model.npz")
    before = (tmp_path / "model.npz").read_bytes()

    def full(file, **arrays):
        file.write(b"half")
        raise OSError("no room")

    monkeypatch.setattr(np, "savez_compressed", full)
    with pytest.raises(OSError, match="no room"):
        lenet5(seed=1).save(tmp_path / "model.npz")
    assert (tmp_path / "model.npz").read_bytes() == before
    assert list(tmp_path.iterdir()) == [tmp_path / "model.npz"]


class Doubling(Layer):
    """A layer of a reader's own."""

    def forward(self, inputs, training=False):
        return 2 * self.take(inputs)

    def backward(self, gradient):
        return 2 * gradient


def test_a_layer_of_ones_own_computes_but_cannot_be_saved(tmp_path):
    model = Sequential([Input((3,)), Doubling(), Dense(2)], seed=0)
    assert_allclose(model(np.ones((1, 3))), Sequential([Input((3,)), Dense(2)], seed=0)(2 * np.ones((1, 3))))
    with pytest.raises(ValueError, match="layers: doubling is a Doubling, which load_model could not make"):
        model.save(tmp_path / "model.npz")
    with pytest.raises(TypeError, match="use initializers by name"):
        Sequential([Input((3,)), Dense(2, kernel_initializer=lambda shape, rng: np.ones(shape))]).save(tmp_path / "m")
    assert list(tmp_path.iterdir()) == []


# --- what it refuses ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: Sequential([]), ValueError, "layers: got none"),
        (lambda: Sequential([Input((3,))]), ValueError, "layers: got none"),
        (lambda: Sequential([Dense(3), "relu"]), TypeError, "layers: got 'relu'"),
        (lambda: Sequential([Dense(3), Input((3,))]), TypeError, "at most one Input at the start"),
        (lambda: Sequential([Dense(3, name="a"), Dense(3, name="a")]), ValueError, "2 layers have the name 'a'"),
        (lambda: Sequential([Dense(3)] * 2), ValueError, "the same layer stands there twice"),
        (lambda: Sequential([Input((8, 8, 1)), Conv2D(2, 3), Dense(3)]), ValueError,
         r"dense \(Dense\) cannot follow conv2d \(Conv2D\), which gives \(None, 6, 6, 2\): .* a Flatten or"),
        (lambda: Sequential([Input((8, 8, 1)), MaxPooling2D(4), Conv2D(2, 3)]), ValueError,
         r"conv2d \(Conv2D\) cannot follow max_pooling2d \(MaxPooling2D\), which gives \(None, 2, 2, 1\): kernel: re"),
        (lambda: Sequential([Input((8,)), Conv2D(2, 3)]), ValueError, r"conv2d \(Conv2D\) cannot follow the input"),
        (lambda: Sequential([Dense(3)], seed=-1), ValueError, "seed: got -1"),
        (lambda: lenet5(seed=0).set_weights([]), ValueError, r"weights: got shapes \[\], expected"),
        (lambda: lenet5(seed=0).predict(np.ones((2, 27, 28, 1))), ValueError, "built for"),
        (lambda: lenet5(0), ValueError, "units: got 0"),
    ],
)  # fmt: skip
def test_bad_models_are_refused_by_name(call, error, message):
    with pytest.raises(error, match=message):
        call()


# --- the same network, several times --------------------------------------------------------------------------


def test_runs_are_what_single_trainings_would_give():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 4)).astype(np.float32)
    y = (x[:, 0] > 0).astype(int)
    runs = models.train_seeds(lambda: [Dense(2)], x[:40], y[:40], x[40:], y[40:], seeds=[3, 5], epochs=3)
    assert runs.train.shape == runs.test.shape == (2,)
    again = models.train_seeds(lambda: [Dense(2)], x[:40], y[:40], x[40:], y[40:], seeds=[5], epochs=3)
    assert again.test[0] == runs.test[1]
    assert runs.test[1] == np.mean(runs.model.predict(x[40:]).argmax(axis=1) == y[40:])
    with pytest.raises(ValueError, match="seeds: got none"):
        models.train_seeds(lambda: [Dense(2)], x, y, x, y, seeds=[])
