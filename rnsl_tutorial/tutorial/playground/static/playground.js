/**
 * The playground as a page and in a notebook: controls, pictures, and what a hand does to them.
 */
import { button, el, Menu, MENUS, percent, Slider, whole } from "./controls.js";
import { download, historyCsv, pointsCsv, readCsv } from "./data.js";
import { CELLS, flat, fromHash, Lab, lab, LOSSES, PICTURE, settingsOf, START, toHash } from "./runs.js";
import { Ball, drawCurves, PAINTS, Plane, REACH } from "./view.js";

const MAP_MS = 90; // between two maps
const TOLD_MS = 1000; // between two times that a playing run is written to the address or the notebook
const ROUND_MS = 40; // that the fastest speed lets the workers work before they send a picture
const AHEAD = 2; // rounds that they have then to do
const TURNS = 6; // frames in which a running page draws each of its parts once, but the spheres, which turn
const SPEEDS = [1, 2, 5, 10, 20, Infinity]; // steps a frame
const MEASURES = [
  ["learned", "Right labels learned"],
  ["memorized", "Wrong labels memorized"],
  ["accuracy", "Clean test points"],
  ["kept", "Points listened to"],
];
const COLUMN = { learned: 1, memorized: 2, kept: 3, accuracy: 4 };
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
const RESTARTS = ["shape", "n", "classes", "spread", "seed", "hidden", "waves"];

/**
 * Put a playground into an element.
 *
 * @param {Element} root
 * @param {{ start: object, address?: string, playing?: boolean, onChange?: () => void }} options start:
 *   of `fromHash`; address of the page that a link leads to; onChange hears of each change, and of the steps once they rest
 * @returns {object} what a page or a notebook needs of it
 */
