// The list of questions and answers, newest first. Each answer grows while it is written.

import { make } from "./dom.js";
import { clockText, duration, percent, plural } from "./text.js";

const HELD = 100;

/**
 * Put a question at the top of `list`; what is returned hears of its answer (session.js, ask).
 * `truth`, where it is known, is a DemoQuestion of session/wire/.
 */
export function exchange(list, question, truth = null) {
  const answer = make("p", { className: "answer" });
  const item = make("li", {}, make("p", { className: "question" }, question), answer);
  item.setAttribute("aria-busy", "true"); // read aloud when complete, not word by word
  list.prepend(item);
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
      answer.textContent = given.text.trim();
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
  if (status === "cancelled") return "The answer was stopped.";
  return error?.message ?? "There is no answer.";
}

function facts(given, truth) {
  const list = make("ul", { className: "facts", ariaLive: "off" }); // to be read, not announced
  const add = (label, value) => list.append(make("li", {}, `${label} `, make("b", {}, value)));
  if (truth) add(`the scene at ${clockText(truth.asked_s)} says`, truth.answer);
  if (given.notes.length) add("answered from", plural(given.notes.length, "note"));
  if (given.newest_frame_s !== null) add("seen up to", `${given.newest_frame_s.toFixed(1)} s`);
  if (given.first_token_ms !== null) add("first word", duration(given.first_token_ms));
  add("done in", duration(given.total_ms));
  add("picture", `${given.kept.video} of ${given.seen.video} tokens`);
  add("sound", `${given.kept.audio} of ${given.seen.audio} tokens`);
  add("retention", percent(given.retention));
  return list;
}
