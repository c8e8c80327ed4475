/**
 * The explorer of truncation: the loss with its plateau, and whom the threshold leaves out.
 *
 * @typedef {import("./label_histogram.js").Counted & {
 *   p: object, ks: object, uncut: object, cut: object, levels: object, told: string[],
 *   losses: { label: string, color: string, dash: number[], marker: string }[],
 * }} Table arrays as Python packed them: uncut [q, p], cut [q, k, p], and levels [q, k], the height
 *   of the plateau; told is one sentence a threshold
 */
import { Chart } from "./chart.js";
import { guessing } from "./guess.js";
import { labelHistogram, measureLines, shadedCut, thresholdRule } from "./label_histogram.js";
import { pictureStrip } from "./pictures.js";
import { explorer, nearestPlace, slider } from "./widgets.js";

const widgets = { k: slider, q: slider };

export default explorer("rnsl-panels rnsl-truncation", widgets, (tools) => {
  const { table, signal, place, choices, choose } = tools;
  const cutAt = (p) => choose({ k: nearestPlace(choices("k"), p) });
  const plateau = plateauChart(table, cutAt, signal);
  const images = labelHistogram(table, "The images, and the threshold: drag it", cutAt, signal);
  const shares = sharesOverK(table, cutAt, signal);
  return {
    parts: [plateau, images, shares, pictureStrip(tools)],
    asks: guessing,
    show() {
      const [k, q] = [place("k"), place("q")];
      plateau.show(q, k);
      images.show(0, choices("k")[k]);
      shares.show(k);
      return table.told[k];
    },
  };
});

function plateauChart(table, onPoint, signal) {
  const { uncut, cut, levels, losses: [whole, truncated] } = table;
  const [p, ks] = [table.p(), table.ks()];
  const chart = new Chart({
    x: table.axes.p,
    y: table.axes.loss,
    title: "The loss: flat where p ≤ k",
    description: "The loss over p: RNSL uncut, and t-RNSL, which is flat up to the threshold k",
    signal,
  });
  const shade = shadedCut(chart, table.axes.loss, { color: table.labels.cut.color });
  const uncutLine = chart.line({ ...whole, name: "uncut", marker: undefined });
  const cutLine = chart.line({ ...truncated, name: "cut loss", marker: undefined, width: 3 });
  const rule = thresholdRule(chart);
  const dot = chart.dot({ name: "k on the loss", color: truncated.color, marker: truncated.marker });
  chart.onPoint(onPoint);
  return chart.shows((q, k) => {
    shade.show(ks[k]);
    uncutLine.show(p, uncut(q));
    cutLine.show(p, cut(q, k));
    rule.show(ks[k]);
    dot.show(ks[k], levels(q, k));
  });
}

function sharesOverK(table, onPoint, signal) {
  const ks = table.ks();
  const chart = new Chart({
    x: table.axes.k,
    y: table.axes.share,
    title: "“Left out” as a finder of wrong labels, over k",
    description: "Precision, recall and share kept over the threshold k",
    signal,
  });
  const rule = thresholdRule(chart);
  const lines = measureLines(chart, table.measure_styles);
  chart.onPoint(onPoint);
  return chart.shows((k) => {
    rule.show(ks[k]);
    lines.show(ks, [0, 1, 2].map((i) => table.measures(0, i)), k);
  });
}
