import { nested, placed, pooled, strongest, tensor } from "./arithmetic.js";
import { choice, number, presets, row } from "./controls.js";
import { Grid } from "./grid.js";
import { pad } from "./pad.js";
import { button, element, format, frame, message, plural, sign, write } from "./page.js";
import { pencil } from "./pencil.js";
import { alike, assign, follow, valuesOf } from "./state.js";
import { slidingSpans } from "./windows.js";

const FARTHEST = 12;

function shiftInWords([rows, columns]) {
  const along = (by, forwards, backwards) => (by === 0 ? [] : [`${Math.abs(by)} ${by > 0 ? forwards : backwards}`]);
  return [...along(rows, "down", "up"), ...along(columns, "to the right", "to the left")].join(" and ");
}

// A sum as it is written by hand, with a minus where a number is negative.
const summed = (values) =>
  values.map((value, n) => (n === 0 ? format(value) : `${value < 0 ? "−" : "+"} ${format(Math.abs(value))}`)).join(" ");
const squared = (values) => values.map((value) => (value < 0 ? `(${format(value)})²` : `${format(value)}²`)).join(" + ");

function render({ model, el }) {
  const root = frame(el, "Pooling explorer", "pooling");
  let input;
  let rows; // where windows go, along each axis
  let columns;
  let changes = [];
  let pointed = null; // what the reader points at: {side, of: "input" or "output", at: [row, column]}
  let refusal = ""; // why the last setting was not taken

  // --- what the state says ---

  const shape = () => [rows.spans.length, columns.spans.length];
  const selected = () => model.get("selected").map((at, axis) => Math.min(at, shape()[axis] - 1));
  // A place of the padded grid as a place of the image.
  const place = (i, j) => [i - rows.before, j - columns.before];
  const inImage = (i, j) => i >= 0 && j >= 0 && i < input.shape[0] && j < input.shape[1];
  const within = (spans, at) => spans.map(([first, end]) => at >= first && at < end);
  const windowOf = ([i, j]) => [rows.spans[i], columns.spans[j]];

  function pixelsOf(image, [i, j]) {
    const [[top, bottom], [left, right]] = windowOf([i, j]);
    const lines = Array.from({ length: bottom - top }, (_, a) => (top + a) * image.shape[1]);
    return lines.flatMap((line) => Array.from(image.data.subarray(line + left, line + right)));
  }

  function change(wanted) {
    const setting = (name) => wanted[name] ?? model.get(name);
    const [h, w] = wanted.input ? tensor(wanted.input).shape : input.shape;
    const pool = setting("pool_size");
    refusal = "";
    if (setting("padding") === "valid" && pool > Math.min(h, w)) {
      refusal = `A window of ${pool}×${pool} has no place on ${h}×${w} pixels without padding.`;
    }
    if (setting("shift").some((by) => Math.abs(by) > FARTHEST)) {
      refusal = `Shifts go no farther than ${FARTHEST} pixels: nothing of the input is left.`;
    }
    if (refusal) return update();
    return assign(model, wanted);
  }

  // --- what is said ---

  const at = ([i, j]) => `(${i}, ${j})`;

  function whatTheShiftDid() {
    const [oh, ow] = shape();
    const pixels = input.data.length;
    const by = shiftInWords(model.get("shift"));
    if (!by) return `Not shifted: ${pixels} pixels are pooled into ${plural(oh * ow, "value")}. Press an arrow and see how many stay.`;
    const moved = sides[1].image.data.filter((value, n) => value !== input.data[n]).length;
    const pooledToo = changes.filter(Boolean).length;
    return `Shifted by ${by}: ${moved} of ${pixels} pixels changed, ${pooledToo} of ${oh * ow} pooled values did.`;
  }

  // How an output came about.
  function made(side, of) {
    const values = pixelsOf(side.image, of);
    const many = values.length > 6;
    const pixels = values.length === 1 ? "its only pixel" : `its ${values.length} pixels`;
    if (model.get("pool") === "average") {
      const sum = values.reduce((total, value) => total + value, 0);
      return `the mean of ${pixels}: ${many ? format(sum) : `(${summed(values)})`}/${values.length}`;
    }
    if (model.get("pool") === "l2") {
      const sum = values.reduce((total, value) => total + value * value, 0);
      return `the root of the sum of squares of ${pixels}: √${many ? format(sum) : `(${squared(values)})`}`;
    }
    const winner = side.output.winners[of[0] * shape()[1] + of[1]];
    const w = input.shape[1];
    const ties = values.filter((value) => value === side.image.data[winner]).length;
    const largest = values.length === 1 ? pixels : `the largest of ${pixels}`;
    return `${largest}, at ${at([Math.floor(winner / w), winner % w])}${ties > 1 ? `, the first of ${ties} alike` : ""}`;
  }

  function aboutOutput(side, of) {
    const value = (output) => format(output.data[of[0] * shape()[1] + of[1]]);
    const which = side.after ? `After the shift, output ${at(of)}` : `Output ${at(of)}`;
    const kept = changes[of[0] * shape()[1] + of[1]] ? ` It was ${value(sides[0].output)}.` : " It stayed.";
    return `${which} is ${value(side.output)}, ${made(side, of)}.${side.after ? kept : ""}`;
  }

  // Which outputs a pixel goes into, and which of them it wins.
  function reach(side, [i, j]) {
    const [down, across] = [within(rows.spans, i), within(columns.spans, j)];
    const index = i * input.shape[1] + j;
    const reached = (a, b) => down[a] && across[b];
    const won = (a, b) => reached(a, b) && model.get("pool") === "max" && side.output.winners[a * across.length + b] === index;
    const windows = down.filter(Boolean).length * across.filter(Boolean).length;
    return { reached, won, windows, wins: side.output.winners.filter((winner) => winner === index).length };
  }

  function aboutPixel(side, of) {
    const [i, j] = of;
    if (!inImage(i, j)) return "Padding: no window counts it.";
    const value = format(side.image.data[i * input.shape[1] + j]);
    const pixel = `Pixel ${at(of)}, a ${value},`;
    const border = !isGone(side, i, j) ? "" : side.after ? " It came in with the shift." : " The shift pushes it over the border.";
    const { windows, wins } = reach(side, of);
    if (windows === 0) return `${pixel} is in no window: the output knows nothing of it.${border}`;
    if (model.get("pool") !== "max") {
      return `${pixel} is in ${plural(windows, "window")} and has a part in ${windows === 1 ? "its output" : "each of their outputs"}.${border}`;
    }
    const all = windows === 1 ? "wins it" : `wins ${wins} of them`;
    const fate = wins > 0 ? all : "wins none: with a smaller number in its place the output is the same";
    return `${pixel} is in ${plural(windows, "window")} and ${fate}.${border}`;
  }

  // Before the shift: pixels that it pushes over the border. After it: those that came in.
  function isGone(side, i, j) {
    const [down, right] = model.get("shift");
    return side.after ? !inImage(i - down, j - right) : !inImage(i + down, j + right);
  }

  // --- controls ---

  const pen = pencil("shows its windows", () => sides[0].pixels.body.classList.toggle("cb-paints", pen.draws));
  const controls = {
    image: presets("Input", (image) => change({ input: image })),
    size: number("Input size", 2, 12, 8, (size) => change({ input: nested(placed(input, 0, 0, size, size)) })),
    pool: choice("Pooling", ["max", "average", ["l2", "L2"]], "max", (pool) => change({ pool })),
    poolSize: number("Pool size", 1, 4, 2, (size) => change({ pool_size: size })),
    strides: number("Stride", 1, 4, 2, (strides) => change({ strides })),
    padding: choice("Padding", ["valid", "same"], "valid", (padding) => change({ padding })),
    pointer: pen.pointer,
    brush: pen.brush,
  };
  root.append(row(controls));

  const shiftBy = (down, right) => {
    const [i, j] = model.get("shift");
    change({ shift: [i + down, j + right] });
  };
  const arrows = { up: "↑", left: "←", right: "→", down: "↓" };
  const face = (name) => [arrows[name], { "aria-label": `Shift ${name}` }];
  const shifts = pad("Shift the input", face, shiftBy, () => change({ shift: [0, 0] }));

  // --- grids ---

  const point = (side, of, i, j) => {
    pointed = { side, of, at: [i, j] };
    if (of === "output" && !alike([i, j], selected())) {
      assign(model, { selected: [i, j] });
    }
    following.soon();
  };
  const leave = () => {
    pointed = null;
    following.soon();
  };
  const put = (i, j, value) => {
    const [a, b] = place(i, j);
    if (!inImage(a, b)) return;
    const next = { shape: input.shape, data: input.data.slice() };
    next.data[a * input.shape[1] + b] = value;
    change({ input: nested(next) });
  };

  // The input and its output, before the shift or after it.
  function makeSide(after) {
    const side = { after };
    const look = (i, j) => point(side, "input", ...place(i, j));
    const use = (i, j) => (pen.draws ? put(i, j, pen.ink) : look(i, j));
    side.pixels = new Grid({
      label: after ? "Input, shifted" : "Input",
      role: "input",
      on: { point: look, leave, ...(after ? { press: look } : { press: use, paint: use, write: put }) },
    });
    side.values = new Grid({
      label: after ? "Output, shifted" : "Output",
      role: "output",
      on: { point: (i, j) => point(side, "output", i, j), leave, press: (i, j) => point(side, "output", i, j) },
    });
    side.pixels.describe = (i, j) => aboutPixel(side, place(i, j));
    side.values.describe = (i, j) => aboutOutput(side, [i, j]);
    side.root = element("div", { class: "cb-line" }, side.pixels.root, sign("→"), side.values.root);
    return side;
  }

  const sides = [makeSide(false), makeSide(true)];
  const keyOfWinner = element("span", { class: "cb-key-winner" }, "the largest of the window");
  const key = element(
    "p",
    { class: "cb-key" },
    element("span", { class: "cb-key-kept" }, "stayed"),
    element("span", { class: "cb-key-changed" }, "changed"),
    keyOfWinner,
  );
  const said = message();
  // What a reader points at is said by the cell itself, as its label, and only shown here.
  const told = element("p", { class: "cb-message" });
  const reset = element("div", { class: "cb-buttons" }, button("Reset", () => change(start)));
  root.append(element("div", { class: "cb-stage cb-shifts" }, sides[0].root, shifts, sides[1].root), key, said, told, reset);

  // --- from the state to the page ---

  function showInput(side, strength) {
    const [h, w] = input.shape;
    const { pixels, image, output } = side;
    const [[top, bottom], [left, right]] = windowOf(selected());
    const winner = model.get("pool") === "max" ? output.winners[selected()[0] * shape()[1] + selected()[1]] : -1;
    // Where windows tile the input, lines between them: what crosses a line moves to another output.
    const tiles = model.get("pool_size") === model.get("strides");
    const here = pointed?.side === side && pointed.of === "input" ? pointed.at : null;
    const inPlace = (test) => (i, j) => test(...place(i, j));
    const begins = (spans, size, k) => k > 0 && k < size && spans.some(([first], n) => n > 0 && first === k);
    pixels.resize(rows.before + h + rows.after, columns.before + w + columns.after);
    pixels.show(inPlace((i, j) => (inImage(i, j) ? image.data[i * w + j] : null)), { strength });
    pixels.mark("cb-padding", inPlace((i, j) => !inImage(i, j)));
    pixels.mark(side.after ? "cb-came" : "cb-lost", inPlace((i, j) => inImage(i, j) && isGone(side, i, j)));
    pixels.mark("cb-row-begins", inPlace((i) => tiles && begins(rows.spans, h, i)));
    pixels.mark("cb-column-begins", inPlace((i, j) => tiles && begins(columns.spans, w, j)));
    pixels.mark("cb-window", inPlace((i, j) => i >= top && i < bottom && j >= left && j < right));
    pixels.mark("cb-winner", inPlace((i, j) => inImage(i, j) && i * w + j === winner));
    pixels.mark("cb-here", inPlace((i, j) => here !== null && i === here[0] && j === here[1]));
  }

  function showOutput(side, strength) {
    const { values, output } = side;
    const [oh, ow] = shape();
    const [row, column] = selected();
    const pixel = pointed?.side === side && pointed.of === "input" && inImage(...pointed.at) ? reach(side, pointed.at) : null;
    values.resize(oh, ow);
    side.root.classList.toggle("cb-stacked", side.pixels.columns > 8 || ow > 4);
    values.show((i, j) => output.data[i * ow + j], { strength });
    values.mark("cb-selected", (i, j) => i === row && j === column);
    values.mark("cb-reached", (i, j) => pixel !== null && pixel.reached(i, j));
    values.mark("cb-won", (i, j) => pixel !== null && pixel.won(i, j));
    if (!side.after) return;
    values.mark("cb-kept", (i, j) => !changes[i * ow + j]);
    values.mark("cb-changed", (i, j) => changes[i * ow + j]);
  }

  function update() {
    const [pool, size, stride, padding] = ["pool", "pool_size", "strides", "padding"].map((name) => model.get(name));
    input = tensor(model.get("input"));
    rows = slidingSpans(input.shape[0], size, stride, padding);
    columns = slidingSpans(input.shape[1], size, stride, padding);
    for (const side of sides) {
      side.image = side.after ? placed(input, ...model.get("shift")) : input;
      side.output = pooled(side.image, pool, rows.spans, columns.spans);
    }
    // The same numbers added up in another order can differ in the last digit: that is no change.
    const least = 1e-9 * strongest(input.data);
    const [before, after] = sides.map((side) => side.output.data);
    changes = Array.from(before, (value, n) => Math.abs(value - after[n]) > least);

    const strength = strongest(before, after);
    for (const side of sides) {
      showInput(side, strongest(input.data));
      showOutput(side, strength);
      side.pixels.relabel();
      side.values.relabel();
    }
    keyOfWinner.hidden = pool !== "max";
    write(said, refusal || whatTheShiftDid());
    const { side, of, at: there } = pointed ?? { side: sides[1], of: "output", at: selected() };
    write(told, of === "input" ? aboutPixel(side, there) : aboutOutput(side, selected()));

    controls.image.set(model.get("images"), model.get("input"));
    controls.size.set(input.shape[0]);
    controls.pool.set(pool);
    controls.poolSize.set(size);
    controls.strides.set(stride);
    controls.padding.set(padding);
  }

  const names = ["input", "pool", "pool_size", "strides", "padding", "shift", "selected"];
  const start = valuesOf(model, names);
  const following = follow(model, names, update, (name) => {
    if (name !== "selected") refusal = "";
  });
  update();
  return following.stop;
}

export default { render };
