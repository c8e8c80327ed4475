/**
 * Test images as points on a map; from map to map they glide. C classes, M images.
 *
 * A small pale dot is an image whose class k-NN finds, a dark cross one whose class it does not. A
 * pointer on an image or on the name of a class fades the others; a click keeps them faded, and so
 * do the arrow keys, which go from class to class. Escape or a click beside ends that.
 *
 * @typedef {{
 *   class_names: string[], class_colors: string[], files: string[],
 *   coordinates: Lookup, medians: Lookup, predicted: Lookup, labels: Uint8Array,
 * }} Maps coordinates [noise, rate, loss, M, 2] and medians of the classes [noise, rate, loss, C, 2]
 *   in [0, 65535], y upwards; predicted [noise, rate, loss, M]
 * @typedef {{ class: number, image?: number }} Focus a class, or an image of it
 * @typedef {{ class: number, x: number, y: number, width: number }} Name its middle and width, px
 */
import {
  animation, fitCanvas, html, Moving, onResize, onThemeChange, themeColors,
} from "./widgets.js";

const FULL_SCALE = 65535;
const MARGIN = 16; // px between the canvas's edge and the box of the coordinates
const REACH = { mouse: 9, pen: 12, touch: 22 }; // px from the pointer to the image that it means
const FADED = 0.15; // opacity of the classes that are not looked at

export class EmbeddingMap {
  #maps;
  #points; // [M, 2] in [0, 1]
  #medians; // [C, 2] in [0, 1]
  #opacity; // [C]
  #nameOpacity; // [C]
  #predicted = null; // [M]
  #found = []; // of each class, the images whose class k-NN finds
  #missed = []; // and the others
  #names = []; // the Names that fit
  #hovered = null; // a Focus
  #pinned = null; // a class
  #colors = null;
  #side = 0; // of the canvas, px; 0 until it stands in the page
  #canvas;
  #tip;
  #counts;
  #start; // begins to move what is not where it should be

