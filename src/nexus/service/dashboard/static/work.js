/**
 * Long work of the service on the page: how far it is, a button to stop it, how it ended.
 *
 * A box has one [data-progress] with a <progress> and a <p>, one [data-report], and buttons [data-go]
 * and [data-stop]. One work at a time runs in a box.
 */

import { ApiError, stream } from "./api.js";
import { el, plural, problem } from "./dom.js";

export class Work {
  /** `changes` names the lists that are read again when a work has ended. */
  constructor(box, changes = "knowledge") {
    this.box = box;
    this.changes = changes;
    this.running = null;
    this.part("stop").addEventListener("click", () => this.running?.abort());
  }

  part(name) {
    return this.box.querySelector(`[data-${name}]`);
  }

  /** Show something below the buttons. */
  report(...nodes) {
    this.part("report").replaceChildren(...nodes);
  }

  fail(error) {
    if (!(error instanceof ApiError)) throw error;
    this.report(problem(error));
  }

  /** Run a job to its end. Returns its result, or null when it failed or was stopped. */
  async run(path, body, { begins, tells, stopped }) {
    if (this.running) return null;
    const mine = (this.running = new AbortController());
    this.busy(true);
    this.report();
    this.progress(begins, null);
    try {
      for await (const [name, data] of stream("POST", path, body, mine.signal)) {
        if (name === "queued") this.progress(`Waiting for ${plural(data.ahead, "other request")}`, null);
        else if (name === "progress") this.progress(tells(data), data);
        else if (name === "note") this.progress(data.text, null);
        else if (name === "error") throw new ApiError(data.error, data.status);
        else if (name === "done") return data;
      }
      throw new ApiError({ code: "cut_off", message: "The connection ended before the work was done", hint: "start it again: what is done is kept" });
    } catch (error) {
      if (mine.signal.aborted) this.report(el("p", { class: "meta" }, stopped));
      else this.fail(error);
      return null;
    } finally {
      this.running = null;
      this.busy(false);
      document.body.dispatchEvent(new Event(`${this.changes}-changed`));
    }
  }

  busy(on) {
    // The button that was pressed goes away: the keyboard stays at the one that takes its place.
    const held = this.box.contains(document.activeElement) && document.activeElement.matches("button");
    this.part("stop").hidden = !on;
    this.part("go").hidden = on;
    this.part("progress").hidden = !on;
    if (held) this.part(on ? "stop" : "go").focus({ preventScroll: true });
  }

  progress(text, data) {
    const bar = this.part("progress").querySelector("progress");
    if (data?.total) Object.assign(bar, { max: data.total, value: data.done });
    else bar.removeAttribute("value");
    this.part("progress").querySelector("p").textContent = text;
  }
}
