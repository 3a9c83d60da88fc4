// What of the page is shown in which state.

import { at } from "./dom.js";

const LIVE = ["question", "send", "retention", "selector", "instruction", "apply"];
const MORE = ["watch-kind", "watch-query", "watch-threshold", "watch-describe", "watch-add"];
const NOTES = ["notes-every", "notes-events"];

/**
 * `name`: "idle", "connecting", "live", "lost" (it tries to come back) or "past" (a session that
 * has ended). `source`: "demo", "camera", or null where somebody else sends.
 */
export function show(name, text, source = null) {
  for (const id of ["page", "status"]) at(id).dataset.state = name;
  const idle = name === "idle";
  if (at("status").textContent !== text) at("status").textContent = text;
  at("start").hidden = at("sessions").hidden = !idle;
  at("live").hidden = !source || idle;
  at("watch").hidden = !source && !idle && at("problem").hidden;
  at("sieve").hidden = idle || name === "past";
  at("talk").hidden = idle;
  at("close").hidden = idle;
  at("close").textContent = name === "past" ? "Back" : source ? "Close" : "Leave";
  at("clock").hidden = name !== "live";
  at("sound").hidden = source !== "demo";
  at("ask").hidden = name === "past";
  for (const id of [...LIVE, ...MORE, ...NOTES]) at(id).disabled = name !== "live";
}

/** Say what went wrong; null takes it back. `again` offers to connect again. */
export function problem(message, again = false) {
  at("problem").hidden = !message;
  at("problem-text").textContent = message ?? "";
  at("again").hidden = !again;
  if (message) at("watch").hidden = false;
}

/** How far the service is behind, beside the status; not said aloud, it changes too often. */
export function pace(text) {
  at("pace").textContent = text;
  at("status").dataset.behind = String(Boolean(text));
}
