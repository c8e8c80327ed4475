/**
 * The dashboard of runs that train: a wall of images, which is a film over the epochs; curves that
 * grow; and a button that reaches the kernel.
 *
 * @typedef {{
 *   titles: string[], first: number[], epochs: import("./chart.js").Axis,
 *   styles: { label: string, color: string, dash: number[], marker: string }[],
 *   given: string[][], true: string[], wrong: object, known: boolean,
 *   labels: Record<"right" | "wrong", { label: string, color: string }>,
 *   scenes: { jpeg: DataView, columns: number, rows: number } | null,
 * }} Table titles one a measure, first: those in view; styles one a run; given and wrong by run and
 *   image of the wall, true by image; known: whether it is known which labels are wrong
 * @typedef {{
 *   runs: { state: string, actions: string[], told: string[] }[], summary: string,
 *   curves: object, axes: import("./chart.js").Axis[], minds: object,
 * }} Live what Python sends anew after each epoch: curves [measure, run, epoch] and minds [run, epoch,
 *   image] as Python packed them; told one sentence an epoch, after one on where the run stands
 */
import { Chart, lineSample } from "./chart.js";
import { Pictures } from "./pictures.js";
import { explorer, html, opened, segments, slider, watch } from "./widgets.js";

const NEEDS_KERNEL = "The film is recorded; to train, the button needs a running kernel.";
const WALL_LEGEND = "Below an image stands the label that it was given. Dashed frame: not believed. Filled: "
  + "believed. Grey: left out of the training.";
const FRAME_MS = 450; // of the film
const [BELIEVED, LEFT_OUT] = [1, 2]; // of an image, added up

const widgets = ({ styles }) => ({
  run: (...given) => segments(...given, styles.map(legendSample)),
  main: () => html("div", { class: "rnsl-buttons" }, button("Start")),
  epoch: slider,
});

export default explorer("rnsl-panels rnsl-dashboard", widgets, (tools) => {
  const { model, table, signal, controls, told, place, choose } = tools;
  const summary = html("p", { class: "rnsl-note" });
  const charts = table.titles.map((title, m) => curvesChart(table, title, m, signal));
  const wall = sceneWall(table, new Pictures(model, signal, () => {}, table.scenes));
  const [main, stop] = [controls.main.firstChild, button("Stop")];
  const live = () => opened(model.get("_live"));
  const press = (action) => model.send({ press: action, run: model.get("run") });
  const film = filmOf(signal, (step) => {
    const last = live().runs[place("run")].told.length - 2;
    const at = Math.min(place("epoch"), last) + step;
    if (at >= 0 && at <= last) choose({ epoch: at });
    return at + step >= 0 && at + step <= last;
  }, () => (told.textContent = show()));
  main.addEventListener("click", () => {
    const { name } = main;
    if (["start", "pause", "resume"].includes(name)) press(name);
    else film.turn({ play: 1, back: -1 }[name] ?? 0);
  });
  stop.addEventListener("click", () => press("stop"));
  const show = () => {
    const now = live();
    const run = now.runs[place("run")];
    const done = run.told.length - 1;
    const epoch = Math.min(place("epoch") + 1, done);
    told.setAttribute("aria-live", run.state === "running" || film.runs() ? "off" : "polite");
    summary.textContent = canSend(model) ? now.summary : `${now.summary}. ${NEEDS_KERNEL}`;
    showMain(main, canSend(model) ? run.actions : [], epoch, done, film.runs());
    stop.disabled = !canSend(model) || !run.actions.includes("stop");
    limitSlider(controls.epoch, epoch, done);
    wall.show(now, place("run"), epoch);
    charts.forEach((chart) => chart.show(now, place("run"), epoch));
    return run.told[epoch];
  };
  watch(model, ["_live"], () => (told.textContent = show()), signal);
  const [inView, folded] = [true, false].map((first) => {
    const shown = charts.filter((_, m) => table.first.includes(m) === first);
    return html("div", { class: "rnsl-small" }, ...shown.map((chart) => chart.element));
  });
  const more = html("details", {}, html("summary", {}, "All measures, and stop"), stop, folded);
  return { parts: [wall, inView, more, summary], show };
});

/** What the button does next: it trains where it can, and plays the film where it cannot. */
function showMain(main, actions, epoch, done, playing) {
  const train = ["start", "pause", "resume"].find((action) => actions.includes(action));
  const play = playing ? ["halt", "Pause the film"] : epoch < done ? ["play", "Play"] : ["back", "Play backward"];
  const [name, text] = train ? [train, train[0].toUpperCase() + train.slice(1)] : done > 1 ? play : ["start", "Start"];
  main.name = name;
  main.textContent = text;
  main.disabled = !train && done < 2;
}

