/**
 * What the playground draws: the plane, the sphere and the curves, each on a canvas.
 *
 * A mark is filled with the colour of its given label. A wrong label has a ring in the colour of the
 * true one, and fills up as it is learned by heart. What t-RNSL leaves out is grey.
 *
 * @typedef {{ classes: string[], tint: number, ink: string, quiet: string, paper: string, line: string,
 *   grey: string, ball: string[], losses: Record<string, string> }} Paint colours on this ground
 */
export const PAINTS = {
  light: {
    classes: ["#5b3fd6", "#a86b00", "#0b8577", "#d12d63", "#1272b8", "#57801a", "#c2470f", "#6f6285"],
    tint: 0.3, ink: "#1f2328", quiet: "#59636e", paper: "#ffffff", line: "#d1d9e0", grey: "#868e96",
    ball: ["#ffffff", "#eef1f5", "#d3d9e2"],
    losses: { nsl: "#c05200", rnsl: "#0072b2", trnsl: "#00805d" },
  },
  dark: {
    classes: ["#9b85ff", "#ffb938", "#2bd9c5", "#ff6f9c", "#55b5ff", "#a6dc46", "#ff8a57", "#c9bcd9"],
    tint: 0.34, ink: "#f0f6fc", quiet: "#9da7b1", paper: "#0d1117", line: "#3d444d", grey: "#7d8590",
    ball: ["#2a3240", "#171d27", "#0a0e14"],
    losses: { nsl: "#ff9d5c", rnsl: "#58b4ff", trnsl: "#2fd69b" },
  },
};
export const REACH = 1.12; // the plane is drawn from -REACH to REACH
const SMALLER = [[40, 60], [150, 80], [350, 100], [700, 130]]; // up to so many marks, so many to a plane's width
const TURN = 2 * Math.PI;
const GLIDE = 0.2; // share of the way to go that a mark goes in a frame
const TAIL = 0.22; // the same of the tails that moving embeddings draw behind them

function rgb(color) {
  return [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16));
}

/** Give a canvas the pixels of the screen; returns its drawing context in CSS pixels, and its size. */
function fitted(canvas) {
  const [width, height, ratio] = [canvas.clientWidth, canvas.clientHeight, window.devicePixelRatio];
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== h) Object.assign(canvas, { width: w, height: h });
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, width, height };
}

/** Circles of one kind in one path: a fill for each of 500 marks would take the whole frame. */
function circles(context, marks, radius) {
  context.beginPath();
  for (const [x, y, r = radius] of marks) {
    context.moveTo(x + r, y);
    context.arc(x, y, r, 0, TURN);
  }
}

/** How full each wrong label is: 0 to 1, gliding to whether it is learned by heart. */
function glide(view, now, calm) {
  const n = now.labels.length;
  if (view.full?.length !== n) view.full = new Float32Array(n);
  let moving = false;
  for (let i = 0; i < n; i++) {
    const goal = now.nearest[i] === now.labels[i] ? 1 : 0;
    const gap = goal - view.full[i];
    view.full[i] = calm || Math.abs(gap) < 0.02 ? goal : view.full[i] + GLIDE * gap;
    moving ||= view.full[i] !== goal;
  }
  return moving;
}

/**
 * Marks as small pictures, each painted once: to stamp one takes a tenth of the time of a circle.
 *
 * A mark is given by the colour of its label, by that of its ring if the label is wrong, and by how full
 * it is; colours are numbered as in the paint, after them grey, after it none.
 */
class Stamps {
  #pictures = [];
  #like = "";

