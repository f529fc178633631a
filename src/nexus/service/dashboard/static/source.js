/** How a passage, memory or turn is named on the page. */

/** What it is called: the memory's first line, the session's title and words, the file with its headings. */
export function placeOf(source) {
  if (source.kind === "memory") return source.text.split("\n")[0];
  if (source.kind === "transcript" && source.title) return `${source.title} › ${source.text.split("\n")[0]}`;
  return [source.path.split("/").slice(-2).join("/"), ...source.heading].join(" › ");
}

/** Its kind or its lines, in a few characters. */
export function linesOf({ kind, lines: [from, to], said }) {
  if (kind === "memory") return "memory";
  if (kind === "transcript") return said ? `said ${said.slice(0, 10)}` : "session";
  return from === to ? `line ${from}` : `lines ${from}–${to}`;
}

/** Its full address: the memory's id, or the file. */
export const whereOf = ({ kind, path }) => (kind === "memory" ? path.split("/").pop().replace(/\.md$/, "") : path);
