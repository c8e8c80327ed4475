/**
 * Images as points on a map: they glide to their places, a pointer tells, a rectangle or a lasso
 * selects, the wheel and two fingers zoom. What is selected and what is looked at belongs to all
 * maps of an explorer, see `Shared`.
 *
 * A drag with a mouse or a pen selects what it goes around, a click or a tap one image, or the class
 * whose name it hits; with Shift it adds to the selection. A drag with another button, or with two
 * fingers, moves a map that is zoomed. By keyboard the arrows go from class to class, with Shift they
 * move a square that selects; + and - change the square's size, or zoom; 0 shows all; Escape selects
 * nothing.
 *
 * @typedef {{ image?: number, class: number }} Focus an image, or a whole class
 * @typedef {{
 *   labels: ArrayLike<number>, class_names: string[], fades: boolean, ink: boolean,
 *   picks: (image: number) => number[], linked: (image: number) => ArrayLike<number>,
 *   tell: (focus: Focus) => (Node | string)[], onSelect: (images: number[]) => void,
 * }} Options `fades`: whether an image that is looked at fades the other classes; `ink`: whether
 *   crosses have the colour of text; picks: what a click on an image selects; linked: images joined
 *   with the one looked at
 * @typedef {{
 *   coordinates: ArrayLike<number>, codes: ArrayLike<number>, colors: string[],
 *   crossed: ArrayLike<number> | null, medians: ArrayLike<number>, named: number[],
 * }} Shown coordinates [N, 2] and medians of the classes [C, 2] in [0, 65535], y upwards; codes [N],
 *   places among the colors; crossed: 1 for a cross; named: classes, the most important first
 */
import { csvOf, saving } from "./chart.js";
import {
  animation, fitCanvas, html, Moving, onResize, onThemeChange,
} from "./widgets.js";

const FULL_SCALE = 65535;
const MARGIN = 10; // px between the canvas's edge and the box of the coordinates
const REACHES = { mouse: 9, pen: 12, touch: 22 }; // px from the pointer to the image that it means
const DRAG = 4; // px from which on a press is a drag
const FADED = 0.15; // opacity of what is not looked at
const MOST_ZOOM = 40;
const PAGE_SCROLLS_MS = 300; // so long after the page has scrolled, the wheel is the page's
const NAMED_FROM = 420; // px that a map needs for the names of its classes, unless it is zoomed
const BOX = { side: 0.16, step: 0.04, least: 0.04, most: 1 }; // of the keyboard's square, in shares
const SIDES = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

/** What all maps of an explorer share. */
export class Shared {
  selected = new Set();
  focus = null; // a Focus
  picked = null; // the class that is selected as a whole
  where = null; // the map on which one looks or has picked
  maps = [];

  /** @param {Options} options */
  constructor(options) {
    Object.assign(this, options);
  }

  /** Select images, perhaps a class as a whole; `onSelect` may keep them elsewhere. */
  select(images, where = null, picked = null) {
    Object.assign(this, { selected: new Set(images), where, picked });
    this.onSelect([...this.selected]);
    this.redraw();
  }

  look(focus, where) {
    if (focus?.class === this.focus?.class && focus?.image === this.focus?.image) return;
    this.focus = focus;
    if (focus) this.where = where;
    this.redraw();
  }

  redraw() {
    for (const map of this.maps) map.redraw();
  }

  /** What stands out; null: all alike. @returns {((image: number) => boolean) | null} */
  strong() {
    const { labels, selected } = this;
    const looked = this.looked();
    if (looked !== null) return (i) => labels[i] === looked;
    return selected.size ? (i) => selected.has(i) : null;
  }

  /** The class that stands out as a whole; null: none. */
  looked() {
    const { focus, picked } = this;
    if (focus && (this.fades || focus.image === undefined)) return focus.class;
    return picked;
  }

  ofClass(c) {
    return Array.from(this.labels, (_, i) => i).filter((i) => this.labels[i] === c);
  }
}

