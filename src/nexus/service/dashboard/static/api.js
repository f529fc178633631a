/** Requests to the service, with the token. Every failure is an ApiError with a hint for the user. */

import { events } from "./sse.js";

const KEY = "nexus.token";

/** Keep the token for this origin. Unlike a cookie it is never sent to another port of this machine. */
export function setToken(token) {
  localStorage.setItem(KEY, token.trim());
}

export const token = () => localStorage.getItem(KEY) ?? "";

export class ApiError extends Error {
  constructor({ code = "unknown", message = "The service could not answer", hint = "" } = {}, status = 0) {
    super(message);
    Object.assign(this, { code, hint, status });
  }
}

/** Read an error answer of the service. */
export function errorOf(text, status) {
  try {
    return new ApiError(JSON.parse(text).error, status);
  } catch {
    return new ApiError({ message: `The service answered with status ${status}` }, status);
  }
}

/** Ask and read JSON. Throws ApiError. */
export async function call(method, path, body) {
  const response = await send(method, path, body);
  const text = await response.text();
  return text ? JSON.parse(text) : null;
}

/** Ask and read the events of the answer, as [name, data]. Aborting the signal closes the connection. */
export async function* stream(method, path, body, signal) {
  const response = await send(method, path, body, signal);
  try {
    yield* events(response.body);
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError({ code: "cut_off", message: "The connection to the service was lost" });
  }
}

async function send(method, path, body, signal) {
  const headers = { Authorization: `Bearer ${token()}` };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(path, { method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError({ code: "not_running", message: "The service does not answer", hint: "start it with `nexus up`" });
  }
  if (response.ok) return response;
  const error = errorOf(await response.text(), response.status);
  if (error.status === 401) document.dispatchEvent(new CustomEvent("nexus:locked", { detail: token() !== "" }));
  throw error;
}
