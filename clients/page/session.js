// One session with the service: questions go out and everything it says comes in on the data
// channel; settings go over HTTP. The messages are those of session/wire/.

import { request } from "./access.js";
import { errorText, publish } from "./whip.js";

const DISCONNECTED_MS = 5000; // a connection that is back within this time was never lost

/**
 * What a session tells: `state(session, model)`, `window(ingested)`, `skipped(window)`,
 * `overload(overload)`, `problem(message)` and, once at the end, `closed(message)`.
 */
export class Session {
  #link;
  #on;
  #asked = new Map(); // our id of a question -> who waits for its answer
  #answering = new Map(); // the service's id of a response -> the same
  #count = 0;
  #id = null;
  #over = false;
  #clock_start = Infinity; // page seconds when the session's clock stood at 0

  static async open(stream, on) {
    return new Session(await publish(stream, "page"), on);
  }

  constructor(link, on) {
    this.#link = link;
    this.#on = on;
  }

  /** Begin to tell, with what has been said so far first. */
  listen() {
    const { channel, early, peer } = this.#link;
    for (const event of early) this.#hear(JSON.parse(event.data));
    channel.onmessage = (event) => this.#hear(JSON.parse(event.data));
    channel.addEventListener("close", () => this.#lost());
    peer.addEventListener("connectionstatechange", () => this.#watch());
    if (channel.readyState === "closed") this.#lost();
  }

  /** Seconds on the session clock, a little late at first. */
  get clock_s() {
    const now_s = pageSeconds() - this.#clock_start;
    return Number.isFinite(now_s) ? now_s : 0;
  }

  /** Ask. `asker` has `delta(text)`, `done(response)` and `failed(message)`. */
  ask(question, asker) {
    if (this.#link.channel.readyState !== "open") {
      asker.failed("The connection is not open yet.");
      return;
    }
    const id = `ask-${++this.#count}`;
    this.#asked.set(id, asker);
    const item = {
      type: "message",
      role: "user",
      content: [{ type: "input_text", text: question }],
    };
    const response = { input: [item], metadata: { ask: id } };
    this.#send({ type: "response.create", event_id: id, response });
  }

  /** Change `{retention, selector, instruction}`. Throws an Error with the service's own words. */
  async configure(settings) {
    const response = await request(`/v1/sessions/${this.#id}`, {
      method: "PATCH",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(settings),
    });
    if (!response.ok) throw new Error(await errorText(response));
  }

  /** End the session, also while the page is being left; without a word to `closed`. */
  close() {
    if (this.#over) return;
    this.#over = true;
    this.#giveUp();
    const gone = () => this.#link.peer.close(); // told or not: the service sees the end itself
    request(this.#link.resource, { method: "DELETE", keepalive: true }).then(gone, gone);
  }

  #send(message) {
    this.#link.channel.send(JSON.stringify(message));
  }

  #hear(message) {
    if (!this.#over && !this.#answers(message)) this.#events(message);
  }

  #answers(message) {
    const ask = message.response?.metadata?.ask ?? message.error?.event_id;
    const asker = this.#answering.get(message.response_id) ?? this.#asked.get(ask);
    if (!asker) return false;
    if (message.type === "response.created") this.#answering.set(message.response.id, asker);
    if (message.type === "response.output_text.delta") asker.delta(message.delta);
    if (message.type === "response.done") asker.done(message.response);
    if (message.type === "error") asker.failed(message.error.message);
    if (message.type === "response.done" || message.type === "error") {
      this.#asked.delete(ask);
      this.#answering.delete(message.response?.id);
    }
    return true;
  }

  #events(message) {
    switch (message.type) {
      case "session.created":
      case "session.updated":
        this.#id = message.session.id;
        if (message.session.x.state === "live") this.#hearClock(message.session.x.clock_s);
        return this.#on.state(message.session.x, message.session.model);
      case "x.window.ingested":
        this.#hearClock(message.window.end_s);
        return this.#on.window(message.window);
      case "x.window.skipped":
        return this.#on.skipped(message.window);
      case "x.overload":
        return this.#on.overload(message.overload);
      case "x.session.closed":
        return this.#end(`The service closed the session: ${message.reason}.`);
      case "error":
        return this.#on.problem(message.error.message);
    }
  }

  #hearClock(clock_s) {
    this.#clock_start = Math.min(this.#clock_start, pageSeconds() - clock_s);
  }

  #watch() {
    const state = this.#link.peer.connectionState;
    if (state === "failed") this.#lost();
    if (state === "disconnected") {
      setTimeout(() => {
        if (this.#link.peer.connectionState === "disconnected") this.#lost();
      }, DISCONNECTED_MS);
    }
  }

  #lost() {
    this.#end("The connection to the service was lost.");
  }

  #end(message) {
    if (this.#over) return;
    this.#over = true;
    this.#link.peer.close();
    this.#giveUp();
    this.#on.closed(message);
  }

  #giveUp() {
    for (const asker of this.#asked.values()) asker.failed("The session ended before the answer.");
    this.#asked.clear();
  }
}

function pageSeconds() {
  return performance.now() / 1000;
}
