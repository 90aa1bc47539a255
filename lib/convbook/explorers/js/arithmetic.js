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

export function zeros(...shape) {
  return { shape, data: new Float64Array(shape.reduce((product, size) => product * size, 1)) };
}

// How many places a window of `kernel` elements, `dilation` apart, has on `size` pixels with `padding` on both sides.
export function outputSize(size, kernel, stride = 1, padding = 0, dilation = 1) {
  return Math.floor((size + 2 * padding - dilation * (kernel - 1) - 1) / stride) + 1;
}

// A kernel turned by half a circle: what makes a convolution of a cross-correlation.
export function flipped(kernel) {
  const [kh, kw, ...rest] = kernel.shape;
  const inner = rest.reduce((product, size) => product * size, 1);
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

// The pixels of (h, w, c) on a ground of zeros, their corner at (top, left): what falls outside is lost.
export function placed(input, top, left, height = input.shape[0], width = input.shape[1]) {
  const [h, w, channels] = input.shape;
  const output = zeros(height, width, channels);
  const [from, to] = [Math.max(0, -left), Math.min(w, width - left)];
  for (let i = Math.max(0, -top); i < Math.min(h, height - top) && from < to; i += 1) {
    const row = input.data.subarray((i * w + from) * channels, (i * w + to) * channels);
    output.data.set(row, ((i + top) * width + from + left) * channels);
  }
  return output;
}

export function relu({ shape, data }) {
  return { shape, data: data.map((value) => Math.max(0, value)) };
}

// The largest value of each window of each channel; rows and columns left over at the end are not read.
export function maxPool(input, size, stride = size) {
  const [h, w, channels] = input.shape;
  const output = zeros(outputSize(h, size, stride), outputSize(w, size, stride), channels);
  const [oh, ow] = output.shape;
  for (let i = 0; i < oh; i += 1) {
    for (let j = 0; j < ow; j += 1) {
      for (let c = 0; c < channels; c += 1) {
        let most = -Infinity;
        for (let a = 0; a < size; a += 1) {
          for (let b = 0; b < size; b += 1) {
            most = Math.max(most, input.data[((i * stride + a) * w + j * stride + b) * channels + c]);
          }
        }
        output.data[(i * ow + j) * channels + c] = most;
      }
    }
  }
  return output;
}

// A dense layer on all numbers of its input: the kernel is (features, units), as Keras keeps it.
export function denseLayer(input, kernel, bias = null) {
  const units = kernel.shape[1];
  const output = zeros(units);
  if (bias) output.data.set(bias);
  input.data.forEach((value, feature) => {
    if (value === 0) return;
    for (let unit = 0; unit < units; unit += 1) output.data[unit] += value * kernel.data[feature * units + unit];
  });
  return output;
}

// The pixels of (h, w) moved down and to the right: zeros come in, and what goes over the border is lost.
export function shifted(image, rows, columns) {
  const [h, w] = image.shape;
  const moved = zeros(h, w);
  for (let i = Math.max(rows, 0); i < h + Math.min(rows, 0); i += 1) {
    for (let j = Math.max(columns, 0); j < w + Math.min(columns, 0); j += 1) {
      moved.data[i * w + j] = image.data[(i - rows) * w + j - columns];
    }
  }
  return moved;
}

// Where a window goes along an axis of `size` pixels: how much padding stands before and after them, and for each
// place the first pixel that it reads and the one behind the last, the padding left out.
export function slidingSpans(size, window, stride, padding) {
  const total = padding === "same" ? Math.max((Math.ceil(size / stride) - 1) * stride + window - size, 0) : 0;
  const before = Math.floor(total / 2);
  const count = Math.max(outputSize(size + total, window, stride), 0);
  const spans = Array.from({ length: count }, (_, place) => {
    const start = place * stride - before;
    return [Math.max(start, 0), Math.min(start + window, size)];
  });
  return { before, after: total - before, spans };
}

// Pooling of (h, w) by "max", "average" or "l2" over the pixels that row and column spans name. `winners` holds, for
// each output, the index of its largest pixel, the first if there are several.
export function pooled(image, kind, rows, columns) {
  const w = image.shape[1];
  const output = { ...zeros(rows.length, columns.length), winners: [] };
  rows.forEach(([top, bottom], i) =>
    columns.forEach(([left, right], j) => {
      let [winner, sum, squares] = [top * w + left, 0, 0];
      for (let a = top; a < bottom; a += 1) {
        for (let b = left; b < right; b += 1) {
          const value = image.data[a * w + b];
          if (value > image.data[winner]) winner = a * w + b;
          sum += value;
          squares += value * value;
        }
      }
      const count = (bottom - top) * (right - left);
      const value = { max: image.data[winner], average: sum / count, l2: Math.sqrt(squares) }[kind];
      output.data[i * columns.length + j] = value;
      output.winners.push(winner);
    }),
  );
  return output;
}
