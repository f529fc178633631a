/**
 * Lets htmx speak to the service: adds the token, sends changes as JSON (the guard refuses anything
 * else), asks before deleting, and shows errors. What a form changes is named by its `data-changes`.
 */

import { errorOf, token } from "./api.js";
import { announce, byId, el, told } from "./dom.js";

export function start() {
  document.addEventListener("htmx:config:request", ({ detail: { ctx } }) => {
    ctx.request.headers.Authorization = `Bearer ${token()}`;
    if (ctx.request.method === "GET") return;
    ctx.json = JSON.stringify(Object.fromEntries(ctx.request.body));
    ctx.request.body = new FormData(); // htmx would put the fields of a DELETE into the address
  });
  document.addEventListener("htmx:before:request", ({ detail: { ctx } }) => {
    if (ctx.json === undefined) return;
    ctx.request.headers["Content-Type"] = "application/json";
    ctx.request.body = ctx.json;
  });
  document.addEventListener("htmx:after:request", ({ detail: { ctx } }) => {
    const { status } = ctx.response;
    if (status >= 400) unread(ctx);
    if (status === 401) document.dispatchEvent(new CustomEvent("nexus:locked", { detail: true }));
    else if (status >= 400) notice(errorOf(ctx.text, status));
    else {
      const source = ctx.sourceElement;
      if (ctx.json !== undefined) {
        notice(null);
        ctx.text = ""; // the answer is data with words of files in it, and htmx would read it as a page
      }
      if (source.hasAttribute("data-reset")) source.reset();
      if (source.dataset.changes) document.body.dispatchEvent(new Event(`${source.dataset.changes}-changed`));
    }
  });
  document.addEventListener("htmx:error", ({ detail }) => {
    if (!detail.ctx) return;
    unread(detail.ctx);
    notice({ message: "The service does not answer", hint: "start it with `nexus up`" });
  });
  let turned = null; // the list of which another page was asked for
  document.addEventListener("click", ({ target }) => {
    turned = target.closest(".pages button")?.closest("[data-pages]") ?? turned;
  });
  document.addEventListener("htmx:after:swap", ({ detail: { ctx } }) => {
    // The button that was pressed is gone: keep the keyboard in the list, not at the top of the page.
    if (document.activeElement === document.body) ctx.target?.focus({ preventScroll: true });
    // Another page of a long list begins at its first row, once the browser has laid it out.
    if (turned && ctx.target === turned) {
      requestAnimationFrame(() => ctx.target.scrollIntoView({ block: "start", behavior: "instant" }));
      turned = null;
    }
    if (ctx.target?.hasAttribute("data-says")) announce(ctx.target.querySelector("h3, .empty, .meta")?.textContent ?? "");
  });
  document.addEventListener("htmx:confirm", confirm);
}

/** Show an error until the next success, or take it away with null. */
export function notice(error) {
  const box = byId("notice");
  box.hidden = !error;
  box.replaceChildren(...(error ? [
    el("div", { class: "grow" }, told(error)),
    el("button", { type: "button", class: "quiet", onclick: () => notice(null) }, "Close")] : []));
}

/** A list that could not be read says so where it would stand. */
function unread({ target, request }) {
  const waiting = request.method === "GET" && target?.querySelector(":scope > .wait");
  const again = () => document.dispatchEvent(new CustomEvent("nexus:back"));
  if (waiting) waiting.replaceChildren("It could not be read. ", el("button", { type: "button", onclick: again }, "Try again"));
}

function confirm(event) {
  const { ctx, issueRequest, dropRequest } = event.detail;
  if (!ctx.confirm) return;
  event.preventDefault();
  const dialog = byId("confirm");
  byId("confirm-text").textContent = ctx.confirm;
  byId("confirm-yes").textContent = ctx.sourceElement.dataset.confirmYes ?? "Forget";
  let yes = false;
  byId("confirm-yes").onclick = () => { yes = true; dialog.close(); };
  byId("confirm-no").onclick = () => dialog.close();
  dialog.addEventListener("close", () => (yes ? issueRequest() : dropRequest()), { once: true });
  dialog.showModal();
}
