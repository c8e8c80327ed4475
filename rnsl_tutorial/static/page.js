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
    if (this.#state[name] === value) return;
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

for (const element of document.querySelectorAll("[data-explorer]")) {
  const data = JSON.parse(element.querySelector("script").textContent, decoded);
  const module = await import(`data:text/javascript;charset=utf-8;base64,${data.module}`);
  const el = document.createElement("div");
  module.default.render({ model: new PageModel(data.state), el });
  element.replaceChildren(el);
}
