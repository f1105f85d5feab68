// Charts under the pointer and the keyboard: values, zoom, a logarithmic axis, smoothing, steps or
// time instead of epochs; tables that are sorted, and runs of a comparison that are hidden; images without their heat
// maps. The page is whole without it.
"use strict";
(() => {
  // What a reader has chosen. It outlives the content of a live page.
  const state = { axis: 0, smooth: 0, log: {}, zoom: {}, hidden: {}, sort: {} };
  const AXES = ["epoch", "step", "time"];
  const format = (v) => Math.abs(v) >= 1000 ? Math.round(v).toLocaleString("en") : String(+v.toPrecision(4));
  const clock = (s) => s < 60 ? `${+s.toPrecision(3)} s` : s < 3600 ? `${Math.floor(s / 60)} min ${Math.round(s % 60)} s` : `${Math.floor(s / 3600)} h ${Math.round(s / 60) % 60} min`;
  const dataOf = (figure) => figure.curves || (figure.curves = JSON.parse(figure.dataset.curves));
  const keyOf = (figure) => ((figure.closest("details.run") || {}).id || "") + "/" + figure.dataset.title;
  const make = (name, className, text) => {
    const e = document.createElement(name);
    e.className = className;
    if (text) e.textContent = text;
    return e;
  };

  // ticks are the round values between two, some five of them.
  const ticks = (low, high, whole) => {
    let step = 10 ** Math.floor(Math.log10((high - low) / 5));
    step *= [1, 2, 2.5, 5, 10].find((m) => (high - low) / (m * step) <= 5) || 10;
    if (whole) step = Math.max(1, Math.round(step));
    const all = [];
    for (let v = Math.ceil(low / step - 1e-9) * step; v <= high + 1e-9 * step; v += step) {
      all.push([(v - low) / (high - low), Math.abs(v) < step / 2 ? "0" : format(v)]);
    }
    return all;
  };
  const logTicks = (low, high) => {
    const all = [], wide = Math.log10(high / low);
    for (let e = Math.floor(Math.log10(low)); e <= Math.log10(high); e++) {
      for (const m of wide > 4 ? [1] : wide > 1 ? [1, 3] : [1, 2, 3, 5, 7]) {
        const v = m * 10 ** e;
        if (v >= low && v <= high) all.push([Math.log(v / low) / Math.log(high / low), format(v)]);
      }
    }
    return all.length > 1 ? all : ticks(low, high, false).map(([, label]) => [Math.log(+label.replace(/,/g, "") / low) / Math.log(high / low), label]);
  };

  // smoothed is the moving average of a curve that weighs what is further back less, without the
  // bias to 0 at the beginning.
  const smoothed = (points, weight) => {
    let mean = 0, power = 1;
    return points.map((p) => {
      mean = weight * mean + (1 - weight) * p[3];
      power *= weight;
      return mean / (1 - power);
    });
  };

  // view is what a figure shows: its curves as [x, y, smoothed y], and the ends of its axes.
  const view = (figure) => {
    const data = dataOf(figure), key = keyOf(figure), course = !data.x, log = !!state.log[key], smooth = course ? state.smooth : 0, axis = course ? state.axis : 0;
    const unit = !course ? [1, data.x] : axis === 2 ? [[86400, "days"], [3600, "hours"], [60, "minutes"], [1, "seconds"]].find(([s]) => s === 1 || data.curves.some((c) => c.points.some((p) => p[2] > 2 * s))) : [1, AXES[axis] + "s"];
    const curves = data.curves.filter((c) => !state.hidden[c.run]).map((c) => {
      const means = smooth > 0 ? smoothed(c.points, smooth) : null;
      return { ...c, all: c.points.map((p, i) => [p[axis] / unit[0], p[3], means ? means[i] : p[3], p]).filter((p) => !log || (p[1] > 0 && p[2] > 0)) };
    }).filter((c) => c.all.length);
    const zoom = state.zoom[key + axis];
    let right = 0;
    for (const c of curves) for (const p of c.all) right = Math.max(right, p[0]);
    if (axis === 0) right = Math.max(Math.ceil(right), 1);
    const x = zoom || [0, right || 1];
    let low = Infinity, high = -Infinity;
    for (const c of curves) {
      for (const p of c.all) {
        if (zoom && (p[0] < x[0] || p[0] > x[1])) continue;
        low = Math.min(low, p[1], p[2]);
        high = Math.max(high, p[1], p[2]);
      }
    }
    if (low > high) [low, high] = log ? [1, 10] : [0, 1];
    if (log) {
      [low, high] = low === high ? [low / 2, high * 2] : [low / 1.1, high * 1.1];
    } else if (!course && !zoom) {
      [low, high] = [0, 1];
    } else {
      if (data.from !== null && !zoom) low = Math.min(low, data.from);
      if (high - low < 1e-9 * Math.abs(high) || high === low) {
        [low, high] = [low - Math.abs(low) / 10, high + Math.abs(high) / 10];
        if (low === high) high = 1;
      } else {
        const room = high - low;
        [low, high] = [low === 0 ? 0 : low - 0.03 * room, high + 0.05 * room];
      }
    }
    const place = log ? (v) => 1 - Math.log(v / low) / Math.log(high / low) : (v) => (high - v) / (high - low);
    return { curves, x, low, high, log, zoom, unit, axis, course, smooth, at: (v) => (v - x[0]) / (x[1] - x[0]), place };
  };

  const draw = (figure) => {
    const v = figure.view = view(figure), svg = figure.querySelector("svg"), area = figure.querySelector(".area");
    svg.replaceChildren();
    svg.classList.toggle("cut", !!v.zoom);
    for (const c of v.curves) {
      const line = (of, kind) => {
        const path = document.createElementNS(svg.namespaceURI, "path");
        path.setAttribute("class", `line c${c.colour}${c.dashed ? " dashed" : ""}${kind}`);
        path.setAttribute("d", c.all.map((p, i) => (i ? "L" : "M") + (1000 * v.at(p[0])).toFixed(1) + " " + (1000 * v.place(p[of])).toFixed(1)).join("") + (c.all.length === 1 ? "h0" : ""));
        svg.append(path);
      };
      if (v.smooth > 0) line(1, " raw");
      line(2, "");
    }
    area.querySelectorAll(".grid").forEach((e) => e.remove());
    const y = figure.querySelector(".y"), x = figure.querySelector(".x");
    y.replaceChildren();
    x.replaceChildren();
    for (const [at, text] of v.log ? logTicks(v.low, v.high) : ticks(v.low, v.high, false)) {
      const label = make("span", "", text), grid = make("i", "grid");
      label.style.bottom = grid.style.bottom = 100 * at + "%";
      y.append(label);
      area.prepend(grid);
    }
    for (const [at, text] of ticks(v.x[0], v.x[1], v.course && v.axis < 2 && !v.zoom)) {
      const label = make("span", "", text);
      label.style.left = 100 * at + "%";
      x.append(label);
    }
    figure.querySelector(".unit").textContent = v.unit[1];
    const log = figure.querySelector(".log"), whole = figure.querySelector(".whole");
    if (log) log.setAttribute("aria-pressed", v.log);
    whole.hidden = !v.zoom;
    hide(area);
  };
  const drawAll = () => document.querySelectorAll(".chart[data-curves]").forEach(draw);

  const hide = (area) => area.querySelectorAll(".cursor, .tip, .band").forEach((e) => { e.hidden = true; });
  const nearest = (points, x) => {
    let low = 0, high = points.length - 1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (points[middle][0] < x) low = middle; else high = middle;
    }
    return x - points[low][0] < points[high][0] - x ? points[low] : points[high];
  };
  // tell shows the values that are next to a place of the x axis, and returns that place.
  const tell = (figure, x) => {
    const v = figure.view || (figure.view = view(figure)), area = figure.querySelector(".area");
    if (!v.curves.length) return x;
    const found = v.curves.map((c) => [c, nearest(c.all, x)]);
    const at = found.reduce((a, b) => Math.abs(b[1][0] - x) < Math.abs(a[1][0] - x) ? b : a)[1];
    const cursor = area.querySelector(".cursor"), tip = area.querySelector(".tip");
    tip.replaceChildren(make("div", "", !v.course ? `${v.unit[1]} ${format(at[0])}` : `epoch ${format(at[3][0])} · step ${format(at[3][1])}` + (at[3][2] ? ` · ${clock(at[3][2])}` : "")));
    for (const [c, p] of found) {
      const line = make("div", "");
      line.append(make("i", `key c${c.colour}${c.dashed ? " dashed" : ""}`), (c.name ? c.name + " " : "") + format(p[1]) + (v.smooth > 0 ? ` (smoothed ${format(p[2])})` : ""));
      tip.append(line);
    }
    const share = Math.min(Math.max(v.at(at[0]), 0), 1), right = share > 0.5;
    cursor.hidden = tip.hidden = false;
    cursor.style.left = 100 * share + "%";
    tip.style.left = right ? "auto" : `calc(${100 * share}% + 8px)`;
    tip.style.right = right ? `calc(${100 * (1 - share)}% + 8px)` : "auto";
    figure.told = at[0];
    return at[0];
  };
  const chartOf = (event) => {
    const area = event.target.closest && event.target.closest(".area");
    return area && area.closest(".chart[data-curves]");
  };
  const under = (figure, event) => {
    const v = figure.view || (figure.view = view(figure)), box = figure.querySelector(".area").getBoundingClientRect();
    return v.x[0] + (v.x[1] - v.x[0]) * Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1);
  };
  const zoomTo = (figure, range) => {
    const v = figure.view || (figure.view = view(figure)), key = keyOf(figure) + v.axis;
    if (range) state.zoom[key] = range; else delete state.zoom[key];
    draw(figure);
  };

  let drag = null; // a figure, where a zoom begins, and in pixels
  document.addEventListener("pointerdown", (event) => {
    const figure = chartOf(event);
    if (figure && event.pointerType !== "touch" && event.button === 0) drag = { figure, from: under(figure, event), left: event.clientX };
    pointed(event);
  }, { passive: true });
  const pointed = (event) => {
    const figure = drag ? drag.figure : chartOf(event);
    document.querySelectorAll(".tip:not([hidden])").forEach((tip) => { if (!figure || !figure.contains(tip)) hide(tip.parentNode); });
    if (!figure) return;
    tell(figure, under(figure, event));
    if (drag && Math.abs(event.clientX - drag.left) > 5) {
      const v = figure.view, band = figure.querySelector(".band"), ends = [v.at(drag.from), v.at(under(figure, event))].sort((a, b) => a - b);
      band.hidden = false;
      band.style.left = 100 * ends[0] + "%";
      band.style.width = 100 * (ends[1] - ends[0]) + "%";
    }
  };
  document.addEventListener("pointermove", pointed, { passive: true });
  document.addEventListener("pointerup", (event) => {
    if (!drag) return;
    const { figure, from, left } = drag, to = under(figure, event);
    drag = null;
    if (Math.abs(event.clientX - left) > 5 && to !== from) zoomTo(figure, [Math.min(from, to), Math.max(from, to)]);
  }, { passive: true });
  document.addEventListener("dblclick", (event) => { const figure = chartOf(event); if (figure) zoomTo(figure, null); });
  document.addEventListener("keydown", (event) => {
    const figure = chartOf(event);
    if (!figure || event.ctrlKey || event.metaKey || event.altKey) return;
    const v = figure.view || (figure.view = view(figure)), width = v.x[1] - v.x[0], at = figure.told === undefined ? v.x[1] : figure.told;
    switch (event.key) {
      case "ArrowLeft": case "ArrowRight": {
        const by = event.key === "ArrowLeft" ? -1 : 1, all = v.curves.flatMap((c) => c.all.map((p) => p[0])).filter((x) => by * (x - at) > 0 && x >= v.x[0] && x <= v.x[1]);
        if (all.length) tell(figure, by < 0 ? Math.max(...all) : Math.min(...all));
        break;
      }
      case "+": zoomTo(figure, [Math.max(v.x[0], at - width / 4), Math.min(v.x[1], at + width / 4)]); break;
      case "-": case "Escape": case "0": zoomTo(figure, null); break;
      default: return;
    }
    event.preventDefault();
  });

  document.addEventListener("click", (event) => {
    const button = event.target.closest && event.target.closest("button");
    if (!button) return;
    const figure = button.closest(".chart");
    if (button.classList.contains("log")) { state.log[keyOf(figure)] = !state.log[keyOf(figure)]; draw(figure); }
    if (button.classList.contains("whole")) zoomTo(figure, null);
    if (button.classList.contains("sort")) {
      const column = button.closest("th").cellIndex, down = button.closest("th").getAttribute("aria-sort") === "ascending";
      const table = button.closest("table");
      state.sort[table.id] = { column, down };
      sort(table);
    }
    if (button.classList.contains("every")) {
      document.querySelectorAll(".pick input").forEach((e) => { state.hidden[e.dataset.run] = button.dataset.show === "no"; });
      pick();
    }
  });
  document.addEventListener("input", (event) => {
    const e = event.target;
    if (e.classList.contains("axis")) { state.axis = +e.value; tools(); drawAll(); }
    if (e.classList.contains("smooth")) { state.smooth = +e.value; tools(); drawAll(); }
    if (e.closest(".pick")) { state.hidden[e.dataset.run] = !e.checked; pick(); }
  });

  // sort puts the rows of a table, the runs of a comparison or the labels of a run, into the order of a column.
  const sort = (table) => {
    const chosen = state.sort[table.id], body = table.tBodies[0];
    if (!body || !chosen) return;
    const value = (row) => {
      const cell = row.cells[chosen.column], text = cell.textContent.trim();
      if (cell.dataset.value !== undefined) return cell.dataset.value === "" ? null : +cell.dataset.value;
      return cell.tagName === "TH" ? text : text === "–" ? null : /^[\d,.]+$/.test(text) ? +text.replaceAll(",", "") : text;
    };
    const rows = [...body.rows].sort((a, b) => {
      const x = value(a), y = value(b);
      if (x === null || y === null) return (x === null) - (y === null); // what is not known comes last
      return (chosen.down ? -1 : 1) * (typeof x === "number" ? x - y : x.localeCompare(y, "en", { numeric: true }));
    });
    body.append(...rows);
    table.querySelectorAll("thead th").forEach((th, i) => {
      if (i === chosen.column) th.setAttribute("aria-sort", chosen.down ? "descending" : "ascending"); else th.removeAttribute("aria-sort");
    });
  };
  // pick hides runs of a comparison.
  const pick = () => {
    document.querySelectorAll(".pick input").forEach((e) => {
      e.checked = !state.hidden[e.dataset.run];
      e.closest("tr").classList.toggle("off", !e.checked);
    });
    document.querySelectorAll("[data-of]").forEach((e) => { e.hidden = !!state.hidden[e.dataset.of]; });
    drawAll();
  };
  const tools = () => {
    document.querySelectorAll(".axis").forEach((e) => { e.value = state.axis; });
    document.querySelectorAll(".smooth").forEach((e) => { e.value = state.smooth; e.nextElementSibling.textContent = state.smooth > 0 ? state.smooth.toFixed(2) : "none"; });
  };
  // begin turns on what needs a script.
  const begin = () => {
    document.querySelectorAll(".tools, .chart .log, .pick, .reading").forEach((e) => { e.hidden = false; });
    document.querySelectorAll(".chart .area").forEach((e) => { e.tabIndex = 0; });
    document.querySelectorAll(".sortable thead th.by").forEach((th) => {
      if (th.querySelector("button")) return;
      const button = make("button", "sort", th.textContent);
      button.type = "button";
      th.replaceChildren(button);
    });
    tools();
    document.querySelectorAll(".sortable").forEach(sort);
    if (Object.values(state.hidden).some(Boolean)) pick();
    else if (state.axis || state.smooth || Object.keys(state.log).length || Object.keys(state.zoom).length) drawAll();
  };
  begin();
  document.addEventListener("replaced", begin);

  // The cell of a large confusion matrix that is next to the pointer.
  document.addEventListener("pointermove", (event) => {
    const matrix = event.target;
    if (!matrix.matches || !matrix.matches(".matrix[data-cells]")) return;
    const { names, cells } = matrix.known || (matrix.known = JSON.parse(matrix.dataset.cells));
    const box = matrix.getBoundingClientRect(), column = (event.clientX - box.left) / box.width * names.length, row = (event.clientY - box.top) / box.height * names.length;
    let best = -1, least = (names.length / 80) ** 2 + 1, total = 0;
    for (let i = 0; i < cells.length; i += 3) {
      const far = (cells[i] + 0.5 - row) ** 2 + (cells[i + 1] + 0.5 - column) ** 2;
      if (far < least) [best, least] = [i, far];
    }
    if (best < 0) return;
    for (let i = 0; i < cells.length; i += 3) if (cells[i] === cells[best]) total += cells[i + 2];
    const class_ = names[cells[best]], answer = names[cells[best + 1]];
    matrix.parentNode.querySelector(".told").textContent = (class_ === answer ? `${class_}, recognised` : `${class_}, taken for ${answer}`) + `: ${cells[best + 2].toLocaleString("en")} of ${total.toLocaleString("en")}`;
  }, { passive: true });

  // A link to a run that is folded away opens it.
  const open = () => { const e = document.getElementById(location.hash.slice(1)); if (e && e.tagName === "DETAILS") { e.open = true; e.scrollIntoView(); } };
  addEventListener("hashchange", open);
  open();
})();
