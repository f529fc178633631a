/** Search over everything that is known; each result says how its score came about. */

import { ApiError, call } from "./api.js";
import { announce, byId, el, plural, problem } from "./dom.js";
import { linesOf, placeOf, whereOf } from "./source.js";

const LIMIT = 10;
const PARTS = {
  meaning: "meaning", words: "words", context: "words around it", late: "word by word",
  recency: "how new", frequency: "how often used", cosine: "nearness in meaning", coverage: "words of the question in it",
  expected: "by what the model expected",
};
let asked = 0;

export function start() {
  byId("search").addEventListener("submit", (event) => {
    event.preventDefault();
    search();
  });
  byId("search").addEventListener("change", (event) => {
    if (event.target.name === "kinds") search();
  });
  byId("search").addEventListener("input", (event) => {
    if (event.target.name === "query" && !event.target.value) byId("found").replaceChildren();
  });
}

async function search() {
  const fields = new FormData(byId("search"));
  const [query, kinds] = [fields.get("query").trim(), fields.getAll("kinds")];
  const mine = (asked += 1);
  if (!query) return;
  if (!kinds.length) {
    show([el("p", { class: "empty" }, "Choose at least one kind.")]);
    return;
  }
  const model = fields.has("model");
  if (model) {
    const waiting = "The model writes what it expects, then reads the best twenty";
    announce(waiting);
    show([el("p", { class: "meta wait" }, waiting)]);
  }
  let shown;
  try {
    const { results } = await call("POST", "/api/recall", { query, kinds, limit: LIMIT, draft: model, rerank: model });
    announce(results.length ? `${plural(results.length, "passage")} found` : "Nothing was found");
    shown = results.length ? results.map(entry) : [el("p", { class: "empty" }, "Nothing was found.")];
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    shown = [problem(error)];
  }
  if (mine === asked) show(shown); // an answer that was overtaken is not shown
}

const show = (nodes) => byId("found").replaceChildren(...nodes);

function entry(result, index) {
  return el("details", { class: "source" },
    el("summary", {}, el("span", { class: "number" }, index + 1), el("span", { class: "place" }, placeOf(result)), el("span", { class: "meta" }, linesOf(result))),
    el("p", { class: "meta path" }, whereOf(result)),
    el("pre", { tabindex: "0" }, result.text),
    el("details", { class: "rest why" }, el("summary", {}, `Why: score ${result.score.toFixed(2)}`),
      el("dl", {}, parts(result.scores))));
}

function parts(scores) {
  const names = Object.keys(PARTS).filter((name) => name !== "expected" || scores.expected);
  return names.flatMap((name) => [el("dt", {}, PARTS[name]), part(scores[name] ?? 0)]);
}

function part(value) {
  const bar = el("i");
  bar.style.width = `${Math.max(0, Math.min(1, value)) * 100}%`;
  return el("dd", {}, el("span", { class: "meter", "aria-hidden": "true" }, bar), value.toFixed(3));
}
