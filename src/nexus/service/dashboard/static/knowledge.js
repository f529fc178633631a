/** The index: checking it, filling it anew. */

import { call } from "./api.js";
import { byId, el, plural } from "./dom.js";
import { Work } from "./work.js";

export function start() {
  const index = new Work(byId("index"));
  index.part("check").addEventListener("click", () => check(index));
  index.part("go").addEventListener("click", () => rebuild(index));
}

async function check(work) {
  if (work.running) return;
  work.report(el("p", { class: "meta" }, "Checking"));
  try {
    const found = await call("POST", "/api/index/verify", {});
    const wrong = [
      found.missing && `${plural(found.missing, "point")} missing`,
      found.unembedded && `${plural(found.unembedded, "point")} without a vector`,
      found.stale && `${plural(found.stale, "point")} of what is gone`,
      ...found.problems,
    ].filter(Boolean);
    work.report(found.sound
      ? el("p", {}, `Sound: ${plural(found.points, "point")}, each with its vector.`)
      : el("div", { class: "problem", role: "alert" }, wrong.map((line) => el("p", {}, line)), el("p", { class: "meta" }, "Rebuild mends it.")));
  } catch (error) {
    work.fail(error);
  }
}

async function rebuild(work) {
  const done = await work.run("/api/index/rebuild", {}, {
    begins: "Emptying the index",
    tells: (data) => `${data.done.toLocaleString("en")} of ${plural(data.total, "passage")}`,
    stopped: "Stopped. What is missing is added at the next start or rebuild.",
  });
  if (done) work.report(el("p", {}, `Rebuilt: the index holds ${plural(done.points, "point")}.`));
}