export function mount(root, { start, address = "playground.html", playing = false, onChange = () => {} } = {}) {
  const end = new AbortController();
  const world = new Lab();
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  const isShared = navigator.hardwareConcurrency < 4; // by two runs and the page
  const view = { azimuth: 0.7, elevation: 0.85, hover: null, ghosts: [], brush: 0, mode: "flip", speed: 2 };
  let [isPlaying, isDirty, isBusy, mapAt, toldAt, pace, turns, flying, preset] = [false, true, false, 0, 0, 1, 0, 0, null];

  // ------------------------------------------------------------ what a hand does

  const set = (name, value) => {
    if (RESTARTS.includes(name)) return restart({ ...world.current(), [name]: value });
    return world.change(name, value).then(changed);
  };
  const restart = (settings, more = {}) => {
    const went = isPlaying;
    play(false);
    return world.begin({ settings: { ...START, ...settings }, ...more }).then(() => {
      changed();
      if (went) play(true);
    });
  };
  const play = (on) => {
    if (on === isPlaying) return;
    isPlaying = on;
    playButton.textContent = on ? "❚❚" : "▶";
    playButton.setAttribute("aria-label", on ? "Pause" : "Play");
    playButton.title = on ? "Pause (space)" : "Play (space)";
    told.setAttribute("aria-live", on ? "off" : "polite");
    if (!on) look().then(changed);
  };
  const look = () => world.look({ ...PICTURE, place: view.hover }).then(() => take(true));
  const step = () => {
    play(false);
    return world.advance(1, PICTURE).then(() => take(true)).then(changed);
  };
  const changed = () => {
    take(true);
    show();
    onChange();
  };
  const state = () => ({ settings: world.settings, changes: world.changes, step: world.step, now: world.current() });
  const choose = (place) => {
    preset = lab.presets[place];
    return restart(flat(preset)).then(() => play(!calm.matches));
  };

  // ------------------------------------------------------------ controls

  const sliders = Object.fromEntries(
    ["rate", "n", "classes", "spread", "T", "lr", "decay", "hidden", "waves"].map((name) => [name, new Slider(name, (value) => set(name, value))]),
  );
  const menus = Object.fromEntries(
    Object.entries(MENUS).map(([name, [label, options]]) => [name, new Menu(label, options, (value) => set(name, value))]),
  );
  const chips = lab.presets.map(({ name }, i) => el("button", { type: "button", class: "pg-chip", onclick: () => choose(i) }, name));
  const playButton = button("▶", "Play", () => play(!isPlaying), { class: "pg-play" });
  const speed = el("input", {
    type: "range", min: 0, max: SPEEDS.length - 1, value: view.speed, "aria-label": "Speed",
    oninput: () => (view.speed = Number(speed.value)),
  });
  const count = el("output", { class: "pg-count" });
  const told = el("p", { class: "pg-told", "aria-live": "polite" });
  const mode = el("select", { "aria-label": "What a press on the plane does", onchange: () => (view.mode = mode.value) });
  const dice = button("⚄", "Other points and another start", () => restart({ ...world.current(), seed: world.current().seed + 1 }));
  const file = el("input", { type: "file", accept: ".csv,.tsv,.txt", hidden: "", onchange: () => file.files[0]?.text().then(take_csv) });
  const link = button("Link", "Copy a link that repeats this run", () => {
    const whole = `${address}#${toHash(state())}`;
    const copied = navigator.clipboard?.writeText(whole) ?? Promise.reject();
    copied.then(() => say("The link is copied. It repeats this run, step by step."), () => say(whole));
  });
  const files = el("details", { class: "pg-files" },
    el("summary", {}, "Data"),
    el("div", {},
      button("Open a CSV: x, y, label", "", () => file.click()),
      button("Save points (CSV)", "", () => download("points.csv", pointsCsv(world.now.a))),
      button("Save curves (CSV)", "", () => download("history.csv", historyCsv(world.history))),
      button("Save all (JSON)", "", () => download("playground.json", JSON.stringify(everything(), null, 1))),
      button("Clear paint and flips", "", () => restart({ ...world.current(), own: [], flips: [] })),
      el("small", {}, "Or drop or paste one here. rnsl embed gives x and y of your own images."),
      file));

  // ------------------------------------------------------------ runs

  const cards = Object.fromEntries(["a", "b"].map((which) => [which, makeCard(which)]));
  function makeCard(which) {
    const name = (key) => `${which}.${key}`;
    const loss = new Menu("Loss", LOSSES, (value) => set(name("loss"), value));
    const own = ["q", "k", "start"].map((key) => [key, new Slider(key, (value) => set(name(key), value))]);
    const numbers = ["learned", "memorized", "accuracy"].map((key) => [key, el("b")]);
    const stats = el("div", { class: "pg-stats" }, ...numbers.map(([key, shown]) => {
      return el("div", { "data-stat": key }, shown, el("span", {}, { learned: "right learned", memorized: "memorized", accuracy: "test correct" }[key]));
    }));
    const plane = new Plane(el("canvas", { class: "pg-plane", tabindex: 0, role: "application", "aria-label": "The plane: a press flips a label, a drag paints points. Arrow keys move a cursor, Enter presses." }));
    const ball = new Ball(el("canvas", { class: "pg-ball", tabindex: 0, role: "application", "aria-label": "The sphere: embeddings and prototypes. Arrow keys turn it." }));
    const head = el("div", { class: "pg-head" }, loss.element, ...own.map(([, slider]) => slider.element), stats);
    const element = el("section", { class: "pg-card", "data-run": which, "aria-label": `Run ${which.toUpperCase()}` },
      head, el("div", { class: "pg-pair" }, plane.canvas, ball.canvas));
    hand(plane);
    turn(ball);
    return { which, loss, own: Object.fromEntries(own), numbers: Object.fromEntries(numbers), plane, ball, element };
  }

  const curves = MEASURES.map(([key, title]) => {
    const canvas = el("canvas", { role: "img", "aria-label": title });
    const values = { a: el("b"), b: el("b") };
    const legend = el("figcaption", {}, title, el("span", {}, values.a, " ", values.b));
    return { key, title, canvas, values, element: el("figure", { class: "pg-curve" }, legend, canvas) };
  });
  const tip = el("div", { class: "pg-tip", role: "status", hidden: "" });
  const more = el("details", { class: "pg-more" }, el("summary", {}, "Points, noise, training"),
    el("div", { class: "pg-controls" }, menus.shape.element, sliders.n.element, sliders.classes.element, sliders.spread.element,
      menus.noise.element, sliders.rate.element, sliders.T.element, sliders.lr.element, sliders.decay.element,
      sliders.hidden.element, sliders.waves.element));
  const all = el("div", { class: "rnsl-playground" },
    el("div", { class: "pg-chips", role: "group", "aria-label": "Presets" }, ...chips), told,
    el("div", { class: "pg-bar" },
      button("⟲", "Reset to step 0", () => restart(world.current())), playButton, button("+1", "One step", step), dice, count,
      el("label", { class: "pg-slider pg-speed" }, el("span", {}, "Speed"), speed),
      el("label", { class: "pg-menu" }, el("span", {}, "A press"), mode), link, files),
    more,
    el("div", { class: "pg-cards" }, cards.a.element, cards.b.element),
    el("div", { class: "pg-curves" }, ...curves.map(({ element }) => element)), tip);
  for (const one of all.querySelectorAll("input, select, button, summary, canvas")) {
    one.setAttribute("data-lm-suppress-shortcuts", "true"); // JupyterLab else takes their keys
  }
  root.append(all);
  more.open = all.clientWidth > 700;

  function say(text) {
    told.textContent = text;
  }

  /** Write all settings where they are set, and the sentence. */
  function show() {
    const now = world.current();
    const filled = { ...lab.DEFAULTS, ...now };
    for (const [name, control] of Object.entries({ ...sliders, ...menus })) control.show(filled[name]);
    for (const { which, loss, own, element } of Object.values(cards)) {
      const run = settingsOf(now, which);
      loss.show(run.loss);
      for (const [key, slider] of Object.entries(own)) {
        slider.show(run[key]);
        slider.element.hidden = run.loss === "nsl" || (key !== "q" && run.loss !== "trnsl");
      }
      element.dataset.loss = run.loss;
      element.style.setProperty("--pg-run", style(which).color);
    }
    const brushes = ["flip", ...Array.from({ length: filled.classes }, (_, c) => String(c))];
    if (mode.options.length !== brushes.length) {
      mode.replaceChildren(...brushes.map((value) => el("option", { value }, value === "flip" ? "flips a label" : `paints class ${letter(Number(value))}`)));
      mode.value = brushes.includes(view.mode) ? view.mode : "flip";
      view.mode = mode.value;
    }
    for (const { values } of curves) {
      for (const which of ["a", "b"]) values[which].style.setProperty("--pg-run", style(which).color);
    }
    chips.forEach((chip, i) => chip.setAttribute("aria-pressed", lab.presets[i] === preset));
    if (preset && Object.entries(flat(preset)).every(([name, value]) => now[name] === value)) say(preset.text);
    else say("Wrong labels have a ring in the colour of the true class, and fill up once they are learned by heart. Press on a point to flip its label, drag to paint.");
  }

  // ------------------------------------------------------------ hands on the plane and on the sphere

  const nearest = ([x, y]) => {
    const { points, labels } = world.now.a;
    let [least, found] = [Infinity, -1];
    for (let i = 0; i < labels.length; i++) {
      const far = Math.hypot(points[2 * i] - x, points[2 * i + 1] - y);
      if (far < least) [least, found] = [far, i];
    }
    return { found, least };
  };
  const flip = (place) => {
    const { found, least } = nearest(place);
    if (least > 0.09) return null;
    const { classes, flips = [] } = { ...lab.DEFAULTS, ...world.current() };
    const other = (world.now.a.labels[found] + 1) % classes;
    return set("flips", [...flips.filter(([i]) => i !== found), [found, other]]);
  };
  const paint = (strokes) => {
    const label = view.mode === "flip" ? view.brush : Number(view.mode);
    const added = strokes.map(([x, y]) => [Math.round(1000 * x) / 1000, Math.round(1000 * y) / 1000, label]);
    return set("own", [...world.current().own, ...added]);
  };

  function hand(plane) {
    const canvas = plane.canvas;
    let from = null;
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      from = plane.under(event);
      view.ghosts = [];
      const { found } = nearest(from);
      view.brush = found >= 0 ? world.now.a.labels[found] : 0;
    });
    canvas.addEventListener("pointermove", (event) => {
      const at = plane.under(event);
      if (from) {
        const last = view.ghosts.at(-1) ?? from;
        if (Math.hypot(at[0] - last[0], at[1] - last[1]) > 0.06) view.ghosts.push(at);
      } else if (event.pointerType === "mouse") hover(at, event);
      isDirty = true;
    });
    canvas.addEventListener("pointerup", (event) => {
      const strokes = view.ghosts;
      if (from && strokes.length) paint([from, ...strokes]).then(() => (view.ghosts = []));
      else if (from && view.mode === "flip") flip(from) ?? hover(from, event);
      else if (from) paint([from]);
      from = null;
    });
    canvas.addEventListener("pointercancel", () => ((from = null), (view.ghosts = [])));
    canvas.addEventListener("pointerleave", () => from || hover(null));
    canvas.addEventListener("blur", () => hover(null));
    canvas.addEventListener("keydown", (event) => {
      const by = ARROWS[event.key];
      const at = view.hover ?? [0, 0];
      if (by) hover([at[0] + 0.04 * by[0], at[1] + 0.04 * by[1]], canvas);
      else if (event.key === "Enter") view.mode === "flip" ? flip(at) : paint([at]);
      else return;
      event.preventDefault();
    });
  }

  function turned(azimuth, elevation) {
    Object.assign(view, { azimuth, elevation: Math.max(-1.5, Math.min(1.5, elevation)), isHeld: true });
    isDirty = true;
  }

  function turn(ball) {
    const canvas = ball.canvas;
    let from = null;
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      from = [event.clientX, event.clientY, view.azimuth, view.elevation];
    });
    canvas.addEventListener("pointermove", (event) => {
      if (from) turned(from[2] - 0.01 * (event.clientX - from[0]), from[3] + 0.01 * (event.clientY - from[1]));
    });
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => (from = null));
    canvas.addEventListener("keydown", (event) => {
      const by = ARROWS[event.key];
      if (!by) return;
      turned(view.azimuth - 0.15 * by[0], view.elevation - 0.15 * by[1]);
      event.preventDefault();
    });
  }

  /** Ask both runs what they think of a place, and tell it beside the pointer. */
  function hover(place, where) {
    view.hover = place;
    isDirty = true;
    if (!place) return (tip.hidden = true);
    if (!isPlaying && !isBusy && !flying) {
      isBusy = true;
      world.look({ place }).then(() => ((isBusy = false), take(), tell()));
    }
    const box = all.getBoundingClientRect();
    const spot = where.clientX === undefined ? where.getBoundingClientRect() : { left: where.clientX, top: where.clientY };
    const left = Math.max(4, Math.min(spot.left - box.left + 16, all.clientWidth - 262));
    tip.style.transform = `translate(${left}px, ${spot.top - box.top + 18}px)`;
    return tell();
  }

  function tell() {
    const { a, b } = world.now;
    if (!view.hover || !a.probe || !b.probe) return;
    const { found, least } = nearest(view.hover);
    const isPoint = least < 0.06;
    const told = isPoint ? `Point ${found + 1}: given ${letter(a.labels[found])}, truly ${letter(a.truth[found])}` : "A test point here";
    const columns = [a, b].map(({ probe }, i) => {
      const label = isPoint ? a.labels[found] : probe.p.indexOf(Math.max(...probe.p));
      const bars = probe.p.map((p, c) => {
        const bar = el("i", { style: `width:${Math.round(100 * p)}%;background:${paintNow.classes[c % 8]}` });
        return el("div", { class: "pg-p" }, letter(c), el("span", {}, bar), p < 0.001 ? "<.001" : p.toFixed(3));
      });
      const name = LOSSES[settingsOf(world.current(), "ab"[i]).loss];
      return el("div", {}, el("b", {}, name), ...bars, el("small", {}, `as ${letter(label)}: loss ${probe.loss[label].toFixed(2)}, pull ${probe.pull[label].toFixed(2)}`));
    });
    tip.replaceChildren(el("div", {}, told), el("div", { class: "pg-two" }, ...columns));
    tip.hidden = false;
  }

  const letter = (c) => String.fromCharCode(65 + c);

  // ------------------------------------------------------------ data in and out

  function take_csv(text) {
    try {
      const { points, classes, names } = readCsv(text);
      preset = null;
      return restart({ ...world.current(), shape: "own", own: points, flips: [], classes }).then(() =>
        say(`${whole(points.length)} points of yours, classes ${names.slice(0, 8).map((n, i) => `${letter(i)} = ${n}`).join(", ")}. Given labels are taken for true; add noise, or flip some.`));
    } catch (error) {
      return say(`Not read: ${error.message}`);
    }
  }
  all.addEventListener("dragover", (event) => event.preventDefault());
  all.addEventListener("drop", (event) => {
    event.preventDefault();
    event.dataTransfer.files[0]?.text().then(take_csv);
  });
  all.addEventListener("paste", (event) => {
    const text = event.clipboardData.getData("text");
    if (/^.+[,;\t].+[,;\t].+\n/.test(text)) take_csv(text);
  });

  function everything() {
    const { points, labels, truth } = world.now.a;
    const arrays = Object.fromEntries(Object.entries({ points, labels, truth }).map(([name, values]) => [name, Array.from(values)]));
    return { ...state(), link: toHash(state()), ...arrays, history: world.history };
  }

  // ------------------------------------------------------------ drawing

  let paintNow = PAINTS.light;
  function repaint() {
    const ground = getComputedStyle(all).backgroundColor.match(/[\d.]+/g);
    if (!ground) return; // in no page now
    const [r, g, b] = ground.map(Number);
    paintNow = r + g + b < 384 ? PAINTS.dark : PAINTS.light;
    take(true);
    if (world.settings) show();
  }

  function style(which) {
    const losses = ["a", "b"].map((one) => settingsOf(world.current(), one).loss);
    const same = losses[0] === losses[1];
    return { color: paintNow.losses[losses[which === "a" ? 0 : 1]], dash: which === "a" ? [] : same ? [5, 4] : [] };
  }

  /** Take what the runs have answered. */
  function take(withMap = false) {
    isDirty = true;
    if (!world.now.b?.truth) return;
    for (const { which, plane } of Object.values(cards)) {
      const { map, prototypes } = world.now[which];
      if (map && (withMap || map !== plane.taken)) plane.take((plane.taken = map), CELLS, prototypes.length / 3, paintNow);
    }
    all.dataset.step = world.step;
    if (withMap) write();
  }

  /** What is told in numbers. */
  function write() {
    count.textContent = `step ${whole(world.step)}`;
    for (const { which, numbers } of Object.values(cards)) {
      for (const [key, shown] of Object.entries(numbers)) shown.textContent = percent(world.now[which].measures[COLUMN[key]]);
    }
    for (const { key, values, canvas, title } of curves) {
      const [a, b] = ["a", "b"].map((which) => percent(world.now[which].measures[COLUMN[key]]));
      [values.a.textContent, values.b.textContent] = [a, b];
      canvas.setAttribute("aria-label", `${title}: left run ${a}, right run ${b} at step ${whole(world.step)}`);
    }
  }

  /**
   * Draw all; of a running page the spheres, and of the rest what has its turn, so that each frame is in time.
   * Where the fastest runs need the page's processor, the spheres wait for their turn, too.
   */
  function draw() {
    isDirty = false;
    turns += 1;
    const isShort = isShared && isPlaying && SPEEDS[view.speed] === Infinity;
    const due = (turn) => !isPlaying || turns % TURNS === turn;
    let moving = false;
    const options = { ...view, calm: calm.matches, marked: view.hover };
    for (const [i, { which, plane, ball }] of Object.values(cards).entries()) {
      const now = world.now[which];
      if (due(3 * i)) moving = plane.draw(now, paintNow, options) || moving;
      if (!isShort || due(3 * i + 1)) moving = ball.draw(now, paintNow, { ...options, marked: view.hover && now.probe?.unit }) || moving;
    }
    if (due(2) || due(5)) {
      const styles = [style("a"), style("b")];
      const seen = ["a", "b"].map((which) => [...world.history[which], world.now[which].measures]);
      for (const [i, { key, canvas }] of curves.entries()) {
        if (due(2 + 3 * (i % 2))) drawCurves(canvas, seen, COLUMN[key], styles, paintNow);
      }
    }
    if (isPlaying && due(5)) write();
    isDirty ||= moving;
  }

  /** Let both runs go on for as many steps as the speed says, and ask for a picture now and then. */
  function goOn() {
    const by = SPEEDS[view.speed];
    const wanted = Number.isFinite(by) ? by : Math.max(1, Math.round(ROUND_MS / pace));
    const began = performance.now();
    const isMapDue = began - mapAt > (isShared ? 3 : 1) * MAP_MS;
    if (isMapDue) mapAt = began;
    if (began - toldAt > TOLD_MS) {
      toldAt = began;
      onChange();
    }
    flying += 1;
    const asked = { place: view.hover, isRunning: true, ...(isMapDue ? { cells: CELLS, reach: REACH } : {}) };
    world.advance(wanted, asked).then(() => {
      flying -= 1;
      pace += 0.3 * (Math.max(world.now.a.pace, world.now.b.pace) - pace);
      take();
      if (view.hover) tell();
      if (isPlaying && !Number.isFinite(by) && !document.hidden) goOn();
    });
  }

  let [last, wasSeen] = [0, false];
  const frames = [];
  function frame(now) {
    if (end.signal.aborted) return;
    if (wasSeen && !all.isConnected) play(false); // an output that was replaced, or a cell scrolled away
    wasSeen = all.isConnected;
    if (last) frames.push(now - last);
    if (frames.length > 600) frames.shift();
    const passed = Math.min(now - last, 50);
    last = now;
    while (isPlaying && flying < (SPEEDS[view.speed] === Infinity ? AHEAD : 1)) goOn();
    if (isPlaying && !view.isHeld && !calm.matches) view.azimuth += passed * 0.00025;
    if (world.now.b?.truth && (isDirty || isPlaying) && all.clientWidth) draw();
    requestAnimationFrame(frame);
  }

  const observer = new ResizeObserver(() => (isDirty = true));
  observer.observe(all);
  const themes = new MutationObserver(repaint);
  for (const element of [document.documentElement, document.body]) {
    themes.observe(element, { attributeFilter: ["class", "style", "data-theme", "data-jp-theme-light"] });
  }
  const { signal } = end;
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint, { signal });
  all.addEventListener("keydown", (event) => {
    if (!(event.ctrlKey || event.metaKey || event.altKey)) event.stopPropagation();
    if (event.key !== " " || /^(BUTTON|SELECT|SUMMARY)$/.test(event.target.tagName)) return;
    event.preventDefault();
    play(!isPlaying);
  });
  signal.addEventListener("abort", () => {
    observer.disconnect();
    themes.disconnect();
    world.end();
    all.remove();
  });

  const ready = world.begin(start).then(() => {
    repaint();
    changed();
    if (playing && !calm.matches) play(true);
    requestAnimationFrame(frame);
  });
  return { get playing() { return isPlaying; }, world, set, restart, play, step, state, ready, frames, choose, paints: PAINTS, end: () => end.abort() };
}

