/** The Remembered view: which page of the facts is shown, and changing one where it stands. */

import { byId } from "./dom.js";

export function start() {
  const [form, list] = [byId("memory-search"), byId("memories")];
  // Other words begin at their first page; a change leaves the page that is open.
  form.addEventListener("input", () => { form.elements.page.value = 0; });
  document.addEventListener("htmx:after:swap", ({ detail: { ctx } }) => {
    if (ctx.target === list) form.elements.page.value = list.querySelector("[data-page]")?.dataset.page ?? 0;
  });
  list.addEventListener("click", edit);
  list.addEventListener("keydown", (event) => {
    if (event.key === "Escape") event.target.closest("form")?.querySelector("[data-cancel]")?.click();
  });
}

function edit(event) {
  const entry = event.target.closest(".entry");
  const opens = event.target.matches("[data-edit]");
  if (!entry || !(opens || event.target.matches("[data-cancel]"))) return;
  const form = entry.querySelector("form");
  form.reset();
  form.hidden = !opens;
  entry.querySelector(".shown").hidden = opens;
  (opens ? form.elements.learning : entry.querySelector("[data-edit]")).focus();
}
