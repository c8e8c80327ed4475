/**
 * Two runs on the same points from the same start, each in a worker that is made of the engine's own text.
 *
 * All that happens, happens in one order: both runs advance to the same step, then a change is made, then
 * they advance again. So the address (settings, changes with their steps, the step reached) repeats a run
 * bit for bit.
 */
import { engine } from "./engine.js";
import { REACH } from "./view.js";

export const LOSSES = { nsl: "NSL", rnsl: "RNSL", trnsl: "t-RNSL" };
export const CELLS = 56; // of the map, a side
export const lab = engine();
/** What an address that says nothing means, beside the engine's own defaults. */
export const START = { "a.loss": "nsl", "b.loss": "rnsl", own: [], flips: [] };

// ---------------------------------------------------------------- the address

/** A row of points or flips: numbers by commas, rows by "_". */
const rows = {
  write: (list) => list.map((row) => row.join(",")).join("_"),
  read: (text) => (text ? text.split("_").map((row) => row.split(",").map(Number)) : []),
};

function written(name, value) {
  return ["own", "flips"].includes(name.split(".").at(-1)) ? rows.write(value) : String(value);
}

function readValue(name, text) {
  const key = name.split(".").at(-1);
  if (key === "own" || key === "flips") return rows.read(text);
  return ["shape", "noise", "loss"].includes(key) ? text : Number(text);
}

/** @returns {string} what an address says after its "#": settings, changes by step, the step reached */
export function toHash({ settings, changes, step }) {
  const parts = Object.entries(settings).filter(([name, value]) => {
    const usual = START[name] ?? lab.DEFAULTS[name.split(".").at(-1)] ?? "";
    return written(name, value) !== written(name, usual);
  });
  const told = parts.map(([name, value]) => `${name}=${written(name, value)}`);
  const then = changes.map(([at, name, value]) => `${at}:${name}:${written(name, value)}`);
  return [...told, ...(then.length ? [`then=${then.join(";")}`] : []), `at=${step}`].join("&");
}

