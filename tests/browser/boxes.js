/* Looks at all texts that are seen in an element: as it is, then with each of its sliders at both ends.
   Answers with their number, the pairs whose letters overlap, and those that leave their frame. */
async root => {
  const all = { number: 0, overlaps: {}, outside: {} };
  const inside = (box, by) => ({
    left: Math.max(box.left, by.left), right: Math.min(box.right, by.right),
    top: Math.max(box.top, by.top), bottom: Math.min(box.bottom, by.bottom),
  });
  const isEmpty = ({ left, right, top, bottom }) => right - left < 1 || bottom - top < 1;
  // A line is higher than its letters: from the top of an "l" to the foot of a "p".
  const letters = ({ left, right, top, bottom }, turned) => {
    const [width, height] = [right - left, bottom - top];
    return turned
      ? { left: left + 0.16 * width, right: right - 0.06 * width, top, bottom }
      : { left, right, top: top + 0.16 * height, bottom: bottom - 0.06 * height };
  };
  const seen = (box, element) => {
    for (let at = element; at && at !== root; at = at.parentElement) {
      const scrolls = /auto|scroll/.test(getComputedStyle(at).overflow);
      if (scrolls) box = inside(box, at.getBoundingClientRect());
    }
    return box;
  };
  const page = { left: 0, right: document.documentElement.clientWidth, top: -Infinity, bottom: Infinity };
  const frameOf = (element) => {
    const frame = element.closest("button, label, .rnsl-chart, .rnsl-sphere-view, .rnsl-card, .card, section, dialog, body");
    const cuts = element.scrollWidth > element.clientWidth && getComputedStyle(element).overflowX === "hidden";
    return inside(page, (cuts ? element : frame).getBoundingClientRect());
  };
  const texts = () => {
    const found = [];
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const element = node.parentElement;
      const hidden = element.closest("select, title, script, style, noscript");
      if (!/[\p{L}\p{N}]/u.test(node.data) || hidden) continue; // a sign alone is a mark
      if (!element.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
      const range = document.createRange();
      range.selectNodeContents(node);
      const isTurned = element.ownerSVGElement && Math.abs(element.getScreenCTM().b) > 0.5
        || getComputedStyle(element).transform.startsWith("matrix(0");
      for (const rect of range.getClientRects()) {
        if (rect.width < 6 && node.data.trim().length > 1) continue; // the blank at a line's end
        const box = seen(letters(rect, isTurned), element);
        if (!isEmpty(box)) found.push({ text: node.data.trim(), box, frame: frameOf(element) });
      }
    }
    return found;
  };
  const overlap = (a, b) => !isEmpty(inside(a.box, b.box));
  const leaves = ({ box, frame }) => !isEmpty(box) && (box.left < frame.left - 1 || box.right > frame.right + 1
    || box.top < frame.top - 1 || box.bottom > frame.bottom + 1);
  const look = () => {
    const found = texts();
    all.number += found.length;
    found.forEach((a, i) => {
      if (leaves(a)) all.outside[a.text] = true;
      for (const b of found.slice(i + 1)) if (overlap(a, b)) all.overlaps[`${a.text} | ${b.text}`] = true;
    });
  };
  const change = (slider, value) => {
    slider.value = value;
    slider.dispatchEvent(new Event("input", { bubbles: true }));
  };
  look();
  for (const slider of root.querySelectorAll(".rnsl-explorer input[type=range]:enabled")) {
    const start = slider.value;
    for (const end of [slider.max, slider.min]) {
      change(slider, end);
      await new Promise((done) => setTimeout(done)); // what draws itself a moment later
      look();
    }
    change(slider, start);
  }
  return [all.number, Object.keys(all.overlaps), Object.keys(all.outside)];
}
