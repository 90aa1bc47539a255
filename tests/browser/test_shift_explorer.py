"""``ShiftExplorer`` on a page: its numbers are those of ``ops``, by mouse, keyboard and touch."""

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from numpy.testing import assert_allclose, assert_array_equal

from convbook import ops
from convbook.explorers import ShiftExplorer

rng = np.random.default_rng(11)

MAPS = {
    "picture before": "the picture before", "picture": "the picture moved",
    "map before": "the feature map before", "map": "the feature map moved",
    "pooled before": "the pooled map before", "pooled": "the pooled map moved",
}  # fmt: skip

# Sets controls as a reader does, clicks buttons and presses keys, and waits until the page has shown it.
TURN = """async ([settings, clicks, keys]) => {
  for (const [label, value] of settings) {
    const name = [...document.querySelectorAll("label")].find((found) => found.textContent === label);
    const control = document.getElementById(name.htmlFor);
    control.value = value;
    control.dispatchEvent(new Event("change", { bubbles: true }));
    await Promise.resolve();
  }
  const buttons = [...document.querySelectorAll(".cb-pad button")];
  for (const name of clicks) buttons.find((button) => button.textContent === name).click();
  const digit = document.querySelector("[role=application]");
  for (const key of keys) digit.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
  await Promise.resolve();
}"""

# All numbers on the page, those of the maps through the menu that shows them.
READ = """async (names) => {
  const number = (node) => Number(node.textContent.replace("−", "-"));
  const grid = (root) => [...root.children].map((row) => [...row.children].map(number));
  const label = [...document.querySelectorAll("label")].find((found) => found.textContent === "Numbers of");
  const menu = document.getElementById(label.htmlFor);
  const found = { kernel: grid(document.querySelector('[role=grid][aria-label="Kernel"]')) };
  for (const [key, option] of names) {
    menu.value = option;
    menu.dispatchEvent(new Event("change", { bubbles: true }));
    await Promise.resolve();
    found[key] = grid(document.querySelector(".cb-numbers [role=grid]"));
  }
  const cells = [...document.querySelectorAll(".cb-bars td")].map(number);
  found.hidden = [cells.filter((_, n) => n % 2 === 0), cells.filter((_, n) => n % 2 === 1)];
  found.strongest = [...document.querySelectorAll(".cb-bars tr")].slice(1).map((row) =>
    [...row.querySelectorAll("td")].map((cell) => cell.classList.contains("cb-strongest")));
  found.verdicts = [...document.querySelectorAll(".cb-verdict")].map((verdict) =>
    [...verdict.children].map((child) => child.textContent));
  found.place = document.querySelector(".cb-place").textContent;
  return found;
}"""

# What is drawn on a canvas, cell by cell, as colours: its fill, and where it may have a frame, a dot and a dash.
DRAWN = """(label) => {
  const canvas = document.querySelector(`canvas[aria-label^="${label}"]`);
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const at = (x, y) => [...data.subarray(4 * (y * canvas.width + x), 4 * (y * canvas.width + x) + 4)];
  const rows = [];
  for (let y = 0; y < canvas.height; y += 16) {
    rows.push([]);
    for (let x = 0; x < canvas.width; x += 16) {
      rows.at(-1).push([at(x + 4, y + 4), at(x + 1, y + 1), at(x + 7, y + 6), at(x + 11, y + 8)]);
    }
  }
  return rows;
}"""

FOCUSED = """() => {
  const at = document.activeElement;
  if (at === document.body) return null;
  return at.closest("[role=grid]")?.getAttribute("aria-label") ?? at.labels?.[0]?.textContent
    ?? at.getAttribute("aria-label") ?? at.textContent;
}"""


