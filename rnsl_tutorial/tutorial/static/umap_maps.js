/**
 * The explorers of projections: maps of the same images side by side, linked by what is selected,
 * and below them the selected images.
 *
 * Everything shown is looked up in a table that Python made. What depends on controls comes with
 * their names, its "axes"; "panel" stands for the map itself.
 *
 * @typedef {{
 *   panels: {
 *     title: string, axes: string[], maps: object, medians: object, captions: string[],
 *   }[],
 *   told: { axes: string[], texts: string[] },
 *   colorings: Record<string, {
 *     axes: string[], codes: object, colors: string[], legend: { color: string, text: string }[],
 *   }>,
 *   labels: object, given: object, class_names: string[], files: string[], wrong_color: string,
 *   players?: string[], sliders?: string[], menus?: string[],
 *   neighbors?: { axes: string[], places: object },
 * }} Table arrays as Python packed them, with images as their last axis (before x and y)
 */
import { ImageMap, Shared } from "./map.js";
import { breakable, Pictures } from "./pictures.js";
import { assign, explorer, html, menu, player, segments, slider, watch } from "./widgets.js";

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
  const pictures = new Pictures(model, signal, () => shared.redraw());
  const scenes = sceneMaker(pictures, table);
  const detail = selectionList(table, scenes, (images) => shared.select(images));
  const places = (axes, panel = 0) => axes.map((name) => (name === "panel" ? panel : place(name)));
  const number = (axes) => axes.reduce((at, name) => at * choices(name).length + place(name), 0);
  const shared = new Shared({
    labels: table.labels,
    files: table.files,
    class_names: table.class_names,
    fades: false,
    ink: false,
    picks: (image) => [image],
    linked: (image) => table.neighbors?.places(...places(table.neighbors.axes), image) ?? [],
    onSelect: (images) => assign(model, { selected: images }),
    tell: (focus) => (focus.image === undefined ? classLines(focus.class) : scenes.lines(focus.image)),
  });
  const classLines = (c) => {
    const images = shared.ofClass(c);
    const wrong = images.filter((image) => table.wrong[image]).length;
    const told = `${images.length} images, ${wrong} of them with a wrong label`;
    return [html("strong", {}, table.class_names[c]), html("span", {}, told)];
  };
  const maps = table.panels.map(({ title }) => new ImageMap(title, shared, signal));
  const legend = html("div", { class: "rnsl-legend" });
  const showSelection = () => {
    shared.selected = new Set(model.get("selected"));
    detail.show([...shared.selected]);
    shared.redraw();
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
      const crossed = place("mark") ? table.wrong : null;
      const { axes, codes, colors, legend: entries } = table.colorings[choices("color")[place("color")]];
      legend.replaceChildren(...legendOf(entries, table, crossed));
      table.panels.forEach((panel, i) => {
        const at = places(panel.axes);
        const [coordinates, medians] = [panel.maps(...at), panel.medians(...at)];
        const named = table.class_names.map((_, c) => c);
        const shown = { coordinates, medians, codes: codes(...places(axes, i)), colors, crossed, named };
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

/** What is to be said of an image, with its picture. */
function sceneMaker(pictures, { class_names, labels, given, wrong, files, wrong_color }) {
  const lines = (image) => {
    const name = html("strong", {}, ...breakable(class_names[given[image]]));
    const truth = html("span", {}, wrong[image] ? `✕ is ${class_names[labels[image]]}` : "✓");
    if (wrong[image]) truth.style.borderBottom = `2px solid ${wrong_color}`;
    const file = html("span", { class: "rnsl-file" }, files[image].split("/").at(-1));
    return [pictures.of(image), name, truth, file];
  };
  return { lines };
}

/** What is selected: a sentence, and a card for each of the first images. */
function selectionList(table, scenes, select) {
  const help = "Nothing is selected. Drag a rectangle or a lasso on a map; the wheel zooms. By keyboard: "
    + "Tab to a map, arrow keys for a class, with Shift for a square.";
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
