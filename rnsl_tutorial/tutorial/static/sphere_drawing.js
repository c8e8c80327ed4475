/**
 * A unit sphere seen from one side, with points, curves and arrows on it, that turns under the
 * pointer, under a finger and with the arrow keys. What lies behind is paler, and curves are dashed.
 *
 * Turning is all that is computed here. The drawing holds the eye's azimuth and elevation in degrees
 * and its middle and radius in px (`data-view`), each mark is an element with `data-mark`.
 *
 * @typedef {[number, number, number] | Float32Array} Point
 * @typedef {{ name: string, color?: string, dash?: number[], marker?: string, width?: number }} Look
 *   as a Style of chart.js
 */
import { csvOf, fillOf, MARKERS, rulerOf, saving, strokeOf } from "./chart.js";
import { html, onResize, svg } from "./widgets.js";

const SPHERE_MARGIN = 26; // px around the sphere, for names
const DEGREES_A_PX = 0.5; // that the sphere turns under the pointer
const KEY_STEP = 10; // degrees
const STEEPEST = 88; // degrees of elevation
const GRID_STEP = 30; // degrees between the lines of the sphere's own grid
const NAME_TURNS = 0.55; // radii right of the middle, from where on names stand to the left
const HEAD = 9; // px, length of an arrow's head
const SEEN = 2; // px, length of the shortest arrow that is drawn

export class Sphere {
  element;
  #drawing;
  #home; // azimuth and elevation to come back to
  #azimuth;
  #elevation;
  #rotation; // rows: right, up, towards the eye
  #radius = 0; // px; 0 until it stands in the page
  #middle = 0;
  #ball = svg("circle", { class: "rnsl-ball" });
  #behind = svg("g", { class: "rnsl-behind" });
  #ahead = svg("g");
  #redraws = [];
  #drawn = new Map(); // by name of a mark, what it shows
  #isSpreading = false;
  #names = []; // of points: the element, its point's place in px
  #grabbed = () => null; // by whoever wants to move something instead of turning the sphere

