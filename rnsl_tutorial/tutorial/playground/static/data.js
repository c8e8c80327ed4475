/**
 * Points and curves as files: a CSV of one's own in, and all that is seen out.
 */
/**
 * Points of a CSV text: x, y, label a line, with or without a heading. Further columns are ignored
 * where the heading names x, y and label; labels may be words. Stretched to fill the plane.
 */
export function readCsv(text) {
  const lines = text.trim().split(/\r?\n/).map((line) => line.split(/[,;\t]/).map((cell) => cell.trim()));
  const heading = lines[0].some((cell) => cell && !Number.isFinite(Number(cell))) && lines.length > 1
    && !Number.isFinite(Number(lines[0][0])) ? lines.shift().map((cell) => cell.toLowerCase()) : [];
  const find = (names, other) => Math.max(heading.findIndex((cell) => names.includes(cell)), -1) + 1 || other + 1;
  const [x, y] = [find(["x", "e0", "0", "embedding_0"], 0) - 1, find(["y", "e1", "1", "embedding_1"], 1) - 1];
  const label = find(["label", "class", "given"], 2) - 1;
  const names = [...new Set(lines.map((line) => line[label] ?? ""))].sort((a, b) => a - b || (a < b ? -1 : 1));
  const found = lines.map((line) => [Number(line[x]), Number(line[y]), names.indexOf(line[label] ?? "")]);
  const bad = found.findIndex((row) => !row.every(Number.isFinite));
  if (bad >= 0) throw new Error(`Line ${bad + 1 + (heading.length > 0)} is no "x, y, label": ${lines[bad].join(", ")}`);
  if (names.length < 2 || names.length > 26) throw new Error(`${names.length} classes were given; 2 to 26 can be drawn.`);
  return { points: stretched(found), classes: names.length, names };
}

/** Points moved and scaled into the plane, to a thousandth, so that the address holds them exactly. */
function stretched(points) {
  const ends = [0, 1].map((i) => points.reduce(([low, high], row) => [Math.min(low, row[i]), Math.max(high, row[i])], [Infinity, -Infinity]));
  const half = Math.max(...ends.map(([low, high]) => (high - low) / 2)) || 1;
  const fit = (value, [low, high]) => Math.round((1000 * (value - (low + high) / 2)) / half) / 1000;
  return points.map(([x, y, label]) => [fit(x, ends[0]), fit(y, ends[1]), label]);
}

export function download(name, text) {
  const link = el("a", { href: URL.createObjectURL(new Blob([text])), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** The points of a run as a CSV text, with their given and their true label. */
export function pointsCsv({ points, labels, truth }) {
  const lines = Array.from(labels, (label, i) => [points[2 * i], points[2 * i + 1], label, truth[i]].join(","));
  return `x,y,label,true_label\n${lines.join("\n")}\n`;
}

/** The curves of both runs as a CSV text. */
export function historyCsv(history) {
  const lines = ["a", "b"].flatMap((which) => history[which].map((row) => [which, ...row].join(",")));
  return `run,step,learned,memorized,kept,accuracy,loss\n${lines.join("\n")}\n`;
}
