/**
 * The explorer of embeddings: test images on a map, and accuracy over the noise rate.
 *
 * Everything shown is looked up in a table that Python made; its maps are numbered in the order
 * noise, rate, loss. A dot is an image whose class k-NN finds, a dark cross one whose class it does
 * not.
 *
 * @typedef {{
 *   headlines: string[], captions: string[], percents: number[],
 *   losses: (import("./chart.js").Style & { id: string })[], accuracy: number[][][],
 *   spread: number[][][], axes: { x: import("./chart.js").Axis, y: import("./chart.js").Axis },
 *   chart_note: string, class_names: string[], class_colors: string[], files: string[],
 *   coordinates: object, medians: object, named: number[][], predicted: object, labels: object,
 * }} Table arrays as Python packed them; headlines, captions and named one a map: named are the
 *   classes that are mostly found, the best first; accuracy and spread [noise][rate][loss] in percent
 */
import { Chart, lineSample } from "./chart.js";
import { guessing } from "./guess.js";
import { ImageMap, Shared } from "./map.js";
import { Pictures } from "./pictures.js";
import { explorer, html, menu, nearestPlace, segments, slider } from "./widgets.js";

const widgets = ({ losses }) => ({
  rate: slider,
  loss: (...given) => segments(...given, losses.map(lineSample)),
  noise: menu,
});

export default explorer("rnsl-embedding", widgets, (tools) => {
  const { model, table, choices, signal, choose, place } = tools;
  const labels = table.labels();
  const { class_names: names, files } = table;
  let predicted = null;
  const shared = new Shared({
    labels,
    files,
    class_names: names,
    fades: true,
    ink: true,
    picks: (image) => shared.ofClass(labels[image]),
    linked: () => [],
    onSelect: () => {},
    tell: (focus) => {
      const name = html("strong", {}, names[focus.class]);
      const lines = focus.image === undefined
        ? classLines(shared.ofClass(focus.class), focus.class, predicted, names)
        : [verdict(focus, predicted, names)];
      const told = [name, ...lines.map((line) => html("span", {}, line))];
      if (focus.image === undefined) return told;
      const file = html("span", { class: "rnsl-file" }, files[focus.image]);
      return [pictures.of(focus.image), ...told, file];
    },
  });
  const pictures = new Pictures(model, signal, () => shared.redraw());
  const map = new ImageMap("Test images", shared, signal);
  map.element.append(html("div", { class: "rnsl-note" }, "UMAP: what lies together is alike; the axes have no unit."));
  const chart = accuracyChart(table, choose, signal);
  const sizes = ["noise", "rate", "loss"].map((name) => choices(name).length);
  return {
    parts: [map, chart],
    asks: guessing,
    show() {
      const at = ["noise", "rate", "loss"].map(place);
      const number = (at[0] * sizes[1] + at[1]) * sizes[2] + at[2];
      predicted = table.predicted(...at);
      const shown = {
        coordinates: table.coordinates(...at),
        medians: table.medians(...at),
        codes: labels,
        colors: table.class_colors,
        crossed: labels.map((label, image) => Number(label !== predicted[image])),
        named: table.named[number],
      };
      shared.look(null, map);
      map.show(shown, table.captions[number]);
      chart.show(...at);
      return table.headlines[number];
    },
  };
});

function verdict({ class: c, image }, predicted, names) {
  return predicted[image] === c ? "k-NN agrees" : `k-NN says ${names[predicted[image]]}`;
}

function classLines(images, c, predicted, names) {
  const missed = images.filter((image) => predicted[image] !== c);
  const [rival, times] = mostFrequent(missed.map((image) => predicted[image]));
  const lines = [`${images.length - missed.length} of ${images.length} images find their class`];
  return times ? [...lines, `${times} go to ${names[rival]}`] : lines;
}

/** The most frequent of some numbers and how often it comes. */
function mostFrequent(numbers) {
  const times = new Map();
  for (const number of numbers) times.set(number, (times.get(number) ?? 0) + 1);
  return [...times].reduce((most, next) => (next[1] > most[1] ? next : most), [null, 0]);
}

/** k-NN accuracy over the noise rate, a line for each loss, and a ring around the current choice. */
function accuracyChart({ percents, losses, accuracy, spread, axes, chart_note: note }, choose, signal) {
  const labels = losses.map(({ label }) => label);
  const description = "k-NN accuracy over the share of wrong labels, a line for each loss";
  const title = "k-NN accuracy (% of test images)";
  const chart = new Chart({ ...axes, title, description, ends: labels, signal });
  const lines = losses.map((style) => chart.measured({ ...style, name: style.label, label: undefined }));
  const names = chart.names(labels);
  const ring = chart.ring("chosen");
  let shown = [];
  const of = (values, noise, loss) => percents.map((_, rate) => values[noise][rate][loss]);
  chart.onPoint((x, y) => {
    const [rate, loss] = nearestOf(percents, shown, x, y);
    choose({ rate, loss });
  });
  chart.element.append(html("div", { class: "rnsl-note" }, note));
  return chart.shows((noise, rate, loss) => {
    shown = losses.map((_, i) => of(accuracy, noise, i));
    lines.forEach((line, i) => line.show(percents, shown[i], of(spread, noise, i)));
    names.show(axes.x.range[1], shown.map((heights) => heights.at(-1)));
    ring.show(percents[rate], shown[loss][rate]);
  });
}

/** The positions of the rate and of the line that lie nearest to a place. */
function nearestOf(xs, lines, x, y) {
  const rate = nearestPlace(xs, x);
  return [rate, nearestPlace(lines.map((heights) => heights[rate]), y)];
}
