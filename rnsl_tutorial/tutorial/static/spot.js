/**
 * 24 scenes with labels, six of them wrong: the learner strikes labels out, against the clock if one
 * likes, and then two losses show which they doubt, as rings on the same pictures. Everything shown is
 * looked up in a table that Python made.
 *
 * @typedef {{
 *   pictures: object[], names: string[], true: object, given: object, doubted: object,
 *   losses: import("./chart.js").Style[], notes: string[],
 * }} Table pictures of all sets, one after the other; true and given [set, image] among the names;
 *   doubted [set, loss, epoch, image]
 */
import { act, assign, explorer, html, ownKeys, player, slider, svg, watch } from "./widgets.js";

const CLOCK_S = 60;
const RINGS = [34, 44]; // radii, of a picture of 100, one a loss
const YOU = "you";
const SIDES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export default explorer("rnsl-panels rnsl-spot", { round: slider }, (tools) => {
  const { model, table, signal, choose, choices, told, place } = tools;
  const files = table.pictures.map((file) => addressOf(file(), signal));
  const tiles = Array.from(table.given(0), (_, i) => tile(i, table.losses, () => strike(i)));
  const grid = html("div", { class: "rnsl-scenes", role: "group", "aria-label": "Scenes" });
  grid.append(...tiles.map(({ element }) => element));
  walks(grid);
  const struck = () => model.get("guess");
  const isAsking = () => model.get("_guessing");
  const strike = (i) => {
    if (!isAsking()) return;
    const others = struck().filter((other) => other !== i);
    assign(model, { guess: others.length < struck().length ? others : [...others, i] });
  };
  const clock = timer(() => assign(model, { _guessing: false }), signal);
  const show = act("Show", () => assign(model, { _guessing: false }));
  const again = () => assign(model, { _guessing: true, guess: [] });
  const next = act("Next set", () => {
    choose({ round: (place("round") + 1) % choices("round").length, epoch: choices("epoch").length - 1 });
  });
  const epochs = player(model, "epoch", signal);
  const buttons = html("div", { class: "rnsl-guess-buttons" });
  const key = html("div", { class: "rnsl-legend" }, ...table.losses.map(ringSample));
  const note = html("p", { class: "rnsl-note rnsl-wide" });
  const bar = html("div", { class: "rnsl-spot-bar" });
  let seen = null; // the set that is shown, and whether it is told
  const draw = () => {
    const set = place("round");
    if (seen && seen.set !== set) {
      seen = null;
      again();
      if (seen) return; // drawn by a change, which there is none of where nothing was struck out
    }
    const asks = isAsking();
    if (seen?.asks !== asks) {
      if (asks) clock.reset();
      else clock.stop();
      if (asks) epochs.pause();
      const hadFocus = bar.matches(":focus-within");
      buttons.replaceChildren(...(asks ? [show, clock.element] : [next, act("Once more", again)]));
      buttons.append(...(asks ? [] : [key]));
      bar.replaceChildren(buttons, ...(asks ? [] : [epochs]));
      ownKeys(bar);
      grid.classList.toggle("rnsl-told", !asks);
      note.textContent = asks ? "" : table.notes[set];
      if (seen && hadFocus) (asks ? tiles[0].element : next).focus({ preventScroll: true });
    }
    seen = { set, asks };
    tiles.forEach(({ look }, i) => look({
      file: files[set * tiles.length + i],
      given: table.names[table.given(set, i)],
      true: table.names[table.true(set, i)],
      struck: struck().includes(i),
      doubts: asks ? [] : table.losses.map((_, loss) => table.doubted(set, loss, place("epoch"), i)),
      asks,
    }));
    told.textContent = asks ? question(struck()) : verdict(table, set, place("epoch"), struck(), clock.took());
  };
  watch(model, ["guess"], draw, signal);
  return { parts: [bar, grid, note], show: () => (draw(), told.textContent) };
});

/** A picture that the browser can show, of the bytes of its file. */
function addressOf(bytes, signal) {
  const address = URL.createObjectURL(new Blob([bytes], { type: "image/webp" }));
  signal.addEventListener("abort", () => URL.revokeObjectURL(address));
  return address;
}

// ---------------------------------------------------------------- the pictures