  /** Stamp the mark of point i on a place, to the pixel, so that none has to be mixed. */
  stamp(context, i, now, full, x, y) {
    const [{ reach }, ratio] = [this, window.devicePixelRatio];
    const [left, top] = [Math.round((x - reach) * ratio) / ratio, Math.round((y - reach) * ratio) / ratio];
    context.drawImage(this.#of(i, now, full), left, top, 2 * reach, 2 * reach);
  }

  #of(i, { labels, truth, kept }, full) {
    const isWrong = labels[i] !== truth[i];
    const color = kept[i] ? labels[i] % 8 : GREY;
    const rim = isWrong ? (kept[i] ? truth[i] % 8 : GREY) : NONE;
    const level = isWrong ? Math.round(LEVELS * full[i]) : LEVELS;
    const place = (color * (NONE + 1) + rim) * (LEVELS + 1) + level;
    return (this.#pictures[place] ??= this.#paint(color, rim, level / LEVELS));
  }

  /** Marks of this radius in px, on this ground and screen. */
  as(radius, paint) {
    const like = `${radius} ${paint.paper} ${window.devicePixelRatio}`;
    if (like !== this.#like) Object.assign(this, { radius, paint, reach: Math.ceil(radius + 3.5) }).#pictures = [];
    this.#like = like;
    return this;
  }

  #paint(color, rim, full) {
    const { radius, reach, paint } = this;
    const ratio = window.devicePixelRatio;
    const canvas = new OffscreenCanvas(Math.ceil(2 * reach * ratio), Math.ceil(2 * reach * ratio));
    const context = canvas.getContext("2d");
    context.scale(ratio, ratio);
    const colors = [...paint.classes, paint.grey];
    const r = rim === NONE ? radius : radius * (0.38 + 0.62 * full);
    const disc = (color, r) => {
      circles(context, [[reach, reach]], r);
      context.fillStyle = color;
      context.fill();
    };
    disc(paint.paper, r + 1);
    if (rim !== NONE) {
      circles(context, [[reach, reach]], radius + 1.9);
      context.lineWidth = 1.7;
      context.strokeStyle = colors[rim];
      context.stroke();
    }
    disc(colors[color], r);
    return canvas.transferToImageBitmap();
  }
}
const [GREY, NONE, LEVELS] = [8, 9, 8]; // places of colours; steps from empty to full

function ring(context, [x, y], paint) {
  circles(context, [[x, y, 9]]);
  context.lineWidth = 2;
  context.strokeStyle = paint.ink;
  context.stroke();
}

// ---------------------------------------------------------------- the plane

export class Plane {
  #small = new OffscreenCanvas(1, 1);
  #map = null;
  #stamps = new Stamps();

  constructor(canvas) {
    this.canvas = canvas;
  }

