// The demo scene: which one it is, and the film of it.

import { request } from "./api.js";

const SIGNS = ["pointermove", "pointerdown", "keydown", "focusin"]; // somebody is here
const SEEDS = 1000;

/**
 * The service renders the film on demand, which takes seconds of a processor. It is fetched when
 * somebody first touches the page: before that nobody may be there, after it they need not wait.
 */
export class DemoScene {
  #film = null; // promise of a Blob

  constructor(seed = Math.floor(Math.random() * SEEDS)) {
    this.seed = seed;
    const fetchSoon = () => {
      for (const sign of SIGNS) removeEventListener(sign, fetchSoon);
      this.film().catch(() => null); // told when it is wanted
    };
    for (const sign of SIGNS) addEventListener(sign, fetchSoon, { passive: true });
  }

  /** The film as a Blob. Throws `Refused`. */
  film() {
    this.#film ??= this.#fetch().catch((error) => {
      this.#film = null; // another time, perhaps
      throw error;
    });
    return this.#film;
  }

  async #fetch() {
    const path = `/v1/demo/scene.webm?seed=${this.seed}`;
    return (await request("GET", path, { priority: "low" })).blob();
  }
}
