/**
 * The explorer of the down-weighting: a heat map over q and temperature, beside the weight that
 * each image of a batch has in training.
 *
 * Everything shown is looked up in a table that Python made. Moments of a run come first, then
 * temperatures, then values of q; `surfaces` has two maps before these, their upper row first.
 *
 * @typedef {import("./chart.js").Axis} Axis
 * @typedef {{ shape: number[], dtype: string, data: DataView }} Packed
 * @typedef {{
 *   map_axes: { x: Axis, y: Axis }, weight_axes: { x: Axis, y: Axis },
 *   surfaces: Packed, levels: { x: Packed, y: Packed }[][], titles: string[],
 *   level_texts: string[], level_places: [number, number][][][],
 *   colors: Packed, color_stops: string[], color_texts: string[],
 *   weights: Packed, line_weights: Packed, margins: Packed, line_margins: Packed, flipped: Packed,
 *   styles: object[], headlines: string[], note: string,
 * }} Table weights in 65535ths; styles of right and of wrong labels; headlines one a moment,
 *   temperature and q
 */
import { Chart } from "./chart.js";
import { pictureStrip } from "./pictures.js";
import { explorer, html, nearestPlace, segments, slider } from "./widgets.js";

const WHOLE = 65535; // the weight of an image that is fully heard

const widgets = { q: slider, temperature: slider, epoch: slider };

export default explorer("rnsl-panels rnsl-weighting", widgets, (tools) => {
  const { model, table, choices, signal, choose, place } = tools;
  const map = heatMap(table, choices, choose, signal);
  const weights = weightChart(table, signal);
  const [temperatures, qs] = ["temperature", "q"].map((name) => choices(name).length);
  const note = html("div", { class: "rnsl-note rnsl-wide" }, table.note);
  const choice = html("div", { class: "rnsl-wide" }, segments(model, "surface", signal));
  return {
    parts: [choice, map, weights, pictureStrip(tools), note],
    show() {
      const at = [place("epoch"), place("temperature"), place("q")];
      map.show(place("surface"), ...at);
      weights.show(...at);
      return table.headlines[(at[0] * temperatures + at[1]) * qs + at[2]];
    },
  };
});

// ---------------------------------------------------------------- the heat map

function heatMap(table, choices, choose, signal) {
  const chart = new Chart({
    ...table.map_axes, title: table.titles[0], signal,
    description: "Heat map over q and temperature; the sliders choose a place on it",
  });
  const [temperatures, qs] = [choices("temperature").length, choices("q")];
  const cells = chart.cells("surface", Array.from({ length: 256 }, (_, code) => code / 255), "share");
  const halo = chart.line({ name: "level-halo", told: "", color: "#000000", width: 3.4 });
  const levels = chart.line({ name: "levels", told: "", color: "#ffffff", width: 1.4 });
  const texts = table.level_texts.map((_, i) => chart.text(`level-${i}`, "middle", "0.35em"));
  const here = chart.dot({ name: "here", marker: "o", color: "#ffffff" });
  here.element.classList.add("rnsl-here");
  chart.element.classList.add("rnsl-heat-map");
  chart.onPoint((q, temperature) => {
    choose({ q: nearestPlace(qs, q), temperature: within(Math.round(temperature), temperatures) });
  });
  const heading = chart.element.querySelector(".rnsl-chart-title");
  heading.after(colorKey(table));
  return chart.shows((surface, moment, temperature, q) => {
    const { x, y } = table.levels[surface][moment];
    heading.textContent = table.titles[surface];
    cells.show(table.surfaces(surface, moment), temperatures, qs.length, table.colors());
    for (const lines of [halo, levels]) lines.show(x(), y());
    texts.forEach((text, i) => {
      const [x, y] = table.level_places[surface][moment][i]; // y is below 0 where there is no line
      text.show(x, y, y < 0 ? "" : table.level_texts[i]);
    });
    here.show(qs[q], temperature);
  });
}

/** Which colour stands for which share. */
function colorKey({ color_stops: stops, color_texts: texts }) {
  const style = `background: linear-gradient(to right, ${stops.join(", ")})`;
  const scale = html("div", { class: "rnsl-heat-key-colors", style });
  const numbers = html("div", { class: "rnsl-heat-key-texts" }, ...texts.map((t) => html("span", {}, t)));
  return html("div", { class: "rnsl-heat-key" }, scale, numbers);
}

function within(place, count) {
  return Math.max(0, Math.min(count - 1, place));
}

// ---------------------------------------------------------------- weights of the images

function weightChart(table, signal) {
  const chart = new Chart({
    ...table.weight_axes, title: "How hard each image is heard", signal,
    description: "Weight of each image over its margin, and the line of a typical image",
  });
  const flipped = table.flipped();
  const line = chart.line({ name: "typical", label: "typical" });
  const groups = table.styles.map((style, wrong) => ({
    of: (values) => values.filter((_, image) => flipped[image] === wrong),
    points: chart.points({ ...style, name: wrong ? "wrong" : "right" }),
  }));
  const asShare = (values) => Float32Array.from(values, (value) => value / WHOLE);
  return chart.shows((moment, temperature, q) => {
    const heights = asShare(table.weights(moment, temperature, q));
    for (const { of, points } of groups) points.show(of(table.margins(moment)), of(heights));
    line.show(table.line_margins(moment), asShare(table.line_weights(moment, temperature, q)));
  });
}
