import { choice, number, presets, row } from "./controls.js";
import { FieldPicture, MapBoxes } from "./maps.js";
import { button, element, frame, message, plural, times, unique, write } from "./page.js";
import { isMap, pixelsSeen, walk } from "./shapes.js";
import { assign, follow } from "./state.js";

const MOST_LAYERS = 22;
const NONE = "none";

// A control for each argument that a layer can have: its name, and its bounds or words.
const SETTINGS = {
  filters: ["Filters", 1, 1024],
  units: ["Units", 1, 4096],
  kernel_size: ["Kernel size", 1, 32],
  pool_size: ["Pool size", 1, 32],
  strides: ["Stride", 1, 32],
  padding: ["Padding", ["valid", "same"]],
  dilation_rate: ["Dilation", 1, 32],
  groups: ["Groups", 1, 64],
  activation: ["Activation", [NONE, "relu", "tanh", "sigmoid", "softmax"]],
};
const COLUMNS = ["Output shape", "Parameters", "Multiply-adds", "Receptive field"];
const NOTE =
  "Multiply-adds: one for each time that a weight is multiplied with a number and added to a sum. Receptive field: " +
  "the pixels of the input that can change one unit; jump is how many pixels the fields of neighbouring units are apart, " +
  "P how far the first unit’s field begins before the first pixel.";

const count = (value) => value.toLocaleString("en");

// A layer's settings in a few words; what is as usual is left out.
function described(layer) {
  const size = layer.kernel_size ?? layer.pool_size;
  const words = [
    layer.filters && plural(layer.filters, "filter"),
    layer.units && plural(layer.units, "unit"),
    size && `${size}×${size}`,
    layer.strides !== undefined && (layer.pool_size || layer.strides > 1) && `stride ${layer.strides}`,
    layer.padding === "same" && "same",
    layer.dilation_rate > 1 && `dilation ${layer.dilation_rate}`,
    layer.groups > 1 && `${layer.groups} groups`,
    layer.activation,
  ];
  return words.filter(Boolean).join(", ");
}

// A class's name, which may be broken where a word begins: a long one would push the numbers out of the table.
function rename(node, name) {
  if (node.textContent === name) return;
  const words = name.split(/(?=[A-Z][a-z])/);
  node.replaceChildren(...words.flatMap((word, n) => (n ? [element("wbr"), word] : [word])));
}

// The rows of the table. Each layer's name is a radio button: one tab stop, and arrow keys choose.
class LayerTable {
  constructor(select) {
    this.group = unique();
    this.select = select;
    this.rows = [];
    const heads = ["Layer", ...COLUMNS].map((name) => element("th", { scope: "col" }, name));
    this.input = element("td", { "data-label": COLUMNS[0] });
    this.body = element("tbody", {},
      element("tr", { class: "cb-input-row" }, element("th", { scope: "row" }, "Input"), this.input, ...COLUMNS.slice(1).map(() => element("td"))));
    this.totals = [1, 2].map((column) => element("td", { "data-label": COLUMNS[column] }));
    const total = element("tr", {}, element("th", { scope: "row" }, "Total"), element("td"), ...this.totals, element("td"));
    this.root = element("div", { class: "cb-layers", role: "region", "aria-label": "Layers", tabindex: 0 },
      element("table", {}, element("thead", {}, element("tr", {}, ...heads)), this.body, element("tfoot", {}, total)));
  }

  add() {
    const at = this.rows.length;
    const radio = element("input", { type: "radio", name: this.group, onchange: () => this.select(at) });
    const kind = element("span");
    const numbered = element("span", { class: "cb-kind" }, element("span", { class: "cb-number" }, `${at + 1} `), kind);
    const detail = element("span", { class: "cb-detail" });
    const name = element("label", {}, radio, element("span", {}, numbered, " ", detail));
    const cells = COLUMNS.map((label) => element("td", { "data-label": label }));
    const reason = element("td", { colspan: COLUMNS.length, class: "cb-reason" });
    const root = element("tr", { onclick: () => this.select(at) }, element("th", { scope: "row" }, name), ...cells, reason);
    const more = element("span", { class: "cb-detail" });
    const size = element("span");
    cells[3].append(size, " ", more);
    this.rows.push({ root, radio, kind, detail, cells, size, more, reason });
    this.body.append(root);
  }

  show(inputShape, layers, rows, selected) {
    while (this.rows.length < layers.length) this.add();
    while (this.rows.length > layers.length) this.rows.pop().root.remove();
    write(this.input, times(inputShape));
    const works = rows.every((row) => row.shape);
    const totals = ["parameters", "multiplyAdds"].map((name) => rows.reduce((sum, row) => sum + row[name], 0));
    totals.forEach((total, n) => write(this.totals[n], works ? count(total) : "–"));
    layers.forEach((layer, n) => this.fill(this.rows[n], layer, rows[n], totals, inputShape));
    this.rows.forEach(({ root, radio }, n) => {
      radio.checked = n === selected;
      root.classList.toggle("cb-current", n === selected);
    });
    if (selected !== this.selected) requestAnimationFrame(() => this.reveal(this.rows[selected]?.root));
    this.selected = selected;
  }

