/** The Models view: fetching one model at a time, with its progress and a way to stop. */

import { byId, el } from "./dom.js";
import { Work } from "./work.js";

const megabytes = (bytes) => `${(bytes / 1e6).toLocaleString("en", { maximumFractionDigits: bytes < 1e7 ? 1 : 0 })} MB`;

export function start() {
  const box = byId("fetching");
  const fetching = new Work(box, "models");
  byId("model-list").addEventListener("click", ({ target }) => {
    const name = target.closest("[data-fetch]")?.dataset.fetch;
    if (name) pull(fetching, name);
  });
  fetching.part("go").addEventListener("click", () => {
    box.hidden = true;
    byId("model-list").focus({ preventScroll: true });
  });
}

async function pull(work, name) {
  if (work.running) return;
  work.box.hidden = false;
  work.box.scrollIntoView({ block: "nearest" });
  work.box.focus({ preventScroll: true });
  for (const button of document.querySelectorAll("[data-fetch]")) button.disabled = true;
  const done = await work.run(`/api/models/${encodeURIComponent(name)}/pull`, {}, {
    begins: `Looking for ${name}`,
    tells: (data) => `${name}: ${megabytes(data.done)}${data.total ? ` of ${megabytes(data.total)}` : ""}`,
    stopped: `${name} was stopped. What has arrived is kept, and the next fetch goes on there.`,
  });
  if (done) {
    work.report(el("p", {}, done.fetched ? `${name} is here, checked and ready.` : `${name} was here already.`),
      ...done.notes.map((note) => el("p", { class: "meta" }, note)));
  }
}
