// Shapes, counts and receptive fields of layers, from their settings alone: whole numbers, no weights.
//
// A shape is [height, width, channels], or [numbers] where a layer has turned maps into a list. A layer is what the state
// of a network holds: its class's name in Keras, and its arguments. What cannot work throws, in the words of network.py.
import { paddingOf } from "./windows.js";

const MAPS = "images, (B, H, W, C)";
const LIST = "(B, n); a Flatten or a GlobalAveragePooling2D before it turns images into vectors";

export function isMap(shape) {
  return shape.length === 3;
}

function wants(axes, expected, shape) {
  if (shape.length === axes) return;
  throw new Error(`input_shape: got (None, ${shape.join(", ")}) of rank ${shape.length + 1}, expected ${expected}`);
}

// A layer's window must have a place on the map that reaches it.
function mustFit({ kernel_size, pool_size, padding, dilation_rate: dilation = 1 }, shape) {
  const size = kernel_size ?? pool_size;
  const extent = dilation * (size - 1) + 1;
  const [height, width] = shape;
  if (padding === "same" || extent <= Math.min(height, width)) return;
  const spread = extent > size ? `, spread over ${extent}×${extent},` : "";
  throw new Error(
    `a window of ${size}×${size} pixels${spread} does not fit on a map of ${height}×${width}; take a smaller one, or padding "same"`,
  );
}

// A layer's window along one axis of `size` pixels: its elements, where the first begins, and how many places it has.
function slide(layer, size) {
  const { strides: stride, padding, dilation_rate: dilation = 1 } = layer;
  const kernel = layer.kernel_size ?? layer.pool_size;
  const extent = dilation * (kernel - 1) + 1;
  const [before, after] = paddingOf(size, extent, stride, padding);
  return { kernel, stride, before, dilation, size, places: Math.floor((size + before + after - extent) / stride) + 1 };
}

// A window that reads an axis as a whole, and has one place.
function whole(size) {
  return { kernel: size, stride: 1, before: 0, dilation: 1, size, places: 1 };
}

function sliding(layer, shape, filters, { each = 0, biases = 0 } = {}) {
  mustFit(layer, shape);
  const windows = [slide(layer, shape[0]), slide(layer, shape[1])];
  const [height, width] = windows.map((window) => window.places);
  const weights = each * filters;
  return { shape: [height, width, filters], windows, parameters: weights + biases, multiplyAdds: height * width * weights };
}

function convolution(layer, shape) {
  const { strides, dilation_rate: dilation, filters, groups, kernel_size: k } = layer;
  if (strides > 1 && dilation > 1) {
    throw new Error(`strides: got ${strides} with dilation_rate ${dilation}, expected one of the two to be 1`);
  }
  const across = layer.class_name === "Conv2D";
  if (across && filters % groups) throw new Error(`groups: got ${groups}, expected a divisor of filters = ${filters}`);
  wants(3, MAPS, shape);
  const channels = shape[2];
  if (!across) return sliding(layer, shape, channels, { each: k * k, biases: channels });
  if (channels % groups) throw new Error(`groups: got ${groups}, expected a divisor of the ${channels} input channels`);
  return sliding(layer, shape, filters, { each: (k * k * channels) / groups, biases: filters });
}

function pooling(layer, shape) {
  wants(3, MAPS, shape);
  return sliding(layer, shape, shape[2]);
}

function listed(shape, to) {
  return { shape: to, windows: isMap(shape) ? [whole(shape[0]), whole(shape[1])] : [whole(1), whole(1)], parameters: 0, multiplyAdds: 0 };
}

const RULES = {
  Conv2D: convolution,
  DepthwiseConv2D: convolution,
  MaxPooling2D: pooling,
  AveragePooling2D: pooling,
  GlobalAveragePooling2D(layer, shape) {
    wants(3, MAPS, shape);
    return listed(shape, [shape[2]]);
  },
  Flatten: (layer, shape) => listed(shape, [shape.reduce((product, size) => product * size, 1)]),
  Dense(layer, shape) {
    wants(1, LIST, shape);
    const weights = shape[0] * layer.units;
    return { ...listed(shape, [layer.units]), parameters: weights + layer.units, multiplyAdds: weights };
  },
};

// The receptive field behind one more window: its size, the pixels between neighbours, and how far the first begins
// before the first pixel. BigInt, because strides multiply without end, even where the maps have one pixel only.
function wider({ size, stride, padding }, window) {
  return {
    size: size + BigInt(window.dilation * (window.kernel - 1)) * stride,
    stride: stride * BigInt(window.stride),
    padding: padding + BigInt(window.before) * stride,
  };
}

// What each layer makes of an input: rows {shape, parameters, multiplyAdds, windows, fields}, windows and fields for
// the rows and for the columns. The first that cannot work has an `error` instead, and those after it are empty.
export function walk(inputShape, layers) {
  let shape = inputShape;
  let fields = [0, 1].map(() => ({ size: 1n, stride: 1n, padding: 0n }));
  let failed = false;
  return layers.map((layer) => {
    if (failed) return {};
    try {
      const row = RULES[layer.class_name](layer, shape);
      fields = fields.map((field, axis) => wider(field, row.windows[axis]));
      shape = row.shape;
      return { ...row, fields };
    } catch (error) {
      failed = true;
      return { error: error.message };
    }
  });
}

// Which pixels along one axis the middle unit of the last of these windows sees, in order. Padding is not seen.
export function pixelsSeen(windows) {
  const last = windows.at(-1);
  let seen = [Math.floor(last.places / 2)];
  for (const { kernel, stride, before, dilation, size } of [...windows].reverse()) {
    const read = new Array(size).fill(false);
    for (const place of seen) {
      for (let element = 0; element < kernel; element += 1) {
        const pixel = place * stride + element * dilation - before;
        if (pixel >= 0 && pixel < size) read[pixel] = true;
      }
    }
    seen = read.flatMap((isRead, pixel) => (isRead ? [pixel] : []));
  }
  return seen;
}
