/**
 * What the explorers of truncation and of pruning share: images over p, right labels up and wrong
 * labels down, with the threshold between those left out and those kept; and lines of shares.
 *
 * @typedef {{
 *   edges: object, heights: object, measures: object,
 *   axes: Record<string, import("./chart.js").Axis>,
 *   labels: Record<"right" | "wrong" | "cut", { label: string, color: string, hatched?: boolean }>,
 *   measure_styles: { label: string, color: string, dash: number[], marker: string }[],
 * }} Counted arrays as Python packed them: edges of the bins, heights [moment, right or wrong, bin],
 *   measures [moment, measure, threshold]
 */
import { Chart } from "./chart.js";

const THRESHOLD = { name: "threshold", width: 1.5 };
const PRUNING_MEASURES = ["precision", "recall", "kept"];

/**
 * @param {Counted} table
 * @param {string} title
 * @param {(p: number) => void} onPoint called where the chart is pressed or dragged
 * @param {AbortSignal} signal
 */
export function labelHistogram(table, title, onPoint, signal) {
  const { axes, labels, heights } = table;
  const edges = table.edges();
  const description =
    "Histogram of p: images with a right label upwards, with a wrong label downwards";
  const chart = new Chart({ x: axes.p, y: axes.counts, title, description, signal });
  const cut = shadedCut(chart, axes.counts, labels.cut);
  const right = chart.bars({ ...labels.right, name: "right" });
  const wrong = chart.bars({ ...labels.wrong, name: "wrong" });
  const middle = chart.rule({ name: "zero", width: 1 }, "y");
  const threshold = thresholdRule(chart);
  chart.onPoint(onPoint);
  return chart.shows((moment, k) => {
    cut.show(k);
    right.show(edges, heights(moment, 0));
    wrong.show(edges, heights(moment, 1));
    middle.show(0);
    threshold.show(k);
  });
}

/** The region p <= k of a chart over p. */
export function shadedCut(chart, { range }, style) {
  const cut = chart.band({ ...style, name: "cut" });
  return { show: (k) => cut.show([0, k], [range[0], range[0]], [range[1], range[1]]) };
}

/** A rule at the threshold in a chart over p or over k. */
export function thresholdRule(chart) {
  return chart.rule(THRESHOLD);
}

/** Lines of precision, recall and share kept, each with a dot at one place. */
export function measureLines(chart, styles) {
  const lines = styles.map(({ label, color, dash }, i) =>
    chart.line({ name: PRUNING_MEASURES[i], label, ...colored(color), dash }),
  );
  const dots = styles.map(({ color, marker }, i) =>
    chart.dot({ name: `${PRUNING_MEASURES[i]} now`, ...colored(color), marker }),
  );
  return {
    /** @param {ArrayLike<number>} xs @param {ArrayLike<number>[]} ys one a measure @param {number} at */
    show(xs, ys, at) {
      ys.forEach((values, i) => {
        lines[i].show(xs, values);
        dots[i].show(xs[at], values[at]);
      });
    },
  };
}

/** Without a colour a mark has that of text. */
function colored(color) {
  return color ? { color } : {};
}