  /**
   * @param {{ view: [number, number], description: string, note: string, signal: AbortSignal }} given
   *   view: azimuth and elevation of the eye in degrees; the description is read by screen readers
   */
  constructor({ view, description, note, signal }) {
    this.#home = view;
    [this.#azimuth, this.#elevation] = view;
    const label = `${description} Arrow keys turn it, Home turns it back.`;
    const named = { role: "application", "aria-label": label, class: "rnsl-globe", tabindex: 0 };
    this.#drawing = svg("svg", named, this.#ball, this.#behind, this.#ahead);
    this.element = html(
      "div",
      { class: "rnsl-sphere-view" },
      this.#drawing,
      html("div", { class: "rnsl-note" }, note),
    );
    this.element.append(saving(this.element, description, () => this.#csv()));
    for (const line of gridLines()) this.curve({ name: "grid" }).show(line);
    this.#listen();
    onResize(this.#drawing, () => this.#fit(), signal);
  }

  /** A curve through points; the part behind is dashed. @param {Look} look */
  curve(look) {
    const paths = [this.#behind, this.#ahead].map((layer) => {
      const path = svg("path", { fill: "none", class: "rnsl-curve", ...strokeOf(look) });
      path.setAttribute("data-mark", look.name);
      layer.append(path);
      return path;
    });
    return this.#mark(look, (points) => {
      const places = points.map((point) => this.#place(point));
      paths.forEach((path, ahead) => path.setAttribute("d", pieces(places, Boolean(ahead))));
    });
  }

  /** A named point. @param {Look & { label?: string, size?: number }} look */
  point(look) {
    const shape = svg("path", { d: MARKERS[look.marker], class: "rnsl-dot", ...fillOf(look) });
    if (look.size) shape.setAttribute("transform", `scale(${look.size})`);
    const name = { element: svg("text", {}, look.label ?? ""), x: 0, y: 0 };
    const group = svg("g", { "data-mark": look.name }, shape, name.element);
    if (look.label) this.#names.push(name);
    return this.#mark(look, (point) => {
      const { x, y, z } = this.#place(point);
      group.setAttribute("transform", `translate(${x} ${y})`);
      Object.assign(name, { x, y });
      this.#layer(group, z);
      if (!this.#isSpreading) queueMicrotask(() => this.#spread());
      this.#isSpreading = true;
    });
  }

  /** Many small points. @param {Look} look */
  points(look) {
    const paths = [this.#behind, this.#ahead].map((layer) => {
      const path = svg("path", { class: "rnsl-points", "data-mark": look.name, ...fillOf(look) });
      layer.append(path);
      return path;
    });
    const shape = SMALL_MARKERS[look.marker];
    return this.#mark(look, (points) => {
      const d = ["", ""];
      for (const point of points) {
        const { x, y, z } = this.#place(point);
        d[z < 0 ? 0 : 1] += `M${x},${y}${shape}`;
      }
      paths.forEach((path, ahead) => path.setAttribute("d", d[ahead]));
    });
  }

  /**
   * An arrow from a point of the sphere, `side` px to the right of it as the arrow goes; none for a
   * step too short to be seen. @param {Look & { side?: number }} look
   */
  arrow(look) {
    const { width = 2, side = 0 } = look;
    const shaft = svg("path", { fill: "none", "data-mark": look.name, ...strokeOf(look) });
    const head = svg("path", fillOf(look));
    const group = svg("g", { class: look.className ?? "rnsl-arrow" }, shaft, head);
    return this.#mark(look, (start, step) => {
      const [from, to] = [start, start.map((value, i) => value + step[i])].map((p) => this.#place(p));
      const length = Math.hypot(to.x - from.x, to.y - from.y);
      shaft.setAttribute("d", `M${from.x},${from.y}L${to.x},${to.y}`);
      group.style.display = length < SEEN ? "none" : "";
      const size = Math.min(HEAD + 2 * (width - 2), 0.7 * length);
      head.setAttribute("d", `M0,0L${-size},${0.45 * size}L${-size},${-0.45 * size}Z`);
      const turn = (Math.atan2(to.y - from.y, to.x - from.x) * 180) / Math.PI;
      head.setAttribute("transform", `translate(${to.x} ${to.y}) rotate(${turn})`);
      const aside = length < SEEN ? [0, 0] : [from.y - to.y, to.x - from.x];
      group.setAttribute("transform", `translate(${aside.map((way) => (side * way) / (length || 1)).join(" ")})`);
      this.#layer(group, from.z);
    });
  }

  /**
   * Let a point be dragged along a curve.
   *
   * @param {(x: number, y: number) => boolean} isMeant whether a press at these px means the point
   * @param {(x: number, y: number) => void} drag
   */
  onDrag(isMeant, drag) {
    this.#grabbed = (x, y) => (isMeant(x, y) ? drag : null);
  }

  /** Where a point is drawn: px, and how far towards the eye. @param {Point} point */
  place(point) {
    return this.#place(point);
  }

  // -------------------------------------------------------------- inside

  #mark({ name }, draw) {
    const number = this.#redraws.push(null) - 1;
    return {
      show: (...given) => {
        if (name !== "grid") this.#drawn.set(name, given);
        this.#redraws[number] = () => draw(...given);
        if (this.#radius) draw(...given);
      },
    };
  }

  /** The points of each mark; of an arrow where it begins, then its step. */
  #csv() {
    const rows = [...this.#drawn].flatMap(([name, given]) => {
      const points = given.flatMap((part) => (typeof part[0] === "number" ? [part] : [...part]));
      return points.map((point) => [name, ...point]);
    });
    return csvOf([["mark", "x", "y", "z"], ...rows]);
  }

  #layer(group, z) {
    const layer = z < 0 ? this.#behind : this.#ahead;
    if (group.parentNode === layer) return;
    const later = [...layer.children].find((other) => rank(other) > rank(group));
    layer.insertBefore(group, later ?? null);
  }

  #place(point) {
    const [x, y, z] = this.#rotation.map((row) => row[0] * point[0] + row[1] * point[1] + row[2] * point[2]);
    const px = (value) => Math.round(100 * (this.#middle + this.#radius * value)) / 100;
    return { x: px(x), y: px(-y), z };
  }

  #turn(azimuth, elevation) {
    this.#azimuth = ((azimuth % 360) + 360) % 360;
    this.#elevation = Math.max(-STEEPEST, Math.min(elevation, STEEPEST));
    this.#draw();
  }

  #fit() {
    const { width, height } = this.#drawing.getBoundingClientRect();
    const side = Math.min(width, height);
    if (!side) return;
    this.#middle = side / 2;
    this.#radius = Math.max(side / 2 - SPHERE_MARGIN, 10);
    this.#drawing.setAttribute("viewBox", `0 0 ${side} ${side}`);
    const round = { cx: this.#middle, cy: this.#middle, r: this.#radius };
    for (const [name, value] of Object.entries(round)) this.#ball.setAttribute(name, value);
    this.#draw();
  }

  #draw() {
    if (!this.#radius) return;
    this.#rotation = rotationOf(this.#azimuth, this.#elevation);
    const view = [this.#azimuth, this.#elevation, this.#middle, this.#radius];
    this.#drawing.dataset.view = view.join(" ");
    for (const redraw of this.#redraws) redraw?.();
  }

  /** Put each name beside its point where it stands clear of those before it, if it can. */
  #spread() {
    const { unit, width } = rulerOf(this.#drawing);
    const taken = [];
    this.#isSpreading = false;
    for (const { element, x, y } of this.#names) {
      const isFarRight = x > this.#middle + NAME_TURNS * this.#radius;
      const sides = isFarRight ? [-1, 1] : [1, -1];
      const places = [-8, 8 + 12 * unit].flatMap((down) => sides.map((side) => ({ side, down })));
      const length = 1.3 * width(element.textContent); // bold, and larger than on an axis
      const boxes = places.map(({ side, down }) => ({
        side, down, x: x + side * (9 + length / 2), y: y + down, length,
      }));
      const clear = (box) => taken.every((other) => {
        const gap = (box.length + other.length) / 2;
        return Math.abs(box.x - other.x) > gap || Math.abs(box.y - other.y) > 16 * unit;
      });
      const box = boxes.find(clear) ?? boxes[0];
      taken.push(box);
      element.setAttribute("text-anchor", box.side > 0 ? "start" : "end");
      element.setAttribute("x", 9 * box.side);
      element.setAttribute("y", box.down);
    }
  }

  // -------------------------------------------------------------- turning

  #listen() {
    const drawing = this.#drawing;
    let [drag, isHeld] = [null, false]; // what the next move does, and whether with a point
    const inside = (event) => {
      const box = drawing.getBoundingClientRect();
      const scale = (2 * this.#middle) / Math.min(box.width, box.height);
      const left = (box.width - box.height) / 2;
      const top = -left;
      return [
        (event.clientX - box.left - Math.max(left, 0)) * scale,
        (event.clientY - box.top - Math.max(top, 0)) * scale,
      ];
    };
    drawing.addEventListener("pointerdown", (event) => {
      drawing.setPointerCapture(event.pointerId);
      const held = this.#grabbed(...inside(event));
      [drag, isHeld] = [held ?? this.#turning(inside(event)), held !== null];
    });
    const keepPage = (event) => isHeld && event.preventDefault(); // a finger else scrolls up or down
    drawing.addEventListener("touchstart", keepPage, { passive: false });
    drawing.addEventListener("pointermove", (event) => drag?.(...inside(event)));
    for (const end of ["pointerup", "pointercancel"]) {
      drawing.addEventListener(end, () => (drag = null));
    }
    drawing.addEventListener("keydown", (event) => this.#turnByKey(event));
  }

  #turning([fromX, fromY]) {
    const [azimuth, elevation] = [this.#azimuth, this.#elevation];
    return (x, y) =>
      this.#turn(azimuth - DEGREES_A_PX * (x - fromX), elevation + DEGREES_A_PX * (y - fromY));
  }

  #turnByKey(event) {
    const steps = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (event.key !== "Home" && !(event.key in steps)) return;
    event.preventDefault();
    if (event.key === "Home") return this.#turn(...this.#home);
    const [right, up] = steps[event.key];
    this.#turn(this.#azimuth + KEY_STEP * right, this.#elevation + KEY_STEP * up);
  }
}

const SMALL_MARKERS = {
  o: "m-2.5,0a2.5,2.5 0 1 0 5,0a2.5,2.5 0 1 0 -5,0",
  s: "m-2.3,-2.3h4.6v4.6h-4.6Z",
  "^": "m0,-3.2l3,5.4h-6Z",
  D: "m0,-3.3l3.3,3.3l-3.3,3.3l-3.3,-3.3Z",
  v: "m0,3.2l3,-5.4h-6Z",
  P: "m-1,-3.2h2v2.2h2.2v2h-2.2v2.2h-2v-2.2h-2.2v-2h2.2Z",
};

/** Curves lie below arrows, these below points. */
function rank(element) {
  if (element.dataset.mark) return element.tagName === "g" ? 3 : 0;
  return element.classList.contains("rnsl-total") ? 1 : 2;
}

function rotationOf(azimuth, elevation) {
  const [a, e] = [azimuth, elevation].map((degrees) => (degrees * Math.PI) / 180);
  const [cosA, sinA, cosE, sinE] = [Math.cos(a), Math.sin(a), Math.cos(e), Math.sin(e)];
  return [
    [-sinA, cosA, 0],
    [-sinE * cosA, -sinE * sinA, cosE],
    [cosE * cosA, cosE * sinA, sinE],
  ];
}

/** Meridians and parallels, each a list of points. */
function gridLines() {
  const around = Array.from({ length: 61 }, (_, i) => 6 * i);
  const steps = (from, to) =>
    Array.from({ length: (to - from) / GRID_STEP + 1 }, (_, i) => from + GRID_STEP * i);
  const onGlobe = (latitude, longitude) => rotationOf(longitude, latitude)[2];
  const parallels = steps(-60, 60).map((b) => around.map((l) => onGlobe(b, l)));
  const meridians = steps(0, 150).map((l) => around.map((b) => onGlobe(b, l)));
  return [...parallels, ...meridians];
}

/** The pieces of a curve that lie ahead, or behind. */
function pieces(places, ahead) {
  let pen = "M";
  let d = "";
  for (const { x, y, z } of places) {
    const seen = z >= 0 === ahead;
    if (seen) d += `${pen}${x},${y}`;
    pen = seen ? "L" : "M";
  }
  return d;
}

/** The rows of a table of points. @param {Float32Array} values @returns {number[][]} */
export function pointsOf(values) {
  return Array.from({ length: values.length / 3 }, (_, i) => [...values.subarray(3 * i, 3 * i + 3)]);
}
