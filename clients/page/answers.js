// The list of questions and answers, newest first. Each answer grows while it is written.

import { make, placeByTime } from "./dom.js";
import { clockText, duration, percent, spansText } from "./text.js";

const HELD = 100;
const SILENCE = "The model said nothing.";

/**
 * Put a question into `list`; what is returned hears of its answer (session.js, ask). `asked_at` is
 * that of an answer given before (Unix seconds); what is asked now comes on top. `truth`, where it
 * is known, is a DemoQuestion of session/wire/.
 */
export function exchange(list, question, { truth = null, asked_at = Infinity } = {}) {
  const answer = make("p", { className: "answer" });
  const item = make("li", {}, make("p", { className: "question" }, question), answer);
  item.setAttribute("aria-busy", "true"); // read aloud when complete, not word by word
  placeByTime(list, item, asked_at);
  while (list.children.length > HELD) list.lastChild.remove();
  const end = (state) => {
    item.dataset.state = state;
    item.setAttribute("aria-busy", "false");
  };
  return {
    delta: (text) => answer.append(text),
    failed: (message) => {
      item.append(make("p", { className: "failed" }, message));
      end("failed");
    },
    done: (given) => {
      answer.textContent = given.text.trim() || (given.status === "completed" ? SILENCE : "");
      answer.classList.toggle("plainly", !hasLooked(given) || !given.text.trim());
      if (given.newest_frame_s !== null || given.output_tokens) item.append(facts(given, truth));
      const trouble = troubleText(given);
      if (trouble) item.append(make("p", { className: "failed" }, trouble));
      end(given.status);
    },
  };
}

function troubleText({ status, error }) {
  if (status === "completed") return null;
  if (status === "truncated") return "The answer was cut at its greatest length.";
  if (status === "cancelled") return error?.message ?? "The answer was stopped.";
  return error?.message ?? "There is no answer.";
}

function facts(given, truth) {
  const list = make("ul", { className: "facts", ariaLive: "off" }); // to be read, not announced
  const add = (label, value) => list.append(make("li", {}, `${label} `, make("b", {}, value)));
  if (truth) add(`the scene at ${clockText(truth.asked_s)} says`, truth.answer);
  if (hasLooked(given)) looked(given, add);
  else add("asked at", clockText(given.asked_s));
  if (given.notes.length) add("from the notes of", spansText(given.spans));
  return list;
}

/** Whether an answer comes from what was seen and heard; else from notes, or from nothing. */
function hasLooked({ notes, seen }) {
  return !notes.length && seen.video + seen.audio > 0;
}

function looked(given, add) {
  if (given.newest_frame_s !== null) add("seen up to", `${given.newest_frame_s.toFixed(1)} s`);
  if (given.first_token_ms !== null) add("first word", duration(given.first_token_ms));
  add("done in", duration(given.total_ms));
  add("picture", `${given.kept.video} of ${given.seen.video} tokens`);
  add("sound", `${given.kept.audio} of ${given.seen.audio} tokens`);
  add("retention", percent(given.retention));
}
