/**
 * The explorer of losses: what an image costs and how hard it pulls, under NSL, RNSL and MAE.
 *
 * @typedef {{
 *   p: object, cosines: object, marked: number[],
 *   loss: object, pull: object, harder: object, pull_at: object, cosine: object,
 *   axes: Record<string, import("./chart.js").Axis>,
 *   styles: { label: string, color: string, dash: number[], marker: string }[],
 * }} Table arrays as Python packed them: loss, pull, and how many times as hard NSL pulls [q, p],
 *   pull_at [q, T, cosine], and cosine [T, p], where each p is reached; marked are the places among
 *   p of the values that the marker can have; styles of NSL, RNSL and MAE
 */
import { Chart } from "./chart.js";
import { explorer, nearestPlace, slider } from "./widgets.js";

const widgets = { q: slider, temperature: slider, p: slider };

export default explorer("rnsl-panels rnsl-losses", widgets, (tools) => {
  const { model, table, signal, place, choices, choose } = tools;
  const { loss, pull, harder, pull_at: pullAt, cosine } = table;
  const [p, cosines] = [table.p(), table.cosines()];
  const last = choices("q").length - 1;
  const costs = threeCurves(table, "p", "loss", "What the image costs", signal);
  const pulls = threeCurves(table, "p", "pull", "How hard it pulls, over p", signal);
  const turned = threeCurves(table, "cosine", "pull", "How hard it pulls, over the cosine", signal);
  const mark = (x) => choose({ p: nearestPlace(choices("p"), x) });
  costs.onPoint(mark);
  pulls.onPoint(mark);
  return {
    parts: [costs, pulls, turned],
    show() {
      const [q, t, marked] = [place("q"), place("temperature"), table.marked[place("p")]];
      const three = [0, q, last];
      costs.show(p, three.map((i) => loss(i)), p[marked], three.map((i) => loss(i, marked)));
      pulls.show(p, three.map((i) => pull(i)), p[marked], three.map((i) => pull(i, marked)));
      const heights = three.map((i) => pull(i, marked));
      turned.show(cosines, three.map((i) => pullAt(i, t)), cosine(t, marked), heights);
      return sentence(model, pull(0, marked), pull(q, marked), harder(q, marked));
    },
  };
});

/** A chart of the three losses, with a rule and three dots at the marked image. */
function threeCurves({ axes, styles }, x, y, title, signal) {
  const description = `${title}: curves of NSL, RNSL and MAE`;
  const chart = new Chart({ x: axes[x], y: axes[y], title, description, signal });
  const rule = chart.rule({ name: "marked", width: 1 });
  const curves = styles.map(({ label, color, dash }) =>
    chart.line({ name: label, label, color, dash }),
  );
  const dots = styles.map(({ label, color, marker }) =>
    chart.dot({ name: `${label} marked`, color, marker }),
  );
  return chart.shows((xs, threeYs, at, heights) => {
    curves.forEach((curve, i) => curve.show(xs, threeYs[i]));
    rule.show(at);
    dots.forEach((dot, i) => dot.show(at, heights[i]));
  });
}

function sentence(model, plain, robust, harder) {
  const [p, q] = [model.get("p").toFixed(2), model.get("q").toFixed(2)];
  const pulls = `NSL pulls with ${plain.toFixed(2)}, RNSL (q = ${q}) with ${robust.toFixed(2)}`;
  const times = Number.isNaN(harder) ? "" : `. NSL pulls ${harder.toPrecision(2)} times as hard`;
  return `p = ${p}: ${pulls}${times}.`;
}
