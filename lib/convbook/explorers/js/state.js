// The state of an explorer, `model`, which the page and Python share.

// Whether two values of a state are the same.
export function alike(one, other) {
  return JSON.stringify(one) === JSON.stringify(other);
}

// The values that have these names.
export function valuesOf(model, names) {
  return Object.fromEntries(names.map((name) => [name, model.get(name)]));
}

export function assign(model, values) {
  for (const [name, value] of Object.entries(values)) model.set(name, value);
  model.save_changes();
}

// Calls `heard(name)` at every change of one of these values, and `update` soon after, once for changes that come
// together. `soon` asks for an update that no change has asked for, `stop` ends all of it.
export function follow(model, names, update, heard = () => {}) {
  let waiting = false;
  function soon() {
    if (waiting) return;
    waiting = true;
    queueMicrotask(() => {
      waiting = false;
      update();
    });
  }
  const listeners = names.map((name) => [
    `change:${name}`,
    () => {
      heard(name);
      soon();
    },
  ]);
  for (const listener of listeners) model.on(...listener);
  return {
    soon,
    stop: () => {
      for (const listener of listeners) model.off(...listener);
    },
  };
}
