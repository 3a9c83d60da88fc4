// What a session is set to: how much is kept, by what, and what it pays attention to.

import { call } from "./api.js";
import { at, onSubmit } from "./dom.js";
import { shareMoved, showShare } from "./slider.js";
import { percent } from "./text.js";

const ALL = 100; // percent

export class Settings {
  #inForce = null; // the Session of session/wire/, as last told
  #says = new Map(); // what each selector does
  #configure;

  /** `configure(settings)` sends a change; it may throw with the service's own words. */
  constructor(configure) {
    this.#configure = configure;
    const set = (settings) => this.#set(settings);
    onSubmit(at("tune"), () => set({ instruction: at("instruction").value.trim() || null }));
    at("retention").addEventListener("change", () => set({ retention: shareMoved(at("retention")) }));
    at("selector").addEventListener("input", () => this.#explain());
    at("selector").addEventListener("change", () => set({ selector: at("selector").value }));
    at("retention").addEventListener("input", () => {
      at("retention-text").textContent = percent(shareMoved(at("retention")));
    });
  }

  /** Show the settings that are in force. */
  show(session) {
    this.#inForce = session;
    showShare(at("retention"), session.retention, ALL);
    at("retention-text").textContent = percent(session.retention);
    list(session.selector);
    at("selector").value = session.selector;
    this.#explain();
    if (document.activeElement !== at("instruction")) {
      at("instruction").value = session.instruction ?? "";
    }
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
    at("tune-text").textContent = "";
    try {
      await this.#configure(settings);
      at("tune-text").textContent = "Set; it holds from the next window on.";
    } catch (error) {
      at("tune-text").textContent = error.message;
      this.show(this.#inForce); // what was refused is not what holds
    }
  }
}

/** Put a selector on the list, once. */
function list(name) {
  const known = [...at("selector").options].some((option) => option.value === name);
  if (!known) at("selector").add(new Option(name));
}
