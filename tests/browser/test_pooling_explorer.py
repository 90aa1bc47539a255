"""``PoolingExplorer`` on a page: its numbers are those of ``ops``, by mouse, keyboard and touch."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from browser.visits import violations
from convbook import gradients, ops
from convbook.explorers import PoolingExplorer
from convbook.shapes import padding_amounts

rng = np.random.default_rng(11)
POOLS = {"max": ops.max_pool, "average": ops.average_pool, "l2": ops.l2_pool}
ARROWS = {"Shift up": (-1, 0), "Shift left": (0, -1), "Shift right": (0, 1), "Shift down": (1, 0)}

# Does what a reader does, step by step: sets a control, types into a cell of the input, or presses a button.
TURN = """async (steps) => {
  for (const [name, value, key] of steps) {
    const label = [...document.querySelectorAll("label")].find((found) => found.textContent === name);
    if (name === "cell") {
      document.querySelector(`[aria-label="Input"] [data-row="${value[0]}"][data-column="${value[1]}"]`).focus();
      document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
      document.activeElement.blur();
    } else if (label) {
      const control = document.getElementById(label.htmlFor);
      control.value = value;
      control.dispatchEvent(new Event("change", { bubbles: true }));
    } else {
      [...document.querySelectorAll("button")].find((found) => (found.ariaLabel ?? found.textContent) === name).click();
    }
    await Promise.resolve();
  }
}"""
READ = """(label) => [...document.querySelector(`[role=grid][aria-label="${label}"]`).children].map(
  (row) => [...row.children].map(({ textContent: text }) => text === "" ? NaN : Number(text.replace("−", "-"))))"""
MARKED = """([label, mark]) => [...document.querySelector(`[role=grid][aria-label="${label}"]`).children].map(
  (row) => [...row.children].map((cell) => cell.classList.contains(mark)))"""
SHOWN = f"""() => {{
  const [read, marked] = [{READ}, {MARKED}];
  return {{
    inputs: [read("Input"), read("Input, shifted")],
    outputs: [read("Output"), read("Output, shifted")],
    changed: marked(["Output, shifted", "cb-changed"]),
    kept: marked(["Output, shifted", "cb-kept"]),
    said: document.querySelector("[role=status]").textContent,
  }};
}}"""


def read(page, label):
    """The numbers of a grid; cells without one are not-a-number."""
    return np.array(page.evaluate(READ, label))


def marked(page, label, mark):
    """Which cells of a grid have a mark."""
    return np.array(page.evaluate(MARKED, [label, mark]))


def cell(page, label, row, column):
    return page.locator(f'[role=grid][aria-label="{label}"] [data-row="{row}"][data-column="{column}"]')


def said(page):
    return page.locator("[role=status]").inner_text()


def told(page):
    return page.locator(".cb-message:not([role])").inner_text()


def press(page, name, times=1):
    for _ in range(times):
        page.get_by_role("button", name=name).click()


def moved(image, down, right):
    """The image after a shift, pixel by pixel."""
    result = np.zeros_like(image)
    for i, j in np.ndindex(image.shape):
        if 0 <= i - down < image.shape[0] and 0 <= j - right < image.shape[1]:
            result[i, j] = image[i - down, j - right]
    return result


def pool(image, kind, *setting):
    return POOLS[kind](image[None, :, :, None], *setting)[0, :, :, 0]


def padded(image, size, stride, padding):
    """As the page shows it: padding has no number."""
    return np.pad(image, [padding_amounts(padding, n, size, stride) for n in image.shape], constant_values=np.nan)


# --- numbers --------------------------------------------------------------------------------------------------


def test_two_hundred_settings_give_the_numbers_of_ops(mount):
    explorer = PoolingExplorer()
    page = mount(explorer)
    seen = set()
    while len(seen) < 200:
        name = list(explorer.images)[rng.integers(3)]
        n, (size, stride) = int(rng.integers(4, 13)), map(int, rng.integers(1, 5, 2))
        kind, padding = list(POOLS)[rng.integers(3)], ["valid", "same"][rng.integers(2)]
        presses = [list(ARROWS)[i] for i in rng.integers(4, size=rng.integers(0, 4))]
        seen.add((name, n, size, stride, kind, padding, *presses))
        full = np.zeros((12, 12))
        preset = np.array(explorer.images[name])
        full[: len(preset), : len(preset)] = preset
        image = full[:n, :n]
        places = rng.choice(n * n, 3, replace=False)
        cells = [[int(at) // n, int(at) % n, str(rng.integers(10))] for at in places]
        for i, j, key in cells:
            image[i, j] = int(key)
        turned = [["Pooling", kind], ["Pool size", size], ["Stride", stride], ["Padding", padding]]
        typed = [["cell", at, key] for *at, key in cells]
        filled = [["Padding", "valid"], ["Back"], ["Input", name], ["Input size", n], *typed]
        page.evaluate(TURN, [*filled, *turned, *([name] for name in presses)])
        down, right = map(sum, zip((0, 0), *(ARROWS[name] for name in presses), strict=True))
        after = moved(image, down, right)
        outputs = [pool(image, kind, size, stride, padding), pool(after, kind, size, stride, padding)]
        shown = page.evaluate(SHOWN)
        for grid, expected in zip(shown["inputs"], (image, after), strict=True):
            assert_array_equal(grid, padded(expected, size, stride, padding), err_msg=str(turned))
        for grid, expected in zip(shown["outputs"], outputs, strict=True):
            assert_allclose(grid, expected, rtol=0, atol=0.00501, err_msg=str(turned))
        changed = np.abs(outputs[0] - outputs[1]) > 1e-9
        assert_array_equal(shown["changed"], changed)
        assert_array_equal(shown["kept"], ~changed)
        pixels = f"{(image != after).sum()} of {n * n} pixels changed"
        values = f"{changed.sum()} of {changed.size} pooled values did."
        assert shown["said"].endswith(f"{pixels}, {values}" if (down, right) != (0, 0) else "see how many stay.")


def test_an_input_that_is_no_square_and_has_negative_numbers(mount):
    image = rng.normal(size=(5, 9))
    for kind in POOLS:
        page = mount(PoolingExplorer(image, pool=kind, pool_size=3, strides=2, padding="same", shift=(-1, 2)))
        assert_allclose(read(page, "Output"), pool(image, kind, 3, 2, "same"), atol=0.00501)
        shifted = moved(image, -1, 2)
        assert_allclose(read(page, "Output, shifted"), pool(shifted, kind, 3, 2, "same"), atol=0.00501)


def test_the_same_sum_in_another_order_stayed(mount):
    image = np.zeros((2, 4))
    image[0] = [0.3, 0, 0.1, 0.2]  # 0.1 + 0.2 is not 0.3 to the last digit
    page = mount(PoolingExplorer(image, pool="average", shift=(0, -2)))
    assert_array_equal(marked(page, "Output, shifted", "cb-changed"), [[False, True]])
    assert said(page) == "Shifted by 2 to the left: 4 of 8 pixels changed, 1 of 2 pooled values did."


# --- what is pointed at ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("label", ["Output", "Output, shifted"])
def test_pointing_at_an_output_shows_its_window_and_the_pixel_that_won(mount, label):
    image = rng.permutation(81).reshape(9, 9).astype(float)
    page = mount(PoolingExplorer(image, pool_size=3, strides=2, padding="same", shift=(1, 0)))
    shown = {"Input": image, "Input, shifted": moved(image, 1, 0)}
    for row, column in [(0, 0), (2, 3), (4, 4), (1, 0)]:
        cell(page, label, row, column).hover()
        window = np.zeros((11, 11), bool)
        window[2 * row : 2 * row + 3, 2 * column : 2 * column + 3] = True
        window = window & np.pad(np.ones((9, 9), bool), 1)
        for name, pixels in shown.items():
            assert_array_equal(marked(page, name, "cb-window"), window)
            seen = np.where(window, np.pad(pixels, 1), -1)
            won = np.unravel_index(seen.argmax(), seen.shape)
            assert_array_equal(np.argwhere(marked(page, name, "cb-winner")), [won])
        name = "Input" if label == "Output" else "Input, shifted"
        values = np.pad(shown[name], 1)[window]
        i, j = np.argwhere(shown[name] == values.max())[0]
        sentence = (
            f"utput ({row}, {column}) is {values.max():.0f}, the largest of its {window.sum()} pixels, at ({i}, {j})."
        )
        assert sentence in told(page)
        assert_array_equal(np.argwhere(marked(page, "Output", "cb-selected")), [[row, column]])
        assert_array_equal(np.argwhere(marked(page, "Output, shifted", "cb-selected")), [[row, column]])


def test_how_a_mean_and_a_norm_are_made_is_told(mount):
    image = [[3, -4, 0, 0], [0, 0, 0, 0], [1, 2, 3, 4], [5, 6, 7, 8]]
    page = mount(PoolingExplorer(image, pool="average", shift=(0, 0)))
    cell(page, "Output", 0, 0).hover()
    assert told(page) == "Output (0, 0) is −0.25, the mean of its 4 pixels: (3 − 4 + 0 + 0)/4."
    page.get_by_label("Pooling", exact=True).select_option("l2")
    cell(page, "Output", 0, 0).hover()
    assert told(page) == "Output (0, 0) is 5, the root of the sum of squares of its 4 pixels: √(3² + (−4)² + 0² + 0²)."
    page.evaluate(TURN, [["Pool size", 4]])
    assert told(page).startswith("Output (0, 0) is 15.13, ")
    assert "of its 16 pixels: √229." in told(page)
    page.evaluate(TURN, [["Pooling", "average"]])
    assert "the mean of its 16 pixels: 35/16." in told(page)


def test_equal_pixels_the_first_wins(mount):
    page = mount(PoolingExplorer([[1, 7], [7, 7]], shift=(0, 0)))
    cell(page, "Output", 0, 0).hover()
    assert told(page) == "Output (0, 0) is 7, the largest of its 4 pixels, at (0, 1), the first of 3 alike."
    assert_array_equal(np.argwhere(marked(page, "Input", "cb-winner")), [[0, 1]])


@pytest.mark.parametrize(
    ("size", "stride", "padding"), [(2, 2, "valid"), (3, 2, "same"), (2, 3, "valid"), (3, 1, "valid")]
)
def test_pointing_at_a_pixel_shows_where_it_goes_and_what_it_wins(mount, size, stride, padding):
    image = np.random.default_rng(0).integers(0, 10, (8, 8)).astype(float)
    image[4, 4] = 10  # wins wherever it is, before the shift and after it
    page = mount(PoolingExplorer(image, pool_size=size, strides=stride, padding=padding, shift=(-1, 1)))
    before = padding_amounts(padding, 8, size, stride)[0]
    for side, pixels in (("", image), (", shifted", moved(image, -1, 1))):
        fates = set()
        for i, j in [(0, 0), (4, 4), (3, 5), (7, 7), (1, 6), (4, 2), (5, 5), (0, 7)]:
            cell(page, f"Input{side}", i + before, j + before).hover()
            one = np.zeros((8, 8))
            one[i, j] = 1
            reached = pool(one, "average", size, stride, padding) > 0
            # The gradient of a maximum goes to the pixel that won.
            ones = np.ones((1, *reached.shape, 1))
            won = gradients.max_pool(pixels[None, :, :, None], ones, size, stride, padding)[0, i, j, 0]
            assert_array_equal(marked(page, f"Output{side}", "cb-reached"), reached)
            assert marked(page, f"Output{side}", "cb-won").sum() == won
            assert not (marked(page, f"Output{side}", "cb-won") & ~reached).any()
            assert not marked(page, "Output" if side else "Output, shifted", "cb-reached").any()
            assert_array_equal(np.argwhere(marked(page, f"Input{side}", "cb-here")), [[i + before, j + before]])
            count = int(reached.sum())
            if count == 0:
                expected = "is in no window: the output knows nothing of it."
            else:
                fate = "none:" if won == 0 else "it." if count == 1 else f"{won:.0f} of them."
                expected = f"is in {count} window{'s' * (count > 1)} and wins {fate}"
            assert told(page).startswith(f"Pixel ({i}, {j}), a {pixels[i, j]:.0f}, {expected}")
            fates.add((count, won))
        assert len(fates) > 1
        assert max(won for _, won in fates) > 0
    page.mouse.move(5, 5)
    assert told(page).startswith("After the shift, output (0, 1)")
    assert not marked(page, "Output, shifted", "cb-reached").any()


def test_every_pixel_has_a_part_in_a_mean(mount):
    page = mount(PoolingExplorer(pool="average", pool_size=3, strides=1))
    cell(page, "Input", 4, 4).hover()
    assert told(page) == "Pixel (4, 4), a 5, is in 9 windows and has a part in each of their outputs."
    assert marked(page, "Output", "cb-reached").sum() == 9
    assert not marked(page, "Output", "cb-won").any()
    assert not marked(page, "Input", "cb-winner").any()
    assert page.get_by_text("the largest of the window").is_hidden()


# --- shifts ---------------------------------------------------------------------------------------------------


def test_the_opening_example_makes_the_point(mount):
    page = mount(PoolingExplorer())
    assert said(page) == "Shifted by 1 to the right: 37 of 64 pixels changed, 3 of 16 pooled values did."
    press(page, "Back")
    assert said(page) == "Not shifted: 64 pixels are pooled into 16 values. Press an arrow and see how many stay."
    press(page, "Shift left")
    assert said(page) == "Shifted by 1 to the left: 29 of 64 pixels changed, 14 of 16 pooled values did."
    press(page, "Shift down", 2)
    assert said(page).startswith("Shifted by 2 down and 1 to the left: ")


def test_what_is_pushed_over_the_border_is_lost_and_comes_back(mount):
    explorer = PoolingExplorer(rng.integers(1, 10, (6, 6)), shift=(0, 0))
    page = mount(explorer)
    press(page, "Shift right", 2)
    press(page, "Shift up")
    lost = np.zeros((6, 6), bool)
    lost[0], lost[:, 4:] = True, True
    assert_array_equal(marked(page, "Input", "cb-lost"), lost)
    assert_array_equal(marked(page, "Input, shifted", "cb-came"), np.rot90(lost, 2))
    assert_array_equal(read(page, "Input, shifted") == 0, np.rot90(lost, 2))
    cell(page, "Input", 0, 3).hover()
    assert told(page).endswith(" The shift pushes it over the border.")
    cell(page, "Input, shifted", 5, 5).hover()
    assert told(page).startswith("Pixel (5, 5), a 0, is in 1 window")
    assert told(page).endswith(" It came in with the shift.")
    press(page, "Shift left", 2)
    press(page, "Shift down")
    assert_array_equal(read(page, "Input, shifted"), explorer.input)
    assert not marked(page, "Input", "cb-lost").any()
    assert said(page).startswith("Not shifted")


def test_a_shift_is_announced_once(mount):
    page = mount(PoolingExplorer())
    page.evaluate(
        """() => { window.heard = [];
          const status = document.querySelector("[role=status]");
          new MutationObserver((all) => all.forEach(() => window.heard.push(status.textContent)))
            .observe(status, { childList: true, characterData: true, subtree: true }); }"""
    )
    press(page, "Shift down")
    cell(page, "Output", 3, 3).hover()
    cell(page, "Input", 3, 3).hover()
    assert page.evaluate("window.heard") == [said(page)]
    assert said(page).startswith("Shifted by 1 down and 1 to the right: ")
    assert page.locator("[role=status]").get_attribute("aria-live") == "polite"
    assert page.locator("[role=status]").count() == 1


def test_a_setting_that_cannot_be_is_refused_and_says_why(mount):
    page = mount(PoolingExplorer(np.ones((3, 5)), shift=(0, 0)))
    page.evaluate(TURN, [["Pool size", 4]])
    assert said(page) == "A window of 4×4 has no place on 3×5 pixels without padding."
    assert page.get_by_label("Pool size").input_value() == "2"
    cell(page, "Output", 0, 1).hover()
    assert said(page).startswith("A window of 4×4 has no place")
    page.evaluate(TURN, [["Padding", "same"], ["Pool size", 4]])
    assert read(page, "Output").shape == (2, 3)
    assert said(page).startswith("Not shifted")
    page.evaluate(TURN, [["Padding", "valid"]])
    assert said(page) == "A window of 4×4 has no place on 3×5 pixels without padding."
    assert page.get_by_label("Padding").input_value() == "same"
    page.evaluate(TURN, [["Shift up"]] * 13)
    assert said(page) == "Shifts go no farther than 12 pixels: nothing of the input is left."
    page.evaluate(TURN, [["Shift down"]])
    assert said(page).startswith("Shifted by 11 up: 15 of 15 pixels changed")


def test_reset_brings_back_the_beginning(mount):
    page = mount(PoolingExplorer(selected=(2, 2)))
    before = page.locator(".convbook-explorer").inner_text()
    changes = [["Input", "a digit"], ["cell", [1, 1], "4"], ["Pooling", "l2"], ["Padding", "same"], ["Stride", 1]]
    page.evaluate(TURN, [*changes, ["Shift up"]])
    cell(page, "Output", 0, 0).hover()
    page.mouse.move(5, 5)
    assert page.locator(".convbook-explorer").inner_text() != before
    press(page, "Reset")
    assert page.locator(".convbook-explorer").inner_text() == before
    values = page.locator("select, input").evaluate_all("(all) => all.map((control) => control.value)")
    assert values == ["a letter", "8", "max", "2", "2", "valid", "look", "9"]


# --- keyboard, touch, eyes and ears ---------------------------------------------------------------------------


def focused(page):
    return page.evaluate(
        """() => { const at = document.activeElement; return at === document.body ? null :
           at.closest("[role=grid]")?.getAttribute("aria-label") ?? at.labels?.[0]?.textContent
           ?? at.getAttribute("aria-label") ?? at.textContent; }"""
    )


def test_the_keyboard_alone_reaches_and_changes_everything(mount):
    page = mount(PoolingExplorer())

    def to(name):
        page.keyboard.press("Tab")
        while focused(page) != name:
            page.keyboard.press("Tab")

    reached = []
    page.keyboard.press("Tab")
    while (at := focused(page)) is not None:
        reached.append(at)
        page.keyboard.press("Tab")
    assert reached == [
        "Input", "Input size", "Pooling", "Pool size", "Stride", "Padding", "A click on the input", "Input", "Output",
        "Shift up", "Shift left", "Back", "Shift right", "Shift down", "Input, shifted", "Output, shifted", "Reset",
    ]  # fmt: skip
    to("Input")
    page.keyboard.type("a digit")
    to("Pooling")
    page.keyboard.press("ArrowDown")
    to("Stride")
    page.keyboard.press("ArrowUp")
    to("Input")
    page.keyboard.press("Tab")
    page.evaluate("document.activeElement.blur()")
    image = np.array(PoolingExplorer().images["a digit"])
    assert_allclose(read(page, "Output"), pool(image, "average", 2, 3, "valid"), atol=0.00501)

    cell(page, "Input", 0, 0).focus()
    for key in ("ArrowDown", "ArrowRight", "1", "2"):
        page.keyboard.press(key)
    image[1, 1] = 12
    assert_array_equal(read(page, "Input"), image)
    label = "document.activeElement.getAttribute('aria-label')"
    assert page.evaluate(label) == told(page) == "Pixel (1, 1), a 12, is in 1 window and has a part in its output."
    page.keyboard.press("Delete")
    image[1, 1] = 0
    assert page.evaluate(label).startswith("Pixel (1, 1), a 0, is in 1 window")

    for name in ("Shift right", "Shift up"):
        to(name)
        page.keyboard.press("Enter")
        assert focused(page) == name
    assert_array_equal(read(page, "Input, shifted"), moved(image, -1, 2))
    to("Output, shifted")
    page.keyboard.press("End")
    page.keyboard.press("ArrowDown")
    assert page.evaluate(label) == told(page)
    assert told(page).startswith("After the shift, output (1, 2) is ")
    page.keyboard.press("Tab")
    assert focused(page) == "Reset"
    assert cell(page, "Output, shifted", 1, 2).get_attribute("aria-label") is None


def test_a_finger_looks_draws_and_shifts(mount):
    page = mount(PoolingExplorer(), width=360, has_touch=True, is_mobile=True)
    cell(page, "Output", 3, 0).tap()
    assert told(page) == "Output (3, 0) is 9, the largest of its 4 pixels, at (6, 0)."
    cell(page, "Input", 3, 2).tap()
    assert told(page) == "Pixel (3, 2), a 9, is in 1 window and wins it."
    page.get_by_role("button", name="Shift right").tap()
    assert said(page).startswith("Shifted by 2 to the right")
    page.get_by_label("A click on the input").select_option("draw")
    cell(page, "Input", 2, 2).tap()
    assert read(page, "Input")[2, 2] == 9
    assert page.get_by_label("Input", exact=True).first.input_value() == "your own"
    page.get_by_label("Brush").fill("3")
    cell(page, "Input", 2, 4).tap()
    assert read(page, "Input")[2, 4] == 3
    cell(page, "Input, shifted", 2, 5).tap()
    assert read(page, "Input, shifted")[2, 4:7].tolist() == [9, 0, 3]


def test_a_mouse_draws_a_line(mount):
    page = mount(PoolingExplorer(np.zeros((6, 6))))
    page.get_by_label("A click on the input").select_option("draw")
    cell(page, "Input", 1, 1).hover()
    page.mouse.down()
    for column in range(2, 5):
        cell(page, "Input", 1, column).hover()
    page.mouse.up()
    cell(page, "Input", 1, 5).hover()
    assert read(page, "Input")[1].tolist() == [0, 9, 9, 9, 9, 0]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_no_fault(mount, theme):
    assert violations(mount(PoolingExplorer(), theme=theme)) == []


LARGE = {"input": rng.integers(0, 10, (12, 12)), "pool": "l2", "pool_size": 4, "strides": 1, "padding": "same"}


@pytest.mark.parametrize("state", [{}, LARGE])
def test_it_fits_a_telephone_with_room_for_fingers(mount, state):
    page = mount(PoolingExplorer(**state), width=360)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    small = """() => [...document.querySelectorAll(".convbook-explorer :is(button, select, input, [role=gridcell])")]
      .filter((target) => target.checkVisibility()).map((target) => target.getBoundingClientRect())
      .filter(({ width, height }) => Math.min(width, height) < 24).length"""
    assert page.evaluate(small) == 0


def test_what_stayed_and_what_changed_differ_without_colour(mount):
    page = mount(PoolingExplorer(), forced_colors="active")
    sign = """(mark) => [...document.querySelectorAll(`[aria-label="Output, shifted"] .${mark}`)].map(
      (cell) => getComputedStyle(cell, "::after").content.split(" / ")[0])"""
    assert page.evaluate(sign, "cb-kept") == ['"="'] * 13
    assert page.evaluate(sign, "cb-changed") == ['"≠"'] * 3
