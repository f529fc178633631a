/** The Files view: adding a folder or a file, and reading one again. */

import { byId } from "./dom.js";
import { read } from "./reading.js";
import { Work } from "./work.js";

export function start() {
  const adding = new Work(byId("add"));
  byId("add").addEventListener("submit", (event) => {
    event.preventDefault();
    const path = byId("path").value.trim();
    if (path) add(adding, path);
  });
  byId("roots").addEventListener("click", (event) => {
    const path = event.target.closest("[data-again]")?.dataset.again;
    if (!path) return;
    byId("add").scrollIntoView({ block: "nearest" });
    add(adding, path);
  });
}

async function add(work, path) {
  if (await read(work, "/api/knowledge", { paths: [path] }, "file")) byId("path").value = "";
}
