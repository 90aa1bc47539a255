import { nested, strongest, tensor } from "./arithmetic.js";
import { Board } from "./board.js";
import { onColours } from "./colours.js";
import { centred } from "./drawing.js";
import { Grid } from "./grid.js";
import { forward, network, softmax } from "./layers.js";
import { button, element, format, frame, message, times, unique, write } from "./page.js";
import { Picture } from "./picture.js";
import { Pixels } from "./pixels.js";
import { assign, follow } from "./state.js";

const SIZE = 28;
const NUMBERS = 10; // maps of at most so many rows are enlarged as numbers
const LINE = 20; // a longer row of numbers is broken into lines

const article = (digit) => (digit === 8 ? "an 8" : `a ${digit}`);
const percent = (share) => (share >= 0.995 ? "over 99 %" : `${Math.round(100 * share)} %`);

// "It sees a 3 (97 %), or a 5 (2 %)."
function sentence(shares, empty) {
  const order = Array.from(shares.keys()).sort((one, other) => shares[other] - shares[one]);
  const [first, ...others] = order.filter((digit, place) => place === 0 || (place < 3 && shares[digit] >= 0.01));
  const named = (digit) => `${article(digit)} (${percent(shares[digit])})`;
  const guesses = [first, ...others].map(named).join(", or ");
  if (empty) return `The board is empty, and still it answers: ${guesses}.`;
  return shares[first] < 0.5 ? `It is not sure: ${guesses}.` : `It sees ${guesses}.`;
}

// Where every map of a network is shown, one radio button each: one tab stop, and arrow keys between them.
class Maps {
  constructor({ name, shape, scores }, group, chosen) {
    this.name = name;
    this.scores = scores;
    this.shape = shape;
    this.flat = shape.length === 1;
    const [h, w, count] = this.flat ? [1, shape[0], 1] : shape;
    this.pictures = Array.from({ length: count }, () => new Pixels(h, w, { "aria-hidden": "true" }));
    this.radios = this.pictures.map((_, map) => {
      const label = this.flat || name === "input" ? this.title() : `${name}, map ${map}`;
      return element("input", { type: "radio", name: group, "aria-label": label, onchange: () => chosen(name, map) });
    });
    const labels = this.radios.map((radio, map) =>
      element("label", { class: "cb-feature" }, radio, this.pictures[map].canvas),
    );
    const digitsBelow = element("div", { class: "cb-digits", "aria-hidden": "true" }, ...Array.from({ length: w }, (_, n) => element("span", {}, String(n))));
    this.root = element(
      "fieldset",
      { class: this.flat ? "cb-layer cb-strip" : "cb-layer" },
      element("legend", { class: "cb-title" }, this.title()),
      element("div", { class: "cb-features" }, ...labels),
      ...(scores ? [digitsBelow] : []),
    );
    this.root.style.setProperty("--maps", Math.min(count, 8));
    this.root.style.setProperty("--wide", w);
  }

  title() {
    if (this.name === "input") return "What the network gets";
    const [h, w, count] = this.shape;
    return this.flat ? `${this.name}: ${h} ${this.scores ? "scores" : "numbers"}` : `${this.name}: ${count} maps of ${h}×${w}`;
  }

  show({ data }, colours) {
    const strength = this.name === "input" ? 1 : strongest(data);
    const step = this.pictures.length;
    this.pictures.forEach((picture, at) => picture.show(data, { at, step, strength, ...colours }));
  }
}

// The shares of the ten digits, as a list with bars.
class Shares {
  constructor() {
    this.items = Array.from({ length: 10 }, (_, digit) => {
      const number = element("span", { class: "cb-percent" });
      const bar = element("span", { class: "cb-bar", "aria-hidden": "true" });
      return { number, root: element("li", {}, element("span", {}, String(digit)), bar, number) };
    });
    this.list = element("ul", { class: "cb-shares", "aria-label": "Share of each digit" }, ...this.items.map(({ root }) => root));
    this.root = element("div", { class: "cb-panel" }, element("div", { class: "cb-title", "aria-hidden": "true" }, "Share of each digit"), this.list);
  }

  show(shares) {
    const best = shares.indexOf(Math.max(...shares));
    this.items.forEach(({ root, number }, digit) => {
      root.style.setProperty("--share", shares[digit].toFixed(6));
      root.classList.toggle("cb-best", digit === best);
      write(number, `${(100 * shares[digit]).toFixed(1)} %`);
    });
  }
}

