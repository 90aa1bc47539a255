"""``NetworkBuilder`` on a page: it says of a network what Python says, by mouse, keyboard and touch."""

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe

from convbook.explorers import NetworkBuilder
from convbook.explorers.network import KINDS, LIMITS, MOST_LAYERS, NETWORKS

LABELS = {
    "filters": "Filters", "units": "Units", "kernel_size": "Kernel size", "pool_size": "Pool size", "strides": "Stride",
    "padding": "Padding", "dilation_rate": "Dilation", "groups": "Groups", "activation": "Activation",
}  # fmt: skip
OFTEN = {
    "filters": [1, 2, 4, 6, 12], "units": [1, 10, 64], "kernel_size": [1, 2, 3, 3, 5, 7], "pool_size": [1, 2, 2, 3, 4],
    "strides": [1, 1, 1, 2, 3], "padding": ["valid", "same", "same"], "dilation_rate": [1, 1, 2, 4],
    "groups": [1, 1, 1, 2], "activation": ["none", "relu", "tanh"],
}  # fmt: skip

# Does what a reader does, one thing after the other, and reads what the page then shows.
TURN = """async (actions) => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const visible = (nodes) => nodes.filter((node) => node.checkVisibility());
  for (const [what, name, value] of actions) {
    if (what === "press") all("button").find((button) => button.textContent === name).click();
    if (what === "choose") all("tbody input")[name].click();
    if (what === "set") {
      const label = visible(all("label")).find((found) => found.textContent === name);
      const control = document.getElementById(label.htmlFor);
      control.value = value;
      control.dispatchEvent(new Event("change", { bubbles: true }));
    }
    await Promise.resolve();
  }
  const text = (node) => node.textContent;
  const frame = document.querySelector(".cb-frame");
  const missed = all(".cb-unseen path").map((path, axis) =>
    [...path.getAttribute("d").matchAll(/M(\\d+) (\\d+)/g)].map((found) => Number(found[axis === 0 ? 2 : 1])));
  return {
    input: text(document.querySelector(".cb-input-row td")),
    rows: all("tbody tr:not(.cb-input-row)").map((row) => ({
      name: text(row.querySelector("label")),
      cells: visible(all("td", row)).map(text),
      chosen: row.querySelector("input").checked,
    })),
    totals: all("tfoot td").map(text),
    frame: frame.checkVisibility()
      ? ["y", "height", "x", "width"].map((name) => Number(frame.getAttribute(name)))
      : null,
    missed,
    start: document.querySelector("select").value,
    said: text(document.querySelector("[role=status]")),
    boxes: all(".cb-box").map((box) => box.classList.contains("cb-none") ? null : box.classList.contains("cb-list")),
  };
}"""


def turn(page, *actions):
    return page.evaluate(TURN, [list(action) for action in actions])


def said(page):
    return page.locator("[role=status]").inner_text()


def same(values):
    first, second = (f"{value:,}" for value in values)
    return first if first == second else f"{first} and {second}"


def expected_cells(row, seen_all):
    """What the table should say of an entry of ``summary``."""
    if row["error"]:
        return [f"Cannot work: {row['error']}."]
    if row["output_shape"] is None:
        return ["–"] * 3 + ["– "]
    field = row["receptive_field"]
    listed = len(row["output_shape"]) == 1
    size = "everything" if listed and seen_all else "×".join(str(axis.size) for axis in field)
    places = [f"jump {same(axis.stride for axis in field)}", f"P {same(axis.padding for axis in field)}"]
    shape = "×".join(map(str, row["output_shape"]))
    return [
        shape, f"{row['parameters']:,}", f"{row['multiply_adds']:,}", f"{size} {'' if listed else ', '.join(places)}",
    ]  # fmt: skip


def settings(layer):
    """What the table should say of a layer's settings."""
    words = []
    for name, unit in (("filters", "filter"), ("units", "unit")):
        words += [f"{layer[name]} {unit}{'' if layer[name] == 1 else 's'}"] if name in layer else []
    size = layer.get("kernel_size") or layer.get("pool_size")
    words += [f"{size}×{size}"] if size else []
    words += [f"stride {layer['strides']}"] if "pool_size" in layer or layer.get("strides", 1) > 1 else []
    words += ["same"] if layer.get("padding") == "same" else []
    words += [f"dilation {layer['dilation_rate']}"] if layer.get("dilation_rate", 1) > 1 else []
    words += [f"{layer['groups']} groups"] if layer.get("groups", 1) > 1 else []
    return ", ".join([*words, *([layer["activation"]] if layer.get("activation") else [])])