/** The reverse of `toHash`; what is none of ours, or no number, is left out. */
export function fromHash(hash) {
  const read = { settings: { ...START }, changes: [], step: null };
  for (const part of decodeURIComponent(hash.replace(/^#/, "")).split("&")) {
    const [, name, text] = part.match(/^([\w.]+)=(.*)$/) ?? [];
    if (name === "at") read.step = Math.max(0, Math.round(Number(text)) || 0);
    else if (name === "then") {
      const listed = text.split(";").map((one) => one.match(/^(\d+):([\w.]+):(.*)$/)).filter(Boolean);
      read.changes = listed.map(([, at, key, value]) => [Number(at), key, readValue(key, value)]);
    } else if (name && isKnown(name, readValue(name, text))) read.settings[name] = readValue(name, text);
  }
  return read;
}

/** Whether a setting exists and has such values; how large they are is the learner's business. */
function isKnown(name, value) {
  const key = name.split(".").at(-1);
  const choices = { ...lab.choices, loss: Object.keys(LOSSES) }[key];
  if (choices) return choices.includes(value);
  if (key === "own" || key === "flips") return value.flat().every(Number.isFinite);
  const least = { n: 1, classes: 2, hidden: 1, every: 1, T: 1e-6 }[key] ?? 0;
  return key in lab.DEFAULTS && Number.isFinite(value) && value >= least;
}

/** The settings of a preset, as the address names them. */
export function flat({ shared, a, b }) {
  const named = (which, own) => Object.entries(own).map(([name, value]) => [`${which}.${name}`, value]);
  return { ...shared, ...Object.fromEntries([...named("a", a), ...named("b", b)]) };
}

/** The settings of one run: what is shared, and what is its own. */
export function settingsOf(settings, which) {
  const own = Object.entries(settings).map(([name, value]) => {
    if (!name.includes(".")) return [name, value];
    return name.startsWith(`${which}.`) ? [name.slice(2), value] : null;
  });
  return { ...lab.DEFAULTS, ...Object.fromEntries(own.filter(Boolean)) };
}

// ---------------------------------------------------------------- runs

/** A run in a worker; where a page may have none, on the page itself. */
class Runner {
  #waiting = new Map();
  #id = 0;

  constructor() {
    const text = `const lab = (${engine})(), answer = lab.server();
      onmessage = ({ data }) => postMessage(answer(data));`;
    try {
      this.address = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
      this.worker = new Worker(this.address);
      this.worker.onmessage = ({ data }) => this.#take(data);
      this.worker.onerror = (event) => (event.preventDefault(), this.#alone());
    } catch {
      this.#alone();
    }
  }

  ask(message) {
    const asked = { ...message, id: ++this.#id };
    return new Promise((done) => {
      this.#waiting.set(asked.id, [asked, done]);
      if (this.worker) this.worker.postMessage(asked);
      else setTimeout(() => this.#take(this.answer(asked)));
    });
  }

  end() {
    this.worker?.terminate();
    if (this.address) URL.revokeObjectURL(this.address);
  }

  #take(answer) {
    const [, done] = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    done(answer);
  }

  /** No worker: answer what was asked so far, and from now on, here. */
  #alone() {
    this.worker = null;
    this.answer = engine().server();
    for (const [asked] of [...this.#waiting.values()]) setTimeout(() => this.#take(this.answer(asked)));
  }
}

/**
 * Both runs, and the order in which things happen to them.
 *
 * `settings` are those at the start, `changes` [step, name, value] what was changed since.
 */
export class Lab {
  #turn = Promise.resolve(); // when the next thing may be asked for
  #arrived = null; // when the answers to the last steps are here
  #goal = 0; // the step that was asked for last

  constructor() {
    this.runs = { a: new Runner(), b: new Runner() };
    this.now = {};
    this.history = { a: [], b: [] };
    this.step = 0;
  }

  /** One thing after the other, and after the answers to all steps. */
  #queue(task) {
    this.#turn = this.#turn.then(() => this.#arrived).then(task);
    return this.#turn;
  }

  async #both(message) {
    const names = Object.keys(this.runs);
    const asked = names.map((which) => this.runs[which].ask(message(which)));
    (await Promise.all(asked)).forEach((answer, i) => {
      const before = this.now[names[i]];
      const { points = before?.points, truth = before?.truth } = answer;
      this.now[names[i]] = { ...answer, points, truth, map: answer.map ?? before?.map };
      this.history[names[i]].push(...answer.history);
    });
    this.step = this.now.a.step;
  }

  /** The settings as they stand now. */
  current(which) {
    const settings = { ...this.settings };
    for (const [, name, value] of this.changes) settings[name] = value;
    return which ? settingsOf(settings, which) : settings;
  }

  /** Start anew, make the changes at their steps, and go on to a step. */
  begin({ settings, changes = [], step = 0 }) {
    return this.#queue(async () => {
      [this.settings, this.changes, this.history, this.#goal] = [{ ...settings }, [], { a: [], b: [] }, 0];
      await this.#both((which) => ({ ask: "begin", settings: this.current(which), ...PICTURE }));
      for (const [at, name, value] of changes) {
        await this.#advance(at);
        await this.#change(name, value);
      }
      await this.#advance(step ?? 0);
      await this.#both(() => ({ ask: "look", ...PICTURE }));
    });
  }

  async #advance(until) {
    if (until > this.step) await this.#both(() => ({ ask: "advance", until }));
  }

  async #change(name, value) {
    const last = this.changes.at(-1);
    if (last?.[0] === this.step && last[1] === name) this.changes.pop();
    if (this.step) this.changes.push([this.step, name, value]);
    else this.settings[name] = value;
    await this.#both((which) => {
      const key = name.split(".").at(-1);
      const concerns = !name.includes(".") || name.startsWith(`${which}.`);
      return { ask: "change", settings: concerns ? { [key]: value } : {}, ...PICTURE };
    });
  }

  /** Steps may be asked for before the answers to others are here: so the workers need not wait. */
  advance(by, more) {
    const sent = this.#turn.then(() => {
      this.#goal = Math.max(this.#goal, this.step) + by;
      this.#arrived = this.#both(() => ({ ask: "advance", until: this.#goal, ...more }));
      return [this.#arrived];
    });
    this.#turn = sent;
    return sent.then(([arrived]) => arrived);
  }

  change(name, value) {
    return this.#queue(() => this.#change(name, value));
  }

  look(more) {
    return this.#queue(() => this.#both(() => ({ ask: "look", ...more })));
  }

  end() {
    for (const run of Object.values(this.runs)) run.end();
  }
}

export const PICTURE = { cells: CELLS, reach: REACH, points: true };
