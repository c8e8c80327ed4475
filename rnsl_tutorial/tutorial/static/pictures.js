/**
 * Pictures of images. Those of an archive are asked of the kernel, and come as messages, which
 * nobody saves; without a kernel, or where the images do not lie on its machine, there are none, and
 * the name of the file says what can be said. Scenes of our own may come packed, as a part of the table.
 */
import { html, watch } from "./widgets.js";

const ASKED_AFTER_MS = 30; // so that what is shown together is asked for together
const AT_ONCE = 48; // pictures in one question
const STRIP_AFTER_MS = 120; // a slider that moves on is not asked about

export class Pictures {
  #model;
  #packed;
  #onCome;
  #addresses = new Map(); // of each image that was asked for; "" until it comes, or if there is none
  #waiting = new Map(); // elements, by their image
  #wanted = new Set();
  #timer = 0;

  /**
   * @param {import("./widgets.js").Model} model
   * @param {AbortSignal} signal
   * @param {() => void} onCome called when pictures have come
   * @param {{ jpeg: DataView, columns: number, rows: number } | null} packed all of them, if they are packed
   */
  constructor(model, signal, onCome = () => {}, packed = null) {
    this.#model = model;
    this.#onCome = onCome;
    this.#packed = packed && { ...packed, address: addressOf(packed.jpeg) };
    const hear = ({ pictures }, buffers) => pictures && this.#take(pictures, buffers);
    model.on("msg:custom", hear);
    signal.addEventListener("abort", () => {
      clearTimeout(this.#timer);
      model.off("msg:custom", hear);
      for (const address of [this.#packed?.address, ...this.#addresses.values()]) {
        if (address) URL.revokeObjectURL(address);
      }
    });
  }

  /** The picture of an image; hidden until it has come. */
  of(image) {
    const element = html("i", { class: "rnsl-scene", hidden: "" });
    if (this.#packed) {
      element.dataset.own = "";
      show(element, this.#packed.address, placeOn(this.#packed, image));
    } else if (this.#addresses.get(image)) show(element, this.#addresses.get(image));
    else this.#ask(image, element);
    return element;
  }

  #ask(image, element) {
    if (typeof this.#model.send !== "function" || this.#addresses.has(image)) {
      this.#waiting.get(image)?.push(element);
      return;
    }
    this.#addresses.set(image, "");
    this.#waiting.set(image, [element]);
    this.#wanted.add(image);
    this.#timer ||= setTimeout(() => this.#send(), ASKED_AFTER_MS);
  }

  #send() {
    this.#timer = 0;
    const all = [...this.#wanted];
    this.#wanted.clear();
    for (let i = 0; i < all.length; i += AT_ONCE) this.#model.send({ pictures: all.slice(i, i + AT_ONCE) });
  }

  #take(images, buffers) {
    images.forEach((image, i) => {
      const waiting = this.#waiting.get(image) ?? [];
      this.#waiting.delete(image);
      if (!buffers[i]?.byteLength || this.#addresses.get(image)) return;
      this.#addresses.set(image, addressOf(buffers[i]));
      for (const element of waiting) show(element, this.#addresses.get(image));
    });
    this.#onCome();
  }
}

/**
 * A row of pictures of the images that the kernel finds near the current choice; hidden where it has
 * no pictures.
 *
 * @param {{ model: import("./widgets.js").Model, signal: AbortSignal }} tools
 */
export function pictureStrip({ model, signal }) {
  const title = html("div", { class: "rnsl-chart-title" });
  const cards = html("div", { class: "rnsl-strip-cards" });
  const element = html("div", { class: "rnsl-strip", hidden: "" }, title, cards);
  const pictures = new Pictures(model, signal);
  let timer = 0;
  const ask = () => {
    clearTimeout(timer);
    if (typeof model.send === "function") timer = setTimeout(() => model.send({ near: true }), STRIP_AFTER_MS);
  };
  const hear = ({ near }) => {
    if (!near) return;
    element.hidden = !near.images.length;
    title.textContent = near.title;
    cards.replaceChildren(...near.images.map(([image, words, wrong]) => {
      const told = html("span", {}, ...breakable(words));
      return html("div", { class: wrong ? "rnsl-strip-wrong" : "" }, pictures.of(image), told);
    }));
  };
  model.on("msg:custom", hear);
  watch(model, Object.keys(model.get("_controls")), ask, signal);
  signal.addEventListener("abort", () => {
    clearTimeout(timer);
    model.off("msg:custom", hear);
  });
  ask();
  return { element };
}

/** A name such as DenseResidential, which may break between its words. */
export function breakable(name) {
  return name.split(/(?<=[a-z])(?=[A-Z])/).flatMap((word, i) => (i ? [html("wbr"), word] : [word]));
}

function addressOf(jpeg) {
  return URL.createObjectURL(new Blob([jpeg], { type: "image/jpeg" }));
}

function show(element, address, place = {}) {
  element.hidden = false;
  Object.assign(element.style, { backgroundImage: `url(${address})`, ...place });
}

/** Where an image lies on the sheet, in percent as CSS counts them. */
function placeOn({ columns, rows }, image) {
  const share = (at, all) => (all > 1 ? (100 * at) / (all - 1) : 0);
  const [column, row] = [share(image % columns, columns), share(Math.floor(image / columns), rows)];
  return { backgroundSize: `${100 * columns}% ${100 * rows}%`, backgroundPosition: `${column}% ${row}%` };
}
