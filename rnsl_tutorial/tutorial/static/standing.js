/**
 * The picture that stands for a widget where nothing can move it: what was last seen of it. Where
 * notebooks are saved with pictures, `_Standing` in Python puts this around the widget's own module.
 *
 * @typedef {{ model: import("./widgets.js").Model, el: HTMLElement }} Context as anywidget hands it over
 */
const SVG = "http://www.w3.org/2000/svg";
const REST_MS = 1000; // what moves on meanwhile is not taken
const [WIDEST_SEEN, TALLEST_SEEN] = [1000, 2000]; // px of the picture
const HANDS_OFF = ["pointerup", "keyup", "focusout"]; // a canvas may have been turned, which nothing else tells
const OF_CANVAS = [
  "display", "position", "top", "left", "width", "height", "boxSizing", "border", "borderRadius", "background",
]; // of its style, as an image

/**
 * Make a `render` that also sends the kernel what is seen, if there is one, each time that it rests.
 *
 * @template {(context: Context) => any} Render
 * @param {Render} render
 */
function standing(render) {
  return (context) => {
    const end = render(context);
    const { model, el } = context;
    if (typeof model.send !== "function") return end;
    let timer = 0;
    let taken = 0; // times; of two at once the later one counts
    const take = async () => {
      const now = ++taken;
      if (!el.clientWidth || !el.clientHeight) return;
      const picture = await (await seenOf(el, model.get("_css"))).arrayBuffer();
      if (now === taken && el.isConnected) model.send({ seen: true }, undefined, [picture]);
    };
    const rest = () => {
      clearTimeout(timer);
      timer = setTimeout(() => take().catch(console.debug), REST_MS);
    };
    const observers = [new MutationObserver(rest), new ResizeObserver(rest)];
    observers[0].observe(el, { subtree: true, childList: true, attributes: true, characterData: true });
    observers[0].observe(document.body, { attributeFilter: ["data-jp-theme-light"] });
    observers[1].observe(el);
    model.on("change", rest);
    for (const event of HANDS_OFF) el.addEventListener(event, rest);
    return () => {
      clearTimeout(timer);
      observers.forEach((observer) => observer.disconnect());
      model.off("change", rest);
      for (const event of HANDS_OFF) el.removeEventListener(event, rest);
      return end?.();
    };
  };
}

/** What is seen of an element, as a PNG. @returns {Promise<Blob>} */
async function seenOf(el, css) {
  const { left, height } = el.getBoundingClientRect();
  const width = Math.max(...Array.from(el.children, (child) => child.getBoundingClientRect().right)) - left;
  const paper = document.createElement("div");
  const style = document.createElement("style");
  const { font, color } = getComputedStyle(el);
  const { backgroundColor } = getComputedStyle(el.firstElementChild);
  const themed = [...new Set(css.match(/--jp-[\w-]+/g))];
  const values = themed.map((name) => `${name}: ${getComputedStyle(el).getPropertyValue(name)}`);
  paper.style.cssText = `margin: 0; font: ${font}; color: ${color}; ${values.join("; ")}`;
  paper.dataset.jpThemeLight = document.body.dataset.jpThemeLight ?? "";
  const onThisScreen = css.replace(/([\d.]+)v([hw])\b/g, (_, share, side) => {
    return `${(share * (side === "h" ? innerHeight : innerWidth)) / 100}px`;
  });
  style.textContent = `${onThisScreen}\n.rnsl-tool { visibility: hidden; }
    *, ::before, ::after { animation: none !important; transition: none !important; }`;
  const copy = await onPaper(el, style);
  copy.style.width = `${width}px`;
  paper.append(style, copy);
  const [frame, inside] = ["svg", "foreignObject"].map((tag) => document.createElementNS(SVG, tag));
  for (const [name, length] of Object.entries({ width, height })) {
    frame.setAttribute(name, length);
    inside.setAttribute(name, length);
  }
  inside.append(paper);
  frame.append(inside);
  const sheet = new XMLSerializer().serializeToString(frame);
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(sheet)}`;
  await image.decode();
  const scale = Math.min(1, WIDEST_SEEN / width, TALLEST_SEEN / height);
  const canvas = new OffscreenCanvas(Math.ceil(scale * width), Math.ceil(scale * height));
  const context = canvas.getContext("2d");
  context.fillStyle = backgroundColor;
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.scale(scale, scale);
  context.drawImage(image, 0, 0);
  return canvas.convertToBlob();
}

/**
 * A copy of an element that needs no other: drawings as images, controls as they stand, of pictures only
 * those that are our own (`data-own`): a learner's images are not for a file.
 *
 * @param {Element} el
 * @param {HTMLStyleElement} style takes the pictures that lie behind elements
 */
async function onPaper(el, style) {
  const copy = el.cloneNode(true);
  const parts = copy.querySelectorAll("*");
  const behind = new Map();
  for (const [i, seen] of [...el.querySelectorAll("*")].entries()) {
    const part = parts[i];
    const isOwn = "own" in (seen.dataset ?? {});
    const file = seen.getAttribute("href") ?? seen.getAttribute("src");
    const [, back] = seen.style?.backgroundImage.match(/^url\("(blob:.*)"\)$/) ?? [];
    if (seen.matches("canvas")) part.replaceWith(asImage(seen));
    else if (seen.matches("button")) part.style.borderRadius = getComputedStyle(seen).borderRadius; // JupyterLab's
    else if (seen.matches("input")) {
      part.setAttribute("value", seen.value);
      part.toggleAttribute("checked", seen.checked);
    } else if (seen.matches("option")) part.toggleAttribute("selected", seen.selected);
    else if (file?.startsWith("blob:")) {
      part.removeAttribute("src");
      part.setAttribute("href", isOwn ? await dataOf(file) : "");
    } else if (back) {
      part.style.backgroundImage = "";
      if (isOwn && !behind.has(back)) {
        behind.set(back, behind.size);
        style.textContent += `\n[data-own="${behind.get(back)}"] { background-image: url(${await dataOf(back)}); }`;
      }
      part.dataset.own = behind.get(back) ?? "";
    }
  }
  return copy;
}

function asImage(canvas) {
  const image = document.createElement("img");
  const style = getComputedStyle(canvas);
  for (const name of OF_CANVAS) image.style[name] = style[name];
  if (canvas.width && canvas.height) image.src = canvas.toDataURL();
  return image;
}

/** The file behind an address, as an address that holds it. @returns {Promise<string>} */
async function dataOf(address) {
  const reader = new FileReader();
  reader.readAsDataURL(await (await fetch(address)).blob());
  await new Promise((done) => reader.addEventListener("load", done));
  return reader.result;
}
