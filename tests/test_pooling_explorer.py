"""What ``PoolingExplorer`` tells Python. How it behaves on a page: ``tests/browser``."""

import re
import xml.etree.ElementTree as ET

import matplotlib.pyplot as plt
import numpy as np
import pytest
import traitlets
from numpy.testing import assert_allclose, assert_array_equal

from convbook import ops
from convbook.explorers import ConvolutionExplorer, PoolingExplorer

rng = np.random.default_rng(5)
POOLS = {"max": ops.max_pool, "average": ops.average_pool, "l2": ops.l2_pool}


def pool(image, kind, *setting):
    return POOLS[kind](np.asarray(image, float)[None, :, :, None], *setting)[0, :, :, 0]


def moved(image, down, right):
    """The image after a shift, pixel by pixel."""
    result = np.zeros_like(image)
    for i, j in np.ndindex(image.shape):
        if 0 <= i - down < image.shape[0] and 0 <= j - right < image.shape[1]:
            result[i, j] = image[i - down, j - right]
    return result


@pytest.mark.parametrize("kind", POOLS)
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(("size", "stride"), [(1, 1), (2, 2), (3, 2), (2, 3), (4, 1)])
@pytest.mark.parametrize("shift", [(0, 0), (0, 1), (-1, 0), (2, -3), (12, 0)])
def test_the_outputs_are_those_of_ops(kind, padding, size, stride, shift):
    image = rng.normal(size=(7, 10))
    explorer = PoolingExplorer(image, pool=kind, pool_size=size, strides=stride, padding=padding, shift=shift)
    assert_allclose(explorer.output, pool(image, kind, size, stride, padding))
    assert_allclose(explorer.shifted_output, pool(moved(image, *shift), kind, size, stride, padding))


