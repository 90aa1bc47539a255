// Arrays as pictures: colour for the sign, and the more of it the larger the number. Zero is the ground.
import { element } from "./page.js";

// The colours of an explorer as they are now, each as [red, green, blue].
export function palette(root) {
  const style = getComputedStyle(root);
  const colour = (name) => {
    const digits = style.getPropertyValue(`--cb-${name}`).trim().slice(1);
    return [0, 2, 4].map((at) => parseInt(digits.slice(at, at + 2), 16));
  };
  return { input: colour("input"), positive: colour("positive"), negative: colour("negative") };
}

// Calls `changed` when the site, JupyterLab or VS Code turns dark or light; returns what ends that.
export function onTheme(changed) {
  const observer = new MutationObserver(changed);
  const attributeFilter = ["data-theme", "data-jp-theme-light", "data-vscode-theme-kind", "class"];
  for (const place of [document.documentElement, document.body]) observer.observe(place, { attributeFilter });
  return () => observer.disconnect();
}

// One pixel of canvas for each number; the style sheet makes it larger. How much of a colour is its alpha. All of it is
// written at once and never drawn on, so it is best kept where the processor writes: that is what willReadFrequently does.
export class Picture {
  constructor(height, width, attributes = {}) {
    this.canvas = element("canvas", { width, height, ...attributes });
    this.context = this.canvas.getContext("2d", { willReadFrequently: true });
    this.pixels = this.context.createImageData(width, height);
    this.words = new Uint32Array(this.pixels.data.buffer);
  }

  // Every `step`-th number of `data` from `at` on; `strongest` gets the full colour.
  show(data, { at = 0, step = 1, strongest = 1, positive, negative = positive }) {
    const { words } = this;
    const [above, below] = [positive, negative].map(([red, green, blue]) => (blue << 16) | (green << 8) | red);
    const full = strongest ? 255 / strongest : 0;
    for (let pixel = 0; pixel < words.length; pixel += 1) {
      const value = data[at + pixel * step];
      words[pixel] = value < 0 ? (Math.round(-value * full) << 24) | below : (Math.round(value * full) << 24) | above;
    }
    this.context.putImageData(this.pixels, 0, 0);
  }
}

// A picture with room for a dash in every pixel clearly below zero, so that its sign is seen without its colour.
const CELL = 8;
export class LargePicture {
  constructor() {
    this.canvas = element("canvas", { role: "img" });
    this.context = this.canvas.getContext("2d");
  }

  show(values, width, { strongest, positive, negative = positive }) {
    const [w, h] = [CELL * width, CELL * Math.ceil(values.length / width)];
    if (this.canvas.width !== w || this.canvas.height !== h) Object.assign(this.canvas, { width: w, height: h });
    const css = ([red, green, blue]) => `rgb(${red} ${green} ${blue})`;
    const colours = [css(positive), css(negative)];
    const { context } = this;
    context.clearRect(0, 0, w, h);
    values.forEach((value, n) => {
      const [x, y] = [CELL * (n % width), CELL * Math.floor(n / width)];
      context.globalAlpha = strongest ? Math.min(Math.abs(value) / strongest, 1) : 0;
      context.fillStyle = colours[value < 0 ? 1 : 0];
      context.fillRect(x, y, CELL, CELL);
      if (value < 0 && context.globalAlpha > 0.1) context.clearRect(x + 2, y + 4, CELL - 4, 1);
    });
  }
}
