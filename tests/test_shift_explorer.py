"""What ``ShiftExplorer`` tells Python. How it behaves on a page: ``tests/browser/test_shift_explorer.py``."""

import json
import re

import matplotlib.pyplot as plt
import numpy as np
import pytest
import traitlets
from numpy.testing import assert_allclose, assert_array_equal

from convbook import datasets, layers, ops
from convbook.explorers import ShiftExplorer

rng = np.random.default_rng(3)


def shifted(image, rows, columns):
    """Pixel by pixel: what leaves is lost, and zeros come in."""
    moved = np.zeros_like(image)
    for (i, j), value in np.ndenumerate(image):
        if 0 <= i + rows < image.shape[0] and 0 <= j + columns < image.shape[1]:
            moved[i + rows, j + columns] = value
    return moved


def outputs(image, kernel, dense_kernel, padding="same", pool_size=2):
    volume = image[None, :, :, None]
    feature_map = ops.conv(volume, np.asarray(kernel)[:, :, None, None], 1, padding)
    pooled_map = ops.max_pool(np.maximum(feature_map, 0), pool_size)
    flat = layers.Flatten()
    dense = layers.Dense(dense_kernel.shape[1], use_bias=False)
    dense.build((1, image.size))
    dense.set_weights([dense_kernel])
    return dense.forward(flat.forward(volume))[0], feature_map[0, :, :, 0], pooled_map[0, :, :, 0]


def check(explorer):
    """Whether all that is computed is what the layers of the library make of the state."""
    state = explorer.kernel, explorer.dense_kernel, explorer.padding, explorer.pool_size
    assert_array_equal(explorer.moved, shifted(explorer.image, *explorer.shift))
    for prefix, picture in (("", explorer.image), ("moved_", explorer.moved)):
        for name, expected in zip(("hidden", "feature_map", "pooled_map"), outputs(picture, *state), strict=True):
            assert_allclose(getattr(explorer, prefix + name), expected, rtol=1e-5, atol=1e-5)


def test_all_that_is_computed_is_what_the_layers_compute_and_follows_the_state():
    explorer = ShiftExplorer()
    check(explorer)
    seen = []
    explorer.observe(lambda change: seen.append(change["new"].shape), "moved_feature_map")
    for name, value in [
        ("shift", (3, -2)),
        ("shift", [-9, 12]),
        ("shift", np.array([20, -20])),
        ("shift", (-2, 4)),
        ("kernel", rng.normal(size=(2, 5))),
        ("padding", "valid"),
        ("pool_size", 3),
        ("image", rng.normal(size=(20, 20))),
        ("dense_kernel", rng.normal(size=(400, 3))),
    ]:
        setattr(explorer, name, value)
        assert_array_equal(getattr(explorer, name), value)
        check(explorer)
    assert seen[0] == (20, 20)
    assert seen[-1] == (19, 16)


def test_a_change_on_the_page_reaches_python():
    explorer = ShiftExplorer()
    explorer.set_state({"shift": [0, 5], "pool_size": 4, "kernel": [[1]]})
    assert explorer.shift == (0, 5)
    assert explorer.moved_pooled_map.shape == (5, 5)
    check(explorer)


def test_pictures_of_another_size_get_weights_of_their_size():
    for shape in ((8, 8), (28, 28), (9, 32)):
        explorer = ShiftExplorer(rng.integers(0, 9, shape))
        assert explorer.dense_kernel.shape == (np.prod(shape), 10)
        assert explorer.images == {}
        check(explorer)
    given = rng.integers(0, 9, (12, 15))
    explorer = ShiftExplorer(images={"noise": given}, dense_kernel=np.ones((180, 2)))
    assert_array_equal(explorer.image, given)
    with explorer.hold_trait_notifications():
        explorer.image, explorer.images, explorer.dense_kernel = np.ones((8, 8)), {}, np.ones((64, 1))
    assert_array_equal(explorer.hidden, [64])


