/**
 * What every explorer needs: elements, labelled controls tied to the model, motion, theme.
 *
 * @typedef {{
 *   get(name: string): any,
 *   set(name: string, value: any): void,
 *   save_changes(): void,
 *   on(event: string, callback: () => void): void,
 *   off(event: string, callback: () => void): void,
 * }} Model anywidget's model, or the few lines in page.js that stand in for it without a kernel
 * @typedef {{ value: string | number, text: string, mark?: Element }} Choice
 * @typedef {{
 *   model: Model, name: string, label: string, choices: Choice[], signal: AbortSignal,
 * }} Control of the model's value `name`; `signal` ends it
 */

// ---------------------------------------------------------------- elements and tables

/**
 * @param {string} tag
 * @param {Record<string, string | number>} attributes
 * @param {...(Node | string)} children a string becomes text, never markup
 */
export function html(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** As `html`, for the elements of a drawing. */
export function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/**
 * Copy a table that came as bytes, which may lie at any offset, into a typed array.
 *
 * @template T
 * @param {DataView} view
 * @param {new (buffer: ArrayBufferLike) => T} Type
 * @returns {T}
 */
export function typed(view, Type) {
  return new Type(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
}

// ---------------------------------------------------------------- the model

/** Call back after each change of one of the model's values, until the signal ends it. */
export function watch(model, names, callback, signal) {
  const events = names.map((name) => `change:${name}`);
  events.forEach((event) => model.on(event, callback));
  signal.addEventListener("abort", () => events.forEach((event) => model.off(event, callback)));
}

/** Set values of the model and send them to the kernel, if there is one. */
export function assign(model, values) {
  for (const [name, value] of Object.entries(values)) model.set(name, value);
  model.save_changes();
}

// ---------------------------------------------------------------- controls

/**
 * The element that holds an explorer. Keys pressed in it without Ctrl, Shift, Alt or Meta are its
 * own: JupyterLab would take the arrow keys away from a slider.
 */
export function explorerRoot(...children) {
  const root = html("div", { class: "rnsl-explorer" }, ...children);
  root.addEventListener("keydown", (event) => {
    const plain = !(event.ctrlKey || event.shiftKey || event.altKey || event.metaKey);
    if (plain) event.stopPropagation();
  });
  return root;
}

/**
 * A slider whose steps are the choices, which need not be evenly spaced.
 *
 * @param {Control} control
 */
export function slider({ model, name, label, choices, signal }) {
  const id = uniqueId();
  const input = html("input", { id, type: "range", min: 0, max: choices.length - 1, step: 1 });
  const shown = html("span", { class: "rnsl-value", "aria-hidden": "true" });
  const show = () => {
    const index = choices.findIndex(({ value }) => value === model.get(name));
    input.value = index;
    input.setAttribute("aria-valuetext", choices[index].text);
    shown.textContent = choices[index].text;
  };
  input.addEventListener("input", () => assign(model, { [name]: choices[input.value].value }));
  watch(model, [name], show, signal);
  show();
  const caption = html("div", { class: "rnsl-caption" }, html("label", { for: id }, label), shown);
  return html("div", { class: "rnsl-control" }, caption, input);
}

/**
 * A row of radio buttons that looks like one switch.
 *
 * @param {Control} control
 */
export function segments({ model, name, label, choices, signal }) {
  const group = uniqueId();
  const inputs = choices.map(({ value }) => {
    const input = html("input", { type: "radio", name: group, value });
    input.addEventListener("change", () => assign(model, { [name]: value }));
    return input;
  });
  const show = () => inputs.forEach((input) => (input.checked = input.value === model.get(name)));
  watch(model, [name], show, signal);
  show();
  const labels = choices.map(({ text, mark }, i) =>
    html("label", {}, inputs[i], mark ?? "", html("span", {}, text)),
  );
  const legend = html("legend", { class: "rnsl-caption" }, label);
  const row = html("div", { class: "rnsl-segments" }, ...labels);
  return html("fieldset", { class: "rnsl-control" }, legend, row);
}

/**
 * A menu to choose from.
 *
 * @param {Control} control
 */
export function menu({ model, name, label, choices, signal }) {
  const id = uniqueId();
  const options = choices.map(({ value, text }) => html("option", { value }, text));
  const select = html("select", { id }, ...options);
  const show = () => (select.value = model.get(name));
  select.addEventListener("change", () => assign(model, { [name]: select.value }));
  watch(model, [name], show, signal);
  show();
  const caption = html("div", { class: "rnsl-caption" }, html("label", { for: id }, label));
  return html("div", { class: "rnsl-control" }, caption, select);
}

/** Random, because each explorer on a page runs its own copy of this file. */
function uniqueId() {
  return `rnsl-${Math.random().toString(36).slice(2)}`;
}

// ---------------------------------------------------------------- size and theme

/** Call back at the start and whenever the element's size changes. */
export function onResize(element, callback, signal) {
  const observer = new ResizeObserver(callback);
  observer.observe(element);
  signal.addEventListener("abort", () => observer.disconnect());
}

/**
 * Give a canvas as many pixels as the screen has where it lies; its context draws in CSS pixels.
 *
 * @param {HTMLCanvasElement} canvas
 */
export function fitCanvas(canvas) {
  const scale = window.devicePixelRatio;
  canvas.width = Math.round(canvas.clientWidth * scale);
  canvas.height = Math.round(canvas.clientHeight * scale);
  canvas.getContext("2d").setTransform(scale, 0, 0, scale, 0, 0);
}

/** Read the colours --rnsl-NAME that the style sheet and the notebook's theme give an element. */
export function themeColors(element, names) {
  const style = getComputedStyle(element);
  const read = (name) => style.getPropertyValue(`--rnsl-${name}`).trim();
  return Object.fromEntries(names.map((name) => [name, read(name)]));
}

/** Call back when JupyterLab, the page around us or the system turns light or dark. */
export function onThemeChange(callback, signal) {
  const observer = new MutationObserver(callback);
  const attributes = ["class", "style", "data-jp-theme-light", "data-theme"];
  for (const element of [document.documentElement, document.body]) {
    observer.observe(element, { attributeFilter: attributes });
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", callback, { signal });
  signal.addEventListener("abort", () => observer.disconnect());
}

// ---------------------------------------------------------------- motion

const PACE_MS = 60; // 95 % of a way is done after 3 times this, 99.7 % after 6 times
const ARRIVED = 5e-4;

/**
 * Values on their way to targets: fast at first, gentle at the end. Targets may change on the way.
 */
export class Moving {
  /** @param {number} length how many values */
  constructor(length) {
    this.now = new Float32Array(length);
    this.target = new Float32Array(length);
  }

  /**
   * Go on for some ms; where the system asks for less motion, arrive at once.
   *
   * @param {number} elapsed ms; Infinity arrives at once
   * @returns {boolean} whether any value is still on its way
   */
  move(elapsed) {
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const rest = calm ? 0 : Math.exp(-elapsed / PACE_MS);
    let moving = false;
    this.target.forEach((target, i) => {
      const left = rest * (this.now[i] - target);
      const arrived = Math.abs(left) < ARRIVED;
      this.now[i] = arrived ? target : target + left;
      moving ||= !arrived;
    });
    return moving;
  }
}

/**
 * Make a function that starts calling `step` before each repaint, for as long as it returns true.
 *
 * @param {(elapsed: number) => boolean} step gets the ms since its last call
 * @param {AbortSignal} signal ends it
 */
export function animation(step, signal) {
  const firstStep = 16;
  let frame = 0;
  let last = 0;
  const tick = (now) => {
    const goesOn = step(last ? now - last : firstStep);
    last = goesOn ? now : 0;
    frame = goesOn ? requestAnimationFrame(tick) : 0;
  };
  signal.addEventListener("abort", () => cancelAnimationFrame(frame));
  return () => {
    frame ||= requestAnimationFrame(tick);
  };
}
