// The list of questions and answers, newest first. Each answer grows while it is written.

import { clockText, duration, percent } from "./text.js";

const HELD = 100;

/**
 * Put a question at the top of `list`; what is returned hears of its answer (session.js, ask).
 * `truth`, where it is known, is a DemoQuestion of session/wire/.
 */
export function exchange(list, question, truth) {
  const item = element("li", "");
  const answer = element("p", "answer");
  item.append(element("p", "question", question), answer);
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
      item.append(element("p", "failed", message));
      end("failed");
    },
    done: (response) => {
      const facts = response.x;
      if (facts) {
        answer.textContent = facts.text.trim();
        item.append(factList(facts, truth));
      }
      const trouble = troubleText(response);
      if (trouble) item.append(element("p", "failed", trouble));
      end(response.status);
    },
  };
}

function troubleText(response) {
  switch (response.status) {
    case "completed":
      return null;
    case "incomplete":
      return "The answer was cut at its greatest length.";
    case "cancelled":
      return "The answer was stopped.";
    default:
      return response.status_details?.message ?? "There is no answer.";
  }
}

function factList(facts, truth) {
  const list = element("ul", "facts");
  list.setAttribute("aria-live", "off"); // there to be read, not to be announced
  const add = (label, value) => {
    const item = element("li", "", `${label} `);
    item.append(element("b", "", value));
    list.append(item);
  };
  if (truth) add(`the scene at ${clockText(truth.asked_s)} says`, truth.answer);
  if (facts.newest_frame_s != null) add("seen up to", `${facts.newest_frame_s.toFixed(1)} s`);
  if (facts.first_token_ms != null) add("first word", duration(facts.first_token_ms));
  add("done in", duration(facts.total_ms));
  add("picture", `${facts.kept.video} of ${facts.seen.video} tokens`);
  add("sound", `${facts.kept.audio} of ${facts.seen.audio} tokens`);
  add("retention", percent(facts.retention));
  return list;
}

function element(name, className, text = "") {
  const made = document.createElement(name);
  made.className = className;
  made.textContent = text;
  return made;
}
