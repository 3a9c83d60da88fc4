// Keeps picture and sound going to one session, over cuts of the network and restarts.

import { call, Refused, request } from "./api.js";
import { publish } from "./whip.js";

const ROOM = "page";
const DISCONNECTED_MS = 5000; // a connection that is back within this time was never lost
const WAITS_MS = [500, 1000, 2000, 4000, 8000, 15000]; // the last one again and again
const FOR_NOW = new Set([0, 429, 500, 502, 503, 504]); // refusals that may not last
const TAKEN = 409; // the session has a sender: often the cut one, which is not missed yet
const TAKEN_TRIES = 10;
const GONE = 404; // neither here nor in the journal
const WANTED = ["ended by request", "the sender ended it", "its record is removed"];

/** Whether somebody wanted this end of a session, so that it is not ours to undo. */
export const isWanted = (reason) => WANTED.includes(reason);

export class Publication {
  #stream;
  #link;
  #on;
  #over = false;
  #renewing = false;

  /**
   * Publish `stream`, as a new session or going on with `session` (an id); where that is gone for
   * good, it is a new one. `on` hears `lost()`, `back()` and, at the end, `gone(message)`. Throws
   * `Refused`.
   */
  static async open(stream, session, on) {
    const link = await publish(stream, ROOM, session).catch((error) => {
      if (session && error.status === GONE) return publish(stream, ROOM);
      throw error;
    });
    return new Publication(stream, link, on);
  }

  constructor(stream, link, on) {
    this.#stream = stream;
    this.#on = on;
    this.#take(link);
  }

  /** The id of the session. */
  get session() {
    return this.#link.session;
  }

  /** Whether nothing is sent for now: it tries to connect again. */
  get lost() {
    return this.#renewing;
  }

  /** End the session, also while the page is being left. */
  close() {
    if (this.#over) return;
    this.#over = true;
    const { peer, resource } = this.#link;
    const gone = () => peer.close(); // told or not: the service sees the end itself
    request("DELETE", resource, { keepalive: true }).then(gone, gone);
  }

  /** The service has ended it: nothing is sent any more. */
  drop() {
    this.#over = true;
    this.#link.peer.close();
  }

  /** Connect again, to the same session. */
  async renew() {
    if (this.#over || this.#renewing) return;
    this.#renewing = true;
    this.#link.peer.close();
    this.#on.lost();
    const trouble = await this.#again();
    this.#renewing = false;
    if (this.#over) return;
    if (trouble) this.drop();
    trouble ? this.#on.gone(trouble) : this.#on.back();
  }

  /** Why it did not work, or null. A service that is away is waited for, however long. */
  async #again() {
    for (let tries = 0; ; tries++) {
      const wait_ms = WAITS_MS[Math.min(tries, WAITS_MS.length - 1)];
      await new Promise((resolve) => setTimeout(resolve, wait_ms));
      if (this.#over) return null;
      try {
        return await this.#resume();
      } catch (error) {
        if (!(error instanceof Refused)) reportError(error); // a fault of the page's own
        const taken = error.status === TAKEN && tries < TAKEN_TRIES;
        if (!taken && !FOR_NOW.has(error.status)) {
          return `The connection to the service was lost: ${error.message}`;
        }
      }
    }
  }

  /** Why the session is not to go on, or null where it does. Throws `Refused`. */
  async #resume() {
    const { state, reason } = await call("GET", `/v1/sessions/${this.session}`);
    if (state === "ended" && isWanted(reason)) return `The service closed the session: ${reason}.`;
    const link = await publish(this.#stream, ROOM, this.session);
    if (this.#over) link.peer.close();
    else this.#take(link);
    return null;
  }

  #take(link) {
    this.#link = link;
    const { peer } = link;
    peer.addEventListener("connectionstatechange", () => {
      if (peer !== this.#link.peer) return;
      if (peer.connectionState === "failed") this.renew();
      if (peer.connectionState !== "disconnected") return;
      setTimeout(() => {
        if (peer.connectionState === "disconnected") this.renew();
      }, DISCONNECTED_MS);
    });
  }
}