/**
 * A film: step after step in one direction, until the end or until it is turned off.
 *
 * @param {AbortSignal} signal ends it
 * @param {(step: 1 | -1) => boolean} go takes a step and says whether another is left
 * @param {() => void} onTurn called when it begins to run, and when it stops
 */
function filmOf(signal, go, onTurn) {
  let timer = 0;
  const turn = (step) => {
    clearInterval(timer);
    timer = step && setInterval(() => go(step) || turn(0), FRAME_MS);
    if (step && !go(step)) turn(0);
    else onTurn();
  };
  signal.addEventListener("abort", () => clearInterval(timer));
  return { turn, runs: () => timer !== 0 };
}

// ---------------------------------------------------------------- the wall

/** Images with a right label, and beside them those with a wrong one: framed, filled or grey. */
function sceneWall(table, pictures) {
  const { labels, known, wrong } = table;
  const cells = table.true.map((_, image) => {
    const name = html("span", {});
    return { name, element: html("div", { class: "rnsl-wall-image" }, pictures.of(image), name) };
  });
  const groups = known ? [0, 1] : [0];
  const counts = groups.map(() => html("div", { class: "rnsl-wall-count" }));
  const grids = groups.map(() => html("div", { class: "rnsl-wall-grid" }));
  const sides = groups.map((side) => html("div", {}, counts[side], grids[side]));
  const legend = html("div", { class: "rnsl-note" }, WALL_LEGEND);
  const element = html("div", { class: "rnsl-wall" }, ...sides, legend);
  element.style.cssText = `--rnsl-right: ${labels.right.color}; --rnsl-wrong: ${labels.wrong.color}`;
  element.hidden = !cells.length;
  return {
    element,
    show({ minds }, run, epoch) {
      const seen = [0, 0];
      const all = [0, 0];
      cells.forEach(({ element: cell, name }, image) => {
        const side = known ? wrong(run, image) : 0;
        const mind = epoch ? minds(run, epoch - 1, image) : 0;
        const [given, truth] = [table.given[run][image], table.true[image]];
        const [isBelieved, isOut] = [mind % LEFT_OUT === BELIEVED, mind >= LEFT_OUT];
        all[side] += 1;
        seen[side] += Number(isBelieved);
        cell.classList.toggle("rnsl-wall-wrong", side === 1);
        cell.classList.toggle("rnsl-wall-believed", isBelieved);
        cell.classList.toggle("rnsl-wall-out", isOut);
        cell.title = `${given}${side ? ` (is ${truth})` : ""}: ${isBelieved ? "" : "not "}believed${isOut ? ", left out" : ""}`;
        if (name.textContent !== given) name.textContent = given;
        if (cell.parentNode !== grids[side]) grids[side].append(cell);
      });
      const told = known
        ? [`${seen[0]} of ${all[0]} right labels learned`, `${seen[1]} of ${all[1]} wrong labels memorized`]
        : [`${seen[0]} of ${all[0]} labels believed`];
      counts.forEach((count, side) => (count.textContent = told[side]));
    },
  };
}

// ---------------------------------------------------------------- controls and charts

/** The slider ends at the last epoch that is done, and says which epoch is shown. */
function limitSlider(control, epoch, done) {
  const input = control.querySelector("input");
  input.max = Math.max(done - 1, 0);
  input.value = Math.max(epoch - 1, 0);
  const text = done ? String(epoch) : "none yet";
  input.setAttribute("aria-valuetext", text);
  control.querySelector(".rnsl-value").textContent = text;
}

/** How the line of a run looks, on its button: the one legend for all charts. */
function legendSample(style) {
  return lineSample({ ...style, marker: undefined });
}

/** Whether there is a kernel to speak to; the model of a plain page has none. */
function canSend(model) {
  return typeof model.send === "function";
}

function button(text) {
  return html("button", { type: "button", class: "rnsl-button" }, text);
}

function curvesChart({ styles, epochs }, title, m, signal) {
  const axis = { label: "", range: [0, 1], ticks: [], texts: [] };
  const description = `${title}, over the epochs, a line for each run`;
  const chart = new Chart({ x: epochs, y: axis, title, description, signal });
  const rule = chart.rule({ name: "now", width: 1 });
  const lines = styles.map((style) =>
    chart.line({ ...style, name: style.label, label: undefined, marker: undefined }),
  );
  const dot = chart.dot({ name: "shown", marker: "o" });
  return chart.shows(({ curves, axes }, run, epoch) => {
    chart.rescale(epochs, axes[m]);
    lines.forEach((line, r) => {
      const heights = curves(m, r);
      line.show(Array.from(heights, (_, e) => e + 1), heights);
    });
    rule.show(epoch);
    dot.show(epoch, epoch ? curves(m, run, epoch - 1) : NaN);
    dot.element.setAttribute("fill", styles[run].color);
  });
}
