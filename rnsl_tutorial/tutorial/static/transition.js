/**
 * The explorer of transition matrices: a heat map, and where the wrong labels of one row go.
 *
 * Everything shown is looked up in a table that Python made. In the shapes, K counts kinds of noise,
 * R rates, A amounts of concentration, C classes, B bars (and one value more: all others together).
 *
 * @typedef {{
 *   order: Lookup, shares: Lookup, codes: Lookup, over: Lookup, most: Lookup, lost: Lookup,
 *   right?: Lookup, rules?: Lookup,
 * }} View of a data set. Nominal: order [K, C, B], shares [K, A, C, B + 1], codes [K, A, C, C] of
 *   shares, and [K, R, A, C] for the others. Drawn: without A, codes of the drawn matrix, lost [K, R].
 *   `over`: how many of the bars outnumber the right label; `lost`: how many classes are lost
 * @typedef {{ names: string[], axes: { x: Axis, y: Axis }, nominal: View, drawn: View }} DataSet
 * @typedef {{
 *   matrix: number[], row: number, lost: number[], order: number[], shares: number[], over: number,
 *   most: number, right: number, rule: number, count: number,
 * }} Picture what is shown of one choice; `matrix` as positions in the colours
 */
import { Chart } from "./chart.js";
import { guessing } from "./guess.js";
import { explorer, html, menu, segments, slider } from "./widgets.js";

const widgets = {
  rate: slider, noise: menu, dataset: segments, concentration: slider,
  aid_row: menu, nwpu45_row: menu, view: segments,
};

export default explorer("rnsl-transition rnsl-panels", widgets, (tools) => {
  const { model, table, signal, controls, place, choices, choose } = tools;
  const data = () => table.datasets[model.get("dataset")];
  const chooseRow = (row) => choose({ [`${model.get("dataset")}_row`]: row });
  const note = html("p", { class: "rnsl-note" });
  const heat = heatMap(table, data, chooseRow, signal);
  const bars = rowBars(table, signal);
  return {
    parts: [heat, bars],
    asks: guessing,
    note,
    show() {
      const isDrawn = model.get("view") === "drawn";
      const at = {
        kind: place("noise"),
        rate: place("rate"),
        amount: place("concentration"),
        published: choices("concentration").indexOf(0),
        row: place(`${model.get("dataset")}_row`),
      };
      const picture = (isDrawn ? drawnPicture : nominalPicture)(table, data(), at);
      const notes = table.notes[model.get("dataset")][at.kind][at.rate];
      note.textContent = isDrawn ? `${notes} ${table.drawn_note}` : notes;
      for (const name of choices("dataset")) {
        controls[`${name}_row`].hidden = name !== model.get("dataset");
      }
      controls.concentration.querySelector("input").disabled = isDrawn;
      heat.show(picture);
      bars.show(data(), picture);
      return sentence(table, data(), picture, isDrawn);
    },
  };
});

// ---------------------------------------------------------------- what is looked up

/** The matrix as published but for the chosen row. @returns {Picture} */
function nominalPicture(table, { names, nominal }, { kind, rate, amount, published, row }) {
  const amountOf = (i) => (i === row ? amount : published);
  const atRate = table.codes_at_rate(rate);
  const codes = (_, i) => {
    const line = Array.from(nominal.codes(kind, amountOf(i), i), (code) => atRate[code]);
    line[i] = table.right_codes[rate];
    return line;
  };
  return {
    row,
    matrix: names.flatMap(codes),
    lost: [...names.keys()].filter((i) => nominal.over(kind, rate, amountOf(i), i) > 0),
    order: nominal.order(kind, row),
    shares: nominal.shares(kind, amount, row),
    over: nominal.over(kind, rate, amount, row),
    most: nominal.most(kind, rate, amount, row),
    right: table.right(rate),
    rule: table.rules(rate),
    count: nominal.lost(kind, rate, amount, row),
  };
}

/** @returns {Picture} */
function drawnPicture(table, { names, drawn }, { kind, rate, row }) {
  return {
    row,
    matrix: drawn.codes(kind, rate),
    lost: [...names.keys()].filter((i) => drawn.over(kind, rate, i) > 0),
    order: drawn.order(kind, rate, row),
    shares: drawn.shares(kind, rate, row),
    over: drawn.over(kind, rate, row),
    most: drawn.most(kind, rate, row),
    right: drawn.right(kind, rate, row),
    rule: drawn.rules(kind, rate, row),
    count: drawn.lost(kind, rate),
  };
}

// ---------------------------------------------------------------- what is said

function sentence({ sentences }, { names }, { row, order, over, most, right, count }, isDrawn) {
  if (most === 0) return sentences.none;
  return filledIn(over > 0 ? sentences.lost : sentences.safe, {
    draw: isDrawn ? sentences.draw : "",
    count,
    classes: names.length,
    name: names[row],
    most: percent(most),
    wrong: names[order[0]],
    right: percent(right),
  });
}

