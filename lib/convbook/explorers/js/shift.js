import { conv, dense, inked, nested, placed, pooled, relu, strongest, tensor } from "./arithmetic.js";
import { onColours } from "./colours.js";
import { choice, number, presets, row } from "./controls.js";
import { Grid } from "./grid.js";
import { pad } from "./pad.js";
import { ARROWS, element, format, frame, message, plural, write } from "./page.js";
import { Picture } from "./picture.js";
import { assign, follow } from "./state.js";
import { paddingOf, slidingSpans } from "./windows.js";

const SILENCE = 400; // milliseconds without a change after which what happened is said

// --- what is compared ---

// What two numbers may differ by and still be the same one, added up in another order.
const closeness = (one, other) => 1e-9 * Math.max(1, strongest(one.data, other.data));

// Where two maps agree. Places at which both are 0 say nothing and are left out.
function compared(one, other) {
  const close = closeness(one, other);
  const counts = one.data.map((value, place) => Math.max(Math.abs(value), Math.abs(other.data[place])) > close);
  const equal = one.data.map((value, place) => Math.abs(value - other.data[place]) <= close);
  const agree = Array.from(counts, (count, place) => count && equal[place]);
  const differ = Array.from(counts, (count, place) => count && !equal[place]);
  const number = (places) => places.filter(Boolean).length;
  return { agree, differ, agreeing: number(agree), places: number(counts) };
}

// Whether the old map, moved, is the new one; zeros come in at its border.
function isMoved(before, after, [di, dj], close) {
  const old = placed(before, di, dj);
  return after.data.every((value, place) => Math.abs(value - old.data[place]) <= close);
}

// By how many whole steps the old map must be moved to give the new one, the nearest to `wanted`; null where none do.
function stepsBetween(before, after, wanted) {
  const close = closeness(before, after);
  const first = after.data.findIndex((value) => Math.abs(value) > close);
  if (first < 0) return null;
  // A place of the old map with the value that the new map has first must have come to where that is.
  const w = before.shape[1];
  const from = Array.from(before.data.keys()).filter((place) => Math.abs(before.data[place] - after.data[first]) <= close);
  const steps = from.map((place) => [Math.floor(first / w) - Math.floor(place / w), (first % w) - (place % w)]);
  const distance = ([di, dj]) => Math.hypot(di - wanted[0], dj - wanted[1]);
  steps.sort((one, other) => distance(one) - distance(other));
  return steps.find((by) => isMoved(before, after, by, close)) ?? null;
}

// The smallest rectangle [top, left, height, width] with all that is not 0.
function outlineOf(map) {
  const box = inked(map);
  return box && [box.top, box.left, box.bottom - box.top, box.right - box.left];
}

// --- how it is said ---

// The first of the units with the largest value; null where all have the same.
function strongestUnit({ data }) {
  const most = Math.max(...data);
  return data.every((value) => value === most) && data.length > 1 ? null : data.indexOf(most);
}

function way([rows, columns]) {
  const parts = [];
  if (rows) parts.push(`${plural(Math.abs(rows), "row")} ${rows > 0 ? "down" : "up"}`);
  if (columns) parts.push(`${plural(Math.abs(columns), "column")} ${columns > 0 ? "right" : "left"}`);
  return parts.join(" and ");
}

// Whole percents, of which 0 and 100 are said only where they are exact.
function percent(part, whole) {
  if (part === whole) return "100 %";
  return `${Math.min(99, Math.max(part > 0 ? 1 : 0, Math.round((100 * part) / whole)))} %`;
}

function aboutUnits(before, after) {
  const close = closeness(before, after);
  const changed = before.data.filter((value, unit) => Math.abs(value - after.data[unit]) > close).length;
  const [old, now] = [before, after].map(strongestUnit);
  const number = `${changed} of ${before.data.length}`;
  const said = (text, short) => ({ number, what: "changed", text, short });
  if (now === null) return said("All units have the same value: none stands out.", "no unit of the dense layer stands out");
  if (old === now) return said(`Unit ${now} is the strongest, as before.`, `the strongest unit is still ${now}`);
  if (old === null) return said(`No unit stood out, now it is unit ${now}.`, `the strongest unit is ${now}`);
  return said(`Unit ${old} was the strongest, now it is unit ${now}.`, `the strongest unit is ${now} in place of ${old}`);
}

function aboutMap({ agreeing, places }, moved) {
  const missing = places - agreeing;
  const number = places ? percent(agreeing, places) : "0";
  const what = places ? "of what is still in view moved along" : "moved along";
  const said = (text, short) => ({ number, what, text, short });
  if (!places) return said("Nothing of the map is left: it is 0 everywhere.", "nothing of the feature map is left");
  if (missing) {
    return said(
      `At ${missing} of ${places} places (framed) it is not the old map, moved: there the border cuts.`,
      `the feature map moved along at ${agreeing} of ${places} places`,
    );
  }
  const text = `At all ${places} places with a value the new map is the old one, moved: this is equivariance.`;
  return said(moved ? text : "Nothing has moved yet.", "the feature map moved along everywhere");
}

