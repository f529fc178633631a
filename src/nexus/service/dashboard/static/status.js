/** The live state of the service: one stream of events feeds the Status view and the line in the header. */

import { ApiError, stream } from "./api.js";
import { byId, copyButton, el, plural, told } from "./dom.js";

const WORDS = { starting: "Starting", ready: "Ready", draining: "Stopping", stopped: "Stopped", failed: "Failed" };
const RETRY_MS = [1000, 2000, 5000];
const SETTLED_SECONDS = 600; // what a service takes while it starts says nothing about growth
const number = (value) => value.toLocaleString("en", { maximumFractionDigits: 1 });
const FORMATS = {
  number,
  share: (value) => `${number(value * 100)} %`,
  percent: (value) => `${Math.round(value)} %`,
  tokens: (value) => plural(value, "token"),
  bytes: (value) => (value >= 1e6 ? `${number(value / 1e6)} MB` : `${number(value / 1e3)} kB`),
  megabytes: (value) => (value >= 1024 ? `${number(value / 1024)} GB` : `${number(value)} MB`),
  growth: (value) => `${value > 0 ? "+" : ""}${number(value)} MB per hour`,
  duration: (value) => {
    const [days, hours, minutes] = [Math.floor(value / 86400), Math.floor(value / 3600) % 24, Math.floor(value / 60) % 60];
    if (days) return `${days} d ${hours} h`;
    return hours ? `${hours} h ${minutes} min` : minutes ? `${minutes} min` : `${Math.floor(value)} s`;
  },
};
let reading = null;
let started = false;
let shownParts = "";

/** Read events for as long as somebody looks: a browser has few connections for one host. */
export function start() {
  if (!started) document.addEventListener("visibilitychange", () => (document.hidden ? reading?.abort() : follow()));
  started = true;
  if (!document.hidden) follow();
}

async function follow() {
  reading?.abort();
  const mine = (reading = new AbortController());
  for (let tries = 0; !mine.signal.aborted; tries += 1) {
    try {
      for await (const [name, data] of stream("GET", "/api/events", undefined, mine.signal)) {
        if (name === "status") {
          show(data);
          tries = 0;
        } else document.dispatchEvent(new CustomEvent(`nexus:${name}`, { detail: data }));
      }
    } catch (error) {
      if (mine.signal.aborted) return;
      if (!(error instanceof ApiError)) throw error;
      if (error.status === 401) return;
    }
    lost();
    await new Promise((resolve) => { setTimeout(resolve, RETRY_MS[Math.min(tries, 2)]); });
  }
}

function lost() {
  header("lost", "No answer");
  byId("issues").replaceChildren(el("div", { class: "problem" }, told({ message: "The service does not answer.", hint: "Start it with `nexus up`; what stands here is how it was." })));
  shownParts = "";
}

function header(state, text) {
  const line = byId("state");
  line.dataset.state = state;
  if (line.textContent !== text) line.textContent = text;
}

function show(status) {
  const { state } = status.daemon;
  const back = byId("state").dataset.state === "lost";
  const without = state === "ready" && status.model.state !== "ready";
  header(without ? "starting" : state, without ? `No model: ${status.model.state}` : WORDS[state] ?? state);
  if (back) document.dispatchEvent(new CustomEvent("nexus:back"));
  document.dispatchEvent(new CustomEvent("nexus:status", { detail: status }));
  if (byId("status").hidden && byId("learning").hidden) return;
  for (const node of document.querySelectorAll("[data-value]")) {
    const value = look(status, node.dataset.value);
    const early = node.dataset.format === "growth" && status.daemon.uptime_seconds < SETTLED_SECONDS;
    const text = early ? "too early to tell" : value === undefined || value === null || value === "" ? "not known" : FORMATS[node.dataset.format]?.(value) ?? String(value);
    if (node.textContent !== text) node.textContent = text;
  }
  for (const node of document.querySelectorAll("[data-meter]")) {
    const most = node.dataset.most ? look(status, node.dataset.most) || 100 : 100;
    const percent = Math.min(100, ((look(status, node.dataset.meter) ?? 0) / most) * 100);
    node.setAttribute("aria-valuenow", Math.round(percent));
    node.firstElementChild.style.width = `${percent}%`;
  }
  const rest = JSON.stringify([status.health, status.parts]);
  if (rest !== shownParts) parts(status);
  shownParts = rest;
}

function parts(status) {
  byId("issues").replaceChildren(...status.health.issues.map((issue) => el("p", { class: "problem" }, String(issue))));
  byId("parts").replaceChildren(...status.parts.map((part) => el("li", { class: part.state },
    el("b", {}, part.name), el("span", { class: "meta" }, part.state),
    el("span", {}, part.detail),
    part.mend && el("span", { class: "mend" }, el("code", {}, part.mend), copyButton(part.mend)))));
}

const look = (from, path) => path.split(".").reduce((value, key) => value?.[key], from);
