/**
 * The engine of the playground: points, noise, a small network, the three losses, their training.
 *
 * This is the one place beside Python where the mathematics stands. It is that of
 * rnsl_tutorial/losses.py, in float64, and a test holds it to torch: tests/browser/test_playground_engine.py.
 * It needs no library and asks nobody for anything. All of it is one function, so that a worker can be
 * made of its text.
 *
 * Shapes: N points in the plane, C classes, H hidden units, D = 3 dimensions of the embedding.
 * Arrays are Float64Array, row by row: weights are [out, in], as in torch.
 */
export function engine() {
  "use strict";
  const D = 3;
  const TAU = 2 * Math.PI;
  const LEAST = 1e-12; // a shorter vector is divided by this, as in torch's normalize

  // -------------------------------------------------------------- chance

  /** Numbers in [0, 1) from a seed (Mulberry32); each purpose has its own, so that none shifts another. */
  function uniform(seed, purpose) {
    let state = Math.imul(seed + 1, 0x9e3779b1) ^ Math.imul(purpose + 1, 0x85ebca6b);
    return () => {
      state = (state + 0x6d2b79f5) | 0;
      let t = Math.imul(state ^ (state >>> 15), 1 | state);
      t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
      return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
    };
  }

  /** A standard normal number (Box and Muller). */
  function normal(next) {
    return Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(TAU * next());
  }

  // -------------------------------------------------------------- points and labels

  /** A point of class c of C, given uniform numbers and the spread s of its class. */
  const SHAPES = {
    blobs: (c, C, next, s) => around(0.62, c / C, s * 0.9, next),
    twins: (c, C, next, s) => {
      const pairs = Math.ceil(C / 2);
      const turn = (c >> 1) / pairs + (c % 2 ? 0.5 : -0.5) * (C > 2 ? 0.26 / pairs : 0.12);
      return around(0.62, turn, s * 0.9, next);
    },
    rings: (c, C, next, s) => {
      const [turn, radius] = [TAU * next(), (0.95 * (c + 0.6)) / C + (s * normal(next)) / 3];
      return [radius * Math.cos(turn), radius * Math.sin(turn)];
    },
    spirals: (c, C, next, s) => {
      const along = Math.sqrt(next());
      const turn = TAU * (c / C + 0.62 * along) + (s * normal(next)) / 2;
      return [(0.08 + 0.88 * along) * Math.cos(turn), (0.08 + 0.88 * along) * Math.sin(turn)];
    },
  };

  function around(radius, turn, spread, next) {
    const [x, y] = [radius * Math.cos(TAU * turn), radius * Math.sin(TAU * turn)];
    return [x + spread * normal(next), y + spread * normal(next)];
  }

  /** n points of a shape, classes in turn: { points [N, 2], labels [N] }. */
  function draw({ shape, classes, spread, seed }, n, purpose) {
    const next = uniform(seed, purpose);
    const [points, labels] = [new Float64Array(2 * n), new Uint8Array(n)];
    for (let i = 0; i < n; i++) {
      labels[i] = i % classes;
      points.set(SHAPES[shape](labels[i], classes, next, spread), 2 * i);
    }
    return { points, labels };
  }

  /** For each class the one that most of its points have as their nearest other class. */
  function lookAlikes(points, labels, classes) {
    const votes = new Float64Array(classes * classes);
    for (let i = 0; i < labels.length; i++) {
      let [least, nearest] = [Infinity, (labels[i] + 1) % classes];
      for (let j = 0; j < labels.length; j++) {
        const [dx, dy] = [points[2 * i] - points[2 * j], points[2 * i + 1] - points[2 * j + 1]];
        const far = dx * dx + dy * dy;
        if (labels[j] !== labels[i] && far < least) [least, nearest] = [far, labels[j]];
      }
      votes[labels[i] * classes + nearest] += 1;
    }
    return Array.from({ length: classes }, (_, c) => {
      const row = votes.subarray(c * classes, (c + 1) * classes);
      const most = Math.max(...row);
      return most ? row.indexOf(most) : (c + 1) % classes;
    });
  }

  /** Another class for each kind of noise: of class c of C, given a uniform number. */
  const NOISES = {
    symmetric: () => (c, C, u) => (c + 1 + Math.floor(u * (C - 1))) % C,
    pair_flip: () => (c, C) => (c + 1) % C,
    look_alike: (data, classes) => {
      const alike = lookAlikes(data.points, data.labels, classes);
      return (c) => alike[c];
    },
  };

  /** The given labels: of round(rate N) points wrong, and the more the rate the more of the same. */
  function spoil(data, { noise, rate, classes, seed }) {
    const next = uniform(seed, 3);
    const n = data.labels.length;
    const order = Array.from({ length: n }, (_, i) => [next(), next(), i]).sort((a, b) => a[0] - b[0]);
    const other = NOISES[noise](data, classes);
    const given = data.labels.slice();
    if (classes < 2) return given;
    for (const [, u, i] of order.slice(0, Math.round(rate * n))) given[i] = other(given[i], classes, u);
    return given;
  }

  // -------------------------------------------------------------- losses, from log p

  /** L_q = (1 - p**q) / q = -expm1(q log p) / q; its limit at q = 0, NSL, is -log p. */
  function boxCox(logP, q) {
    return q === 0 ? -logP : -Math.expm1(q * logP) / q;
  }

  /** -dL_q / d log p = p**q: how hard a point pulls, beside NSL. */
  function weight(logP, q) {
    return q === 0 ? 1 : Math.exp(q * logP);
  }

  // -------------------------------------------------------------- the network

  // Loops over points stand in functions of their own: in these an engine keeps all in registers, which
  // makes them twice as fast. What is loaded is used several times.
  const eight = new Float64Array(8); // weights of two rows, or sums of two rows

  /**
   * out[r, i] = start[r] + sum_k w[r * down + k * right] a[k, i], for r < rows, i < n, k < inner.
   *
   * out has a spare row, for the second of two where rows is odd.
   */
  function product(out, w, a, start, rows, n, inner, down, right) {
    const row = (k) => n * Math.min(k, inner - 1);
    for (let r = 0; r < rows; r += 2) {
      out.fill(start[r], r * n, (r + 1) * n);
      out.fill(start[r + 1], (r + 1) * n, (r + 2) * n);
      for (let k = 0; k < inner; k += 4) {
        for (let j = 0; j < 8; j++) {
          const s = r + (j >> 2), l = k + (j & 3);
          eight[j] = s < rows && l < inner ? w[s * down + l * right] : 0;
        }
        addLines(out, a, r * n, (r + 1) * n, row(k), row(k + 1), row(k + 2), row(k + 3), n);
      }
    }
  }

  /** To two rows of out, from o and from p, add eight times four rows of a. */
  function addLines(out, a, o, p, a0, a1, a2, a3, n) {
    const u0 = eight[0], u1 = eight[1], u2 = eight[2], u3 = eight[3];
    const v0 = eight[4], v1 = eight[5], v2 = eight[6], v3 = eight[7];
    for (let i = 0; i < n; i++) {
      const x = a[a0 + i], y = a[a1 + i], z = a[a2 + i], t = a[a3 + i];
      out[o + i] += u0 * x + u1 * y + u2 * z + u3 * t;
      out[p + i] += v0 * x + v1 * y + v2 * z + v3 * t;
    }
  }

  /** out[r, c] = sum_i d[r, i] a[c, i]: two rows and four columns at once, the last ones perhaps twice. */
  function outer(out, d, a, rows, columns, n) {
    for (let r = 0; r < rows; r += 2) {
      const s = Math.min(r + 1, rows - 1);
      for (let c = 0; c < columns; c += 4) {
        const [e, f, g] = [1, 2, 3].map((j) => Math.min(c + j, columns - 1));
        dots(d, a, r * n, s * n, c * n, e * n, f * n, g * n, n);
        [c, e, f, g].forEach((column, j) => {
          out[r * columns + column] = eight[j];
          out[s * columns + column] = eight[j + 4];
        });
      }
    }
  }

  /** Into eight the inner products of two rows of d and four of a. */
  function dots(d, a, d0, d1, a0, a1, a2, a3, n) {
    let s0 = 0, s1 = 0, s2 = 0, s3 = 0, s4 = 0, s5 = 0, s6 = 0, s7 = 0;
    for (let i = 0; i < n; i++) {
      const x = d[d0 + i], y = d[d1 + i];
      const u = a[a0 + i], v = a[a1 + i], w = a[a2 + i], z = a[a3 + i];
      s0 += x * u; s1 += x * v; s2 += x * w; s3 += x * z;
      s4 += y * u; s5 += y * v; s6 += y * w; s7 += y * z;
    }
    eight.set([s0, s1, s2, s3, s4, s5, s6, s7]);
  }

  function sum(values, from, to) {
    let total = 0;
    for (let i = from; i < to; i++) total += values[i];
    return total;
  }

  const PI_HIGH = 3.1415926218032837, PI_LOW = 3.178650954705639e-8; // pi; k times the first is exact

  /**
   * Sine of z in its place, and cosine: z = k pi + r, |r| <= pi / 2, and the series of both in r.
   *
   * Math.sin and Math.cos take more than twice as long, half of the time of a step. The difference is
   * below 1e-15; beyond a million pi, where r is no longer exact, they are asked.
   */
  function waves(z, cosine, size) {
    for (let i = 0; i < size; i++) {
      const from = z[i], k = Math.round(from * (1 / Math.PI));
      const r = from - k * PI_HIGH - k * PI_LOW, y = r * r, sign = 1 - 2 * (k & 1);
      z[i] = sign * r * (1 + y * (-1 / 6 + y * (1 / 120 + y * (-1 / 5040 + y * (1 / 362880 + y * (-1 / 39916800
        + y * (1 / 6227020800 + y * (-1 / 1307674368000 + y * (1 / 355687428096000 + y * (-1 / 121645100408832000))))))))));
      cosine[i] = sign * (1 + y * (-1 / 2 + y * (1 / 24 + y * (-1 / 720 + y * (1 / 40320 + y * (-1 / 3628800
        + y * (1 / 479001600 + y * (-1 / 87178291200 + y * (1 / 20922789888000 + y * (-1 / 6402373705728000
        + y * (1 / 2432902008176640000)))))))))));
      if (!(Math.abs(k) < 1e6)) [z[i], cosine[i]] = [Math.sin(from), Math.cos(from)];
    }
  }

  function rectify(values, size) {
    for (let i = 0; i < size; i++) if (values[i] < 0) values[i] = 0;
  }

  /** The rectifier's way back: nothing passes where it was shut. */
  function gate(d, a, size) {
    for (let i = 0; i < size; i++) if (a[i] <= 0) d[i] = 0;
  }

  function multiply(d, a, size) {
    for (let i = 0; i < size; i++) d[i] *= a[i];
  }

  /** unit = raw / max(|raw|, 1e-12), n vectors, the lengths kept; number j of vector i of raw at i across + j along. */
  function normalize(unit, lengths, raw, n, across, along) {
    for (let i = 0, at = 0; i < n; i++, at += D) {
      const from = i * across, x = raw[from], y = raw[from + along], z = raw[from + 2 * along];
      lengths[i] = Math.sqrt(x * x + y * y + z * z);
      const length = Math.max(lengths[i], LEAST);
      unit[at] = x / length;
      unit[at + 1] = y / length;
      unit[at + 2] = z / length;
    }
  }

  /** Gradients with respect to raw vectors from those, g [n, D], to unit ones: (g - x (x . g)) / |raw|. */
  function unnormalize(out, g, unit, lengths, n, across, along) {
    for (let i = 0, at = 0; i < n; i++, at += D) {
      const inner = g[at] * unit[at] + g[at + 1] * unit[at + 1] + g[at + 2] * unit[at + 2];
      const radial = lengths[i] >= LEAST ? inner : 0, length = Math.max(lengths[i], LEAST);
      for (let j = 0; j < D; j++) out[i * across + j * along] = (g[at + j] - unit[at + j] * radial) / length;
    }
  }

  /** All parameters in one array, each layer a view of it. */
  function views(flat, hidden, classes) {
    const sizes = {
      w1: 2 * hidden, b1: hidden, w2: hidden * hidden, b2: hidden, w3: D * hidden, b3: D,
      prototypes: D * classes,
    };
    const found = {};
    let from = 0;
    for (const [name, size] of Object.entries(sizes)) {
      found[name] = flat.subarray(from, (from += size));
    }
    return found;
  }

  function countParameters(hidden, classes) {
    return 2 * hidden + hidden + hidden * hidden + hidden + D * hidden + D + D * classes;
  }

  /** Points [N, 2], and what a forward pass over them leaves. What has a row of N for each unit has a spare one. */
  function room(points, hidden, classes) {
    const n = points.length / 2;
    return {
      n,
      xy: Float64Array.from(points, (_, at) => points[2 * (at % n) + (at < n ? 0 : 1)]), // [2, N]
      a1: new Float64Array(n * (hidden + 1)), // [H, N] after the sines
      cosine: new Float64Array(n * hidden), // [H, N] their derivatives
      a2: new Float64Array(n * (hidden + 1)), // [H, N] after the rectifiers
      raw: new Float64Array(n * (D + 1)), // [D, N]
      unit: new Float64Array(n * D), // [N, D] embeddings, unit length
      lengths: new Float64Array(n),
      p: new Float64Array(n * classes), // [N, C] p of every class
      logP: new Float64Array(n * classes), // [N, C] its logarithm
      nearest: new Uint8Array(n), // the class whose prototype is nearest
    };
  }

  /** A network and its prototypes, in training on labels that may be wrong. */
  class Run {
    /**
     * @param {{ points: Float64Array, labels: Uint8Array, truth: Uint8Array }} data labels are the given ones
     * @param {{ points: Float64Array, labels: Uint8Array }} test clean
     * @param {object} settings loss, q, k, T, lr, momentum, decay, hidden, classes, start, every, seed
     */
    constructor(data, test, settings) {
      const { hidden, classes } = settings;
      this.settings = { ...settings };
      this.step = 0;
      this.history = []; // [step, right learned, wrong memorized, kept, accuracy on test, mean loss]
      for (const name of ["parameters", "gradient", "velocity"]) {
        this[name] = new Float64Array(countParameters(hidden, classes));
      }
      this.theta = views(this.parameters, hidden, classes);
      this.slope = views(this.gradient, hidden, classes);
      this.directions = new Float64Array(D * classes); // the prototypes, unit length
      this.lengths = new Float64Array(classes);
      this.none = new Float64Array(Math.max(hidden, 4));
      this.begin();
      this.train = this.kept = null;
      this.test = { ...test, ...room(test.points, hidden, classes) };
      this.give(data);
    }

    /** Weights uniform in +-sqrt(6 / in) (He), biases in +-1, prototypes in +-1/sqrt(D), from the seed. */
    begin() {
      const next = uniform(this.settings.seed, 5);
      const fill = (values, bound) => {
        for (let i = 0; i < values.length; i++) values[i] = bound * (2 * next() - 1);
      };
      const { w1, b1, w2, b2, w3, b3, prototypes } = this.theta;
      const bound = Math.sqrt(6 / this.settings.hidden);
      [[w1, this.settings.waves], [b1, Math.PI], [w2, bound], [b2, 0.2], [w3, 0.3 * bound], [b3, 0]].forEach((pair) => fill(...pair));
      fill(prototypes, 0.15);
      b3[2] = 1;
      for (let c = 0; c < this.settings.classes; c++) prototypes[D * c + 2] = 1;
    }

    /** Take other points or labels; the network stays, and so does who is left out, where it can. */
    give({ points, labels, truth }) {
      const { hidden, classes } = this.settings;
      const n = labels.length;
      const before = this.kept;
      this.points = points;
      this.labels = labels;
      this.truth = truth;
      this.kept = new Uint8Array(n).fill(1);
      if (before) this.kept.set(before.subarray(0, n));
      this.losses = new Float64Array(n);
      this.train = room(points, hidden, classes);
      const size = n * (hidden + 1);
      const rows = () => new Float64Array(n * D);
      this.back = { d1: new Float64Array(size), d2: new Float64Array(size), raw: rows(), unit: rows() };
    }

    /** x = W3 r(W2 sin(W1 point + b1) + b2) + b3, r(z) = max(z, 0); log p = log_softmax(w . x / T). */
    forward(pass) {
      const { w1, b1, w2, b2, w3, b3, prototypes } = this.theta;
      const { hidden, classes } = this.settings;
      const { n, xy, a1, cosine, a2, raw, unit, lengths } = pass;
      product(a1, w1, xy, b1, hidden, n, 2, 2, 1);
      waves(a1, cosine, n * hidden);
      product(a2, w2, a1, b2, hidden, n, hidden, hidden, 1);
      rectify(a2, n * hidden);
      product(raw, w3, a2, b3, D, n, hidden, hidden, 1);
      normalize(unit, lengths, raw, n, 1, n);
      normalize(this.directions, this.lengths, prototypes, classes, D, 1);
      this.believe(pass);
    }

    /** log p_c = z_c - max z - log sum exp(z - max z), z = w . x / T; p; and the nearest prototype. */
    believe({ n, unit, p, logP, nearest }) {
      const { classes, T } = this.settings;
      const w = this.directions;
      for (let i = 0, at = 0; i < n; i++, at += classes) {
        const x = unit[D * i], y = unit[D * i + 1], z = unit[D * i + 2];
        let most = -Infinity;
        for (let c = 0, v = 0; c < classes; c++, v += D) {
          const logit = (x * w[v] + y * w[v + 1] + z * w[v + 2]) / T;
          logP[at + c] = logit;
          if (logit > most) {
            most = logit;
            nearest[i] = c;
          }
        }
        let sum = 0;
        for (let c = at; c < at + classes; c++) sum += p[c] = Math.exp(logP[c] - most);
        const shift = most + Math.log(sum);
        for (let c = at; c < at + classes; c++) {
          logP[c] -= shift;
          p[c] /= sum;
        }
      }
    }

    /** q of the loss in training: NSL is q = 0. */
    get q() {
      return this.settings.loss === "nsl" ? 0 : this.settings.q;
    }

    /** L_q(k), what t-RNSL takes off each loss that it keeps. */
    get level() {
      return this.settings.loss === "trnsl" ? boxCox(Math.log(this.settings.k), this.q) : 0;
    }

    /** t-RNSL's rule: a point is kept where p > k, that is where L_q(p) < L_q(k). */
    choose() {
      const { classes } = this.settings;
      const { q, level } = this;
      this.labels.forEach((y, i) => {
        this.kept[i] = boxCox(this.train.logP[i * classes + y], q) < level ? 1 : 0;
      });
    }

    /** Losses of all points after a forward pass; returns their mean, those left out counting as 0. */
    measureLosses() {
      const { classes } = this.settings;
      const { q, level, kept, losses, labels, train } = this;
      let sum = 0;
      for (let i = 0; i < labels.length; i++) {
        losses[i] = kept[i] ? boxCox(train.logP[i * classes + labels[i]], q) - level : 0;
        sum += losses[i];
      }
      return sum / labels.length;
    }

    /** The gradient of the mean loss with respect to all parameters. */
    backward() {
      const { hidden, classes } = this.settings;
      const { train, back, theta, slope, none } = this;
      const { n, xy, a1, cosine, a2 } = train;
      const { d1, d2 } = back;
      this.pull();
      unnormalize(back.raw, back.unit, train.unit, train.lengths, n, 1, n);
      unnormalize(slope.prototypes, slope.prototypes, this.directions, this.lengths, classes, D, 1);
      this.layer(slope.w3, slope.b3, back.raw, a2, D, hidden);
      product(d2, theta.w3, back.raw, none, hidden, n, D, 1, hidden);
      gate(d2, a2, n * hidden);
      this.layer(slope.w2, slope.b2, d2, a1, hidden, hidden);
      product(d1, theta.w2, d2, none, hidden, n, hidden, 1, hidden);
      multiply(d1, cosine, n * hidden);
      this.layer(slope.w1, slope.b1, d1, xy, hidden, 2);
    }

    /** dL/dz_c = p**q (p_c - [c = y]) / N, with z = w . x / T, taken on to x and to w. */
    pull() {
      const { classes, T } = this.settings;
      const { q, kept, labels, directions: w, back } = this;
      const { p, logP, unit } = this.train;
      const dX = back.unit.fill(0), dW = this.slope.prototypes.fill(0);
      const scale = 1 / (T * labels.length);
      for (let i = 0, at = 0; i < labels.length; i++, at += classes) {
        if (!kept[i]) continue;
        const strength = scale * weight(logP[at + labels[i]], q);
        const from = D * i;
        for (let c = 0, v = 0; c < classes; c++, v += D) {
          const d = strength * (p[at + c] - (c === labels[i] ? 1 : 0));
          for (let j = 0; j < D; j++) {
            dX[from + j] += d * w[v + j];
            dW[v + j] += d * unit[from + j];
          }
        }
      }
    }

    /** dW = d a^T, and db = the sum of d over points, of one layer; d [outputs, N], a [inputs, N]. */
    layer(dW, dB, d, a, outputs, inputs) {
      const { n } = this.train;
      outer(dW, d, a, outputs, inputs, n);
      for (let o = 0; o < outputs; o++) dB[o] = sum(d, o * n, (o + 1) * n);
    }

    /** v = momentum v + (gradient + decay theta); theta -= lr v, as torch's SGD. */
    descend() {
      const { lr, momentum, decay } = this.settings;
      const { parameters, gradient, velocity } = this;
      for (let i = 0; i < parameters.length; i++) {
        velocity[i] = momentum * velocity[i] + gradient[i] + decay * parameters[i];
        parameters[i] -= lr * velocity[i];
      }
    }

    /** One step on all points. t-RNSL first decides anew, every few steps from its start, who is kept. */
    advance() {
      const { loss, start, every } = this.settings;
      this.forward(this.train);
      const due = this.step >= start && (this.step - start) % every === 0;
      if (loss === "trnsl" && due) this.choose();
      if (this.step % RECORD === 0) this.record();
      this.backward();
      this.descend();
      this.step += 1;
    }

    /** Add to the history what the last forward pass over the points tells. */
    record() {
      this.forward(this.test);
      const row = Object.values(this.measures());
      if (this.history.at(-1)?.[0] === this.step) this.history.pop();
      this.history.push([this.step, ...row]);
    }

    /** Shares in [0, 1] after forward passes over points and test; NaN where there is nothing to count. */
    measures() {
      const { labels, truth, kept, train, test } = this;
      const count = { right: 0, learned: 0, memorized: 0, kept: 0, correct: 0 };
      for (let i = 0; i < labels.length; i++) {
        const right = labels[i] === truth[i];
        const fits = train.nearest[i] === labels[i];
        count.right += right;
        count.learned += right && fits;
        count.memorized += !right && fits;
        count.kept += kept[i];
      }
      for (let i = 0; i < test.n; i++) count.correct += test.nearest[i] === test.labels[i];
      return {
        learned: count.learned / count.right,
        memorized: count.memorized / (labels.length - count.right),
        kept: count.kept / labels.length,
        accuracy: count.correct / test.n,
        loss: this.measureLosses(),
      };
    }

    /** p of each class on a grid of the plane, row by row, as the network stands. */
    probabilities(cells, reach) {
      const { hidden, classes } = this.settings;
      if (this.map?.n !== cells * cells) this.map = room(grid(cells, reach), hidden, classes);
      this.forward(this.map);
      return Float32Array.from(this.map.p);
    }
  }

  // -------------------------------------------------------------- a run by its settings

  /** What a run is, where nothing else is said; the address holds what differs. */
  const DEFAULTS = {
    shape: "blobs", n: 300, classes: 4, spread: 0.2, noise: "symmetric", rate: 0.5, seed: 1,
    loss: "nsl", q: 0.7, k: 0.5, start: 300, every: 50, T: 0.05, lr: 0.01, momentum: 0.9, decay: 0,
    hidden: 32, waves: 5,
  };
  const RECORD = 10; // steps between two entries of a history
  const TESTED = 500; // clean points of the same shape, that nothing is learned from

  /**
   * The points that settings mean: drawn, or the learner's own; then spoiled; then flipped by hand.
   *
   * @param {object} settings own: [[x, y, class], ...], added to a drawn shape, or alone where the
   *   shape is "own"; flips: [[place, class], ...]
   * @returns {{ points: Float64Array, labels: Uint8Array, truth: Uint8Array }} labels are the given ones
   */
  function given(settings) {
    const { own = [], flips = [] } = settings;
    const drawn = settings.shape === "own" ? NOTHING : draw(settings, settings.n, 1);
    const points = Float64Array.from([...drawn.points, ...own.flatMap(([x, y]) => [x, y])]);
    const truth = Uint8Array.from([...drawn.labels, ...own.map((point) => point[2])]);
    const labels = spoil({ points, labels: truth }, settings);
    for (const [place, label] of flips) if (place < labels.length) labels[place] = label;
    return { points, labels, truth };
  }
  const NOTHING = { points: [], labels: [] };

  /** Clean points to judge by: of a drawn shape other ones, of one's own the same under their true labels. */
  function clean(settings, data) {
    if (settings.shape === "own") return { points: data.points, labels: data.truth };
    return draw(settings, TESTED, 2);
  }

  /** A run at its start. */
  function begin(changes) {
    const settings = { ...DEFAULTS, ...changes };
    const data = given(settings);
    return new Run(data, clean(settings, data), settings);
  }

  /** Change a run where it stands: its settings, and with them perhaps its points and labels. */
  function change(run, changes) {
    Object.assign(run.settings, changes);
    if (["noise", "rate", "own", "flips"].some((name) => name in changes)) run.give(given(run.settings));
  }

  // -------------------------------------------------------------- what a page asks of a run

  /** Places of the plane at the middles of a square grid of cells, from the upper left. */
  function grid(cells, reach) {
    const places = new Float64Array(2 * cells * cells);
    for (let i = 0; i < cells * cells; i++) {
      places[2 * i] = reach * ((2 * (i % cells) + 1) / cells - 1);
      places[2 * i + 1] = reach * (1 - (2 * Math.floor(i / cells) + 1) / cells);
    }
    return places;
  }

  /**
   * What is drawn of a run; floats of four bytes are enough for the eye. While it runs, as it was before
   * the last step and in the last record: nothing is computed twice.
   */
  function seen(run, isRunning) {
    let measures = run.history.at(-1);
    if (!isRunning) {
      run.forward(run.train);
      run.forward(run.test);
      measures = [run.step, ...Object.values(run.measures())];
    }
    return {
      step: run.step,
      unit: Float32Array.from(run.train.unit),
      prototypes: Float32Array.from(run.directions),
      nearest: run.train.nearest.slice(),
      kept: run.kept.slice(),
      labels: run.labels.slice(),
      measures,
    };
  }

  /** p of each class, loss and pull p**q (1 - p) at one place of the plane, taken for each label. */
  function probe(run, point) {
    const pass = room(point, run.settings.hidden, run.settings.classes);
    run.forward(pass);
    const logP = Array.from(pass.logP);
    const loss = logP.map((value) => boxCox(value, run.q) - run.level);
    const pull = logP.map((value) => weight(value, run.q) * -Math.expm1(value));
    return { p: logP.map(Math.exp), loss, pull, unit: Array.from(pass.unit) };
  }

  /** Answers what a page asks: the loop of a worker, and as well without one. */
  function server() {
    let run = null;
    let sent = 0; // entries of the history that the page has
    let pace = 1; // ms a step, of the last steps
    const asks = {
      begin: ({ settings }) => ((sent = 0), (run = begin(settings))),
      change: ({ settings }) => change(run, settings),
      advance: ({ until }) => {
        const [began, steps] = [performance.now(), until - run.step];
        while (run.step < until) run.advance();
        if (steps > 0) pace = (performance.now() - began) / steps;
      },
    };
    return (asked) => {
      asks[asked.ask]?.(asked);
      const answer = { id: asked.id, pace, ...seen(run, asked.isRunning && run.history.length) };
      answer.history = run.history.slice(sent);
      sent = run.history.length;
      if (asked.cells) answer.map = run.probabilities(asked.cells, asked.reach);
      if (asked.place) answer.probe = probe(run, asked.place);
      if (asked.points) Object.assign(answer, { points: run.points.slice(), truth: run.truth.slice() });
      return answer;
    };
  }

  /** Each a sentence that is true after so many steps, over ten seeds: a test holds it. */
  const presets = [
    {
      name: "Half of the labels are wrong",
      text: "After 1,000 steps NSL has learned half of the wrong labels by heart, RNSL three in ten, and with it more test points find their class.",
      steps: 1000,
      a: { loss: "nsl" },
      b: { loss: "rnsl" },
    },
    {
      name: "Twins",
      text: "Half of the labels are the look-alike's. Nothing says which of the two is right, and no loss can tell.",
      steps: 500,
      shared: { shape: "twins", noise: "look_alike" },
      a: { loss: "nsl" },
      b: { loss: "rnsl" },
    },
    {
      name: "Too greedy a threshold",
      text: "The right run asks for p > 0.9 after ten steps, before it knows anything. Whole classes are lost.",
      steps: 500,
      a: { loss: "trnsl" },
      b: { loss: "trnsl", start: 10, k: 0.9 },
    },
    {
      name: "One wrong label among twelve",
      text: "NSL bends the map around the one wrong label until it has it. t-RNSL stops listening to it (in nine of ten draws: throw the dice).",
      steps: 800,
      shared: { n: 12, classes: 3, rate: 1 / 12, spread: 0.1, waves: 1.5 },
      a: { loss: "nsl" },
      b: { loss: "trnsl", start: 50 },
    },
    {
      name: "No noise: what robustness costs",
      text: "All labels are right. At q = 1 the loss gives up what is merely hard, and stays behind NSL.",
      steps: 300,
      shared: { shape: "spirals", classes: 8, n: 400, rate: 0 },
      a: { loss: "nsl" },
      b: { loss: "rnsl", q: 1 },
    },
  ];

  const choices = { shape: [...Object.keys(SHAPES), "own"], noise: Object.keys(NOISES) };
  return { DEFAULTS, presets, choices, Run, begin, change, server };
}
