/**
 * The dashboard of runs that train: curves that grow, and buttons that reach the kernel.
 *
 * @typedef {{
 *   titles: string[], epochs: import("./chart.js").Axis, buttons: string[],
 *   styles: { label: string, color: string, dash: number[], marker: string }[],
 * }} Table titles one a measure, styles one a run
 * @typedef {{
 *   runs: { state: string, actions: string[], told: string[] }[], summary: string,
 *   curves: object, axes: import("./chart.js").Axis[],
 * }} Live what Python sends anew after each epoch: curves [measure, run, epoch] as Python packed them;
 *   told one sentence an epoch, after one on where the run stands
 */
import { Chart, lineSample } from "./chart.js";
import { explorer, html, opened, segments, slider, watch } from "./widgets.js";

const NEEDS_KERNEL = "The curves are recorded; the buttons need a running kernel.";

const widgets = ({ styles, buttons }) => ({
  run: (...given) => segments(...given, styles.map(legendSample)),
  buttons: (model) => html(
    "div",
    { class: "rnsl-buttons", role: "group", "aria-label": "Training" },
    ...buttons.map((action) => button(action, model)),
  ),
  epoch: slider,
});

export default explorer("rnsl-panels rnsl-dashboard", widgets, (tools) => {
  const { model, table, signal, controls, told, place } = tools;
  const summary = html("p", { class: "rnsl-note" });
  const charts = table.titles.map((title, m) => curvesChart(table, title, m, signal));
  const show = () => {
    const live = opened(model.get("_live"));
    const run = live.runs[place("run")];
    const epoch = Math.min(place("epoch") + 1, run.told.length - 1);
    told.setAttribute("aria-live", run.state === "running" ? "off" : "polite");
    summary.textContent = canSend(model) ? live.summary : `${live.summary}. ${NEEDS_KERNEL}`;
    for (const element of controls.buttons.children) {
      element.disabled = !canSend(model) || !run.actions.includes(element.name);
    }
    limitSlider(controls.epoch, epoch, run.told.length - 1);
    charts.forEach((chart) => chart.show(live, place("run"), epoch));
    return run.told[epoch];
  };
  watch(model, ["_live"], () => (told.textContent = show()), signal);
  const grid = html("div", { class: "rnsl-small" }, ...charts.map((chart) => chart.element));
  return { parts: [summary, grid], show };
});

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

function button(action, model) {
  const name = action[0].toUpperCase() + action.slice(1);
  const element = html("button", { type: "button", class: "rnsl-button", name: action }, name);
  element.addEventListener("click", () => model.send({ press: action, run: model.get("run") }));
  return element;
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
