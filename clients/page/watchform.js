// The form of a new watch: an event to be told of, or a number to be kept.

import { at, onSubmit } from "./dom.js";

const OF_AN_EVENT = ["describe", "snapshot"];

export function setWatchForm(watches) {
  onSubmit(at("watch-form"), () => add(watches));
  at("watch-kind").addEventListener("change", showKind);
  at("watch-threshold").addEventListener("input", () => {
    at("watch-threshold-text").textContent = `${at("watch-threshold").value} %`;
  });
}

async function add(watches) {
  const threshold = at("watch-threshold").value / 100;
  const query = at("watch-query").value.trim();
  if (!query) return;
  const [describe, snapshot] = OF_AN_EVENT.map((one) => at(`watch-${one}`).checked);
  const wanted = { query, threshold, release: threshold / 2, describe, snapshot };
  const counted = { query, threshold, kind: "count" };
  at("watch-query").value = ""; // what is typed from now on is the next one
  const taken = await watches.add(counts() ? counted : wanted);
  if (!taken && !at("watch-query").value) at("watch-query").value = query;
}

/** Whether a number is asked for, rather than an event. */
function counts() {
  return at("watch-kind").value === "count";
}

function showKind() {
  at("watch-query-label").textContent = counts() ? "Count" : "Tell me when";
  at("watch-query").placeholder = counts() ? "red things" : "a red circle appears";
  for (const one of OF_AN_EVENT) at(`watch-${one}-label`).hidden = counts();
}