def test_the_outputs_follow_the_state_and_can_be_observed():
    explorer = PoolingExplorer(rng.normal(size=(8, 8)), shift=(0, 0))
    seen = []
    explorer.observe(lambda change: seen.append((change["name"], change["new"].shape)), ["output", "shifted_output"])
    explorer.pool_size = 3
    assert seen == [("output", (3, 3)), ("shifted_output", (3, 3))]
    explorer.shift = np.array([1, 0])
    assert seen[2:] == [("shifted_output", (3, 3))]
    explorer.pool = "average"
    explorer.padding = "same"
    explorer.strides = 1
    assert_allclose(explorer.output, pool(explorer.input, "average", 3, 1, "same"))
    explorer.input = [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
    assert explorer.output[1, 1] == 5


def test_without_strides_windows_stand_side_by_side():
    assert PoolingExplorer(pool_size=3).strides == 3
    assert PoolingExplorer(pool_size=3, strides=1).strides == 1


def test_the_opening_example_forgives_one_shift_and_no_other():
    explorer = PoolingExplorer()
    changes = {}
    for shift in [(0, 1), (0, -1), (1, 0), (-1, 0)]:
        explorer.shift = shift
        changes[shift] = int((explorer.output != explorer.shifted_output).sum())
    assert changes == {(0, 1): 3, (0, -1): 14, (1, 0): 9, (-1, 0): 9}
    assert PoolingExplorer().shift == (0, 1)


def test_what_the_page_sets_reaches_python():
    explorer = PoolingExplorer()
    explorer.set_state({"input": [[1.0, 2.0], [3.0, 4.0]], "shift": [1, 0], "pool": "average", "selected": [0, 0]})
    assert_array_equal(explorer.output, [[2.5]])
    assert_array_equal(explorer.shifted_output, [[0.75]])
    assert explorer.shift == (1, 0)


@pytest.mark.parametrize(
    ("name", "value", "error", "words"),
    [
        ("pool_size", 0, ValueError, "pool_size: got 0, expected 1 to 4"),
        ("pool_size", 5, ValueError, "pool_size: got 5, expected 1 to 4"),
        ("pool_size", 2.0, TypeError, "pool_size: got 2.0, expected an integer"),
        ("pool_size", 3, ValueError, "pool_size: reaches over 3 pixels of spatial axis 0, expected at most the 2"),
        ("strides", None, TypeError, "strides: got None, expected an integer"),
        ("strides", True, TypeError, "strides: got True, expected an integer"),
        ("strides", 5, ValueError, "strides: got 5, expected 1 to 4"),
        ("padding", 1, TypeError, "padding: got 1, expected one of valid, same"),
        ("padding", "full", ValueError, "padding: got 'full', expected one of valid, same"),
        ("pool", "mean", ValueError, "pool: got 'mean', expected one of max, average, l2"),
        ("pool", ["max"], TypeError, "pool: got ['max'], expected one of max, average, l2"),
        ("shift", 1, TypeError, "shift: got 1, expected two integers, for rows and columns"),
        ("shift", "ab", TypeError, "shift: got 'ab', expected two integers"),
        ("shift", (1, 2, 3), TypeError, "shift: got (1, 2, 3), expected two integers"),
        ("shift", (0.5, 0), TypeError, "shift: got 0.5, expected an integer"),
        ("shift", (0, -13), ValueError, "shift: got -13, expected -12 to 12"),
        ("selected", (0, -1), ValueError, "selected: got -1, expected 0 to 11"),
        ("selected", (12, 0), ValueError, "selected: got 12, expected 0 to 11"),
        ("input", np.ones(4), ValueError, "input: got shape (4,), expected 2 axes"),
        ("input", np.ones((4, 13)), ValueError, "input: got shape (4, 13), expected 2 to 12 rows and columns"),
        ("input", np.ones((1, 4)), ValueError, "input: got shape (1, 4), expected 2 to 12 rows and columns"),
        ("input", [[1, np.inf], [0, 0]], ValueError, "input: has values that are not finite numbers"),
        ("input", "a", TypeError, "input: got 'a', expected an array of numbers"),
        ("images", {"x": [[1]]}, ValueError, "images['x']: got shape (1, 1), expected 2 to 12 rows and columns"),
        ("images", [[1]], TypeError, "images: got [[1]], expected matrices by name"),
    ],
)
def test_what_cannot_be_is_refused_by_name_and_changes_nothing(name, value, error, words):
    explorer = PoolingExplorer([[1, 2], [3, 4]])
    before, output = explorer.get_state(), explorer.output
    with pytest.raises(error, match=re.escape(words)):
        setattr(explorer, name, value)
    assert explorer.get_state() == before
    assert explorer.output is output
    if value is not None:  # to the constructor, no strides are as many as the pool has pixels
        with pytest.raises(error, match=re.escape(words)):
            PoolingExplorer(**{"input": [[1, 2], [3, 4]], name: value})


@pytest.mark.parametrize(
    ("explorer", "changes"),
    [
        (PoolingExplorer(), {"strides": 1, "input": np.ones((3, 3)), "pool_size": 4}),
        (PoolingExplorer(), {"strides": 1, "pool": "mean"}),
        (PoolingExplorer(), {"strides": 1, "input": "a"}),
        (ConvolutionExplorer(), {"padding": 1, "kernel": np.ones((9, 9, 1, 1))}),
        (ConvolutionExplorer(), {"padding": 1, "kernel": "a"}),
    ],
)
def test_of_changes_that_do_not_fit_together_none_is_made(explorer, changes):
    before, output = explorer.get_state(), explorer.output

    def together():
        with explorer.hold_trait_notifications():
            for name, value in changes.items():
                setattr(explorer, name, value)

    with pytest.raises((TypeError, ValueError), match=f"{[*changes][-1]}: "):
        together()
    assert explorer.get_state() == before
    assert explorer.output is output
    with pytest.raises((TypeError, ValueError)):
        explorer.set_state(changes)
    assert explorer.get_state() == before


def test_changes_that_fit_only_together_are_made():
    explorer = PoolingExplorer(np.ones((8, 8)), pool_size=4)
    with explorer.hold_trait_notifications():
        explorer.input, explorer.pool_size = np.ones((3, 3)), 2
    assert explorer.output.shape == (1, 1)


def test_no_array_can_be_changed_behind_the_page():
    explorer = PoolingExplorer()
    for array in (explorer.input, explorer.output, explorer.shifted_output):
        with pytest.raises(ValueError, match="read-only"):
            array[0, 0] = 5
    with pytest.raises(traitlets.TraitError, match="read-only"):
        explorer.output = np.ones((2, 2))


def test_pictures_to_choose_from_can_be_given():
    explorer = PoolingExplorer(images={"a corner": np.eye(2)})
    assert explorer.images == {"a corner": [[1.0, 0.0], [0.0, 1.0]]}
    assert set(PoolingExplorer().images) == {"a letter", "a digit", "a photograph"}
    assert {np.shape(image) for image in PoolingExplorer().images.values()} == {(8, 8), (10, 10), (12, 12)}


# --- the still picture ----------------------------------------------------------------------------------------


def drawn(explorer):
    """The texts of the still picture, and how many outputs it frames as changed."""
    figure = explorer.still()
    plt.close(figure)
    (ax,) = figure.axes
    frames = [path for lines in ax.collections for path in lines.get_paths() if len(path.vertices) == 5]
    return [text.get_text() for text in ax.texts], len(frames), ax


def test_the_still_picture_shows_the_numbers_and_counts_what_changed():
    texts, frames, ax = drawn(PoolingExplorer())
    assert texts[-1] == "37 of 64 pixels changed, 3 of 16 pooled values did"
    assert frames == texts.count("≠") == 3
    explorer = PoolingExplorer()
    shifted = moved(explorer.input, 0, 1)
    numbers = [f"{value:g}" for array in (shifted, explorer.output, explorer.shifted_output) for value in array.flat]
    assert [text for text in texts if re.fullmatch(r"[\d.]+", text)] == numbers
    (circle,) = [patch for patch in ax.patches if type(patch).__name__ == "Circle"]
    assert circle.center == (0.2 + 2.5, 1.1 + 0.5)  # the 5 that took the place of the 6
    assert not [p for p in drawn(PoolingExplorer(pool="l2"))[2].patches if type(p).__name__ == "Circle"]


def test_the_still_picture_of_a_sum_in_another_order_counts_no_change():
    image = np.zeros((2, 4))
    image[0] = [0.3, 0, 0.1, 0.2]
    explorer = PoolingExplorer(image, pool="average", shift=(0, -2))
    assert explorer.output[0, 0] != explorer.shifted_output[0, 0]
    assert drawn(explorer)[0][-1] == "4 of 8 pixels changed, 1 of 2 pooled values did"


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize(("size", "stride"), [(1, 1), (2, 2), (3, 2), (4, 1)])
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_no_still_picture_is_large(pool, size, stride, padding):
    explorer = PoolingExplorer(rng.normal(size=(12, 12)), pool=pool, pool_size=size, strides=stride, padding=padding,
                               selected=(11, 11), shift=(1, -2))  # fmt: skip
    picture = explorer.picture()
    assert len(picture) < 100_000
    assert ET.fromstring(picture).tag.endswith("svg")


def test_it_says_what_it_shows_in_one_line():
    assert repr(PoolingExplorer(pool="l2", pool_size=3, strides=1, padding="same")) == (
        "PoolingExplorer: l2 pooling of 8×8, pool size 3, strides 1, padding same, shifted by (0, 1)"
    )
