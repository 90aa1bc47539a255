// Elements, texts and spoken messages.

export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

// Numbers as a reader writes them: at most `digits` after the point, and a minus sign that can be seen.
export function format(value, digits = 2) {
  const rounded = Number(value.toFixed(digits));
  return String(rounded === 0 ? 0 : rounded).replace("-", "−");
}

export function plural(count, word) {
  return `${count} ${word}${count === 1 ? "" : "s"}`;
}

// Sizes as they are read, 3×3×2.
export function times(sizes) {
  return sizes.join("×");
}

// Write a text where another stands: one that stays is not said again.
export function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// A name that nothing else has. Each explorer on a page may have a copy of this script, and a count of its own.
const copy = Math.random().toString(36).slice(2);
let names = 0;
export function unique() {
  names += 1;
  return `convbook-${copy}-${names}`;
}

export function button(label, pressed, attributes = {}) {
  return element("button", { type: "button", onclick: pressed, ...attributes }, label);
}

// The way that each arrow key goes, as [rows, columns].
export const ARROWS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

// A sign between grids, for the eye alone.
export function sign(text) {
  return element("div", { class: "cb-sign", "aria-hidden": "true" }, text);
}

// Says its text aloud where a screen reader listens, and shows it to everyone.
export function message(attributes = {}) {
  return element("p", { class: "cb-message", role: "status", "aria-live": "polite", ...attributes });
}

// The frame of every explorer: a named region, so that a reader who hears the page can find it and leave it. `kind` is
// the class that the explorer's own style sheet begins with.
export function frame(el, name, kind) {
  const root = element("section", { class: `convbook-explorer cb-${kind}`, "aria-label": name });
  el.append(root);
  return root;
}
