// A picture with one pixel of canvas for each number, which the style sheet makes larger: for many that change at once.
// Colour for the sign, and the more of it the larger the number. Zero is the ground.
import { element } from "./page.js";

// A colour "#rrggbb" as the bytes of a pixel without alpha, which come in the order of the processor: blue first.
function bytes(colour) {
  const [red, green, blue] = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
  return (blue << 16) | (green << 8) | red;
}

// How much of a colour is its alpha. All of it is written at once and never drawn on, so it is best kept where the
// processor writes: that is what willReadFrequently does.
export class Pixels {
  constructor(height, width, attributes = {}) {
    this.canvas = element("canvas", { width, height, ...attributes });
    this.context = this.canvas.getContext("2d", { willReadFrequently: true });
    this.image = this.context.createImageData(width, height);
    this.words = new Uint32Array(this.image.data.buffer);
  }

  // Every `step`-th number of `data` from `at` on; one as large as `strength` gets the full colour. Until the colours are
  // known nothing is shown.
  show(data, { at = 0, step = 1, strength = 1, positive, negative = positive }) {
    if (!positive) return;
    const { words } = this;
    const [above, below] = [bytes(positive), bytes(negative)];
    const full = strength ? 255 / strength : 0;
    for (let pixel = 0; pixel < words.length; pixel += 1) {
      const value = data[at + pixel * step];
      words[pixel] = value < 0 ? (Math.round(-value * full) << 24) | below : (Math.round(value * full) << 24) | above;
    }
    this.context.putImageData(this.image, 0, 0);
  }
}
