// Server-sent events over fetch, which can carry a token (EventSource cannot).

import { Refused, request } from "./api.js";

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 8000;
const SILENT_MS = 45_000; // the service says something every 15 s: a stream without it is cut
const FOR_NOW = new Set([0, 408, 429, 500, 502, 503, 504]); // refusals that may not last

/**
 * The events of a response, as `{id, data}`; either may be missing. HTML Living Standard, 9.2.6.
 * `waited` waits for what is read next, and may throw.
 */
export async function* events(response, waited = (read) => read) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  try {
    for (;;) {
      const { value, done } = await waited(reader.read());
      if (done) return;
      text += value;
      const blocks = text.split("\n\n");
      text = blocks.pop();
      for (const block of blocks) yield parsed(block);
    }
  } finally {
    reader.cancel().catch(() => null); // what has broken needs no end
  }
}

class Silent extends Error {}

/** What is `read`, unless that takes too long. */
async function unlessSilent(read) {
  let timer;
  const silence = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Silent("nothing was heard for long")), SILENT_MS);
  });
  try {
    return await Promise.race([read, silence]);
  } finally {
    clearTimeout(timer);
  }
}

function parsed(block) {
  const part = {};
  for (const line of block.split("\n")) {
    const [, name, value] = /^(id|data): ?(.*)$/.exec(line) ?? [];
    if (name) part[name] = name === "data" && part.data ? `${part.data}\n${value}` : value;
  }
  return part;
}

/**
 * Listens to a stream of events for as long as it is wanted: when it breaks it comes back and goes
 * on after the last number it heard. `after` is the number to begin after; null begins now.
 */
export class Follower {
  #path;
  #after;
  #on;
  #lost = false;
  #abort = new AbortController();

  /**
   * `on` hears by `listening()` that the stream is there: nothing that happens from then on is missed.
   * It hears each event by `hear(event)`, by `lost(error)` that the stream cannot be had for now and by
   * `back()` that it can again; `refused(error)` is the end that nobody wanted.
   */
  constructor(path, after, on) {
    this.#path = path;
    this.#after = after;
    this.#on = on;
    this.#run().catch((error) => {
      if (error instanceof Refused) on.refused(error);
      else if (error.name !== "AbortError") throw error;
    });
  }

  get lost() {
    return this.#lost;
  }

  stop() {
    this.#abort.abort();
  }

  async #run() {
    let wait_ms = FIRST_WAIT_MS;
    for (;;) {
      try {
        if (await this.#listen()) wait_ms = FIRST_WAIT_MS;
      } catch (error) {
        if (this.#abort.signal.aborted) return;
        if (error instanceof Refused) {
          if (!FOR_NOW.has(error.status)) throw error;
          this.#isLost(error);
        }
      }
      await new Promise((resolve) => setTimeout(resolve, wait_ms));
      if (this.#abort.signal.aborted) return;
      wait_ms = Math.min(2 * wait_ms, LONGEST_WAIT_MS);
    }
  }

  /** Until the stream ends; whether anything came. */
  async #listen() {
    const headers = { Accept: "text/event-stream" };
    if (this.#after !== null) headers["Last-Event-ID"] = String(this.#after);
    const { signal } = this.#abort;
    const response = await request("GET", this.#path, { headers, signal, cache: "no-store" });
    this.#isLost(null);
    this.#on.listening();
    let heard = false;
    for await (const { id, data } of events(response, unlessSilent)) {
      if (signal.aborted) return heard;
      if (data) this.#on.hear(JSON.parse(data));
      if (id) this.#after = id;
      heard = true;
    }
    return heard;
  }

  /** `refused`: the error it cannot be had for, or null. */
  #isLost(refused) {
    const lost = refused !== null;
    if (lost === this.#lost || this.#abort.signal.aborted) return;
    this.#lost = lost;
    lost ? this.#on.lost(refused) : this.#on.back();
  }
}
