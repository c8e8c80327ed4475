/**
 * A map that plotly draws, and beside it the picture of the image that is pointed at. plotly's code is
 * asked of the kernel, once a page.
 */
const CONFIG = { displaylogo: false, scrollZoom: true, responsive: false };

/** Run plotly's code as a script of its own, since it is no module. @returns {Promise<object>} */
async function plotlyOf(model) {
  window.rnslPlotly ??= new Promise((done, fail) => {
    const hear = ({ plotly }, [code]) => {
      if (!plotly) return;
      model.off("msg:custom", hear);
      const before = "(function (define, module, exports) {";
      const blob = new Blob([before, code, "}).call(window);"], { type: "text/javascript" });
      const script = document.createElement("script");
      Object.assign(script, { src: URL.createObjectURL(blob), onload: () => done(window.Plotly), onerror: fail });
      document.head.append(script);
    };
    model.on("msg:custom", hear);
    model.send({ plotly: true });
  });
  return window.rnslPlotly;
}

async function render({ model, el }) {
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
  const plotly = await plotlyOf(model);
  const { data, layout } = structuredClone(model.get("_drawn"));
  await plotly.newPlot(plot, data, layout, CONFIG);
  const placesOf = (found) => (found?.points ?? []).map(({ customdata }) => Number(customdata));
  plot.on("plotly_hover", (found) => model.send({ hover: placesOf(found)[0] }));
  plot.on("plotly_selected", (found) => model.send({ selected: placesOf(found) }));
  return () => {
    model.off("msg:custom", hear);
    plotly.purge(plot);
  };
}

export default { render };
