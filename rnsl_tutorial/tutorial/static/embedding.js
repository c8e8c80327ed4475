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
import { explorer, html, menu, readout, segments, slider, unpacked } from "./widgets.js";

export default explorer("rnsl-embedding", ({ model, choices, signal, choose, place }) => {
  const table = readTable(model.get("_table"));
  const map = new EmbeddingMap(table, signal);
  const chart = accuracyChart(table, (rate, loss) => choose({ rate, loss }), signal);
  const told = readout();
  const sizes = ["noise", "rate", "loss"].map((name) => choices(name).length);
  const controls = html(
    "div",
    { class: "rnsl-controls" },
    slider(model, "rate", signal),
    segments(model, "loss", signal, table.losses.map(lineSample)),
    menu(model, "noise", signal),
  );
  return {
    parts: [told, controls, map.element, chart.element],
    show() {
      const at = { noise: place("noise"), rate: place("rate"), loss: place("loss") };
      const number = (at.noise * sizes[1] + at.rate) * sizes[2] + at.loss;
      told.textContent = table.headlines[number];
      map.show(number);
      chart.show(at);
    },
  };
});

/** @returns {Table} */
function readTable(table) {
  const arrays = ["coordinates", "medians", "predicted", "labels"];
  return { ...table, ...Object.fromEntries(arrays.map((name) => [name, unpacked(table[name])])) };
}
