// One session of the service: what it tells, and what can be asked of it and set. The messages are
// those of session/wire/.

import { call, read, Refused, request } from "./api.js";
import { events, Follower } from "./sse.js";

export class Session {
  #path;
  #follower = null;
  #told = false; // whether an event has described it
  #asking = new Set(); // AbortControllers of the questions in flight
  #clock_start = Infinity; // page seconds when the session's clock stood at 0

  constructor(id) {
    this.id = id;
    this.#path = `/v1/sessions/${encodeURIComponent(id)}`;
  }

  /**
   * Listen to every event after number `after` (null: from now on). `on` is that of a Follower.
   * Resolves once it listens: what is asked for from then on is either told or in what comes back.
   */
  follow(after, on) {
    const hear = (event) => {
      this.#hearClock(event);
      this.#told ||= Boolean(event.session?.state); // others name it by its id
      on.hear(event);
    };
    return new Promise((listening) => {
      const heard = { ...on, hear, listening };
      this.#follower = new Follower(`${this.#path}/events`, after, heard);
    });
  }

  /** Whether an event has described it: that is newer than what was asked for before. */
  get told() {
    return this.#told;
  }

  /** Whether it tells nothing for now, since the service cannot be reached. */
  get lost() {
    return this.#follower?.lost ?? false;
  }

  /** Listen no more, and give up the questions in flight. */
  leave() {
    this.#follower?.stop();
    for (const asking of this.#asking) asking.abort();
  }

  /** The service ends it: questions in flight end by the service's own word. */
  over() {
    this.#asking.clear();
  }

  /** Seconds on the session clock, a little late at first. */
  get clock_s() {
    const now_s = pageSeconds() - this.#clock_start;
    return Number.isFinite(now_s) ? now_s : 0;
  }

  describe() {
    return call("GET", this.#path);
  }

  configure(settings) {
    return call("PATCH", this.#path, settings);
  }

  /** Remove everything of it, for ever. */
  remove() {
    return call("DELETE", `${this.#path}/record`);
  }

  /**
   * Ask. `asker` has `delta(text)`, `done(answer)` and `failed(message)`; `notes` says whether they
   * are answered from (AskRequest of session/wire/).
   */
  async ask(question, asker, notes = "auto") {
    const asking = new AbortController();
    this.#asking.add(asking);
    try {
      const response = await request("POST", `${this.#path}/ask`, {
        headers: { "Content-Type": "application/json", Accept: "text/event-stream" },
        body: JSON.stringify({ question, notes }),
        signal: asking.signal,
      });
      if (!(await told(response, asker))) asker.failed("The connection broke off.");
    } catch (error) {
      asker.failed(error instanceof Refused ? error.message : "There is no answer any more.");
    } finally {
      this.#asking.delete(asking);
    }
  }

  /** What was asked before, newest last; the newest of it. */
  async answers() {
    return (await call("GET", `${this.#path}/answers?before=newest&limit=200`)).answers;
  }

  async watches() {
    return (await call("GET", `${this.#path}/watches`)).watches;
  }

  addWatch(settings) {
    return call("POST", `${this.#path}/watches`, settings);
  }

  changeWatch(id, settings) {
    return call("PATCH", `${this.#path}/watches/${id}`, settings);
  }

  removeWatch(id) {
    return call("DELETE", `${this.#path}/watches/${id}`);
  }

  /** `{events, counts}`: the newest events and numbers of watches, oldest first. */
  watchEvents() {
    return call("GET", `${this.#path}/watch-events`);
  }

  /** `{settings, notes}`: the newest notes, or those that hold any of the words. */
  notes(search = "") {
    const query = search ? `?search=${encodeURIComponent(search)}` : "";
    return call("GET", `${this.#path}/notes${query}`);
  }

  /** The notes as a file: "md" or "vtt". */
  async notesFile(format) {
    const response = await request("GET", `${this.#path}/notes?format=${format}`);
    return read(response.blob());
  }

  takeNotes(settings) {
    return call("PATCH", `${this.#path}/notes`, settings);
  }

  #hearClock(event) {
    if (event.type === "session.reopened") this.#clock_start = Infinity;
    if (event.type === "window.ingested") this.#clockIs(event.end_s);
    if (event.session?.state === "live") this.#clockIs(event.session.clock_s);
  }

  #clockIs(clock_s) {
    this.#clock_start = Math.min(this.#clock_start, pageSeconds() - clock_s);
  }
}

/** Hand the events of an answer on; whether it came to its end. */
async function told(response, asker) {
  for await (const { data } of events(response)) {
    const event = data ? JSON.parse(data) : {};
    if (event.type === "answer.delta") asker.delta(event.delta);
    if (event.type === "answer.done") {
      asker.done(event.answer);
      return true;
    }
  }
  return false;
}

function pageSeconds() {
  return performance.now() / 1000;
}
