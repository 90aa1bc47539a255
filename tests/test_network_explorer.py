"""``NetworkBuilder`` in Python: what it says of a network is what the library, Keras and brute force say."""

import json
import re

import numpy as np
import pytest
import traitlets
from numpy.testing import assert_array_equal

from convbook import layers, models, shapes
from convbook.explorers import NetworkBuilder
from convbook.explorers.network import KINDS, LIMITS, MOST_LAYERS, NETWORKS
from convbook.layers import AveragePooling2D, Input, MaxPooling2D
from convbook.reference import keras

MAPS = ["Conv2D", "DepthwiseConv2D", "MaxPooling2D", "AveragePooling2D"]
LISTS = ["GlobalAveragePooling2D", "Flatten", "Dense"]


def random_layer(rng, kinds):
    """A layer with settings that often, and not always, go together and with what comes before."""
    kind = kinds[rng.integers(len(kinds))]
    choices = {
        "filters": [1, 2, 4, 6], "units": [1, 3, 10], "kernel_size": [1, 2, 3, 5], "pool_size": [1, 2, 3],
        "strides": [1, 1, 2, 3], "padding": ["valid", "same"], "dilation_rate": [1, 1, 1, 2, 3],
        "groups": [1, 1, 1, 2], "activation": [None, "relu"],
    }  # fmt: skip
    return {"class_name": kind, **{name: choices[name][rng.integers(len(choices[name]))] for name in KINDS[kind]}}


def random_network(rng):
    shape = [int(rng.integers(4, 20)), int(rng.integers(4, 20)), int(rng.integers(1, 4))]
    stack = [random_layer(rng, MAPS) for _ in range(rng.integers(1, 5))]
    return shape, stack + [random_layer(rng, LISTS) for _ in range(rng.integers(0, 3))]


def networks(count, works, seed):
    """Random builders whose layers all work, or of which one does not."""
    rng = np.random.default_rng(seed)
    found = 0
    while found < count:
        explorer = NetworkBuilder(*random_network(rng))
        if (explorer.totals["parameters"] is not None) == works:
            found += 1
            yield explorer


def made(module, settings):
    """The layers of a library, made of what the state says."""
    for layer in settings:
        arguments = {name: value for name, value in layer.items() if name != "class_name"}
        yield getattr(module, layer["class_name"])(**arguments)


def theirs(explorer):
    """The network in Keras."""
    return keras.Sequential([keras.Input(explorer.input_shape), *made(keras.layers, explorer.layers)])


# --- what it says of a network --------------------------------------------------------------------------------


def agrees_with_its_model(explorer):
    model, shape = explorer.model(), (None, *explorer.input_shape)
    for layer, row in zip(model.layers, explorer.summary, strict=True):
        assert row["class_name"] == type(layer).__name__
        assert row["parameters"] == layer.count_params()
        assert row["multiply_adds"] == layer.multiply_adds(shape)
        shape = layer.compute_output_shape(shape)
        assert row["output_shape"] == shape[1:]
        assert row["error"] is None
    assert explorer.totals["parameters"] == model.count_params()
    assert explorer.totals["multiply_adds"] == sum(row["multiply_adds"] for row in explorer.summary)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_of_the_menu_has_the_numbers_of_its_model(name):
    agrees_with_its_model(NetworkBuilder(**NETWORKS[name]))


def test_a_random_network_has_the_numbers_of_its_model():
    for explorer in networks(60, True, 0):
        agrees_with_its_model(explorer)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_of_the_menu_is_keras_s_too(name):
    is_keras_s(NetworkBuilder(**NETWORKS[name]))


def test_a_random_network_is_keras_s_too():
    for explorer in networks(25, True, 1):
        is_keras_s(explorer)


def is_keras_s(explorer):
    other = theirs(explorer)
    assert explorer.totals["parameters"] == other.count_params()
    assert [row["output_shape"] for row in explorer.summary] == [layer.output.shape[1:] for layer in other.layers]


