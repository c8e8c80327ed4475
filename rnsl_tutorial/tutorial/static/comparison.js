/**
 * The explorer of measured losses: a metric over the noise rate, and paired differences at one rate.
 *
 * Everything shown is looked up in a table that Python made; its arrays are [metric][noise][rate][loss],
 * in percent or percentage points, NaN where nothing was measured.
 *
 * @typedef {import("./chart.js").Axis} Axis
 * @typedef {{ shape: number[], dtype: string, data: DataView }} Packed
 * @typedef {{
 *   percents: number[], styles: import("./chart.js").Style[], reference: number, axes: Axis[][],
 *   headlines: string[], note: string,
 *   mean: Packed, spread: Packed, difference: Packed, low: Packed, high: Packed,
 * }} Table axes: four for each metric and noise, x and y of the left chart, then of the right one
 */
import { Chart } from "./chart.js";
import { explorer, html, menu, slider } from "./widgets.js";

const WIDE = 2.8; // px, of what stands out
const THIN = 1.2; // px

const widgets = { rate: slider, loss: menu, metric: menu, noise: menu };

export default explorer("rnsl-panels rnsl-comparison", widgets, ({ table, choices, signal, place }) => {
  const sizes = ["metric", "noise", "rate", "loss"].map((name) => choices(name).length);
  const lines = overRates(table, signal);
  const intervals = differences(table, signal);
  const note = html("div", { class: "rnsl-note rnsl-wide" }, table.note);
  return {
    parts: [lines, intervals, note],
    show() {
      const [metric, noise, rate, loss] = ["metric", "noise", "rate", "loss"].map(place);
      lines.show(metric, noise, rate, loss);
      intervals.show(metric, noise, rate, loss);
      return table.headlines[((metric * sizes[1] + noise) * sizes[2] + rate) * sizes[3] + loss];
    },
  };
});

/** Lines over the noise rate, with bars of one standard deviation; rates not measured are left out. */
function overRates(table, signal) {
  const { percents, styles, reference, mean, spread } = table;
  const [x, y] = table.axes[0];
  const description = "The metric over the share of wrong labels, a line for each loss";
  const chart = new Chart({ x, y, title: "Over the noise rate", description, signal });
  const rule = chart.rule({ name: "rate", width: 1.5, dash: [3, 3] });
  const lines = styles.map((style) => chart.measured({ ...style, name: style.label }));
  return chart.shows((metric, noise, rate, loss) => {
    chart.rescale(...axesOf(table, metric, noise).slice(0, 2));
    rule.show(percents[rate]);
    lines.forEach((mark, i) => {
      const of = (values) => percents.map((_, r) => values(metric, noise, r, i));
      mark.show(percents, of(mean), of(spread));
      emphasize(mark.line, i === loss || i === reference);
    });
  });
}

/** For each loss its mean difference from the reference, and the interval around it. */
function differences(table, signal) {
  const { styles, reference, difference: middle, low, high } = table;
  const [, , x, y] = table.axes[0];
  const description = "Difference of each loss from the reference, with its 95% interval";
  const chart = new Chart({ x, y, title: "Paired differences at the chosen rate", description, signal });
  const zero = chart.rule({ name: "zero", width: 1.5 });
  const marks = styles.map((style) => ({
    interval: chart.line({ name: `interval ${style.label}`, told: style.label, color: style.color, width: THIN }),
    dot: chart.dot({ ...style, name: `difference ${style.label}`, label: undefined, told: "" }),
  }));
  return chart.shows((metric, noise, rate, loss) => {
    chart.rescale(...axesOf(table, metric, noise).slice(2));
    zero.show(0);
    marks.forEach(({ interval, dot }, i) => {
      const at = [metric, noise, rate, i];
      interval.show([low(...at), high(...at)], [i, i]);
      dot.show(middle(...at), i);
      emphasize(interval, i === loss || i === reference);
    });
  });
}

function axesOf({ axes, mean }, metric, noise) {
  return axes[metric * mean.shape[1] + noise];
}

function emphasize({ element }, strong) {
  element.setAttribute("stroke-width", strong ? WIDE : THIN);
}
