// Opened from a folder, a page may not read other files: the search then lists titles alone.
if (location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;

// Tiles of explorers move while they are pointed at; where nothing can point, while they are in view.
function tell(tile, message) {
  tile.querySelector("iframe").contentWindow.postMessage(message, "*");
}
const theme = () => document.documentElement.dataset.theme;
const calm = matchMedia("(prefers-reduced-motion: reduce)");
addEventListener("DOMContentLoaded", () => {
  const tiles = [...document.querySelectorAll(".tile")];
  const play = (plays) => (event) => tell(event.currentTarget, { plays: plays && !calm.matches });
  const near = new IntersectionObserver((entries) => {
    for (const { target: frame, isIntersecting } of entries) if (isIntersecting && !frame.src) frame.src = frame.dataset.src;
  }, { rootMargin: "150px" });
  for (const tile of tiles) {
    near.observe(tile.querySelector("iframe"));
    for (const name of ["pointerenter", "focus"]) tile.addEventListener(name, play(true));
    for (const name of ["pointerleave", "blur"]) tile.addEventListener(name, play(false));
  }
  addEventListener("message", ({ source, data }) => data.tile && source.postMessage({ theme: theme() }, "*"));
  const recolor = () => tiles.forEach((tile) => tell(tile, { theme: theme() }));
  new MutationObserver(recolor).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  if (!matchMedia("(hover: none)").matches || calm.matches) return;
  const seen = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) tell(target, { plays: isIntersecting });
  }, { threshold: 0.9 });
  tiles.forEach((tile) => seen.observe(tile));
});
