// Elements, controls and spoken messages. Everything is made of native controls, so keyboards and screen readers work.

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

// A name that nothing else has. Each explorer on a page may have a copy of this script, and a count of its own.
const copy = Math.random().toString(36).slice(2);
let names = 0;
export function unique() {
  names += 1;
  return `convbook-${copy}-${names}`;
}

function labelled(label, control) {
  control.id = unique();
  return element("div", { class: "cb-control" }, element("label", { for: control.id }, label), control);
}

// Each control is {root, value, set(value), disabled}: `changed` is called with the new value when the reader sets it.
export function choice(label, options, value, changed) {
  const control = element(
    "select",
    { onchange: () => changed(control.value) },
    ...options.map((option) => {
      const [key, shown] = Array.isArray(option) ? option : [option, option];
      return element("option", { value: key }, shown);
    }),
  );
  control.value = value;
  return { root: labelled(label, control), control, set: (to) => (control.value = to) };
}

export function number(label, least, most, value, changed, step = 1) {
  const control = element("input", { type: "number", min: least, max: most, step, value });
  control.addEventListener("change", () => {
    const wanted = Number(control.value);
    const allowed = control.value === "" || Number.isNaN(wanted) ? Number(control.defaultValue) : wanted;
    const next = Math.min(most, Math.max(least, step === 1 ? Math.round(allowed) : allowed));
    control.value = next;
    control.defaultValue = next;
    changed(next);
  });
  return {
    root: labelled(label, control),
    control,
    set: (to) => {
      control.value = to;
      control.defaultValue = to;
    },
  };
}

export function slider(label, least, most, value, changed, step = 1) {
  const control = element("input", { type: "range", min: least, max: most, step, value });
  const shown = element("output", {}, format(Number(value)));
  control.addEventListener("input", () => {
    shown.textContent = format(Number(control.value));
    changed(Number(control.value));
  });
  const root = labelled(label, control);
  root.append(shown);
  return {
    root,
    control,
    set: (to) => {
      control.value = to;
      shown.textContent = format(Number(to));
    },
  };
}

export function button(label, pressed) {
  return element("button", { type: "button", onclick: pressed }, label);
}

// Says its text aloud where a screen reader listens, and shows it to everyone.
export function message(attributes = {}) {
  return element("p", { class: "cb-message", role: "status", "aria-live": "polite", ...attributes });
}

export function reducedMotion() {
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

// The frame of every explorer: a named region, so that a reader who hears the page can find it and leave it.
export function frame(el, name) {
  const root = element("section", { class: "convbook-explorer", "aria-label": name });
  el.append(root);
  return root;
}
