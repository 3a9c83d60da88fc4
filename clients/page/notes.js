// Notes: what is noted, the search in them, and taking them home.

import { at, make, onSubmit } from "./dom.js";
import { plural, spanText } from "./text.js";

export class Notes {
  #session = null;
  #timeline;

  constructor(timeline) {
    this.#timeline = timeline;
    onSubmit(at("search"), () => this.#search());
    at("words").addEventListener("input", () => at("words").value || this.#found(null));
    at("everything").addEventListener("click", () => {
      at("words").value = "";
      this.#found(null);
      at("timeline").focus();
    });
    for (const format of ["md", "vtt"]) {
      at(`save-${format}`).addEventListener("click", () => this.#save(format));
    }
    for (const id of ["notes-every", "notes-events"]) {
      at(id).addEventListener("change", () => this.#set());
    }
  }

  /**
   * Those of `session`; of none where it is null. Also fills the timeline with them. Resolves to
   * whether there are any.
   */
  async of(session) {
    this.#session = session;
    this.#say("");
    at("words").value = "";
    this.#found(null);
    if (!session) return false;
    const { settings, notes } = await session.notes();
    if (session !== this.#session) return false;
    this.settings(settings);
    for (const note of notes) this.#timeline.note(note);
    return notes.length > 0;
  }

  /** Show what is in force. */
  settings({ every_s, events }) {
    at("notes-every").value = every_s ?? "";
    if (at("notes-every").value !== String(every_s ?? "")) {
      at("notes-every").add(new Option(`every ${every_s} s`, every_s, true, true));
    }
    at("notes-events").checked = events;
  }

  async #search() {
    const words = at("words").value.trim();
    if (!words || !this.#session) return this.#found(null);
    await this.#try(async () => {
      const { notes } = await this.#session.notes(words);
      if (at("words").value) this.#found(notes); // it was not emptied meanwhile
    });
  }

  /** Show the notes found, best first, in place of the timeline; null shows the timeline. */
  #found(notes) {
    at("found").hidden = notes === null;
    at("timeline").hidden = notes !== null;
    at("everything").hidden = notes === null;
    at("found").replaceChildren(...(notes ?? []).map(item));
    this.#say(notes ? `${plural(notes.length, "note")} found` : "");
  }

  #set() {
    const every = at("notes-every").value;
    const settings = {
      every_s: every ? Number(every) : null,
      events: at("notes-events").checked,
    };
    return this.#try(() => this.#session.takeNotes(settings), at("tune-text"));
  }

  #save(format) {
    return this.#try(async () => {
      const url = URL.createObjectURL(await this.#session.notesFile(format));
      make("a", { href: url, download: `notes-${this.#session.id}.${format}` }).click();
      setTimeout(() => URL.revokeObjectURL(url), 1000); // the browser has begun to read it
    });
  }

  async #try(act, place = at("search-text")) {
    try {
      await act();
    } catch (error) {
      place.textContent = error.message;
    }
  }

  #say(text) {
    at("search-text").textContent = text;
  }
}

function item(note) {
  const text = make("div", {}, make("p", { className: "when quiet" }, spanText(note)));
  text.append(make("p", { className: "said" }, note.text));
  return make("li", { className: "note" }, text);
}
