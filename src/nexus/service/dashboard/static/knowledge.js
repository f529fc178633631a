/** Documents, sessions and the index: taking in with live progress, checking, filling anew. */

import { call } from "./api.js";
import { byId, el, plural } from "./dom.js";
import { Work } from "./work.js";

const SHOWN = ["failed", "skipped"]; // what the user should know about file by file
const ORDER = ["added", "updated", "unchanged", "removed", "skipped", "failed"];

export function start() {
  const [adding, importing, index] = ["add", "import", "index"].map((id) => new Work(byId(id)));
  byId("add").addEventListener("submit", (event) => {
    event.preventDefault();
    const path = byId("path").value.trim();
    if (path) add(adding, path);
  });
  byId("roots").addEventListener("click", (event) => {
    const path = event.target.closest("[data-again]")?.dataset.again;
    if (path) add(adding, path);
  });
  byId("import").addEventListener("submit", (event) => {
    event.preventDefault();
    const path = byId("sessions-path").value.trim();
    read(importing, "/api/sessions", path ? { paths: [path] } : { clients: ["claude-code", "codex"] }, "session");
  });
  index.part("check").addEventListener("click", () => check(index));
  index.part("go").addEventListener("click", () => rebuild(index));
}

async function add(work, path) {
  if (await read(work, "/api/knowledge", { paths: [path] }, "file")) byId("path").value = "";
}

async function read(work, path, body, noun) {
  const tells = ({ phase, done, total, chunks, path: file }) => (phase === "embedding"
    ? `Read; ${done.toLocaleString("en")} of ${plural(total, "passage")} embedded`
    : `${done.toLocaleString("en")} of ${plural(total, noun)}, ${plural(chunks, "passage")} · ${file}`);
  const done = await work.run(path, body, { begins: `Looking for ${noun}s`, tells, stopped: "Stopped. What was read before is kept." });
  if (done) report(work, done, noun);
  return done !== null;
}

function report(work, { counts, files }, noun) {
  const sum = ORDER.filter((status) => counts[status]).map((status) => `${counts[status].toLocaleString("en")} ${status}`);
  const left = files.filter((file) => SHOWN.includes(file.status));
  work.report(
    el("p", {}, sum.length ? `${sum.join(", ")}.` : `No ${noun}s were found there.`),
    left.length ? el("details", { open: left.length <= 20, class: "rest" },
      el("summary", {}, `${plural(left.length, noun)} left out`),
      el("ul", { class: "left-out" }, left.map((file) => el("li", {},
        el("span", { class: "path" }, file.path), el("span", { class: "meta" }, file.reason, file.hint && ` (${file.hint})`))))) : "");
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
