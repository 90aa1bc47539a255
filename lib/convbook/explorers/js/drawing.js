// Strokes on a board of pixels, and what the makers of MNIST did with a digit before a network got it.
import { inked, zeros } from "./arithmetic.js";

// Half the width of a stroke: that of the digits of MNIST, in pixels.
const PEN = 1.25;
const ERASER = 2.25;

// Draw the line between two points [row, column] on `board` {shape, data}, or erase along it. Values are whole, from
// 0 to 255; a pixel half covered gets half of them.
export function stroke(board, [top, left], [bottom, right], erase = false) {
  const [h, w] = board.shape;
  const reach = erase ? ERASER : PEN;
  const [down, along] = [bottom - top, right - left];
  const length = down * down + along * along;
  const from = (one, other) => Math.max(Math.floor(Math.min(one, other) - reach - 1), 0);
  const to = (one, other, size) => Math.min(Math.ceil(Math.max(one, other) + reach + 1), size);
  for (let i = from(top, bottom); i < to(top, bottom, h); i += 1) {
    for (let j = from(left, right); j < to(left, right, w); j += 1) {
      const [y, x] = [i + 0.5 - top, j + 0.5 - left];
      const t = length ? Math.min(Math.max((y * down + x * along) / length, 0), 1) : 0;
      const covered = Math.min(Math.max(reach + 0.5 - Math.hypot(y - t * down, x - t * along), 0), 1);
      const value = Math.round(255 * covered);
      const at = i * w + j;
      board.data[at] = erase ? Math.min(board.data[at], 255 - value) : Math.max(board.data[at], value);
    }
  }
}

// A digit with its longer side scaled to `side` pixels and its centre of mass moved to the middle, as in MNIST.
export function centred(image, side = 20) {
  const box = inked(image);
  if (!box) return image;
  const [height, width] = [box.bottom - box.top, box.right - box.left];
  const longer = Math.max(height, width);
  const scaled = (length) => Math.max(Math.floor((2 * side * length + longer) / (2 * longer)), 1);
  const [h, w] = image.shape;
  const rows = mixture(box.top, height, scaled(height));
  const columns = mixture(box.left, width, scaled(width));
  // First the rows, then the columns.
  const tall = Array.from(rows, (parts) =>
    Float64Array.from({ length: w }, (_, j) => parts.reduce((sum, [i, share]) => sum + share * image.data[i * w + j], 0)),
  );
  const digit = tall.map((row) => columns.map((parts) => parts.reduce((sum, [j, share]) => sum + share * row[j], 0)));
  const top = offset(digit.map((row) => row.reduce((sum, value) => sum + value, 0)), h);
  const left = offset(columns.map((_, j) => digit.reduce((sum, row) => sum + row[j], 0)), w);
  const result = zeros(h, w);
  digit.forEach((row, i) => row.forEach((value, j) => (result.data[(top + i) * w + left + j] = value)));
  return result;
}

// Which pixels from `start` on, and how much of each, make the pixels of a row that is scaled from `from` to `to`
// pixels: a weight that falls linearly with the distance.
function mixture(start, from, to) {
  const scale = from / to;
  const reach = Math.max(scale, 1);
  return Array.from({ length: to }, (_, pixel) => {
    const middle = (pixel + 0.5) * scale;
    const parts = [];
    for (let i = 0; i < from; i += 1) {
      const share = 1 - Math.abs(i + 0.5 - middle) / reach;
      if (share > 0) parts.push([start + i, share]);
    }
    const sum = parts.reduce((total, [, share]) => total + share, 0);
    return parts.map(([i, share]) => [i, share / sum]);
  });
}

// Where a digit must begin for its centre of mass to be in the middle, and the whole of it on the board.
function offset(ink, size) {
  const sum = ink.reduce((total, value) => total + value, 0);
  const middle = ink.reduce((total, value, i) => total + i * value, 0) / sum;
  // A little less than half, so that rounding errors do not decide where a symmetric drawing goes.
  return Math.min(Math.max(Math.floor(size / 2 - middle + 0.5 - 1e-5), 0), size - ink.length);
}
