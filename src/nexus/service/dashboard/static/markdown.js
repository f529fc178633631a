/**
 * The little markdown that answers use, as DOM nodes: paragraphs, headings, lists, quotes, code,
 * emphasis and citations. Links, images and HTML stay the text they are: a document may have put them
 * into the model's mouth. Only `el` makes nodes, so hostile text can at worst look odd.
 */

import { copyButton, el } from "./dom.js";

const DEPTH = 5; // deeper nesting is shown as plain text: it is an attack, not an answer
const FENCE = /^ {0,3}(`{3,}|~{3,})\s*([\w+#.-]*)/;
const ITEM = /^( {0,6})([-*+]|\d{1,4}[.)])\s+(.*)$/;
const CITATION = /^\[(\d{1,3}(?:\s*[,;]\s*\d{1,3})*)\]/;

/**
 * Show `text` in `container`, keeping the nodes of blocks that did not change, so that a growing answer
 * neither flickers nor loses a selection. `cite(number)` gives the node of a citation, or null.
 */
export function render(container, text, cite) {
  const parsed = blocks(text);
  const shown = container.blocks ?? [];
  parsed.forEach((block, i) => {
    const key = JSON.stringify(block);
    if (shown[i]?.key === key) return;
    const node = toNode(block, cite, 0);
    if (shown[i]) shown[i].node.replaceWith(node);
    else container.append(node);
    shown[i] = { key, node };
  });
  for (const extra of shown.splice(parsed.length)) extra.node.remove();
  container.blocks = shown;
}

/** Cut text into blocks: {kind, text, ...}. */
function blocks(text) {
  const lines = text.replace(/\r\n?/g, "\n").split("\n");
  const found = [];
  let i = 0;
  while (i < lines.length) {
    const fence = FENCE.exec(lines[i]);
    const item = ITEM.exec(lines[i]);
    const heading = /^ {0,3}#{1,6}\s+(.*)$/.exec(lines[i]);
    if (!lines[i].trim() || /^ {0,3}([-*_])(?: *\1){2,} *$/.test(lines[i])) {
      i += 1; // nothing, or a rule, which an answer can do without
    } else if (fence) {
      const body = [];
      const close = new RegExp(`^ {0,3}${fence[1][0]}{${fence[1].length},}\\s*$`);
      for (i += 1; i < lines.length && !close.test(lines[i]); i += 1) body.push(lines[i]);
      i += 1;
      // A fence that has just begun, or stays empty, is not worth a box.
      if (body.some((line) => line.trim())) found.push({ kind: "code", language: fence[2], text: body.join("\n") });
    } else if (heading) {
      found.push({ kind: "heading", text: heading[1].replace(/\s+#+\s*$/, "") });
      i += 1;
    } else if (/^ {0,3}>/.test(lines[i])) {
      const body = [];
      for (; i < lines.length && /^ {0,3}>/.test(lines[i]); i += 1) body.push(lines[i].replace(/^ {0,3}> ?/, ""));
      found.push({ kind: "quote", text: body.join("\n") });
    } else if (item) {
      const list = { kind: "list", ordered: /\d/.test(item[2]), start: parseInt(item[2], 10) || 1, items: [] };
      i = listItems(lines, i, item[1].length, list);
      found.push(list);
    } else {
      const body = [lines[i].trim()];
      for (i += 1; i < lines.length && lines[i].trim() && !starts(lines[i]); i += 1) body.push(lines[i].trim());
      found.push({ kind: "paragraph", text: body.join("\n") });
    }
  }
  return found;
}

const starts = (line) => FENCE.test(line) || ITEM.test(line) || /^ {0,3}(>|#{1,6}\s)/.test(line);

/** Collect the items of one list from line `i`; what is indented or inside a fence belongs to its item. */
function listItems(lines, i, indent, list) {
  let fence = null;
  let current = null;
  for (; i < lines.length; i += 1) {
    const line = lines[i];
    const item = ITEM.exec(line);
    if (!fence && item && item[1].length <= indent + 1) {
      if (/\d/.test(item[2]) !== list.ordered) break;
      current = { width: line.length - item[3].length, lines: [item[3]] };
      list.items.push(current);
    } else if (!line.trim() || fence || /^\s{2,}/.test(line)) {
      current.lines.push(line.slice(Math.min(current.width, line.length - line.trimStart().length)));
    } else if (!lines[i - 1].trim() || starts(line)) {
      break;
    } else {
      current.lines.push(line);
    }
    const mark = FENCE.exec(current.lines.at(-1));
    if (mark) fence = fence ? null : mark[1];
  }
  list.items = list.items.map((entry) => entry.lines.join("\n").trimEnd());
  return i;
}

function toNode(block, cite, depth) {
  if (depth > DEPTH) return el("p", {}, block.text ?? block.items.join("\n"));
  const inner = (text) => {
    const parts = blocks(text);
    // A list item of one line is no paragraph.
    if (parts.length && parts[0].kind === "paragraph") {
      return [...inline(parts[0].text, cite, 0), ...parts.slice(1).map((p) => toNode(p, cite, depth + 1))];
    }
    return parts.map((part) => toNode(part, cite, depth + 1));
  };
  switch (block.kind) {
    case "code":
      return el("figure", { class: "code" },
        el("figcaption", {}, el("span", {}, block.language), copyButton(block.text)),
        el("pre", { tabindex: "0" }, el("code", {}, block.text)));
    case "heading":
      return el("p", { class: "heading" }, inline(block.text, cite, 0));
    case "quote":
      return el("blockquote", {}, blocks(block.text).map((b) => toNode(b, cite, depth + 1)));
    case "list":
      return el(block.ordered ? "ol" : "ul", { start: block.ordered && block.start !== 1 && block.start },
        block.items.map((item) => el("li", {}, inner(item))));
    default:
      return el("p", {}, inline(block.text, cite, 0));
  }
}

/** Code, emphasis and citations inside a line. A mark without its partner is text. */
function inline(text, cite, depth) {
  const nodes = [];
  const lonely = new Set(); // marks known to have no partner further on: keeps this linear
  let plain = "";
  const put = (node) => {
    if (plain) nodes.push(plain);
    plain = "";
    nodes.push(node);
  };
  for (let i = 0; i < text.length; ) {
    const mark = /^(`+|\*\*|\*)/.exec(text.slice(i, i + 16))?.[1];
    const citation = text[i] === "[" ? CITATION.exec(text.slice(i, i + 40)) : null;
    if (mark && !lonely.has(mark)) {
      const end = text.indexOf(mark, i + mark.length);
      const content = text.slice(i + mark.length, end);
      if (end < 0) lonely.add(mark);
      else if (mark[0] === "`" ? content : content.trim() === content && content && depth < DEPTH) {
        if (mark[0] === "`") put(el("code", {}, content));
        else put(el(mark.length === 2 ? "strong" : "em", {}, inline(content, cite, depth + 1)));
        i = end + mark.length;
        continue;
      }
    }
    const cited = citation && citation[1].split(/[,;]/).map((n) => cite(Number(n)));
    if (cited?.every(Boolean)) {
      cited.forEach(put);
      i += citation[0].length;
      continue;
    }
    const step = mark?.length ?? 1;
    plain += text.slice(i, i + step);
    i += step;
  }
  if (plain) nodes.push(plain);
  return nodes;
}
