/** The Agents view: commands to copy, who has asked as it goes on, and importing sessions. */

import { byId, copied } from "./dom.js";
import { read } from "./reading.js";
import { Work } from "./work.js";

const EVERY_MS = 5000;
let looked = 0;

export function start() {
  const importing = new Work(byId("import"));
  byId("import").addEventListener("submit", (event) => {
    event.preventDefault();
    const path = byId("sessions-path").value.trim();
    read(importing, "/api/sessions", path ? { paths: [path] } : { clients: ["claude-code", "codex"] }, "session");
  });
  byId("clients").addEventListener("click", ({ target }) => {
    const button = target.closest("[data-copy]");
    if (button) copied(button, button.dataset.copy);
  });
  document.addEventListener("nexus:status", () => {
    if (byId("agents").hidden || performance.now() - looked < EVERY_MS) return;
    looked = performance.now();
    document.body.dispatchEvent(new Event("traffic-changed"));
  });
}
