// Drawings of a network: its maps as boxes, and on a picture what one unit sees.
import { element } from "./page.js";
import { isMap } from "./shapes.js";

// The outline of whole rows (or columns), those that are not seen, as a path.
function strips(seen, size, strip) {
  const inside = new Set(seen);
  return Array.from({ length: size }, (_, n) => (inside.has(n) ? "" : strip(n))).join("");
}

// A picture of the input. What the unit does not see is dimmed, and a frame is around its field, which may reach
// beyond the border, into the padding.
export class FieldPicture {
  constructor() {
    this.root = element("div", { class: "cb-sight" });
    // Written as markup: only so are its elements made as drawings without the address of their namespace.
    this.root.innerHTML =
      '<svg role="img"><image preserveAspectRatio="xMidYMid slice"/><g class="cb-unseen"><path/><path/></g>' +
      '<rect class="cb-border"/><rect class="cb-frame"/></svg>';
    this.drawing = this.root.firstChild;
    this.image = this.drawing.querySelector("image");
    this.unseen = this.drawing.querySelectorAll("path");
    this.border = this.drawing.querySelector(".cb-border");
    this.field = this.drawing.querySelector(".cb-frame");
  }

  show(picture, [height, width], described) {
    const margin = 0.12 * Math.max(height, width);
    put(this.drawing, { viewBox: [-margin, -margin, width + 2 * margin, height + 2 * margin].join(" "), "aria-label": described });
    put(this.image, { href: picture, width, height });
    put(this.border, { width, height });
    this.image.classList.toggle("cb-pixels", Math.max(height, width) <= 64);
  }

  // `seen` are the rows and the columns of the input that are seen, null where nothing is; `frame` where the field begins
  // and its size along both.
  mark(seen, frame, [height, width]) {
    this.field.toggleAttribute("hidden", !frame);
    const [rows, columns] = seen ?? [[], []];
    put(this.unseen[0], { d: strips(rows, height, (n) => `M0 ${n}h${width}v1H0z`) });
    put(this.unseen[1], { d: strips(columns, width, (n) => `M${n} 0v${height}h1V0z`) });
    if (!frame) return;
    const [down, across] = frame;
    put(this.field, { x: across.start, y: down.start, width: across.size, height: down.size });
  }
}

function put(node, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
  }
}

// The maps that pass between the layers: as high as they have rows, and wider with more channels. Lists are thin.
export class MapBoxes {
  constructor() {
    const title = "The maps: as high as their rows, wider with more channels; lists are dashed";
    this.root = element("div", { class: "cb-maps", "aria-hidden": "true" }, element("div", { class: "cb-title" }, title));
    this.boxes = [];
  }

  show(shapes, selected) {
    while (this.boxes.length < shapes.length) {
      const box = element("div", { class: "cb-box" });
      const root = element("div", { class: "cb-map" }, box, String(this.boxes.length || "in"));
      this.boxes.push({ root, box });
      this.root.append(root);
    }
    while (this.boxes.length > shapes.length) this.boxes.pop().root.remove();
    const most = Math.max(...shapes[0].slice(0, 2));
    shapes.forEach((shape, n) => {
      const { root, box } = this.boxes[n];
      root.classList.toggle("cb-current", n === selected);
      box.classList.toggle("cb-none", !shape);
      box.classList.toggle("cb-list", Boolean(shape) && !isMap(shape));
      const [rows, channels] = !shape ? [0, 1] : isMap(shape) ? [shape[0] / most, shape[2]] : [Math.log2(shape[0] + 1) / 16, 1];
      box.style.setProperty("--rows", rows.toFixed(4));
      box.style.setProperty("--channels", Math.log2(channels + 1).toFixed(2));
    });
  }
}
