/**
 * k-NN accuracy over the noise rate, one line for each loss, with a ring around the current choice.
 *
 * @typedef {{ id: string, label: string, color: string, dash: number[], marker: string }} Loss
 * @typedef {{
 *   percents: number[], losses: Loss[], accuracy: number[][][], spread: number[][][],
 *   accuracy_range: [number, number], chart_note: string,
 * }} Curves all in percent; percents are the rates; accuracy and spread are [noise][rate][loss]
 * @typedef {{ noise: number, rate: number, loss: number }} Place positions in the curves
 */
import { marker, rulerOf, stroke, words } from "./chart.js";
import { html, onResize, svg } from "./widgets.js";

const AROUND = { left: 38, right: 80, top: 14, bottom: 46 }; // px around the axes, at a text of 14 px
const LABEL_HEIGHT = 18; // px, at such a text

/**
 * @param {Curves} curves
 * @param {(rate: number, loss: number) => void} choose called with the point that is clicked
 * @param {AbortSignal} signal
 */
export function accuracyChart(curves, choose, signal) {
  const lines = svg("g");
  const ring = svg("circle", { class: "rnsl-ring", r: 10 });
  const label = "k-NN accuracy over the share of wrong labels, a line for each loss";
  const drawing = svg("svg", { role: "img", "aria-label": label }, lines, ring);
  let place = null;
  let scale = accuracyScale(curves, drawing);
  const drawLines = () => {
    lines.replaceChildren(...accuracyAxes(curves, scale), ...allLines(curves, place.noise, scale, choose));
  };
  const moveRing = () => {
    const { x, y } = pointsOf(curves, place.noise, place.loss, scale)[place.rate];
    ring.style.transform = `translate(${x}px, ${y}px)`;
  };
  const fit = () => {
    scale = accuracyScale(curves, drawing);
    if (!scale.width) return;
    drawing.setAttribute("viewBox", `0 0 ${scale.width} ${scale.height}`);
    ring.classList.remove("rnsl-gliding");
    drawLines();
    moveRing();
  };
  onResize(drawing, fit, signal);
  const title = html("div", { class: "rnsl-chart-title" }, "k-NN accuracy (% of test images)");
  const note = html("div", { class: "rnsl-note" }, curves.chart_note);
  return {
    element: html("div", { class: "rnsl-chart" }, title, drawing, note),
    /** @param {Place} chosen */
    show(chosen) {
      const isOther = chosen.noise !== place?.noise;
      place = chosen;
      if (isOther) drawLines();
      ring.classList.add("rnsl-gliding");
      moveRing();
    },
  };
}

// ---------------------------------------------------------------- where things lie

function accuracyScale({ percents, accuracy_range: [low, high] }, drawing) {
  const { width, height } = drawing.getBoundingClientRect();
  const { unit } = rulerOf(drawing);
  const [left, top] = [AROUND.left * unit, AROUND.top * unit];
  const right = Math.max(width - AROUND.right * unit, left);
  const bottom = Math.max(height - AROUND.bottom * unit, top);
  const last = percents.at(-1) || 1;
  return {
    width, height, left, right, bottom, unit,
    x: (percent) => left + (percent / last) * (right - left),
    y: (accuracy) => bottom - ((accuracy - low) / (high - low)) * (bottom - top),
  };
}

/** The points of one line; `bar` is half the length of the error bar. */
function pointsOf({ percents, accuracy, spread }, noise, loss, scale) {
  return percents.map((percent, rate) => {
    const mean = accuracy[noise][rate][loss];
    const bar = scale.y(0) - scale.y(spread[noise][rate][loss]);
    const reading = `${mean.toFixed(1)} % at ${percent} % wrong labels`;
    return { rate, reading, x: scale.x(percent), y: scale.y(mean), bar };
  });
}

/** Heights of the lines' names: at the lines' ends, moved up where names would touch. */
function nameHeights(ends, least) {
  const lowestFirst = ends.map((_, i) => i).sort((a, b) => ends[b] - ends[a]);
  const heights = [];
  let free = Infinity;
  for (const i of lowestFirst) {
    heights[i] = Math.min(ends[i], free);
    free = heights[i] - least;
  }
  return heights;
}

// ---------------------------------------------------------------- what is drawn

function accuracyAxes({ percents, accuracy_range: [low, high] }, { x, y, left, right, bottom, unit }) {
  const tens = Array.from({ length: (high - low) / 10 + 1 }, (_, i) => low + 10 * i);
  const grid = (value) => `M${left},${y(value)}H${right}`;
  return [
    ...tens.map((value) => svg("path", { class: "rnsl-grid", d: grid(value) })),
    ...tens.map((value) => words(value, left - 8 * unit, y(value) + 4 * unit, "end")),
    ...percents.map((percent) => words(percent, x(percent), bottom + 20 * unit, "middle")),
    words("wrong labels in training (%)", (left + right) / 2, bottom + 40 * unit, "middle"),
  ];
}

function allLines(curves, noise, scale, choose) {
  const lines = curves.losses.map((_, loss) => pointsOf(curves, noise, loss, scale));
  const heights = nameHeights(lines.map((points) => points.at(-1).y), LABEL_HEIGHT * scale.unit);
  return curves.losses.flatMap((loss, i) => [
    stroke(loss, `M${lines[i].map(({ x, y }) => `${x},${y}`).join("L")}`),
    words(loss.label, scale.right + 17 * scale.unit, heights[i] + 4 * scale.unit, "start"),
    ...lines[i].map((point) => pointOf(loss, point, () => choose(point.rate, i))),
  ]);
}

function pointOf(loss, { x, y, bar, reading }, choose) {
  const bars = `M${x - 3},${y - bar}h6m-3,0V${y + bar}m-3,0h6`;
  const target = svg("circle", { class: "rnsl-target", cx: x, cy: y, r: 12 });
  target.append(svg("title", {}, `${loss.label}: ${reading}`));
  target.addEventListener("click", choose);
  return svg("g", {}, svg("path", { d: bars, stroke: loss.color }), marker(loss, x, y), target);
}
