// A picture of numbers on a canvas: the colour of a cell is its sign, the strength of the colour its size, and a dash says
// once more which are negative. For maps too large to be a Grid at every move; whoever shows one also offers its numbers in a Grid.
import { element, format } from "./page.js";

export class Picture {
  // `label` is what a screen reader says before the picture's size and range, `title` what stands over it, `cell` how
  // many pixels of canvas each side of a number gets: enough for a sharp frame, where there are frames.
  constructor({ label, title = label, role, cell = 16 }) {
    this.cell = cell;
    this.describe = ({ shape: [h, w], data }) => {
      const [least, most] = [Math.min, Math.max].map((of) => format(data.reduce((found, value) => of(found, value))));
      return `${label}: ${h} by ${w} numbers from ${least} to ${most}`;
    };
    this.canvas = element("canvas", { role: "img", class: `cb-picture cb-${role}` });
    this.root = element(
      "div",
      { class: "cb-panel" },
      element("div", { class: "cb-title", "aria-hidden": "true" }, title),
      this.canvas,
    );
  }

  // Show a map; of its last row some numbers may be missing. `positive` names the colour of its positive numbers, `framed`
  // and `dotted` say for each place whether it is marked, `outline` is a dashed rectangle [top, left, height, width].
  // Nothing is drawn that is there already.
  show(map, { strength, positive = "positive", framed = null, dotted = null, outline = null }) {
    const wanted = { map, strength, positive, framed, dotted, outline };
    const label = this.describe(map);
    if (this.canvas.getAttribute("aria-label") !== label) this.canvas.setAttribute("aria-label", label);
    if (this.shown && unchanged(this.shown, wanted)) return;
    this.shown = wanted;
    this.draw();
  }

  // Draw what is shown in the colours of a page, once they are known.
  paint(colours) {
    this.colours = colours;
    this.draw();
  }

  draw() {
    if (!this.shown || !this.colours) return;
    const { map, strength, positive, framed, dotted, outline } = this.shown;
    const { cell, colours } = this;
    const [h, w] = map.shape;
    if (this.canvas.width !== w * cell || this.canvas.height !== h * cell) {
      [this.canvas.width, this.canvas.height] = [w * cell, h * cell];
    }
    const pen = this.canvas.getContext("2d");
    pen.clearRect(0, 0, w * cell, h * cell);
    const eachPlace = (mark) => map.data.forEach((value, place) => mark(place, (place % w) * cell, Math.floor(place / w) * cell, value));
    eachPlace((_, x, y, value) => {
      if (value === 0) return;
      pen.globalAlpha = Math.min(1, Math.abs(value) / (strength || 1));
      pen.fillStyle = value > 0 ? colours[positive] : colours.negative;
      pen.fillRect(x, y, cell, cell);
      if (value < 0 && pen.globalAlpha > 0.1) pen.clearRect(x + cell / 4, y + Math.ceil((7 * cell) / 16), cell / 2, cell / 8);
    });
    pen.globalAlpha = 1;
    if (outline) {
      const [top, left, height, width] = outline;
      pen.strokeStyle = colours.muted;
      pen.lineWidth = 3;
      pen.setLineDash([10, 8]);
      pen.strokeRect(left * cell, top * cell, width * cell, height * cell);
      pen.setLineDash([]);
    }
    pen.fillStyle = colours.ink;
    pen.strokeStyle = colours.accent;
    pen.lineWidth = 4;
    eachPlace((place, x, y) => {
      if (dotted?.[place]) pen.fillRect(x + cell / 2 - 2.5, y + cell / 2 - 2.5, 5, 5);
      if (framed?.[place]) pen.strokeRect(x + 2, y + 2, cell - 4, cell - 4);
    });
  }
}

function unchanged(one, other) {
  const same = (a, b) => a === b || (a && b && a.length === b.length && a.every((value, i) => value === b[i]));
  return (
    one.strength === other.strength &&
    one.positive === other.positive &&
    same(one.map.shape, other.map.shape) &&
    same(one.map.data, other.map.data) &&
    ["framed", "dotted", "outline"].every((name) => same(one[name], other[name]))
  );
}
