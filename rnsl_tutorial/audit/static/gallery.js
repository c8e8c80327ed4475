/**
 * The page of doubtful labels: filters, and a decision for each image. Everything that is shown was
 * computed beforehand and stands in the page; decisions stay in this browser until they are saved as
 * a file, which `audit/decisions.py` reads.
 */
const data = JSON.parse(document.getElementById("data").textContent);
const CHUNK = 60;
const ANY = "";
const COLUMNS = ["digest", "file", "given", "decision", "label"];
const WORDS = ["keep", "relabel", "unsure", "discard"];

const element = (name, properties = {}, ...children) => {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
};
const byId = (id) => document.getElementById(id);
const button = (text, act, properties = {}) => {
  const made = element("button", { type: "button", textContent: text, ...properties });
  made.addEventListener("click", act);
  return made;
};
const [threshold, below, given, suggested, state, all] =
  ["threshold", "below", "given", "suggested", "state", "all"].map(byId);
const [view, chooser] = ["view", "chooser"].map(byId);
const { images, class_names: names } = data;
images.forEach((image, place) => Object.assign(image, { place }));
const ranked = images.slice(0, data.ranked);

/* Decisions: of an image of this page by its place, {decision, label}; others as they were read */

const decisions = new Map();
const others = new Map();
const inPage = new Set(data.earlier); // need not be remembered
const steps = [];

const KEEP = (image) => ({ decision: "keep", label: names[image.given] });
const RELABEL = (label) => (image) =>
  label === names[image.given] ? KEEP(image) : { decision: "relabel", label };
const CHOICES = {
  keep: KEEP,
  take: (image) => RELABEL(names[image.suggested])(image),
  unsure: () => ({ decision: "unsure", label: "" }),
  discard: () => ({ decision: "discard", label: "" }),
  clear: () => undefined,
};
const put = (map, name, value) => (value ? map.set(name, value) : map.delete(name));

/* Decide about some images in one step, which can be undone. */
function decide(some, choose, rest = []) {
  steps.push([
    ...some.map((image) => [decisions, image.place, decisions.get(image.place)]),
    ...rest.map(([name]) => [others, name, others.get(name)]),
  ]);
  for (const image of some) put(decisions, image.place, choose(image));
  for (const [name, row] of rest) put(others, name, row);
  remember(some);
}

function undo() {
  const step = steps.pop() ?? [];
  for (const [map, name, value] of step) put(map, name, value);
  const some = step.filter(([map]) => map === decisions).map(([, place]) => images[place]);
  remember(some);
  const one = document.querySelector(`main [data-place="${some[0]?.place}"]`);
  if (some.length === 1 && one && !view.open) goTo(one);
}

function remember(changed) {
  const kept = [...decisions].map(([place, said]) => [images[place].file, said]);
  const read = [...others].filter(([, row]) => !inPage.has(row));
  try {
    localStorage.setItem(data.key, JSON.stringify({ kept, others: read }));
  } catch {
    byId("said").textContent = "This browser does not remember decisions: save them before you close the page.";
  }
  changed.forEach(showDecision);
  count();
}

function begin() {
  sort(data.earlier, (image, said) => decisions.set(image.place, said), (name, row) => others.set(name, row));
  try {
    const { kept, others: rows } = JSON.parse(localStorage.getItem(data.key));
    const places = new Map(images.map((image) => [image.file, image.place]));
    const here = kept.filter(([file]) => places.has(file));
    for (const [name, row] of rows) others.set(name, row);
    decisions.clear();
    for (const [file, said] of here) decisions.set(places.get(file), said);
  } catch {
    // nothing was decided in this browser
  }
}

function count() {
  const number = ranked.filter((image) => decisions.has(image.place)).length;
  const total = decisions.size + others.size;
  byId("progress").max = ranked.length;
  byId("progress").value = number;
  byId("decided").textContent = `${number} of ${ranked.length} decided`;
  byId("undo").disabled = steps.length === 0;
  byId("download").disabled = total === 0;
  byId("download").textContent = `Save (${total})`;
}

/* The file of decisions */

