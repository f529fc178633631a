/** Several proposals at once: picking them, and one decision for all that are picked. */

import { ApiError, call } from "./api.js";
import { byId } from "./dom.js";
import { notice } from "./forms.js";

const all = (selector) => [...byId("queue").querySelectorAll(selector)];

export function start() {
  byId("queue").addEventListener("change", ({ target }) => {
    if (target.matches("[data-pick-all]")) for (const box of all("[data-pick]")) box.checked = target.checked;
    refresh();
  });
  byId("queue").addEventListener("click", ({ target }) => {
    const verb = target.closest("[data-many]")?.dataset.many;
    if (verb) decide(verb);
  });
}

function refresh() {
  const boxes = all("[data-pick]");
  const picked = boxes.filter((box) => box.checked).length;
  for (const button of all("[data-many]")) button.disabled = !picked;
  const whole = byId("queue").querySelector("[data-pick-all]");
  if (whole) Object.assign(whole, { checked: picked === boxes.length, indeterminate: picked > 0 && picked < boxes.length });
}

async function decide(verb) {
  const picked = all("[data-pick]").filter((box) => box.checked).map((box) => box.value);
  for (const button of all("button, input")) button.disabled = true;
  notice(null);
  try {
    for (const id of picked) await call("POST", `/api/proposals/${encodeURIComponent(id)}/${verb}`, {});
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    notice(error); // what was decided before stays decided; the list shows what is left
  }
  byId("queue").focus({ preventScroll: true });
  document.body.dispatchEvent(new Event("memories-changed"));
}
