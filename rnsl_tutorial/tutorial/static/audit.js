/**
 * The explorer of an audit: whom a threshold on the doubt flags, and how many of them are wrong.
 *
 * @typedef {{
 *   edges: object, heights: object, thresholds: object, curves: object, names: string[],
 *   class_flagged: object, class_estimated: object, class_true: object, told: string[],
 *   known: boolean, estimated: boolean, class_noise: boolean,
 *   axes: Record<string, import("./chart.js").Axis>,
 *   labels: Record<"right" | "wrong", { label: string, color: string, hatched: boolean }>,
 *   measures: { label: string, color: string, dash: number[], marker: string }[],
 *   flagged_color: string, true_dash: number[],
 * }} Table arrays as Python packed them: heights [right or wrong, bin], curves [see ROWS; threshold], class_flagged [threshold, class], the other two a number
 *   a class; told is one sentence a threshold. `known`: whether wrong labels are; `estimated` and
 *   `class_noise`: whether there are estimates
 */
import { Chart, csvOf, saving } from "./chart.js";
import { pictureStrip } from "./pictures.js";
import { explorer, html, nearestPlace, slider } from "./widgets.js";

const ROWS = { precision: 0, recall: 1, low: 2, high: 3, true: 4, flagged: 6 }; // of the curves

const widgets = { threshold: slider };

export default explorer("rnsl-panels rnsl-audit", widgets, (tools) => {
  const { table, signal, place, choices, choose } = tools;
  const flagFrom = (doubt) => choose({ threshold: nearestPlace(choices("threshold"), doubt) });
  const images = doubtHistogram(table, flagFrom, signal);
  const curves = curvesOverThreshold(table, flagFrom, signal);
  const classes = classRows(table);
  return {
    parts: [images, curves, pictureStrip(tools), classes],
    show() {
      const at = place("threshold");
      images.show(choices("threshold")[at]);
      curves.show(at);
      classes.show(at);
      return table.told[at];
    },
  };
});

function doubtHistogram(table, onPoint, signal) {
  const { axes, labels, known, heights } = table;
  const edges = table.edges();
  const description = known
    ? "Histogram of the doubt: right labels upwards, wrong labels downwards"
    : "Histogram of the doubt";
  const title = "The images, and the threshold: drag it";
  const chart = new Chart({ x: axes.doubt, y: axes.counts, title, description, signal });
  const shade = chart.band({ name: "flagged", label: "flagged", color: table.flagged_color });
  const right = chart.bars({ ...(known ? labels.right : { label: "images" }), name: "right" });
  const wrong = known ? chart.bars({ ...labels.wrong, name: "wrong" }) : null;
  const middle = chart.rule({ name: "zero", width: 1 }, "y");
  const threshold = chart.rule({ name: "threshold", width: 1.5 });
  chart.onPoint(onPoint);
  return chart.shows((t) => {
    const [low, high] = axes.counts.range;
    shade.show([t, 1], [low, low], [high, high]);
    right.show(edges, heights(0));
    wrong?.show(edges, heights(1));
    middle.show(0);
    threshold.show(t);
  });
}

