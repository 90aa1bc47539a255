import { conv, flipped, nested, outputSize, placed, strongest, tensor } from "./arithmetic.js";
import { choice, number, presets, row } from "./controls.js";
import { Grid } from "./grid.js";
import { button, element, format, frame, message, sign, unique, write } from "./page.js";
import { pencil } from "./pencil.js";
import { player } from "./player.js";
import { alike, assign, follow, valuesOf } from "./state.js";

function render({ model, el }) {
  const root = frame(el, "Convolution explorer", "convolution");
  let input;
  let kernel;
  let bias;
  let output;

  // --- what the state says ---

  const setting = () => ({
    stride: model.get("strides"),
    padding: model.get("padding"),
    dilation: model.get("dilation_rate"),
    bias,
  });
  const applied = () => (model.get("operation") === "convolution" ? flipped(kernel) : kernel);
  const selected = () => {
    const [row, column, filter] = model.get("selected");
    const [oh, ow, filters] = output.shape;
    return [Math.min(row, oh - 1), Math.min(column, ow - 1), Math.min(filter, filters - 1)];
  };

  // Why a setting leaves the kernel no place at all, or nothing.
  function problem({ strides, padding, dilation_rate: dilation }, [h, w] = input.shape, [kh, kw] = kernel.shape) {
    for (const [size, k] of [[h, kh], [w, kw]]) {
      if (outputSize(size, k, strides, padding, dilation) < 1) {
        return `The kernel spans ${dilation * (k - 1) + 1} pixels and the padded input has ${size + 2 * padding}: there is no place for it.`;
      }
    }
    return "";
  }

  function change(changes) {
    const wanted = { strides: model.get("strides"), padding: model.get("padding"), ...changes };
    wanted.dilation_rate ??= model.get("dilation_rate");
    const shape = (name, now) => (changes[name] ? tensor(changes[name]).shape : now.shape);
    const refused = problem(wanted, shape("input", input), shape("kernel", kernel));
    if (refused) {
      update();
      said.textContent = refused;
      return;
    }
    assign(model, changes);
  }

  // --- controls ---

  const single = () => input.shape[2] === 1 && kernel.shape[3] === 1;
  const pen = pencil("shows what it touches", () => paints());
  // What is drawn on with a finger does not scroll.
  const paints = () => inputs.forEach((grid) => grid.body.classList.toggle("cb-paints", pen.draws));
  const controls = {
    image: presets("Input", (image) => change({ input: image })),
    size: number("Input size", 3, 14, 6, (size) => resize("input", input, (whole) => placed(whole, 0, 0, size, size))),
    kernel: presets("Kernel", (matrix) => change({ kernel: matrix })),
    kernelSize: number("Kernel size", 1, 5, 3, (size) => resize("kernel", kernel, (whole) => inMiddle(whole, size))),
    strides: number("Stride", 1, 4, 1, (strides) => change({ strides })),
    padding: number("Padding", 0, 4, 0, (padding) => change({ padding })),
    dilation_rate: number("Dilation", 1, 3, 1, (dilation) => change({ dilation_rate: dilation })),
    operation: choice("Operation", ["cross-correlation", "convolution"], "cross-correlation", (operation) => change({ operation })),
    pointer: pen.pointer,
    brush: pen.brush,
  };
  const excluded = element("p", { class: "cb-note", id: unique() }, "Stride and dilation cannot both be above 1, as in Keras.");
  for (const { control } of [controls.strides, controls.dilation_rate]) control.setAttribute("aria-describedby", excluded.id);
  root.append(row(controls), excluded);

  // A kernel in another size, its middle where it was.
  function inMiddle(whole, size) {
    const [top, left] = whole.shape.slice(0, 2).map((k) => Math.floor(size / 2) - Math.floor(k / 2));
    return placed(whole, top, left, size, size);
  }

  // Sizes are cut from what was there before the first of them, so that nothing is lost on the way through a small one.
  const cut = {};
  function resize(name, now, to) {
    const whole = alike(cut[name]?.made, model.get(name)) ? cut[name].whole : now;
    const made = nested(to(whole));
    change({ [name]: made });
    if (model.get(name) === made) cut[name] = { whole, made };
  }

  // --- grids ---

  const stage = element("div", { class: "cb-stage" });
  const explained = element("div", { class: "cb-stage cb-explained" });
  const said = message();
  const steps = player(() => {
    const [row, column, filter] = selected();
    const [oh, ow, filters] = output.shape;
    const next = (row * ow + column + 1) % (oh * ow);
    const turn = next === 0 ? (filter + 1) % filters : filter;
    select(Math.floor(next / ow), next % ow, turn);
    return next !== 0 || turn !== 0;
  });
  const reset = button("Reset", () => {
    steps.stop();
    change(start);
  });
  steps.root.append(reset);
  root.append(stage, steps.root, explained, said);

  let inputs = [];
  let weights = [];
  let biases = [];
  let outputs = [];
  let parts = [];

  function select(row, column, filter) {
    assign(model, { selected: [row, column, filter] });
  }

  function put(name, { shape, data }, at, value) {
    const next = { shape, data: data.slice() };
    next.data[at] = value;
    change({ [name]: nested(next) });
  }

  function build() {
    const channels = input.shape[2];
    const filters = kernel.shape[3];
    const p = () => model.get("padding");
    const inside = (i, j) => i >= p() && j >= p() && i - p() < input.shape[0] && j - p() < input.shape[1];
    const index = (i, j, c) => ((i - p()) * input.shape[1] + (j - p())) * channels + c;
    const of = (word, n, many) => (many > 1 ? `${word} ${n}` : "");
    inputs = Array.from({ length: channels }, (_, c) => {
      const draw = (i, j, value) => inside(i, j) && put("input", input, index(i, j, c), value);
      const use = (i, j) => (pen.draws ? draw(i, j, pen.ink) : reached(i, j));
      const grid = new Grid({
        label: channels > 1 ? `Input, channel ${c}` : "Input",
        title: channels > 1 && c > 0 ? `channel ${c}` : channels > 1 ? "Input, channel 0" : "Input",
        role: "input",
        on: {
          point: (i, j) => reached(i, j),
          leave: () => update(),
          write: draw,
          press: use,
          paint: use,
        },
      });
      grid.describe = (i, j) =>
        inside(i, j)
          ? `row ${i - p()}, column ${j - p()}: ${format(input.data[index(i, j, c)])}`
          : "padding: 0";
      return grid;
    });
    paints();
    weights = Array.from({ length: filters }, (_, f) =>
      Array.from({ length: channels }, (_, c) => {
        const name = ["Kernel", of("filter", f, filters), of("channel", c, channels)].filter(Boolean).join(", ");
        return new Grid({
          label: name,
          title: c > 0 ? `channel ${c}` : [of("Filter", f, filters) || "Kernel", of("channel", c, channels)].filter(Boolean).join(", "),
          role: "kernel",
          on: {
            write: (i, j, value) =>
              put("kernel", kernel, ((i * kernel.shape[1] + j) * channels + c) * filters + f, value),
          },
        });
      }),
    );
    biases = Array.from({ length: filters }, (_, f) =>
      number(filters > 1 ? `Bias ${f}` : "Bias", -99, 99, 0, (value) => {
        const next = [...model.get("bias")];
        next[f] = value;
        change({ bias: next });
      }, 0.5),
    );
    outputs = Array.from({ length: filters }, (_, f) =>
      new Grid({
        label: filters > 1 ? `Output, filter ${f}` : "Output",
        role: "output",
        on: {
          point: (i, j) => select(i, j, f),
          press: (i, j) => select(i, j, f),
        },
      }),
    );
    parts = Array.from({ length: channels }, (_, c) => {
      const suffix = channels > 1 ? `, channel ${c}` : "";
      return ["Window", "Kernel", "Products"].map(
        (word, n) => new Grid({ label: word + suffix, role: ["input", "kernel", "output"][n] }),
      );
    });
    const column = (grids) => element("div", { class: "cb-column" }, ...grids.map((grid) => grid.root));
    root.classList.toggle("cb-many", channels > 1);
    stage.replaceChildren(
      column(inputs),
      sign("∗"),
      ...weights.map((grids, f) => {
        const made = column(grids);
        made.append(biases[f].root);
        return made;
      }),
      element("div", { class: "cb-result" }, sign("="), column(outputs)),
    );
    explained.replaceChildren(
      ...parts.map(([seen, weight, products]) =>
        element("div", { class: "cb-line" }, seen.root, sign("×"), weight.root, sign("="), products.root),
      ),
    );
  }

  // Which outputs a pixel goes into: all whose window holds it.
  function reached(i, j) {
    const { stride, dilation } = setting();
    const [kh, kw] = kernel.shape;
    const [oh, ow] = output.shape;
    const along = (place, k, count) =>
      Array.from({ length: count }, (_, o) => {
        const offset = place - o * stride;
        return offset >= 0 && offset % dilation === 0 && offset / dilation < k;
      });
    const rows = along(i, kh, oh);
    const columns = along(j, kw, ow);
    for (const grid of outputs) grid.mark("cb-reached", (a, b) => rows[a] && columns[b]);
    for (const grid of inputs) grid.mark("cb-here", (a, b) => a === i && b === j);
    const many = rows.filter(Boolean).length * columns.filter(Boolean).length;
    const p = model.get("padding");
    root.classList.add("cb-pointing");
    said.textContent = `Pixel (${format(i - p)}, ${format(j - p)}) goes into ${many} of the ${oh * ow} outputs${outputs.length > 1 ? " of each filter" : ""}.`;
  }

  // --- from the state to the page ---

  function update() {
    const shapes = JSON.stringify([input?.shape[2], kernel?.shape[3]]);
    input = tensor(model.get("input"));
    kernel = tensor(model.get("kernel"));
    bias = model.get("bias");
    output = conv(input, applied(), setting());
    if (JSON.stringify([input.shape[2], kernel.shape[3]]) !== shapes) build();

    const { stride, padding, dilation } = setting();
    const [h, w, channels] = input.shape;
    const [kh, kw, , filters] = kernel.shape;
    const [oh, ow] = output.shape;
    const [row, column, filter] = selected();
    const [top, left] = [row * stride, column * stride];
    const inWindow = (i, j) => {
      const [a, b] = [(i - top) / dilation, (j - left) / dilation];
      return Number.isInteger(a) && Number.isInteger(b) && a >= 0 && b >= 0 && a < kh && b < kw;
    };
    const isPadding = (i, j) => i < padding || j < padding || i >= h + padding || j >= w + padding;
    const pixel = (i, j, c) => (isPadding(i, j) ? 0 : input.data[((i - padding) * w + j - padding) * channels + c]);

    const together = w + 2 * padding + kw + Math.max(ow, 1);
    stage.style.setProperty("--together", together);
    root.classList.remove("cb-pointing");
    inputs.forEach((grid, c) => {
      grid.resize(h + 2 * padding, w + 2 * padding);
      grid.show((i, j) => pixel(i, j, c), { strength: strongest(input.data) });
      grid.mark("cb-padding", isPadding);
      grid.mark("cb-window", inWindow);
      grid.mark("cb-here", () => false);
    });
    weights.forEach((grids, f) =>
      grids.forEach((grid, c) => {
        grid.resize(kh, kw);
        grid.show((i, j) => kernel.data[((i * kw + j) * channels + c) * filters + f], { strength: strongest(kernel.data) });
        grid.root.classList.toggle("cb-current", filters > 1 && f === filter);
      }),
    );
    biases.forEach((control, f) => control.set(bias[f]));
    outputs.forEach((grid, f) => {
      grid.resize(oh, ow);
      grid.digits = together > 20 ? 1 : 2; // cells are small; the sum below has the other digit
      grid.show((i, j) => output.data[(i * ow + j) * filters + f], { strength: strongest(output.data) });
      grid.mark("cb-selected", (i, j) => f === filter && i === row && j === column);
      grid.mark("cb-reached", () => false);
    });

    const used = applied();
    const weight = (a, b, c) => used.data[((a * kw + b) * channels + c) * filters + filter];
    const sums = parts.map(([seen, turned, products], c) => {
      for (const grid of [seen, turned, products]) grid.resize(kh, kw);
      const value = (a, b) => pixel(top + a * dilation, left + b * dilation, c);
      const convolved = model.get("operation") === "convolution";
      const word = convolved ? "Kernel, turned" : "Kernel";
      turned.name(word + (channels > 1 ? `, channel ${c}` : ""));
      seen.show(value);
      turned.show((a, b) => weight(a, b, c));
      products.show((a, b) => value(a, b) * weight(a, b, c));
      let sum = 0;
      for (let a = 0; a < kh; a += 1) for (let b = 0; b < kw; b += 1) sum += value(a, b) * weight(a, b, c);
      return sum;
    });
    const signed = (value) => (value < 0 ? ` − ${format(-value)}` : ` + ${format(value)}`);
    const terms = format(sums[0]) + sums.slice(1).map(signed).join("");
    const where = `Output (${row}, ${column})${filters > 1 ? ` of filter ${filter}` : ""}`;
    const result = format(output.data[(row * ow + column) * filters + filter]);
    const added = bias[filter] !== 0 ? `; with the bias${signed(bias[filter])} that is ${result}` : sums.length > 1 ? `, that is ${result}` : "";
    write(said, `${where}: the products sum to ${terms}${added}.`);

    controls.image.set(model.get("images"), model.get("input"));
    controls.kernel.set(model.get("kernels"), model.get("kernel"));
    controls.size.set(h);
    controls.kernelSize.set(kh);
    controls.strides.set(stride);
    controls.padding.set(padding);
    controls.dilation_rate.set(dilation);
    controls.operation.set(model.get("operation"));
    controls.strides.control.disabled = dilation > 1;
    controls.dilation_rate.control.disabled = stride > 1;
    for (const control of ["image", "kernel", "size", "kernelSize"]) controls[control].root.hidden = !single();
    for (const name of model.get("without")) controls[name].root.hidden = true;
    excluded.hidden = controls.dilation_rate.root.hidden || controls.strides.root.hidden || (stride === 1 && dilation === 1);
    for (const grid of [...inputs, ...weights.flat(), ...outputs]) grid.relabel();
  }

  const names = ["input", "kernel", "bias", "strides", "padding", "dilation_rate", "operation", "selected"];
  const start = valuesOf(model, names);
  const following = follow(model, names, update);
  update();
  return () => {
    steps.stop();
    following.stop();
  };
}

export default { render };
