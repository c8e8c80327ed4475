/**
 * The explorer of measured accuracy over q: one noise rate stands out, the others are pale.
 *
 * Everything shown is looked up in a table that Python made; noise kinds come first, then rates,
 * then values of q. All numbers in percent.
 *
 * @typedef {import("./chart.js").Axis} Axis
 * @typedef {{ shape: number[], dtype: string, data: DataView }} Packed
 * @typedef {{
 *   x: Axis, accuracy_axes: Axis[], memorized_axis: Axis,
 *   accuracy: Packed, accuracy_spread: Packed, memorized: Packed, memorized_spread: Packed,
 *   best: number[][], headlines: string[], note: string,
 * }} Table accuracy_axes one a noise; best the position of the best q
 */
import { Chart } from "./chart.js";
import { guessing } from "./guess.js";
import { explorer, html, menu, slider } from "./widgets.js";

const PALE = { color: "var(--rnsl-quiet)", width: 1 };
const ACCENT = "var(--rnsl-accent)";

const widgets = { rate: slider, q: slider, noise: menu };

export default explorer("rnsl-panels", widgets, ({ model, table, choices, signal, place }) => {
  const [qs, rates] = [choices("q"), choices("rate")];
  const texts = model.get("_controls").rate.texts;
  const lines = { qs, texts, signal, x: table.x };
  const accuracy = overQ({
    ...lines, title: "Is the class found?", y: table.accuracy_axes[0],
    values: table.accuracy, spread: table.accuracy_spread,
  });
  const memorized = overQ({
    ...lines, title: "Are wrong labels learned by heart?", y: table.memorized_axis,
    values: table.memorized, spread: table.memorized_spread,
  });
  const explained = namesAndBest(accuracy, qs, texts, table.accuracy);
  const note = html("div", { class: "rnsl-note rnsl-wide" }, table.note);
  return {
    parts: [accuracy, memorized, note],
    asks: guessing,
    show() {
      const [noise, rate, q] = [place("noise"), place("rate"), place("q")];
      accuracy.rescale(table.x, table.accuracy_axes[noise]);
      accuracy.show(noise, rate, q);
      explained.show(noise, rate, table.best[noise][rate]);
      memorized.show(noise, rate, q);
      return table.headlines[(noise * rates.length + rate) * qs.length + q];
    },
  };
});

/** A chart of one measured number over q. */
function overQ({ qs, texts, signal, x, y, title, values, spread }) {
  const chart = new Chart({ x, y, title, signal, description: `${y.label} over q, a line each rate` });
  const rule = chart.rule({ name: "chosen", color: ACCENT, width: 1.5, dash: [3, 3] });
  const pale = texts.map((text, rate) => chart.line({ ...PALE, name: `rate-${rate}`, told: text }));
  const line = chart.measured({ name: "line", told: "", label: "chosen share of wrong labels", width: 2.4 });
  const here = chart.dot({ name: "here", marker: "o", label: "chosen loss", color: ACCENT });
  return chart.shows((noise, rate, q) => {
    const shown = values(noise, rate);
    rule.show(qs[q]);
    pale.forEach((mark, i) => mark.show(qs, values(noise, i)));
    line.show(qs, shown, spread(noise, rate));
    here.show(qs[q], shown[q]);
  });
}

/** Beside each line its rate, and a ring around the best point of the chosen one. */
function namesAndBest(chart, qs, texts, values) {
  const names = chart.names(texts, "end");
  const ring = chart.ring("best");
  return {
    show(noise, rate, best) {
      names.show(qs[0], texts.map((_, i) => values(noise, i, 0)));
      [...names.element.children].forEach((name, i) => name.classList.toggle("rnsl-strong", i === rate));
      ring.show(qs[best], values(noise, rate, best));
    },
  };
}
