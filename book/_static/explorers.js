// The explorers on a published page: a host for widgets of the anywidget front-end module specification
// (anywidget.dev/en/afm), for pages that have no kernel.
//
// The build leaves the state of all widgets of a page in one script element, and a script element with a model's id where
// a widget belongs (the embedding format of ipywidgets). Here each becomes alive when it nears the view.

const STATE = "application/vnd.jupyter.widget-state+json";
const VIEW = "application/vnd.jupyter.widget-view+json";

// What a widget's script gets as `model`: its state, and word of every change. There is no kernel to save to.
class Model {
  #state;
  #listeners = new Map();
  #changed = new Set();

  constructor({ state, buffers = [] }) {
    this.#state = { ...state };
    for (const { path, data } of buffers) {
      const bytes = Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
      const holder = path.slice(0, -1).reduce((inner, key) => inner[key], this.#state);
      holder[path.at(-1)] = new DataView(bytes.buffer);
    }
  }

  get(name) {
    return this.#state[name];
  }

  set(name, value) {
    if (Object.is(this.#state[name], value)) return;
    this.#state[name] = value;
    this.#changed.add(name);
    this.#tell(`change:${name}`, value);
  }

  save_changes() {
    if (this.#changed.size) this.#tell("change");
    this.#changed.clear();
  }

  send() {}

  on(event, listener) {
    if (!this.#listeners.has(event)) this.#listeners.set(event, new Set());
    this.#listeners.get(event).add(listener);
  }

  off(event, listener) {
    if (listener) this.#listeners.get(event)?.delete(listener);
    else if (event) this.#listeners.delete(event);
    else this.#listeners.clear();
  }

  #tell(event, ...values) {
    for (const listener of [...(this.#listeners.get(event) ?? [])]) listener(...values);
  }
}

// A widget's script, imported once however often it stands on the page.
const modules = new Map();
function imported(source) {
  if (!modules.has(source)) {
    const address = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    modules.set(source, import(address).finally(() => URL.revokeObjectURL(address)));
  }
  return modules.get(source);
}

const styles = new Set();
function styled(source) {
  if (!source || styles.has(source)) return;
  styles.add(source);
  document.head.append(Object.assign(document.createElement("style"), { textContent: source }));
}

async function mount(place, embedded) {
  const model = new Model(embedded);
  const { default: exported } = await imported(model.get("_esm"));
  const widget = typeof exported === "function" ? await exported() : exported;
  styled(model.get("_css"));
  await widget.initialize?.({ model });
  const el = document.createElement("div");
  el.className = "explorer-live";
  await widget.render({ model, el });
  place.append(el);
  place.classList.add("explorer-is-live");
}

const states = Object.assign(
  {},
  ...[...document.querySelectorAll(`script[type="${STATE}"]`)].map((script) => JSON.parse(script.textContent).state),
);
const near = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      near.unobserve(target);
      const { model_id: id } = JSON.parse(target.querySelector(`script[type="${VIEW}"]`).textContent);
      mount(target, states[id]);
    }
  },
  { rootMargin: "800px" },
);
for (const place of document.querySelectorAll(".explorer")) near.observe(place);
