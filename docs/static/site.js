// Opened from a folder, a page may not read other files: the search then lists titles alone.
if (location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;

// Tiles of explorers move while they are pointed at; where nothing can point, while they are in view.
const plays = new WeakMap(); // by a tile's window, which may hear of it before its page is there
function tell(tile, message) {
  const { contentWindow } = tile.querySelector("iframe");
  if ("plays" in message) plays.set(contentWindow, message.plays);
  contentWindow.postMessage(message, "*");
}
const theme = () => document.documentElement.dataset.theme;
const calm = matchMedia("(prefers-reduced-motion: reduce)");
addEventListener("DOMContentLoaded", () => {
  const tiles = [...document.querySelectorAll(".tile")];
  const play = (on) => (event) => tell(event.currentTarget, { plays: on && !calm.matches });
  const near = new IntersectionObserver((entries) => {
    for (const { target: frame, isIntersecting } of entries) if (isIntersecting && !frame.src) frame.src = frame.dataset.src;
  }, { rootMargin: "150px" });
  for (const tile of tiles) {
    near.observe(tile.querySelector("iframe"));
    for (const name of ["pointerenter", "focus"]) tile.addEventListener(name, play(true));
    for (const name of ["pointerleave", "blur"]) tile.addEventListener(name, play(false));
  }
  const answer = (source) => source.postMessage({ theme: theme(), plays: plays.get(source) ?? false }, "*");
  addEventListener("message", ({ source, data }) => data?.tile && answer(source));
  const recolor = () => tiles.forEach((tile) => tell(tile, { theme: theme() }));
  new MutationObserver(recolor).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  if (!matchMedia("(hover: none)").matches || calm.matches) return;
  const seen = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) tell(target, { plays: isIntersecting });
  }, { threshold: 0.9 });
  tiles.forEach((tile) => seen.observe(tile));
});
