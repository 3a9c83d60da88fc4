// What the session says, and which part of the page shows it.

import { at } from "./dom.js";
import { showMemory } from "./memory.js";
import { clockText, keptText, plural } from "./text.js";
import { pace, problem } from "./view.js";

/**
 * The function that takes every event and lets the parts that show it know. `described(session)`
 * and `closed(reason)` are called for what changes more than is shown.
 */
export function hearing({ film, notes, overlay, strip, timeline, watches }, { described, closed }) {
  const refresh = () => watches.refresh();

  function ingested(window) {
    const { kept } = window;
    overlay.show(kept);
    film.show(kept);
    strip.window(window);
    showMemory(window.memory);
    at("caption").textContent =
      `${clockText(window.start_s)} to ${clockText(window.end_s)}: kept ` +
      keptText(kept.kept, kept.seen);
    at("sieved-text").textContent = `Kept, ${overlay.lag_s.toFixed(1)} s later`;
    pace(window.behind_windows ? `${plural(window.behind_windows, "window")} behind` : "");
    if (!at("watches").hidden) refresh();
  }

  function skipped(window) {
    strip.skipped(window);
    pace(`skipped ${clockText(window.start_s)} to ${clockText(window.end_s)}`);
  }

  function counted(event) {
    timeline.count(event);
    refresh();
  }

  const told = {
    "session.created": ({ session }) => described(session),
    "session.updated": ({ session }) => described(session),
    "session.reopened": ({ session }) => described(session),
    "session.closed": ({ reason }) => closed(reason),
    "window.ingested": ingested,
    "window.skipped": skipped,
    overload: ({ level, reason }) =>
      problem(level === "none" ? null : `The service cannot keep up: ${reason}.`),
    "watch.updated": refresh,
    "watch.removed": refresh,
    "watch.unanswered": refresh,
    "watch.count": counted,
    "watch.event": (event) => timeline.event(event),
    "note.added": ({ note }) => timeline.note(note),
    "notes.set": ({ settings }) => notes.settings(settings),
    error: ({ error }) => problem(error.message),
  };
  return (event) => told[event.type]?.(event);
}
