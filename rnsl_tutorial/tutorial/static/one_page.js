/**
 * The page of all explorers, after page.js: one is shown, and made alive when it is first shown.
 * The arrow keys left and right go through its steps and then on to the next explorer; the page keys
 * read what is below, and then go on.
 * Those that name one value in `data-tied` move together in it.
 */
const main = document.querySelector("main");
const sections = [...main.querySelectorAll(":scope > section")];
const [select, theme] = ["nav select", "nav .theme"].map((found) => document.querySelector(found));
const alive = new Map(); // section: its model, once it was shown
const PAGES = { PageDown: 1, PageUp: -1 };
const ARROWS = { ArrowRight: 1, ArrowLeft: -1 };
const PLOTS = ".rnsl-plot, .rnsl-linked-maps .rnsl-stage";
const STEPS = ".rnsl-step, .pg-chip";
const OWN_KEYS = `input, select, textarea, canvas, summary, [role]:not(:has(${STEPS}))`;
const walked = new Map(); // section: the number of the step where the arrows, or a click, have led

for (const section of sections) {
  const { notebook } = section.dataset;
  select.add(new Option(`${notebook} · ${section.querySelector("h1").textContent}`, section.id));
}

/** Give charts the height that is left of the screen, or take off what is too much, if that is little. */
function fit() {
  const section = sections.find(({ hidden }) => !hidden);
  for (const name of ["--rnsl-more", "--rnsl-side"]) section.style.removeProperty(name);
  const all = [...section.querySelectorAll(PLOTS)].map((plot) => plot.getBoundingClientRect());
  const boxes = all.filter(({ height }) => height); // a guess hides the others
  const isBeside = (a) => (b) => a.top < b.bottom && b.top < a.bottom;
  const rows = boxes.filter((box, i) => !boxes.slice(0, i).some(isBeside(box)));
  const least = Math.min(...boxes.map(({ height }) => height));
  const more = (innerHeight - main.getBoundingClientRect().bottom - scrollY) / rows.length;
  if (!boxes.length || more < -0.5 * least) return;
  section.style.setProperty("--rnsl-more", `${Math.floor(more)}px`);
  section.style.setProperty("--rnsl-side", `${Math.floor(least + more)}px`);
}

async function show(section) {
  for (const [other, model] of alive) if (other !== section) model.get("playing") && model.set("playing", false);
  for (const other of sections) other.hidden = other !== section;
  select.value = section.id;
  document.title = section.querySelector("h1").textContent;
  scrollTo(0, 0);
  if (!alive.has(section)) {
    const model = await fill(section.querySelector("[data-explorer]"), (made) => tie(section, made));
    alive.set(section, model);
    model.on("change:_guessing", fit);
  }
  fit();
}

function tie(section, model) {
  const name = section.dataset.tied;
  if (!name) return;
  const others = [...alive].filter(([other]) => other.dataset.tied === name);
  for (const [, other] of others) {
    model.set(name, other.get(name));
    model.on(`change:${name}`, () => other.set(name, model.get(name)));
    other.on(`change:${name}`, () => model.set(name, other.get(name)));
  }
}

const shown = () => sections.find(({ id }) => `#${id}` === location.hash) ?? sections[0];
const go = (id) => (location.hash = id);

function step(by) {
  const next = sections[sections.indexOf(shown()) + by];
  if (!next) return;
  if (by > 0) walked.delete(next); // it is gone through from the start
  go(next.id);
  document.activeElement.blur(); // else a slider that is out of view would take the next arrow key
}

/** The arrows go through the steps of the explorer, then on to the next one. */
function walk(by) {
  const section = shown();
  const chips = [...section.querySelectorAll(STEPS)].filter((chip) => chip.checkVisibility());
  const to = (walked.get(section) ?? -1) + by;
  if (chips[to]) chips[to].click();
  else step(by);
}

/** Page keys read what is below first. */
function turnPage(by) {
  const { scrollTop, clientHeight, scrollHeight } = document.documentElement;
  const rest = by > 0 ? scrollHeight - clientHeight - scrollTop : scrollTop;
  if (rest < 8) step(by);
  else scrollBy(0, by * Math.min(rest, 0.85 * clientHeight));
}

addEventListener("keydown", (event) => {
  const { key, target, ctrlKey, shiftKey, altKey, metaKey } = event;
  const isArrow = key in ARROWS && !target.closest(OWN_KEYS); // others have them for themselves
  if (ctrlKey || shiftKey || altKey || metaKey || !(isArrow || key in PAGES)) return;
  event.preventDefault();
  event.stopPropagation();
  if (isArrow) walk(ARROWS[key]);
  else turnPage(PAGES[key]);
}, true);
addEventListener("click", ({ target }) => {
  const chip = target.closest(STEPS);
  const section = chip?.closest("main > section");
  if (section) walked.set(section, [...section.querySelectorAll(STEPS)].indexOf(chip));
});
addEventListener("hashchange", () => show(shown()));
addEventListener("resize", fit);
select.addEventListener("change", () => go(select.value));
for (const button of document.querySelectorAll("nav [data-step]")) {
  button.addEventListener("click", () => step(Number(button.dataset.step)));
}

const system = matchMedia("(prefers-color-scheme: dark)");
let chosen = null; // "light" or "dark", once somebody chose
const paint = () => {
  document.body.dataset.theme = chosen ?? (system.matches ? "dark" : "light");
  document.body.dataset.jpThemeLight = document.body.dataset.theme === "light";
};
system.addEventListener("change", paint);
theme.addEventListener("click", () => {
  chosen = document.body.dataset.theme === "dark" ? "light" : "dark";
  paint();
});
paint();
show(shown());
