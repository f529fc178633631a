/** Reads server-sent events from a fetch body: EventSource cannot send a header or a POST. */

/** Yields [name, data] with data parsed from JSON. Comments and half an event at the end are dropped. */
export async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      rest += value;
      // A CR at the very end may be the first half of a CRLF.
      const whole = rest.endsWith("\r") ? rest.slice(0, -1) : rest;
      const parts = whole.replace(/\r\n?/g, "\n").split("\n\n");
      rest = parts.pop() + rest.slice(whole.length);
      for (const part of parts) {
        const event = parse(part);
        if (event) yield event;
      }
    }
  } finally {
    reader.cancel().catch(() => {}); // the other side may have gone first
  }
}

function parse(part) {
  let name = "message";
  const data = [];
  for (const line of part.split("\n")) {
    const [, field, value] = /^([^:]*):? ?(.*)$/.exec(line);
    if (field === "event") name = value;
    if (field === "data") data.push(value);
  }
  return data.length ? [name, JSON.parse(data.join("\n"))] : null;
}