/** A picture with its label, which a press strikes out. */
function tile(number, losses, strike) {
  const image = svg("image", { width: 100, height: 100, preserveAspectRatio: "xMidYMid slice", "data-own": "" });
  const rings = losses.map((style, i) => {
    const circle = (className, paint) => svg("circle", { class: className, cx: 50, cy: 50, r: RINGS[i], ...paint });
    const dash = style.dash.map((length) => 3 * length).join(" ") || "none";
    const ring = svg("g", { class: "rnsl-verdict", "data-mark": style.label, visibility: "hidden" });
    ring.append(
      circle("rnsl-halo", {}),
      circle("rnsl-doubt", { stroke: style.color, "stroke-dasharray": dash }),
    );
    return ring;
  });
  const picture = svg("svg", { viewBox: "0 0 100 100", "aria-hidden": "true" }, image, ...rings);
  const [label, truth] = [html("s", {}), html("b", {})];
  const words = html("span", { class: "rnsl-scene-name" }, label);
  const element = html("button", { type: "button", class: "rnsl-scene-tile", style: `--i: ${number}` });
  element.append(html("span", { class: "rnsl-scene-picture" }, picture, truth), words);
  element.tabIndex = number ? -1 : 0;
  element.addEventListener("click", strike);
  const look = ({ file, given, true: right, struck, doubts, asks }) => {
    if (image.getAttribute("href") !== file) image.setAttribute("href", file);
    const isWrong = !asks && given !== right;
    label.textContent = given;
    truth.textContent = isWrong ? right : "";
    element.setAttribute("aria-pressed", struck);
    element.classList.toggle("rnsl-wrong", isWrong);
    rings.forEach((ring, i) => ring.setAttribute("visibility", doubts[i] ? "visible" : "hidden"));
    const who = [...(struck ? [YOU] : []), ...losses.filter((_, i) => doubts[i]).map((style) => style.label)];
    const told = isWrong ? `, in truth ${right}` : ", rightly";
    const doubted = who.length ? `; struck out by ${who.join(" and ")}` : "";
    const name = `Scene ${number + 1}, labelled ${given}`;
    element.setAttribute("aria-label", asks ? name : `${name}${told}${doubted}`);
  };
  return { element, look };
}

/** One stop for Tab; the arrows go from picture to picture. */
function walks(grid) {
  const tiles = [...grid.children];
  grid.addEventListener("keydown", (event) => {
    const at = tiles.indexOf(event.target);
    if (!(event.key in SIDES) || at < 0) return;
    event.preventDefault();
    const columns = tiles.filter(({ offsetTop }) => offsetTop === tiles[0].offsetTop).length;
    const [right, down] = SIDES[event.key];
    const to = tiles[at + right + down * columns];
    if (!to) return;
    for (const tile of tiles) tile.tabIndex = tile === to ? 0 : -1;
    to.focus();
  });
}

function ringSample({ label, color, dash }) {
  const stroke = { stroke: color, "stroke-width": 3, "stroke-dasharray": dash.map((d) => 2 * d).join(" ") || "none" };
  const ring = svg("circle", { cx: 9, cy: 9, r: 7, fill: "none", ...stroke });
  const sample = svg("svg", { width: 18, height: 18, viewBox: "0 0 18 18", "aria-hidden": "true" }, ring);
  return html("span", {}, sample, `${label} doubts`);
}

// ---------------------------------------------------------------- the clock

/** A button that starts a minute; at its end it calls back. `took` is what was needed of it, s. */
function timer(callback, signal) {
  let [beat, began, took] = [0, 0, null];
  const element = act("", () => {
    [began, took] = [performance.now(), null];
    beat ||= setInterval(tick, 200);
    tick();
  });
  const tick = () => {
    if (beat && !element.isConnected) return reset();
    const rest = beat ? CLOCK_S - Math.floor((performance.now() - began) / 1000) : CLOCK_S;
    element.textContent = beat ? `${rest} s left` : "Against the clock";
    element.setAttribute("aria-pressed", Boolean(beat));
    if (rest <= 0) callback();
  };
  const stop = () => {
    if (!beat) return;
    took = Math.round((performance.now() - began) / 1000);
    clearInterval(beat);
    beat = 0;
    tick();
  };
  const reset = () => {
    stop();
    took = null;
  };
  signal.addEventListener("abort", () => clearInterval(beat));
  tick();
  return { element, stop, reset, took: () => took };
}

// ---------------------------------------------------------------- what is said

function question(struck) {
  const said = struck.length ? ` ${struck.length} struck out.` : "";
  return `Six of these 24 labels are wrong. Click the wrong ones.${said}`;
}

/** Who found how many, and who was best: found less struck out wrongly. @param {Table} table */
function verdict({ losses, true: truth, given, doubted }, set, epoch, struck, took) {
  const wrong = Array.from(given(set), (label, i) => label !== truth(set, i));
  const total = wrong.filter(Boolean).length;
  const score = (name, isStruck) => {
    const all = wrong.map((_, i) => i).filter(isStruck);
    const found = all.filter((i) => wrong[i]).length;
    return { name, found, falsely: all.length - found, worth: 2 * found - all.length };
  };
  const you = score("You", (i) => struck.includes(i));
  const others = losses.map(({ label }, l) => score(label, (i) => doubted(set, l, epoch, i) > 0));
  const said = ({ name, found, falsely }) => `${name} ${found} of ${total}${falsely ? `, ${falsely} falsely` : ""}`;
  const time = took === null ? "" : ` in ${took} s`;
  const when = epoch === doubted.shape[2] - 1 ? "" : `After epoch ${epoch + 1}: `;
  const found = `${when}You found ${you.found} of ${total}${you.falsely ? ` and struck ${you.falsely} falsely` : ""}${time}.`;
  const best = others.reduce((a, b) => (b.worth > a.worth ? b : a));
  const winner = { 1: "You were better.", 0: "A draw.", "-1": `${best.name} was better.` };
  return `${found} ${others.map(said).join("; ")}. ${winner[Math.sign(you.worth - best.worth)]}`;
}
