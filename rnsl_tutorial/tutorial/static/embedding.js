/**
 * The explorer of embeddings: test images on a map, and accuracy over the noise rate.
 *
 * Everything shown is looked up in a table that Python made; its maps are numbered in the order
 * noise, rate, loss.
 *
 * @typedef {import("./accuracy_chart.js").Curves & import("./embedding_map.js").Maps & {
 *   headlines: string[],
 * }} Table headlines one a map
 */
import { accuracyChart } from "./accuracy_chart.js";
import { lineSample } from "./chart.js";
import { EmbeddingMap } from "./embedding_map.js";
import { explorer, menu, segments, slider } from "./widgets.js";

const widgets = ({ losses }) => ({
  rate: slider,
  loss: (...given) => segments(...given, losses.map(lineSample)),
  noise: menu,
});

export default explorer("rnsl-embedding", widgets, (tools) => {
  const { table, choices, signal, choose, place } = tools;
  const map = new EmbeddingMap({ ...table, labels: table.labels() }, signal);
  const chart = accuracyChart(table, (rate, loss) => choose({ rate, loss }), signal);
  const sizes = ["noise", "rate", "loss"].map((name) => choices(name).length);
  return {
    parts: [map, chart],
    show() {
      const at = { noise: place("noise"), rate: place("rate"), loss: place("loss") };
      const number = (at.noise * sizes[1] + at.rate) * sizes[2] + at.loss;
      map.show(at.noise, at.rate, at.loss);
      chart.show(at);
      return table.headlines[number];
    },
  };
});