  /** Take a new map: p of each class, of cells from the upper left. */
  take(map, cells, classes, paint) {
    const image = new ImageData(cells, cells);
    const colors = paint.classes.map(rgb);
    const paper = rgb(paint.paper);
    for (let i = 0; i < cells * cells; i++) {
      for (let j = 0; j < 3; j++) {
        let mixed = 0;
        for (let c = 0; c < classes; c++) mixed += map[i * classes + c] * colors[c % 8][j];
        image.data[4 * i + j] = paper[j] + paint.tint * (mixed - paper[j]);
      }
      image.data[4 * i + 3] = 255;
    }
    Object.assign(this.#small, { width: cells, height: cells });
    this.#small.getContext("2d").putImageData(image, 0, 0);
    this.#map = true;
  }

  /** Draw; returns whether something still moves. */
  draw(now, paint, { calm, ghosts, marked }) {
    const { context, width, height } = fitted(this.canvas);
    context.imageSmoothingQuality = "high";
    if (this.#map) context.drawImage(this.#small, 0, 0, width, height);
    const moving = glide(this, now, calm);
    const radius = Math.max(1.7, width / (SMALLER.find(([most]) => now.labels.length <= most) ?? [0, 170])[1]);
    const place = (x, y) => [(width * (x / REACH + 1)) / 2, (height * (1 - y / REACH)) / 2];
    const marks = this.#stamps.as(radius, paint);
    for (let i = 0; i < now.labels.length; i++) {
      const [x, y] = place(now.points[2 * i], now.points[2 * i + 1]);
      marks.stamp(context, i, now, this.full, x, y);
    }
    circles(context, ghosts.map(([x, y]) => place(x, y)), radius);
    context.fillStyle = paint.ink;
    context.fill();
    if (marked) ring(context, place(...marked), paint);
    return moving;
  }

  /** Where on the plane a pointer is. */
  under(event) {
    const box = this.canvas.getBoundingClientRect();
    const share = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    return [REACH * (2 * share[0] - 1), REACH * (1 - 2 * share[1])];
  }
}

// ---------------------------------------------------------------- the sphere

/** Rows: right, up, towards the eye. */
function rotation(azimuth, elevation) {
  const [ca, sa, ce, se] = [Math.cos(azimuth), Math.sin(azimuth), Math.cos(elevation), Math.sin(elevation)];
  return [-sa, ca, 0, -se * ca, -se * sa, ce, ce * ca, ce * sa, se];
}

/** Meridians and parallels of a unit sphere, every 30 degrees, each a list of points. */
const AROUND = Array.from({ length: 49 }, (_, i) => (TURN * i) / 48);
const at = (u, v) => [Math.cos(u) * Math.cos(v), Math.sin(u) * Math.cos(v), Math.sin(v)];
const MERIDIANS = Array.from({ length: 6 }, (_, i) => AROUND.map((v) => at((TURN * i) / 12, v)));
const PARALLELS = Array.from({ length: 5 }, (_, i) => AROUND.map((u) => at(u, (TURN * (i - 2)) / 12)));

/** What of some lines lies on the side of the eye. */
function lines(context, all, place, paint) {
  context.beginPath();
  for (const line of all) {
    let pen = false;
    for (const point of line) {
      const [x, y, z] = place(point);
      if (z > 0 && pen) context.lineTo(x, y);
      else if (z > 0) context.moveTo(x, y);
      pen = z > 0;
    }
  }
  context.lineWidth = 1;
  context.strokeStyle = paint.line;
  context.globalAlpha = 0.7;
  context.stroke();
  context.globalAlpha = 1;
}

export class Ball {
  #lag = null; // where the tails of the embeddings end
  #stamps = new Stamps();
  #far = new Stamps(); // of what lies behind
  #ground = null;
  #like = "";

  constructor(canvas) {
    this.canvas = canvas;
  }

  /** Draw, seen from azimuth and elevation in radians; returns whether something still moves. */
  draw(now, paint, { azimuth, elevation, calm, marked }) {
    const { context, width, height } = fitted(this.canvas);
    const m = rotation(azimuth, elevation);
    const [cx, cy, size] = [width / 2, height / 2, Math.min(width, height) / 2 - 12];
    const place = (v, at = 0) => [
      cx + size * (m[0] * v[at] + m[1] * v[at + 1] + m[2] * v[at + 2]),
      cy - size * (m[3] * v[at] + m[4] * v[at + 1] + m[5] * v[at + 2]),
      m[6] * v[at] + m[7] * v[at + 1] + m[8] * v[at + 2],
    ];
    context.drawImage(this.#behind([width, height, size, elevation], place, paint), 0, 0, width, height);
    lines(context, MERIDIANS, place, paint);
    const moving = glide(this, now, calm);
    const radius = Math.max(2, Math.min(width / 95, 4));
    const [marks, far] = [this.#stamps.as(radius, paint), this.#far.as(0.8 * radius, paint)];
    const places = Array.from(now.labels, (_, i) => place(now.unit, 3 * i));
    const side = (isAhead) => places.forEach(([x, y, z], i) => {
      if (z >= 0 !== isAhead) return;
      (isAhead ? marks : far).stamp(context, i, now, this.full, x, y);
    });
    const tails = !calm && this.#tails(context, now, place, paint);
    context.globalAlpha = 0.3;
    side(false);
    context.globalAlpha = 1;
    this.#prototypes(context, now, place, [cx, cy], paint, false);
    side(true);
    this.#prototypes(context, now, place, [cx, cy], paint, true);
    if (marked) ring(context, place(marked), paint);
    return moving || tails;
  }

  /** The ball and its parallels, which do not move as it turns: painted again where their shape changes. */
  #behind([width, height, size, elevation], place, paint) {
    const [ratio, like] = [window.devicePixelRatio, [width, height, elevation, paint.paper, window.devicePixelRatio].join()];
    if (like === this.#like) return this.#ground;
    this.#like = like;
    const canvas = (this.#ground = new OffscreenCanvas(Math.round(width * ratio), Math.round(height * ratio)));
    const [context, cx, cy] = [canvas.getContext("2d"), width / 2, height / 2];
    context.scale(ratio, ratio);
    const shade = context.createRadialGradient(cx - size / 3, cy - size / 2.4, size / 12, cx, cy, size * 1.04);
    paint.ball.forEach((color, i) => shade.addColorStop(i / 2, color));
    circles(context, [[cx, cy, size]]);
    context.fillStyle = shade;
    context.fill();
    context.strokeStyle = paint.line;
    context.stroke();
    lines(context, PARALLELS, place, paint);
    return canvas;
  }

  /** Where an embedding moves it draws a tail behind it. */
  #tails(context, now, place, paint) {
    const { unit, labels, kept } = now;
    if (this.#lag?.length !== unit.length) this.#lag = unit.slice();
    const lag = this.#lag;
    const paths = new Map();
    let moving = false;
    for (let i = 0; i < labels.length; i++) {
      const at = 3 * i;
      for (let j = at; j < at + 3; j++) lag[j] += TAIL * (unit[j] - lag[j]);
      const far = Math.hypot(unit[at] - lag[at], unit[at + 1] - lag[at + 1], unit[at + 2] - lag[at + 2]);
      if (far < 0.01) continue;
      moving = true;
      const [from, to] = [place(lag, at), place(unit, at)];
      if (to[2] < 0 || far > 1.2) continue;
      const color = kept[i] ? paint.classes[labels[i] % 8] : paint.grey;
      if (!paths.has(color)) paths.set(color, new Path2D());
      paths.get(color).moveTo(from[0], from[1]);
      paths.get(color).lineTo(to[0], to[1]);
    }
    context.globalAlpha = 0.55;
    context.lineWidth = 1.5;
    for (const [color, path] of paths) {
      context.strokeStyle = color;
      context.stroke(path);
    }
    context.globalAlpha = 1;
    return moving;
  }

  #prototypes(context, { prototypes }, place, [cx, cy], paint, ahead) {
    for (let c = 0; c < prototypes.length / 3; c++) {
      const [x, y, z] = place(prototypes, 3 * c);
      if (z >= 0 !== ahead) continue;
      context.globalAlpha = ahead ? 1 : 0.4;
      context.strokeStyle = context.fillStyle = paint.classes[c % 8];
      context.lineWidth = 2.5;
      context.beginPath();
      context.moveTo(cx, cy);
      context.lineTo(x, y);
      context.stroke();
      circles(context, [[x, y, ahead ? 9.5 : 7]]);
      context.fill();
      context.lineWidth = 2;
      context.strokeStyle = paint.paper;
      context.stroke();
      context.fillStyle = paint.paper;
      context.font = "700 11px system-ui, sans-serif";
      context.textAlign = "center";
      context.fillText(String.fromCharCode(65 + c), x, y + 4);
    }
    context.globalAlpha = 1;
  }
}

// ---------------------------------------------------------------- the curves

const FRAME = { left: 38, right: 8, top: 6, bottom: 18 }; // px

/** Two lines over the steps, from 0 to 1: histories [[step, ...shares], ...] of both runs. */
export function drawCurves(canvas, histories, column, styles, paint) {
  const { context, width, height } = fitted(canvas);
  const last = Math.max(100, ...histories.map((history) => history.at(-1)?.[0] ?? 0));
  const [inner, tall] = [width - FRAME.left - FRAME.right, height - FRAME.top - FRAME.bottom];
  const place = (step, share) => [FRAME.left + (inner * step) / last, FRAME.top + tall * (1 - share)];
  context.font = `${Math.max(11, height / 14)}px system-ui, sans-serif`;
  context.fillStyle = paint.quiet;
  context.strokeStyle = paint.line;
  context.lineWidth = 1;
  context.beginPath();
  for (const share of [0, 0.5, 1]) {
    const [x, y] = place(0, share);
    context.moveTo(x, y);
    context.lineTo(width - FRAME.right, y);
    context.textAlign = "right";
    context.fillText(`${100 * share}`, x - 5, y + 4);
  }
  context.stroke();
  context.fillText(last.toLocaleString("en"), width - FRAME.right, height - 4);
  context.textAlign = "left";
  context.fillText("0", FRAME.left, height - 4);
  histories.forEach((history, which) => curve(context, history, column, styles[which], place, inner));
}

function curve(context, history, column, { color, dash }, place, inner) {
  const stride = Math.max(1, Math.ceil(history.length / inner));
  context.beginPath();
  history.forEach((row, i) => {
    if (i % stride && i !== history.length - 1) return;
    if (Number.isFinite(row[column])) context.lineTo(...place(row[0], row[column]));
  });
  context.setLineDash(dash);
  context.lineWidth = 2.2;
  context.lineJoin = "round";
  context.strokeStyle = color;
  context.stroke();
  context.setLineDash([]);
}