// `steps` is how the old map gives the new one; where none do, `missing` counts the places at which it does not.
function aboutPooled({ agreeing, places }, left, moved, steps, multiple, size, missing) {
  const along = steps && way(steps);
  const cases = [
    [!left, "Nothing of the map is left: it is 0 everywhere."],
    [!moved, "Nothing has moved yet."],
    [along && multiple, `It is the old map, moved ${along}: the move is a multiple of ${size}.`],
    [along, `It is the old map, moved ${along}, though the move is no multiple of ${size}.`],
    [steps, "It is the old map, though the digit has moved."],
    [multiple, `The move is a multiple of ${size}, but at ${plural(missing, "place")} (framed) the border cuts.`],
    [true, `The move is no multiple of ${size}: no whole steps take the old map to this one.`],
  ];
  const [, text] = cases.find(([holds]) => holds);
  const number = `${agreeing} of ${places}`;
  return { number, what: "stayed", text, short: `of the pooled map ${number} values stayed` };
}

// --- the page ---

// One number, what it counts, and a sentence.
function verdict() {
  const [count, what, text] = [element("strong"), element("span"), element("p")];
  const root = element("div", { class: "cb-verdict" }, element("p", {}, count, " ", what), text);
  return {
    root,
    set: (found) => {
      write(count, found.number);
      write(what, found.what);
      write(text, found.text);
    },
  };
}

// What the marks in the pictures mean.
function key() {
  const marks = {
    old: "where the digit was",
    apart: "not the old map, moved",
    stayed: "a pooled value that stayed",
    below: "below zero",
  };
  const spans = Object.entries(marks).map(([name, text]) => element("span", { class: `cb-key-${name}` }, text));
  return element("p", { class: "cb-key", "aria-hidden": "true" }, ...spans);
}

// A table with a bar for each unit, before and after.
function bars() {
  const caption = element("caption", { class: "cb-title" });
  const body = element("tbody");
  const head = ["unit", "before", "moved"].map((name) => element("th", { scope: "col" }, name));
  const root = element("table", { class: "cb-bars" }, caption, element("thead", {}, element("tr", {}, ...head)), body);
  let rows = [];
  return {
    root,
    set: (...layers) => {
      const units = layers[0].data.length;
      if (rows.length !== units) {
        rows = Array.from({ length: units }, () => [element("td"), element("td")]);
        body.replaceChildren(
          ...rows.map((cells, unit) => element("tr", {}, element("th", { scope: "row" }, String(unit)), ...cells)),
        );
        write(caption, `Dense layer, ${plural(units, "unit")}`);
      }
      const most = strongest(...layers.map(({ data }) => data)) || 1;
      layers.forEach(({ data }, column) => {
        const top = strongestUnit({ data });
        rows.forEach((cells, unit) => {
          const cell = cells[column];
          write(cell, format(data[unit]));
          const length = (data[unit] / most).toFixed(3);
          if (cell.dataset.length !== length) {
            cell.dataset.length = length;
            cell.style.setProperty("--length", length);
            cell.classList.toggle("cb-negative", data[unit] < 0);
          }
          cell.classList.toggle("cb-strongest", unit === top);
        });
      });
    },
  };
}

