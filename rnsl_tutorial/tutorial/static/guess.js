/**
 * A guess before the answer: the learner draws a curve, lifts a bar or sets a place, and presses
 * "Show"; then what was measured grows over it, and the readout says by how much and where it was off.
 * Nothing of the answer is drawn or said before.
 *
 * @typedef {import("./chart.js").Axis} Axis
 * @typedef {{ mark: string, style: import("./chart.js").Style, axis?: string, shows: any[] }} Mark a
 *   method of the chart, its first arguments, and what it then shows
 * @typedef {{
 *   kind: "curve" | "bar" | "place", question: string, x: Axis, y: Axis, at: number[],
 *   measured: number[], told: string, start: number[], unit: string, given: Mark[], then: Mark[],
 * }} Asked of Python's `Guess`
 */
import { Chart, read } from "./chart.js";
import { act, assign, html, nearestPlace, ownKeys, watch } from "./widgets.js";

const FINENESS = 100; // steps that an axis has for the hand
const BY_KEY = { ArrowUp: 2, ArrowDown: -2, PageUp: 10, PageDown: -10 }; // of these steps
const YOURS = { name: "guess", label: "your guess", color: "var(--rnsl-accent)", width: 3 };
const OFF = { name: "off", told: "", color: "var(--rnsl-accent)" };
const MEASURED = { name: "measured", label: "measured", width: 3 };
const CLOSE = 0.04; // of the axis, a guess that earns praise
const HINTS = {
  curve: "Drag across the chart, from left to right. By keyboard: ← → choose a place, ↑ ↓ raise or lower it.",
  bar: "Drag the bar up. By keyboard: ↑ and ↓.",
  place: "Drag the line. By keyboard: ← and →.",
};

/** What an explorer shows instead of itself while it asks; its table has what is `asked`. */
export function guessing({ table: { asked }, model, told, signal }) {
  const element = html("div", { class: "rnsl-guess" });
  let end = null; // of the stage that stands
  const begin = () => {
    end?.abort();
    end = new AbortController();
    const own = AbortSignal.any([signal, end.signal]);
    watch(model, ["_guessing"], () => model.get("_guessing") || end.abort(), own);
    element.replaceChildren(...stage(asked, model, told, begin, own));
  };
  begin();
  return element;
}

function stage(asked, model, told, again, signal) {
  const description = `${asked.y.label} over ${asked.x.label}: empty, for your guess`;
  const chart = new Chart({ x: asked.x, y: asked.y, description, signal });
  for (const mark of asked.given) put(chart, mark);
  const hand = HANDS[asked.kind](chart, asked);
  const hint = html("p", { class: "rnsl-note" }, HINTS[asked.kind]);
  const focus = (what) => told.closest(".rnsl-explorer").querySelector(what).focus({ preventScroll: true });
  const explore = () => {
    assign(model, { _guessing: false });
    focus("input, select");
  };
  const drawn = () => Array.from(hand.places, (_, i) => model.get("guess")[i] ?? null);
  const set = (values) => assign(model, { guess: values });
  const keys = keyboard(asked, hand, drawn, set);
  const show = act("Show", () => {
    told.textContent = judged(asked, hand, drawn());
    element.classList.add("rnsl-told");
    hand.reveal(drawn());
    for (const mark of asked.then) put(chart, mark).element.classList.add("rnsl-grows");
    for (const part of [hint, here, keys]) part.remove();
    const on = act("Explore", explore);
    buttons.replaceChildren(on, act("Guess again", () => {
      set([]);
      again();
      focus(".rnsl-guess-keys");
    }));
    ownKeys(element);
    on.focus({ preventScroll: true });
  });
  const buttons = html("div", { class: "rnsl-guess-buttons" }, show, act("Skip", explore));
  const element = html("div", { class: `rnsl-asked rnsl-asked-${asked.kind}` }, chart.element, hint, buttons);
  chart.element.classList.add("rnsl-asking");
  const here = html("div", { class: "rnsl-draw-here", "aria-hidden": "true" }, "✎ draw here");
  chart.element.querySelector(".rnsl-plot").append(here, keys);
  let last = null; // where the pointer was
  chart.onDraw((x, y, pressed) => {
    if (element.classList.contains("rnsl-told")) return;
    set(hand.drag(drawn(), [x, y], pressed ? null : last));
    last = [x, y];
  });
  const draw = () => {
    hand.show(drawn());
    const isEmpty = drawn().every((value) => value === null);
    [show.disabled, here.hidden] = [isEmpty, !isEmpty];
    keys.tell();
  };
  watch(model, ["guess"], draw, signal);
  told.textContent = asked.question;
  ownKeys(element);
  draw();
  return [element];
}

/** @param {Mark} mark */
function put(chart, { mark, style, axis, shows }) {
  const made = chart[mark](style, axis);
  made.show(...shows);
  return made;
}

// ---------------------------------------------------------------- what the hand draws

