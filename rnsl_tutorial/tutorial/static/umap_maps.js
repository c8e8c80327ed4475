/**
 * The explorers of projections: maps of the same images side by side, linked by what is selected,
 * and below them the selected images.
 *
 * Everything shown is looked up in a table that Python made. What depends on controls comes with
 * their names, its "axes"; "panel" stands for the map itself.
 *
 * @typedef {{
 *   panels: { title: string, axes: string[], maps: object, captions: string[] }[],
 *   told: { axes: string[], texts: string[] },
 *   colorings: Record<string, {
 *     axes: string[], codes: object, colors: string[], legend: { color: string, text: string }[],
 *   }>,
 *   labels: object, given: object, class_names: string[], files: string[], wrong_color: string,
 *   atlas: { jpeg: DataView, columns: number, rows: number } | null,
 *   players?: string[], sliders?: string[], menus?: string[],
 *   neighbors?: { axes: string[], places: object },
 * }} Table arrays as Python packed them, with images as their last axis (before x and y)
 */
import { LinkedMap } from "./linked_map.js";
import {
  assign, explorer, html, menu, player, segments, slider, watch,
} from "./widgets.js";

const MOST_CARDS = 48;
const COUNTED = 4; // labels that the sentence about a selection counts

const widgets = ({ players = [], sliders = [], menus = [] }) => ({
  ...Object.fromEntries(players.map((name) => [name, player])),
  ...Object.fromEntries(sliders.map((name) => [name, slider])),
  ...Object.fromEntries(menus.map((name) => [name, menu])),
  color: menu,
  mark: segments,
});

export default explorer("rnsl-panels rnsl-projection", widgets, (tools) => {
  const { model, table: given, signal, place, choices } = tools;
  const table = readTable(given);
  const scenes = sceneMaker(table, signal);
  const detail = selectionList(table, scenes, (images) => assign(model, { selected: images }));
  const places = (axes, panel = 0) => axes.map((name) => (name === "panel" ? panel : place(name)));
  const number = (axes) => axes.reduce((at, name) => at * choices(name).length + place(name), 0);
  const shared = {
    count: table.files.length,
    selected: new Set(),
    pointed: null,
    crossed: null,
    linked: (image) => table.neighbors?.places(...places(table.neighbors.axes), image) ?? [],
    select: (images) => assign(model, { selected: images }),
    point(image) {
      if (image === shared.pointed) return;
      shared.pointed = image;
      maps.forEach((map) => map.redraw());
    },
    tell: (image) => scenes.lines(image),
  };
  const maps = table.panels.map(({ title }) => new LinkedMap(title, shared, signal));
  const legend = html("div", { class: "rnsl-legend" });
  const showSelection = () => {
    shared.selected = new Set(model.get("selected"));
    detail.show([...shared.selected]);
    maps.forEach((map) => map.redraw());
  };
  watch(model, ["selected"], showSelection, signal);
  showSelection();
  return {
    parts: [
      legend,
      html(
        "div",
        { class: "rnsl-linked-maps", style: `--panels: ${maps.length}` },
        ...maps.map((map) => map.element),
      ),
      detail,
    ],
    show() {
      shared.crossed = place("mark") ? table.wrong : null;
      const { axes, codes, colors, legend: entries } = table.colorings[choices("color")[place("color")]];
      legend.replaceChildren(...legendOf(entries, table, shared.crossed));
      table.panels.forEach((panel, i) => {
        const coordinates = panel.maps(...places(panel.axes));
        const shown = { coordinates, codes: codes(...places(axes, i)), colors };
        maps[i].show(shown, panel.captions[number(panel.axes)]);
      });
      return table.told.texts[number(table.told.axes)];
    },
  };
});

/** The table, with labels as they are looked up one by one. */
function readTable(table) {
  const [labels, given] = [table.labels(), table.given()];
  return { ...table, labels, given, wrong: labels.map((label, i) => Number(label !== given[i])) };
}

