/**
 * One map of images: points that glide to their places, a rectangle that selects, a pointer that
 * tells. What is selected and what is pointed at belongs to all maps of an explorer, see `Shared`.
 *
 * A drag with a mouse or a pen selects what lies in the rectangle, a click or a tap one image. By
 * keyboard a square moves with the arrow keys, grows with + and shrinks with -, and selects what
 * lies in it. Escape selects nothing.
 *
 * @typedef {{
 *   count: number, selected: Set<number>, pointed: number | null, crossed: Uint8Array | null,
 *   linked: (image: number) => ArrayLike<number>,
 *   select: (images: number[]) => void, point: (image: number | null) => void,
 *   tell: (image: number) => Node[],
 * }} Shared crossed: 1 for images drawn as a cross; linked: images joined with the one pointed at
 * @typedef {{ coordinates: Uint16Array, codes: Uint8Array, colors: string[] }} Shown coordinates
 *   [N, 2] in [0, 65535], y upwards; codes [N], places among the colors
 */
import { animation, fitCanvas, html, Moving, onResize, onThemeChange, themeColors } from "./widgets.js";

const FULL_SCALE = 65535;
const MARGIN = 10; // px between the canvas's edge and the box of the coordinates
const REACH = { mouse: 8, pen: 10, touch: 20 }; // px from the pointer to the image that it means
const DRAG = 4; // px from which on a press is a drag
const FADED = 0.12; // opacity of what is not selected
const BOX = { side: 0.16, step: 0.04, least: 0.04, most: 1 }; // of the keyboard's square, in shares

export class LinkedMap {
  #shared;
  #points; // [N, 2] in [0, 1]
  #shown = null;
  #order = []; // images, one colour after the other
  #side = 0; // of the canvas, px; 0 until it stands in the page
  #box = null; // what is being selected: two corners, in shares of the box of the coordinates
  #drag = null; // where the pointer was pressed, px
  #colors = null;
  #canvas;
  #tip;
  #caption;
  #start;