/** Each: its `places`, `axis` of what is set, `show` it, `drag` from a point to the next, `reveal`. */
const HANDS = {
  curve(chart, { y, at, measured, start: [from, begin] }) {
    const [before, first] = from === undefined ? [[], []] : [[from], [begin]];
    if (before.length) chart.dot({ name: "start", marker: "o" }).show(from, begin);
    const off = chart.band(OFF);
    const line = chart.line({ ...YOURS, dash: [2, 1.4] });
    const dots = chart.points({ ...YOURS, name: "guess points", label: undefined, told: "", marker: "o" });
    const ring = chart.ring("guess place");
    ring.show(NaN, NaN);
    return {
      places: at,
      axis: y,
      measured,
      ring: (i, height) => ring.show(at[i], height),
      show(drawn) {
        const heights = drawn.map((height) => height ?? NaN);
        line.show([...before, ...at], [...first, ...heights]);
        dots.show(at, heights);
      },
      drag(drawn, [x, height], last) {
        const [to, from] = [nearestPlace(at, x), nearestPlace(at, (last ?? [x])[0])];
        const [low, high] = [Math.min(from, to), Math.max(from, to)];
        return drawn.map((value, i) => {
          if (i < low || i > high || (i === from && i !== to)) return value;
          const way = i === to ? 1 : (at[i] - last[0]) / (x - last[0]);
          return held(y, last ? last[1] + way * (height - last[1]) : height);
        });
      },
      reveal(drawn) {
        const seen = at.map((_, i) => i).filter((i) => drawn[i] !== null);
        const of = (values) => seen.map((i) => values[i]);
        ring.show(NaN, NaN);
        off.show([...before, ...of(at)], [...first, ...of(drawn)], [...first, ...of(measured)]);
        const answer = chart.line(MEASURED);
        answer.show([...before, ...at], [...first, ...measured]);
        answer.element.classList.add("rnsl-grows");
      },
    };
  },
  bar(chart, { y, at, measured }) {
    const [left, right] = at;
    const bar = chart.bars({ ...YOURS, hatched: true });
    return {
      places: [0],
      axis: y,
      measured,
      ring() {},
      show: ([height]) => bar.show(at, [height ?? y.range[0]]),
      drag: (_, [, height]) => [held(y, height)],
      reveal() {
        const inset = (right - left) / 4;
        const answer = chart.bars({ ...MEASURED, color: "currentColor" });
        answer.show([left + inset, right - inset], measured);
        answer.element.classList.add("rnsl-rises");
      },
    };
  },
  place(chart, { x, at, measured }) {
    const rule = chart.rule({ ...YOURS, dash: [2, 1.4] });
    return {
      places: [0],
      axis: x,
      measured,
      start: at[0],
      ring() {},
      show: ([place]) => rule.show(place ?? NaN),
      drag: (_, [place]) => [held(x, place)],
      reveal() {
        const answer = chart.rule(MEASURED);
        answer.show(...measured);
        answer.element.classList.add("rnsl-rises");
      },
    };
  },
};

/** A number on an axis that lies within it, on one of its steps. @param {Axis} axis */
function held({ range: [low, high] }, value) {
  const step = (high - low) / FINENESS;
  const place = Math.min(Math.max(Math.round((value - low) / step), 0), FINENESS);
  return Number((low + place * step).toFixed(4));
}

// ---------------------------------------------------------------- the keyboard

/**
 * A slider over the chart that is seen by its focus alone: of a curve it chooses the place, and up and
 * down set the height there; else it sets the one number.
 */
function keyboard({ kind, x, y, at }, hand, drawn, set) {
  const isCurve = kind === "curve";
  const [low, high] = isCurve ? [0, at.length - 1] : hand.axis.range;
  const step = isCurve ? 1 : (high - low) / FINENESS;
  const label = { class: "rnsl-guess-keys", "aria-label": "Your guess" };
  const input = html("input", { type: "range", min: low, max: high, step, ...label });
  input.value = isCurve ? 0 : hand.start ?? low;
  const place = () => (isCurve ? Number(input.value) : 0);
  const middle = (hand.axis.range[0] + hand.axis.range[1]) / 2;
  const raise = (by) => {
    const values = drawn();
    const now = values[place()] ?? values.find((value) => value !== null) ?? middle;
    values[place()] = held(hand.axis, now + (by * (hand.axis.range[1] - hand.axis.range[0])) / FINENESS);
    set(values);
  };
  input.addEventListener("keydown", (event) => {
    if (!isCurve || !(event.key in BY_KEY)) return;
    event.preventDefault();
    raise(BY_KEY[event.key]);
  });
  input.addEventListener("input", () => {
    if (isCurve) input.tell(true);
    else set([held(hand.axis, Number(input.value))]);
  });
  input.addEventListener("focus", () => input.tell(true));
  input.tell = (isFocused = input.matches(":focus")) => {
    const value = drawn()[place()];
    if (!isCurve && value !== null) input.value = value;
    if (isCurve && isFocused) hand.ring(place(), value ?? middle);
    const text = value === null ? "nothing drawn" : read(hand.axis, value);
    input.setAttribute("aria-valuetext", isCurve ? `${x.label} ${read(x, at[place()])}: ${text}` : text);
  };
  return input;
}

// ---------------------------------------------------------------- what is said

/** The sentence that says by how much, and where, the guess was off. @param {Asked} asked */
function judged({ told, unit, x }, { places, axis, measured }, drawn) {
  const [low, high] = axis.range;
  const written = (value) => value.toFixed(high - low < 10 ? 2 : 0);
  const seen = places.map((_, i) => i).filter((i) => drawn[i] !== null);
  const off = (i) => Math.abs(drawn[i] - measured[i]);
  const worst = seen.reduce((most, i) => (off(i) > off(most) ? i : most), seen[0]);
  const mean = seen.reduce((sum, i) => sum + off(i), 0) / seen.length;
  const side = drawn[worst] > measured[worst] ? "too high" : "too low";
  const isRight = Number(written(off(worst))) === 0;
  const values = {
    mean: written(mean),
    at: read(x, places[worst]),
    drawn: written(drawn[worst]),
    measured: written(measured[worst]),
    off: isRight ? "just right" : `${written(off(worst))}${unit} ${side}`,
  };
  const praise = mean <= CLOSE * (high - low) ? "Well guessed! " : "";
  return praise + told.replace(/\{(\w+)\}/g, (_, name) => values[name]);
}
