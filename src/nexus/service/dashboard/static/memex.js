/** MemexFS in the Files view: how it goes is looked at again while the view is open. */

import { byId } from "./dom.js";

const EVERY_MS = 3000;
let looked = 0;

export function start() {
  document.addEventListener("nexus:status", () => {
    if (byId("files").hidden || performance.now() - looked < EVERY_MS) return;
    // What somebody has opened to read would be closed under their eyes.
    if (byId("memex").querySelector("details[open]")) return;
    looked = performance.now();
    document.body.dispatchEvent(new Event("memex-changed"));
  });
  byId("memex-search").addEventListener("input", (event) => {
    if (!event.target.value) byId("memex-found").replaceChildren();
  });
}