  // Scroll the table, and nothing else, until a row is between its head and its totals.
  reveal(row) {
    if (!row) return;
    const [head, foot] = ["thead", "tfoot"].map((part) => this.root.querySelector(part).getBoundingClientRect());
    const [place, view] = [row.getBoundingClientRect(), this.root.getBoundingClientRect()];
    const above = view.top + (head.width > 1 ? head.height : 0) - place.top;
    const below = place.bottom - (view.bottom - foot.height);
    if (above > 0) this.root.scrollTop -= above;
    else if (below > 0) this.root.scrollTop += below;
  }

  fill({ root, kind, detail, cells, size, more, reason }, layer, row, totals, [height, width]) {
    rename(kind, layer.class_name);
    write(detail, described(layer));
    root.classList.toggle("cb-failed", Boolean(row.error));
    reason.hidden = !row.error;
    for (const cell of cells) cell.hidden = Boolean(row.error);
    write(reason, row.error ? `Cannot work: ${row.error}.` : "");
    write(cells[0], row.shape ? times(row.shape) : "–");
    ["parameters", "multiplyAdds"].forEach((name, n) => {
      write(cells[n + 1], row.shape ? count(row[name]) : "–");
      cells[n + 1].style.setProperty("--share", row.shape && totals[n] ? row[name] / totals[n] : 0);
    });
    const [down, across] = row.fields ?? [];
    const all = row.shape && !isMap(row.shape) && covers(down, height) && covers(across, width);
    write(size, !row.shape ? "–" : all ? "everything" : `${down.size}×${across.size}`);
    write(more, row.shape && isMap(row.shape) ? `jump ${both(down.stride, across.stride)}, P ${both(down.padding, across.padding)}` : "");
  }
}

// Whether the field of the only unit along an axis has all its pixels.
function covers({ size, padding }, pixels) {
  return padding >= 0 && size - padding >= pixels;
}

const both = (down, across) => (down === across ? count(down) : `${count(down)} and ${count(across)}`);

// Where the field of a layer's middle unit begins, and its size, along the rows and the columns.
function frameOf(row) {
  return row.fields.map(({ size, stride, padding }, axis) => ({
    start: Number(BigInt(Math.floor(row.windows[axis].places / 2)) * stride - padding),
    size: Number(size),
  }));
}

// What a layer's unit sees, as a sentence.
function sight(row, [rows, columns], [height, width]) {
  const middles = 2 ** row.windows.filter(({ places }) => places % 2 === 0).length;
  const middle = middles === 1 ? "its middle unit" : `one of its ${middles === 2 ? "two" : "four"} middle units`;
  const who = isMap(row.shape) ? middle : "it";
  if (!rows.length || !columns.length) return `${who} sees no pixel at all, only padding.`;
  if (rows.length === height && columns.length === width) return `${who} sees all ${height}×${width} pixels.`;
  const span = (pixels) => `${pixels[0]} to ${pixels.at(-1)}`;
  const extents = [rows, columns].map((pixels) => pixels.at(-1) - pixels[0] + 1);
  const holes = extents[0] > rows.length || extents[1] > columns.length ? `, spread with holes over ${times(extents)}` : "";
  return `${who} sees ${rows.length}×${columns.length} of the ${height}×${width} pixels${holes}, in rows ${span(rows)} and columns ${span(columns)}.`;
}

