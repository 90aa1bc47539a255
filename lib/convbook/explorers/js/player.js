// To see one step after the other.
import { button, element } from "./page.js";

function reducedMotion() {
  return window.matchMedia("(prefers-reduced-motion: reduce)").matches;
}

// Play, step and stop: calls `step` again and again until it returns false or the reader stops.
export function player(step) {
  let timer = null;
  const stop = () => {
    clearInterval(timer);
    timer = null;
    play.textContent = "Play";
  };
  const play = button("Play", () => {
    if (timer !== null) return stop();
    play.textContent = "Stop";
    timer = setInterval(() => step() || stop(), reducedMotion() ? 1500 : 700);
    return step() || stop();
  });
  const once = button("Step", () => {
    stop();
    step();
  });
  return { root: element("div", { class: "cb-buttons" }, play, once), stop };
}
