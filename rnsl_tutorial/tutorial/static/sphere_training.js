/**
 * The explorer of training on the sphere: real images gather, epoch by epoch, at a temperature.
 *
 * @typedef {{
 *   names: string[], view: [number, number],
 *   styles: { color: string, dash: number[], marker: string }[],
 *   sentences: string[], curve_names: [string, string], axes: import("./chart.js").Axis[],
 *   embeddings: object, prototypes: object, labels: object, own: object, rival: object,
 * }} Table arrays as Python packed them: embeddings [T, epoch, image], prototypes [T, epoch, class],
 *   labels [image], the curves own and rival [T, epoch]; sentences one a T and epoch
 */
import { Chart } from "./chart.js";
import { pointsOf, Sphere } from "./sphere_drawing.js";
import { animation, explorer, Moving, nearestPlace, player, segments } from "./widgets.js";

const FIRST_STEP = 16; // ms of the way to new places that are gone at once

const widgets = { epoch: player, temperature: segments };

export default explorer("rnsl-panels rnsl-sphere", widgets, (tools) => {
  const { table, signal, place, choices, choose } = tools;
  const moments = choices("epoch").length;
  const globe = imageGlobe(table, signal);
  const chart = angleChart(table, signal);
  chart.onPoint((epoch) => choose({ epoch: nearestPlace(choices("epoch"), epoch) }));
  return {
    parts: [globe, chart],
    show() {
      const [t, e] = [place("temperature"), place("epoch")];
      globe.show(t, e);
      chart.show(t, e);
      return table.sentences[t * moments + e];
    },
  };
});

function imageGlobe({ names, styles, view, ...table }, signal) {
  const labels = table.labels();
  const description = `Sphere with ${labels.length} images and the prototypes ${names.join(", ")}.`;
  const note =
    "Small marks: images. Large marks: prototypes. Drag the sphere, or use the arrow keys, to turn it; " +
    "Home turns it back.";
  const globe = new Sphere({ view, description, note, signal });
  const clouds = styles.map(({ color, marker }, c) =>
    globe.points({ name: `images of ${names[c]}`, color, marker }),
  );
  const points = styles.map(({ color, marker }, c) =>
    globe.point({ name: `prototype ${names[c]}`, label: names[c], color, marker, size: 1.6 }),
  );
  const show = gliding([table.embeddings, table.prototypes], signal, (images, prototypes) => {
    clouds.forEach((cloud, c) => cloud.show(images.filter((_, i) => labels[i] === c)));
    points.forEach((point, c) => point.show(prototypes[c]));
  });
  return { element: globe.element, show };
}

/** Draw the points of several tables at a moment; from one moment to the next they glide. */
function gliding(tables, signal, draw) {
  const movings = tables.map((table) => new Moving(table(0, 0).length));
  const step = (elapsed) => {
    const goOn = movings.map((moving) => moving.move(elapsed)); // all of them, so no some()
    draw(...movings.map((moving) => pointsOf(moving.now)));
    return goOn.includes(true);
  };
  const start = animation(step, signal);
  let elapsed = Infinity;
  return (t, e) => {
    movings.forEach((moving, i) => moving.target.set(tables[i](t, e)));
    if (step(elapsed)) start();
    elapsed = FIRST_STEP;
  };
}

function angleChart({ axes: [x, y], curve_names: labels, own, rival }, signal) {
  const [title, description] = ["How far an image is", "Median angles over the epochs"];
  const chart = new Chart({ x, y, title, description, signal });
  const rule = chart.rule({ name: "current", width: 1 });
  const curves = [own, rival].map((values, i) => {
    const line = chart.line({ name: labels[i], label: labels[i], dash: [[], [3.5, 1.5]][i] });
    const dot = chart.dot({ name: `${labels[i]} now`, marker: "os"[i] });
    return { values, line, dot };
  });
  return chart.shows((t, e) => {
    rule.show(e);
    for (const { values, line, dot } of curves) {
      const heights = values(t);
      line.show(Array.from(heights, (_, i) => i), heights);
      dot.show(e, heights[e]);
    }
  });
}
