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