def shifted(image, rows, columns):
    """The image moved: what leaves is lost, and zeros come in."""
    (h, w), moved = image.shape, np.zeros_like(image)
    rows, columns = np.clip([rows, columns], [-h, -w], [h, w])
    inside = image[max(0, -rows) : h - max(0, rows), max(0, -columns) : w - max(0, columns)]
    moved[max(0, rows) : h + min(0, rows), max(0, columns) : w + min(0, columns)] = inside
    return moved


def computed(image, shift, kernel, dense_kernel, padding, pool_size):
    """All that the explorer shows, by the library."""
    found = {"picture before": image, "picture": shifted(image, *shift), "hidden": []}
    for key in (" before", ""):
        volume = found["picture" + key][None, :, :, None]
        feature_map = ops.conv(volume, kernel[:, :, None, None], 1, padding)
        found["map" + key] = feature_map[0, :, :, 0]
        found["pooled" + key] = ops.max_pool(np.maximum(feature_map, 0), pool_size)[0, :, :, 0]
        found["hidden"].append(volume.ravel() @ dense_kernel)
    return found


def way(rows, columns):
    parts = []
    for count, one, forth, back in ((rows, "row", "down", "up"), (columns, "column", "right", "left")):
        if count:
            parts.append(f"{abs(count)} {one}{'s' if abs(count) > 1 else ''} {forth if count > 0 else back}")
    return " and ".join(parts)


def moves_between(before, after):
    """All ways to move one map so that it is the other, which is not 0 everywhere."""
    if not after.any():
        return []
    place = tuple(np.argwhere(after)[0])
    # One of the old map's places that hold the first value of the new map has come to where that is.
    wanted = [(int(place[0] - i), int(place[1] - j)) for i, j in np.argwhere(before == after[place])]
    return [by for by in wanted if np.array_equal(shifted(before, *by), after)]


