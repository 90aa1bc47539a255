"""The drawings: what stands in them, and that they follow the page's theme."""

import io
import re

import matplotlib as mpl

mpl.use("agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle

from convbook import figures, ops


@pytest.fixture(autouse=True)
def fresh_style():
    figures.use_style()
    yield
    plt.close("all")


def svg(figure):
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg")
    return buffer.getvalue().decode()


def texts(figure):
    return [text.get_text() for ax in figure.axes for text in ax.texts]


def luminance(colour):
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def contrast(one, other):
    bright, dark = sorted([luminance(one), luminance(other)], reverse=True)
    return (bright + 0.05) / (dark + 0.05)


@pytest.mark.parametrize(("light", "dark"), figures._ON_DARK.items())
def test_every_colour_is_readable_on_both_pages(light, dark):
    assert contrast(light, "#ffffff") >= 4.5
    assert contrast(dark, "#121212") >= 4.5


def test_an_svg_turns_its_colours_over_where_the_page_is_dark():
    drawing = svg(figures.grids([[1, 2], [3, 4]], titles=["input"]))
    assert "@media (prefers-color-scheme:dark)" in drawing
    for light, dark in figures._ON_DARK.items():
        assert f'[style*="fill: {light}"]{{fill:{dark}!important}}' in drawing
    # The rules speak of styles that matplotlib really writes.
    assert f"fill: {figures.INPUT}" in drawing.split("<style>")[0] + drawing.split("</style>")[1]


def test_an_svg_has_no_background():
    drawing = svg(figures.grids([[1]]))
    assert "#ffffff" not in drawing.lower().split("@media")[0]


def test_the_same_figure_is_the_same_file():
    assert svg(figures.convolution(np.eye(4), np.ones((2, 2)))) == svg(figures.convolution(np.eye(4), np.ones((2, 2))))


def test_other_formats_can_still_be_saved():
    buffer = io.BytesIO()
    figures.grids([[1]]).savefig(buffer, format="png")
    assert buffer.getvalue()[:4] == b"\x89PNG"


def test_a_grid_shows_every_number():
    assert texts(figures.grids([[1, 2.5], [-3, 0.126]])) == ["1", "2.5", "-3", "0.13"]


def test_a_convolution_shows_input_kernel_output_and_the_sum_of_one_cell():
    image = np.arange(16).reshape(4, 4)
    kernel = np.array([[1, 0], [0, -1]])
    outputs = ops.conv(image[None, :, :, None], kernel[:, :, None, None])[0, :, :, 0]
    shown = texts(figures.convolution(image, kernel, (1, 2)))
    for array in (image, kernel, outputs):
        for value in array.ravel():
            assert f"{value:.0f}" in shown
    assert shown[-1] == "6·1 + 7·0 + 10·0 + 11·(-1) = -5"


@pytest.mark.parametrize(("strides", "padding", "dilation"), [(1, 0, 1), (2, 1, 1), (1, "same", 2)])
def test_the_window_lies_on_what_the_marked_output_reads(strides, padding, dilation):
    """Only the numbers under the window may change the marked output."""
    rng = np.random.default_rng(0)
    image, kernel = rng.integers(0, 9, (5, 5)), rng.integers(1, 9, (3, 3))
    figure = figures.convolution(image, kernel, (1, 1), strides=strides, padding=padding, dilation_rate=dilation)
    terms = re.findall(r"(-?\d+)·(-?\d+)", texts(figure)[-1])
    total = sum(int(a) * int(b) for a, b in terms)
    outputs = ops.conv(image[None, :, :, None], kernel[:, :, None, None], strides, padding, dilation_rate=dilation)
    assert total == outputs[0, 1, 1, 0]


def test_channels_show_every_number_and_the_sums_of_one_output():
    rng = np.random.default_rng(0)
    image, kernel = rng.integers(-4, 5, (3, 4, 2)), rng.integers(-4, 5, (2, 2, 2, 1))
    outputs = ops.conv(image[None], kernel)[0] + 3
    shown = texts(figures.channels(image, kernel, [3], position=(1, 2)))
    for array in (image, kernel, outputs):
        for value in array.ravel():
            assert f"{value:.0f}" in shown
    products = [np.sum(image[1:3, 2:4, c] * kernel[:, :, c, 0]) for c in range(2)]
    assert shown[-1] == f"together:   {products[0]} + {products[1]} + 3 = {outputs[1, 2, 0]:.0f}"
    for c in range(2):
        terms = re.findall(r"(-?\d+)·\(?(-?\d+)\)?", shown[-3 + c])
        assert sum(int(a) * int(b) for a, b in terms) == products[c]


def test_padding_is_drawn_in_the_colour_of_padding():
    patches = [p for p in figures.padded(np.ones((2, 3)), 1).axes[0].patches if isinstance(p, Rectangle)]
    grey = [p for p in patches if p.get_facecolor()[:3] == to_rgb(figures.PADDING) and p.get_alpha()]
    assert len(grey) == 4 * 5 - 2 * 3


def test_window_rows_draw_one_row_of_windows_per_output_and_mark_unread_pixels():
    figure = figures.window_rows(8, 3, stride=2)
    assert [t for t in texts(figure) if t.startswith("output")] == ["output 1", "output 2", "output 3"]
    patches = [p for p in figure.axes[0].patches if isinstance(p, Rectangle)]
    unread = [p for p in patches if p.get_facecolor()[:3] == to_rgb(figures.ACCENT) and p.get_alpha() == 0.45]
    assert [round(p.get_x() - 0.2) for p in unread] == [7]


def test_a_gallery_shows_the_arrays_it_was_given_on_one_scale():
    pictures = [np.zeros((3, 3)), np.full((3, 3, 1), 4.0)]
    figure = figures.gallery(pictures, ["a", "b"])
    shown = [image for ax in figure.axes for image in ax.images]
    assert [image.get_clim() for image in shown] == [(0, 4), (0, 4)]
    np.testing.assert_array_equal(shown[1].get_array(), pictures[1][:, :, 0])
    assert [ax.get_title() for ax in figure.axes] == ["a", "b"]


def test_a_signed_gallery_is_white_at_zero():
    (image,) = figures.gallery([np.array([[-1.0, 0.0, 3.0]])], signed=True).axes[0].images
    assert image.get_clim() == (-3, 3)


def test_matrices_leave_zeros_blank():
    figure = figures.matrices({"m": [[0, 1], [2, 0]]})
    (image,) = figure.axes[0].images
    np.testing.assert_array_equal(image.get_array().mask, [[True, False], [False, True]])


def test_runs_show_every_seed_and_write_the_mean():
    figure = figures.runs({"one": [0.9, 0.92], "two": [0.5]})
    dots = [line.get_xdata().tolist() for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert dots == [[90, 92], [50]]
    assert texts(figure) == ["91.0 %", "50.0 %"]


def test_no_figure_is_wider_than_the_column():
    wide = [
        figures.convolution(np.ones((9, 9)), np.ones((5, 5)), None),
        figures.gallery([np.ones((4, 4))] * 6, columns=6),
        figures.window_rows(30, 3),
        figures.runs({"a": [0.1]}),
    ]
    assert max(figure.get_size_inches()[0] for figure in wide) <= figures.WIDTH + 1e-9
