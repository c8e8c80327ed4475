/**
 * The explorer of pruning: whom a threshold leaves out, from the first epoch to the last.
 *
 * @typedef {import("./label_histogram.js").Counted & { pruned: number[], told: string[][] }} Table
 *   here measures are [threshold, measure, moment]; pruned are the moments at which the run itself
 *   pruned; told is one sentence a moment and threshold
 */
import { Chart } from "./chart.js";
import { labelHistogram, measureLines } from "./label_histogram.js";
import { explorer, html, lookup, nearestPlace, player, readout, slider } from "./widgets.js";

export default explorer("rnsl-panels rnsl-pruning", ({ model, signal, place, choices, choose }) => {
  const table = model.get("_table");
  const told = readout();
  const cutAt = (p) => choose({ k: nearestPlace(choices("k"), p) });
  const goTo = (epoch) => choose({ epoch: nearestPlace(choices("epoch"), epoch) });
  const images = labelHistogram(table, "The images at this epoch", cutAt, signal);
  const shares = sharesOverEpochs(table, choices("epoch"), goTo, signal);
  const controls = html(
    "div",
    { class: "rnsl-controls" },
    player(model, "epoch", signal),
    slider(model, "k", signal),
  );
  return {
    parts: [told, controls, images.element, shares.element],
    show() {
      const [epoch, k] = [place("epoch"), place("k")];
      told.textContent = table.told[epoch][k];
      images.show(epoch, choices("k")[k]);
      shares.show(epoch, k);
    },
  };
});

function sharesOverEpochs(table, epochs, onPoint, signal) {
  const measures = lookup(table.measures);
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
  return {
    element: chart.element,
    show(epoch, k) {
      pruned.show(table.pruned);
      now.show(epochs[epoch]);
      lines.show(epochs, [0, 1, 2].map((i) => measures(k, i)), epoch);
    },
  };
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
