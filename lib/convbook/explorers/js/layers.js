// What the layers of a trained network compute, and its weights as they travel: see lenet.py.
import { conv, countOf, dense, placed, pooled, zeros } from "./arithmetic.js";

// The layers with their weights, from `bytes` (a DataView).
export function network(layers, bytes) {
  let at = 0;
  return layers.map((layer) => {
    const weights = (layer.weights ?? []).map(({ shape, bits }) => {
      const count = countOf(shape);
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
function reached(input, window, shape) {
  const [rows, columns] = window.map(([k, stride, , dilation], axis) => (shape[axis] - 1) * stride + dilation * (k - 1) + 1);
  const [top, left] = window.map(([, , before]) => before);
  return placed(input, top, left, rows, columns);
}

// The largest number of each window, or the mean; only pixels of the image count, none of its padding.
function poolEach(input, window, shape, kind) {
  const spans = window.map(([size, stride, before], axis) =>
    Array.from({ length: shape[axis] }, (_, place) => {
      const start = place * stride - before;
      return [Math.max(start, 0), Math.min(start + size, input.shape[axis])];
    }),
  );
  return pooled(input, kind, ...spans);
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
  if (kind.endsWith("Pooling2D")) return poolEach(input, window, shape, kind === "AveragePooling2D" ? "average" : "max");
  // Flatten changes nothing but the shape, and Dropout drops nothing when a network reads.
  return { shape, data: input.data };
}

// What every layer puts out, in their order.
export function forward(input, layers) {
  const outputs = [];
  for (const layer of layers) outputs.push(activated(before(layer, outputs.at(-1) ?? input), layer.activation));
  return outputs;
}