function render({ model, el }) {
  const root = frame(el, "Shift explorer", "shift");
  let now;

  // --- the state, and what follows from it ---

  // Parsed once for each value: the weights are thousands of numbers.
  const parsed = new Map();
  function read(name, shape) {
    const value = model.get(name);
    if (parsed.get(name)?.value !== value) {
      const { shape: own, data } = tensor(value);
      parsed.set(name, { value, tensor: { shape: shape(own), data } });
    }
    return parsed.get(name).tensor;
  }
  const image = () => read("image", (own) => [...own, 1]);
  const kernel = () => read("kernel", (own) => [...own, 1, 1]);
  const weights = () => read("dense_kernel", (own) => own);

  function featureMap(picture) {
    const [kh, kw] = kernel().shape;
    if (model.get("padding") === "valid") return conv(picture, kernel());
    const [h, w] = picture.shape;
    const [[top], [left]] = [paddingOf(h, kh, 1, "same"), paddingOf(w, kw, 1, "same")];
    return conv(placed(picture, top, left, h + kh - 1, w + kw - 1), kernel());
  }

  function layers(picture) {
    const map = featureMap(picture);
    const size = model.get("pool_size");
    const [rows, columns] = map.shape.slice(0, 2).map((pixels) => slidingSpans(pixels, size, size, "valid").spans);
    return { picture, hidden: dense(picture, weights()), map, pooled: pooled(relu(map), "max", rows, columns) };
  }

  const change = (changes) => assign(model, changes);

  // Move to a place, as far as the picture reaches. Says so where it reaches no further.
  function move(rows, columns) {
    const [h, w] = image().shape;
    const to = [Math.max(-h, Math.min(h, rows)), Math.max(-w, Math.min(w, columns))];
    const from = model.get("shift");
    if (to[0] !== from[0] || to[1] !== from[1]) change({ shift: to });
    else if (to[0] !== rows || to[1] !== columns) announce("The picture has left its frame: it goes no further.");
  }

  function nudge(rows, columns) {
    const [i, j] = model.get("shift");
    move(i + rows, j + columns);
  }

  // --- controls ---

  const controls = {
    image: presets("Picture", (image) => change({ image })),
    kernel: presets("Kernel", (kernel) => change({ kernel })),
    padding: choice("Padding", [["same", "same: zeros around"], ["valid", "valid: none"]], "same", (padding) => change({ padding })),
    pool: number("Pool size", 1, 4, 2, (pool_size) => change({ pool_size })),
  };
  root.append(row(controls));

  // --- the picture that is moved ---

  const shown = {
    picture: new Picture({ label: "The picture, moved", title: "Drag the digit", role: "input" }),
    map: new Picture({ label: "Feature map before the move", title: "before", role: "output" }),
    movedMap: new Picture({ label: "Feature map of the moved digit", title: "moved", role: "output" }),
    pooled: new Picture({ label: "Pooled map before the move", title: "before", role: "output" }),
    movedPooled: new Picture({ label: "Pooled map of the moved digit", title: "moved", role: "output" }),
  };
  const handle = element(
    "div",
    {
      class: "cb-handle",
      role: "application",
      tabindex: 0,
      "aria-label": "The digit: drag it, or move it with the arrow keys",
      onkeydown: arrow,
    },
    shown.picture.canvas,
  );
  shown.picture.root.append(handle);

  function arrow(event) {
    const by = ARROWS[event.key];
    if (!by || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    nudge(...by);
  }

  let dragged = null;
  handle.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    dragged = { x: event.clientX, y: event.clientY, from: model.get("shift") };
    handle.setPointerCapture?.(event.pointerId);
  });
  handle.addEventListener("pointermove", (event) => {
    if (!dragged) return;
    const { width, height } = handle.getBoundingClientRect();
    const [h, w] = image().shape;
    const rows = Math.round(((event.clientY - dragged.y) * h) / height);
    const columns = Math.round(((event.clientX - dragged.x) * w) / width);
    move(dragged.from[0] + rows, dragged.from[1] + columns);
  });
  for (const end of ["pointerup", "pointercancel"]) handle.addEventListener(end, () => (dragged = null));

  const word = (name) => [name[0].toUpperCase() + name.slice(1)];
  const moves = pad("Move the digit", word, nudge, () => move(0, 0));
  const place = element("p", { class: "cb-place" });
  const kernelGrid = new Grid({ label: "Kernel", role: "kernel", on: { write: edit } });

  function edit(row, column, value) {
    const next = { shape: kernel().shape.slice(0, 2), data: kernel().data.slice() };
    next.data[row * next.shape[1] + column] = value;
    change({ kernel: nested(next) });
  }

  // --- the three layers ---

  const units = bars();
  const verdicts = [verdict(), verdict(), verdict()];
  const pooledTitle = element("div", { class: "cb-title" });
  const pair = (...pictures) => element("div", { class: "cb-pair" }, ...pictures.map((picture) => picture.root));
  const blocks = [
    [units.root],
    [element("div", { class: "cb-title" }, "Feature map"), pair(shown.map, shown.movedMap)],
    [pooledTitle, pair(shown.pooled, shown.movedPooled)],
  ].map((parts, n) => element("div", { class: "cb-block" }, ...parts, verdicts[n].root));
  const said = message({ class: "cb-spoken" });
  // On a telephone the layers are out of sight while the digit is dragged: what becomes of them stands beside it.
  const short = ["unit", "map", "pooled"].map(() => element("span"));
  root.append(
    element(
      "div",
      { class: "cb-stage" },
      shown.picture.root,
      element("p", { class: "cb-short", "aria-hidden": "true" }, ...short),
      element("div", { class: "cb-column" }, moves, place),
      kernelGrid.root,
    ),
    element("div", { class: "cb-blocks" }, ...blocks),
    key(),
    said,
  );

  // --- numbers, on demand ---

  const tables = {
    none: null,
    "the picture before": ["input", () => now.before.picture],
    "the picture moved": ["input", () => now.after.picture],
    "the feature map before": ["output", () => now.before.map],
    "the feature map moved": ["output", () => now.after.map],
    "the pooled map before": ["output", () => now.before.pooled],
    "the pooled map moved": ["output", () => now.after.pooled],
  };
  const table = element("div", { class: "cb-numbers" });
  let wanted = "none";
  let grid = null;
  const numbers = choice("Numbers of", Object.keys(tables), "none", (name) => {
    wanted = name;
    grid = tables[name] && new Grid({ label: `Numbers of ${name}`, title: "", role: tables[name][0] });
    table.replaceChildren(...(grid ? [grid.root] : []));
    showNumbers();
  });
  root.append(element("div", { class: "cb-controls cb-more" }, numbers.root), table);

  function showNumbers() {
    if (!grid) return;
    const map = tables[wanted][1]();
    const [h, w] = map.shape;
    grid.resize(h, w);
    // Without shades, which the picture has: hundreds of them would make a drag slow.
    grid.show((i, j) => map.data[i * w + j]);
  }

  // --- from the state to the page ---

  function update() {
    const shift = model.get("shift");
    const size = model.get("pool_size");
    const before = layers(image());
    const after = layers(placed(image(), ...shift));
    now = { before, after };
    const moved = shift.some((by) => by !== 0);
    const along = compared(placed(before.map, ...shift), after.map);
    const stayed = compared(before.pooled, after.pooled);
    const steps = stepsBetween(before.pooled, after.pooled, shift.map((by) => by / size));
    const multiple = shift.every((by) => by % size === 0);
    const pooledAlong = multiple ? compared(placed(before.pooled, ...shift.map((by) => by / size)), after.pooled) : null;
    const missing = pooledAlong && pooledAlong.places - pooledAlong.agreeing;
    const found = [
      aboutUnits(before.hidden, after.hidden),
      aboutMap(along, moved),
      aboutPooled(stayed, strongest(after.pooled.data) > 0, moved, steps, multiple, size, missing),
    ];

    const [own, maps, pools] = ["picture", "map", "pooled"].map((name) => strongest(before[name].data, after[name].data));
    shown.picture.show(after.picture, { strength: own, positive: "input", outline: outlineOf(before.picture) });
    shown.map.show(before.map, { strength: maps });
    shown.movedMap.show(after.map, { strength: maps, framed: along.differ });
    shown.pooled.show(before.pooled, { strength: pools });
    shown.movedPooled.show(after.pooled, { strength: pools, dotted: moved ? stayed.agree : null, framed: pooledAlong?.differ });
    units.set(before.hidden, after.hidden);
    verdicts.forEach((one, n) => one.set(found[n]));
    const strong = [before, after].map(({ hidden }) => strongestUnit(hidden) ?? "none").join(" → ");
    [`unit ${strong}`, `map ${found[1].number}`, `pooled ${found[2].number}`].forEach((text, n) => write(short[n], text));
    write(pooledTitle, `ReLU, max pooling ${size}×${size}`);
    showPlace(shift, before.picture, after.picture);
    showNumbers();

    const [kh, kw] = kernel().shape;
    kernelGrid.resize(kh, kw);
    kernelGrid.show((i, j) => kernel().data[i * kw + j], { strength: strongest(kernel().data) });
    controls.image.set(model.get("images"), model.get("image"));
    controls.kernel.set(model.get("kernels"), model.get("kernel"));
    controls.padding.set(model.get("padding"));
    controls.pool.set(size);
    const text = moved
      ? `Moved ${way(shift)}: ${found.map(({ short }) => short).join(", ")}.`
      : "The digit is where it was: drag it, press the arrow keys on it, or use the buttons.";
    if (said.textContent === "") said.textContent = text;
    else announce(text);
  }

  function showPlace(shift, before, after) {
    const lit = ({ data }) => data.filter((value) => value !== 0).length;
    const lost = lit(before) - lit(after);
    const left = lost ? ` ${lost} of its ${plural(lit(before), "pixel")} have left the picture.` : "";
    write(place, `${way(shift) ? `Moved ${way(shift)}.` : "Not moved."}${left}`);
  }

  // Said when the reader pauses, not at every step of a drag.
  let pause = null;
  function announce(text) {
    clearTimeout(pause);
    pause = setTimeout(() => write(said, text), SILENCE);
  }

  const names = ["image", "shift", "kernel", "padding", "pool_size", "dense_kernel", "images", "kernels"];
  const following = follow(model, names, update);
  const stopColours = onColours(root, (colours) => Object.values(shown).forEach((picture) => picture.paint(colours)));
  update();
  return () => {
    clearTimeout(pause);
    stopColours();
    following.stop();
  };
}

export default { render };
