// A picture of numbers on a canvas: the colour of a cell is its sign, the strength of the colour its size, and a dash says
// once more which are negative. For maps too large to be a Grid at every move; whoever shows one also offers its numbers in a Grid.
import { element, format } from "./page.js";

const CELL = 16; // canvas pixels for each cell: enough for a sharp frame on any screen

export class Picture {
  // `label` is what a screen reader says before the picture's size and range, `title` what stands over it, `colour` the
  // variable of the style sheet that positive numbers have.
  constructor({ label, title = label, role, colour = "--cb-positive" }) {
    this.label = label;
    this.colour = colour;
    this.canvas = element("canvas", { role: "img", class: `cb-picture cb-${role}` });
    this.root = element(
      "div",
      { class: "cb-panel" },
      element("div", { class: "cb-title", "aria-hidden": "true" }, title),
      this.canvas,
    );
  }

  // Show a map. `framed` and `dotted` say for each place whether it is marked; `outline` is a dashed rectangle
  // [top, left, height, width]. Nothing is drawn that is there already.
  show(map, { strength, framed = null, dotted = null, outline = null }) {
    const wanted = { map, strength, framed, dotted, outline };
    if (this.shown && alike(this.shown, wanted)) return;
    this.shown = wanted;
    const [h, w] = map.shape;
    const range = [Math.min, Math.max].map((of) => format(map.data.reduce((most, value) => of(most, value))));
    this.canvas.setAttribute("aria-label", `${this.label}: ${h} by ${w} numbers from ${range[0]} to ${range[1]}`);
    this.draw();
  }

  // Draw what is shown, in the colours of the page as it is now; until the picture is on a page it has none.
  draw() {
    if (!this.shown || !this.canvas.isConnected) return;
    const { map, strength, framed, dotted, outline } = this.shown;
    const [h, w] = map.shape;
    this.colours ??= coloursOf(this.canvas, this.colour);
    if (this.canvas.width !== w * CELL || this.canvas.height !== h * CELL) {
      [this.canvas.width, this.canvas.height] = [w * CELL, h * CELL];
    }
    const pen = this.canvas.getContext("2d");
    pen.clearRect(0, 0, w * CELL, h * CELL);
    const eachPlace = (mark) => {
      for (let place = 0; place < h * w; place += 1) mark(place, (place % w) * CELL, Math.floor(place / w) * CELL);
    };
    eachPlace((place, x, y) => {
      const value = map.data[place];
      if (value === 0) return;
      pen.globalAlpha = Math.min(1, Math.abs(value) / (strength || 1));
      pen.fillStyle = value > 0 ? this.colours.positive : this.colours.negative;
      pen.fillRect(x, y, CELL, CELL);
      if (value < 0 && pen.globalAlpha > 0.1) pen.clearRect(x + 4, y + 7, CELL - 8, 2);
    });
    pen.globalAlpha = 1;
    if (outline) {
      const [top, left, height, width] = outline;
      pen.strokeStyle = this.colours.muted;
      pen.lineWidth = 3;
      pen.setLineDash([10, 8]);
      pen.strokeRect(left * CELL, top * CELL, width * CELL, height * CELL);
      pen.setLineDash([]);
    }
    pen.fillStyle = this.colours.ink;
    pen.strokeStyle = this.colours.accent;
    pen.lineWidth = 4;
    eachPlace((place, x, y) => {
      if (dotted?.[place]) pen.fillRect(x + CELL / 2 - 2.5, y + CELL / 2 - 2.5, 5, 5);
      if (framed?.[place]) pen.strokeRect(x + 2, y + 2, CELL - 4, CELL - 4);
    });
  }

  // The page may have got other colours.
  recolour() {
    this.colours = null;
    this.draw();
  }
}

function alike(one, other) {
  const same = (a, b) => a === b || (a && b && a.length === b.length && a.every((value, i) => value === b[i]));
  return (
    one.strength === other.strength &&
    same(one.map.shape, other.map.shape) &&
    same(one.map.data, other.map.data) &&
    ["framed", "dotted", "outline"].every((name) => same(one[name], other[name]))
  );
}

function coloursOf(canvas, positive) {
  const style = getComputedStyle(canvas);
  const names = { positive, negative: "--cb-negative", muted: "--cb-muted", ink: "--cb-ink", accent: "--cb-accent" };
  return Object.fromEntries(Object.entries(names).map(([key, name]) => [key, style.getPropertyValue(name).trim()]));
}

// Calls back when the element is on the page and whenever the page gets another theme; returns how to stop that.
export function onColours(root, changed) {
  const arrived = new ResizeObserver(() => {
    if (!root.isConnected) return;
    arrived.disconnect();
    changed();
  });
  arrived.observe(root);
  const theme = new MutationObserver(changed);
  const attributeFilter = ["class", "data-theme", "data-jp-theme-light", "data-vscode-theme-kind"];
  for (const node of [document.documentElement, document.body]) theme.observe(node, { attributes: true, attributeFilter });
  return () => {
    arrived.disconnect();
    theme.disconnect();
  };
}