/** The playground as a page: its state is that of the address, which follows whenever the runs rest. */
function openPage(root, begun) {
  const start = fromHash(location.hash || begun);
  const made = mount(root, {
    start,
    address: location.href.split("#")[0],
    playing: start.step === null,
    onChange: () => history.replaceState(null, "", `#${toHash(made.state())}`),
  });
  window.playground = made;
  addEventListener("hashchange", () => location.reload());
}

/** The playground in a notebook: its traits are those of Python's `Playground`. */
function render({ model, el: root }) {
  const start = { step: null, changes: [], settings: { ...START, "b.q": model.get("q"), ...model.get("settings"), ...ownPoints(model) } };
  const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
  const assign = (values) => {
    for (const [name, value] of Object.entries(values)) if (!same(model.get(name), value)) model.set(name, value);
    model.save_changes();
  };
  const tell = () => {
    const { points, labels } = made.world.now.a;
    const { own, flips, ...settings } = made.world.current();
    const finite = (rows) => rows.map((row) => row.map((value) => (Number.isFinite(value) ? value : null)));
    const { a, b } = made.world.history;
    assign({
      settings, q: settings["b.q"] ?? lab.DEFAULTS.q, labels: Array.from(labels), step: made.world.step, playing: made.playing,
      points: Array.from(labels, (_, i) => [points[2 * i], points[2 * i + 1]]), history: { a: finite(a), b: finite(b) },
    });
  };
  const made = mount(root, { start, onChange: tell, playing: model.get("playing") });
  const on = (name, callback) => model.on(`change:${name}`, callback);
  const current = () => made.world.current();
  on("q", () => model.get("q") === (current()["b.q"] ?? lab.DEFAULTS.q) || made.set("b.q", model.get("q")));
  on("playing", () => made.play(model.get("playing")));
  on("settings", () => {
    const { own, flips, ...settings } = current();
    if (!same({ ...START, ...model.get("settings"), own: 0, flips: 0 }, { ...START, ...settings, own: 0, flips: 0 })) made.restart({ ...model.get("settings"), ...(settings.shape === model.get("settings").shape ? { own, flips } : {}) });
  });
  on("history", () => Object.keys(model.get("history")).length || made.restart(current()));
  const data = () => setTimeout(() => {
    const { points, labels } = made.world.now.a;
    const wanted = [model.get("points"), model.get("labels")];
    const isMoved = !same(wanted[0].flat(), Array.from(points));
    if (wanted[0].length !== wanted[1].length || (!isMoved && same(wanted[1], Array.from(labels)))) return;
    if (isMoved) made.restart({ ...current(), ...ownPoints(model) });
    else made.set("flips", wanted[1].map((label, i) => [i, label]));
  });
  on("points", data);
  on("labels", data);
  return made.end;
}

/** The points that a notebook gave, if it did. */
function ownPoints(model) {
  const [points, labels] = [model.get("points"), model.get("labels")];
  if (!points.length || points.length !== labels.length) return {};
  const classes = Math.max(2, model.get("settings").classes ?? 0, ...labels.map((label) => label + 1));
  return { shape: "own", classes, flips: [], own: points.map(([x, y], i) => [x, y, labels[i]]) };
}

export default { render };
