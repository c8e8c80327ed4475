/**
 * Explorers in a plain page, without a kernel: each gets a model of a few lines over saved state.
 */
class PageModel {
  #state;
  #listeners = new Map();

  constructor(state) {
    this.#state = state;
  }

  get(name) {
    return this.#state[name];
  }

  set(name, value) {
    if (JSON.stringify(this.#state[name]) === JSON.stringify(value)) return; // as in JupyterLab
    this.#state[name] = value;
    for (const callback of [...this.#of(`change:${name}`)]) callback();
  }

  on(event, callback) {
    this.#of(event).add(callback);
  }

  off(event, callback) {
    this.#of(event).delete(callback);
  }

  save_changes() {}

  #of(event) {
    if (!this.#listeners.has(event)) this.#listeners.set(event, new Set());
    return this.#listeners.get(event);
  }
}

function decoded(key, value) {
  if (typeof value?.base64 !== "string") return value;
  return new DataView(Uint8Array.from(atob(value.base64), (c) => c.charCodeAt(0)).buffer);
}

async function unpacked(text) {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
}

/** @returns {Promise<{ render: Function, model: PageModel }>} what the script of this name saved */
async function load(name) {
  const { type, textContent } = document.querySelector(`script[data-model="${name}"]`);
  const text = type.endsWith("gzip") ? await unpacked(textContent) : textContent;
  const { module, state } = JSON.parse(text, decoded);
  const code = encodeURIComponent(module);
  const { default: explorer } = await import(`data:text/javascript;charset=utf-8,${code}`);
  return { render: explorer.render, model: new PageModel(state) };
}

const loaded = new Map(); // by name: all mounts of a name share one model

/**
 * Show an explorer in its place.
 *
 * @param {Element} element its mount
 * @param {(model: PageModel) => void} before is called with the model before it is drawn
 * @returns {Promise<PageModel>}
 */
async function fill(element, before = () => {}) {
  const name = element.dataset.explorer;
  if (!loaded.has(name)) loaded.set(name, load(name));
  const { render, model } = await loaded.get(name);
  before(model);
  const el = document.createElement("div");
  render({ model, el });
  element.replaceChildren(el);
  element.dataset.alive = "";
  return model;
}

// In a notebook each output brings this script: it leaves alone what another one has filled.
for (const element of document.querySelectorAll("[data-explorer]:not([data-alive])")) {
  if (!element.closest("[hidden]")) await fill(element);
}
