/* The bar: choose an explorer, go to the next one, turn light or dark. */
{
  const select = document.querySelector(".app-bar select");
  const headings = [...document.querySelectorAll("#rendered_cells h2")];
  for (const heading of headings) select.add(new Option(heading.textContent.replace("¶", "").trim()));

  const show = (place) => {
    select.selectedIndex = place;
    headings[place].scrollIntoView();
  };
  const step = (by) => {
    show(Math.min(Math.max(select.selectedIndex + by, 0), headings.length - 1));
  };
  select.addEventListener("change", () => show(select.selectedIndex));
  for (const button of document.querySelectorAll(".app-bar [data-step]")) {
    button.addEventListener("click", () => step(Number(button.dataset.step)));
  }
  const barHeight = 80; // px, a little more than it has
  const follow = () => {
    const passed = headings.filter((heading) => heading.getBoundingClientRect().top < barHeight);
    select.selectedIndex = Math.max(passed.length - 1, 0);
  };
  document.addEventListener("scroll", follow, { capture: true, passive: true }); // whatever scrolls

  const system = matchMedia("(prefers-color-scheme: dark)");
  let chosen = null; // "light" or "dark", once somebody chose
  const paint = () => {
    const theme = chosen ?? (system.matches ? "dark" : "light");
    document.body.dataset.theme = theme;
    document.body.dataset.jpThemeLight = String(theme === "light");
  };
  system.addEventListener("change", paint);
  document.querySelector(".app-theme").addEventListener("click", () => {
    chosen = document.body.dataset.theme === "dark" ? "light" : "dark";
    paint();
  });
  paint();
}