function filledIn(template, values) {
  return template.replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

function percent(share) {
  return `${(100 * share).toFixed(1)}%`;
}

// ---------------------------------------------------------------- what is drawn

/** The matrix with the chosen row named and the lost rows marked; a click chooses a row. */
function heatMap(table, data, chooseRow, signal) {
  const description = "Transition matrix: a row for each true class, a column for each given label";
  const chart = new Chart({ ...data().axes, description, signal });
  const values = table.values();
  const cells = chart.cells("matrix", values);
  const pointer = chart.dot({ name: "row", marker: ">" });
  const { color, marker } = table.wrong;
  const lost = chart.points({ name: "lost", color, marker, label: "lost class" });
  const named = html("div", { class: "rnsl-cell-name" });
  chart.element.classList.add("rnsl-heat");
  chart.element.append(colorKey(table), named);
  const classAt = (y) => Math.max(0, Math.min(data().names.length - 1, Math.floor(y)));
  let [chosen, matrix] = [0, []];
  const tell = (x = -1, y = -1) => {
    const { names } = data();
    const [i, j] = [Math.floor(y), Math.floor(x)];
    const inside = i in names && j in names;
    const [from, to] = inside ? [i, j] : [chosen, null];
    const share = to === null ? 0 : values[matrix[from * names.length + to]];
    const called = to === null ? "" : `, called ${names[to]}: ${share.toFixed(2)}`;
    named.textContent = `${names[from]}${called}`;
  };
  chart.onPoint((_, y) => chooseRow(classAt(y)));
  chart.onHover(tell);
  let shown = null;
  /** @param {Picture} picture */
  return chart.shows(({ matrix: codes, row, lost: rows }) => {
    const classes = data().names.length;
    const { x, y } = data().axes;
    if (shown !== data() || row !== chosen) chart.rescale(x, { ...y, strong: row });
    [shown, chosen, matrix] = [data(), row, codes];
    cells.show(matrix, classes, classes, table.colors());
    pointer.show(0, row + 0.5);
    lost.show(rows.map(() => classes * 1.03), rows.map((i) => i + 0.5));
    tell();
  });
}

function colorKey({ colors, color_ticks: ticks }) {
  const all = colors();
  const stops = Array.from({ length: 256 }, (_, i) => `rgb(${all.subarray(3 * i, 3 * i + 3).join(" ")})`);
  const strip = html("div", { class: "rnsl-key-colors" });
  strip.style.background = `linear-gradient(to right, ${stops.join()})`;
  const texts = ticks.map(({ text, place }) => {
    const tick = html("span", {}, text);
    tick.style.left = `${100 * place}%`;
    return tick;
  });
  const scale = html("div", { class: "rnsl-key-ticks" }, ...texts);
  return html("div", { class: "rnsl-key" }, html("span", {}, "probability"), strip, scale);
}

/** The chosen row's wrong labels, the largest on top, and the line that they must not cross. */
function rowBars(table, signal) {
  const description = "Shares of the chosen class's wrong labels; beyond the line the class is lost";
  const { x: ranks, y: x } = table.axes;
  const count = ranks.range[1];
  const y = { ...ranks, range: [count + 1, 0] }; // a row more, for the others
  const chart = new Chart({ x, y, description, signal });
  const { color } = table.wrong;
  const wrong = chart.bars({ name: "wrong", color, hatched: true }, "y");
  const over = chart.bars({ name: "over", color, label: "outnumbers right" }, "y");
  const rule = chart.rule({ name: "rule", dash: [4, 2.5], label: "right per wrong label" });
  const [rest, ...names] = ["rest", ...Array.from({ length: count }, (_, i) => `name-${i}`)].map((name) => {
    return chart.text(name, "start", "0.35em");
  });
  const ruleText = chart.text("rule-text", "middle", -3);
  const edges = Array.from({ length: count + 1 }, (_, i) => i);
  const top = x.range[1];
  /** @param {DataSet} data @param {Picture} picture */
  return chart.shows((data, { order, shares, over: crossing, rule: height }) => {
    const heights = Array.from(shares.subarray(0, count));
    const seen = heights.filter((share) => share > 0);
    wrong.show(edges.slice(crossing), seen.slice(crossing));
    over.show(edges, seen.slice(0, crossing));
    const [inside, finite] = [height <= top, Number.isFinite(height)];
    rule.show(inside ? height : NaN);
    const away = finite ? `${height.toFixed(2)} \u2192` : "";
    ruleText.show(inside ? height : top, 0, inside ? height.toFixed(2) : away);
    names.forEach((name, i) => {
      const text = heights[i] > 0 ? `${data.names[order[i]]} ${heights[i].toFixed(2)}` : "";
      name.show(0.02, i + 0.5, text);
    });
    const others = { count: data.names.length - 1 - count, share: shares[count].toFixed(2) };
    rest.show(0.02, count + 0.5, shares[count] > 0 ? filledIn(table.rest, others) : "");
  });
}
