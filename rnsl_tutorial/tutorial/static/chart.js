/**
 * A chart: two axes, and on them lines, points, bars, rules and pictures that Python computed.
 *
 * Drawn as SVG, so that the style sheet gives it the theme's colours, it is sharp at any size, and
 * what is drawn can be read back: each mark is an element with `data-mark`, and the drawing holds
 * the places of its axes' ends in px (`data-x`, `data-y`: low, high, px of low, px of high).
 *
 * @typedef {{
 *   label: string, range: [number, number], ticks: number[], texts: string[],
 *   read: [number[], number[]], strong?: number,
 * }} Axis of Python's `plots.axis`; the first end of the range is at the left, or at the bottom;
 *   read: places on an axis that is bent, and the values that lie there;
 *   strong: the tick that stands out
 * @typedef {{
 *   name: string, label?: string, told?: string, color?: string, dash?: number[], marker?: string,
 *   width?: number, hatched?: boolean,
 * }} Style of a mark: its name for tests, its label in the legend (none: not in it), what a pointer
 *   is told that it is (by default the label or the name; "": nothing), its colour (none: that of
 *   text), strokes and gaps in line widths, one of the MARKERS, px, whether filled areas are hatched
 * @typedef {{
 *   x?: number, xEnd?: number, y?: number, yEnd?: number, value?: number, lies?: boolean,
 * }} Row of what a mark draws, in the units of the axes; a bar may lie
 */
import { fitCanvas, html, nearestPlace, onResize, randomId, svg } from "./widgets.js";

const TEXT = 14; // px, the size of text on which the lengths of a chart's words are based
const SMALLER = 0.86; // its ticks and names, as in the style sheet
const FRAME = { left: 58, right: 14, top: 12, bottom: 44 }; // px around the axes, at least
const LINE_WIDTH = 2; // px
export const MARKERS = {
  o: "m4,0a4,4 0 1 1 -8,0a4,4 0 1 1 8,0z",
  s: "m-4,-4h8v8h-8z",
  "^": "m0,-5l5,9h-10z",
  D: "m0,-5l5,5l-5,5l-5,-5z",
  v: "m0,5l5,-9h-10z",
  P: "m-1.6,-5h3.2v3.4h3.4v3.2h-3.4v3.4h-3.2v-3.4h-3.4v-3.2h3.4z",
  ">": "m0,0l-7,-4v8z",
  ring: "m10,0a10,10 0 1 1 -20,0a10,10 0 1 1 20,0z",
};
const SMALL = { o: "m-1.7,0a1.7,1.7 0 1 0 3.4,0a1.7,1.7 0 1 0 -3.4,0", x: "m-3,-3l6,6m-6,0l6,-6" };

export class Chart {
  #x;
  #y;
  #drawing;
  #plot = svg("g");
  #axes = svg("g", { class: "rnsl-axes" });
  #inside = svg("rect"); // what lines and areas are cut off at
  #clip = randomId();
  #back = null; // a canvas below the marks, where there are cells
  #legend = html("div", { class: "rnsl-legend" });
  #marks = []; // each with what it shows, how it is drawn, and as which Rows
  #ends; // words that need room at the right
  #scale = null;
  #tip = html("div", { class: "rnsl-tip", hidden: "" });