function curvesOverThreshold(table, onPoint, signal) {
  const { axes, measures, curves } = table;
  const thresholds = table.thresholds();
  const chart = new Chart({
    x: axes.threshold,
    y: axes.share,
    title: "The list, over the threshold",
    description: "Precision and recall of the flagged images over the threshold",
    signal,
  });
  const rule = chart.rule({ name: "threshold now", width: 1.5 });
  const share = chart.line({ name: "share flagged", label: "share flagged", width: 1.5, dash: [3, 2] });
  const interval = { name: "interval", label: "precision, 5 to 95%", color: measures[0].color };
  const band = table.estimated ? chart.band(interval) : null;
  const kinds = [
    { seen: table.estimated, prefix: "", words: "estimated", dash: [], row: ROWS.precision },
    { seen: table.known, prefix: "true ", words: "in truth", dash: table.true_dash, row: ROWS.true },
  ];
  const marks = kinds
    .filter(({ seen }) => seen)
    .flatMap((kind) => measures.map((style, i) => measureMarks(chart, style, kind, kind.row + i)));
  const low = curves(ROWS.low); // NaN where there is no estimate
  const estimatedPart = (values) => values.filter((_, i) => !Number.isNaN(low[i]));
  chart.onPoint(onPoint);
  return chart.shows((at) => {
    rule.show(thresholds[at]);
    share.show(thresholds, curves(ROWS.flagged));
    band?.show(...[thresholds, curves(ROWS.low), curves(ROWS.high)].map(estimatedPart));
    for (const { row, line, dot } of marks) {
      line.show(thresholds, curves(row));
      dot.show(thresholds[at], curves(row, at));
    }
  });
}

/** A line of the table's curves, with a dot at the current threshold. */
function measureMarks(chart, { label, color, marker }, { prefix, words, dash }, row) {
  const name = `${prefix}${label}`;
  const line = chart.line({ name, label: `${label}, ${words}`, color, dash });
  return { row, line, dot: chart.dot({ name: `${name} now`, color, marker }) };
}

/** A row for each class: its name, a bar of what is flagged, and marks of what is wrong. */
function classRows(table) {
  const { axes, names, labels } = table;
  const top = axes.class_share.range[1];
  const at = (share) => `${Math.min(100, (100 * share) / top).toFixed(2)}%`;
  const kinds = [
    { seen: table.class_noise, name: "estimated", shares: table.class_estimated, text: "\u25c6" },
    { seen: table.known, name: "true", shares: table.class_true, text: "\u00d7" },
  ].filter(({ seen }) => seen);
  const marksOf = (i) =>
    kinds.map(({ name, shares, text }) => {
      const share = shares(i);
      const where = Number.isNaN(share) ? "display: none" : `left: ${at(share)}`;
      return html("span", { class: `rnsl-class-${name}`, "data-share": share, style: where }, text);
    });
  const bars = names.map(() => html("span", { class: "rnsl-class-flagged" }));
  const shown = names.map(() => html("span", { class: "rnsl-class-share" }));
  const rows = names.flatMap((name, i) => [
    html("span", { class: "rnsl-class-name" }, name),
    html("span", { class: "rnsl-class-track" }, bars[i], ...marksOf(i)),
    shown[i],
  ]);
  const legend = html("div", { class: "rnsl-legend" }, ...classLegend(kinds));
  const title = html("div", { class: "rnsl-chart-title" }, "The given classes, the noisiest ones first");
  const element = html("div", { class: "rnsl-chart" }, title, legend, html("div", { class: "rnsl-class-rows" }, ...rows));
  element.style.setProperty("--rnsl-wrong", labels.wrong.color);
  let flagged = [];
  const shares = () => names.map((name, i) => [name, flagged[i], table.class_estimated(i), table.class_true(i)]);
  element.append(saving(element, "given classes", () => {
    return csvOf([["class", "flagged", "wrong, estimated", "wrong, in truth"], ...shares()]);
  }));
  return {
    element,
    show(threshold) {
      flagged = table.class_flagged(threshold);
      flagged.forEach((share, i) => {
        bars[i].dataset.share = share;
        bars[i].style.width = at(Number.isNaN(share) ? 0 : share);
        shown[i].textContent = Number.isNaN(share) ? "" : `${Math.round(100 * share)}%`;
      });
    },
  };
}

function classLegend(kinds) {
  const texts = { estimated: "wrong, estimated", true: "wrong, in truth" };
  const box = html("span", { class: "rnsl-class-flagged rnsl-class-sample" });
  return [
    html("span", {}, box, "flagged"),
    ...kinds.map(({ name, text }) =>
      html("span", {}, html("b", { class: `rnsl-class-${name}` }, text), texts[name]),
    ),
  ];
}
