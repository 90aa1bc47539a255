// What the layers of a trained network compute, and its weights as they travel: see lenet.py.
import { conv, zeros } from "./arithmetic.js";

// The layers with their weights, from `bytes` (a DataView).
export function network(layers, bytes) {
  let at = 0;
  return layers.map((layer) => {
    const weights = (layer.weights ?? []).map(({ shape, bits }) => {
      const count = shape.reduce((product, size) => product * size, 1);
      const steps = bits === 32 ? null : floats(bytes, at, shape.at(-1));
      if (steps) at += 4 * steps.length;
      const data = steps ? integers(bytes, at, count, bits) : floats(bytes, at, count);
      if (steps) for (let i = 0; i < count; i += 1) data[i] *= steps[i % steps.length];
      at += steps ? Math.ceil((count * bits) / 8) : 4 * count;
      return { shape, data };
    });
    return { ...layer, kernel: weights[0], bias: weights[1]?.data ?? null };
  });
}

function floats(bytes, at, count) {
  return Float64Array.from({ length: count }, (_, i) => bytes.getFloat32(at + 4 * i, true));
}

// Numbers of `bits` bits without a gap between them, less the offset that keeps them from being negative.
function integers(bytes, at, count, bits) {
  const found = new Float64Array(count);
  let held = 0;
  let many = 0;
  for (let i = 0; i < count; i += 1) {
    while (many < bits) {
      held = (held << 8) | bytes.getUint8(at);
      at += 1;
      many += 8;
    }
    many -= bits;
    found[i] = (held >> many) - 2 ** (bits - 1);
    held &= (1 << many) - 1;
  }
  return found;
}

// An input cut or continued with zeros to what the windows of a layer reach, so that they need no padding.
function reached(input, window, [oh, ow]) {
  const [h, w, channels] = input.shape;
  const [rows, columns] = window.map(([k, stride, , dilation], axis) => ([oh, ow][axis] - 1) * stride + dilation * (k - 1) + 1);
  const [top, left] = window.map(([, , before]) => before);
  if (rows === h && columns === w && top === 0 && left === 0) return input;
  const result = zeros(rows, columns, channels);
  for (let i = top; i < Math.min(rows, h + top); i += 1) {
    const from = (i - top) * w * channels;
    const length = Math.min(w, columns - left) * channels;
    result.data.set(input.data.subarray(from, from + length), (i * columns + left) * channels);
  }
  return result;
}

// The largest number of each window, or the mean; only pixels of the image count, none of its padding.
function poolEach(input, [[kh, down, top], [kw, right, left]], [oh, ow, channels], mean) {
  const [h, w] = input.shape;
  const output = zeros(oh, ow, channels);
  for (let i = 0; i < oh; i += 1) {
    const rows = [Math.max(i * down - top, 0), Math.min(i * down - top + kh, h)];
    for (let j = 0; j < ow; j += 1) {
      const columns = [Math.max(j * right - left, 0), Math.min(j * right - left + kw, w)];
      const count = (rows[1] - rows[0]) * (columns[1] - columns[0]);
      for (let c = 0; c < channels; c += 1) {
        let result = mean ? 0 : -Infinity;
        for (let a = rows[0]; a < rows[1]; a += 1) {
          for (let b = columns[0]; b < columns[1]; b += 1) {
            const pixel = input.data[(a * w + b) * channels + c];
            if (mean) result += pixel / count;
            else if (pixel > result) result = pixel;
          }
        }
        output.data[(i * ow + j) * channels + c] = result;
      }
    }
  }
  return output;
}

function dense(input, kernel, bias) {
  const [, units] = kernel.shape;
  const output = zeros(units);
  if (bias) output.data.set(bias);
  for (let i = 0; i < input.data.length; i += 1) {
    const value = input.data[i];
    if (value === 0) continue;
    for (let j = 0; j < units; j += 1) output.data[j] += value * kernel.data[i * units + j];
  }
  return output;
}

// Along the last axis, as all activations of the library.
export function softmax(input) {
  const output = zeros(...input.shape);
  const length = input.shape.at(-1);
  for (let start = 0; start < input.data.length; start += length) {
    const scores = input.data.subarray(start, start + length);
    const largest = scores.reduce((most, score) => Math.max(most, score), -Infinity);
    const powers = scores.map((score) => Math.exp(score - largest));
    const sum = powers.reduce((total, power) => total + power, 0);
    output.data.set(powers.map((power) => power / sum), start);
  }
  return output;
}

const FUNCTIONS = {
  relu: (value) => Math.max(value, 0),
  tanh: Math.tanh,
  sigmoid: (value) => 1 / (1 + Math.exp(-value)),
};

function activated(input, activation = "linear") {
  if (activation === "linear") return input;
  if (activation === "softmax") return softmax(input);
  return { shape: input.shape, data: input.data.map(FUNCTIONS[activation]) };
}

function before({ kind, window, shape, kernel, bias }, input) {
  if (kind === "Conv2D") {
    const [[, stride, , dilation]] = window;
    return conv(reached(input, window, shape), kernel, { bias, stride, dilation });
  }
  if (kind === "Dense") return dense(input, kernel, bias);
  if (kind.endsWith("Pooling2D")) return poolEach(input, window, shape, kind === "AveragePooling2D");
  // Flatten changes nothing but the shape, and Dropout drops nothing when a network reads.
  return { shape, data: input.data };
}

// What every layer puts out, in their order.
export function forward(input, layers) {
  const outputs = [];
  for (const layer of layers) outputs.push(activated(before(layer, outputs.at(-1) ?? input), layer.activation));
  return outputs;
}