def test_the_default_example_makes_the_point():
    explorer = ShiftExplorer()
    assert (explorer.hidden.argmax(), explorer.moved_hidden.argmax()) == (5, 8)
    assert_array_equal(explorer.moved_feature_map, shifted(explorer.feature_map, 1, 0))
    assert not np.array_equal(explorer.moved_pooled_map, explorer.pooled_map)
    assert repr(explorer) == (
        "ShiftExplorer: a picture of 20×20 pixels, shift (1, 0); dense layer: 10 of 10 changed, "
        "feature map: 125 of 125 moved along, pooled map: 9 of 27 stayed"
    )


def test_the_default_units_answer_to_the_ten_digits_in_the_middle():
    explorer, digits = ShiftExplorer(), datasets.load_digits()
    canvas = np.zeros((len(digits.x_test), 20, 20))
    canvas[:, 5:15, 5:15] = digits.x_test[:, 4:24:2, 4:24:2, 0]
    strongest = (canvas.reshape(-1, 400) @ explorer.dense_kernel).argmax(axis=1)
    assert (strongest == digits.y_test).mean() > 0.75
    # What all digits have in common is taken off: where one unit has much weight, others have less than none.
    assert np.abs(explorer.dense_kernel.mean(axis=1)).max() < 0.5
    for name, image in explorer.images.items():
        assert (np.ravel(image) @ explorer.dense_kernel).argmax() == int(name[-1])


def test_the_state_is_small_and_in_whole_numbers_where_these_are_exact():
    explorer = ShiftExplorer()
    state = {name: value for name, value in explorer.get_state().items() if not name.startswith("_")}
    assert len(json.dumps(state)) < 30_000
    assert all(isinstance(value, int) for row in state["dense_kernel"] for value in row)
    assert state["shift"] == (1, 0)
    explorer.kernel = [[0.1, 1e-7], [-2, 3]]
    assert explorer.get_state("kernel")["kernel"] == [[0.1, 1e-7], [-2, 3]]


@pytest.mark.parametrize(
    ("shift", "expected"),
    [
        ((0, 0), ("0 of 2 changed", "9 of 9 moved along", "4 of 4 stayed")),
        ((0, 1), ("2 of 2 changed", "9 of 9 moved along", "4 of 4 stayed")),
        ((0, 2), ("2 of 2 changed", "9 of 9 moved along", "2 of 6 stayed")),
        ((0, 4), ("2 of 2 changed", "6 of 6 moved along", "0 of 6 stayed")),
        ((0, 5), ("2 of 2 changed", "0 of 3 moved along", "0 of 4 stayed")),
        ((0, -8), ("2 of 2 changed", "0 of 0 moved along", "0 of 4 stayed")),
    ],
)
def test_the_verdicts_are_those_of_one_bright_pixel_counted_by_hand(shift, expected):
    # The pixel at (3, 3) of 8x8 makes a square of nine ones, from (2, 2) to (4, 4), which touches the four windows
    # from (1, 1) to (2, 2). Moved right by one it touches the same windows, moved by two the next column of them.
    # Moved by four its last column falls off the map; moved by five the pixel itself has left the picture, and the
    # column of ones that should be left of the square is missing.
    image = np.zeros((8, 8))
    image[3, 3] = 1
    weights = np.arange(128.0).reshape(64, 2)
    assert ShiftExplorer(image, shift, np.ones((3, 3)), weights)._verdicts() == expected


