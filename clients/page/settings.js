// What a session is set to: how much is kept, by what, and what it pays attention to.

import { call } from "./api.js";
import { at, onSubmit } from "./dom.js";
import { shareMoved, showShare } from "./slider.js";
import { percent } from "./text.js";

const ALL = 100; // percent

export class Settings {
  #inForce = null; // the Session of session/wire/, as last told
  #awaited = {}; // what was set here and is not told yet: the control of it stays where it is
  #instruction = ""; // as last shown: a field that holds something else is being written in
  #says = new Map(); // what each selector does
  #configure;

  /** `configure(settings)` sends a change; it may throw with the service's own words. */
  constructor(configure) {
    this.#configure = configure;
    const set = (settings) => this.#set(settings);
    onSubmit(at("tune"), () => {
      at("instruction").value = at("instruction").value.trim();
      set({ instruction: at("instruction").value || null });
    });
    at("retention").addEventListener("change", () => set({ retention: shareMoved(at("retention")) }));
    at("selector").addEventListener("input", () => this.#explain());
    at("selector").addEventListener("change", () => set({ selector: at("selector").value }));
    at("retention").addEventListener("input", () => {
      at("retention-text").textContent = percent(shareMoved(at("retention")));
    });
  }

  /** Another session is shown from now on, or none: what was written belongs to the one before. */
  clear() {
    this.#awaited = {};
    this.#instruction = at("instruction").value = "";
    at("tune-text").textContent = "";
  }

  /** Show the settings that are in force. */
  show(session) {
    this.#inForce = session;
    for (const [name, value] of Object.entries(this.#awaited)) {
      if (session[name] === value) delete this.#awaited[name];
    }
    this.#showKeeping(session);
    const instruction = session.instruction ?? "";
    if (at("instruction").value === this.#instruction) at("instruction").value = instruction;
    this.#instruction = instruction;
  }

  #showKeeping({ retention, selector }) {
    if (!("retention" in this.#awaited)) {
      showShare(at("retention"), retention, ALL);
      at("retention-text").textContent = percent(retention);
    }
    list(selector);
    if (!("selector" in this.#awaited)) at("selector").value = selector;
    this.#explain();
  }

  /** List the selectors that the service offers; the one in force is listed all the same. */
  async offer() {
    const found = await call("GET", "/v1/selectors").catch(() => null);
    for (const { name, says } of found?.selectors ?? []) {
      list(name);
      this.#says.set(name, says);
    }
    this.#explain();
  }

  #explain() {
    at("selector-says").textContent = this.#says.get(at("selector").value) ?? "";
  }

  async #set(settings) {
    const awaited = Object.assign(this.#awaited, settings); // those of this session
    let said = "Set; it holds from the next window on.";
    at("tune-text").textContent = "";
    try {
      await this.#configure(settings);
    } catch (error) {
      said = error.message;
      for (const [name, value] of Object.entries(settings)) {
        if (awaited[name] === value) delete awaited[name]; // what was refused is not what holds
      }
    }
    if (awaited !== this.#awaited) return; // another session is shown
    at("tune-text").textContent = said;
    this.show(this.#inForce);
  }
}

/** Put a selector on the list, once. */
function list(name) {
  const known = [...at("selector").options].some((option) => option.value === name);
  if (!known) at("selector").add(new Option(name));
}
