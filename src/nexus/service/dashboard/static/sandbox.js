/** The Sandbox view: runs what is typed and shows its output as it comes. */

import { ApiError, stream } from "./api.js";
import { byId, el, problem } from "./dom.js";

const SHOWN = 200_000; // characters on the page
const NEAR = 40; // pixels from its end
const ENDINGS = {
  wall: "Ended: it took too long",
  cpu: "Ended: it took too much processor time",
  memory: "Ended: it needs more memory",
  output: "Ended: it printed too much",
  calls: "Ended: it called the host too often",
  crashed: "It crashed",
  stopped: "Stopped",
};
let running = null;

export function start() {
  const form = byId("sandbox-form");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    run(byId("sandbox-code").value);
  });
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
  byId("sandbox-stop").addEventListener("click", () => running?.abort());
}

async function run(code) {
  if (running) return;
  const mine = (running = new AbortController());
  const shown = el("pre", { class: "output", tabindex: "0" });
  const verdict = el("p", { class: "meta" }, "Running");
  byId("sandbox-output").replaceChildren(shown, verdict);
  busy(true);
  let room = SHOWN;
  try {
    for await (const [name, data] of stream("POST", "/api/sandbox/run", { code, stream: true }, mine.signal)) {
      if (name === "output") {
        const text = data.text.slice(0, room);
        // Who scrolled back to read is left there.
        const followed = shown.scrollHeight - shown.clientHeight - shown.scrollTop < NEAR;
        room -= text.length;
        shown.append(el("span", { class: data.fd === 2 ? "err" : null }, text));
        if (text.length < data.text.length) shown.append(el("span", { class: "meta" }, "\n[more is not shown here]"));
        if (followed) shown.scrollTop = shown.scrollHeight;
      } else if (name === "error") throw new ApiError(data.error);
      else if (name === "done") verdict.textContent = told(data);
    }
  } catch (error) {
    if (mine.signal.aborted) verdict.textContent = "Stopped";
    else if (error instanceof ApiError) verdict.replaceWith(problem(error));
    else throw error;
  } finally {
    running = null;
    busy(false);
    document.body.dispatchEvent(new Event("sandbox-changed"));
  }
}

function told({ ending, status, seconds, backend, detail }) {
  const how = ending === "exited" ? `Exit status ${status}` : ENDINGS[ending] ?? ending;
  return `${how}, ${(seconds * 1000).toFixed(1)} ms by ${backend}${detail && `: ${detail}`}`;
}

function busy(on) {
  byId("sandbox-run").disabled = on;
  byId("sandbox-stop").hidden = !on;
}