def verdicts(found, shift, pool_size):
    """The number and the sentence under each layer."""
    old, new = found["hidden"]
    first, last = (None if np.ptp(values) == 0 else int(values.argmax()) for values in (old, new))
    units = (
        "All units have the same value: none stands out." if last is None
        else f"Unit {last} is the strongest, as before." if first == last
        else f"Unit {first} was the strongest, now it is unit {last}."
    )  # fmt: skip
    wanted, moved = shifted(found["map before"], *shift), found["map"]
    places = ((wanted != 0) | (moved != 0)).sum()
    missing = (wanted != moved).sum()
    share = 100 if missing == 0 else min(99, max(int(missing < places), round(100 * (places - missing) / places)))
    along = (
        "Nothing of the map is left: it is 0 everywhere." if places == 0
        else f"At {missing} of {places} places (framed) it is not the old map, moved: there the border cuts."
        if missing else "Nothing has moved yet." if shift == (0, 0)
        else f"At all {places} places with a value the new map is the old one, moved: this is equivariance."
    )  # fmt: skip
    before, after = found["pooled before"], found["pooled"]
    values = ((before != 0) | (after != 0)).sum()
    stayed = ((before == after) & (before != 0)).sum()
    steps = moves_between(before, after)
    multiple = shift[0] % pool_size == shift[1] % pool_size == 0
    if not after.any():
        pooled = "Nothing of the map is left: it is 0 everywhere."
    elif shift == (0, 0):
        pooled = "Nothing has moved yet."
    elif steps:
        (by,) = steps
        how = (
            f"the move is a multiple of {pool_size}." if multiple else f"though the move is no multiple of {pool_size}."
        )
        pooled = f"It is the old map, moved {way(*by)}{': ' if multiple else ', '}{how}"
        pooled = pooled if any(by) else "It is the old map, though the digit has moved."
    elif multiple:
        cut = (shifted(before, shift[0] // pool_size, shift[1] // pool_size) != after).sum()
        where = f"{cut} place{'s' if cut > 1 else ''} (framed)"
        pooled = f"The move is a multiple of {pool_size}, but at {where} the border cuts."
    else:
        pooled = f"The move is no multiple of {pool_size}: no whole steps take the old map to this one."
    return [
        [f"{(old != new).sum()} of {old.size} changed", units],
        [f"{share} % of what is still in view moved along" if places else "0 moved along", along],
        [f"{stayed} of {values} stayed", pooled],
    ]


def drag(page, rows, columns, cells=20):
    """Drag the digit with the mouse."""
    box = page.get_by_role("application").bounding_box()
    x, y, cell = box["x"] + 70, box["y"] + 90, (box["width"] - 2) / cells
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + columns * cell / 2, y + rows * cell / 2)
    page.mouse.move(x + columns * cell, y + rows * cell)
    page.mouse.up()


def test_two_hundred_settings_give_the_numbers_of_ops(mount):
    explorer = ShiftExplorer()
    page = mount(explorer)
    kernels = {name: np.array(kernel, float) for name, kernel in explorer.kernels.items()}
    images = {name: np.array(image, float) for name, image in explorer.images.items()}
    for n in range(200):
        image, kernel = rng.choice(list(images)), rng.choice(list(kernels))
        padding, pool_size = rng.choice(["same", "valid"]), int(rng.integers(1, 5))
        most = 20 if n % 20 == 0 else 10
        shift = tuple(map(int, rng.integers(-most, most + 1, 2)))
        if n % 3 == 0:
            shift = tuple(pool_size * (by // pool_size) for by in shift)
        settings = [["Picture", image], ["Kernel", kernel], ["Padding", padding], ["Pool size", pool_size]]
        clicks, keys = ["Back"], []
        if n % 3 == 0:
            clicks += ["Down" if shift[0] > 0 else "Up"] * abs(shift[0]) + ["Right" if shift[1] > 0 else "Left"] * abs(
                shift[1]
            )
        if n % 3 == 1:
            keys = ["ArrowDown" if shift[0] > 0 else "ArrowUp"] * abs(shift[0])
            keys += ["ArrowRight" if shift[1] > 0 else "ArrowLeft"] * abs(shift[1])
        page.evaluate(TURN, [settings, clicks, keys])
        if n % 3 == 2:
            drag(page, *shift)
        wanted = list(MAPS) if n % 10 == 0 else ["map", "pooled"]
        read = page.evaluate(READ, [[key, MAPS[key]] for key in wanted])
        found = computed(images[image], shift, kernels[kernel], explorer.dense_kernel, padding, pool_size)
        setting = str((image, kernel, padding, pool_size, shift))
        for key in wanted:
            assert_array_equal(read[key], found[key], err_msg=f"{key} of {setting}")
        assert_array_equal(read["hidden"], found["hidden"], err_msg=setting)
        top = [
            (values == values.max()) & (np.arange(10) == values.argmax()) & (np.ptp(values) > 0)
            for values in found["hidden"]
        ]
        assert_array_equal(np.transpose(read["strongest"]), top, err_msg=setting)
        assert_array_equal(read["kernel"], kernels[kernel])
        assert read["verdicts"] == verdicts(found, shift, pool_size), setting
        lit, lost = ((found[key] != 0).sum() for key in ("picture before", "picture"))
        left = f" {lit - lost} of its {lit} pixels have left the picture." if lit > lost else ""
        assert read["place"] == (f"Moved {way(*shift)}." if any(shift) else "Not moved.") + left


def test_given_pictures_kernels_and_weights_give_the_numbers_of_ops(mount):
    moves = ((2, -2), "same", 2), ((-3, 1), "valid", 3), ((0, 4), "same", 4)
    for n, kernel_shape in enumerate([(1, 1), (2, 2), (4, 3), (5, 2), (5, 5)]):
        shape, (shift, padding, pool_size) = (int(rng.integers(8, 13)), int(rng.integers(8, 16))), moves[n % 3]
        image, kernel = np.round(rng.normal(size=shape), 2), np.round(rng.normal(size=kernel_shape), 2)
        weights = np.round(rng.normal(size=(shape[0] * shape[1], 3)), 2)
        explorer = ShiftExplorer(image, shift, kernel, weights, padding=padding, pool_size=pool_size)
        read = mount(explorer).evaluate(READ, [[key, MAPS[key]] for key in MAPS])
        found = computed(image, shift, kernel, weights, padding, pool_size)
        for key in [*MAPS, "hidden"]:
            assert_allclose(read[key], found[key], rtol=0, atol=0.00501, err_msg=key)
        missing = ~np.isclose(shifted(found["map before"], *shift), found["map"], rtol=0, atol=1e-6)
        number, sentence = read["verdicts"][1]
        assert (
            (number == "100 % of what is still in view moved along") == (missing.sum() == 0) == (kernel_shape == (1, 1))
        )
        assert sentence.startswith(f"At {missing.sum()} of " if missing.any() else "At all ")


def test_a_telephone_shows_beside_the_digit_what_becomes_of_the_layers(mount):
    page = mount(ShiftExplorer(shift=(0, 0)), width=360)
    short = page.locator(".cb-short")
    assert short.inner_text().split("\n") == ["unit 5 → 5", "map 100 %", "pooled 24 of 24"]
    digit, beside = page.locator(".cb-handle").bounding_box(), short.bounding_box()
    assert digit["x"] + digit["width"] <= beside["x"]
    assert digit["y"] < beside["y"] < digit["y"] + digit["height"]
    page.locator(".cb-handle").focus()
    page.keyboard.press("ArrowDown")
    explorer = ShiftExplorer(shift=(1, 0))
    kept = f"pooled {explorer._verdicts()[2].removesuffix(' stayed')}"
    assert short.inner_text().split("\n") == [f"unit 5 → {explorer.moved_hidden.argmax()}", "map 100 %", kept]
    assert not mount(ShiftExplorer(), width=1200).locator(".cb-short").is_visible()


def test_what_happened_is_for_ears_alone_and_of_the_last_move(mount):
    page = mount(ShiftExplorer(shift=(0, 0)))
    status = page.locator("[role=status]")
    assert max(status.bounding_box()[side] for side in ("width", "height")) <= 1
    page.locator(".cb-handle").focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowUp"):
        page.keyboard.press(key)
    page.get_by_label("Padding").select_option("valid")
    page.wait_for_timeout(700)
    assert status.text_content().startswith("Moved 1 row up and 2 columns right: ")


def test_the_marks_are_explained(mount):
    page = mount(ShiftExplorer())
    assert page.locator(".cb-key").inner_text().split("\n") == [
        "where the digit was", "not the old map, moved", "a pooled value that stayed", "below zero",
    ]  # fmt: skip


def test_nearly_all_is_not_all(mount):
    # The kernel reads the right neighbour. Of all bright pixels one alone stands at the border.
    image = np.zeros((20, 20))
    image[:, 1:-1] = image[0, 0] = 1
    read = mount(ShiftExplorer(image, (0, 1), [[0, 0, 1]])).evaluate(READ, [])
    assert read["verdicts"][1] == [
        "99 % of what is still in view moved along",
        "At 1 of 361 places (framed) it is not the old map, moved: there the border cuts.",
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_pictures_show_the_numbers_and_mark_what_the_sentences_speak_of(mount, theme):
    for shift, padding in (((-4, 8), "same"), ((1, 0), "same"), ((6, -6), "valid")):
        explorer = ShiftExplorer(shift=shift, padding=padding)
        page = mount(explorer, theme=theme)
        found = computed(explorer.image, shift, explorer.kernel, explorer.dense_kernel, padding, 2)
        labels = {
            "picture": "The picture, moved", "map before": "Feature map before", "map": "Feature map of",
            "pooled before": "Pooled map before", "pooled": "Pooled map of",
        }  # fmt: skip
        for key, label in labels.items():
            drawn = np.array(page.evaluate(DRAWN, label))
            values = found[key]
            strength = max(
                np.abs(found[name]).max() for name in (key, key.removesuffix(" before") + " before", key.split()[0])
            )
            inside = np.ones(values.shape, bool)
            if key == "picture":  # less the frame where the digit was
                inside[4:16, 4:16] = False
            assert_allclose(drawn[:, :, 0, 3][inside], (np.abs(values) / strength * 255)[inside], atol=1.5)
            strong = np.abs(values) > strength / 3
            if key != "picture":
                violet = drawn[:, :, 0, 2] > drawn[:, :, 0, 0]
                assert_array_equal(violet[strong], values[strong] > 0)
            framed, dotted = np.zeros(values.shape, bool), np.zeros(values.shape, bool)
            if key == "map":
                framed = shifted(found["map before"], *shift) != values
            if key == "pooled":
                dotted = (values == found["pooled before"]) & (values != 0)
                if shift[0] % 2 == shift[1] % 2 == 0:
                    framed = shifted(found["pooled before"], shift[0] // 2, shift[1] // 2) != values
            if key != "picture":
                differs = (np.abs(drawn[:, :, 1:] - drawn[:, :, [0]]) > 3).any(axis=-1)
                for n, marked in enumerate((framed, dotted, values < -0.1 * strength)):
                    assert_array_equal(differs[:, :, n], marked, err_msg=f"mark {n} of {key} {shift}")
            name = page.locator(f'canvas[aria-label^="{label}"]').get_attribute("aria-label").replace("−", "-")
            assert name.endswith(
                f": {values.shape[0]} by {values.shape[1]} numbers from {values.min():g} to {values.max():g}"
            )


def test_the_pictures_follow_the_theme(mount):
    page = mount(ShiftExplorer())
    drawn = '() => [...document.querySelectorAll("canvas")].map((canvas) => canvas.toDataURL())'
    light = page.evaluate(drawn)
    assert len(light) == 5
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    assert not set(light) & set(page.evaluate(drawn))
    page.evaluate("document.documentElement.dataset.theme = 'light'")
    assert page.evaluate(drawn) == light


def test_the_kernel_can_be_typed_and_any_kernel_is_taken(mount):
    explorer = ShiftExplorer(shift=(2, 1))
    page = mount(explorer)
    cell = page.locator('[aria-label="Kernel"] [data-row="0"][data-column="0"]')
    cell.focus()
    page.keyboard.type("-2")
    page.keyboard.press("ArrowRight")
    page.keyboard.type("0.5")
    kernel = np.array([[-2, 0.5, 1], [-2, 0, 2], [-1, 0, 1]])
    found = computed(explorer.image, (2, 1), kernel, explorer.dense_kernel, "same", 2)
    read = page.evaluate(READ, [[key, MAPS[key]] for key in MAPS])
    assert_allclose(read["map"], found["map"], atol=0.00501)
    assert page.get_by_label("Kernel", exact=True).first.input_value() == "your own"


def test_the_keyboard_alone_reaches_and_changes_everything(mount):
    page = mount(ShiftExplorer())
    page.keyboard.press("Tab")
    reached = []
    while len(reached) < 60 and (name := page.evaluate(FOCUSED)):
        reached.append(name)
        if name == "The digit: drag it, or move it with the arrow keys":
            for key in ("ArrowDown", "ArrowLeft", "ArrowLeft"):
                page.keyboard.press(key)
        if name in ("Down", "Right"):
            page.keyboard.press("Enter")
        if name == "Up":
            page.keyboard.press("Space")
        if name in ("Picture", "Padding"):
            page.keyboard.press("ArrowDown")
        if name == "Pool size":
            page.keyboard.type("3")
        if name == "Numbers of":
            page.keyboard.press("End")
        page.keyboard.press("Tab")
    assert reached == [
        "Picture", "Kernel", "Padding", "Pool size", "The digit: drag it, or move it with the arrow keys",
        "Up", "Left", "Back", "Right", "Down", "Kernel", "Numbers of", "Numbers of the pooled map moved",
    ]  # fmt: skip
    explorer = ShiftExplorer()
    found = computed(
        np.array(explorer.images["a 0"], float), (2, -1), explorer.kernel, explorer.dense_kernel, "valid", 3
    )
    read = page.evaluate(READ, [[key, MAPS[key]] for key in MAPS])
    assert read["place"] == "Moved 2 rows down and 1 column left."
    assert_array_equal(read["pooled"], found["pooled"])


def test_a_finger_moves_the_digit_and_nothing_is_too_small_to_hit(mount):
    page = mount(ShiftExplorer(shift=(0, 0)), width=360, has_touch=True, is_mobile=True)
    page.get_by_role("button", name="Down").tap()
    page.get_by_role("button", name="Left").tap()
    assert page.locator(".cb-place").inner_text() == "Moved 1 row down and 1 column left."
    box = page.get_by_role("application").bounding_box()
    x, y, pixel = box["x"] + 50, box["y"] + 50, (box["width"] - 2) / 20
    finger = page.context.new_cdp_session(page)
    finger.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
    for part in (0.3, 0.7, 1):
        to = {"x": x + 4 * pixel * part, "y": y + 6 * pixel * part}
        finger.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [to]})
    finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    assert page.locator(".cb-place").inner_text().startswith("Moved 7 rows down and 3 columns right.")
    assert page.evaluate("window.scrollY") == 0
    for target in page.locator(".convbook-explorer :is(button, select, input, [role=application])").all():
        size = target.bounding_box()
        assert min(size["width"], size["height"]) >= 24, target.evaluate("node => node.outerHTML")


def test_a_pause_is_spoken_and_not_every_step(mount):
    page = mount(ShiftExplorer(shift=(0, 0)))
    status = page.get_by_role("status")
    assert status.inner_text() == "The digit is where it was: drag it, press the arrow keys on it, or use the buttons."
    assert status.get_attribute("aria-live") == "polite"
    page.evaluate(
        """() => { window.spoken = []; const status = document.querySelector("[role=status]");
           new MutationObserver(() => spoken.push(status.textContent)).observe(status, { childList: true }); }"""
    )
    drag(page, 4, 8)
    page.wait_for_function("spoken.length")
    page.evaluate(TURN, [[], [], ["ArrowDown"] * 16])
    page.evaluate(TURN, [[], [], ["ArrowDown"]])
    page.wait_for_function("spoken.length > 1")
    assert page.evaluate("spoken") == [
        "Moved 4 rows down and 8 columns right: the strongest unit is 6 in place of 5, "
        "the feature map moved along at 68 of 80 places, of the pooled map 0 of 45 values stayed.",
        "The picture has left its frame: it goes no further.",
    ]
    assert page.locator(".cb-place").inner_text().startswith("Moved 20 rows down and 8 columns right. 75 of")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1200])
def test_axe_finds_nothing_and_it_fits(mount, theme, width):
    page = mount(ShiftExplorer(shift=(4, 8)), width=width, theme=theme)
    page.get_by_label("Numbers of").select_option("the feature map moved")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    found = Axe().run(page, options={"resultTypes": ["violations"], "preload": {"assets": ["media"]}})
    assert [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in found.response["violations"]] == []


def test_another_picture_size_brings_its_own_menu(mount):
    page = mount(ShiftExplorer(np.eye(8)))
    assert not page.get_by_label("Picture", exact=True).is_visible()
    page = mount(ShiftExplorer(images={"a line": np.eye(9), "a wall": np.ones((9, 9))}))
    assert page.get_by_label("Picture", exact=True).locator("option").all_inner_texts() == [
        "a line",
        "a wall",
        "your own",
    ]