def test_a_network_that_cannot_work_says_where_and_why_in_the_words_of_the_library():
    places = set()
    for explorer in networks(60, False, 2):
        failed = next(number for number, row in enumerate(explorer.summary) if row["error"])
        places.add(failed)
        for number, row in enumerate(explorer.summary):
            assert (row["output_shape"] is None) == (row["parameters"] is None) == (number >= failed)
            assert (row["error"] is not None) == (number == failed)
        assert explorer.totals == {"parameters": None, "multiply_adds": None}
        kind, error = explorer.layers[failed]["class_name"], explorer.summary[failed]["error"]
        with pytest.raises(ValueError, match=re.escape(f"layers: layer {failed + 1} ({kind}) cannot work: {error}")):
            explorer.model()
        words = "kernel: reaches over" if error.startswith("a window of") else re.escape(error) + "$"
        with pytest.raises(ValueError, match=words):
            models.Sequential([Input(explorer.input_shape), *made(layers, explorer.layers[: failed + 1])])
        if failed:
            NetworkBuilder(explorer.input_shape, explorer.layers[:failed]).model()
    assert places >= {0, 1, 2, 3}


def test_keras_refuses_the_windows_that_do_not_fit_as_well():
    refused = 0
    for explorer in networks(40, False, 3):
        failed = next(number for number, row in enumerate(explorer.summary) if row["error"])
        if explorer.summary[failed]["error"].startswith("a window of"):
            refused += 1
            theirs(NetworkBuilder(explorer.input_shape, explorer.layers[:failed]))
            with pytest.raises(ValueError, match=r"Computed output size would be (zero or )?negative"):
                theirs(NetworkBuilder(explorer.input_shape, explorer.layers[: failed + 1]))
    assert refused > 5


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("a digit, nearly seen", (24, 4, 0)),
        ("LeNet-5", (14, 2, 2)),
        # Araujo, Norris and Sim (2019), as in the lesson on receptive fields.
        ("AlexNet, its convolutions", (195, 32, 64)),
        ("VGG-16, its convolutions", (212, 32, 90)),
    ],
)
def test_fields_of_known_networks(name, field):
    explorer = NetworkBuilder(**NETWORKS[name])
    assert explorer.summary[explorer.selected]["receptive_field"] == (field, field)


def test_known_counts():
    assert NetworkBuilder(**NETWORKS["LeNet-5"]).totals == {"parameters": 61_706, "multiply_adds": 416_520}
    alexnet = NetworkBuilder(**NETWORKS["AlexNet, its convolutions"])
    assert [row["parameters"] for row in alexnet.summary if row["parameters"]] == [
        34944,
        307456,
        885120,
        663936,
        442624,
    ]
    convolutions = NETWORKS["VGG-16, its convolutions"]["layers"]
    dense = [{"class_name": "Flatten"}, *({"class_name": "Dense", "units": n} for n in (4096, 4096, 1000))]
    whole = NetworkBuilder((224, 224, 3), [*convolutions, *dense])
    assert whole.totals == {"parameters": 138_357_544, "multiply_adds": 15_470_264_320}
    assert len(whole.layers) == MOST_LAYERS
    # Behind the last pooling a dense layer reads a map of 7×7 units, 32 pixels apart.
    assert [axis.size for axis in whole.summary[-1]["receptive_field"]] == [404, 404]


def test_the_networks_of_the_library_are_those_of_the_menu():
    for name, other in (("LeNet-5", models.lenet5()), ("a small network for CIFAR-10", models.cifar_convnet())):
        explorer = NetworkBuilder(**NETWORKS[name])
        assert explorer.input_shape == other.input_shape[1:]
        ours, others = explorer.model().get_weights(), other.get_weights()
        assert [weight.shape for weight in ours] == [weight.shape for weight in others]


def test_fields_along_both_axes_are_those_of_shapes():
    for explorer in networks(40, True, 4):
        model, windows = explorer.model(), [[], []]
        for layer, row in zip(model.layers, explorer.summary, strict=True):
            map_shape = layer.input_shape[1:3] if len(layer.input_shape) == 4 else (1, 1)
            window = layer.window(layer.input_shape) or [(size, 1, 0, 1) for size in map_shape]
            windows = [[*axis, one] for axis, one in zip(windows, window, strict=True)]
            assert row["receptive_field"] == tuple(map(shapes.receptive_field, windows))