function legendOf(entries, { wrong_color }, crossed) {
  const samples = entries.map(({ color, text }) => {
    return html("span", {}, html("i", { class: "rnsl-swatch", style: `background: ${color}` }), text);
  });
  const cross = html("b", { style: `color: ${wrong_color}` }, "✕");
  const classes = html("span", {}, "a colour for each class; point at an image for its name");
  const crosses = crossed ? [html("span", {}, cross, "wrong label")] : [];
  return [...(entries.length ? samples : [classes]), ...crosses];
}

// ---------------------------------------------------------------- scenes

/** Small pictures of the scenes, where they are at hand, and what is to be said of each. */
function sceneMaker({ atlas, class_names, labels, given, wrong, files, wrong_color }, signal) {
  const address = atlas && URL.createObjectURL(new Blob([atlas.jpeg], { type: "image/jpeg" }));
  signal.addEventListener("abort", () => address && URL.revokeObjectURL(address));
  const picture = (image) => {
    const [column, row] = [image % atlas.columns, Math.floor(image / atlas.columns)];
    const share = (at, all) => (all > 1 ? (100 * at) / (all - 1) : 0);
    return html("i", {
      class: "rnsl-scene",
      style: `background-image: url(${address});
        background-size: ${100 * atlas.columns}% ${100 * atlas.rows}%;
        background-position: ${share(column, atlas.columns)}% ${share(row, atlas.rows)}%`,
    });
  };
  const lines = (image) => {
    const name = html("strong", {}, class_names[given[image]]);
    const truth = html("span", {}, wrong[image] ? `✕ is ${class_names[labels[image]]}` : "✓");
    if (wrong[image]) truth.style.borderBottom = `2px solid ${wrong_color}`;
    const file = html("span", { class: "rnsl-file" }, files[image].split("/").at(-1));
    return [...(atlas ? [picture(image)] : []), name, truth, file];
  };
  return { lines };
}

/** What is selected: a sentence, and a card for each of the first images. */
function selectionList(table, scenes, select) {
  const help = "Nothing is selected. Drag a rectangle on a map (by keyboard: Tab to a map, then arrow "
    + "keys, + and -).";
  const said = html("p", { class: "rnsl-selection", "aria-live": "polite" });
  const clear = html("button", { type: "button", class: "rnsl-clear" }, "Clear");
  const cards = html("div", { class: "rnsl-cards" });
  clear.addEventListener("click", () => select([]));
  return {
    element: html("div", { class: "rnsl-detail" }, html("div", { class: "rnsl-said" }, said, clear), cards),
    show(images) {
      clear.hidden = cards.hidden = !images.length;
      said.textContent = images.length ? sentence(images, table) : help;
      const shown = rarestFirst(images, table.given).slice(0, MOST_CARDS);
      cards.replaceChildren(
        ...shown.map((image) => html("div", { class: "rnsl-card" }, ...scenes.lines(image))),
      );
    },
  };
}

function sentence(images, { given, wrong, class_names }) {
  const counts = [...countedBy(images, given)].sort((a, b) => b[1] - a[1]);
  const names = counts.slice(0, COUNTED).map(([c, count]) => `${class_names[c]} ${count}`);
  const more = counts.length > COUNTED ? ` and ${counts.length - COUNTED} more labels` : "";
  const wrongs = images.filter((image) => wrong[image]).length;
  const isLong = images.length > MOST_CARDS;
  const rest = isLong ? `; ${MOST_CARDS} images below, the rarest labels first` : "";
  const labels = `given labels ${names.join(", ")}${more}`;
  return `${images.length} selected, ${labels}. ${wrongs} labels are wrong${rest}.`;
}

/** Images whose given label is rare among them come first: those are the odd ones. */
function rarestFirst(images, given) {
  const counts = countedBy(images, given);
  return [...images].sort((a, b) => counts.get(given[a]) - counts.get(given[b]) || a - b);
}

function countedBy(images, given) {
  const counts = new Map();
  for (const image of images) counts.set(given[image], (counts.get(given[image]) ?? 0) + 1);
  return counts;
}
