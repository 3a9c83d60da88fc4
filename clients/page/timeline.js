// What happened, newest first: events of watches with their pictures, numbers, and notes.

import { request } from "./api.js";
import { announce, make, placeByTime } from "./dom.js";
import { clockText, spanText } from "./text.js";

const HELD = 200;

export class Timeline {
  #list;
  #items = new Map(); // id of an event, a number or a note -> its item
  #events = new Map(); // id of an event -> as it was told of last
  #alone = new Map(); // id of a note of an event that is not here (yet) -> the note

  constructor(list) {
    this.#list = list;
  }

  clear() {
    for (const item of this.#items.values()) forget(item);
    for (const held of [this.#items, this.#events, this.#alone]) held.clear();
    this.#list.replaceChildren();
  }

  /** A WatchEvent of session/wire/; `live` ones are also said aloud when they are new. */
  event(event, live = true) {
    const isNew = !this.#items.has(event.id);
    if (!live && !isNew) return; // it was told meanwhile
    const item = this.#items.get(event.id) ?? this.#place(event.id, event.started_s, "event");
    const end = event.ended_s === null ? "now" : clockText(event.ended_s);
    item.dataset.open = String(event.change !== "end");
    item.querySelector(".when").textContent = `${clockText(event.started_s)} to ${end}`;
    item.querySelector(".what").textContent = event.query;
    if (event.sentence) item.querySelector(".said").textContent = event.sentence;
    if (this.#items.has(event.id)) this.#events.set(event.id, event); // it is not too old to stay
    for (const note of this.#alone.values()) this.#joined(note, event);
    if (event.snapshot) picture(item, event.snapshot, clockText(event.started_s));
    if (live && isNew) announce(`${event.query}, at ${clockText(event.started_s)}`);
  }

  /** A WatchCounted of session/wire/: something has another number. */
  count({ id, query, count, before, end_s }, live = true) {
    if (this.#items.has(id)) return;
    const item = this.#place(id, end_s, "count");
    item.querySelector(".when").textContent = `at ${clockText(end_s)}`;
    item.querySelector(".what").textContent = `${query}: ${count}`;
    if (before !== null) item.querySelector(".said").textContent = `${before} before`;
    if (live) announce(`${query}: ${count}`);
  }

  /** A Note of session/wire/; that of an event stands with the event. */
  note(note) {
    if (this.#items.has(note.id)) return;
    if ([...this.#events.values()].some((event) => this.#joined(note, event))) return;
    if (note.reason === "event") this.#alone.set(note.id, note);
    const item = this.#place(note.id, note.start_s, "note");
    item.querySelector(".when").textContent = spanText(note);
    item.querySelector(".said").textContent = note.text;
  }

  /** Let `note` stand with `event`, where it is about that; whether it is. */
  #joined(note, event) {
    const sentence = sentenceOf(note, event);
    if (sentence === null) return false;
    const item = this.#items.get(event.id);
    if (!item) return false;
    item.classList.add("noted");
    if (!event.sentence) item.querySelector(".said").textContent = sentence; // it is told later
    if (this.#alone.has(note.id)) this.#drop(this.#items.get(note.id));
    return true;
  }

  #place(id, start_s, kind) {
    const text = make("div", {}, ...["when quiet", "what", "said"].map((c) => make("p", { className: c })));
    const item = make("li", { className: kind }, text);
    placeByTime(this.#list, item, start_s);
    this.#items.set(id, item);
    if (this.#items.size > HELD) this.#drop(this.#list.lastChild);
    return item;
  }

  #drop(item) {
    forget(item);
    item.remove();
    const [id] = [...this.#items].find(([, held]) => held === item);
    for (const known of [this.#items, this.#events, this.#alone]) known.delete(id);
  }
}

/** What a note says of an event, or null where it is not about it (see session/notes/taker.py). */
function sentenceOf({ reason, start_s, text }, { query, started_s }) {
  const words = (said) => said.trim().split(/\s+/).join(" ");
  const about = `${words(query)}: `;
  const its = reason === "event" && start_s === started_s && text.startsWith(about);
  return its ? text.slice(about.length) : null;
}

/** Put the picture at `path` into `item`, once. It is fetched: a picture's address has no token. */
async function picture(item, path, time) {
  if (item.querySelector("img")) return;
  const image = make("img", { alt: `The picture at ${time}` });
  item.prepend(image);
  try {
    const shown = await (await request("GET", path)).blob();
    if (item.isConnected) image.src = URL.createObjectURL(shown); // `forget` lets go of it
  } catch {
    image.remove(); // there may be none any more; the event itself stands
  }
}

function forget(item) {
  const image = item.querySelector("img");
  if (image) URL.revokeObjectURL(image.src);
}
