// Notes: what is noted, the search in them, and taking them home.

import { at, make, onSubmit } from "./dom.js";
import { plural, spanText } from "./text.js";

export class Notes {
  #session = null;
  #inForce = null; // the NoteSettings of session/wire/, as last told
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
    at("notes-every").addEventListener("change", () => {
      this.#set({ every_s: at("notes-every").value ? Number(at("notes-every").value) : null });
    });
    at("notes-events").addEventListener("change", () => {
      this.#set({ events: at("notes-events").checked });
    });
  }

  /**
   * Those of `session`; of none where it is null. Also fills the timeline with them. Resolves to
   * whether there are any.
   */
  async of(session) {
    this.#session = session;
    this.#inForce = null;
    this.#say("");
    at("words").value = "";
    this.#found(null);
    if (!session) return false;
    const { settings, notes } = await session.notes();
    if (session !== this.#session) return false;
    if (!this.#inForce) this.settings(settings); // what was told meanwhile is newer
    for (const note of notes) this.#timeline.note(note);
    return notes.length > 0;
  }

  /** Show what is in force. */
  settings(settings) {
    const { every_s, events } = (this.#inForce = settings);
    at("notes-every").value = every_s ?? "";
    if (at("notes-every").value !== String(every_s ?? "")) {
      at("notes-every").add(new Option(`every ${every_s} s`, every_s, true, true));
    }
    at("notes-events").checked = events;
  }

  async #search() {
    const words = at("words").value.trim();
    if (!words || !this.#session) return this.#found(null);
    const session = this.#session;
    const wanted = () => session === this.#session && at("words").value.trim() === words;
    try {
      const { notes } = await session.notes(words);
      if (wanted()) this.#found(notes);
    } catch (error) {
      if (wanted()) this.#say(error.message);
    }
  }

  /** Show the notes found, best first, in place of the timeline; null shows the timeline. */
  #found(notes) {
    at("found").hidden = notes === null;
    at("timeline").hidden = notes !== null;
    at("everything").hidden = notes === null;
    at("found").replaceChildren(...(notes ?? []).map(item));
    this.#say(notes ? `${plural(notes.length, "note")} found` : "");
  }

  async #set(settings) {
    const session = this.#session;
    at("tune-text").textContent = "";
    try {
      await session.takeNotes(settings);
    } catch (error) {
      if (session !== this.#session) return;
      at("tune-text").textContent = error.message;
      this.settings(this.#inForce); // what was refused is not what holds
    }
  }

  async #save(format) {
    const session = this.#session;
    try {
      const url = URL.createObjectURL(await session.notesFile(format));
      make("a", { href: url, download: `notes-${session.id}.${format}` }).click();
      setTimeout(() => URL.revokeObjectURL(url), 1000); // the browser has begun to read it
    } catch (error) {
      if (session === this.#session) this.#say(error.message);
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
