"""``ConvolutionExplorer`` on a page: its numbers are those of ``ops.conv``, by mouse, keyboard and touch."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from convbook import ops
from convbook.explorers import ConvolutionExplorer
from convbook.explorers.convolution import KERNELS
from convbook.shapes import effective_kernel

rng = np.random.default_rng(7)

READ = """(label) => {
  const grid = document.querySelector(`[role=grid][aria-label="${label}"]`);
  return [...grid.children].map((row) => [...row.children].map((cell) => Number(cell.textContent.replace("−", "-"))));
}"""
# Sets controls as a reader does, and waits until the page has shown it.
TURN = """async (settings) => {
  for (const [label, value] of settings) {
    const name = [...document.querySelectorAll("label")].find((found) => found.textContent === label);
    const control = document.getElementById(name.htmlFor);
    control.value = value;
    control.dispatchEvent(new Event("change", { bubbles: true }));
    await Promise.resolve();
  }
}"""

# The name of what has the focus.
FOCUSED = """() => {
  const at = document.activeElement;
  if (at === document.body) return null;
  return at.closest("[role=grid]")?.getAttribute("aria-label") ?? at.labels?.[0]?.textContent ?? at.textContent;
}"""


def read(page, label):
    """The numbers of a grid."""
    return np.array(page.evaluate(READ, label))


def cell(page, label, row, column):
    return page.locator(f'[role=grid][aria-label="{label}"] [data-row="{row}"][data-column="{column}"]')


def said(page):
    return page.locator("[role=status]").inner_text()


def test_two_hundred_settings_give_the_numbers_of_ops_conv(mount):
    explorer = ConvolutionExplorer()
    page = mount(explorer)
    names = list(explorer.images)
    seen = set()
    while len(seen) < 200:
        image, kernel = names[rng.integers(len(names))], list(KERNELS)[rng.integers(len(KERNELS))]
        stride, padding = int(rng.integers(1, 5)), int(rng.integers(0, 5))
        dilation = int(rng.integers(1, 4)) if stride == 1 else 1
        operation = ["cross-correlation", "convolution"][rng.integers(2)]
        pixels = np.array(explorer.images[image])
        if min(pixels.shape[:2]) + 2 * padding < effective_kernel(3, dilation):
            continue
        seen.add((image, kernel, stride, padding, dilation, operation))
        settings = {"Stride": 1, "Dilation": 1, "Padding": 4, "Input": image, "Kernel": kernel, "Operation": operation}
        settings |= {"Stride": stride, "Dilation": dilation}
        page.evaluate(TURN, [*settings.items(), ["Padding", padding]])
        weights = np.array(KERNELS[kernel], float)[:, :, None, None]
        used = weights if operation == "cross-correlation" else weights[::-1, ::-1]
        expected = ops.conv(pixels[None], used, stride, padding, dilation_rate=dilation)[0, :, :, 0]
        # Where many cells stand side by side they are small, and numbers have one digit less.
        together = pixels.shape[1] + 2 * padding + 3 + expected.shape[1]
        half = 0.0501 if together > 20 else 0.00501
        assert_allclose(read(page, "Output"), expected, rtol=0, atol=half, err_msg=str(settings))


def test_several_channels_and_filters_give_the_numbers_of_ops_conv_and_the_sums_add_up(mount):
    for _ in range(5):
        image, kernel = rng.integers(0, 3, (5, 5, 3)), rng.integers(-1, 2, (3, 3, 3, 2))
        bias = rng.integers(-2, 3, 2)
        page = mount(ConvolutionExplorer(image, kernel, bias, strides=2, padding=1))
        expected = ops.conv(image[None].astype(float), kernel, 2, 1)[0] + bias
        for filter in range(2):
            label = f"Output, filter {filter}"
            assert_allclose(read(page, label), expected[..., filter])
            cell(page, label, 2, 1).hover()
            products = [read(page, f"Products, channel {channel}").sum() for channel in range(3)]
            assert sum(products) + bias[filter] == expected[2, 1, filter]
            terms = " + ".join(map(str, products)).replace("+ -", "− ").replace("-", "−")
            assert f"the products sum to {terms}{'; with the bias' if bias[filter] else ', that is'} " in said(page)
            assert said(page).endswith(f"that is {expected[2, 1, filter]:.0f}.".replace("-", "−"))


def test_hovering_an_input_marks_every_output_it_goes_into(mount):
    explorer = ConvolutionExplorer(padding=1, strides=2)
    page = mount(explorer)
    (h, w, _), (oh, ow, _) = explorer.input.shape, explorer.output.shape
    for row, column in [(0, 0), (2, 3), (5, 5), (3, 4)]:
        cell(page, "Input", row + 1, column + 1).hover()
        one = np.zeros((1, h, w, 1))
        one[0, row, column] = 1
        reached = ops.conv(one, np.ones((3, 3, 1, 1)), 2, 1)[0, :, :, 0] > 0
        marked = page.evaluate(
            """() => [...document.querySelectorAll('[aria-label="Output"] [role=row]')].map(
                (row) => [...row.children].map((cell) => cell.classList.contains("cb-reached")))"""
        )
        np.testing.assert_array_equal(np.array(marked), reached)
        assert said(page) == f"Pixel ({row}, {column}) goes into {reached.sum()} of the {oh * ow} outputs."


def test_padding_is_named_with_a_minus_sign_and_what_an_output_is_made_of_fades_meanwhile(mount):
    page = mount(ConvolutionExplorer(padding=1), reduced_motion="reduce")
    faint = "() => getComputedStyle(document.querySelector('.cb-explained')).opacity"
    assert page.evaluate(faint) == "1"
    cell(page, "Input", 0, 0).hover()
    assert said(page).startswith("Pixel (−1, −1) goes into 1 of the 36 outputs")
    assert page.evaluate(faint) == "0.35"
    window = "() => getComputedStyle(document.querySelector('.cb-window:not(.cb-here)')).boxShadow"
    assert page.evaluate(window) == "none"
    cell(page, "Output", 0, 0).hover()
    assert page.evaluate(faint) == "1"
    assert page.evaluate(window) != "none"


def test_a_picture_or_kernel_made_smaller_and_larger_is_what_it_was(mount):
    explorer = ConvolutionExplorer(ConvolutionExplorer().images["a photograph"])
    page = mount(explorer)
    whole, kernel = read(page, "Input"), read(page, "Kernel")
    page.evaluate(TURN, [["Input size", 4], ["Kernel size", 1], ["Kernel size", 5]])
    assert said(page).startswith("The kernel spans 5 pixels")  # refused, and nothing is lost by it
    page.evaluate(TURN, [["Input size", 12], ["Kernel size", 5]])
    assert_allclose(read(page, "Input"), whole)
    assert_allclose(read(page, "Kernel"), np.pad(kernel, 1))
    page.evaluate(TURN, [["Kernel size", 3], ["Input size", 5]])
    assert_allclose(read(page, "Kernel"), kernel)
    cell(page, "Input", 0, 0).focus()
    page.keyboard.type("1")
    page.evaluate(TURN, [["Input size", 6]])
    drawn = np.pad(whole[:5, :5], (0, 1))
    drawn[0, 0] = 1
    assert_allclose(read(page, "Input"), drawn)


def test_a_number_out_of_bounds_shows_them(mount):
    page = mount(ConvolutionExplorer())
    assert not page.get_by_text("3 to 14").is_visible()
    page.evaluate(TURN, [["Input size", 99]])
    assert page.get_by_label("Input size").input_value() == "14"
    assert page.get_by_text("3 to 14").is_visible()
    page.evaluate(TURN, [["Input size", 9]])
    assert not page.get_by_text("3 to 14").is_visible()


def test_why_stride_or_dilation_is_greyed_is_said(mount):
    page = mount(ConvolutionExplorer(np.ones((9, 9))))
    note = page.get_by_text("Stride and dilation cannot both be above 1, as in Keras.")
    assert not note.is_visible()
    page.evaluate(TURN, [["Stride", 2]])
    assert page.get_by_label("Dilation").is_disabled()
    assert note.is_visible()
    assert page.get_by_label("Dilation").get_attribute("aria-describedby") == note.get_attribute("id")


def test_settings_that_are_left_out_are_not_offered(mount):
    page = mount(ConvolutionExplorer(np.ones((9, 9)), strides=2, without=["dilation_rate", "operation"]))
    assert page.get_by_label("Stride").is_visible()
    assert not page.get_by_label("Dilation").is_visible()
    assert not page.get_by_label("Operation").is_visible()
    assert not page.get_by_text("Stride and dilation").is_visible()


def test_a_cell_that_is_typed_into_is_named_by_its_new_number(mount):
    page = mount(ConvolutionExplorer())
    for label, place in (("Input", (1, 1)), ("Kernel", (2, 0))):
        cell(page, label, *place).first.focus()
        page.keyboard.type("7")
        row, column = place
        assert page.evaluate("document.activeElement.ariaLabel") == f"row {row}, column {column}: 7"


def test_every_grid_of_a_channel_says_which(mount):
    page = mount(ConvolutionExplorer(np.ones((3, 3, 2)), np.ones((2, 2, 2, 2))))
    titles = page.locator(".cb-panel > .cb-title").all_inner_texts()
    filters = [f"{name}channel {c}" for f in range(2) for c, name in enumerate((f"Filter {f}, ", ""))]
    parts = [f"{word}, channel {c}" for c in range(2) for word in ("Window", "Kernel", "Products")]
    expected = ["Input, channel 0", "channel 1", *filters, "Output, filter 0", "Output, filter 1", *parts]
    assert titles == expected


def test_the_equals_sign_stands_with_the_output(mount):
    for size in (6, 14):
        page = mount(ConvolutionExplorer(np.ones((size, size))), width=640)
        sign, output = (
            page.get_by_text("=", exact=True).first.bounding_box(),
            page.locator(".cb-output").first.bounding_box(),
        )
        assert output["y"] < sign["y"] < output["y"] + output["height"]
        assert sign["x"] < output["x"]


def test_the_keyboard_alone_reaches_and_changes_everything(mount):
    page = mount(ConvolutionExplorer())
    page.keyboard.press("Tab")
    reached = []
    while len(reached) < 60 and (name := page.evaluate(FOCUSED)):
        reached.append(name)
        page.keyboard.press("Tab")
    assert reached == [
        "Input", "Input size", "Kernel", "Kernel size", "Stride", "Padding", "Dilation", "Operation",
        "A click on the input", "Input", "Kernel", "Bias", "Output", "Play", "Step", "Reset", "Window", "Kernel",
        "Products",
    ]  # fmt: skip
    cell(page, "Kernel", 0, 0).first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    page.keyboard.type("-3")
    kernel = np.array(KERNELS["Sobel, left to right"], float)
    kernel[1, 1] = -3
    image = np.array(ConvolutionExplorer().images["an edge"])
    expected = ops.conv(image[None], kernel[:, :, None, None])[0, :, :, 0]
    assert_allclose(read(page, "Output"), expected)
    cell(page, "Output", 0, 0).focus()
    page.keyboard.press("End")
    page.keyboard.press("ArrowDown")
    assert said(page).startswith("Output (1, 3): ")
    assert page.evaluate(
        "document.activeElement.getAttribute('aria-label')"
    ) == f"row 1, column 3: {expected[1, 3]:.0f}".replace("-", "−")


def test_a_finger_draws(mount):
    page = mount(ConvolutionExplorer(), width=360, has_touch=True, is_mobile=True)
    page.get_by_label("A click on the input").select_option("draw")
    cell(page, "Input", 2, 1).tap()
    assert read(page, "Input")[2, 1] == 9
    assert page.get_by_label("Input", exact=True).first.input_value() == "your own"


def test_a_finger_draws_a_line_and_scrolls_nothing(mount):
    for explorer in (ConvolutionExplorer(), ConvolutionExplorer(rng.integers(0, 9, (5, 5, 2)), np.ones((3, 3, 2, 1)))):
        page = mount(explorer, width=360, has_touch=True, is_mobile=True)
        page.set_viewport_size({"width": 360, "height": 500})
        grid = page.locator(".cb-grid.cb-input").first
        assert grid.evaluate("(grid) => getComputedStyle(grid).touchAction") == "manipulation"
        page.get_by_label("A click on the input").select_option("draw")
        grid.scroll_into_view_if_needed()
        before = page.evaluate("scrollY")
        boxes = [grid.locator(f'[data-row="{row}"][data-column="1"]').bounding_box() for row in (4, 3, 2, 1)]
        points = [{"x": box["x"] + 9, "y": box["y"] + 9} for box in boxes]
        finger = page.context.new_cdp_session(page)
        finger.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": points[:1]})
        for point in points[1:]:
            finger.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [point]})
        finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        label = grid.get_attribute("aria-label")
        assert read(page, label)[1:5, 1].tolist() == [9, 9, 9, 9]
        assert page.evaluate("scrollY") == before


def test_reset_ends_a_play_and_returns_to_the_opening(mount):
    explorer = ConvolutionExplorer(selected=(1, 2, 0))
    page = mount(explorer)
    opening = said(page)
    cell(page, "Input", 0, 0).focus()
    page.keyboard.type("7")
    page.get_by_role("button", name="Play").click()
    assert said(page).startswith("Output (1, 3)")
    page.get_by_role("button", name="Reset").click()
    page.mouse.move(0, 0)
    page.wait_for_timeout(1000)
    assert said(page) == opening
    assert_allclose(read(page, "Input"), explorer.input[:, :, 0])
    assert page.get_by_role("button", name="Play").count() == 1


def test_stepping_goes_through_all_outputs_and_begins_anew(mount):
    page = mount(ConvolutionExplorer())
    places = []
    for _ in range(17):
        places.append(said(page).split(":")[0])
        page.get_by_role("button", name="Step").click()
    assert places == [f"Output ({n // 4}, {n % 4})" for n in [*range(16), 0]]


def test_playing_can_be_stopped(mount):
    page = mount(ConvolutionExplorer())
    page.get_by_role("button", name="Play").click()
    page.wait_for_function("document.querySelector('[role=status]').textContent.startsWith('Output (0, 2)')")
    page.get_by_role("button", name="Stop").click()
    before = said(page)
    page.wait_for_timeout(1000)
    assert said(page) == before


def test_a_setting_without_a_place_for_the_kernel_is_refused_and_says_why(mount):
    page = mount(ConvolutionExplorer())
    page.evaluate(TURN, [["Dilation", 3]])
    assert said(page) == "The kernel spans 7 pixels and the padded input has 6: there is no place for it."
    assert page.get_by_label("Dilation").input_value() == "1"
    assert read(page, "Output").shape == (4, 4)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_fits_a_telephone(mount, theme):
    for explorer in (ConvolutionExplorer(), ConvolutionExplorer(np.ones((5, 5, 3)), np.ones((3, 3, 3, 2)), padding=1)):
        page = mount(explorer, width=360, theme=theme)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
