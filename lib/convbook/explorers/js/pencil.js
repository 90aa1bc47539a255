// To draw on a grid of pixels.
import { choice, labelled } from "./controls.js";
import { element, format } from "./page.js";

function slider(label, least, most, value, changed) {
  const control = element("input", { type: "range", min: least, max: most, step: 1, value });
  const shown = element("output", {}, format(value));
  control.addEventListener("input", () => {
    shown.textContent = format(Number(control.value));
    changed(Number(control.value));
  });
  const root = labelled(label, control);
  root.append(shown);
  return { root, control };
}

// What a click on a grid of pixels does: it shows something, or draws with the number that the brush has.
export function pencil(shows, changed = () => {}) {
  const pointer = choice("A click on the input", [["look", shows], ["draw", "draws"]], "look", (to) => {
    made.draws = to === "draw";
    brush.root.hidden = !made.draws;
    changed();
  });
  const brush = slider("Brush", 0, 9, 9, (value) => (made.ink = value));
  brush.root.hidden = true;
  const made = { pointer, brush, draws: false, ink: 9 };
  return made;
}