  /**
   * @param {Maps} maps
   * @param {AbortSignal} signal
   */
  constructor(maps, signal) {
    this.#maps = maps;
    this.#points = new Moving(2 * maps.labels.length);
    this.#medians = new Moving(2 * maps.class_names.length);
    this.#opacity = new Moving(maps.class_names.length);
    this.#nameOpacity = new Moving(maps.class_names.length);
    this.element = this.#createElement();
    this.#start = animation((elapsed) => this.#step(elapsed), signal);
    this.#listen();
    onResize(this.#canvas, () => this.#fit(), signal);
    onThemeChange(() => this.#recolor(), signal);
  }

  /** @param {number[]} place positions of the noise, the rate and the loss of the map to go to */
  show(...place) {
    const isFirst = this.#predicted === null;
    this.#predicted = this.#maps.predicted(...place);
    this.#sortImages();
    setTargets(this.#points, this.#maps.coordinates(...place));
    setTargets(this.#medians, this.#maps.medians(...place));
    this.#hovered = null;
    this.#arrange();
    if (isFirst) this.#step(Infinity);
  }

  #createElement() {
    const images = this.#maps.labels.length;
    const label = `Map of ${images} test images; arrow keys go through the classes`;
    this.#canvas = html("canvas", { tabindex: 0, role: "application", "aria-label": label });
    this.#tip = html("div", { class: "rnsl-tip", role: "status" });
    this.#counts = html("div", { class: "rnsl-note" });
    const stage = html("div", { class: "rnsl-stage" }, this.#canvas, this.#tip);
    const remark = "UMAP: what lies together is alike; the axes have no unit.";
    const note = html("div", { class: "rnsl-note" }, remark);
    return html("div", { class: "rnsl-map" }, stage, this.#counts, note);
  }

  #sortImages() {
    const classes = this.#maps.class_names;
    this.#found = classes.map(() => []);
    this.#missed = classes.map(() => []);
    this.#maps.labels.forEach((label, image) => {
      const images = this.#predicted[image] === label ? this.#found : this.#missed;
      images[label].push(image);
    });
    const [found, missed] = [this.#found, this.#missed].map((images) => images.flat().length);
    this.#counts.textContent = `● ${found} images find their class   ✕ ${missed} do not`;
  }

  // -------------------------------------------------------------- what is looked at

  #listen() {
    const meant = ({ offsetX, offsetY, pointerType }) =>
      this.#focusAt(offsetX, offsetY, REACH[pointerType] ?? REACH.mouse);
    const canvas = this.#canvas;
    canvas.addEventListener("pointermove", (event) => this.#hover(meant(event)));
    canvas.addEventListener("pointerleave", () => this.#hover(null));
    canvas.addEventListener("click", (event) => {
      this.#hovered = meant(event); // a touch comes without a move before it
      this.#pinned = this.#hovered?.class ?? null;
      this.#arrange();
    });
    canvas.addEventListener("keydown", (event) => this.#pinByKey(event));
  }

  #pinByKey(event) {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step && event.key !== "Escape") return;
    event.preventDefault();
    const classes = this.#maps.class_names.length;
    const from = this.#pinned ?? (step > 0 ? -1 : classes);
    this.#pinned = step ? (from + step + classes) % classes : null;
    this.#arrange();
  }

  #hover(focus) {
    if (focus?.class === this.#hovered?.class && focus?.image === this.#hovered?.image) return;
    this.#hovered = focus;
    this.#arrange();
  }

  /** @returns {Focus | null} */
  #focusAt(x, y, reach) {
    const pointer = { x, y, width: 0 };
    const named = this.#names.find((name) => overlap(name, pointer, this.#nameSize() / 2));
    if (named) return { class: named.class };
    const image = this.#nearestImage(x, y, reach);
    return image === null ? null : { class: this.#maps.labels[image], image };
  }

  #nearestImage(x, y, reach) {
    let nearest = null;
    this.#maps.labels.forEach((_, image) => {
      const point = this.#pixels(this.#points.target, image);
      const distance = Math.hypot(point.x - x, point.y - y);
      if (distance <= reach) [nearest, reach] = [image, distance];
    });
    return nearest;
  }

  // -------------------------------------------------------------- what is where

  /** Decide what is to be seen and where, and begin to go there. */
  #arrange() {
    const focus = this.#hovered ?? (this.#pinned === null ? null : { class: this.#pinned });
    this.#names = this.#placeNames();
    this.#opacity.target.fill(focus ? FADED : 1);
    this.#nameOpacity.target.fill(0);
    for (const name of this.#names) this.#nameOpacity.target[name.class] = focus ? FADED : 1;
    if (focus) this.#opacity.target[focus.class] = this.#nameOpacity.target[focus.class] = 1;
    this.#showTip(focus);
    this.#start();
  }

  /** Names of classes that are mostly found, the best first, as far as they hide no other. */
  #placeNames() {
    const share = (found, missed) => found.length / (found.length + missed.length);
    const shares = this.#found.map((found, c) => share(found, this.#missed[c]));
    const classes = shares.map((_, c) => c).filter((c) => shares[c] >= 0.5);
    const names = [];
    for (const c of classes.sort((a, b) => shares[b] - shares[a])) {
      const name = this.#nameAt(this.#medians.target, c);
      if (!names.some((other) => overlap(name, other, 1.2 * this.#nameSize()))) names.push(name);
    }
    return names;
  }

  /** @returns {Name} of class c, at its median but not across the canvas's edge */
  #nameAt(medians, c) {
    const { x, y } = this.#pixels(medians, c);
    const { width } = this.#context().measureText(this.#maps.class_names[c]);
    const half = width / 2 + 3;
    return { class: c, x: Math.max(half, Math.min(x, this.#side - half)), y, width };
  }

  #pixels(coordinates, i) {
    const side = this.#side - 2 * MARGIN;
    return {
      x: MARGIN + side * coordinates[2 * i],
      y: MARGIN + side * (1 - coordinates[2 * i + 1]),
    };
  }

  #fit() {
    fitCanvas(this.#canvas);
    this.#side = this.#canvas.clientWidth;
    this.#arrange();
    this.#recolor();
  }

  #nameSize() {
    return Math.max(10, Math.min(this.#side / 50, 20));
  }

  // -------------------------------------------------------------- what is drawn

  #step(elapsed) {
    const all = [this.#points, this.#medians, this.#opacity, this.#nameOpacity];
    const left = all.filter((moving) => moving.move(elapsed));
    this.#draw();
    return left.length > 0;
  }

  #recolor() {
    this.#colors = themeColors(this.#canvas, ["text", "background"]);
    this.#draw();
  }

  #context() {
    const context = this.#canvas.getContext("2d");
    context.font = `600 ${this.#nameSize()}px system-ui, sans-serif`;
    return context;
  }

  #draw() {
    if (!this.#side) return;
    const context = this.#context();
    context.clearRect(0, 0, this.#side, this.#side);
    const size = Math.max(2, Math.min(this.#side / 220, 3));
    this.#found.forEach((images, c) => this.#drawDots(context, images, c, size));
    this.#missed.forEach((images, c) => this.#drawCrosses(context, images, c, size));
    this.#drawRing(context, 3 * size);
    this.#nameOpacity.now.forEach((opacity, c) => this.#drawName(context, opacity, c));
    context.globalAlpha = 1;
  }

  #drawDots(context, images, c, size) {
    context.globalAlpha = 0.7 * this.#opacity.now[c];
    context.fillStyle = this.#maps.class_colors[c];
    for (const image of images) {
      const { x, y } = this.#pixels(this.#points.now, image);
      context.beginPath();
      context.arc(x, y, size, 0, 2 * Math.PI);
      context.fill();
    }
  }

  #drawCrosses(context, images, c, size) {
    context.beginPath();
    for (const image of images) {
      const { x, y } = this.#pixels(this.#points.now, image);
      context.moveTo(x - size, y - size);
      context.lineTo(x + size, y + size);
      context.moveTo(x - size, y + size);
      context.lineTo(x + size, y - size);
    }
    context.globalAlpha = this.#opacity.now[c];
    context.strokeStyle = this.#colors.text;
    context.lineWidth = 1.2;
    context.stroke();
  }

  #drawRing(context, radius) {
    if (this.#hovered?.image === undefined) return;
    const { x, y } = this.#pixels(this.#points.now, this.#hovered.image);
    context.beginPath();
    context.arc(x, y, radius, 0, 2 * Math.PI);
    context.globalAlpha = 1;
    context.strokeStyle = this.#colors.text;
    context.lineWidth = 1.5;
    context.stroke();
  }

  #drawName(context, opacity, c) {
    if (opacity === 0) return;
    const { x, y } = this.#nameAt(this.#medians.now, c);
    context.globalAlpha = opacity;
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.lineJoin = "round";
    context.lineWidth = 3;
    context.strokeStyle = this.#colors.background;
    context.strokeText(this.#maps.class_names[c], x, y);
    context.fillStyle = this.#colors.text;
    context.fillText(this.#maps.class_names[c], x, y);
  }

  // -------------------------------------------------------------- what is told

  #showTip(focus) {
    this.#tip.replaceChildren(...(focus ? this.#tipLines(focus) : []));
    this.#tip.hidden = !focus;
    if (!focus) return;
    const { x, y } = this.#tipPlace(focus);
    this.#tip.style.transform = `translate(${x}px, ${y}px)`;
  }

  /** Beside an image; for a class at the far edge, so that its cloud stays in view. */
  #tipPlace(focus) {
    const { offsetWidth: width, offsetHeight: height } = this.#tip;
    const isImage = focus.image !== undefined;
    const { x, y } = isImage
      ? this.#pixels(this.#points.target, focus.image)
      : this.#pixels(this.#medians.target, focus.class);
    const below = isImage ? y + MARGIN : this.#side - MARGIN - height;
    const above = isImage ? y - MARGIN - height : MARGIN;
    return {
      x: Math.max(0, Math.min(x - width / 2, this.#side - width)),
      y: y < this.#side / 2 ? below : above,
    };
  }

  #tipLines(focus) {
    const isImage = focus.image !== undefined;
    const lines = isImage ? this.#imageLines(focus) : this.#classLines(focus.class);
    const name = html("strong", {}, this.#maps.class_names[focus.class]);
    return [name, ...lines.map((line) => html("span", {}, line))];
  }

  #imageLines({ class: c, image }) {
    const predicted = this.#predicted[image];
    const other = this.#maps.class_names[predicted];
    return [predicted === c ? "k-NN agrees" : `k-NN says ${other}`, this.#maps.files[image]];
  }

  #classLines(c) {
    const [found, missed] = [this.#found[c].length, this.#missed[c]];
    const [rival, times] = mostFrequent(missed.map((image) => this.#predicted[image]));
    const lines = [`${found} of ${found + missed.length} images find their class`];
    if (times) lines.push(`${times} go to ${this.#maps.class_names[rival]}`);
    return lines;
  }
}

function setTargets(moving, coordinates) {
  coordinates.forEach((value, i) => (moving.target[i] = value / FULL_SCALE));
}

/** Whether two names, each as high as `height`, touch. */
function overlap(a, b, height) {
  return Math.abs(a.x - b.x) < (a.width + b.width) / 2 + 2 && Math.abs(a.y - b.y) < height;
}

/** The most frequent of some numbers and how often it comes. */
function mostFrequent(numbers) {
  const times = new Map();
  for (const number of numbers) times.set(number, (times.get(number) ?? 0) + 1);
  return [...times].reduce((most, next) => (next[1] > most[1] ? next : most), [null, 0]);
}