export class ImageMap {
  #shared;
  #points; // [N, 2] in [0, 1]
  #medians; // [C, 2] in [0, 1]
  #shown = null;
  #order = []; // images, one colour after the other
  #names = []; // the classes whose names are seen, with their middles and widths, px
  #side = 0; // of the canvas, px; 0 until it stands in the page
  #view = { zoom: 1, x: 0, y: 0 }; // px that a place is moved by after it is zoomed
  #shape = null; // what selects: corners in shares of the box of the coordinates
  #square = null; // that of the keyboard, two corners
  #pressed = new Map(); // pointers that are down, and where they are, px
  #from = null; // where the first of them was pressed, px
  #scrolled = -Infinity; // when the page last scrolled
  #picture = null; // the pixels of the canvas
  #ink = null; // colours of the theme
  #stamps = {}; // how a dot and a cross are drawn, pixel by pixel
  #canvas;
  #context;
  #tip = html("div", { class: "rnsl-tip", role: "status", hidden: "" });
  #caption = html("div", { class: "rnsl-note" });
  #lasso = html("button", { type: "button", class: "rnsl-tool", "aria-pressed": "false" }, "lasso");
  #reset = html("button", { type: "button", class: "rnsl-tool", hidden: "" }, "show all");
  #start; // begins to move what is not where it should be

