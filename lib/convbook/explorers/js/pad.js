// To move something with buttons.
import { button, element } from "./page.js";

// Buttons that move something by one pixel, around one that takes it back. `face(name)` is the text of the one that goes
// "up", "left", "right" or "down", and its attributes.
export function pad(label, face, moved, back) {
  const way = (name, rows, columns) => {
    const [text, attributes] = face(name);
    return button(text, () => moved(rows, columns), attributes);
  };
  return element(
    "div",
    { class: "cb-pad", role: "group", "aria-label": label },
    way("up", -1, 0),
    way("left", 0, -1),
    button("Back", back),
    way("right", 0, 1),
    way("down", 1, 0),
  );
}
