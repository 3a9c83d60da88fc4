// Tabs, moved through with the arrow keys (WAI-ARIA Authoring Practices, "Tabs").

const STEPS = { ArrowRight: 1, ArrowLeft: -1 };

export class Tabs {
  #tabs;

  /** `list` holds buttons with role "tab"; each controls the panel that `aria-controls` names. */
  constructor(list) {
    this.#tabs = [...list.querySelectorAll('[role="tab"]')];
    for (const tab of this.#tabs) tab.addEventListener("click", () => this.#choose(tab));
    list.addEventListener("keydown", (event) => this.#move(event));
    this.#choose(this.#tabs[0]);
  }

  /** Show the tabs with these ids only, the first of them chosen. */
  offer(ids) {
    for (const tab of this.#tabs) tab.hidden = !ids.includes(tab.id);
    this.#choose(this.#offered[0]);
  }

  get #offered() {
    return this.#tabs.filter((tab) => !tab.hidden);
  }

  #choose(chosen) {
    for (const tab of this.#tabs) {
      tab.setAttribute("aria-selected", String(tab === chosen));
      tab.tabIndex = tab === chosen ? 0 : -1;
      document.getElementById(tab.getAttribute("aria-controls")).hidden = tab !== chosen;
    }
    chosen.dispatchEvent(new CustomEvent("chosen", { bubbles: true }));
  }

  #move(event) {
    const offered = this.#offered;
    const here = offered.indexOf(document.activeElement);
    const ends = { Home: 0, End: offered.length - 1 };
    const step = STEPS[event.key];
    const next = step ? (here + step + offered.length) % offered.length : ends[event.key];
    if (next === undefined || here < 0) return;
    event.preventDefault();
    offered[next].focus();
    this.#choose(offered[next]);
  }
}
