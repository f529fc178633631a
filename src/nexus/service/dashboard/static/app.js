/** Starts the page: takes the token out of the address, opens the view the address names. */

import { ApiError, call, setToken, token } from "./api.js";
import * as agents from "./agents.js";
import * as chat from "./chat.js";
import { byId } from "./dom.js";
import * as files from "./files.js";
import * as forms from "./forms.js";
import * as knowledge from "./knowledge.js";
import * as learning from "./learning.js";
import * as memex from "./memex.js";
import * as models from "./models.js";
import * as queue from "./queue.js";
import * as remembered from "./remembered.js";
import * as sandbox from "./sandbox.js";
import * as search from "./search.js";
import * as status from "./status.js";

const VIEWS = ["chat", "remembered", "knowledge", "files", "agents", "sandbox", "models", "learning", "status"];
// What a view that is opened reads again.
const REFRESH = { remembered: ["memories"], knowledge: ["knowledge"], files: ["knowledge", "memex"], agents: ["agents", "knowledge"], sandbox: ["sandbox"], models: ["models"] };
let open = false;

/** `#token=...` never stays in the address bar or the history. */
function takeToken() {
  const found = /^#token=(.+)$/.exec(location.hash);
  if (!found) return;
  setToken(decodeURIComponent(found[1]));
  history.replaceState(null, "", location.pathname);
}

const named = () => (VIEWS.includes(location.hash.slice(1)) ? location.hash.slice(1) : "chat");

function view() {
  const name = named();
  for (const section of VIEWS) byId(section).hidden = !open || section !== name;
  for (const link of byId("nav").children) {
    if (link.hash === `#${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${byId(`${name}-title`).textContent} · NexusOS`;
  if (!open) return;
  refresh(name);
  if (name === "chat") byId("prompt").focus({ preventScroll: true });
}

function refresh(name) {
  for (const list of REFRESH[name] ?? []) document.body.dispatchEvent(new Event(`${list}-changed`));
}

function lock(tried) {
  open = false;
  for (const id of ["nav", "state"]) byId(id).hidden = true;
  view();
  byId("unlock").hidden = false;
  document.title = "Locked · NexusOS";
  const error = byId("unlock-error");
  error.hidden = !tried;
  error.textContent = tried ? "That token is not the right one." : "";
  byId("unlock-form").elements.token.focus();
}

/** Try the token that is kept; the page opens when the service takes it. */
async function unlock() {
  if (!token()) return lock(false);
  try {
    await call("GET", "/api/status");
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.status === 401) return; // the lock has been shown by the event
    if (error.code !== "busy") forms.notice(error);
  }
  byId("unlock").hidden = true;
  for (const id of ["nav", "state"]) byId(id).hidden = false;
  open = true;
  view();
  status.start();
}

document.addEventListener("nexus:locked", (event) => lock(event.detail));
document.addEventListener("nexus:back", () => {
  forms.notice(null);
  refresh(named());
});
// Not by the address, which names the view.
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  byId("main").focus();
});
byId("unlock-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const field = event.target.elements.token;
  setToken(field.value);
  field.value = "";
  unlock();
});
addEventListener("hashchange", () => {
  const before = token();
  takeToken();
  if (token() !== before) return unlock();
  if (!open) return;
  forms.notice(null); // it belongs to the view that was left
  view();
  scrollTo(0, 0); // the browser goes to the section, whose title would lie below the header
  if (byId("chat").hidden) {
    // The keyboard begins at the top of the view, and a screen reader says which one it is.
    const title = document.querySelector("main > section:not([hidden]) > h2");
    title.tabIndex = -1;
    title.focus({ preventScroll: true });
  }
});

takeToken();
forms.start();
agents.start();
chat.start();
files.start();
knowledge.start();
learning.start();
memex.start();
models.start();
queue.start();
remembered.start();
sandbox.start();
search.start();
// htmx wires the page when the document is ready; only then do the lists hear that they should load.
if (document.readyState === "complete") unlock();
else addEventListener("load", unlock);
