// Settings with their labels. All are native controls, so keyboards and screen readers work.
import { element, format, unique } from "./page.js";
import { alike } from "./state.js";

const OWN = "your own";

export function labelled(label, control) {
  control.id = unique();
  return element("div", { class: "cb-control" }, element("label", { for: control.id }, label), control);
}

// Each control is {root, control} and most have set(value): `changed` is called with the new value when the reader sets it.
export function choice(label, options, value, changed) {
  const control = element("select", { onchange: () => changed(control.value) }, ...options.map(offered));
  control.value = value;
  return { root: labelled(label, control), control, set: (to) => (control.value = to) };
}

function offered(option) {
  const [value, shown] = Array.isArray(option) ? option : [option, option];
  return element("option", { value }, shown);
}

// A choice among values that have names; `taken(value, name)` is called when the reader chooses one. What is set that is
// none of them is the reader's own, which cannot be chosen. There is no control where there is nothing to choose from.
// `part` is what of a value tells it from others.
export function presets(label, taken, part = (value) => value) {
  let values = {};
  let current = OWN;
  const { root, control } = choice(label, [], OWN, (name) => {
    control.value = current;
    if (name in values) taken(values[name], name);
  });
  function set(from, value) {
    if (from !== values) {
      values = from;
      control.replaceChildren(...[...Object.keys(values), OWN].map(offered));
      root.hidden = Object.keys(values).length === 0;
    }
    current = Object.keys(values).find((name) => alike(part(values[name]), part(value))) ?? OWN;
    control.value = current;
  }
  return { root, control, set };
}

export function number(label, least, most, value, changed, step = 1) {
  const bounds = `${format(least)} to ${format(most)}`;
  const control = element("input", { type: "number", min: least, max: most, step, value, title: bounds });
  const limits = element("span", { hidden: true, "aria-hidden": "true" }, bounds);
  control.addEventListener("change", () => {
    const wanted = Number(control.value);
    const allowed = control.value === "" || Number.isNaN(wanted) ? Number(control.defaultValue) : wanted;
    const next = Math.min(most, Math.max(least, step === 1 ? Math.round(allowed) : allowed));
    control.value = next;
    control.defaultValue = next;
    limits.hidden = wanted >= least && wanted <= most;
    changed(next);
  });
  const root = labelled(label, control);
  root.append(limits);
  return {
    root,
    control,
    set: (to) => {
      control.value = to;
      control.defaultValue = to;
    },
  };
}

// Controls side by side.
export function row(controls) {
  return element("div", { class: "cb-controls" }, ...Object.values(controls).map(({ root }) => root));
}