  /**
   * @param {string} title
   * @param {Shared} shared
   * @param {AbortSignal} signal
   */
  constructor(title, shared, signal) {
    this.#shared = shared;
    shared.maps.push(this);
    this.#points = new Moving(2 * shared.labels.length);
    this.#medians = new Moving(2 * shared.class_names.length);
    this.element = this.#createElement(title);
    this.#context = this.#canvas.getContext("2d", { willReadFrequently: true });
    this.#start = animation((elapsed) => this.#step(elapsed), signal);
    this.#listen(signal);
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
    setTargets(this.#points, shown.coordinates);
    setTargets(this.#medians, shown.medians);
    if (this.#side && isFirst) this.#recolor();
    else if (this.#side) this.#mix();
    this.redraw(isFirst);
  }

  /** Draw before the next repaint, because what all maps share has changed. */
  redraw(atOnce = false) {
    this.#placeNames();
    this.#showTip();
    if (atOnce) this.#step(Infinity);
    this.#start();
  }

  #createElement(title) {
    const keys = "Arrow keys go through the classes, with Shift they move a square that selects; "
      + "plus and minus zoom, 0 shows all.";
    const label = `${title}: map of ${this.#shared.labels.length} images. ${keys}`;
    this.#canvas = html("canvas", { tabindex: 0, role: "application", "aria-label": label });
    const tools = html("div", { class: "rnsl-tools" }, this.#reset, this.#lasso);
    const stage = html("div", { class: "rnsl-stage" }, this.#canvas, this.#tip, tools);
    const heading = html("div", { class: "rnsl-map-title" }, title);
    const element = html("div", { class: "rnsl-map" }, heading, stage, this.#caption);
    tools.append(...saving(element, `map ${title}`, () => this.#rows()).children);
    return element;
  }

  // -------------------------------------------------------------- pointer, wheel and keys

  #listen(signal) {
    const canvas = this.#canvas;
    canvas.addEventListener("pointerdown", (event) => this.#press(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    canvas.addEventListener("pointerup", (event) => this.#release(event));
    canvas.addEventListener("pointercancel", () => this.#letGo());
    canvas.addEventListener("pointerleave", ({ pointerType }) => {
      if (pointerType !== "touch") this.#shared.look(null, this); // a finger leaves as it is lifted
    });
    canvas.addEventListener("blur", () => this.#letGo());
    canvas.addEventListener("keydown", (event) => this.#key(event));
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    const note = () => (this.#scrolled = performance.now());
    document.addEventListener("scroll", note, { capture: true, passive: true, signal });
    this.#reset.addEventListener("click", () => this.#showAll());
    this.#lasso.addEventListener("click", () => {
      const on = this.#lasso.getAttribute("aria-pressed") !== "true";
      this.#lasso.setAttribute("aria-pressed", on);
      canvas.classList.toggle("rnsl-lassoed", on);
    });
  }

  #press(event) {
    const { offsetX: x, offsetY: y, pointerId, pointerType } = event;
    this.#pressed.set(pointerId, { x, y });
    this.#from = { x, y, moves: event.button > 0 };
    this.#shape = this.#square = null;
    if (pointerType !== "touch" || this.#isLasso()) this.#canvas.setPointerCapture(pointerId);
  }

  #move(event) {
    const { offsetX: x, offsetY: y, pointerId, pointerType } = event;
    const before = this.#pressed.get(pointerId);
    if (before) this.#pressed.set(pointerId, { x, y });
    if (this.#pressed.size === 2) this.#pinch(before, { x, y }, pointerId);
    else if (before && this.#from.moves) this.#zoom(1, { x, y }, before);
    else if (before) this.#draw({ x, y }, pointerType);
    else this.#shared.look(this.#focusAt(x, y, pointerType), this);
  }

  /** Go on with what selects: the lasso's trail, or the rectangle from where the press was. */
  #draw({ x, y }, pointerType) {
    const from = this.#from;
    if (pointerType === "touch" && !this.#isLasso()) return;
    if (!this.#shape && Math.hypot(x - from.x, y - from.y) <= DRAG) return;
    if (this.#isLasso()) this.#shape = [...(this.#shape ?? [this.#share(from)]), this.#share({ x, y })];
    else this.#shape = corners(this.#share(from), this.#share({ x, y }));
    this.#shared.look(null, this);
    this.#start();
  }

  #release(event) {
    const { offsetX: x, offsetY: y, pointerType, shiftKey } = event;
    const single = this.#pressed.size === 1 && !this.#from?.moves && !this.#from?.pinched;
    const shape = this.#shape;
    this.#pressed.delete(event.pointerId);
    if (!this.#pressed.size) this.#letGo();
    if (!single) return;
    const focus = shape ? null : this.#focusAt(x, y, pointerType);
    const picked = focus && focus.image === undefined ? this.#shared.ofClass(focus.class) : null;
    const images = shape ? this.#inside(shape) : picked ?? (focus ? this.#shared.picks(focus.image) : []);
    if (focus) this.#shared.look(focus, this);
    const whole = picked || images.length > 1 ? focus?.class : null;
    const kept = shiftKey ? this.#shared.selected : [];
    this.#shared.select([...kept, ...images], this, shiftKey ? null : whole ?? null);
  }

  #letGo() {
    this.#pressed.clear();
    this.#from = this.#shape = this.#square = null;
    this.#start();
  }

  #pinch(before, now, pointerId) {
    const [other] = [...this.#pressed].filter(([id]) => id !== pointerId).map(([, place]) => place);
    const apart = (place) => Math.max(1, Math.hypot(place.x - other.x, place.y - other.y));
    const middle = (place) => ({ x: (place.x + other.x) / 2, y: (place.y + other.y) / 2 });
    this.#from.pinched = true;
    this.#shape = null;
    this.#zoom(apart(now) / apart(before), middle(now), middle(before));
  }

  /** Without room to zoom out, and while the page scrolls, the wheel stays the page's. */
  #wheel(event) {
    const out = event.deltaY > 0;
    const scrolls = !event.ctrlKey && performance.now() - this.#scrolled < PAGE_SCROLLS_MS;
    if (scrolls || (out && this.#view.zoom === 1)) return;
    event.preventDefault();
    const step = Math.min(Math.abs(event.deltaY), 100) / 300;
    this.#zoom(out ? 1 / (1 + step) : 1 + step, { x: event.offsetX, y: event.offsetY });
  }

  #key(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const to = SIDES[event.key];
    const grows = { "+": 1, "=": 1, "-": -1, _: -1 }[event.key];
    if (!to && !grows && event.key !== "Escape" && event.key !== "0") return;
    event.preventDefault();
    event.stopPropagation(); // with Shift JupyterLab would see it
    if (event.key === "0") this.#showAll();
    else if (event.key === "Escape") this.#shared.select([], this);
    else if (to && !event.shiftKey) this.#nextClass(to[0] - to[1]);
    else if (grows && !this.#square) this.#zoom(grows > 0 ? 1.5 : 1 / 1.5);
    else this.#moveSquare(to ?? [0, 0], grows ?? 0);
    if (event.key === "Escape" || (to && !event.shiftKey)) this.#letGo();
  }

  #moveSquare(to, grows) {
    this.#square = movedSquare(this.#square, to, grows);
    this.#shape = corners(...this.#square);
    this.#shared.select(this.#inside(this.#shape), this);
  }

  #nextClass(step) {
    const classes = this.#shared.class_names.length;
    const from = this.#shared.picked ?? (step > 0 ? -1 : classes);
    const c = (from + step + classes) % classes;
    this.#shared.select(this.#shared.ofClass(c), this, c);
  }

  #isLasso() {
    return this.#lasso.getAttribute("aria-pressed") === "true";
  }

  /** @returns {Focus | null} what a pointer means: a name, else the nearest image */
  #focusAt(x, y, pointerType) {
    const named = this.#names.find((name) => touch(name, { x, y, width: 0 }, this.#nameSize() / 2));
    if (named) return { class: named.class };
    const image = this.#nearest(x, y, REACHES[pointerType] ?? REACHES.mouse);
    return image === null ? null : { image, class: this.#shared.labels[image] };
  }

  #nearest(x, y, reach) {
    const at = this.#share({ x, y });
    const pxAShare = (this.#side - 2 * MARGIN) * this.#view.zoom;
    const places = this.#points.target;
    let [nearest, least] = [null, reach / pxAShare];
    for (let i = 0; i < places.length; i += 2) {
      const [right, up] = [Math.abs(places[i] - at.x), Math.abs(places[i + 1] - at.y)];
      if (right > least || up > least) continue;
      const away = Math.hypot(right, up);
      if (away <= least) [nearest, least] = [i / 2, away];
    }
    return nearest;
  }

  /** The images inside of a shape, where they are going to be. */
  #inside(shape) {
    const path = new Path2D();
    for (const { x, y } of shape) path.lineTo(x * FULL_SCALE, y * FULL_SCALE);
    const places = this.#points.target;
    const isIn = (i) => measuringShapes.isPointInPath(path, places[2 * i] * FULL_SCALE, places[2 * i + 1] * FULL_SCALE);
    return Array.from({ length: places.length / 2 }, (_, i) => i).filter(isIn);
  }

  // -------------------------------------------------------------- what is where

  /** Zoom by a factor, so that what lay at `before` (by default there too) lies at a place, px. */
  #zoom(by, at = { x: this.#side / 2, y: this.#side / 2 }, before = at) {
    const zoom = within(this.#view.zoom * by, 1, MOST_ZOOM);
    const moved = (to, from, shift) =>
      within(to - ((from - shift) * zoom) / this.#view.zoom, this.#side * (1 - zoom), 0);
    this.#view = { zoom, x: moved(at.x, before.x, this.#view.x), y: moved(at.y, before.y, this.#view.y) };
    this.#reset.hidden = zoom === 1;
    this.#canvas.classList.toggle("rnsl-zoomed", zoom > 1);
    this.redraw();
  }

  #showAll() {
    this.#zoom(1 / MOST_ZOOM);
  }

  #at({ x, y }) {
    const side = this.#side - 2 * MARGIN;
    const { zoom, x: right, y: down } = this.#view;
    return { x: (MARGIN + side * x) * zoom + right, y: (MARGIN + side * (1 - y)) * zoom + down };
  }

  #share({ x, y }) {
    const side = this.#side - 2 * MARGIN;
    const { zoom, x: right, y: down } = this.#view;
    return { x: ((x - right) / zoom - MARGIN) / side, y: 1 - ((y - down) / zoom - MARGIN) / side };
  }

  #place({ now }, i) {
    return this.#at({ x: now[2 * i], y: now[2 * i + 1] });
  }

  #target({ target }, i) {
    return this.#at({ x: target[2 * i], y: target[2 * i + 1] });
  }

  /** Names of classes, the most important first, as far as they hide no other. */
  #placeNames() {
    this.#names = [];
    if (!this.#shown) return;
    const roomy = this.#side >= NAMED_FROM || this.#view.zoom > 1;
    const looked = this.#shared.looked();
    const first = looked === null ? [] : [looked];
    this.#setFont();
    for (const c of new Set([...first, ...(roomy ? this.#shown.named : [])])) {
      const name = this.#nameAt(this.#target(this.#medians, c), c);
      const inView = name.y > 0 && name.y < this.#side;
      const free = !this.#names.some((other) => touch(name, other, 1.2 * this.#nameSize()));
      if (inView && free) this.#names.push(name);
    }
  }

  /** A class's name at a place, but not across the canvas's edge. */
  #nameAt({ x, y }, c) {
    const { width } = this.#context.measureText(this.#shared.class_names[c]);
    const half = width / 2 + 3;
    return { class: c, x: within(x, half, this.#side - half), y, width };
  }

  #nameSize() {
    return within(this.#side / 50, 10, 20);
  }

  #setFont() {
    this.#context.font = `600 ${this.#nameSize()}px system-ui, sans-serif`;
  }

  #fit() {
    fitCanvas(this.#canvas);
    this.#side = this.#canvas.clientWidth;
    if (!this.#side) return;
    this.#zoom(1);
    this.#picture = new ImageData(this.#canvas.width, this.#canvas.height);
    this.#recolor();
    this.redraw();
  }

  // -------------------------------------------------------------- what is drawn

  #step(elapsed) {
    const moves = [this.#points, this.#medians].map((moving) => moving.move(elapsed));
    this.#paint();
    return moves.includes(true);
  }

  /** Read the theme's colours, and make the stamps. */
  #recolor() {
    if (!this.#side || !this.#shown) return;
    const read = (name) => [name, shownColor(this.#canvas, `var(--rnsl-${name})`)];
    this.#ink = Object.fromEntries(["text", "background", "accent"].map(read));
    const size = window.devicePixelRatio * within(this.#side / 200, 1.7, 3);
    const { width } = this.#canvas;
    const cross = window.devicePixelRatio * within(this.#side / 160, 3, 4); // else it looks like a dot
    this.#stamps = { dot: stampOf(dotPath(size), 0, width), cross: stampOf(crossPath(cross), 0.4 * cross, width) };
    this.#mix();
    this.#paint();
  }

  /** The colours of dots and of crosses as pixels. */
  #mix() {
    const read = (color) => pixelOf(shownColor(this.#canvas, color));
    const dots = this.#shown.colors.map(read);
    const ink = this.#shared.ink ? pixelOf(this.#ink.text) : null;
    this.#stamps.dot.colors = dots;
    this.#stamps.cross.colors = ink === null ? dots : dots.map(() => ink);
  }

  #paint() {
    if (!this.#picture || !this.#shown || !this.#ink) return;
    this.#paintImages();
    const context = this.#context;
    context.putImageData(this.#picture, 0, 0);
    this.#paintLooked(context);
    this.#setFont();
    for (const { class: c } of this.#names) this.#paintName(context, c);
    this.#paintShape(context);
  }

  /** Those that stand out lie on the others, and crosses on dots. */
  #paintImages() {
    const pixels = new Uint32Array(this.#picture.data.buffer);
    pixels.fill(0);
    const strong = this.#shared.strong();
    const { crossed, codes } = this.#shown;
    for (const layer of strong ? [false, true] : [true]) {
      const images = this.#order.filter((i) => !strong || strong(i) === layer);
      const alpha = layer ? 1 : FADED;
      const dots = crossed ? images.filter((i) => !crossed[i]) : images;
      this.#stampAll(pixels, dots, this.#stamps.dot, codes, alpha);
      if (crossed) this.#stampAll(pixels, images.filter((i) => crossed[i]), this.#stamps.cross, codes, alpha);
    }
  }

  #stampAll(pixels, images, { reach, places, alphas, colors }, codes, alpha) {
    const { width, height } = this.#picture;
    const { now } = this.#points;
    const scale = width / this.#side;
    const { zoom, x, y } = this.#view;
    const side = (this.#side - 2 * MARGIN) * zoom * scale;
    const [left, top] = [(MARGIN * zoom + x) * scale - reach, (MARGIN * zoom + y) * scale - reach];
    for (const i of images) {
      const column = Math.round(left + side * now[2 * i]);
      const row = Math.round(top + side * (1 - now[2 * i + 1]));
      const isOut = column < 0 || row < 0 || column + 2 * reach > width || row + 2 * reach > height;
      if (!isOut) stamp(pixels, row * width + column, places, alphas, colors[codes[i]], alpha);
    }
  }

  #paintLooked(context) {
    const { focus, linked } = this.#shared;
    if (focus?.image === undefined) return;
    const from = this.#place(this.#points, focus.image);
    context.strokeStyle = this.#ink.text;
    context.lineWidth = 1;
    context.beginPath();
    for (const other of linked(focus.image)) {
      const to = this.#place(this.#points, other);
      context.moveTo(from.x, from.y);
      context.lineTo(to.x, to.y);
    }
    context.stroke();
    context.lineWidth = 2;
    context.beginPath();
    context.arc(from.x, from.y, 8, 0, 2 * Math.PI);
    context.stroke();
  }

  #paintName(context, c) {
    const { class_names: names } = this.#shared;
    const { x, y } = this.#nameAt(this.#place(this.#medians, c), c);
    const strong = this.#shared.strong();
    context.globalAlpha = !strong || c === this.#shared.looked() ? 1 : 2 * FADED;
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.lineJoin = "round";
    context.lineWidth = 3;
    context.strokeStyle = this.#ink.background;
    context.strokeText(names[c], x, y);
    context.fillStyle = this.#ink.text;
    context.fillText(names[c], x, y);
    context.globalAlpha = 1;
  }

  #paintShape(context) {
    if (!this.#shape) return;
    context.beginPath();
    for (const corner of this.#shape) {
      const { x, y } = this.#at(corner);
      context.lineTo(x, y);
    }
    context.closePath();
    context.strokeStyle = this.#ink.accent;
    context.lineWidth = 1.5;
    context.setLineDash([5, 3]);
    context.stroke();
    context.setLineDash([]);
  }

  // -------------------------------------------------------------- what is told

  /** On the map on which one looks: beside an image; for a class at the far edge from its cloud. */
  #showTip() {
    const { focus, picked, where, tell } = this.#shared;
    const told = focus ?? (picked === null ? null : { class: picked });
    this.#tip.hidden = !told || where !== this || !this.#side;
    if (this.#tip.hidden) return;
    this.#tip.replaceChildren(...tell(told));
    const isImage = told.image !== undefined;
    const { x, y } = isImage ? this.#target(this.#points, told.image) : this.#target(this.#medians, told.class);
    const { offsetWidth: width, offsetHeight: height } = this.#tip;
    const below = isImage ? y + 14 : this.#side - MARGIN - height;
    const above = isImage ? y - 14 - height : MARGIN;
    const left = within(x - width / 2, 0, this.#side - width);
    this.#tip.style.transform = `translate(${left}px, ${y < this.#side / 2 ? below : above}px)`;
  }

  /** The images that are drawn, a row each. */
  #rows() {
    const { class_names: names, labels, selected, files } = this.#shared;
    const { coordinates, crossed, codes, colors } = this.#shown;
    const rows = Array.from(labels, (label, i) => [
      files[i], names[label], coordinates[2 * i] / FULL_SCALE, coordinates[2 * i + 1] / FULL_SCALE,
      shownColor(this.#canvas, colors[codes[i]]), Number(Boolean(crossed?.[i])), Number(selected.has(i)),
    ]);
    return csvOf([["file", "class", "x", "y", "color", "cross", "selected"], ...rows]);
  }
}

const measuringShapes = new OffscreenCanvas(1, 1).getContext("2d");

function setTargets(moving, coordinates) {
  coordinates.forEach((value, i) => (moving.target[i] = value / FULL_SCALE));
}

function within(value, least, most) {
  return Math.max(least, Math.min(value, most));
}

/** Whether two names, each as high as `height`, touch. */
function touch(a, b, height) {
  return Math.abs(a.x - b.x) < (a.width + b.width) / 2 + 2 && Math.abs(a.y - b.y) < height;
}

/** The corners of a rectangle, from two of them. */
function corners(a, b) {
  return [a, { x: b.x, y: a.y }, b, { x: a.x, y: b.y }];
}

/**
 * Images one colour after the other; the lowest code last, on top: a small p and what was left out
 * are what one looks for.
 */
function byCode(codes) {
  return Array.from(codes, (_, i) => i).sort((a, b) => codes[b] - codes[a]);
}

/** The keyboard's square, a step further or a step larger; it begins in the middle. */
function movedSquare(square, [right, up], grows) {
  const [low, high] = square ?? [{ x: 0.5, y: 0.5 }, { x: 0.5, y: 0.5 }];
  const side = square ? within(high.x - low.x + grows * BOX.step, BOX.least, BOX.most) : BOX.side;
  const step = square ? BOX.step : 0;
  const [x, y] = [["x", right], ["y", up]].map(([axis, sign]) => {
    return within((low[axis] + high[axis]) / 2 + sign * step, 0, 1);
  });
  return [{ x: x - side / 2, y: y - side / 2 }, { x: x + side / 2, y: y + side / 2 }];
}

// ---------------------------------------------------------------- pixels

/* A canvas draws 20,000 points far slower than a frame takes; written as pixels they fit into one. */

function dotPath(size) {
  const path = new Path2D();
  path.arc(0, 0, size, 0, 2 * Math.PI);
  return path;
}

function crossPath(size) {
  return new Path2D(`M${-size},${-size}L${size},${size}M${-size},${size}L${size},${-size}`);
}

/** The pixels of a path (stroked, where it has a width): where they lie from its upper left, how dense. */
function stampOf(path, stroke, width) {
  const reach = Math.ceil(8 * window.devicePixelRatio);
  const context = new OffscreenCanvas(2 * reach, 2 * reach).getContext("2d");
  context.translate(reach, reach);
  context.lineWidth = stroke;
  if (stroke) context.stroke(path);
  else context.fill(path);
  const { data } = context.getImageData(0, 0, 2 * reach, 2 * reach);
  const all = Array.from({ length: data.length / 4 }, (_, i) => i).filter((i) => data[4 * i + 3] > 20);
  const places = Int32Array.from(all, (i) => Math.floor(i / (2 * reach)) * width + (i % (2 * reach)));
  return { reach, places, alphas: Uint8Array.from(all, (i) => data[4 * i + 3]) };
}

/** Put a stamp on pixels; its soft edge lies below what is there already. */
function stamp(pixels, corner, places, alphas, color, alpha) {
  for (let i = 0; i < places.length; i += 1) {
    const at = corner + places[i];
    if (alphas[i] > 200 || pixels[at] >>> 24 < alphas[i] * alpha) {
      pixels[at] = (color & 0xffffff) | ((alphas[i] * alpha) << 24);
    }
  }
}

/** A colour as CSS may write it, as the theme shows it: rgb(...). */
function shownColor(element, color) {
  const probe = html("i", { style: `color: ${color}; display: none` });
  element.after(probe);
  const shown = getComputedStyle(probe).color;
  probe.remove();
  return shown;
}

/** rgb(...) as the number of a pixel. */
function pixelOf(color) {
  const [red, green, blue] = color.match(/[\d.]+/g).map(Number);
  return (blue << 16) | (green << 8) | red;
}
