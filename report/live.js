// The page asks for what is new and puts it in the place of what it shows.
"use strict";
(() => {
  const page = document.getElementById("page"), status = document.getElementById("live");
  let tag = "", failures = 0;
  const say = (text, lost) => { status.textContent = text; status.classList.toggle("lost", lost); };
  const replace = (html) => {
    const all = () => [...page.querySelectorAll("details")];
    const name = (e) => e.id || ((e.closest("details.run") || {}).id || "") + "/" + ((e.closest("[data-title]") || { dataset: {} }).dataset.title || "");
    const open = new Map(all().map((e) => [name(e), e.open]));
    const scrolled = [...page.querySelectorAll(".wide")].map((e) => e.scrollLeft);
    page.innerHTML = html;
    all().forEach((e) => { if (open.has(name(e))) e.open = open.get(name(e)); });
    page.querySelectorAll(".wide").forEach((e, i) => { e.scrollLeft = scrolled[i] || 0; });
    document.dispatchEvent(new Event("replaced"));
  };
  const poll = async () => {
    if (!document.hidden) {
      try {
        const answer = await fetch("content", { headers: tag ? { "If-None-Match": tag } : {}, cache: "no-store", signal: AbortSignal.timeout(20000) });
        if (answer.status === 200) {
          const title = answer.headers.get("X-Title");
          replace(await answer.text());
          if (title) document.title = decodeURIComponent(title);
          tag = answer.headers.get("ETag") || "";
        } else if (answer.status !== 304) {
          throw new Error(answer.status);
        }
        failures = 0;
        const state = page.querySelector(".state");
        say(state && state.classList.contains("running") ? "live" : "", false);
      } catch {
        failures++;
        if (failures > 1) say("no longer served; this is the last state", true);
      }
    }
    setTimeout(poll, Math.min(2000 * (1 + failures), 30000));
  };
  poll();
})();
