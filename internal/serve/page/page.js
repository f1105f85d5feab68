"use strict";
const at = (id) => document.getElementById(id);
const most = 20; // images at a time

// ask sends a request with the token, if there is one.
async function ask(address, options = {}) {
  const headers = { ...options.headers };
  if (at("token").value) headers.Authorization = "Bearer " + at("token").value;
  const reply = await fetch(address, { ...options, method: "POST", headers });
  if (reply.status === 401) at("ask").hidden = false;
  const body = await reply.json();
  if (!reply.ok) throw new Error(body.error);
  return body;
}

async function models() {
  try {
    const list = await ask("v2/repository/index");
    at("model").replaceChildren(...list.map((m) => new Option(m.name, m.name)));
    at("message").textContent = "";
  } catch (e) {
    at("message").textContent = e.message;
  }
}

// element makes an element with a text and children.
function element(name, text, ...children) {
  const e = document.createElement(name);
  if (text) e.textContent = text;
  e.append(...children);
  return e;
}

function line(c) {
  const bar = element("progress");
  bar.value = c.prob;
  return element("li", "", bar, element("span", c.label), element("span", (100 * c.prob).toFixed(1) + " %"));
}

async function classify(file) {
  const image = new Image();
  image.alt = "";
  image.src = URL.createObjectURL(file);
  const text = element("div", "", element("small", "…"));
  at("results").prepend(element("article", "", image, text));
  try {
    const address = "classify?model=" + encodeURIComponent(at("model").value);
    const reply = await ask(address, { body: file, headers: { "Content-Type": "application/octet-stream" } });
    const [r] = reply.results;
    const times = Object.entries(r.times_ms).map(([stage, ms]) => `${stage} ${ms.toFixed(1)} ms`);
    text.replaceChildren(element("ol", "", ...r.classes.map(line)), element("small", `${file.name}: ${times.join(", ")}`));
  } catch (e) {
    const failed = element("p", `${file.name}: ${e.message}`);
    failed.className = "error";
    text.replaceChildren(failed);
  }
}

async function take(files) {
  for (const f of [...files].slice(0, most)) await classify(f);
}

at("file").addEventListener("change", (e) => take(e.target.files).then(() => { e.target.value = ""; }));
at("token").addEventListener("change", models);
document.querySelector("form").addEventListener("submit", (e) => e.preventDefault());
for (const kind of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (e) => {
    e.preventDefault();
    at("drop").classList.toggle("over", kind === "dragover");
    if (kind === "drop") take(e.dataTransfer.files);
  });
}
document.addEventListener("paste", (e) => take(e.clipboardData.files));
models();