  /**
   * @param {string} title
   * @param {Shared} shared
   * @param {AbortSignal} signal
   */
  constructor(title, shared, signal) {
    this.#shared = shared;
    this.#points = new Moving(2 * shared.count);
    this.element = this.#createElement(title);
    this.#start = animation((elapsed) => this.#step(elapsed), signal);
    this.#listen();
    onResize(this.#canvas, () => this.#fit(), signal);
    onThemeChange(() => this.#recolor(), signal);
  }

  /**
   * Go to another map.
   *
   * @param {Shown} shown
   * @param {string} caption
   */
  show(shown, caption) {
    const isFirst = this.#shown === null;
    if (this.#shown?.codes !== shown.codes) this.#order = byCode(shown.codes);
    this.#shown = shown;
    this.#caption.textContent = caption;
    shown.coordinates.forEach((value, i) => (this.#points.target[i] = value / FULL_SCALE));
    if (isFirst) this.#points.move(Infinity);
    this.redraw();
  }

  /** Draw before the next repaint, because what all maps share has changed. */
  redraw() {
    this.#showTip();
    this.#start();
  }

  #createElement(title) {
    const label = `${title}: map of ${this.#shared.count} images. Arrow keys move a square that selects`;
    this.#canvas = html("canvas", {
      tabindex: 0, role: "application", "aria-label": `${label}, + and - change its size.`,
    });
    this.#tip = html("div", { class: "rnsl-tip" });
    this.#tip.hidden = true;
    this.#caption = html("div", { class: "rnsl-note" });
    const heading = html("div", { class: "rnsl-map-title" }, title);
    const stage = html("div", { class: "rnsl-stage" }, this.#canvas, this.#tip);
    return html("div", { class: "rnsl-linked-map" }, heading, stage, this.#caption);
  }

  // -------------------------------------------------------------- pointer and keys

  #listen() {
    const canvas = this.#canvas;
    canvas.addEventListener("pointerdown", (event) => this.#press(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    canvas.addEventListener("pointerup", (event) => this.#release(event));
    canvas.addEventListener("pointercancel", () => this.#dropBox());
    canvas.addEventListener("pointerleave", () => this.#shared.point(null));
    canvas.addEventListener("blur", () => this.#dropBox());
    canvas.addEventListener("keydown", (event) => this.#key(event));
  }

  #press(event) {
    this.#drag = { x: event.offsetX, y: event.offsetY };
    this.#box = null;
    if (event.pointerType !== "touch") this.#canvas.setPointerCapture(event.pointerId);
  }

  #move(event) {
    const { offsetX: x, offsetY: y, pointerType } = event;
    const far = this.#drag && Math.hypot(x - this.#drag.x, y - this.#drag.y) > DRAG;
    if (pointerType !== "touch" && (this.#box || far)) {
      this.#box = [this.#share(this.#drag), this.#share({ x, y })];
      this.#shared.point(null);
      this.#start();
    } else if (!this.#drag) {
      this.#shared.point(this.#nearest(x, y, pointerType));
    }
  }

  #release({ offsetX: x, offsetY: y, pointerType }) {
    if (!this.#drag) return;
    const image = this.#nearest(x, y, pointerType);
    const images = this.#box ? this.#inside(this.#box) : [image].filter((i) => i !== null);
    this.#dropBox();
    this.#shared.point(image);
    this.#shared.select(images);
  }

  #dropBox() {
    this.#drag = this.#box = null;
    this.#start();
  }

  #key(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const sides = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    const grows = { "+": 1, "=": 1, "-": -1, _: -1 }[event.key];
    const to = sides[event.key];
    if (!to && !grows && event.key !== "Escape") return;
    event.preventDefault();
    event.stopPropagation(); // + comes with Shift, which JupyterLab would see
    this.#box = event.key === "Escape" ? null : movedBox(this.#box, to ?? [0, 0], grows ?? 0);
    this.#shared.select(this.#box ? this.#inside(this.#box) : []);
    this.#start();
  }

  /** @returns {number | null} the image that a pointer means */
  #nearest(x, y, pointerType) {
    let [nearest, reach] = [null, REACH[pointerType] ?? REACH.mouse];
    for (let image = 0; image < this.#shared.count; image += 1) {
      const point = this.#pixels(this.#points.target, image);
      const distance = Math.hypot(point.x - x, point.y - y);
      if (distance <= reach) [nearest, reach] = [image, distance];
    }
    return nearest;
  }

  #inside([a, b]) {
    const [left, right] = [Math.min(a.x, b.x), Math.max(a.x, b.x)];
    const [low, high] = [Math.min(a.y, b.y), Math.max(a.y, b.y)];
    const places = this.#points.target;
    const isIn = (i) => places[2 * i] >= left && places[2 * i] <= right
      && places[2 * i + 1] >= low && places[2 * i + 1] <= high;
    return Array.from({ length: this.#shared.count }, (_, i) => i).filter(isIn);
  }

  // -------------------------------------------------------------- what is where

  #pixels(coordinates, i) {
    return this.#at({ x: coordinates[2 * i], y: coordinates[2 * i + 1] });
  }

  #at({ x, y }) {
    const side = this.#side - 2 * MARGIN;
    return { x: MARGIN + side * x, y: MARGIN + side * (1 - y) };
  }

  #share({ x, y }) {
    const side = this.#side - 2 * MARGIN;
    return { x: (x - MARGIN) / side, y: 1 - (y - MARGIN) / side };
  }

  #fit() {
    fitCanvas(this.#canvas);
    this.#side = this.#canvas.clientWidth;
    this.#recolor();
  }

  #recolor() {
    this.#colors = themeColors(this.#canvas, ["text", "background", "accent"]);
    this.#draw();
  }

  // -------------------------------------------------------------- what is drawn

  #step(elapsed) {
    const moves = this.#points.move(elapsed);
    this.#draw();
    return moves;
  }

