/** The Learning view: what the learner reads and how much it surprises it, its progress, and its controls. */

import { ApiError, call } from "./api.js";
import { byId, el } from "./dom.js";
import { notice } from "./forms.js";

const THOUGHTS = 60; // lines kept on the page
const POINTS = 720;
const LEVELS = [1, 2.5, 4, 6]; // bits per byte: below the first is expected, above the last surprising
const KINDS = { dream: "dreams", teacher: "is taught", reading: "reads" };
const STATES = {
  off: "Learning is switched off",
  starting: "Starting",
  learning: "Learning",
  idle: "Nothing to learn from yet",
  waiting: "Waits while you are served",
  paused: "Paused",
  failed: "Not running",
};
const CURVES = { experience_factor: "curve-experience", flow_depth: "curve-depth" };
const points = Object.fromEntries(Object.keys(CURVES).map((key) => [key, []]));
let last = 0;

export function start() {
  document.addEventListener("nexus:thought", ({ detail }) => think(detail));
  document.addEventListener("nexus:status", ({ detail }) => show(detail));
  document.addEventListener("nexus:status", begin, { once: true });
  byId("learning-pause").addEventListener("click", () => control("pause"));
  byId("learning-resume").addEventListener("click", () => control("resume"));
  byId("train-stop").addEventListener("click", () => control("train_stop"));
  byId("train").addEventListener("submit", (event) => {
    event.preventDefault();
    control("train_start", { topic: event.target.elements.topic.value.trim() });
  });
}

/** What happened before the page was opened. */
async function begin() {
  try {
    const { history, thoughts } = await call("GET", "/api/learning");
    fill(history);
    thoughts.forEach(think);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
  }
}

async function control(action, more = {}) {
  try {
    show(await call("POST", "/api/control", { action, ...more }));
    notice(null);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    notice(error);
  }
}

function think({ kind, pieces }) {
  const list = byId("thoughts");
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  list.append(el("li", {}, el("b", {}, KINDS[kind] ?? kind), pieces.map(([text, bits]) =>
    el("i", { class: `s${LEVELS.filter((level) => bits > level).length}`, title: `${bits.toFixed(1)} bits per byte` }, text))));
  while (list.children.length > THOUGHTS) list.firstElementChild.remove();
  if (atEnd) list.scrollTop = list.scrollHeight;
}

function show({ learning, daemon }) {
  if (!learning) return;
  const { state, training } = learning;
  say("learning-state", learning.detail ? `${STATES[state] ?? state}: ${learning.detail}` : STATES[state] ?? state);
  byId("learning-pause").hidden = daemon.paused || state === "off";
  byId("learning-resume").hidden = !daemon.paused;
  byId("train-stop").hidden = !training?.active;
  byId("train-start").disabled = state === "off";
  const topic = training?.topic || "any topic";
  say("training-state", training?.active
    ? `Training on ${topic}: ${training.pairs} pairs learnt, ${training.refused} refused (${training.teacher})` : "");
  add(learning);
}

function say(id, text) {
  if (byId(id).textContent !== text) byId(id).textContent = text;
}

function fill(history) {
  for (const key of Object.keys(CURVES)) points[key] = history.map((point) => point[key]);
  draw();
}

function add(learning) {
  if (learning.bytes_learned === undefined || learning.bytes_learned === last) return;
  last = learning.bytes_learned;
  for (const key of Object.keys(CURVES)) {
    if (typeof learning[key] !== "number") continue;
    points[key].push(learning[key]);
    if (points[key].length > POINTS) points[key].shift();
  }
  draw();
}

function draw() {
  for (const [key, id] of Object.entries(CURVES)) {
    const figure = byId(id);
    const values = points[key];
    figure.querySelector("b").textContent = values.length ? values.at(-1).toFixed(2) : "not known";
    figure.querySelector("svg")?.remove();
    if (values.length > 1) figure.append(curve(values, figure.querySelector("span").textContent));
  }
}

/** A line through the values, from 0 or below to the highest. */
function curve(values, name) {
  const [low, high] = [Math.min(0, ...values), Math.max(...values, 0.01)];
  const at = (value, index) => `${((index / (values.length - 1)) * 100).toFixed(2)} ${(38 - ((value - low) / (high - low)) * 36).toFixed(2)}`;
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  svg.setAttribute("viewBox", "0 0 100 40");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", `${name}: ${values.at(-1).toFixed(2)}, between ${low.toFixed(2)} and ${high.toFixed(2)}`);
  path.setAttribute("d", `M${values.map(at).join("L")}`);
  svg.append(path);
  return svg;
}
