/**
 * A map that plotly draws, and beside it the picture of the image that is pointed at. plotly's code is
 * asked of the kernel, once a page.
 */
const CONFIG = { displaylogo: false, scrollZoom: true, responsive: false };

/** plotly, as the first view of the page got it; each that comes after a failure asks anew. */
function plotlyOf(model, signal) {
  if (!window.rnslPlotly) {
    window.rnslPlotly = asked(model, signal);
    window.rnslPlotly.catch(() => delete window.rnslPlotly);
  }
  return window.rnslPlotly;
}

/** Run plotly's code as a script of its own, since it is no module. @returns {Promise<object>} */
function asked(model, signal) {
  return new Promise((done, fail) => {
    const hear = ({ plotly }, [code]) => {
      if (!plotly) return;
      model.off("msg:custom", hear);
      const before = "(function (define, module, exports) {";
      const blob = new Blob([before, code, "}).call(window);"], { type: "text/javascript" });
      const script = document.createElement("script");
      Object.assign(script, { src: URL.createObjectURL(blob), onload: () => done(window.Plotly), onerror: fail });
      document.head.append(script);
    };
    signal.addEventListener("abort", () => {
      model.off("msg:custom", hear);
      fail(new Error("The view has ended."));
    });
    model.on("msg:custom", hear);
    model.send({ plotly: true });
  });
}

function render({ model, el }) {
  const end = new AbortController();
  const { signal } = end;
  const [plot, picture] = ["div", "img"].map((tag) => document.createElement(tag));
  Object.assign(picture, { width: 180, hidden: true, alt: "" });
  el.style.cssText = "display: flex; flex-wrap: wrap; gap: 12px; align-items: flex-start";
  el.append(plot, picture);
  const hear = ({ hover }, [jpeg]) => {
    if (hover === undefined) return;
    URL.revokeObjectURL(picture.src);
    picture.hidden = !jpeg.byteLength;
    picture.src = URL.createObjectURL(new Blob([jpeg], { type: "image/jpeg" }));
  };
  model.on("msg:custom", hear);
  signal.addEventListener("abort", () => model.off("msg:custom", hear));
  const draw = async (plotly) => {
    if (signal.aborted) return;
    signal.addEventListener("abort", () => plotly.purge(plot));
    const { data, layout } = structuredClone(model.get("_drawn"));
    await plotly.newPlot(plot, data, layout, CONFIG);
    const placesOf = (found) => (found?.points ?? []).map(({ customdata }) => Number(customdata));
    plot.on("plotly_hover", (found) => model.send({ hover: placesOf(found)[0] }));
    plot.on("plotly_selected", (found) => model.send({ selected: placesOf(found) }));
  };
  const again = () => signal.aborted || plotlyOf(model, signal).then(draw); // another view failed or ended
  plotlyOf(model, signal).then(draw, again).catch((error) => signal.aborted || console.error(error));
  return () => end.abort();
}

export default { render };
