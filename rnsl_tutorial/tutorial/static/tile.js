/**
 * A live tile, after page.js: while the page around it says so, the first slider of its explorer goes
 * to and fro. The page around it also tells the theme.
 */
const STEP_MS = 260;
const mount = document.querySelector("[data-explorer]");
const { model } = await loaded.get(mount.dataset.explorer);
const { name } = mount.querySelector('input[type="range"]');
const { values } = model.get("_controls")[name];
let timer = 0;
let by = 1;

function step() {
  const at = values.indexOf(model.get(name));
  if (values[at + by] === undefined) by = -by;
  model.set(name, values[at + by]);
}

addEventListener("message", ({ data }) => {
  if (data.theme) document.documentElement.dataset.theme = document.documentElement.style.colorScheme = data.theme;
  if (data.plays === undefined) return;
  clearInterval(timer);
  timer = data.plays ? setInterval(step, STEP_MS) : 0;
});
parent.postMessage({ tile: true }, "*");
