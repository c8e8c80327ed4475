/**
 * The explorer of pruning: whom a threshold leaves out, from the first epoch to the last.
 *
 * @typedef {import("./label_histogram.js").Counted & { pruned: number[], told: string[][] }} Table
 *   here measures are [threshold, measure, moment]; pruned are the moments at which the run itself
 *   pruned; told is one sentence a moment and threshold
 */
import { Chart } from "./chart.js";
import { labelHistogram, measureLines } from "./label_histogram.js";
import { pictureStrip } from "./pictures.js";
import { explorer, nearestPlace, player, slider } from "./widgets.js";

const widgets = { epoch: player, k: slider };

export default explorer("rnsl-panels rnsl-pruning", widgets, (tools) => {
  const { table, signal, place, choices, choose } = tools;
  const cutAt = (p) => choose({ k: nearestPlace(choices("k"), p) });
  const goTo = (epoch) => choose({ epoch: nearestPlace(choices("epoch"), epoch) });
  const images = labelHistogram(table, "The images at this epoch", cutAt, signal);
  const shares = sharesOverEpochs(table, choices("epoch"), goTo, signal);
  return {
    parts: [images, shares, pictureStrip(tools)],
    show() {
      const [epoch, k] = [place("epoch"), place("k")];
      images.show(epoch, choices("k")[k]);
      shares.show(epoch, k);
      return table.told[epoch][k];
    },
  };
});

function sharesOverEpochs(table, epochs, onPoint, signal) {
  const chart = new Chart({
    x: table.axes.epoch,
    y: table.axes.share,
    title: "“Left out” as a finder of wrong labels",
    description: "Precision, recall and share kept over the epochs",
    signal,
  });
  const pruned = table.pruned.length ? prunings(chart, table) : { show() {} };
  const lines = measureLines(chart, table.measure_styles);
  const now = chart.rule({ name: "now", width: 1.5 });
  chart.onPoint(onPoint);
  return chart.shows((epoch, k) => {
    pruned.show(table.pruned);
    now.show(epochs[epoch]);
    lines.show(epochs, [0, 1, 2].map((i) => table.measures(k, i)), epoch);
  });
}

/** Rules at the moments at which the run itself pruned. */
function prunings(chart, { axes, labels }) {
  const look = { color: labels.cut.color, dash: [3, 2], width: 1.5 };
  const line = chart.line({ ...look, name: "pruned", label: "the run pruned" });
  return {
    show(moments) {
      const xs = moments.flatMap((moment) => [moment, moment, NaN]);
      line.show(xs, moments.flatMap(() => [...axes.share.range, NaN]));
    },
  };
}
