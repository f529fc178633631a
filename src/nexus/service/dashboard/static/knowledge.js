/** Adding documents: live progress, and afterwards what was left out and why. */

import { ApiError, stream } from "./api.js";
import { byId, el, plural } from "./dom.js";

const SHOWN = ["failed", "skipped"]; // what the user should know about file by file
let running = null;

export function start() {
  byId("add").addEventListener("submit", (event) => {
    event.preventDefault();
    const path = byId("path").value.trim();
    if (path && !running) add(path);
  });
  byId("add-stop").addEventListener("click", () => running?.abort());
  byId("roots").addEventListener("click", (event) => {
    const path = event.target.closest("[data-again]")?.dataset.again;
    if (path && !running) add(path);
  });
}

async function add(path) {
  running = new AbortController();
  busy(true);
  byId("add-report").replaceChildren();
  progress("Looking for files", null);
  try {
    for await (const [name, data] of stream("POST", "/api/knowledge", { paths: [path] }, running.signal)) {
      if (name === "queued") progress(`Waiting for ${plural(data.ahead, "other request")}`, null);
      else if (name === "progress") progress(`${data.done} of ${plural(data.total, "file")}, ${plural(data.chunks, "passage")} · ${data.path}`, data);
      else if (name === "error") throw new ApiError(data.error, data.status);
      else if (name === "done") {
        report(data);
        byId("path").value = "";
        return;
      }
    }
    throw new ApiError({ code: "cut_off", message: "The connection ended before all files were read", hint: "add the folder again: what is done is kept" });
  } catch (error) {
    if (running.signal.aborted) byId("add-report").replaceChildren(el("p", { class: "meta" }, "Stopped. What was read before is kept."));
    else if (error instanceof ApiError) byId("add-report").replaceChildren(el("div", { class: "problem", role: "alert" }, el("p", {}, error.message), error.hint && el("p", { class: "meta" }, error.hint)));
    else throw error;
  } finally {
    running = null;
    busy(false);
    document.body.dispatchEvent(new Event("knowledge-changed"));
  }
}

function busy(on) {
  byId("add-stop").hidden = !on;
  byId("add-start").hidden = on;
  byId("add-progress").hidden = !on;
}

function progress(text, data) {
  const bar = byId("add-progress").querySelector("progress");
  if (data?.total) Object.assign(bar, { max: data.total, value: data.done });
  else bar.removeAttribute("value");
  byId("add-text").textContent = text;
}

function report({ counts, files }) {
  const order = ["added", "updated", "unchanged", "removed", "skipped", "failed"];
  const sum = order.filter((status) => counts[status]).map((status) => `${counts[status].toLocaleString("en")} ${status}`);
  const left = files.filter((file) => SHOWN.includes(file.status));
  byId("add-report").replaceChildren(
    el("p", {}, sum.length ? `${sum.join(", ")}.` : "No files were found there."),
    left.length ? el("details", { open: left.length <= 20, class: "rest" },
      el("summary", {}, `${plural(left.length, "file")} left out`),
      el("ul", { class: "left-out" }, left.map((file) => el("li", {},
        el("span", { class: "path" }, file.path), el("span", { class: "meta" }, file.reason, file.hint && ` (${file.hint})`))))) : "");
}
