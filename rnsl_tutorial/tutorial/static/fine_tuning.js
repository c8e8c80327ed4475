/**
 * The explorer of fine-tuning: what each epoch did to a pretrained network, under three losses.
 *
 * @typedef {import("./chart.js").Axis} Axis
 * @typedef {{
 *   curves: object, untrained: number | null, styles: import("./chart.js").Style[], titles: string[],
 *   axes: { x: Axis, accuracy: Axis, share: Axis }, headlines: string[][], note: string,
 * }} Table curves are an array as Python packed it, [chart, noise, loss, epoch] in percent, NaN where
 *   a loss says nothing; untrained is the accuracy of the network before training; headlines are
 *   [noise][epoch]
 */
import { Chart } from "./chart.js";
import { explorer, html, menu, nearestPlace, slider } from "./widgets.js";

const widgets = { epoch: slider, noise: menu };

export default explorer("rnsl-panels rnsl-fine-tuning", widgets, ({ table, choices, choose, place, signal }) => {
  const epochs = choices("epoch");
  const charts = table.titles.map((title, i) => overEpochs(table, epochs, title, i, signal));
  for (const chart of charts) chart.onPoint((x) => choose({ epoch: nearestPlace(epochs, x) }));
  const note = html("div", { class: "rnsl-note rnsl-wide" }, table.note);
  return {
    parts: [...charts, note],
    show() {
      const [noise, epoch] = [place("noise"), place("epoch")];
      for (const chart of charts) chart.show(noise, epoch);
      return table.headlines[noise][epoch];
    },
  };
});

/** A line for each loss, up to the chosen epoch, and a dot there: what follows is left to guess. */
function overEpochs({ axes, curves, styles, untrained }, epochs, title, kind, signal) {
  const y = kind ? axes.share : axes.accuracy;
  const description = `${title} over the epochs, a line for each loss`;
  const chart = new Chart({ x: axes.x, y, title, description, signal });
  const level = kind || untrained === null ? null : chart.line({ name: "untrained", dash: [5, 4], width: 1.2 });
  const rule = chart.rule({ name: "epoch", width: 1 });
  const lines = styles.map(({ label, color, dash }) => chart.line({ name: label, label, color, dash }));
  const dots = styles.map(({ label, color, marker }) => {
    return chart.dot({ name: `${label} now`, color, marker });
  });
  return chart.shows((noise, epoch) => {
    level?.show([epochs[0], epochs.at(-1)], [untrained, untrained]);
    rule.show(epochs[epoch]);
    styles.forEach((_, loss) => {
      const heights = Array.from(curves(kind, noise, loss));
      lines[loss].show(...seen(epochs.slice(0, epoch + 1), heights));
      dots[loss].show(epochs[epoch], heights[epoch]);
    });
  });
}

/** The points that were measured. */
function seen(xs, ys) {
  const places = xs.map((_, i) => i).filter((i) => !Number.isNaN(ys[i]));
  return [places.map((i) => xs[i]), places.map((i) => ys[i])];
}
