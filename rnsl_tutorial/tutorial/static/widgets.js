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
 * @typedef {{ label: string, values: (string | number)[], texts: string[] }} Control
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

const TYPES = { f4: Float32Array, u2: Uint16Array, u1: Uint8Array };

/**
 * Make a function that looks a row up in an array that Python packed: lookup(array)(i, j) is
 * array[i, j], a number where all places are given, else what follows, row by row. The bytes may lie
 * at any offset.
 *
 * @param {{ shape: number[], dtype: string, data: DataView }} array
 */
function lookup({ shape, dtype, data }) {
  const bytes = data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength);
  const values = new TYPES[dtype](bytes);
  const strides = shape.map((_, i) => shape.slice(i + 1).reduce((a, b) => a * b, 1));
  const row = (...places) => {
    const start = places.reduce((sum, place, i) => sum + place * strides[i], 0);
    if (places.length === shape.length) return values[start];
    return values.subarray(start, start + (strides[places.length - 1] ?? values.length));
  };
  return Object.assign(row, { shape });
}

/** What Python handed over, with a `lookup` in the place of each array, however deep it lies. */
export function opened(part) {
  if (part?.dtype) return lookup(part);
  if (Array.isArray(part)) return part.map(opened);
  if (Object.getPrototypeOf(part ?? 0) !== Object.prototype) return part;
  return Object.fromEntries(Object.entries(part).map(([name, inside]) => [name, opened(inside)]));
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

/** @returns {Control} what Python says of the model's value `name` */
function control(model, name) {
  return model.get("_controls")[name];
}

/** The position of the model's value among its control's values. */
function placeOf(model, name) {
  return control(model, name).values.indexOf(model.get(name));
}

/** Set values of the model by their positions among their controls' values. */
function assignPlaces(model, places) {
  const chosen = ([name, place]) => [name, control(model, name).values[place]];
  assign(model, Object.fromEntries(Object.entries(places).map(chosen)));
}

/**
 * Make the default export of an explorer's module. Above its parts stand a sentence that says what
 * is seen, of which a screen reader reads the changes, then perhaps a note, then the controls.
 *
 * @param {string} className of the element that holds the parts
 * @param {Record<string, (model: Model, name: string, signal: AbortSignal) => Element>
 *   | ((table: object) => object)} widgets what makes the control of each value, in their order
 * @param {(tools: {
 *   model: Model, table: object, signal: AbortSignal, controls: Record<string, Element>,
 *   told: Element, place: (name: string) => number,
 *   choices: (name: string) => (string | number)[],
 *   choose: (places: Record<string, number>) => void,
 * }) => {
 *   parts: (Node | { element: Node })[], note?: Node, show: () => string,
 *   asks?: (tools: object) => Element,
 * }} build makes what is seen once, of the `opened` table; `show` draws the model's current choice, and
 *   returns the sentence; `place` is the position of a value among its `choices`, `choose` sets it;
 *   `asks` makes what is seen instead while a guess is asked for, see guess.js
 */
export function explorer(className, widgets, build) {
  const render = ({ model, el }) => {
    const end = new AbortController();
    const { signal } = end;
    const table = opened(model.get("_table"));
    const told = html("p", { class: "rnsl-readout", "aria-live": "polite" });
    const make = ([name, widget]) => [name, widget(model, name, signal)];
    const made = Object.entries(typeof widgets === "function" ? widgets(table) : widgets).map(make);
    const tools = {
      model,
      table,
      signal,
      told,
      controls: Object.fromEntries(made),
      place: (name) => placeOf(model, name),
      choices: (name) => control(model, name).values,
      choose: (places) => assignPlaces(model, places),
    };
    const { parts, note = "", show, asks } = build(tools);
    const steps = stepChips(tools, asks);
    const elements = made.map(([, element]) => element);
    const controls = html("div", { class: "rnsl-controls" }, ...elements, steps.element);
    const shown = parts.map((part) => part.element ?? part);
    const seen = html("div", { class: className }, told, note, controls, ...shown);
    const root = explorerRoot(seen);
    let guess = null;
    const draw = () => {
      const guesses = Boolean(asks && model.get("_guessing"));
      seen.classList.toggle("rnsl-guessing", guesses);
      if (guesses && !guess) seen.append((guess = asks(tools)));
      if (guesses) return;
      guess?.remove();
      guess = null;
      told.textContent = show();
      steps.show();
    };
    watch(model, [...Object.keys(model.get("_controls")), "_guessing"], draw, signal);
    el.append(root);
    draw();
    nudge(controls, signal);
    return () => {
      end.abort();
      root.remove();
    };
  };
  return { render };
}

// ---------------------------------------------------------------- controls

/**
 * The element that holds an explorer. Keys pressed in it without Ctrl, Shift, Alt or Meta are its
 * own: JupyterLab would take them for its shortcuts, unless what has the focus itself declines.
 */
function explorerRoot(...children) {
  const root = html("div", { class: "rnsl-explorer" }, ...children);
  ownKeys(root);
  root.addEventListener("keydown", (event) => {
    const plain = !(event.ctrlKey || event.shiftKey || event.altKey || event.metaKey);
    if (plain) event.stopPropagation();
  });
  return root;
}

/** A button that calls back when it is pressed. */
export function act(text, callback, className = "rnsl-act") {
  const button = html("button", { type: "button", class: className }, text);
  button.addEventListener("click", callback);
  return button;
}

/** Keep the keys of what can have the focus in an element from JupyterLab. */
export function ownKeys(element) {
  for (const part of element.querySelectorAll("input, select, button, [tabindex]")) {
    part.setAttribute("data-lm-suppress-shortcuts", "true");
  }
}

/**
 * A slider whose steps are the control's values, which need not be evenly spaced.
 *
 * @param {Model} model
 * @param {string} name
 * @param {AbortSignal} signal ends it
 */
export function slider(model, name, signal) {
  const { label, values, texts } = control(model, name);
  const id = randomId();
  const input = html("input", { id, name, type: "range", min: 0, max: values.length - 1, step: 1 });
  const shown = html("span", { class: "rnsl-value", "aria-hidden": "true" });
  const show = () => {
    const place = placeOf(model, name);
    input.value = place;
    input.setAttribute("aria-valuetext", texts[place]);
    shown.textContent = texts[place];
  };
  input.addEventListener("input", () => assignPlaces(model, { [name]: input.value }));
  watch(model, [name], show, signal);
  show();
  const caption = html("div", { class: "rnsl-caption" }, html("label", { for: id }, label), shown);
  return html("div", { class: "rnsl-control" }, caption, input);
}

/**
 * A row of radio buttons that looks like one switch.
 *
 * @param {Model} model
 * @param {string} name
 * @param {AbortSignal} signal ends it
 * @param {Element[]} marks shown above the texts
 */
export function segments(model, name, signal, marks = []) {
  const { label, values, texts } = control(model, name);
  const group = randomId();
  const inputs = values.map((value, i) => {
    const input = html("input", { type: "radio", name: group, value });
    input.addEventListener("change", () => assignPlaces(model, { [name]: i }));
    return input;
  });
  const show = () => inputs.forEach((input, i) => (input.checked = i === placeOf(model, name)));
  watch(model, [name], show, signal);
  show();
  const labels = texts.map((text, i) =>
    html("label", {}, inputs[i], marks[i] ?? "", html("span", {}, text)),
  );
  const legend = html("legend", { class: "rnsl-caption" }, label);
  const row = html("div", { class: "rnsl-segments" }, ...labels);
  return html("fieldset", { class: "rnsl-control" }, legend, row);
}

/**
 * A menu to choose from.
 *
 * @param {Model} model
 * @param {string} name
 * @param {AbortSignal} signal ends it
 */
export function menu(model, name, signal) {
  const { label, values, texts } = control(model, name);
  const id = randomId();
  const options = values.map((value, i) => html("option", { value }, texts[i]));
  const select = html("select", { id, name }, ...options);
  const show = () => (select.selectedIndex = placeOf(model, name));
  select.addEventListener("change", () => assignPlaces(model, { [name]: select.selectedIndex }));
  watch(model, [name], show, signal);
  show();
  const caption = html("div", { class: "rnsl-caption" }, html("label", { for: id }, label));
  return html("div", { class: "rnsl-control" }, caption, select);
}

const STEP_MS = 250; // between two steps of a play button

/**
 * A slider with a button that plays it: step after step from where it stands, from the start where
 * it stands at the end, until the end, until the button is pressed again, until `pause` or until it is
 * taken off the page. A screen reader hears the readout of the last step alone.
 *
 * @param {Model} model
 * @param {string} name
 * @param {AbortSignal} signal ends it
 */
export function player(model, name, signal) {
  const { label, values } = control(model, name);
  const button = html("button", { type: "button", class: "rnsl-play" });
  let timer = 0;
  let told = null;
  const turn = (on) => {
    clearInterval(timer);
    timer = on ? setInterval(step, STEP_MS) : 0;
    button.textContent = on ? "\u23f8" : "\u25b6";
    button.setAttribute("aria-label", `${on ? "Pause" : "Play"}: ${label}`);
    told = button.closest(".rnsl-explorer")?.querySelector(".rnsl-readout") ?? told;
    told?.setAttribute("aria-live", on ? "off" : "polite");
  };
  const step = () => {
    if (!button.isConnected) return turn(false);
    const place = placeOf(model, name);
    if (place >= values.length - 2) turn(false);
    if (place < values.length - 1) assignPlaces(model, { [name]: place + 1 });
  };
  button.addEventListener("click", () => {
    if (!timer && placeOf(model, name) === values.length - 1) assignPlaces(model, { [name]: 0 });
    turn(!timer);
  });
  signal.addEventListener("abort", () => turn(false));
  turn(false);
  const element = html("div", { class: "rnsl-player" }, button, slider(model, name, signal));
  return Object.assign(element, { pause: () => timer && turn(false) });
}

// ---------------------------------------------------------------- steps

const GLIDE_MS = 700;

/**
 * Buttons for the explorer's steps, named choices that it glides to, and for its guess. The page of all
 * explorers goes through the steps by the arrow keys.
 */
function stepChips({ model, table, controls, told, signal }, asks) {
  const go = glider(model, controls, told, signal);
  const chips = (table.steps ?? []).map(({ name, places }) => {
    const chip = act(name, () => go(places), "rnsl-step");
    const isHere = () => Object.entries(places).every(([name, place]) => placeOf(model, name) === place);
    return { chip, show: () => chip.setAttribute("aria-pressed", isHere()) };
  });
  const element = html("div", { class: "rnsl-steps", role: "group", "aria-label": "Steps" });
  if (asks) {
    element.append(act("Guess first", () => {
      assign(model, { guess: [], _guessing: true });
      element.closest(".rnsl-explorer").querySelector(".rnsl-guess-keys").focus({ preventScroll: true });
    }, "rnsl-guess-first"));
  }
  element.append(...chips.map(({ chip }) => chip));
  element.hidden = !element.children.length;
  return { element, show: () => chips.forEach((chip) => chip.show()) };
}

/**
 * A function that lets sliders glide to places, and sets what is no slider; where the system asks for
 * less motion, all is set at once. A slider that is moved meanwhile ends it.
 */
function glider(model, controls, told, signal) {
  const glides = (name) => Boolean(controls[name]?.querySelector('input[type="range"]'));
  let way = null; // from where to where, how much is done, and where it has come
  const end = () => {
    told.setAttribute("aria-live", "polite");
    return false;
  };
  const start = animation((elapsed) => {
    const names = Object.keys(way.to);
    if (names.some((name) => placeOf(model, name) !== way.now[name])) return end();
    way.done = Math.min(1, way.done + elapsed / GLIDE_MS);
    const gone = way.done * (2 - way.done);
    const at = (name) => Math.round(way.from[name] + gone * (way.to[name] - way.from[name]));
    const moved = names.filter((name) => at(name) !== way.now[name]);
    for (const name of moved) way.now[name] = at(name);
    if (way.done === 1) end();
    if (moved.length) assignPlaces(model, Object.fromEntries(moved.map((name) => [name, way.now[name]])));
    return way.done < 1;
  }, signal);
  return (places) => {
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const [gliding, set] = [[], []];
    for (const place of Object.entries(places)) (glides(place[0]) && !calm ? gliding : set).push(place);
    if (set.length) assignPlaces(model, Object.fromEntries(set));
    if (!gliding.length) return;
    const from = Object.fromEntries(gliding.map(([name]) => [name, placeOf(model, name)]));
    way = { from, to: Object.fromEntries(gliding), done: 0, now: { ...from } };
    told.setAttribute("aria-live", "off");
    start();
  };
}

const NUDGED = "rnsl-nudged"; // in the browser's memory, once it has seen a nudge
const NUDGE_MS = 3000; // longer than it takes, see the style sheet

/** At the first visit the first slider's thumb nudges, once it is in view: it can be moved. */
function nudge(controls, signal) {
  const slider = controls.querySelector('input[type="range"]');
  if (!slider || remembered(NUDGED)) return;
  const observer = new IntersectionObserver(([{ isIntersecting }]) => {
    if (!isIntersecting) return;
    observer.disconnect();
    if (remembered(NUDGED)) return; // by another explorer
    remember(NUDGED);
    slider.classList.add("rnsl-nudge");
    setTimeout(() => slider.classList.remove("rnsl-nudge"), NUDGE_MS);
  }, { threshold: 1 });
  observer.observe(slider);
  signal.addEventListener("abort", () => observer.disconnect());
}

/** Whether the browser keeps a name; some pages have no memory, and know of this page's alone. */
function remembered(name) {
  try {
    return localStorage.getItem(name) !== null;
  } catch {
    return name in window;
  }
}

function remember(name) {
  try {
    localStorage.setItem(name, "1");
  } catch {
    window[name] = true;
  }
}

/** The place of the value that lies nearest to x. @param {ArrayLike<number>} values */
export function nearestPlace(values, x) {
  const distances = Array.from(values, (value) => Math.abs(value - x));
  return distances.indexOf(Math.min(...distances));
}

/** Random, because each explorer on a page runs its own copy of this file. */
export function randomId() {
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
