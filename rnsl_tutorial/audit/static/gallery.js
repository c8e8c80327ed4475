/**
 * The gallery of doubtful labels: a threshold, filters, decisions. Everything that is shown was
 * computed beforehand and stands in the page; decisions stay in this browser until downloaded.
 */
const data = JSON.parse(document.getElementById("data").textContent);
const CHUNK = 60;
const ANY = "";

const element = (name, properties = {}, ...children) => {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
};
const byId = (id) => document.getElementById(id);
const threshold = byId("threshold");
const given = byId("given");
const suggested = byId("suggested");

/* Decisions */

const decisions = new Map(Object.entries(stored()));

function stored() {
  try {
    return JSON.parse(localStorage.getItem(data.key)) ?? {};
  } catch {
    return {}; // a browser may refuse storage to local files
  }
}

function decide(image, decision, card) {
  if (decision) decisions.set(image.file, decision);
  else decisions.delete(image.file);
  try {
    localStorage.setItem(data.key, JSON.stringify(Object.fromEntries(decisions)));
  } catch {
    // the decisions can still be downloaded
  }
  showDecision(image, card);
}

function showDecision(image, card) {
  const decision = decisions.get(image.file) ?? "";
  card.dataset.decision = decision;
  for (const box of card.querySelectorAll("input")) box.checked = box.value === decision;
  countDecisions();
}

function decided() {
  return data.images.filter((image) => decisions.has(image.file));
}

function countDecisions() {
  const count = decided().length;
  byId("download").disabled = count === 0;
  byId("download").textContent = `Download decisions (${count})`;
}

/* As _files.py does: what begins a cell like a formula, whatever parts cells, is made text by an apostrophe. */
const guarded = (text) =>
  text.replace(/((?:^|[,;|\t\r\n])[" \t\r\n]*)(?=[=+\-@'＝＋－＠])/g, "$1'").replace(/^(?=[\t\r\n])/, "'");
const quoted = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

function downloadDecisions() {
  const names = data.class_names;
  const rows = decided().map((image) => [
    image.file,
    names[image.given],
    names[image.suggested],
    decisions.get(image.file),
  ]);
  const lines = [["file", "given", "suggested", "decision"], ...rows];
  const text = lines.map((row) => row.map(guarded).map(quoted).join(",") + "\r\n").join("");
  const address = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  element("a", { href: address, download: "decisions.csv" }).click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}

/* Cards, made as they come into sight */

let waiting = [];

function card(image) {
  const box = (decision) => {
    const input = element("input", { type: "checkbox", value: decision });
    input.setAttribute("aria-label", `${image.file}: the label is ${decision}`);
    input.addEventListener("change", () => decide(image, input.checked ? decision : "", made));
    return element("label", {}, input, decision);
  };
  const made = element(
    "figure",
    { className: "card" },
    element("img", { alt: "", src: `data:image/jpeg;base64,${image.thumbnail}` }),
    element("span", { className: "labels", textContent: labels(image) }),
    element("span", { textContent: `doubt ${image.doubt}` }),
    element("span", { className: "file", textContent: image.file }),
    element("div", { className: "decision" }, box("wrong"), box("right")),
  );
  showDecision(image, made);
  return made;
}

function labels(image) {
  const names = data.class_names;
  return `${names[image.given]} → ${names[image.suggested]}`;
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

/* What is chosen */

const fits = (select, label) => select.value === ANY || Number(select.value) === label;

function show() {
  const at = Number(threshold.value);
  byId("threshold-text").textContent = data.thresholds[at];
  threshold.setAttribute("aria-valuetext", data.thresholds[at]);
  const above = data.images.slice(0, data.flagged[at]);
  waiting = above.filter((image) => fits(given, image.given) && fits(suggested, image.suggested));
  byId("readout").textContent = data.readouts[at];
  byId("shown").textContent = `${waiting.length} of the ${above.length} in this page fit the filters.`;
  byId("cards").replaceChildren();
  for (const cell of document.querySelectorAll(".pair")) {
    const chosen = cell.dataset.given === given.value && cell.dataset.suggested === suggested.value;
    cell.setAttribute("aria-selected", String(chosen));
  }
  showMore();
}

function fill(select) {
  select.append(element("option", { value: ANY, textContent: "any class" }));
  data.class_names.forEach((name, label) => {
    select.append(element("option", { value: String(label), textContent: name }));
  });
  select.addEventListener("change", show);
}

function choosePair(cell) {
  const again = cell.getAttribute("aria-selected") === "true";
  given.value = again ? ANY : cell.dataset.given;
  suggested.value = again ? ANY : cell.dataset.suggested;
  show();
}

/* The heat map: a row for each class, a column for each given label */

function heatMap() {
  const names = data.class_names;
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
  const said = `Of ${data.class_names[row]}, ${text} carry the label ${data.class_names[column]}`;
  const made = element("td", { title: said, className: row === column ? "same" : "pair" });
  made.style.setProperty("--shade", shade);
  made.dataset.given = column;
  made.dataset.suggested = row;
  return made;
}

fill(given);
fill(suggested);
threshold.max = data.thresholds.length - 1;
threshold.value = data.start;
threshold.addEventListener("input", show);
byId("download").addEventListener("click", downloadDecisions);
byId("heat").append(heatMap());
byId("heat").addEventListener("click", (event) => {
  const chosen = event.target.closest(".pair");
  if (chosen) choosePair(chosen);
});
byId("more").addEventListener("click", showMore);
countDecisions();
show();
