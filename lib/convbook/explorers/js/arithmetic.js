// The arithmetic of small convolutional networks, on tensors {shape, data} in the order (height, width, channels).

export function tensor(nested) {
  const shape = [];
  for (let level = nested; Array.isArray(level); level = level[0]) shape.push(level.length);
  return { shape, data: Float64Array.from(nested.flat(Infinity)) };
}

export function nested({ shape, data }) {
  let levels = Array.from(data);
  for (const size of shape.slice(1).reverse()) {
    levels = Array.from({ length: levels.length / size }, (_, i) => levels.slice(i * size, (i + 1) * size));
  }
  return levels;
}

// How many numbers an array of this shape has.
export function countOf(shape) {
  return shape.reduce((product, size) => product * size, 1);
}

export function zeros(...shape) {
  return { shape, data: new Float64Array(countOf(shape)) };
}

// The largest of all absolute values.
export function strongest(...lists) {
  return lists.reduce((most, values) => values.reduce((found, value) => Math.max(found, Math.abs(value)), most), 0);
}

// How many places a window of `kernel` elements, `dilation` apart, has on `size` pixels with `padding` on both sides.
export function outputSize(size, kernel, stride = 1, padding = 0, dilation = 1) {
  return Math.floor((size + 2 * padding - dilation * (kernel - 1) - 1) / stride) + 1;
}

// A kernel turned by half a circle: what makes a convolution of a cross-correlation.
export function flipped(kernel) {
  const [kh, kw, ...rest] = kernel.shape;
  const inner = countOf(rest);
  const turned = zeros(...kernel.shape);
  for (let place = 0; place < kh * kw; place += 1) {
    for (let i = 0; i < inner; i += 1) turned.data[(kh * kw - 1 - place) * inner + i] = kernel.data[place * inner + i];
  }
  return turned;
}

// Cross-correlation of (h, w, c) with (kh, kw, c, f), plus one bias for each filter: (oh, ow, f).
export function conv(input, kernel, { bias = null, stride = 1, padding = 0, dilation = 1 } = {}) {
  const [h, w, channels] = input.shape;
  const [kh, kw, , filters] = kernel.shape;
  const oh = outputSize(h, kh, stride, padding, dilation);
  const ow = outputSize(w, kw, stride, padding, dilation);
  const output = zeros(Math.max(oh, 0), Math.max(ow, 0), filters);
  for (let i = 0; i < oh; i += 1) {
    for (let j = 0; j < ow; j += 1) {
      const at = (i * ow + j) * filters;
      for (let f = 0; f < filters; f += 1) output.data[at + f] = bias ? bias[f] : 0;
      for (let a = 0; a < kh; a += 1) {
        const row = i * stride + a * dilation - padding;
        if (row < 0 || row >= h) continue;
        for (let b = 0; b < kw; b += 1) {
          const column = j * stride + b * dilation - padding;
          if (column < 0 || column >= w) continue;
          for (let c = 0; c < channels; c += 1) {
            const pixel = input.data[(row * w + column) * channels + c];
            if (pixel === 0) continue;
            const weights = ((a * kw + b) * channels + c) * filters;
            for (let f = 0; f < filters; f += 1) output.data[at + f] += pixel * kernel.data[weights + f];
          }
        }
      }
    }
  }
  return output;
}

// The pixels of (h, w, ...) on a ground of zeros, their corner at (top, left): what falls outside is lost.
export function placed(input, top, left, height = input.shape[0], width = input.shape[1]) {
  const [h, w, ...rest] = input.shape;
  const each = countOf(rest);
  const output = zeros(height, width, ...rest);
  const [from, to] = [Math.max(0, -left), Math.min(w, width - left)];
  for (let i = Math.max(0, -top); i < Math.min(h, height - top) && from < to; i += 1) {
    const row = input.data.subarray((i * w + from) * each, (i * w + to) * each);
    output.data.set(row, ((i + top) * width + from + left) * each);
  }
  return output;
}

// The smallest box that holds all pixels of (h, w, 1) that are not 0; null where there are none.
export function inked({ shape: [h, w], data }) {
  let box = null;
  for (let i = 0; i < h; i += 1) {
    for (let j = 0; j < w; j += 1) {
      if (data[i * w + j] === 0) continue;
      box ??= { top: i, bottom: i + 1, left: j, right: j + 1 };
      box.bottom = i + 1;
      box.left = Math.min(box.left, j);
      box.right = Math.max(box.right, j + 1);
    }
  }
  return box;
}

export function relu({ shape, data }) {
  return { shape, data: data.map((value) => Math.max(0, value)) };
}

// A dense layer on all numbers of its input: the kernel is (features, units), as Keras keeps it.
export function dense(input, kernel, bias = null) {
  const units = kernel.shape[1];
  const output = zeros(units);
  if (bias) output.data.set(bias);
  input.data.forEach((value, feature) => {
    if (value === 0) return;
    for (let unit = 0; unit < units; unit += 1) output.data[unit] += value * kernel.data[feature * units + unit];
  });
  return output;
}

// Pooling of (h, w, ...) by "max", "average" or "l2" over the pixels that row and column spans name. `winners` holds, for
// each output, the index of its largest number, the first if there are several.
export function pooled(input, kind, rows, columns) {
  const [, w, ...rest] = input.shape;
  const each = countOf(rest);
  const output = { ...zeros(rows.length, columns.length, ...rest), winners: [] };
  for (const [top, bottom] of rows) {
    for (const [left, right] of columns) {
      const count = (bottom - top) * (right - left);
      for (let c = 0; c < each; c += 1) {
        let [winner, sum, squares] = [(top * w + left) * each + c, 0, 0];
        for (let a = top; a < bottom; a += 1) {
          for (let b = left; b < right; b += 1) {
            const at = (a * w + b) * each + c;
            const value = input.data[at];
            if (value > input.data[winner]) winner = at;
            sum += value;
            squares += value * value;
          }
        }
        const results = { max: input.data[winner], average: sum / count, l2: Math.sqrt(squares) };
        output.data[output.winners.length] = results[kind];
        output.winners.push(winner);
      }
    }
  }
  return output;
}
