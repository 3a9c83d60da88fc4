// The sessions of the service: those that are here, and those that the journal holds.

import { call, may, token } from "./api.js";
import { at, button, make } from "./dom.js";
import { isWanted } from "./publication.js";
import { clockText, sessionName, whenText } from "./text.js";

const REFRESH_MS = 5000;
const MANY = 8; // sessions, from which on some of them can be picked out
const ENDED = 20;
// What can be chosen for a session: its text, who hears it, the role it takes, in which states.
const ACTS = [
  ["Join", "join", "watch", ["connecting", "live"]],
  ["Look back", "lookBack", "watch", ["ended"]],
  ["Go on", "goOn", "publish", ["waiting", "ended"]],
  ["Delete", "remove", "admin", ["waiting", "ended"]],
];

export class Sessions {
  #box;
  #on;
  #shown = "";
  #timer = 0;

  /**
   * `on` hears what a person chose for a session: `join(session)`, `goOn(session)`,
   * `lookBack(session)`, `remove(session)`, and `refused(error)` where there is no list (null: there is one).
   */
  constructor(box, on) {
    this.#box = box;
    this.#on = on;
    at("filter").addEventListener("input", () => this.#pick());
  }

  start() {
    this.stop();
    this.refresh();
    this.#timer = setInterval(() => document.hidden || this.refresh(), REFRESH_MS);
  }

  stop() {
    clearInterval(this.#timer);
  }

  async refresh() {
    try {
      const here = await call("GET", "/v1/sessions");
      const ended = await call("GET", `/v1/sessions?state=ended&limit=${ENDED}`);
      this.#on.refused(null);
      const known = new Set(here.sessions.map((session) => session.id));
      this.#show([...here.sessions, ...ended.sessions.filter(({ id }) => !known.has(id))]);
    } catch (error) {
      this.#show([]);
      this.#on.refused(error);
    }
  }

  /** Anew only where something changed: a focus within stays where it is. */
  #show(sessions) {
    const states = sessions.map(({ id, state, reason }) => [id, state, reason]);
    const state = JSON.stringify([token.get(), states]);
    if (state === this.#shown) this.#tick(sessions);
    else this.#box.querySelector("ul").replaceChildren(...sessions.map((one) => this.#item(one)));
    this.#shown = state;
    this.#pick();
  }

  /** Leave out those of which not every word in the field is told. */
  #pick() {
    const words = at("filter").value.toLowerCase().trim();
    const items = [...this.#box.querySelectorAll("li")];
    for (const item of items) {
      const told = item.querySelector("p").textContent.toLowerCase();
      item.hidden = !words.split(/\s+/).every((word) => told.includes(word));
    }
    const shown = items.filter((item) => !item.hidden).length;
    at("find").hidden = !words && items.length < MANY;
    at("filter-text").textContent = words ? `${shown} of ${items.length}` : "";
  }

  #tick(sessions) {
    const items = this.#box.querySelectorAll("li");
    sessions.forEach((session, i) => {
      items[i].querySelector(".about").textContent = aboutText(session);
    });
  }

  #item(session) {
    const name = sessionName(session);
    return make(
      "li",
      {},
      make(
        "p",
        {},
        make("b", {}, session.room),
        " ",
        make("span", { className: "about quiet" }, aboutText(session)),
      ),
      make("span", { className: "acts" }, ...this.#acts(session, name)),
    );
  }

  #acts(session, name) {
    return ACTS.filter(([, , role, states]) => states.includes(session.state) && may(role)).map(
      ([text, key]) => button(text, () => this.#on[key](session), `${text}: ${name}`),
    );
  }
}

function aboutText({ state, created_at, clock_s, reason }) {
  const link = state === "ended" ? "after" : "for";
  const length = clock_s ? ` ${link} ${clockText(clock_s)}` : "";
  const trouble = state === "ended" && reason && !isWanted(reason) ? `: ${reason}` : "";
  return `${whenText(created_at)}, ${state}${length}${trouble}`;
}