  /**
   * @param {{
   *   x: Axis, y: Axis, title?: string, description: string, ends?: string[], signal: AbortSignal,
   * }} chart the description is read by screen readers; ends are words that need room at the right
   */
  constructor({ x, y, title = "", description, ends = [], signal }) {
    [this.#x, this.#y, this.#ends] = [x, y, ends];
    const named = { role: "img", "aria-label": description };
    const clip = svg("defs", {}, svg("clipPath", { id: this.#clip }, this.#inside));
    this.#drawing = svg("svg", named, clip, this.#axes, this.#plot);
    const heading = html("div", { class: "rnsl-chart-title" }, title);
    const stage = html("div", { class: "rnsl-plot" }, this.#drawing, this.#tip);
    this.element = html("div", { class: "rnsl-chart" }, heading, this.#legend, stage);
    this.element.append(saving(this.element, title || description, () => this.#csv()));
    this.#drawing.addEventListener("pointermove", (event) => this.#tell(event));
    this.#drawing.addEventListener("pointerleave", () => (this.#tip.hidden = true));
    onResize(stage, () => this.#fit(), signal);
  }

  /** Let a function draw what is chosen: the chart's `show`. */
  shows(draw) {
    return Object.assign(this, { show: draw });
  }

  /** Change the axes; what is drawn stays until it is shown anew. */
  rescale(x, y) {
    [this.#x, this.#y] = [x, y];
    this.#fit();
  }

  /** A line through points; NaN leaves a gap. @param {Style} style */
  line(style) {
    const path = svg("path", { fill: "none", "data-mark": style.name, ...strokeOf(style) });
    path.setAttribute("clip-path", `url(#${this.#clip})`);
    this.#explain(style, lineSample(style));
    const draw = (xs, ys) => path.setAttribute("d", lineThrough(this.#places(xs, ys)));
    return this.#mark(path, draw, style, rowsOf);
  }

  /** A filled band between two lines over the same xs. @param {Style} style */
  band(style) {
    const path = this.#filled(style);
    return this.#mark(path, (xs, low, high) => {
      const back = this.#places(xs, low).reverse();
      path.setAttribute("d", `${lineThrough([...this.#places(xs, high), ...back])}Z`);
    }, style, (xs, low, high) => Array.from(xs, (x, i) => ({ x, y: low[i], yEnd: high[i] })));
  }

  /**
   * Bars from one edge to the next, from 0 (or from `bases`) up; as "y" they lie, with their edges on
   * the y axis. @param {Style} style
   */
  bars(style, axis = "x") {
    const path = this.#filled(style);
    const rows = (edges, heights, bases) => Array.from(heights, (height, i) => {
      const [from, to, base] = [edges[i], edges[i + 1], bases ? bases[i] : 0];
      if (axis === "x") return { x: from, xEnd: to, y: base, yEnd: height };
      return { x: base, xEnd: height, y: from, yEnd: to, lies: true };
    });
    return this.#mark(path, (edges, heights, bases = null) => {
      const { x, y } = this.#scale;
      const bar = (height, i) => {
        const [low, high, base] = [edges[i], edges[i + 1], bases ? bases[i] : 0];
        const corners = [[low, base], [low, height], [high, height], [high, base]];
        return `${lineThrough(corners.map(([a, b]) => (axis === "x" ? [x(a), y(b)] : [x(b), y(a)])))}Z`;
      };
      path.setAttribute("d", Array.from(heights, bar).join(""));
    }, style, rows);
  }

  /** Many small marks: style.marker "o" for dots, "x" for crosses. @param {Style} style */
  points(style) {
    const path = this.#small(style);
    return this.#mark(path, (xs, ys) => {
      const seen = this.#places(xs, ys).filter(([px, py]) => !Number.isNaN(px + py));
      path.setAttribute("d", seen.map(([px, py]) => `M${px},${py}${SMALL[style.marker]}`).join(""));
    }, style, rowsOf);
  }

  /** One large marker. @param {Style} style */
  dot(style) {
    const path = svg("path", { d: MARKERS[style.marker], "data-mark": style.name, ...fillOf(style) });
    path.classList.add("rnsl-dot");
    this.#explain(style, markerSample(style));
    return this.#mark(path, (at, height) => {
      const { x, y } = this.#scale;
      const outside = Number.isNaN(x(at) + y(height));
      path.setAttribute("transform", outside ? "scale(0)" : `translate(${x(at)} ${y(height)})`);
    }, { told: "", ...style }, (x, y) => [{ x, y }]);
  }

  /** A ring around the place that is chosen. */
  ring(name) {
    const mark = this.dot({ name, marker: "ring" });
    mark.element.setAttribute("class", "rnsl-ring");
    return mark;
  }

  /**
   * What was measured over the x axis, with its spread: a line, bars up and down and, where the style
   * has a marker, markers; NaN was not measured. @param {Style} style
   */
  measured(style) {
    const { name, color, marker: kind } = style;
    const bars = this.line({ name: `spread ${name}`, told: "", color, width: 1 });
    const line = this.line(style);
    const path = svg("path", { "data-mark": `points ${name}`, class: "rnsl-dot", ...fillOf(style) });
    const dots = this.#mark(path, (xs, ys) => {
      path.setAttribute("d", this.#places(xs, ys).map(([x, y]) => `M${x},${y}${MARKERS[kind]}`).join(""));
    }, { told: "" });
    return {
      elements: [bars.element, line.element, path],
      line,
      show: (xs, ys, spreads) => {
        const seen = Array.from(xs, (_, i) => i).filter((i) => !Number.isNaN(ys[i]));
        const [x, y, spread] = [xs, ys, spreads].map((all) => seen.map((i) => all[i]));
        bars.show(...errorBars(x, y, spread));
        line.show(x, y);
        if (kind) dots.show(x, y);
      },
    };
  }

  /** A straight line across the chart at one place of the x axis (or, as "y", of the y axis). */
  rule(style, axis = "x") {
    const path = svg("path", { "data-mark": style.name, fill: "none", ...strokeOf(style) });
    this.#explain(style, lineSample(style));
    return this.#mark(path, (at) => {
      const { left, right, top, bottom, x, y } = this.#scale;
      const ends = axis === "x" ? [[x(at), bottom], [x(at), top]] : [[left, y(at)], [right, y(at)]];
      path.setAttribute("d", lineThrough(ends));
    }, { told: "", ...style }, (at) => [{ [axis]: at }]);
  }

  /** Words at a place, moved sideways where they would leave the drawing; `dy` px, or em, lower. */
  text(name, anchor = "start", dy = 0) {
    const words = svg("text", { "data-mark": name, "text-anchor": anchor, dy });
    return this.#mark(words, (at, height, text) => {
      const { x, y, width, ruler } = this.#scale;
      const long = ruler.width(text);
      const before = { start: 0, middle: long / 2, end: long }[anchor];
      words.setAttribute("x", Math.min(Math.max(x(at), before), Math.max(width - long, 0) + before));
      words.setAttribute("y", y(height));
      words.textContent = text;
    });
  }

  /**
   * Names of lines beside a place of the x axis, moved up where they would touch; by their anchor
   * right of it ("start") or left ("end").
   */
  names(texts, anchor = "start") {
    const all = texts.map((text, i) => {
      return svg("text", { "data-mark": `name-${i}`, "text-anchor": anchor });
    });
    return this.#mark(svg("g", {}, ...all), (at, heights) => {
      const { x, y, ruler: { unit } } = this.#scale;
      const places = apart(Array.from(heights, y), 16 * unit);
      all.forEach((text, i) => {
        text.setAttribute("x", x(at) + (anchor === "start" ? 14 : -6) * unit);
        text.setAttribute("y", places[i] + 4 * unit);
        text.textContent = Number.isNaN(places[i]) ? "" : texts[i];
      });
    });
  }

  /**
   * Cells that fill the axes from the upper left, row by row, each a position in 256 colours.
   *
   * @param {ArrayLike<number>} values what the colours stand for
   * @param {string} told what a pointer is told that they are; "": nothing
   */
  cells(name, values, told = "") {
    this.#back = html("canvas", { class: "rnsl-back", "data-mark": name });
    this.#drawing.before(this.#back);
    const small = new OffscreenCanvas(1, 1);
    return this.#mark(null, (codes, rows, columns, colors) => {
      Object.assign(small, { width: columns, height: rows });
      const image = new ImageData(columns, rows);
      codes.forEach((code, i) => image.data.set(colors.subarray(3 * code, 3 * code + 3), 4 * i));
      for (let i = 3; i < image.data.length; i += 4) image.data[i] = 255;
      small.getContext("2d").putImageData(image, 0, 0);
      const context = this.#back.getContext("2d");
      const { left, right, top, bottom } = this.#scale;
      context.imageSmoothingEnabled = false;
      context.drawImage(small, left, top, right - left, bottom - top);
    }, { name, told }, (codes, rows, columns) => Array.from(codes, (code, i) => {
      const [x, xEnd] = piece(this.#x.range, i % columns, columns);
      const [yEnd, y] = piece([...this.#y.range].reverse(), Math.floor(i / columns), rows);
      return { x, xEnd, y, yEnd, value: values[code] };
    }));
  }

  /**
   * Call back with the place on the axes, when the pointer is pressed on the chart and as it moves,
   * also beyond the chart. A finger counts when it taps or moves sideways: else it scrolls the page.
   *
   * @param {(x: number, y: number) => void} callback
   */
  onPoint(callback) {
    this.#point(callback, (right, down) => Math.abs(right) < Math.abs(down));
  }

  /**
   * As `onPoint`, for a hand that draws: a finger counts whichever way it moves. The third argument
   * says whether the pointer was pressed just now.
   *
   * @param {(x: number, y: number, pressed: boolean) => void} callback
   */
  onDraw(callback) {
    this.#point(callback, () => false);
  }

  #point(callback, isScrolling) {
    let from = null; // where the pointer was pressed
    const tell = (event) => {
      const [right, down] = [event.clientX - from?.clientX, event.clientY - from?.clientY];
      const scrolls = event.pointerType === "touch" && isScrolling(right, down);
      if (event.type === "pointermove" && (scrolls || event.buttons !== 1)) return;
      callback(...this.#under(event), event.type !== "pointermove");
    };
    this.#drawing.classList.add("rnsl-pointed");
    this.#drawing.addEventListener("pointerdown", (event) => {
      from = event;
      this.#drawing.setPointerCapture(event.pointerId);
      if (event.pointerType !== "touch") tell(event);
    });
    this.#drawing.addEventListener("pointermove", tell);
    this.#drawing.addEventListener("click", tell);
  }

  /** Call back with the place on the axes under the pointer; without one as the pointer leaves. */
  onHover(callback) {
    this.#drawing.addEventListener("pointermove", (event) => callback(...this.#under(event)));
    this.#drawing.addEventListener("pointerleave", () => callback());
  }

  // ---------------------------------------------------------------- inside

  #under(event) {
    const box = this.#drawing.getBoundingClientRect();
    const { x, y } = this.#scale;
    return [x.back(event.clientX - box.left), y.back(event.clientY - box.top)];
  }

  /** Put a mark on the plot; what it returns shows new numbers, and draws them again on resize. */
  #mark(element, draw, style = {}, rows = () => []) {
    if (element) this.#plot.append(element);
    const mark = { style, element, numbers: null, draw, rows };
    this.#marks.push(mark);
    return {
      element,
      show: (...numbers) => {
        mark.numbers = numbers;
        if (this.#scale) draw(...numbers);
      },
    };
  }

  /** Tell the values of the marks under the pointer, or nearest to it along the x axis. */
  #tell({ clientX, clientY, buttons }) {
    const box = this.#drawing.getBoundingClientRect();
    const at = { x: clientX - box.left, y: clientY - box.top };
    const { left, right, top, bottom } = this.#scale;
    const inside = at.x >= left - 4 && at.x <= right + 4 && at.y >= top - 4 && at.y <= bottom + 4;
    const told = inside && !buttons ? this.#near(at) : [];
    this.#tip.hidden = !told.length;
    if (!told.length) return;
    const heading = told[0].at ? [html("strong", {}, told[0].at)] : [];
    const lines = told.slice(0, MOST_TOLD).map(({ name, text }) => html("span", {}, `${name}: ${text}`));
    this.#tip.replaceChildren(...heading, ...lines);
    const { offsetWidth: width, offsetHeight: height } = this.#tip;
    const x = at.x + 14 + width > box.width ? Math.max(0, at.x - 14 - width) : at.x + 14;
    const y = Math.min(Math.max(0, at.y - height / 2), Math.max(0, box.height - height));
    this.#tip.style.transform = `translate(${x}px, ${y}px)`;
  }

  #near(at) {
    const { x, y } = this.#scale;
    const seen = this.#marks.filter(({ style, numbers }) => numbers && (style.told ?? style.name));
    const all = seen.flatMap(({ style, rows, numbers }) => {
      const name = style.told ?? style.label ?? style.name;
      return rows(...numbers).map((row) => ({ name, row, px: pxAway(row, at, x, y) }));
    });
    const least = Math.min(TOLD_WITHIN, ...all.map(({ px }) => px));
    const nearest = all.filter(({ px }) => px === least);
    return nearest.map(({ name, row }) => ({ name, ...worded(row, this.#x, this.#y) }));
  }

  #csv() {
    const [axisX, axisY] = [this.#x, this.#y];
    const rows = this.#marks.flatMap(({ style, rows: rowsOfMark, numbers }) => {
      const name = style.label ?? style.name;
      const cells = ({ x, xEnd, y, yEnd, value }) => [
        name, valueAt(axisX, x), valueAt(axisX, xEnd), valueAt(axisY, y), valueAt(axisY, yEnd), value,
      ];
      return numbers ? rowsOfMark(...numbers).map(cells) : [];
    });
    return csvOf([["mark", axisX.label || "x", "to", axisY.label || "y", "to", "value"], ...rows]);
  }

  #filled(style) {
    const path = svg("path", { "data-mark": style.name, class: "rnsl-area", ...fillOf(style) });
    path.setAttribute("clip-path", `url(#${this.#clip})`);
    if (style.hatched) path.setAttribute("fill", `url(#${this.#hatching(style)})`);
    if (style.color) path.setAttribute("stroke", style.color);
    this.#explain(style, areaSample(style, path.getAttribute("fill")));
    return path;
  }

  #hatching({ color = "currentColor" }) {
    const id = randomId();
    const size = { width: 6, height: 6, patternUnits: "userSpaceOnUse" };
    const lines = svg("path", { d: "M-1,7L7,-1M-1,1L1,-1M5,7L7,5", stroke: color, "stroke-width": 1.6 });
    this.#plot.append(svg("defs", {}, svg("pattern", { id, ...size }, lines)));
    return id;
  }

  #small(style) {
    const isDot = style.marker === "o";
    const paint = isDot ? fillOf(style) : { fill: "none", ...strokeOf({ ...style, width: 1.3 }) };
    this.#explain(style, smallSample(style, paint));
    return svg("path", { "data-mark": style.name, class: "rnsl-points", ...paint });
  }

  #explain({ label }, sample) {
    if (label) this.#legend.append(html("span", {}, sample, label));
  }

  #places(xs, ys) {
    const { x, y } = this.#scale;
    return Array.from(xs, (value, i) => [x(value), y(ys[i])]);
  }

  #fit() {
    const { width, height } = this.#drawing.getBoundingClientRect();
    if (!width) return;
    this.#scale = scaleOf(this.#x, this.#y, width, height, rulerOf(this.#drawing), this.#ends);
    const { left, right, top, bottom } = this.#scale;
    this.element.style.setProperty("--rnsl-left", `${left}px`);
    this.element.style.setProperty("--rnsl-right", `${width - right}px`);
    this.#drawing.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.#drawing.dataset.x = [...this.#x.range, left, right].join(" ");
    this.#drawing.dataset.y = [...this.#y.range, bottom, top].join(" ");
    const box = { x: left, y: top, width: right - left, height: bottom - top };
    for (const [name, value] of Object.entries(box)) this.#inside.setAttribute(name, value);
    this.#axes.replaceChildren(...axes(this.#x, this.#y, this.#scale));
    if (this.#back) fitCanvas(this.#back);
    for (const { numbers, draw } of this.#marks) if (numbers) draw(...numbers);
  }
}