BAD = [
    ("shift", 3, TypeError, "shift: got 3, expected two integers, for rows and columns"),
    ("shift", (1, 2, 3), TypeError, "shift: got (1, 2, 3), expected two integers"),
    ("shift", "12", TypeError, "shift: got '12', expected two integers"),
    ("shift", (0.5, 1), TypeError, "shift: got 0.5, expected an integer"),
    ("shift", (0, 21), ValueError, "shift, columns: got 21, expected -20 to 20"),
    ("shift", (-21, 0), ValueError, "shift, rows: got -21, expected -20 to 20"),
    ("pool_size", 0, ValueError, "pool_size: got 0, expected 1 to 4"),
    ("pool_size", 5, ValueError, "pool_size: got 5, expected 1 to 4"),
    ("pool_size", 2.0, TypeError, "pool_size: got 2.0, expected an integer"),
    ("padding", 1, TypeError, "padding: got 1, expected one of same, valid"),
    ("padding", "full", ValueError, "padding: got 'full', expected one of same, valid"),
    ("kernel", np.ones(3), ValueError, "kernel: got shape (3,), expected 2 axes"),
    ("kernel", np.ones((3, 6)), ValueError, "kernel: got shape (3, 6), expected 1 to 5 along each side"),
    ("kernel", [[np.inf]], ValueError, "kernel: has values that are not finite numbers"),
    ("image", "a", TypeError, "image: got 'a', expected an array of numbers"),
    ("image", np.ones((7, 20)), ValueError, "image: got shape (7, 20), expected 8 to 32 along each side"),
    ("image", np.ones((20, 33)), ValueError, "image: got shape (20, 33), expected 8 to 32 along each side"),
    ("image", np.ones((20, 21)), ValueError, "expected (20, 21), that of image"),
    ("dense_kernel", np.ones((399, 10)), ValueError, "dense_kernel: got shape (399, 10), expected (400, units)"),
    ("dense_kernel", np.ones((400, 17)), ValueError, "dense_kernel: got shape (400, 17), expected (400, units)"),
    ("images", 3, TypeError, "images: got 3, expected matrices by name"),
    ("images", {"a": [[1], [1, 2]]}, TypeError, "images['a']: got [[1], [1, 2]], expected an array of numbers"),
    ("images", {"a": np.ones((9, 9))}, ValueError, "images['a']: got shape (9, 9), expected (20, 20), that of image"),
    ("kernels", {"a": np.ones((6, 1))}, ValueError, "kernels['a']: got shape (6, 1), expected 1 to 5 along each side"),
]


@pytest.mark.parametrize(("name", "value", "error", "words"), BAD)
def test_what_cannot_be_is_refused_by_name_and_changes_nothing(name, value, error, words):
    explorer = ShiftExplorer()
    before, computed = explorer.get_state(), explorer.moved_feature_map
    with pytest.raises(error, match=re.escape(words)):
        setattr(explorer, name, value)
    with pytest.raises(error, match=re.escape(words)):
        explorer.set_state({"pool_size": 1, name: value})
    assert explorer.get_state() == before
    assert_array_equal(explorer.moved_feature_map, computed)


@pytest.mark.parametrize(("name", "value", "error", "words"), [case for case in BAD if case[0] != "image"])
def test_none_is_made_of_what_cannot_be(name, value, error, words):
    with pytest.raises(error, match=re.escape(words)):
        ShiftExplorer(ShiftExplorer().image, **{name: value})


@pytest.mark.parametrize("name", ["moved", "hidden", "moved_hidden", "feature_map", "moved_pooled_map"])
def test_what_is_computed_cannot_be_set_and_does_not_travel(name):
    explorer = ShiftExplorer()
    with pytest.raises(traitlets.TraitError):
        setattr(explorer, name, np.zeros((20, 20)))
    assert name not in explorer.get_state()


def test_the_still_picture_shows_both_rows_the_strongest_units_and_the_verdicts():
    figure = ShiftExplorer(shift=(1, 0)).still()
    axes = np.array(figure.axes).reshape(2, 4)
    for row, image in zip(axes, (ShiftExplorer().image, ShiftExplorer(shift=(1, 0)).moved), strict=True):
        assert_allclose(row[0].images[0].get_array()[:, :, 3], image / image.max())
    assert [list(row[1].get_yticks()) for row in axes] == [[5], [8]]
    assert [ax.get_xlabel().replace("\xa0", " ").split("\n") for ax in axes[1, 1:]] == [
        ["10 of 10", "changed"], ["125 of 125", "moved along"], ["9 of 27", "stayed"],
    ]  # fmt: skip
    (frame,) = axes[1, 0].patches
    assert frame.get_bbox().bounds == (5.5, 4.5, 9, 10)
    signs = np.sign(ShiftExplorer().feature_map)
    tints = axes[0, 2].images[0].get_array()
    assert_array_equal(tints[:, :, 2][signs != 0] > tints[:, :, 0][signs != 0], signs[signs != 0] > 0)
    plt.close(figure)


def test_a_picture_without_a_digit_can_be_drawn():
    explorer = ShiftExplorer(np.zeros((8, 8)))
    assert repr(explorer).endswith(
        "dense layer: 0 of 10 changed, feature map: 0 of 0 moved along, pooled map: 0 of 0 stayed"
    )
    assert "<svg" in explorer.picture()
