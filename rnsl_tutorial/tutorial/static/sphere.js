/**
 * The explorer of the sphere: one image between prototypes, and the gradient step as arrows.
 *
 * @typedef {{
 *   names: string[], own: number, view: [number, number], scale: number, nothing: number,
 *   styles: { color: string, dash: number[], marker: string }[],
 *   sentences: string[], p_texts: string[][],
 *   angles: object, prototypes: object, images: object, circle: object, loss: object,
 *   on_image: object, total: object, on_prototypes: object, lengths: object,
 *   loss_axes: import("./chart.js").Axis[], length_axis: import("./chart.js").Axis,
 *   angle_axis: import("./chart.js").Axis,
 * }} Table arrays as Python packed them: images [angle], loss [T, angle], on_image and
 *   on_prototypes [T, angle, class], total [T, angle], lengths [T, class, angle]; sentences one a T
 *   and angle; arrows are drawn `scale` radii long, and not at all where shorter than `nothing`
 */
import { Chart } from "./chart.js";
import { pointsOf, Sphere } from "./sphere_drawing.js";
import { explorer, html, nearestPlace, slider } from "./widgets.js";

const REACH_PX = 26; // around the image, where a press means it
const ASIDE = 5; // px that pull and push lie beside the sum of all forces, where they run along it
const JUMP_PX = 0.6; // that a step along the circle costs a dragged image: it goes to the near side

const widgets = { temperature: slider, angle: slider };

export default explorer("rnsl-panels rnsl-sphere", widgets, (tools) => {
  const { table, signal, place, choices, choose } = tools;
  const globe = forceGlobe(table, signal);
  const charts = forceCharts(table, signal);
  const steps = choices("angle").length;
  const toAngle = (angle) => choose({ angle: nearestPlace(choices("angle"), angle) });
  charts.all.forEach((chart) => chart.onPoint(toAngle));
  globe.onImage((at) => choose({ angle: at }));
  const both = charts.all.map((chart) => chart.element);
  return {
    parts: [globe, html("div", { class: "rnsl-sphere-charts" }, ...both)],
    show() {
      const [t, a] = [place("temperature"), place("angle")];
      globe.show(t, a);
      charts.show(t, a);
      return table.sentences[t * steps + a];
    },
  };
});

function forceGlobe(table, signal) {
  const { names, own, styles, view } = table;
  const { on_image: onImage, on_prototypes: onPrototypes, total } = table;
  const [images, prototypes] = [table.images, table.prototypes].map((rows) => pointsOf(rows()));
  const description = `Sphere with the prototypes ${names.join(", ")} and one image.`;
  const note = 
    "Drag x to move the image. Drag the sphere, or use the arrow keys, to turn it; Home turns it back. " +
    "Wide grey arrow: all forces on x together. Thin arrows: forces on the prototypes.";
  const globe = new Sphere({ view, description, note, signal });
  globe.curve({ name: "circle", width: 1.2 }).show(pointsOf(table.circle()));
  const arc = globe.curve({ name: "arc", width: 3 });
  const whole = globe.arrow({ name: "total", width: 7, className: "rnsl-total" });
  const moved = styles.map(({ color }, c) =>
    globe.arrow({ name: `step of ${names[c]}`, color, width: 1.6 }),
  );
  const forces = styles.map(({ color, dash }, c) =>
    globe.arrow({ name: `${names[c]} on image`, color, dash, width: 3, side: c === own ? -ASIDE : ASIDE }),
  );
  prototypes.forEach((prototype, c) => {
    const { color, marker } = styles[c];
    const look = { name: `prototype ${names[c]}`, label: names[c], color, marker, size: 1.5 };
    globe.point(look).show(prototype);
  });
  const dot = globe.point({ name: "image", marker: "o", size: 1.5, label: "x" });
  const drawn = (step) => (Math.hypot(...step) < table.nothing ? [0, 0, 0] : scaled(step, table.scale));
  let current = 0;
  return {
    element: globe.element,
    onImage(callback) {
      const near = (x, y) => distance(globe.place(images[current]), x, y) < REACH_PX;
      globe.onDrag(near, (x, y) => callback(nearest(globe, images, current, x, y)));
    },
    show(t, a) {
      current = a;
      arc.show(images.slice(0, a + 1));
      dot.show(images[a]);
      whole.show(images[a], drawn(total(t, a)));
      forces.forEach((arrow, c) => arrow.show(images[a], drawn(onImage(t, a, c))));
      moved.forEach((arrow, c) => arrow.show(prototypes[c], drawn(onPrototypes(t, a, c))));
    },
  };
}

function forceCharts(table, signal) {
  const { names, own, styles, loss, lengths, angle_axis: x } = table;
  const angles = table.angles();
  const described = { x, signal };
  const costs = new Chart({
    ...described, y: table.loss_axes[0], title: "What the image costs",
    description: "The loss over the angle",
  });
  const forces = new Chart({
    ...described, y: table.length_axis, title: "Who pulls, who pushes",
    description: "The length of each arrow over the angle",
  });
  const costRule = costs.rule({ name: "current", width: 1 });
  const cost = costs.line({ name: "loss" });
  const costDot = costs.dot({ name: "loss now", marker: "o" });
  const p = costs.text("p");
  const forceRule = forces.rule({ name: "current", width: 1 });
  const curves = names.map((name, c) => {
    const label = `${name} ${c === own ? "pulls" : "pushes"}`;
    return forces.line({ ...styles[c], name: label, label });
  });
  const dots = names.map((name, c) =>
    forces.dot({ name: `${name} now`, color: styles[c].color, marker: styles[c].marker }),
  );
  return {
    all: [costs, forces],
    show(t, a) {
      costs.rescale(x, table.loss_axes[t]);
      for (const rule of [costRule, forceRule]) rule.show(angles[a]);
      cost.show(angles, loss(t));
      costDot.show(angles[a], loss(t, a));
      const isRight = a > angles.length / 2;
      p.element.setAttribute("text-anchor", isRight ? "end" : "start");
      p.show(angles[a] + (isRight ? -4 : 4), table.loss_axes[t].range[1] * 0.92, table.p_texts[t][a]);
      curves.forEach((curve, c) => curve.show(angles, lengths(t, c)));
      dots.forEach((dot, c) => dot.show(angles[a], lengths(t, c, a)));
    },
  };
}

function scaled(step, scale) {
  return Array.from(step, (value) => value * scale);
}

function distance(place, x, y) {
  return Math.hypot(place.x - x, place.y - y);
}

/** The image's place that is drawn nearest to a place in px; of two, the one not far from now. */
function nearest(globe, images, current, x, y) {
  const far = images.map((image, i) => distance(globe.place(image), x, y) + JUMP_PX * Math.abs(i - current));
  return far.indexOf(Math.min(...far));
}