// ---------------------------------------------------------------- what is told of a mark

const TOLD_WITHIN = 40; // px from the pointer to the values that it is told
const MOST_TOLD = 14; // lines

/** @returns {Row[]} */
function rowsOf(xs, ys) {
  return Array.from(xs, (x, i) => ({ x, y: ys[i] }));
}

/** How far the pointer is from a row, px: over a bar or a cell not at all, else along the x axis. */
function pxAway({ x: from, xEnd, y: low, yEnd, value, lies }, at, x, y) {
  const over = (px, a, b) => px >= Math.min(a, b) && px < Math.max(a, b);
  const [across, upwards] = [over(at.x, x(from), x(xEnd)), over(at.y, y(low), y(yEnd))];
  if (value !== undefined) return across && upwards ? 0 : Infinity;
  if (xEnd !== undefined) return (lies ? upwards : across) ? 0 : Infinity;
  return Number.isNaN(from + low) ? Infinity : Math.abs(x(from) - at.x);
}

/** A row in words: where it is, if it is somewhere on the x axis, and its value. @param {Row} row */
function worded({ x: from, xEnd, y: low, yEnd, value, lies }, x, y) {
  if (lies) return { text: read(x, xEnd) };
  const middle = (a, b) => (b === undefined ? a : (a + b) / 2);
  if (value !== undefined) {
    const at = `${x.label}: ${read(x, middle(from, xEnd))}, ${y.label}: ${read(y, middle(low, yEnd))}`;
    return { at, text: short(value) };
  }
  const at = `${x.label}: ${read(x, middle(from, xEnd))}`;
  if (yEnd === undefined) return { at, text: read(y, low) };
  return { at, text: low === 0 ? read(y, yEnd) : `${read(y, low)} to ${read(y, yEnd)}` };
}