def shows(found, explorer):
    """That a page shows what Python says."""
    height, width, _ = explorer.input_shape
    assert found["input"] == "×".join(map(str, explorer.input_shape))
    assert len(found["rows"]) == len(explorer.layers)
    chosen = explorer.selected
    for number, (shown, layer, row) in enumerate(zip(found["rows"], explorer.layers, explorer.summary, strict=True)):
        covered = row["receptive_field"] and all(
            axis.padding >= 0 and axis.size - axis.padding >= size
            for axis, size in zip(row["receptive_field"], (height, width), strict=True)
        )
        assert shown["cells"] == expected_cells(row, covered), f"layer {number + 1} of {explorer.layers}"
        assert shown["name"] == f"{number + 1} {layer['class_name']} {settings(layer)}"
        assert shown["chosen"] == (number == chosen)
    totals = ["–" if count is None else f"{count:,}" for count in explorer.totals.values()]
    assert found["totals"] == ["", *totals, ""]
    shapes = [row["output_shape"] for row in explorer.summary]
    assert found["boxes"] == [False, *(shape and len(shape) == 1 for shape in shapes)]
    if explorer.seen is None:
        assert found["frame"] is None
        assert found["missed"] == [[*range(height)], [*range(width)]]
        return
    for axis, size in enumerate((height, width)):
        assert set(found["missed"][axis]) == set(range(size)) - set(explorer.seen[axis].tolist())
    row = explorer.summary[chosen]
    places = [*row["output_shape"][:2]] if len(row["output_shape"]) == 3 else [1, 1]
    frame = [
        (n // 2 * axis.stride - axis.padding, axis.size) for n, axis in zip(places, row["receptive_field"], strict=True)
    ]
    assert found["frame"] == [number for pair in frame for number in pair]


class Reader:
    """Someone who builds a network: what is done on the page is done here as well, on lists."""

    def __init__(self, rng):
        self.rng = rng
        start = next(iter(NETWORKS.values()))
        self.shape, self.layers, self.at, self.works = [], [], 0, True
        self.take(start)

    def take(self, network):
        whole = NetworkBuilder(network["input_shape"], network["layers"])
        self.shape, self.layers = [*whole.input_shape], [dict(layer) for layer in whole.layers]
        self.at = network["selected"]

    def one_of(self, things):
        return things[self.rng.integers(len(things))]

    def act(self):
        """Something to do on the page; done here already. What cannot work is left now and then for what can."""
        if not self.works and self.rng.random() < 0.1:
            return self.start()
        ways = [self.start] + [self.size] * 3 + [self.choose] * 4 + [self.add] * 3
        ways += ([self.set] * 12 + [self.move] * 3 + [self.remove] * 2) if self.layers else []
        return self.one_of(ways)()

    def start(self):
        name = self.one_of(list(NETWORKS))
        self.take(NETWORKS[name])
        return [("set", "Start from", name)]

    def size(self):
        axis = self.rng.integers(3)
        self.shape[axis] = int(self.rng.integers(1, 5) if axis == 2 else self.rng.integers(6, 48))
        return [("set", ("Input height", "Input width", "Input channels")[axis], self.shape[axis])]

    def choose(self):
        if not self.layers:
            return []
        self.at = int(self.rng.integers(len(self.layers)))
        return [("choose", self.at, None)]

    def set(self):
        layer = self.layers[self.at]
        names = [name for name in layer if name != "class_name"]
        if not names:
            return self.choose()
        name = self.one_of(names)
        value = self.one_of(OFTEN[name])
        layer[name] = None if value == "none" else value
        return [("set", LABELS[name], value)]

    def add(self):
        if len(self.layers) > 8:
            return self.remove()
        kind = self.one_of(list(KINDS))
        self.at = self.at + 1 if self.layers else 0
        layer = {"class_name": kind, **KINDS[kind]}
        layer |= {"strides": 2} if "pool_size" in layer else {}
        self.layers.insert(self.at, layer)
        return [("set", "New layer", kind), ("press", "Add below", None)]

    def move(self):
        by = self.one_of([-1, 1])
        to = self.at + by
        if 0 <= to < len(self.layers):
            self.layers[self.at], self.layers[to] = self.layers[to], self.layers[self.at]
            self.at = to
        return [("press", "Move up" if by < 0 else "Move down", None)]

    def remove(self):
        del self.layers[self.at]
        self.at = max(min(self.at, len(self.layers) - 1), 0)
        return [("press", "Remove", None)]


def test_two_hundred_and_fifty_turns_show_what_python_says(mount):
    page, reader = mount(NetworkBuilder()), Reader(np.random.default_rng(11))
    works = {True: 0, False: 0}
    for _ in range(250):
        found = turn(page, *reader.act())
        explorer = NetworkBuilder(reader.shape, reader.layers, selected=reader.at)
        shows(found, explorer)
        reader.works = explorer.totals["parameters"] is not None
        works[reader.works] += 1
    assert min(works.values()) > 60


def test_the_networks_of_the_menu_show_what_python_says_for_each_of_their_layers(mount):
    page = mount(NetworkBuilder())
    for name, network in [*NETWORKS.items()][::-1]:
        turn(page, ("set", "Start from", name))
        for number in range(len(network["layers"])):
            found = turn(page, ("choose", number, None))
            shows(found, NetworkBuilder(**{**network, "selected": number}))
            assert found["start"] == name


def test_a_network_set_in_python_is_shown_and_has_fields_of_any_size(mount):
    pool = {"class_name": "MaxPooling2D", "pool_size": 32, "padding": "same"}
    explorer = NetworkBuilder((9, 5, 7), [pool] * MOST_LAYERS)
    assert explorer.summary[-1]["receptive_field"][0].size > 2**60
    page = mount(explorer)
    for number, row in enumerate(turn(page)["rows"]):
        assert row["cells"][3].split()[0] == "×".join(
            str(axis.size) for axis in explorer.summary[number]["receptive_field"]
        )
        assert row["cells"] == expected_cells(explorer.summary[number], True)


def test_layers_that_do_not_fit_together_are_refused_in_the_words_of_the_library(mount):
    conv = {"class_name": "Conv2D", "filters": 4, "kernel_size": 3}
    depthwise = {"class_name": "DepthwiseConv2D", "kernel_size": 3}
    flatten, dense = {"class_name": "Flatten"}, {"class_name": "Dense"}
    wrong = [
        *([{**layer, "strides": 2, "dilation_rate": 2}] for layer in (conv, depthwise)),
        [{**conv, "filters": 3, "groups": 2}],
        [{**conv, "filters": 3}, {**conv, "groups": 2}],
        *([flatten, layer] for layer in (conv, depthwise)),
        *([flatten, {"class_name": kind}] for kind in ("MaxPooling2D", "AveragePooling2D", "GlobalAveragePooling2D")),
        [dense], [{"class_name": "GlobalAveragePooling2D"}, flatten, dense, depthwise],
        *([{**layer, "kernel_size": 9}] for layer in (conv, depthwise)),
        [{"class_name": "MaxPooling2D", "pool_size": 9}],
    ]  # fmt: skip
    menu = {f"wrong {n}": {"input_shape": (8, 10, 1), "layers": layers} for n, layers in enumerate(wrong)}
    page = mount(NetworkBuilder(networks=menu))
    for name, network in [*menu.items()][::-1]:
        explorer = NetworkBuilder(**network)
        assert explorer.summary[-1]["error"]
        explorer.selected = len(explorer.layers) - 1
        shows(turn(page, ("set", "Start from", name)), explorer)


# --- what it says ---------------------------------------------------------------------------------------------


def test_one_number_decides_whether_the_digit_is_seen_and_the_page_says_so(mount):
    page = mount(NetworkBuilder())
    assert said(page) == (
        "Layer 5, Conv2D: one of its four middle units sees 24×24 of the 28×28 pixels, in rows 4 to 27 and "
        "columns 4 to 27."
    )
    assert turn(page, ("set", "Kernel size", 4))["said"] == "Layer 5, Conv2D: its middle unit sees all 28×28 pixels."
    found = turn(page, ("set", "Kernel size", 5))
    assert found["said"] == (
        "Layer 5, Conv2D, cannot follow layer 4, MaxPooling2D: a window of 5×5 pixels does not fit on a map of 4×4; "
        'take a smaller one, or padding "same".'
    )
    assert [row["cells"][0] for row in found["rows"][5:]] == ["–", "–"]
    assert turn(page, ("choose", 6, None))["said"].startswith(
        "Layer 7, Dense: nothing reaches it. Layer 5, Conv2D, can"
    )
    assert turn(page, ("choose", 0, None))["said"].startswith(
        "Layer 1, Conv2D: one of its four middle units sees 5×5 of the 28×28"
    )


def test_a_map_of_even_size_has_more_middle_units_than_one(mount):
    page = mount(NetworkBuilder((5, 6, 1), [{"class_name": "Conv2D", "kernel_size": 1}]))
    assert said(page).startswith("Layer 1, Conv2D: one of its two middle units sees 1×1 of the 5×6 pixels")


def test_a_telephone_shows_eight_layers_at_once(mount):
    layers = NETWORKS["LeNet-5"]["layers"]
    page = mount(NetworkBuilder((28, 28, 1), layers), width=360)
    assert len(layers) == 8
    table = page.locator(".cb-layers")
    assert table.evaluate("(table) => table.scrollHeight") == table.evaluate("(table) => table.clientHeight")


def test_the_experiments_of_the_lessons_come_out_as_they_say(mount):
    page = mount(NetworkBuilder())
    turn(page, ("choose", 0, None), ("set", "Dilation", 2))
    assert "its four middle units sees 5×5 of the 28×28 pixels, spread with holes over 9×9" in said(page)
    assert "holes" not in turn(page, ("choose", 1, None))["said"]
    assert "does not fit" not in said(page)
    assert "spread over 5×5, does not fit" in turn(page, ("choose", 4, None), ("set", "Dilation", 2))["said"]
    page = mount(NetworkBuilder(**NETWORKS["a small network for CIFAR-10"]))
    assert turn(page)["rows"][3]["cells"][1] == "30,730"
    found = turn(page, ("choose", 1, None), ("press", "Remove", None))
    assert found["rows"][2]["cells"][1] == "122,890"


def test_the_drawing_has_a_name_that_says_what_is_seen(mount):
    page = mount(NetworkBuilder())
    turn(page, ("choose", 6, None))
    drawing = page.get_by_role("img")
    assert drawing.get_attribute("aria-label") == "The input as a picture. Layer 7, Dense: it sees all 28×28 pixels."


def test_holes_and_padding_alone_are_said(mount):
    dilated = {"class_name": "Conv2D", "kernel_size": 3, "dilation_rate": 2}
    page = mount(NetworkBuilder((15, 17, 1), [dilated] * 3))
    assert said(page) == (
        "Layer 3, Conv2D: its middle unit sees 7×7 of the 15×17 pixels, spread with holes over 13×13, in rows 1 to 13 "
        "and columns 2 to 14."
    )
    page = mount(NetworkBuilder((5, 3, 1), [{"class_name": "Conv2D", "kernel_size": 2, "dilation_rate": 2}]))
    assert said(page) == (
        "Layer 1, Conv2D: its middle unit sees 2×2 of the 5×3 pixels, spread with holes over 3×3, in rows 1 to 3 and "
        "columns 0 to 2."
    )
    far = {"class_name": "Conv2D", "kernel_size": 2, "dilation_rate": 32, "padding": "same"}
    page = mount(NetworkBuilder((5, 5, 3), [far]))
    assert said(page) == "Layer 1, Conv2D: its middle unit sees no pixel at all, only padding."


def test_the_picture_is_a_digit_or_in_several_channels_a_photograph(mount):
    explorer = NetworkBuilder()
    page = mount(explorer)
    image = page.locator("svg image")
    assert image.get_attribute("href") == explorer.pictures["one channel"]
    turn(page, ("set", "Input channels", 3))
    assert image.get_attribute("href") == explorer.pictures["several channels"]


def test_each_deed_is_named(mount):
    page = mount(NetworkBuilder())
    assert turn(page, ("set", "New layer", "AveragePooling2D"), ("press", "Add below", None))["said"].startswith(
        "AveragePooling2D added. Layer 6, AveragePooling2D: its middle unit sees "
    )
    assert turn(page, ("press", "Move up", None))["said"].startswith(
        "AveragePooling2D moved. Layer 5, AveragePooling2D: "
    )
    assert turn(page, ("press", "Remove", None))["said"].startswith("AveragePooling2D removed. Layer 5, Conv2D: one ")
    assert turn(page, ("set", "Start from", "LeNet-5"))["said"].startswith(
        "LeNet-5. Layer 3, Conv2D: one of its four middle units"
    )
    assert turn(page, ("choose", 1, None))["said"].startswith("Layer 2, MaxPooling2D: ")


def test_what_cannot_be_done_is_said_and_changes_nothing(mount):
    page = mount(NetworkBuilder((9, 9, 1), [{"class_name": "Flatten"}, {"class_name": "Dense"}]))
    assert turn(page, ("press", "Move down", None))["said"] == "Dense is the last layer already."
    assert turn(page, ("choose", 0, None), ("press", "Move up", None))["said"] == "Flatten is the first layer already."
    shows(turn(page), NetworkBuilder((9, 9, 1), [{"class_name": "Flatten"}, {"class_name": "Dense"}], selected=0))
    turn(page, ("press", "Remove", None), ("press", "Remove", None))
    assert said(page) == "Dense removed. There are no layers yet."
    assert turn(page, ("press", "Remove", None))["said"] == "There is no layer to remove."
    assert turn(page, ("press", "Move up", None))["said"] == "There is no layer to move."
    for _ in range(MOST_LAYERS):
        turn(page, ("press", "Add below", None))
    assert page.get_by_role("button", name="Add below").get_attribute("aria-disabled") == "true"
    found = turn(page, ("press", "Add below", None))
    assert found["said"] == "There are 22 layers, and there is no room for more."
    assert len(found["rows"]) == MOST_LAYERS


def test_a_number_out_of_bounds_becomes_the_nearest_that_python_takes(mount):
    page = mount(NetworkBuilder())
    for kind in ("Conv2D", "MaxPooling2D", "Dense"):
        turn(page, ("set", "New layer", kind), ("press", "Add below", None))
        for name in KINDS[kind]:
            if name in LIMITS:
                control = page.get_by_label(LABELS[name], exact=True)
                assert (control.get_attribute("min"), control.get_attribute("max")) == tuple(map(str, LIMITS[name]))
                for typed, kept in (("-7", LIMITS[name][0]), ("999999", LIMITS[name][1]), ("", LIMITS[name][1])):
                    turn(page, ("set", LABELS[name], typed))
                    assert control.input_value() == str(kept)
    for name in ("Input height", "Input width", "Input channels"):
        control = page.get_by_label(name)
        assert (control.get_attribute("min"), control.get_attribute("max")) == ("1", "512")
    words = page.get_by_label("Activation").locator("option").all_inner_texts()
    for word in words:
        NetworkBuilder(layers=[{"class_name": "Dense", "activation": None if word == "none" else word}])
    assert len(words) == 5


def test_groups_are_offered_where_a_network_has_some(mount):
    without = {"LeNet-5": NETWORKS["LeNet-5"]}
    assert mount(NetworkBuilder()).get_by_label("Groups", exact=True).is_visible()
    page = mount(NetworkBuilder(networks=without, kinds=["Conv2D", "Flatten"]))
    assert not page.get_by_label("Groups", exact=True).is_visible()
    assert page.get_by_label("New layer").locator("option").all_inner_texts() == ["Conv2D", "Flatten"]
    grouped = NetworkBuilder((8, 8, 2), [{"class_name": "Conv2D", "groups": 2}], networks=without)
    assert mount(grouped).get_by_label("Groups", exact=True).is_visible()


def test_another_copy_of_the_script_on_the_same_page_shares_no_names(mount):
    page = mount(NetworkBuilder())
    page.evaluate(
        """async () => {
          const embedded = JSON.parse(document.querySelector('script[type*="state"]').textContent).state;
          const [{ state }] = Object.values(embedded).filter((entry) => entry.state._esm);
          const script = URL.createObjectURL(new Blob([state._esm], { type: "text/javascript" }));
          const { default: widget } = await import(script);
          const model = { get: (name) => state[name], set() {}, save_changes() {}, on() {}, off() {} };
          const el = document.body.appendChild(document.createElement("main"));
          widget.render({ model, el });
        }"""
    )
    chosen = page.locator("tbody input:checked")
    assert chosen.count() == 2
    ids = page.evaluate("[...document.querySelectorAll('main [id]')].map((node) => node.id)")
    assert len(ids) == len(set(ids)) > 20


# --- keyboard, touch, small screens ---------------------------------------------------------------------------


def test_the_keyboard_alone_reaches_and_changes_everything(mount):
    page = mount(NetworkBuilder())
    reached = []
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement === document.body"):
            break
        reached.append(
            page.evaluate(
                """() => { const at = document.activeElement;
                   return at.ariaLabel ?? at.labels?.[0]?.textContent ?? at.textContent; }"""
            )
        )
    assert reached == [
        "Start from", "Input height", "Input width", "Input channels", "Layers", "5 Conv2D 32 filters, 3×3, relu",
        "New layer", "Add below", "Move up", "Move down", "Remove", "Filters", "Kernel size", "Stride", "Padding",
        "Dilation", "Groups", "Activation",
    ]  # fmt: skip
    page.locator("tbody input:checked").focus()
    page.keyboard.press("ArrowUp")
    assert said(page).startswith("Layer 4, MaxPooling2D: one of its four middle units sees 16×16 of the 28×28 pixels")
    page.keyboard.press("Tab")
    page.keyboard.type("Dep")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert said(page).startswith(
        "DepthwiseConv2D added. Layer 5, DepthwiseConv2D: one of its four middle units sees 24×24"
    )
    page.keyboard.press("Tab")
    for _ in range(2):
        page.keyboard.press("Space")
    assert said(page).startswith("DepthwiseConv2D moved. Layer 3, DepthwiseConv2D")
    assert page.evaluate("document.activeElement.textContent") == "Move up"
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.labels[0].textContent") == "Kernel size"
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    layers = [*NETWORKS["a digit, nearly seen"]["layers"]]
    layers.insert(2, {"class_name": "DepthwiseConv2D", "kernel_size": 4})
    shows(turn(page), NetworkBuilder((28, 28, 1), layers, selected=2))


def test_a_click_anywhere_in_a_row_chooses_it(mount):
    page = mount(NetworkBuilder())
    page.locator("tbody tr").nth(2).locator("td").nth(1).click()
    assert said(page).startswith("Layer 2, MaxPooling2D: one of its four middle units sees 6×6")
    page.get_by_text("8 filters, 5×5").click()
    assert said(page).startswith("Layer 1, Conv2D: one of its four middle units sees 5×5")


def test_a_finger_builds(mount):
    page = mount(NetworkBuilder(), width=360, has_touch=True, is_mobile=True)
    page.locator("tbody tr").nth(4).tap()
    assert said(page).startswith("Layer 4, MaxPooling2D")
    page.get_by_role("button", name="Remove").tap()
    assert said(page).startswith("MaxPooling2D removed. Layer 4, Conv2D: one of its four middle units sees 18×18")
    page.get_by_role("button", name="Add below").tap()
    page.get_by_label("Filters", exact=True).fill("3")
    page.get_by_label("Filters", exact=True).blur()
    assert turn(page)["rows"][4]["cells"][0] == "4×4×3"


WIDTHS = (1200, 632, 590, 500, 360)  # at 632 it is as wide as in the book


def resize(page, width):
    page.set_viewport_size({"width": width, "height": 900})
    # What is scrolled into sight is so in the next frame.
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def test_what_can_be_touched_is_large_enough(mount):
    page = mount(NetworkBuilder())
    for width in WIDTHS:
        resize(page, width)
        sizes = page.evaluate(
            """() => [...document.querySelectorAll("button, select, input[type=number], tbody label")]
               .filter((node) => node.checkVisibility())
               .map((node) => [node.textContent, node.offsetWidth, node.offsetHeight])"""
        )
        assert len(sizes) > 20
        assert [entry for entry in sizes if min(entry[1:]) < 24] == []


def test_it_fits_its_page_and_no_table_is_cut_off_and_the_chosen_row_is_in_sight(mount):
    page = mount(NetworkBuilder())
    for width in WIDTHS:
        resize(page, width)
        for name in ("VGG-16, its convolutions", "a digit, nearly seen"):
            turn(page, ("set", "Start from", name))
            for number in (6, 0, len(NETWORKS[name]["layers"]) - 1):
                turn(page, ("choose", number, None))
                resize(page, width)
                assert page.evaluate("document.documentElement.scrollWidth") <= width
                box = "document.querySelector('.cb-layers')"
                assert page.evaluate(f"{box}.scrollWidth") <= page.evaluate(f"{box}.clientWidth")
                top, bottom, least, most = page.evaluate(
                    """() => { const box = (selector) => document.querySelector(selector).getBoundingClientRect();
                       const row = box("tr.cb-current"), view = box(".cb-layers"), foot = box("tfoot tr");
                       return [row.top, row.bottom, view.top, Math.min(view.bottom, foot.top)]; }"""
                )
                assert least <= top + 1
                assert bottom <= most + 2


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(mount, theme):
    page = mount(NetworkBuilder(), theme=theme)
    for kernel, width in ((3, 1200), (5, 360)):
        resize(page, width)
        turn(page, ("set", "Kernel size", kernel))
        found = Axe().run(page, options={"preload": False}).response["violations"]
        assert [(entry["id"], [node["html"] for node in entry["nodes"]]) for entry in found] == []
