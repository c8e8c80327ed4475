/**
 * The explorer of the gradient share: how hard each image of a batch pulls, and the wrong labels'
 * share of the pull over the epochs. Everything shown is looked up in a table that Python made.
 *
 * @typedef {{
 *   axes: Record<"p" | "pull" | "epoch" | "share", import("./chart.js").Axis>,
 *   titles: string[], split_texts: string[], losses: Record<string, object>, labels: Record<string, object>, rate: number,
 *   sentences: string[][][], right_in_batch: number,
 *   curve_x: object, curve_y: object, image_x: object, image_y: object, share: object,
 * }} Table sentences and share by run, q, epoch; images by run, (q,) epoch, those with right labels
 *   first; curves by q
 */
import { Chart } from "./chart.js";
import { guessing } from "./guess.js";
import { pictureStrip } from "./pictures.js";
import { explorer, html, nearestPlace, player, segments, slider } from "./widgets.js";

const widgets = { epoch: player, q: slider, loss: segments };

export default explorer("rnsl-panels rnsl-gradient-share", widgets, (tools) => {
  const { table, choices, signal, choose, place } = tools;
  const epochs = choices("epoch");
  const pulls = pullChart(table, signal);
  const shares = shareChart(table, epochs, (epoch) => choose({ epoch }), signal);
  const split = splitBars(table);
  return {
    parts: [split, pulls, shares, pictureStrip(tools)],
    asks: guessing,
    show() {
      const [run, q, epoch] = ["loss", "q", "epoch"].map(place);
      split.show(run, q, epoch);
      pulls.show(run, q, epoch);
      shares.show(run, q, epoch);
      return table.sentences[run][q][epoch];
    },
  };
});

/** Two bars below each other: the wrong labels' part of the images, and of the pull. */
function splitBars({ labels, rate, share, split_texts }) {
  const colors = `--rnsl-right: ${labels.right.color}; --rnsl-wrong: ${labels.wrong.color}`;
  const element = html("div", { class: "rnsl-split", style: colors, "aria-hidden": "true" });
  const [images, pull] = split_texts.map((text, i) => {
    const part = html("div", { class: "rnsl-split-wrong", "data-mark": `split-${i}` });
    const percent = html("span", { class: "rnsl-value" });
    element.append(html("span", {}, text), html("div", { class: "rnsl-split-all" }, part), percent);
    return (value) => {
      part.style.width = `${value}%`;
      percent.textContent = `${Math.round(value)}% wrong`;
    };
  });
  return {
    element,
    show(run, q, epoch) {
      images(rate);
      pull(share(run, q, epoch));
    },
  };
}

function pullChart(table, signal) {
  const { axes, titles, losses, labels } = table;
  const description = "How hard each image pulls, over the probability of its label.";
  const chart = new Chart({ x: axes.p, y: axes.pull, title: titles[0], description, signal });
  const thin = { color: "currentColor", marker: "", width: 1.2 };
  const reference = chart.line({ ...losses.nsl, ...thin, name: "nsl-curve" });
  const curve = chart.line({ ...losses.rnsl, ...thin, name: "curve", label: "q as chosen" });
  const right = chart.points({ ...labels.right, name: "right" });
  right.element.setAttribute("stroke", labels.right.color); // wider, to be seen on the curve
  const wrong = chart.points({ ...labels.wrong, name: "wrong" });
  const { image_x: imageX, image_y: imageY, curve_y: curveY } = table;
  const curveX = table.curve_x();
  const middle = table.right_in_batch;
  return chart.shows((run, q, epoch) => {
    const [xs, ys] = [imageX(run, epoch), imageY(run, q, epoch)];
    reference.show(curveX, curveY(0));
    curve.show(curveX, curveY(q));
    right.show(xs.subarray(0, middle), ys.subarray(0, middle));
    wrong.show(xs.subarray(middle), ys.subarray(middle));
  });
}

function shareChart(table, epochs, chooseEpoch, signal) {
  const { axes, titles, losses, share } = table;
  const description = "Share of the pull that comes from wrong labels, over the epochs.";
  const chart = new Chart({ x: axes.epoch, y: axes.share, title: titles[1], description, signal });
  const alike = chart.rule({ name: "rate", label: "if all pulled alike", width: 1 }, "y");
  const nsl = chart.line({ ...losses.nsl, name: "nsl", marker: "" });
  const chosen = chart.line({ ...losses.rnsl, name: "share", label: "q as chosen", marker: "" });
  const now = chart.dot({ name: "now", color: losses.rnsl.color, marker: losses.rnsl.marker });
  chart.onPoint((x) => chooseEpoch(nearestPlace(epochs, x)));
  return chart.shows((run, q, epoch) => {
    alike.show(table.rate);
    nsl.show(epochs, share(run, 0));
    chosen.show(epochs, share(run, q));
    now.show(epochs[epoch], share(run, q, epoch));
  });
}
