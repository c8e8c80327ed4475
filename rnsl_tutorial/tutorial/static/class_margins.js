/**
 * The explorer of class margins: which classes a matrix predicts to lose, and which ones did.
 *
 * Everything shown is looked up in a table that Python made. In the shapes, P counts predictions, L
 * losses, J judges, R rates, C classes, B labels.
 *
 * @typedef {{
 *   about: string, names: string[], told: string[][][][],
 *   margins: object, margin_ranks: object, drops: object, drop_ranks: object,
 *   order: object, shares: object,
 *   right: import("./chart.js").Style, wrong: import("./chart.js").Style,
 *   axes: Record<"margin" | "drop" | "labels" | "share", import("./chart.js").Axis>,
 * }} Table arrays as Python packed them: margins and their ranks [P, R, C], drops and theirs
 *   [L, J, R, C], order and shares of the labels around a class [P, R, C, B]; told [P, L, J, R]
 */
import { Chart } from "./chart.js";
import { explorer, html, menu, segments, slider } from "./widgets.js";

const widgets = { rate: slider, loss: segments, judge: menu, prediction: menu, row: menu };

export default explorer("rnsl-panels rnsl-class-margins", widgets, (tools) => {
  const { table, signal, place, choose } = tools;
  const note = html("p", { class: "rnsl-note" });
  const classes = classChart(table, (row) => choose({ row }), signal);
  const labels = labelChart(table, signal);
  return {
    parts: [classes, labels],
    note,
    show() {
      const [p, l, j, r, row] = ["prediction", "loss", "judge", "rate", "row"].map(place);
      const [margins, drops] = [table.margins(p, r), table.drops(l, j, r)];
      const predicted = `margin ${margins[row].toFixed(2)}, place ${table.margin_ranks(p, r, row)}`;
      const measured = `loses ${drops[row].toFixed(1)} points, place ${table.drop_ranks(l, j, r, row)}`;
      const end = `of ${table.names.length}`;
      note.textContent = `${table.names[row]}: ${predicted} ${end}; ${measured} ${end}. Measured on: ${table.about}.`;
      classes.show(margins, drops, row);
      labels.show(table.order(p, r, row), table.shares(p, r, row));
      return table.told[p][l][j][r];
    },
  };
});

/** Every class by its margin and by what it lost; a click chooses the class that lies nearest. */
function classChart({ axes, names, right, wrong }, chooseRow, signal) {
  const chart = new Chart({
    x: axes.margin,
    y: axes.drop,
    title: "Each class: predicted, and measured (click one)",
    description: "Every class by the margin of its right label and by the accuracy that it lost",
    signal,
  });
  chart.rule({ name: "even", dash: [4, 2.5], width: 1.5 }).show(0);
  const safe = chart.points({ ...right, name: "safe" });
  safe.element.setAttribute("stroke", right.color); // which the style sheet makes thick
  const lost = chart.points({ ...wrong, name: "lost" });
  const chosen = chart.dot({ name: "chosen", marker: "D" });
  const named = chart.text("chosen name", "middle");
  const size = ({ range: [low, high] }) => Math.abs(high - low);
  let shown = [[], []];
  chart.onPoint((x, y) => {
    const [margins, drops] = shown;
    const away = Array.from(margins, (margin, i) =>
      Math.hypot((margin - x) / size(axes.margin), (drops[i] - y) / size(axes.drop)),
    );
    chooseRow(away.indexOf(Math.min(...away)));
  });
  return chart.shows((margins, drops, row) => {
    shown = [margins, drops];
    const only = (wanted) => Array.from(margins, (margin) => (wanted(margin) ? margin : NaN));
    safe.show(only((margin) => margin >= 0), drops);
    lost.show(only((margin) => margin < 0), drops);
    chosen.show(margins[row], drops[row]);
    const above = drops[row] + 0.04 * size(axes.drop);
    named.show(margins[row], Math.min(above, axes.drop.range[1] - 0.04 * size(axes.drop)), names[row]);
  });
}

/** The labels around one class: the right one, then the most frequent wrong ones. */
function labelChart({ axes, names, right, wrong }, signal) {
  const chart = new Chart({
    x: axes.share,
    y: { ...axes.labels, range: [...axes.labels.range].reverse() },
    title: "The labels around the chosen class",
    description: "Shares of the labels around the chosen class: the right one, then wrong ones",
    signal,
  });
  const own = chart.bars({ ...right, name: "own", label: "right label" }, "y");
  const others = chart.bars({ ...wrong, name: "others", label: "wrong label" }, "y");
  const level = chart.rule({ name: "level", dash: [4, 2.5], width: 1.5 });
  const count = axes.labels.range[1];
  const edges = Array.from({ length: count + 1 }, (_, i) => i);
  const texts = edges.slice(1).map((i) => chart.text(`label-${i - 1}`, "start", "0.35em"));
  return chart.shows((order, shares) => {
    own.show(edges, shares.subarray(0, 1));
    others.show(edges.slice(1), shares.subarray(1));
    level.show(shares[0]);
    texts.forEach((text, i) => {
      const percent = `${(100 * shares[i]).toFixed(0)}%`;
      text.show(0.02, i + 0.5, shares[i] > 0 ? `${names[order[i]]} ${percent}` : "");
    });
  });
}
