// Standing queries: what is waited for or counted, how likely it is now, and from when on it holds.

import { may } from "./api.js";
import { button, make } from "./dom.js";
import { shareMoved, showShare } from "./slider.js";
import { percent } from "./text.js";

const MOST_SURE = 99; // percent: a threshold is below 1

const STATES = {
  waiting: "waits for a first look",
  calm: "not now",
  open: "happening now",
  unanswered: "cannot be judged: the model does not answer it with yes or no; word it otherwise",
};
const COUNTS = {
  ...STATES,
  calm: "not sure of a number yet",
  unanswered: "cannot be counted: say what to count, such as red things",
};
const LIKELY = ["Likely now", "How likely it is now"];
const SURE = ["Sure of it", "How sure the number is"];

export class Watches {
  #list;
  #session = null;
  #items = new Map(); // id of a watch -> its parts on the page
  #looking = null; // the look that is under way
  #again = false; // something happened since it began
  #blind = false; // the trouble that was told of is a look's

  /** `trouble(message)` is called with what went wrong, or null. */
  constructor(list, trouble) {
    this.#list = list;
    this.trouble = trouble;
  }

  /** Show those of `session`; of none where it is null. */
  async of(session) {
    this.#session = session;
    this.#items.clear();
    this.#list.replaceChildren();
    this.#tell(null);
    if (session) await this.refresh();
  }

  /** Look again; resolves when what is so now is shown. One look is under way at a time, so that
   * none is overtaken by one before it. */
  refresh() {
    this.#again = true;
    this.#looking ??= this.#look();
    return this.#looking;
  }

  async #look() {
    await null; // so that one which is over at once is over after `refresh` has noted it
    while (this.#again && this.#session) {
      this.#again = false;
      const session = this.#session;
      try {
        const watches = await session.watches();
        if (session !== this.#session) continue;
        this.#show(watches);
        if (this.#blind) this.#tell(null);
      } catch (error) {
        if (session !== this.#session || error.status === 409) continue; // 409: not live yet
        this.#tell(error.message, true);
      }
    }
    this.#looking = null; // in one breath with the last check: no wish to look again falls between
  }

  /** Whether it was taken. */
  add(settings) {
    return this.#try((session) => session.addWatch(settings));
  }

  /** Do `act` with the session; what comes of it is no matter of another one. */
  async #try(act) {
    const session = this.#session;
    let trouble = null;
    try {
      await act(session);
    } catch (error) {
      trouble = error.message;
    }
    if (session === this.#session) {
      this.#tell(trouble);
      await this.refresh();
    }
    return trouble === null;
  }

  #tell(trouble, blind = false) {
    this.#blind = blind;
    this.trouble(trouble);
  }

  #show(watches) {
    const known = new Set(watches.map(({ id }) => id));
    for (const [id, { item }] of this.#items) {
      if (!known.has(id)) {
        item.remove();
        this.#items.delete(id);
      }
    }
    for (const watch of watches) {
      if (!this.#items.has(watch.id)) this.#append(watch);
      fill(this.#items.get(watch.id), watch);
    }
  }

  #append({ id, query, kind }) {
    const [likely, name] = kind === "count" ? SURE : LIKELY;
    const state = make("p", { className: "quiet state" });
    const bar = make("span", { className: "bar" }, make("span"));
    bar.setAttribute("role", "meter");
    bar.setAttribute("aria-label", `${name}: ${query}`);
    bar.setAttribute("aria-valuemin", "0");
    bar.setAttribute("aria-valuemax", "100");
    const threshold = make("input", { type: "range" });
    threshold.ariaLabel = `Told from this probability on: ${query}`;
    const output = make("output");
    threshold.addEventListener("input", () => {
      told({ bar, output }, shareMoved(threshold));
    });
    threshold.addEventListener("change", () => this.#setThreshold(id, shareMoved(threshold)));
    const gone = button("Remove", () => this.#remove(id), `Remove: ${query}`);
    gone.hidden = threshold.disabled = !may("ask");
    const head = make("p", { className: "head" }, make("b", {}, query), gone);
    const now = make("span");
    const judged = make("p", { className: "scale" }, make("span", {}, likely), bar, now);
    const label = make("span", {}, "Told from");
    const set = make("p", { className: "scale" }, label, threshold, output);
    const item = make("li", {}, head, state, judged, set);
    item.dataset.kind = kind;
    this.#items.set(id, { item, state, judged, bar, now, threshold, output });
    this.#list.append(item);
  }

  #setThreshold(id, threshold) {
    return this.#try((session) => session.changeWatch(id, { threshold, release: threshold / 2 }));
  }

  async #remove(id) {
    await this.#try((session) => session.removeWatch(id));
    const next = this.#list.querySelector("button") ?? document.getElementById("watch-query");
    next.focus();
  }
}

function fill({ item, state, judged, bar, now, threshold, output }, watch) {
  item.dataset.state = watch.state;
  judged.hidden = watch.state === "unanswered"; // a bar at nothing would say that it is unlikely
  const likely = Math.round(100 * (watch.probability ?? 0));
  state.textContent = watch.kind === "count" ? numberText(watch) : happeningText(watch);
  item.dataset.counted = String(watch.count !== null);
  bar.setAttribute("aria-valuenow", String(likely));
  bar.firstChild.style.width = `${likely}%`;
  now.textContent = watch.probability === null ? "" : `${likely} %`;
  bar.setAttribute("aria-valuetext", now.textContent || "not looked yet");
  if (document.activeElement === threshold) return; // it is being moved
  showShare(threshold, watch.threshold, MOST_SURE);
  told({ bar, output }, watch.threshold);
}

/** From which probability on it is told: in words, and as a mark on the bar. */
function told({ bar, output }, threshold) {
  output.textContent = percent(threshold);
  bar.style.setProperty("--from", percent(threshold).replace(" ", ""));
}

function happeningText({ state, events }) {
  return `${STATES[state]}${events ? `, ${events} so far` : ""}`;
}

function numberText({ state, count }) {
  return count === null ? COUNTS[state] : String(count);
}
