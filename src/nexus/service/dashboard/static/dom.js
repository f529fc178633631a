/** Builds elements. Strings always become text nodes, so nothing that is said can become markup. */

/** An element with attributes; keys that begin with "on" are listeners, false and null are left out. */
export function el(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value === true ? "" : String(value));
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** The element with this id. */
export const byId = (id) => document.getElementById(id);

/** Let a screen reader say what has changed elsewhere on the page. */
export function announce(text) {
  byId("said").textContent = text;
}

/** Text in which commands stand between backticks, as nodes. */
const coded = (text) => text.split("`").map((part, index) => (index % 2 ? el("code", {}, part) : part));

/** What an error says and what to do about it, as paragraphs. */
export const told = ({ message, hint }) => [el("p", {}, coded(message)), hint && el("p", { class: "meta" }, coded(hint))];

/** A box that shows an error; a screen reader reads it at once. */
export const problem = (error, ...more) => el("div", { class: "problem", role: "alert" }, told(error), ...more);

/** Put text on the clipboard; the button that was pressed says so. */
export async function copied(button, text) {
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Not allowed";
  }
  announce(button.textContent);
  setTimeout(() => { button.textContent = "Copy"; }, 1500);
}

/** A button that puts text on the clipboard and says so. */
export function copyButton(text) {
  const button = el("button", { type: "button", class: "quiet copy" }, "Copy");
  button.addEventListener("click", () => copied(button, typeof text === "function" ? text() : text));
  return button;
}

/** "1 passage", "3 passages". */
export const plural = (count, noun) => `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