function render({ model, el }) {
  const root = frame(el, "Network builder", "network");
  const networks = model.get("networks");
  const kinds = model.get("kinds");
  const pictures = model.get("pictures");
  let layers;
  let at;
  let news = "";

  // `told` says what the reader has done, before what has come of it.
  function change(changes, told = "") {
    news = told;
    assign(model, changes);
  }

  function refuse(why) {
    said.textContent = why;
  }

  // --- what it starts from ---

  const sized = (axis) => (size) => {
    const shape = [...model.get("input_shape")];
    shape[axis] = size;
    change({ input_shape: shape });
  };
  const start = presets(
    "Start from",
    (network, name) => change(network, `${name}.`),
    ({ input_shape, layers: stacked }) => [input_shape, stacked],
  );
  const input = ["Input height", "Input width", "Input channels"].map((name, axis) => number(name, 1, 512, 1, sized(axis)));
  root.append(row([start, ...input]));

  // --- the layers ---

  const table = new LayerTable((n) => n !== at && change({ selected: n }));
  const kind = choice("New layer", kinds.map((layer) => layer.class_name), kinds[0]?.class_name, () => {});

  function add() {
    if (layers.length >= MOST_LAYERS) return refuse(`There are ${MOST_LAYERS} layers, and there is no room for more.`);
    const made = kinds.find((layer) => layer.class_name === kind.control.value);
    return change({ layers: layers.toSpliced(at + 1, 0, { ...made }), selected: at + 1 }, `${made.class_name} added.`);
  }

  function move(by, place) {
    if (at < 0) return refuse("There is no layer to move.");
    if (!layers[at + by]) return refuse(`${layers[at].class_name} is the ${place} layer already.`);
    const moved = layers.with(at, layers[at + by]).with(at + by, layers[at]);
    return change({ layers: moved, selected: at + by }, `${layers[at].class_name} moved.`);
  }

  function remove() {
    if (at < 0) return refuse("There is no layer to remove.");
    return change({ layers: layers.toSpliced(at, 1) }, `${layers[at].class_name} removed.`);
  }

  // They stay in the way of the keyboard when they have nothing to do, and then say so.
  const actions = {
    add: button("Add below", add),
    up: button("Move up", () => move(-1, "first")),
    down: button("Move down", () => move(1, "last")),
    remove: button("Remove", remove),
  };
  const buttons = element("div", { class: "cb-buttons" }, kind.root, ...Object.values(actions));

  // --- the settings of the selected layer ---

  function set(name, value) {
    change({ layers: layers.with(at, { ...layers[at], [name]: value }) });
  }

  const settings = Object.fromEntries(
    Object.entries(SETTINGS).map(([name, [label, least, most]]) => {
      const made = Array.isArray(least)
        ? choice(label, least, least[0], (word) => set(name, word === NONE ? null : word))
        : number(label, least, most, least, (value) => set(name, value));
      made.control.dataset.setting = name;
      return [name, made];
    }),
  );
  // Groups are offered where a network has some: not every lesson knows of them.
  const grouped = Object.values(networks).some((network) => network.layers.some((layer) => layer.groups > 1));
  const legend = element("legend");
  const nothing = element("p", { class: "cb-detail" }, "This layer has nothing to set.");
  const fields = element("fieldset", { class: "cb-settings" }, legend, nothing, row(settings));

  function edit() {
    const layer = layers[at];
    fields.hidden = !layer;
    if (!layer) return;
    write(legend, `Layer ${at + 1}: ${layer.class_name}`);
    nothing.hidden = Object.keys(layer).length > 1;
    for (const [name, control] of Object.entries(settings)) {
      control.root.hidden = !(name in layer) || (name === "groups" && !grouped && layer.groups === 1);
      if (name in layer) control.set(layer[name] ?? NONE);
    }
  }

  // --- drawings ---

  const picture = new FieldPicture();
  const boxes = new MapBoxes();
  const said = message();
  root.append(table.root, buttons,
    element("div", { class: "cb-stage" }, picture.root, element("div", { class: "cb-column" }, fields, boxes.root)),
    said, element("p", { class: "cb-note" }, NOTE));

  // --- from the state to the page ---

  function update() {
    layers = model.get("layers");
    at = Math.min(model.get("selected"), layers.length - 1);
    const shape = model.get("input_shape");
    const rows = walk(shape, layers);
    table.show(shape, layers, rows, at);
    edit();
    boxes.show([shape, ...rows.map((row) => row.shape)], at + 1);

    const seen = rows[at]?.shape
      ? [0, 1].map((axis) => pixelsSeen(rows.slice(0, at + 1).map((row) => row.windows[axis])))
      : null;
    const told = sentence(shape, rows, seen);
    picture.show(pictures[shape[2] === 1 ? "one channel" : "several channels"], shape, `The input as a picture. ${told}`);
    picture.mark(seen, seen && frameOf(rows[at]), shape);
    write(said, [news, told, failure(rows)].filter(Boolean).join(" "));
    news = "";

    start.set(networks, { input_shape: shape, layers });
    input.forEach((control, axis) => control.set(shape[axis]));
    const idle = { add: layers.length >= MOST_LAYERS, up: at < 1, down: at >= layers.length - 1, remove: at < 0 };
    for (const [name, action] of Object.entries(actions)) action.setAttribute("aria-disabled", idle[name]);
  }

  function sentence(shape, rows, seen) {
    if (at < 0) return "There are no layers yet.";
    const name = `Layer ${at + 1}, ${layers[at].class_name}`;
    if (seen) return `${name}: ${sight(rows[at], seen, shape)}`;
    return rows[at].error ? "" : `${name}: nothing reaches it.`;
  }

  function failure(rows) {
    const failed = rows.findIndex((row) => row.error);
    if (failed < 0) return "";
    const before = failed ? `layer ${failed}, ${layers[failed - 1].class_name}` : "the input";
    return `Layer ${failed + 1}, ${layers[failed].class_name}, cannot follow ${before}: ${rows[failed].error}.`;
  }

  const following = follow(model, ["input_shape", "layers", "selected"], update);
  update();
  return following.stop;
}

export default { render };
