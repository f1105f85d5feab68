// The values of the curves under the pointer. The page is whole without it.
"use strict";
(() => {
  const format = (v) => Math.abs(v) >= 1000 ? Math.round(v).toLocaleString("en") : String(+v.toPrecision(4));
  const hide = (area) => area.querySelectorAll(".cursor, .tip").forEach((e) => { e.hidden = true; });
  const nearest = (points, x) => {
    let low = 0, high = points.length - 1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (points[middle][2] < x) low = middle; else high = middle;
    }
    return x - points[low][2] < points[high][2] - x ? points[low] : points[high];
  };
  const show = (event) => {
    const area = event.target.closest && event.target.closest(".area");
    document.querySelectorAll(".tip:not([hidden])").forEach((tip) => { if (tip.parentNode !== area) hide(tip.parentNode); });
    if (!area) return;
    const figure = area.closest(".chart");
    figure.curves = figure.curves || JSON.parse(figure.dataset.curves);
    const box = area.getBoundingClientRect();
    const x = 1000 * (event.clientX - box.left) / box.width;
    const found = figure.curves.map(([name, colour, points]) => [name, colour, nearest(points, x)]);
    const at = found.reduce((a, b) => Math.abs(b[2][2] - x) < Math.abs(a[2][2] - x) ? b : a)[2];
    const cursor = area.querySelector(".cursor"), tip = area.querySelector(".tip");
    tip.replaceChildren();
    const head = document.createElement("div");
    head.textContent = "epoch " + format(at[0]);
    tip.append(head);
    for (const [name, colour, point] of found) {
      const line = document.createElement("div"), key = document.createElement("i");
      key.className = "key c" + colour;
      line.append(key, (name ? name + " " : "") + format(point[1]));
      tip.append(line);
    }
    cursor.hidden = tip.hidden = false;
    cursor.style.left = at[2] / 10 + "%";
    const right = at[2] > 500;
    tip.style.left = right ? "auto" : `calc(${at[2] / 10}% + 8px)`;
    tip.style.right = right ? `calc(${100 - at[2] / 10}% + 8px)` : "auto";
  };
  document.addEventListener("pointermove", show, { passive: true });
  document.addEventListener("pointerdown", show, { passive: true });
  // A link to a run that is folded away opens it.
  const open = () => { const e = document.getElementById(location.hash.slice(1)); if (e && e.tagName === "DETAILS") { e.open = true; e.scrollIntoView(); } };
  addEventListener("hashchange", open);
  open();
})();
