/**
 * What the playground is set by: sliders, menus, buttons, and how their values are written.
 */
export const whole = (value) => Math.round(value).toLocaleString("en");
export const percent = (value) => (Number.isFinite(value) ? `${Math.round(100 * value)}%` : "–");
const small = (value) => String(Number(value.toPrecision(3)));

/** Sliders: what it is called, its steps, how it is written. The address takes any other value, too. */
const SLIDERS = {
  rate: ["Wrong", steps(0, 0.9, 0.05), percent],
  n: ["Points", [12, 50, 100, 200, 300, 500, 700, 1000], whole],
  classes: ["Classes", steps(2, 8, 1), whole],
  spread: ["Spread", steps(0.05, 0.4, 0.01), small],
  T: ["T", [0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.2, 0.5, 1], small],
  lr: ["Step size", [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2], small],
  decay: ["Weight decay", [0, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2], small],
  hidden: ["Width", [4, 8, 16, 24, 32, 48, 64], (h) => `2 × ${h}`],
  waves: ["Detail", [0.5, 1, 1.5, 2, 3, 4, 5, 6, 8, 10], small],
  q: ["q", steps(0, 1, 0.05), small],
  k: ["k", [...steps(0.05, 0.95, 0.05), 0.99], small],
  start: ["from", [0, 5, 10, 20, 50, 100, 200, 300, 500, 1000], whole],
};
export const MENUS = {
  shape: ["Shape", { blobs: "Blobs", rings: "Rings", spirals: "Spirals", twins: "Twins", own: "Your own" }],
  noise: ["Noise", { symmetric: "Symmetric", pair_flip: "Pair flip", look_alike: "Look-alike" }],
};

function steps(from, to, by) {
  return Array.from({ length: Math.round((to - from) / by) + 1 }, (_, i) => Number((from + by * i).toFixed(4)));
}

export function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== false) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

export class Slider {
  constructor(name, set) {
    const [label, values, text] = SLIDERS[name];
    const input = el("input", { type: "range", min: 0, max: values.length - 1, step: 1, "aria-label": label });
    const shown = el("output");
    this.element = el("label", { class: "pg-slider" }, el("span", {}, label, shown), input);
    input.dataset.name = name;
    input.addEventListener("input", () => set(values[input.value]));
    this.show = (value) => {
      const far = values.map((one) => Math.abs(one - value));
      input.value = far.indexOf(Math.min(...far));
      shown.textContent = text(value);
      input.setAttribute("aria-valuetext", text(value));
    };
  }
}

export class Menu {
  constructor(label, options, set) {
    const choices = Object.entries(options).map(([value, text]) => el("option", { value }, text));
    const select = el("select", { "aria-label": label, onchange: () => set(select.value) }, ...choices);
    this.element = el("label", { class: "pg-menu" }, el("span", {}, label), select);
    this.show = (value) => (select.value = value);
  }
}

export function button(text, label, onclick, attributes = {}) {
  const named = label && { "aria-label": label, title: label };
  return el("button", { type: "button", ...named, onclick, ...attributes }, text);
}