  #draw() {
    if (!this.#side || !this.#shown) return;
    const context = this.#canvas.getContext("2d");
    context.clearRect(0, 0, this.#side, this.#side);
    this.#drawImages(context, false);
    if (this.#shared.selected.size) this.#drawImages(context, true);
    context.globalAlpha = 1;
    this.#drawPointed(context);
    this.#drawBox(context);
  }

  /** Those that are selected, or the others (all, while none is selected). */
  #drawImages(context, selected) {
    const { codes, colors } = this.#shown;
    const { selected: chosen, crossed } = this.#shared;
    const size = Math.max(3, Math.min(this.#side / 110, 5));
    context.globalAlpha = chosen.size && !selected ? FADED : 0.8;
    context.lineWidth = 1.4;
    for (const image of this.#order) {
      if (chosen.has(image) !== selected) continue;
      const { x, y } = this.#pixels(this.#points.now, image);
      const color = colors[codes[image]];
      if (crossed?.[image]) drawCross(context, x, y, size, color);
      else drawDot(context, x, y, size, color);
    }
  }

  #drawPointed(context) {
    const { pointed, linked } = this.#shared;
    if (pointed === null) return;
    const from = this.#pixels(this.#points.now, pointed);
    context.strokeStyle = context.fillStyle = this.#colors.text;
    context.lineWidth = 1;
    context.beginPath();
    for (const other of linked(pointed)) {
      const to = this.#pixels(this.#points.now, other);
      context.moveTo(from.x, from.y);
      context.lineTo(to.x, to.y);
    }
    context.stroke();
    context.lineWidth = 2;
    context.beginPath();
    context.arc(from.x, from.y, 7, 0, 2 * Math.PI);
    context.stroke();
  }

  #drawBox(context) {
    if (!this.#box) return;
    const [a, b] = this.#box.map((corner) => this.#at(corner));
    context.strokeStyle = this.#colors.accent;
    context.lineWidth = 1.5;
    context.setLineDash([5, 3]);
    context.strokeRect(Math.min(a.x, b.x), Math.min(a.y, b.y), Math.abs(a.x - b.x), Math.abs(a.y - b.y));
    context.setLineDash([]);
  }

  /** Beside the image that is pointed at, on each map. */
  #showTip() {
    const { pointed } = this.#shared;
    this.#tip.hidden = pointed === null || !this.#canvas.matches(":hover");
    if (this.#tip.hidden) return;
    this.#tip.replaceChildren(...this.#shared.tell(pointed));
    const { x, y } = this.#pixels(this.#points.target, pointed);
    const { offsetWidth: width, offsetHeight: height } = this.#tip;
    const left = Math.max(0, Math.min(x - width / 2, this.#side - width));
    const top = y < this.#side / 2 ? y + 14 : y - 14 - height;
    this.#tip.style.transform = `translate(${left}px, ${top}px)`;
  }
}

function drawDot(context, x, y, size, color) {
  context.fillStyle = color;
  context.fillRect(x - size / 2, y - size / 2, size, size);
}

function drawCross(context, x, y, size, color) {
  const half = 0.6 * size;
  context.strokeStyle = color;
  context.beginPath();
  context.moveTo(x - half, y - half);
  context.lineTo(x + half, y + half);
  context.moveTo(x - half, y + half);
  context.lineTo(x + half, y - half);
  context.stroke();
}

/**
 * Images one colour after the other, since a canvas changes its colour slowly; the lowest code last,
 * on top: a small p and what was left out are what one looks for.
 */
function byCode(codes) {
  return Array.from(codes, (_, i) => i).sort((a, b) => codes[b] - codes[a]);
}

/** The keyboard's square, a step further or a step larger; it begins in the middle. */
function movedBox(box, [right, up], grows) {
  if (!box) return square(0.5, 0.5, BOX.side);
  const within = (value, least, most) => Math.max(least, Math.min(value, most));
  const [low, high] = box;
  const side = within(high.x - low.x + grows * BOX.step, BOX.least, BOX.most);
  const middle = (a, b, step) => within((a + b) / 2 + step * BOX.step, 0, 1);
  return square(middle(low.x, high.x, right), middle(low.y, high.y, up), side);
}

function square(x, y, side) {
  return [{ x: x - side / 2, y: y - side / 2 }, { x: x + side / 2, y: y + side / 2 }];
}
