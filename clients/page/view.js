// What of the page is shown in which state.

import { may } from "./api.js";
import { at } from "./dom.js";

const ASK = ["question", "send"];
const LIVE = ["retention", "selector", "instruction", "apply"];
const MORE = ["kind", "query", "threshold", "describe", "snapshot", "add"].map((one) => `watch-${one}`);
const NOTHING_YET =
  "Nothing yet. Events of watches come here, and notes as the settings ask for them.";
const NOTHING = "Nothing was noted or told of.";
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
  at("no-picture").hidden = Boolean(source) || idle || name === "past";
  at("watch").hidden = name === "past" && at("problem").hidden;
  at("sieve").hidden = idle || name === "past";
  at("talk").hidden = idle;
  at("close").hidden = idle;
  at("close").textContent = name === "past" ? "Back" : source ? "Close" : "Leave";
  at("clock").hidden = name !== "live";
  at("sound").hidden = source !== "demo";
  at("ask").hidden = name === "past"; // until its notes are known
  at("past-text").textContent = "";
  at("nothing-yet").textContent = name === "past" ? NOTHING : NOTHING_YET;
  at("question").placeholder = name === "past" ? "What was there at 0:30?" : "What do you see now?";
  for (const id of ASK) at(id).disabled = !["live", "past"].includes(name) || !may("ask");
  for (const id of LIVE) at(id).disabled = name !== "live" || !may("publish");
  for (const id of [...MORE, ...NOTES]) at(id).disabled = name !== "live" || !may("ask");
}

/** Leave out what takes a role that the token does not have. */
export function bar() {
  for (const one of document.querySelectorAll("[data-takes]")) {
    one.classList.toggle("barred", !one.dataset.takes.split(" ").every(may));
  }
}

/** Say whether the session that is looked back at can be asked: `noted`, whether it has notes. */
export function askable(noted) {
  at("ask").hidden = !noted;
  at("past-text").textContent = noted
    ? "This session has ended: its notes answer. Ask about a thing, or about a time: “at 0:30”, “in the first minute”."
    : "This session has ended and has no notes, so it cannot be asked any more.";
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