// What the numbers of a map are, in one or two sentences.
function about(layer, map, values, shape) {
  const place = values.indexOf(values.reduce((most, value) => Math.max(most, value), -Infinity));
  const range = `from ${format(Math.min(...values))} to ${format(Math.max(...values))}`;
  if (shape.length === 1) {
    const zero = values.filter((value) => value === 0).length;
    return `${layer.name}: ${shape[0]} numbers ${range}, ${zero} of them 0. The largest is number ${place}.`;
  }
  const where = `largest at row ${Math.floor(place / shape[1])}, column ${place % shape[1]}`;
  const size = `${shape[0]}×${shape[1]}`;
  if (layer.name === "input") return `What the network gets: ${size} pixels ${range}.`;
  return `${layer.name}, map ${map}: ${size} numbers ${range}, ${where}. ${origin(layer, map)}`;
}

function origin({ kind, window, activation, kernel, bias }, map) {
  const then = activation && activation !== "linear" ? ` Then ${activation === "relu" ? "ReLU" : activation}.` : "";
  if (kind === "Conv2D") {
    const added = bias ? ` and the bias ${format(bias[map])}` : "";
    return `Made by filter ${map}: ${times(kernel.shape.slice(0, 3))} weights${added}.${then}`;
  }
  const block = window && window.map(([size]) => size).join("×");
  if (kind === "MaxPooling2D") return `Each is the largest of ${block} numbers of map ${map} before it.`;
  if (kind === "AveragePooling2D") return `Each is the mean of ${block} numbers of map ${map} before it.`;
  if (activation === "relu") return `Map ${map} before it, with 0 for what was below zero.`;
  return `Each number of map ${map} before it, put through ${activation}.`;
}

// One map enlarged: as numbers where it is small, as a picture where it is not; with the filter that made it.
class Detail {
  constructor() {
    this.grid = new Grid({ label: "The map enlarged", title: "", role: "output" });
    this.picture = new Picture({ label: "The map enlarged", role: "output", cell: 8 });
    this.picture.describe = () => this.text.textContent;
    this.text = element("p", { class: "cb-about" });
    this.filters = element("div", { class: "cb-stage cb-filters" });
    this.root = element(
      "div",
      { class: "cb-stage cb-larger", role: "group", "aria-label": "The selected map" },
      element("div", { class: "cb-enlarged" }, this.grid.root, this.picture.canvas),
      element("div", { class: "cb-beside" }, this.text, this.filters),
    );
  }

  show(layer, map, { shape, data }) {
    const [, w, count] = shape.length === 1 ? [1, shape[0], 1] : shape;
    const values = data.filter((_, n) => n % count === map);
    const isInput = layer.name === "input";
    const strength = isInput ? 1 : strongest(data);
    const asNumbers = shape.length === 3 && Math.max(shape[0], w) <= NUMBERS;
    const said = about(layer, map, values, shape);
    write(this.text, said);
    this.grid.root.hidden = !asNumbers;
    this.picture.canvas.hidden = asNumbers;
    if (asNumbers) {
      this.grid.resize(shape[0], w);
      this.grid.show((i, j) => values[i * w + j], { strength });
    } else {
      const width = shape.length === 1 ? Math.min(w, LINE) : w;
      const lines = { shape: [Math.ceil(values.length / width), width], data: values };
      this.picture.show(lines, { strength, positive: isInput ? "input" : "positive" });
    }
    this.filter(layer, map);
  }

  filter({ kernel, kind }, map) {
    if (this.shown?.kernel === kernel && this.shown?.map === map) return;
    this.shown = { kernel, map };
    if (kind !== "Conv2D") return this.filters.replaceChildren();
    const [kh, kw, channels, count] = kernel.shape;
    const weights = kernel.data.filter((_, n) => n % count === map);
    const grids = Array.from({ length: channels }, (_, c) => {
      const name = channels > 1 ? `Filter ${map}, channel ${c}` : `Filter ${map}`;
      const title = channels > 1 && c > 0 ? `channel ${c}` : name;
      const grid = new Grid({ label: name, title, role: "kernel", digits: channels > 1 ? 1 : 2 });
      const weight = (i, j) => weights[(i * kw + j) * channels + c];
      grid.describe = (i, j) => `row ${i}, column ${j}: ${format(weight(i, j))}`;
      grid.resize(kh, kw);
      grid.show(weight, { strength: strongest(weights) });
      return grid.root;
    });
    return this.filters.replaceChildren(...grids);
  }
}