/* As _files.py does: what begins a cell like a formula, whatever parts cells, is made text by an apostrophe. */
const guarded = (text) =>
  text.replace(/((?:^|[,;|\t\r\n])[" \t\r\n]*)(?=[=+\-@'＝＋－＠])/g, "$1'").replace(/^(?=[\t\r\n])/, "'");
const original = (cell) => cell.replace(/((?:^|[,;|\t\r\n])[" \t\r\n]*)'/g, "$1");
const quoted = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

function save() {
  const rows = [...decisions].map(([place, said]) => {
    const { digest, file, given: label } = images[place];
    return [digest, file, names[label], said.decision, said.label];
  });
  for (const row of others.values()) rows.push(COLUMNS.map((column) => row[column]));
  const text = [COLUMNS, ...rows].map((row) => row.map(guarded).map(quoted).join(",") + "\r\n").join("");
  const address = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  element("a", { href: address, download: "decisions.csv" }).click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}

/* Cells of a CSV, parted by whichever sign parts its heading. */
function cellsOf(text) {
  const [heading] = text.split(/\r?\n/, 1);
  const part = [...",;\t|"].sort((a, b) => heading.split(b).length - heading.split(a).length)[0];
  const rows = [[]];
  let cell = "";
  for (let at = 0; at < text.length; at++) {
    const sign = text[at];
    if (sign === '"' && cell === "") {
      for (at++; at < text.length && (text[at] !== '"' || text[at + 1] === '"'); at++) {
        cell += text[at];
        if (text[at] === '"') at++;
      }
    } else if (sign === part || sign === "\n" || sign === "\r") {
      rows.at(-1).push(cell);
      cell = "";
      if (sign !== part) rows.push([]);
    } else cell += sign;
  }
  rows.at(-1).push(cell);
  return rows.filter((row) => row.some(Boolean));
}

function rowsOf(text) {
  const [heading = [], ...rows] = cellsOf(text.replace(/^\ufeff/, ""));
  for (const column of ["file", "decision"])
    if (!heading.includes(column)) throw new Error(`it has no column "${column}"`);
  const cell = (row, column) => original(row[heading.indexOf(column)] ?? "");
  const found = rows.map((row) => Object.fromEntries(COLUMNS.map((column) => [column, cell(row, column)])));
  const told = found.filter((row) => row.decision);
  const odd = told.find((row) => !WORDS.includes(row.decision));
  if (told.some((row) => row.decision === "relabel" && !row.label)) throw new Error("a relabel has no label");
  if (odd) throw new Error(`"${odd.decision}" is no decision; these are: ${WORDS.join(", ")}`);
  return told;
}

/* Hand each row to the image that it means, or to nobody: by content, then by name. */
function sort(rows, toImage, toNobody) {
  const [contents, files] = ["digest", "file"].map((name) => Map.groupBy(images, (image) => image[name]));
  for (const row of rows) {
    const known = row.digest !== "" && images[0]?.digest;
    const fits = (known ? contents.get(row.digest) : files.get(row.file)) ?? [];
    const image = fits.length === 1 ? fits[0] : fits.find((one) => one.file === row.file);
    const label = row.label || row.given || (image ? names[image.given] : "");
    const isClass = row.decision === "keep" || row.decision === "relabel";
    if (image) toImage(image, isClass ? RELABEL(label)(image) : { decision: row.decision, label: "" });
    else toNobody(`${row.digest} ${row.file}`, row);
  }
}

async function load() {
  const [file] = byId("file").files;
  byId("file").value = ""; // so that the same file can be chosen again
  try {
    const rows = rowsOf(await file.text());
    const said = new Map();
    const rest = [];
    sort(rows, (image, what) => said.set(image, what), (...row) => rest.push(row));
    decide([...said.keys()], (image) => said.get(image), rest);
    show();
    byId("said").textContent =
      `${rows.length} decisions were loaded, ${said.size} of them about images in this page.`;
  } catch (error) {
    byId("said").textContent = `${file.name} holds no decisions: ${error.message}.`;
  }
}

/* Cards, made as they come into sight */

let waiting = [];
let current = null;

const source = (jpeg) => `data:image/jpeg;base64,${jpeg}`;
const labels = (image) =>
  image.given === image.suggested
    ? `${names[image.given]}, no other class suggested`
    : `${names[image.given]} → ${names[image.suggested]}`;

function card(image) {
  const made = element(
    "figure",
    { className: "card", tabIndex: 0 },
    button("", () => open(image), { className: "picture", tabIndex: -1 }),
    element("span", { className: "labels", textContent: labels(image) }),
    element("span", { textContent: `doubt ${image.doubt}` }),
    element("span", { className: "file", textContent: image.file }),
    choices(image),
  );
  made.dataset.place = image.place;
  made.setAttribute("aria-label", `${image.file}: ${labels(image)}`);
  const picture = element("img", { alt: "", src: source(image.picture) });
  made.querySelector(".picture").append(picture);
  made.querySelector(".picture").setAttribute("aria-label", `${image.file} at full size`);
  made.addEventListener("focusin", () => setCurrent(made));
  showOn(made, image);
  return made;
}

function choices(image) {
  const one = (name, text) => {
    const made = button(text, () => choose(image, name), { className: "choice" });
    made.dataset.choice = name;
    return made;
  };
  const made = element("div", { className: "choices" });
  made.append(one("keep", "Keep"), one("take", "Take"), one("unsure", "Unsure"), one("discard", "Discard"), one("choose", "Another class"));
  made.querySelector('[data-choice="keep"]').title = `keep ${names[image.given]}`;
  const take = made.querySelector('[data-choice="take"]');
  take.title = `take ${names[image.suggested]}`;
  take.disabled = image.suggested === image.given;
  return made;
}

/* Decide as a button says; the same once more takes the decision back. */
function choose(image, name) {
  if (name === "choose") return askClass((label) => decide([image], RELABEL(label)));
  const again = chosen(image) === name && name !== "clear";
  decide([image], again ? CHOICES.clear : CHOICES[name]);
}

function chosen(image) {
  const said = decisions.get(image.place);
  if (said?.decision !== "relabel") return said?.decision ?? "";
  return said.label === names[image.suggested] ? "take" : "choose";
}

function showDecision(image) {
  for (const made of document.querySelectorAll(`[data-place="${image.place}"]`)) showOn(made, image);
}

function showOn(made, image) {
  const said = decisions.get(image.place);
  made.dataset.decision = said?.decision ?? "";
  for (const one of made.querySelectorAll(".choice")) {
    const pressed = one.dataset.choice === chosen(image);
    one.setAttribute("aria-pressed", String(pressed));
    if (one.dataset.choice === "choose") one.textContent = pressed ? said.label : "Another class";
  }
}

const sight = new IntersectionObserver(
  (entries) => entries.some((entry) => entry.isIntersecting) && showMore(),
  { rootMargin: "600px" },
);

function showMore() {
  byId("cards").append(...waiting.splice(0, CHUNK).map(card));
  const more = byId("more");
  more.hidden = waiting.length === 0;
  sight.unobserve(more);
  if (waiting.length) sight.observe(more); // reports anew, even if it is still in sight
}

function showPairs() {
  byId("pairs").hidden = data.duplicates.length === 0;
  byId("pairs-count").textContent = data.duplicates.length;
  const pairs = data.duplicates.map((pair) =>
    element("div", { className: "pair-of" }, ...pair.map((place) => card(images[place]))),
  );
  byId("duplicates").append(...pairs);
}

/* What is chosen */

const fits = (select, label) => select.value === ANY || Number(select.value) === label;
const inState = (image) => {
  const said = decisions.get(image.place)?.decision;
  return { any: true, undecided: !said, decided: Boolean(said) }[state.value] ?? said === state.value;
};
let shown = [];

function show() {
  const at = Number(threshold.value);
  const end = Number(below.value) > at ? Number(below.value) : Number(below.max);
  for (const [slider, place] of [[threshold, at], [below, end]]) {
    const text = slider === below && place === Number(below.max) ? "no limit" : data.thresholds[place];
    byId(`${slider.id}-text`).textContent = text;
    slider.setAttribute("aria-valuetext", text);
  }
  const first = end === Number(below.max) ? 0 : data.flagged[end];
  const within = ranked.slice(first, data.flagged[at]);
  shown = within.filter((one) => fits(given, one.given) && fits(suggested, one.suggested) && inState(one));
  waiting = [...shown];
  byId("readout").textContent = data.readouts[at];
  byId("shown").textContent = `${shown.length} of the ${within.length} in this page fit the filters.`;
  all.options[0].textContent = `all ${shown.length} ...`;
  byId("cards").replaceChildren();
  for (const cell of document.querySelectorAll(".pair")) {
    const isChosen = cell.dataset.given === given.value && cell.dataset.suggested === suggested.value;
    cell.setAttribute("aria-selected", String(isChosen));
  }
  current = null;
  showMore();
}

function fill(select) {
  select.append(element("option", { value: ANY, textContent: "any class" }));
  names.forEach((name, label) => {
    select.append(element("option", { value: String(label), textContent: name }));
  });
}

function choosePair(cell) {
  const again = cell.getAttribute("aria-selected") === "true";
  given.value = again ? ANY : cell.dataset.given;
  suggested.value = again ? ANY : cell.dataset.suggested;
  show();
}

function decideAll() {
  const name = all.value;
  all.value = "";
  const some = [...shown];
  const done = (choice) => {
    decide(some, choice);
    byId("said").textContent = `Decided about ${some.length} images in one step, which Undo takes back.`;
  };
  if (name === "choose") askClass((label) => done(RELABEL(label)));
  else if (name) done(CHOICES[name]);
}

/* Another class, by typing what its name holds */

let answer = () => {};

function askClass(then) {
  answer = then;
  byId("class-name").value = "";
  filterClasses();
  chooser.returnValue = "";
  chooser.showModal();
  byId("class-name").focus();
}

const folded = (text) => text.toLocaleLowerCase();

function filterClasses() {
  const typed = folded(byId("class-name").value);
  for (const one of byId("choices").children) one.hidden = !folded(one.value).includes(typed);
}

function closeChooser() {
  if (chooser.returnValue) answer(names[Number(chooser.returnValue) - 1]);
  answer = () => {};
}

/* An image at full size, with images of its given and of its suggested class */

function open(image) {
  if (!current || imageOf(current) !== image) setCurrent(document.querySelector(`.card[data-place="${image.place}"]`));
  const samples = (label) => {
    const pictures = data.samples[label].map((jpeg) => element("img", { alt: "", src: source(jpeg) }));
    const said = pictures.length ? `${names[label]}, doubted least` : `${names[label]}: all are doubted`;
    return element("figure", {}, element("figcaption", { textContent: said }), ...pictures);
  };
  const both = [...new Set([image.given, image.suggested])];
  view.replaceChildren(
    element("img", { className: "full", alt: image.file, src: source(image.picture) }),
    element("p", { className: "labels", textContent: labels(image) }),
    element("p", { className: "file", textContent: `${image.file}, doubt ${image.doubt}` }),
    choices(image),
    element("div", { className: "samples" }, ...both.map(samples)),
    element(
      "p",
      { className: "row" },
      button("←", () => step(-1), { title: "the image before" }),
      button("→", () => step(1), { title: "the next image" }),
      button("Close", () => view.close()),
    ),
  );
  view.dataset.place = image.place;
  showOn(view, image);
  if (!view.open) view.showModal();
}

/* Moving among the cards */

const cards = () => [...document.querySelectorAll(".card")].filter((one) => one.checkVisibility());

function setCurrent(made) {
  current?.removeAttribute("aria-current");
  current = made;
  current.setAttribute("aria-current", "true");
}

function goTo(made) {
  setCurrent(made);
  if (view.open) open(imageOf(made));
  made.focus({ preventScroll: view.open });
  made.scrollIntoView({ block: "nearest" });
}

const imageOf = (made) => images[Number(made.dataset.place)];

function step(by) {
  const found = cards();
  const at = found.indexOf(current);
  if (at + by >= found.length && waiting.length) {
    showMore();
    return step(by);
  }
  const next = found[Math.max(0, Math.min(at + by, found.length - 1))];
  if (next) goTo(next);
}

/* A key is about a card that is seen, also after the page was scrolled. */
function isInSight(made) {
  const { top = Infinity, bottom = 0 } = made?.getBoundingClientRect() ?? {};
  return bottom > innerHeight / 4 && top < (3 * innerHeight) / 4;
}

/* How many cards stand in a row */
function across() {
  const top = current?.parentElement.firstElementChild.offsetTop;
  const row = [...(current?.parentElement.children ?? [])];
  return Math.max(1, row.filter((one) => one.offsetTop === top).length);
}

const KEYS = { k: "keep", s: "take", c: "choose", u: "unsure", d: "discard", x: "clear" };
const MOVES = { ArrowRight: () => 1, ArrowLeft: () => -1, ArrowDown: across, ArrowUp: () => -across() };

function pressed(event) {
  const { key, target } = event;
  if (event.altKey || chooser.open || byId("help").open) return;
  const withControl = event.ctrlKey || event.metaKey;
  const inField = target.closest("select, input, summary");
  if (key.toLowerCase() === "z" && (withControl || !inField)) return act(event, undo);
  if (withControl || inField) return;
  if (key === "?") return act(event, () => byId("help").showModal());
  const name = KEYS[key.toLowerCase()];
  const at = view.open || isInSight(current) ? current : cards().find(isInSight);
  if (name && at) return act(event, () => byKey(at, name));
  if (MOVES[key] && at && !target.closest(".scrolled:focus"))
    return act(event, () => (at === current ? step(MOVES[key]()) : goTo(at)));
  if (key === "Enter" && target.matches(".card")) act(event, () => open(imageOf(target)));
}

function act(event, done) {
  event.preventDefault();
  done();
}

/* A decision by key goes on to the next image. */
function byKey(made, name) {
  const image = imageOf(made);
  setCurrent(made);
  if (name === "take" && image.suggested === image.given) return;
  if (name === "choose") {
    return askClass((label) => {
      decide([image], RELABEL(label));
      step(1);
    });
  }
  decide([image], CHOICES[name]);
  if (name !== "clear") step(1);
}

/* The heat map: a row for each class, a column for each given label */

function heatMap() {
  const head = names.map((name) => {
    const text = element("span", { textContent: name });
    return element("th", { scope: "col" }, text);
  });
  const rows = names.map((name, row) => {
    const cells = names.map((_, column) => cell(row, column));
    return element("tr", {}, element("th", { scope: "row", textContent: name }), ...cells);
  });
  const shares = data.class_noise.map((text) => element("td", { textContent: text }));
  const last = element("th", { scope: "row", textContent: "wrong, %" });
  return element(
    "table",
    { className: "heat" },
    element("thead", {}, element("tr", {}, element("td"), ...head)),
    element("tbody", {}, ...rows),
    element("tfoot", {}, element("tr", {}, last, ...shares)),
  );
}

function cell(row, column) {
  const [text, shade] = data.transition[row][column];
  const said = `Of ${names[row]}, ${text} carry the label ${names[column]}`;
  const made = element("td", { title: said, className: row === column ? "same" : "pair" });
  made.style.setProperty("--shade", shade);
  made.dataset.given = column;
  made.dataset.suggested = row;
  return made;
}

for (const select of [given, suggested]) fill(select);
for (const slider of [threshold, below]) slider.max = data.thresholds.length - 1;
threshold.value = data.start;
below.value = below.max;
begin();
for (const slider of [threshold, below]) slider.addEventListener("input", show);
for (const select of [given, suggested, state]) select.addEventListener("change", show);
all.addEventListener("change", decideAll);
byId("undo").addEventListener("click", undo);
byId("download").addEventListener("click", save);
byId("load").addEventListener("click", () => byId("file").click());
byId("file").addEventListener("change", load);
byId("keys").addEventListener("click", () => byId("help").showModal());
byId("choices").append(
  ...names.map((name, label) => button(name, () => chooser.close(String(label + 1)), { value: name })),
);
byId("class-name").addEventListener("input", filterClasses);
byId("class-name").addEventListener("keydown", (event) => {
  const typed = folded(event.target.value);
  const left = [...byId("choices").children].filter((one) => !one.hidden);
  const first = left.find((one) => folded(one.value).startsWith(typed)) ?? left[0];
  if (event.key === "Enter") act(event, () => first?.click());
});
chooser.addEventListener("close", closeChooser);
view.addEventListener("close", () => current?.focus());
document.addEventListener("keydown", pressed);
byId("heat").append(heatMap());
byId("heat").addEventListener("click", (event) => {
  const isPair = event.target.closest(".pair");
  if (isPair) choosePair(isPair);
});
byId("more").addEventListener("click", showMore);
showPairs();
count();
show();