/** The value at a place of an axis, which may be bent. @param {Axis} axis */
function valueAt({ read: [places, values] = [[], []] }, place) {
  if (!places.length || place === undefined) return place;
  return values[nearestPlace(places, place)];
}

/** The value at a place in words: those of a tick, and in percent where the axis is. @param {Axis} axis */
export function read(axis, place) {
  const tick = axis.ticks.indexOf(place);
  if (tick >= 0) return axis.texts[tick];
  const value = valueAt(axis, place);
  const { ticks, texts } = axis;
  const isShare = ticks.some((tick, i) => tick > 0 && parseFloat(texts[i]) === 100 * tick);
  return isShare && texts.some((text) => text.endsWith("%")) ? `${short(100 * value)}%` : short(value);
}

function short(value) {
  return String(Number(value.toPrecision(3)));
}

// ---------------------------------------------------------------- a picture as a file

const PAINT = [
  "fill", "fill-opacity", "stroke", "stroke-width", "stroke-opacity", "stroke-dasharray",
  "stroke-linejoin", "paint-order", "opacity", "color", "font", "visibility", "overflow",
]; // what the style sheet may say of a mark
const SHARPNESS = 2; // px of a PNG a px of the page

/**
 * Buttons that save a picture as SVG, PNG, or CSV of what is drawn.
 *
 * @param {Element} element what is saved
 * @param {string} title
 * @param {() => string} csv
 */
