/** Files or sessions being taken in: how far it is, and what became of each. */

import { el, plural } from "./dom.js";

const SHOWN = ["failed", "skipped"]; // what the user should know about file by file
const ORDER = ["added", "updated", "unchanged", "removed", "skipped", "failed"];
const MOST = 200; // lines of a report; the Files view has all of them

/** Take in what the body names. Returns whether it came to its end. */
export async function read(work, path, body, noun) {
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
      el("ul", { class: "left-out" }, left.slice(0, MOST).map((file) => el("li", {},
        el("span", { class: "path" }, file.path), el("span", { class: "meta" }, file.reason, file.hint && ` (${file.hint})`)))),
      left.length > MOST && el("p", { class: "meta" }, `The first ${MOST}; the list of folders has all of them.`)) : "");
}
