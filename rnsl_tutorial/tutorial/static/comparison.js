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
import { Chart, errorBars } from "./chart.js";
import { explorer, html, menu, slider } from "./widgets.js";

const PALE = 0.4; // opacity of what does not stand out
const WIDE = 2.6; // px, of what does
const THIN = 1.4; // px

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
  const marks = styles.map((style) => ({
    bars: chart.line({ name: `spread ${style.label}`, color: style.color, width: 1 }),
    line: chart.line({ ...style, name: style.label }),
    dots: percents.map((percent) => {
      return chart.dot({ ...style, label: undefined, name: `${style.label} at ${percent}` });
    }),
  }));
  return chart.shows((metric, noise, rate, loss) => {
    chart.rescale(...axesOf(table, metric, noise).slice(0, 2));
    rule.show(percents[rate]);
    marks.forEach(({ line, bars, dots }, i) => {
      const heights = percents.map((_, r) => mean(metric, noise, r, i));
      const seen = percents.map((_, r) => r).filter((r) => !Number.isNaN(heights[r]));
      const xs = seen.map((r) => percents[r]);
      const ys = seen.map((r) => heights[r]);
      line.show(xs, ys);
      bars.show(...errorBars(xs, ys, seen.map((r) => spread(metric, noise, r, i))));
      dots.forEach((dot, r) => dot.show(percents[r], heights[r]));
      [line, bars].forEach((mark) => emphasize(mark, i === loss || i === reference));
      dots.forEach((dot) => fade(dot, i === loss || i === reference));
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
    interval: chart.line({ name: `interval ${style.label}`, color: style.color, width: THIN }),
    dot: chart.dot({ name: `difference ${style.label}`, color: style.color, marker: style.marker }),
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

function emphasize(mark, strong) {
  fade(mark, strong);
  mark.element.setAttribute("stroke-width", strong ? WIDE : THIN);
}

function fade({ element }, strong) {
  element.setAttribute("opacity", strong ? 1 : PALE);
}
