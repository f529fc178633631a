/** The conversation: asks, shows the answer as it comes, keeps the turns until the tab is closed. */

import { ApiError, stream } from "./api.js";
import { Answer } from "./answer.js";
import { byId, el, plural } from "./dom.js";

const KEY = "nexus.turns";
const MESSAGES = 200; // what one request may carry; the frame has room for far fewer
const prompt = byId("prompt");
const turns = []; // {prompt, frame, done, stopped}: what a reload shows again
let running = null; // AbortController of the answer that is being written

export function start() {
  byId("ask").addEventListener("submit", (event) => {
    event.preventDefault();
    const text = prompt.value.trim();
    if (!text || running) return;
    prompt.value = "";
    fit();
    ask(text);
  });
  prompt.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    byId("ask").requestSubmit();
  });
  prompt.addEventListener("input", fit);
  byId("stop").addEventListener("click", () => running?.abort());
  byId("new-chat").addEventListener("click", () => {
    running?.abort();
    turns.length = 0;
    save();
    byId("turns").replaceChildren();
    welcome();
    prompt.focus();
  });
  document.addEventListener("nexus:status", (event) => greet(event.detail));
  restore();
  welcome();
}

async function ask(text) {
  const said = turns.flatMap((turn) => {
    const reply = turn.done?.reply;
    return reply ? [{ role: "user", content: turn.prompt }, { role: "assistant", content: reply }] : [];
  });
  const turn = { prompt: text };
  turns.push(turn);
  const answer = place(turn);
  running = new AbortController();
  busy(true);
  answer.say("Looking for what fits");
  answer.node.scrollIntoView({ block: "end" });
  try {
    await follow(turn, answer, said.slice(-MESSAGES), running.signal);
  } catch (error) {
    if (running.signal.aborted) {
      turn.done = { reply: answer.text, finish_reason: "cancelled" };
      turn.stopped = true;
      answer.stop();
    } else if (error instanceof ApiError) {
      turns.splice(turns.indexOf(turn), 1);
      answer.fail(error, () => {
        answer.node.closest("li").remove();
        if (!running) ask(text);
      });
    } else {
      throw error;
    }
  } finally {
    running = null;
    busy(false);
    save();
  }
}

async function follow(turn, answer, history, signal) {
  const body = { prompt: turn.prompt, history, stream: true };
  for await (const [name, data] of stream("POST", "/api/interact", body, signal)) {
    const near = innerHeight + scrollY > document.body.scrollHeight - 160;
    if (name === "queued") answer.queued(data.ahead);
    else if (name === "frame") answer.show((turn.frame = data));
    else if (name === "token") answer.add(data.text);
    else if (name === "error") throw new ApiError(data.error, data.status);
    else if (name === "done") {
      turn.done = data;
      answer.finish(data);
      return;
    }
    // Follow the answer, but never take the page away from someone who scrolled up to read.
    if (near) scrollTo(0, document.body.scrollHeight);
  }
  throw new ApiError({ code: "cut_off", message: "The connection ended before the answer was complete" });
}

function place(turn) {
  const answer = new Answer();
  byId("turns").append(el("li", {}, el("p", { class: "question" }, el("span", { class: "unseen" }, "You asked: "), turn.prompt), answer.node));
  welcome();
  return answer;
}

function busy(on) {
  byId("stop").hidden = !on;
  byId("send").hidden = on;
  if (!on) prompt.focus({ preventScroll: true });
}

function fit() {
  prompt.style.height = "auto";
  prompt.style.height = `${Math.min(prompt.scrollHeight + 2, innerHeight * 0.4)}px`;
}

/** The first screen tells what there is to ask about. */
function welcome() {
  const empty = !byId("turns").children.length;
  byId("welcome").hidden = !empty;
  byId("new-chat").hidden = empty;
}

function greet(status) {
  const { documents, memories } = status.knowledge;
  if (documents === undefined) return; // still starting
  const text = byId("welcome-text");
  const parts = documents || memories
    ? [`${plural(documents, "document")} and ${memories === 1 ? "1 memory" : `${memories.toLocaleString("en")} memories`} are ready. Each answer names where it comes from.`]
    : ["There is nothing to read yet. Add a folder under ", el("a", { href: "#files" }, "Files"), " first."];
  if (status.model.state !== "ready") parts.push(" The model is not ready, see ", el("a", { href: "#status" }, "Status"), ".");
  const now = parts.map((part) => part.textContent ?? part).join("");
  if (text.textContent !== now) text.replaceChildren(...parts);
}

function save() {
  const kept = turns.filter((turn) => turn.done).map((turn) => ({ ...turn, done: { ...turn.done, proposals: [] } }));
  try {
    sessionStorage.setItem(KEY, JSON.stringify(kept));
  } catch {
    sessionStorage.removeItem(KEY); // over the browser's quota: a reload then starts anew
  }
}

function restore() {
  for (const turn of JSON.parse(sessionStorage.getItem(KEY) ?? "[]")) {
    turns.push(turn);
    const answer = place(turn);
    if (turn.frame) answer.show(turn.frame);
    answer.say("");
    answer.text = turn.done.reply;
    if (turn.stopped) answer.stop();
    else answer.finish(turn.done);
  }
}