def test_what_is_seen_is_what_has_a_slope():
    """The arithmetic against brute force: the network itself, with weights that cancel nowhere."""
    holes = cut = 0
    for explorer in networks(60, True, 5):
        explorer.selected = selected = len(explorer.layers) // 2
        whole = explorer.model().layers[: selected + 1]
        # In place of a maximum, which passes on one number only, the mean.
        straight = [
            AveragePooling2D(layer.pool_size, layer.strides, layer.padding)
            if isinstance(layer, MaxPooling2D)
            else layer
            for layer in whole
        ]
        for layer in straight:
            layer.activation, layer.input_shape, layer.dtype = "linear", None, np.dtype("float64")
        model = models.Sequential([Input(explorer.input_shape), *straight])
        model.set_weights([np.ones_like(weight) for weight in model.get_weights()])
        output = model.forward(np.ones((1, *explorer.input_shape)))
        arriving = np.zeros_like(output)
        arriving[(0, *(size // 2 for size in output.shape[1:3])) if output.ndim == 4 else (0,)] = 1
        for layer in reversed(model.layers):
            arriving = layer.backward(arriving)
        rows, columns = explorer.seen
        expected = np.zeros(explorer.input_shape[:2], bool)
        expected[np.ix_(rows, columns)] = True
        # A depthwise convolution passes on its own channels only, so any channel will do.
        assert_array_equal((arriving[0] != 0).any(axis=-1), expected, str(explorer.layers))
        holes += len(rows) and rows[-1] - rows[0] >= len(rows)
        cut += len(rows) < explorer.summary[selected]["receptive_field"][0].size
    assert min(holes, cut) > 3


def test_one_number_decides_whether_the_digit_is_seen():
    explorer = NetworkBuilder()
    assert [len(axis) for axis in explorer.seen] == [24, 24]
    assert explorer.selected == 4

    def with_kernel(size):
        return [{**layer, "kernel_size": size} if n == 4 else layer for n, layer in enumerate(explorer.layers)]

    explorer.layers = with_kernel(4)
    assert [len(axis) for axis in explorer.seen] == [28, 28]
    explorer.layers = with_kernel(5)
    assert explorer.seen is None
    assert explorer.summary[4]["error"].startswith("a window of 5×5 pixels does not fit on a map of 4×4; ")
    assert [row["output_shape"] is None for row in explorer.summary] == [False] * 4 + [True] * 3


def test_the_words_for_layers_that_do_not_take_what_comes():
    dense, conv = {"class_name": "Dense", "units": 3}, {"class_name": "Conv2D", "filters": 2, "kernel_size": 1}
    flatten = {"class_name": "Flatten"}
    for stack, words in [
        ([conv, dense], "input_shape: got (None, 8, 8, 2) of rank 4, expected (B, n); a Flatten or a Global"),
        ([flatten, conv], "input_shape: got (None, 64) of rank 2, expected images, (B, H, W, C)"),
        ([conv, {**conv, "strides": 2, "dilation_rate": 2}], "strides: got 2 with dilation_rate 2, expected one of"),
        ([conv, {**conv, "filters": 3, "groups": 2}], "groups: got 2, expected a divisor of filters = 3"),
        (
            [conv, {"class_name": "MaxPooling2D", "pool_size": 9}],
            "a window of 9×9 pixels does not fit on a map of 8×8;",
        ),
        (
            [{**conv, "kernel_size": 4, "dilation_rate": 3}],
            "a window of 4×4 pixels, spread over 10×10, does not fit on",
        ),
        ([{**conv, "groups": 2}, conv], "groups: got 2, expected a divisor of the 1 input channels"),
    ]:
        summary = NetworkBuilder((8, 8, 1), stack).summary
        assert [str(row["error"] or "").startswith(words) for row in summary].count(True) == 1
    assert NetworkBuilder((8, 8, 1), [flatten, flatten, dense]).totals["parameters"] == 65 * 3


# --- the state ------------------------------------------------------------------------------------------------


def test_a_layer_has_all_its_arguments_and_a_pool_steps_by_its_size():
    explorer = NetworkBuilder((9, 9, 1), [{"class_name": "MaxPooling2D", "pool_size": 3}, {"class_name": "Conv2D"}])
    assert dict(explorer.layers[0]) == {"class_name": "MaxPooling2D", "pool_size": 3, "strides": 3, "padding": "valid"}
    assert dict(explorer.layers[1]) == {"class_name": "Conv2D", **KINDS["Conv2D"]}
    assert explorer.selected == 1


def test_a_change_on_the_page_reaches_python_and_is_seen():
    explorer, seen = NetworkBuilder(), []
    explorer.observe(lambda change: seen.append(change["new"]), "totals")
    explorer.set_state({"layers": [{"class_name": "Conv2D", "filters": 2, "kernel_size": 3}], "selected": 0})
    assert explorer.totals == {"parameters": 20, "multiply_adds": 26 * 26 * 18}
    assert seen[-1] == explorer.totals
    explorer.set_state({"input_shape": [5, 6, 2]})
    assert explorer.input_shape == (5, 6, 2)
    assert explorer.summary[0]["output_shape"] == (3, 4, 2)


def test_the_last_layer_is_shown_where_there_are_fewer():
    explorer = NetworkBuilder(selected=6)
    explorer.layers = explorer.layers[:1]
    assert [len(axis) for axis in explorer.seen] == [5, 5]
    explorer.layers = []
    assert explorer.seen is None
    assert explorer.summary == []
    assert repr(explorer) == "NetworkBuilder: no layers on 28×28×1; 0 parameters"
    with pytest.raises(ValueError, match="expected at least one layer"):
        explorer.model()


@pytest.mark.parametrize(
    ("name", "value", "error", "words"),
    [
        ("input_shape", (28, 28), TypeError, "input_shape: got (28, 28), expected (height, width, channels)"),
        ("input_shape", "abc", TypeError, "input_shape: got 'abc', expected (height"),
        ("input_shape", 28, TypeError, "input_shape: got 28, expected (height"),
        ("input_shape", (0, 28, 1), ValueError, "input_shape: height: got 0, expected 1 to 512"),
        ("input_shape", (28, 513, 1), ValueError, "input_shape: width: got 513, expected 1 to 512"),
        ("input_shape", (28, 28, 1.5), TypeError, "input_shape: channels: got 1.5, expected an integer"),
        ("selected", -1, ValueError, "selected: got -1, expected 0 to 21"),
        ("selected", None, TypeError, "selected: got None, expected an integer"),
        ("layers", "Conv2D", TypeError, "layers: got 'Conv2D', expected a list of dicts"),
        ("layers", {"class_name": "Flatten"}, TypeError, "layers: got {'class_name': 'Flatten'}, expected a list"),
        ("layers", [{"class_name": "Flatten"}] * 23, ValueError, "layers: got 23, expected at most 22"),
        ("layers", ["Conv2D"], ValueError, "layers: layer 1: got 'Conv2D', expected a dict with \"class_name\""),
        ("layers", [{"class_name": "Dropout"}], ValueError, "layers: layer 1: got {'class_name': 'Dropout'}, expect"),
        ("layers", [{"class_name": ["Dense"]}], ValueError, "layers: layer 1: got {'class_name': ['Dense']}, expected"),
        ("layers", [{"class_name": "Flatten"}, {"class_name": "Dense", "units": 0}], ValueError,
         "layers: layer 2 (Dense): units: got 0, expected 1 to 4096"),
        ("layers", [{"class_name": "Conv2D", "kernel_size": (3, 3)}], TypeError,
         "layers: layer 1 (Conv2D): kernel_size: got (3, 3), expected an integer"),
        ("layers", [{"class_name": "Conv2D", "strides": None}], TypeError, "strides: got None, expected an integer"),
        ("layers", [{"class_name": "Conv2D", "padding": "SAME"}], ValueError,
         "layers: layer 1 (Conv2D): padding: got 'SAME', expected one of 'valid', 'same'"),
        ("layers", [{"class_name": "Conv2D", "padding": None}], ValueError, "padding: got None, expected one of"),
        ("layers", [{"class_name": "Conv2D", "activation": np.tanh}], ValueError, "activation: got <ufunc 'tanh'>"),
        ("layers", [{"class_name": "Flatten", "units": 3}], ValueError,
         "layers: layer 1 (Flatten): has no argument 'units', expected none"),
        ("layers", [{"class_name": "MaxPooling2D", "kernel_size": 3}], ValueError,
         "layers: layer 1 (MaxPooling2D): has no argument 'kernel_size', expected pool_size, strides, padding"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_by_name_and_changes_nothing(name, value, error, words):
    explorer = NetworkBuilder()
    before, totals = explorer.get_state(), explorer.totals
    with pytest.raises((error, traitlets.TraitError), match=re.escape(words)):
        setattr(explorer, name, value)
    assert explorer.get_state() == before
    assert explorer.totals == totals
    if name != "selected":
        with pytest.raises((error, traitlets.TraitError), match=re.escape(words)):
            NetworkBuilder(**{"input_shape": (28, 28, 1), "layers": [], name: value})


def test_the_menus_are_checked_too():
    with pytest.raises(ValueError, match=r"networks: 'mine': input_shape: got \(1, 2\), expected"):
        NetworkBuilder(networks={"mine": {"input_shape": (1, 2), "layers": []}})
    with pytest.raises(ValueError, match="networks: 'mine': 'layers'"):
        NetworkBuilder(networks={"mine": {"input_shape": (1, 2, 1)}})
    with pytest.raises(ValueError, match=r"kinds: got \{'class_name': 'Dropout'\}, expected"):
        NetworkBuilder(kinds=["Dropout"])
    mine = {"mine": {"input_shape": (6, 6, 1), "layers": [{"class_name": "MaxPooling2D"}]}}
    explorer = NetworkBuilder(networks=mine, kinds=["Conv2D", "Flatten"])
    assert explorer.summary[0]["output_shape"] == (3, 3, 1)
    assert [kind["class_name"] for kind in explorer.kinds] == ["Conv2D", "Flatten"]


def test_a_layer_cannot_be_changed_behind_its_back():
    explorer = NetworkBuilder()
    with pytest.raises(TypeError, match="does not support item assignment"):
        explorer.layers[0]["filters"] = 5
    given = [{"class_name": "Conv2D", "filters": 3}]
    explorer.layers = given
    given[0]["filters"] = 9
    assert explorer.layers[0]["filters"] == 3


def test_the_bounds_keep_the_work_within_what_the_page_counts_exactly():
    most = {name: bounds[1] for name, bounds in LIMITS.items()}
    layer = {"class_name": "Conv2D", "padding": "same", "filters": most["filters"], "kernel_size": most["kernel_size"]}
    costly = NetworkBuilder((512, 512, 512), [layer] * MOST_LAYERS)
    assert 2**52 < costly.totals["multiply_adds"] <= 2**53


def test_the_state_is_small():
    state = {name: value for name, value in NetworkBuilder().get_state().items() if not name.startswith("_")}
    assert len(json.dumps(state["pictures"])) < 30_000
    assert len(json.dumps({**state, "layout": ""})) < 30_000


def test_the_still_picture_marks_what_is_seen_and_says_what_cannot_work():
    explorer = NetworkBuilder(**NETWORKS["VGG-16, its convolutions"])
    picture = explorer.picture()
    assert len(picture) < 100_000
    assert "212×212 of 224×224 pixels are seen" in picture
    assert "15,346,630,656" in picture
    explorer.input_shape = (20, 31, 3)
    picture = explorer.picture()
    assert "Layer 18: a window of 2×2 pixels does not fit on a map of 1×1" in picture
    assert "cannot work" in picture
    assert "are seen" not in picture
    figure = explorer.still()
    *_, cover = figure.axes[1].images
    assert_array_equal(np.asarray(cover.get_array())[..., 3], np.full((20, 31), 0.72))


def test_it_says_what_it_shows_in_one_line():
    explorer = NetworkBuilder((4, 4, 1), [{"class_name": "MaxPooling2D", "pool_size": 5}, {"class_name": "Flatten"}])
    assert repr(explorer) == "NetworkBuilder: MaxPooling2D, Flatten on 4×4×1; layer 1 cannot work"
