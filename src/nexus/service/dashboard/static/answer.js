/** One answer on the page: its text, its sources, what it cost, and what it would like to remember. */

import { ApiError, call } from "./api.js";
import { copyButton, el, plural, problem } from "./dom.js";
import { render } from "./markdown.js";
import { linesOf, placeOf, whereOf } from "./source.js";

const SECTIONS = { task: "question", knowledge: "documents", learnings: "memories", state: "conversation", instructions: "instructions" };
const UNCITED = 4; // so many sources stand open below an answer that cites none
let made = 0;

export class Answer {
  constructor() {
    this.id = `a${(made += 1)}`;
    this.text = "";
    this.frame = null;
    this.status = el("p", { class: "meta", role: "status" });
    this.body = el("div", { class: "reply", "aria-live": "polite", "aria-busy": "true" });
    this.extra = el("div", { class: "extra" });
    this.node = el("article", { class: "answer", "aria-label": "Answer" }, this.body, this.status, this.extra);
  }

  say(text) {
    this.status.textContent = text;
    this.status.hidden = !text;
  }

  queued(ahead) {
    this.say(ahead ? `Waiting for ${plural(ahead, "other request")}` : "Waiting");
  }

  /** What the model is shown: from here on citations can be told from other brackets. */
  show(frame) {
    this.frame = frame;
    this.sources = new Map(frame.sources.map((source) => [source.number, this.source(source)]));
    this.listed = el("div", { class: "sources" });
    this.list();
    this.extra.replaceChildren(this.listed);
    this.say(frame.sources.length ? `Reading ${plural(frame.sources.length, "passage")}` : "Nothing in the documents or memories fits");
  }

  add(text) {
    if (!this.text) this.say("");
    this.text += text;
    // Once a picture, not once a token: a fast model would keep the page busy with itself.
    this.drawing ??= requestAnimationFrame(() => this.draw());
  }

  draw() {
    if (this.drawing) cancelAnimationFrame(this.drawing);
    this.drawing = null;
    render(this.body, this.text, (number) => this.citation(number));
  }

  /** The answer is complete. */
  finish(done) {
    this.text = done.reply || this.text;
    this.answerable = done.answerable;
    this.end();
    const { usage, seconds } = done;
    const parts = [`${plural(usage.prompt_tokens, "token")} read`];
    if (usage.cached_tokens) parts[0] += ` (${usage.cached_tokens.toLocaleString("en")} from the cache)`;
    parts.push(`${usage.completion_tokens.toLocaleString("en")} written`, `first after ${time(seconds.first_token)}`, `${time(seconds.total)} in all`);
    if (done.finish_reason === "length") this.say("The answer reached its longest length and ends here.");
    if (done.finish_reason === "cancelled") this.say("Stopped.");
    if (this.frame) this.extra.append(this.budget(parts.join(", ")));
    for (const proposal of done.proposals ?? []) this.extra.append(proposalCard(proposal));
  }

  /** The answer ends early, by the user's word. */
  stop() {
    this.end();
    this.say("Stopped.");
  }

  /** The answer failed; `again` asks once more. */
  fail(error, again) {
    this.end();
    this.say("");
    this.node.append(problem(error, el("button", { type: "button", onclick: again }, "Try again")));
  }

  end() {
    this.draw();
    this.list();
    this.body.setAttribute("aria-busy", "false");
    if (this.text) {
      const copy = copyButton(() => this.text);
      copy.setAttribute("aria-label", "Copy the answer");
      this.node.insertBefore(copy, this.status);
    }
  }

  citation(number) {
    const source = this.sources?.get(number);
    if (!source) return null;
    return el("a", { class: "cite", href: `#${source.id}`, "aria-label": `Source ${number}`, onclick: (event) => {
      event.preventDefault();
      source.closest("details.rest")?.setAttribute("open", "");
      source.open = true;
      source.scrollIntoView({ block: "nearest" });
      source.querySelector("summary").focus();
    } }, String(number));
  }

  /** Sources that the text cites come first; what else was read is one click away. */
  list() {
    if (!this.listed) return;
    const cited = new Set([...this.body.querySelectorAll(".cite")].map((a) => Number(a.textContent)));
    const [first, rest] = [[], []];
    for (const [number, node] of this.sources) {
      const shown = cited.size ? cited.has(number) : first.length < UNCITED;
      (shown ? first : rest).push(node);
    }
    const parts = [];
    if (first.length) parts.push(el("h3", {}, this.answerable === false ? "Read, without an answer in it" : "Sources"), ...first);
    if (rest.length) parts.push(el("details", { class: "rest" }, el("summary", {}, `${plural(rest.length, "more passage")} read`), ...rest));
    const left = this.frame.left_out;
    if (left.length) {
      parts.push(el("details", { class: "rest" }, el("summary", {}, `${plural(left.length, "passage")} left out for want of room`),
        el("ul", { class: "meta" }, left.map((label) => el("li", {}, String(label))))));
    }
    this.listed.replaceChildren(...parts);
  }

  source(source) {
    return el("details", { class: "source", id: `${this.id}-${source.number}` },
      el("summary", {}, el("span", { class: "number" }, source.number), el("span", { class: "place" }, placeOf(source)), el("span", { class: "meta" }, linesOf(source))),
      el("p", { class: "meta path" }, whereOf(source), ` · score ${source.score.toFixed(2)}`),
      el("pre", { tabindex: "0" }, source.text));
  }

  budget(cost) {
    const { budget, tokens, sections } = this.frame;
    const used = sections.filter((section) => section.tokens);
    const bar = el("div", { class: "bar-of", "aria-hidden": "true" });
    for (const section of used) {
      const part = el("i", { class: `part of-${section.name}` });
      part.style.flexGrow = section.tokens;
      bar.append(part);
    }
    const free = el("i");
    free.style.flexGrow = Math.max(0, budget - tokens);
    bar.append(free);
    return el("div", { class: "budget" }, bar,
      el("p", { class: "meta legend" }, used.map((section) => el("span", { class: `of-${section.name}` }, `${SECTIONS[section.name] ?? section.name} ${section.tokens.toLocaleString("en")}`)),
        el("span", {}, `${tokens.toLocaleString("en")} of ${plural(budget, "token")}`)),
      el("p", { class: "meta" }, cost));
  }
}

function proposalCard(proposal) {
  const words = el("p", { class: "words" }, proposal.learning);
  const decide = async (verb, said) => {
    try {
      await call("POST", `/api/proposals/${encodeURIComponent(proposal.id)}/${verb}`, {});
      card.replaceChildren(el("p", { class: "meta" }, said));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      card.querySelector(".problem")?.remove();
      card.append(problem(error));
    }
  };
  const card = el("div", { class: "card proposal", role: "group", "aria-label": "Proposed memory" },
    el("p", { class: "meta" }, "Remember this?"), words,
    proposal.contradicts?.length && el("p", { class: "meta" }, `It ${proposal.reason.slice(proposal.reason.indexOf("contradicts "))}. Remembering it replaces that; under `, el("a", { href: "#remembered" }, "Remembered"), " you can keep both."),
    el("div", { class: "row end" },
      el("button", { type: "button", class: "quiet", onclick: () => decide("reject", "Dismissed. It will not be proposed again.") }, "Dismiss"),
      el("button", { type: "button", onclick: () => decide("approve", "Remembered.") }, "Remember")));
  return card;
}

const time = (seconds) => (seconds < 60 ? `${seconds.toFixed(1)} s` : `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`);
