/**
 * The explorer of embeddings: test images on a map, and accuracy over the noise rate.
 *
 * Everything shown is looked up in a table that Python made; its maps are numbered in the order
 * noise, rate, loss.
 *
 * @typedef {import("./accuracy_chart.js").Curves & import("./embedding_map.js").Maps & {
 *   noises: { id: string, label: string }[], rates: number[], headlines: string[],
 * }} Table headlines one a map
 */
import { accuracyChart, lineSample } from "./accuracy_chart.js";
import { EmbeddingMap } from "./embedding_map.js";
import { assign, explorerRoot, html, menu, segments, slider, typed, watch } from "./widgets.js";

export default { render };

/** @param {{ model: import("./widgets.js").Model, el: HTMLElement }} view */
function render({ model, el }) {
  const end = new AbortController();
  const table = readTable(model);
  const map = new EmbeddingMap(table, end.signal);
  const choose = (rate, loss) =>
    assign(model, { rate: table.rates[rate], loss: table.losses[loss].id });
  const chart = accuracyChart(table, choose, end.signal);
  const readout = html("p", { class: "rnsl-readout", "aria-live": "polite" });
  const controls = createControls(table, model, end.signal);
  const parts = [readout, controls, map.element, chart.element];
  const root = explorerRoot(html("div", { class: "rnsl-embedding" }, ...parts));
  const show = () => {
    const place = currentPlace(table, model);
    readout.textContent = table.headlines[place.map];
    map.show(place.map);
    chart.show(place);
  };
  watch(model, ["noise", "rate", "loss"], show, end.signal);
  el.append(root);
  show();
  return () => {
    end.abort();
    root.remove();
  };
}

/** @returns {Table} */
function readTable(model) {
  const table = model.get("_table");
  return {
    ...table,
    coordinates: typed(table.coordinates, Uint16Array),
    medians: typed(table.medians, Uint16Array),
    predicted: typed(table.predicted, Uint8Array),
    labels: typed(table.labels, Uint8Array),
  };
}

function currentPlace({ noises, rates, losses }, model) {
  const noise = noises.findIndex(({ id }) => id === model.get("noise"));
  const rate = rates.indexOf(model.get("rate"));
  const loss = losses.findIndex(({ id }) => id === model.get("loss"));
  return { noise, rate, loss, map: (noise * rates.length + rate) * losses.length + loss };
}

function createControls({ rates, percents, losses, noises }, model, signal) {
  const rateChoices = rates.map((value, i) => ({ value, text: `${percents[i]} %` }));
  const lossChoices = losses.map((loss) => ({
    value: loss.id,
    text: loss.label,
    mark: lineSample(loss),
  }));
  const noiseChoices = noises.map(({ id, label }) => ({ value: id, text: label }));
  return html(
    "div",
    { class: "rnsl-controls" },
    slider({ model, name: "rate", label: "Wrong labels", choices: rateChoices, signal }),
    segments({ model, name: "loss", label: "Loss", choices: lossChoices, signal }),
    menu({ model, name: "noise", label: "Kind of label noise", choices: noiseChoices, signal }),
  );
}