export function saving(element, title, csv) {
  const kinds = { SVG: svgOf, PNG: pngOf, CSV: () => new Blob([csv()], { type: "text/csv" }) };
  const buttons = Object.entries(kinds).map(([kind, make]) => {
    const name = `Save as ${kind}: ${title}`;
    const button = html("button", { type: "button", class: "rnsl-tool", "aria-label": name }, kind);
    button.addEventListener("click", async () => {
      save(await make(element), `${fileName(title)}.${kind.toLowerCase()}`);
    });
    return button;
  });
  return html("div", { class: "rnsl-saving" }, ...buttons);
}

/** Rows of cells as CSV. */
export function csvOf(rows) {
  const cell = (value) => {
    const text = String(value ?? "");
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return rows.map((row) => Array.from(row, cell).join(",") + "\r\n").join("");
}

/** A picture as an SVG that needs neither page nor style sheet: words, colours, axes and marks. */
function svgOf(chart) {
  const { left, top, width, height } = chart.getBoundingClientRect();
  const paper = getComputedStyle(chart.closest(".rnsl-explorer")).backgroundColor;
  const picture = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}` });
  picture.style.background = paper;
  const put = (part, shown) => {
    const box = shown.getBoundingClientRect();
    const place = { x: box.left - left, y: box.top - top, width: box.width, height: box.height };
    for (const [name, value] of Object.entries(place)) part.setAttribute(name, value);
    picture.append(part);
  };
  for (const shown of chart.querySelectorAll("canvas")) {
    put(svg("image", { href: shown.toDataURL() }), shown);
  }
  for (const shown of chart.querySelectorAll("svg")) put(painted(shown), shown);
  for (const shown of chart.querySelectorAll(".rnsl-chart-title, .rnsl-map-title, .rnsl-legend > span")) {
    const range = document.createRange();
    range.selectNodeContents(shown.lastChild ?? shown);
    const { color, font } = getComputedStyle(shown);
    const box = range.getBoundingClientRect();
    const line = words(shown.textContent, box.left - left, box.bottom - top - box.height / 4, "start");
    line.style.cssText = `fill: ${color}; font: ${font}`;
    picture.append(line);
  }
  return new Blob([new XMLSerializer().serializeToString(picture)], { type: "image/svg+xml" });
}

/** A copy of a drawing that carries its paint with it. */
function painted(drawing) {
  const copy = drawing.cloneNode(true);
  const parts = drawing.querySelectorAll("*");
  copy.querySelectorAll("*").forEach((part, i) => {
    const style = getComputedStyle(parts[i]);
    part.style.cssText = PAINT.map((name) => `${name}: ${style.getPropertyValue(name)}`).join("; ");
  });
  return copy;
}

async function pngOf(chart) {
  const address = URL.createObjectURL(svgOf(chart));
  const image = new Image();
  image.src = address;
  await image.decode();
  URL.revokeObjectURL(address);
  const canvas = new OffscreenCanvas(SHARPNESS * image.width, SHARPNESS * image.height);
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  return canvas.convertToBlob();
}

function fileName(title) {
  return title.toLowerCase().replace(/[^a-z0-9]+/g, "_");
}

function save(file, name) {
  const link = html("a", { href: URL.createObjectURL(file), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

// ---------------------------------------------------------------- where things lie

const measuring = new OffscreenCanvas(1, 1).getContext("2d");

/**
 * What words of a drawing take, from the text around it: `unit` px where text of 14 px would take
 * one, and the width in px that words have on an axis.
 *
 * @param {Element} drawing
 */
export function rulerOf(drawing) {
  const { fontSize, fontFamily } = getComputedStyle(drawing);
  const size = parseFloat(fontSize) || TEXT; // none before it stands in a page
  const width = (text) => {
    measuring.font = `${SMALLER * size}px ${fontFamily}`;
    return measuring.measureText(text).width;
  };
  return { unit: size / TEXT, width };
}

/** Where the axes lie: what their words need stands around them. */
function scaleOf(xAxis, yAxis, width, height, ruler, ends) {
  const { unit } = ruler;
  const widest = Math.max(0, ...yAxis.texts.map(ruler.width));
  const yLines = linesOf(yAxis.label, height, ruler);
  const line = 16 * unit;
  const left = Math.max(FRAME.left * unit, 12 * unit + yLines.length * line + widest);
  const last = ruler.width(xAxis.texts.at(-1) ?? "") / 2;
  const names = Math.max(0, ...ends.map((text) => ruler.width(text) + 16 * unit));
  const right = Math.max(width - Math.max(FRAME.right * unit, last + 2, names), left + 1);
  const xLines = linesOf(xAxis.label, width, ruler);
  const top = FRAME.top * unit;
  const bottom = Math.max(height - FRAME.bottom * unit - (xLines.length - 1) * line, top + 1);
  const [x, y] = [between(xAxis.range, left, right), between(yAxis.range, bottom, top)];
  return { left, right, top, bottom, x, y, width, height, xLines, yLines, line, ruler };
}

/** Words on lines that are no longer than the room in px, where words are not. */
function linesOf(text, room, ruler) {
  const lines = [];
  for (const word of text.split(" ")) {
    const longer = lines.length ? `${lines.at(-1)} ${word}` : word;
    if (lines.length && ruler.width(longer) > room) lines.push(word);
    else lines.splice(-1, 1, longer);
  }
  return lines;
}

/** A function from [low, high] to px, to a hundredth; its `back` leads the other way. */
function between([low, high], from, to) {
  const place = (value) => Math.round(100 * (from + ((value - low) / (high - low)) * (to - from))) / 100;
  place.back = (px) => low + ((px - from) / (to - from)) * (high - low);
  return place;
}

/** The ends of the i-th of so many equal pieces of a range. */
function piece([low, high], i, pieces) {
  const size = (high - low) / pieces;
  return [low + i * size, low + (i + 1) * size];
}

/** Heights at or above those given that lie so far apart, px. */
function apart(heights, least) {
  const lowestFirst = heights.map((_, i) => i).sort((a, b) => heights[b] - heights[a]);
  const places = [...heights];
  let free = Infinity;
  for (const i of lowestFirst.filter((i) => !Number.isNaN(heights[i]))) {
    places[i] = Math.min(heights[i], free);
    free = places[i] - least;
  }
  return places;
}

function lineThrough(places) {
  let pen = "M";
  return places
    .map(([px, py]) => {
      const command = Number.isNaN(px + py) ? "" : `${pen}${px},${py}`;
      pen = command ? "L" : "M";
      return command;
    })
    .join("");
}

function axes(xAxis, yAxis, scale) {
  const { left, right, top, bottom, x, y, width, height, xLines, yLines, line, ruler } = scale;
  const { unit } = ruler;
  const widths = xAxis.texts.map(ruler.width);
  const along = (from, to, room, lines) => {
    const half = Math.max(...lines.map(ruler.width)) / 2;
    return Math.min(Math.max((from + to) / 2, half), Math.max(room - half, half));
  };
  const [middle, centre] = [along(left, right, width, xLines), along(top, bottom, height, yLines)];
  const turned = { transform: `translate(${line - 2 * unit} ${centre}) rotate(-90)` };
  return [
    ...yAxis.ticks.map((tick) => svg("path", { class: "rnsl-grid", d: `M${left},${y(tick)}H${right}` })),
    svg("path", { class: "rnsl-axis", d: `M${left},${top}V${bottom}H${right}` }),
    ...roomy(yAxis, y, () => 13 * unit).map((i) => {
      return marked(yAxis, i, words(yAxis.texts[i], left - 8 * unit, y(yAxis.ticks[i]) + 4 * unit, "end"));
    }),
    ...xAxis.ticks.map((tick) => svg("path", { class: "rnsl-axis", d: `M${x(tick)},${bottom}v4` })),
    ...roomy(xAxis, x, (i, j) => (widths[i] + widths[j]) / 2 + 4 * unit).map((i) => {
      return words(xAxis.texts[i], x(xAxis.ticks[i]), bottom + 18 * unit, "middle");
    }),
    ...xLines.map((text, i) => words(text, middle, bottom + 37 * unit + i * line, "middle")),
    svg("g", turned, ...yLines.map((text, i) => words(text, 0, i * line, "middle"))),
  ];
}

/** The positions of the ticks whose texts stand clear of each other, the strong one first of all. */
function roomy({ ticks, strong }, place, room) {
  const kept = [];
  const order = [...ticks.keys()].sort((a, b) => (b === strong) - (a === strong));
  for (const i of order) {
    const isClear = (j) => Math.abs(place(ticks[i]) - place(ticks[j])) > room(i, j);
    if (kept.every(isClear)) kept.push(i);
  }
  return kept;
}

function marked({ strong }, i, text) {
  text.classList.toggle("rnsl-strong", i === strong);
  return text;
}

// ---------------------------------------------------------------- how marks look

/** A short piece of a line with its marker, if it has one, for labels. @param {Style} style */
export function lineSample(style) {
  const parts = [stroke(style, "M1,7H27")];
  if (style.marker) parts.push(marker(style, 14, 7));
  return sample(28, ...parts);
}

function markerSample(style) {
  return sample(14, marker(style, 7, 7));
}

function smallSample(style, paint) {
  return sample(14, svg("path", { d: `M7,7${SMALL[style.marker]}`, ...paint }));
}

function areaSample(style, fill) {
  const box = svg("path", { d: "M1,1H19V13H1Z", class: "rnsl-area", fill, "data-sample": style.name });
  if (style.color) box.setAttribute("stroke", style.color);
  return sample(20, box);
}

function sample(width, ...parts) {
  const size = { width, height: 14, viewBox: `0 0 ${width} 14`, "aria-hidden": "true" };
  return svg("svg", size, ...parts);
}

/** @param {Style} style */
export function stroke(style, d) {
  return svg("path", { d, fill: "none", ...strokeOf(style) });
}

/** @param {Style} style */
export function marker(style, x, y) {
  return svg("path", { d: MARKERS[style.marker], ...fillOf(style), transform: `translate(${x} ${y})` });
}

export function words(content, x, y, anchor) {
  return svg("text", { x, y, "text-anchor": anchor }, String(content));
}

/** Error bars as one line with gaps, that runs up and down through each point: its xs and ys. */
function errorBars(xs, middles, lengths) {
  const places = xs.flatMap((x) => [x, x, NaN]);
  const ends = xs.flatMap((_, i) => [middles[i] - lengths[i], middles[i] + lengths[i], NaN]);
  return [places, ends];
}

/** How a line is painted. @param {Style} style */
export function strokeOf({ color = "currentColor", dash = [], width = LINE_WIDTH }) {
  const dashes = dash.map((length) => length * width).join(" ") || "none";
  return { stroke: color, "stroke-width": width, "stroke-dasharray": dashes };
}

/** How an area is painted. @param {Style} style */
export function fillOf({ color = "currentColor" }) {
  return { fill: color };
}