function render({ model, el }) {
  const root = frame(el, "LeNet explorer", "lenet");
  const [group, help] = [unique(), unique()];
  const layers = network(model.get("layers"), model.get("weights"));
  const ends = layers.at(-1).activation === "softmax";
  const said = message({ class: "cb-spoken" });
  const shown = element("p", { class: "cb-message", "aria-hidden": "true" });
  let speak = () => {};

  // --- what the reader does ---

  const board = new Board({
    label: "Drawing board, 28 by 28 pixels",
    help,
    size: SIZE,
    on: {
      change: (image, done, note = "") => set({ image: nested(image) }, done && (() => note + shown.textContent)),
      say: (text) => (said.textContent = text),
    },
  });

  // Nothing is said while a stroke goes on; afterwards `words`, or what the network sees.
  function set(changes, words = () => shown.textContent) {
    assign(model, changes);
    speak = words || speak;
    following.soon();
  }

  const centring = element("input", {
    type: "checkbox",
    onchange: () => set({ centred: centring.checked }),
  });
  const eraser = button("Erase", () => {
    board.erasing = !board.erasing;
    eraser.setAttribute("aria-pressed", board.erasing);
  });
  eraser.setAttribute("aria-pressed", false);
  const undo = button("Undo", () => board.undo() || (said.textContent = "There is nothing to undo."));
  const clear = button("Clear", () => board.replace({ shape: [SIZE, SIZE], data: new Float64Array(SIZE * SIZE) }));

  const samples = model.get("images").map(([name, levels]) => {
    const picture = new Pixels(SIZE, SIZE, { "aria-hidden": "true" });
    const image = tensor(levels);
    const choose = element("button", { type: "button", class: "cb-sample", onclick: () => board.replace(image) }, picture.canvas, name);
    return { root: choose, paint: (colour) => picture.show(image.data, { strength: 255, positive: colour }) };
  });

  // --- what is shown ---

  const select = (name, map) => set({ selected: [name, map] }, () => detail.text.textContent);
  const input = { name: "input", shape: [SIZE, SIZE, 1] };
  const seen = new Maps(input, group, select);
  const drawn = layers.filter((layer) => layer.shown);
  const maps = drawn.map((layer) => new Maps({ ...layer, scores: layer === layers.at(-1) && !ends }, group, select));
  const shares = new Shares();
  const detail = new Detail();
  const flow = element("div", { class: "cb-flow" }, ...maps.map((layer) => layer.root));
  let colours = {};
  let under = null;

  root.append(
    element(
      "div",
      { class: "cb-stage cb-desk" },
      element(
        "div",
        { class: "cb-column" },
        element("div", { class: "cb-title", "aria-hidden": "true" }, "Draw a digit"),
        board.root,
        element("div", { class: "cb-buttons" }, clear, undo, eraser),
        shown,
      ),
      element("div", { class: "cb-column cb-got" }, seen.root, element("label", { class: "cb-tick" }, centring, "scaled and centred as in MNIST")),
      shares.root,
    ),
    said,
    element("p", { class: "cb-note", id: help }, "Draw with the mouse or a finger. With the keyboard: the arrows move the cursor, Space draws a dot, Delete erases, Shift and an arrow draw a line."),
    element("div", { class: "cb-samples", role: "group", "aria-label": "Digits to begin from" }, ...samples.map((sample) => sample.root)),
    element("p", { class: "cb-note", hidden: !model.get("note") }, model.get("note")),
    element("p", { class: "cb-note" }, "Every layer, from the drawing to the scores: violet is above zero, orange below, and the colour is full for the largest number of a layer. Select a map to see it enlarged, below its layer."),
    flow,
  );

  // The enlarged map goes below its layer, and that stays where the reader sees it.
  function place(layer) {
    if (layer === under) return;
    under = layer;
    const top = () => layer.root.getBoundingClientRect().top;
    const before = top();
    if (layer === seen) flow.prepend(detail.root);
    else layer.root.after(detail.root);
    window.scrollBy({ top: top() - before, behavior: "instant" });
  }

  function paint(found) {
    colours = found;
    detail.picture.paint(colours);
    for (const sample of samples) sample.paint(colours.input);
    update();
  }

  function update() {
    const image = tensor(model.get("image"));
    board.show(image, colours.input);
    const pixels = { shape: [...image.shape], data: image.data.map((level) => level / 255) };
    const got = model.get("centred") ? centred(pixels) : pixels;
    const outputs = forward({ shape: [SIZE, SIZE, 1], data: got.data }, layers);
    const scores = outputs.at(-1);
    const result = ends ? scores.data : softmax(scores).data;

    const signed = { positive: colours.positive, negative: colours.negative };
    seen.show(got, { positive: colours.input });
    maps.forEach((layer, n) => layer.show(outputs[layers.indexOf(drawn[n])], signed));
    shares.show(Array.from(result));
    shown.textContent = sentence(Array.from(result), image.data.every((level) => level === 0));
    centring.checked = model.get("centred");

    const [name, map] = model.get("selected");
    const at = layers.findIndex((layer) => layer.name === name);
    const chosen = name === "input" ? seen : maps[drawn.indexOf(layers[at])];
    if (chosen) chosen.radios[map].checked = true;
    place(chosen ?? seen);
    if (at < 0) detail.show(input, 0, { shape: input.shape, data: got.data });
    else detail.show(layers[at], map, outputs[at]);
    const words = speak();
    if (words) said.textContent = words;
    speak = () => {};
  }

  const following = follow(model, ["image", "centred", "selected"], update);
  const stopColours = onColours(root, paint);
  update();
  return () => {
    stopColours();
    following.stop();
  };
}

export default { render };
