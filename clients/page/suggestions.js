// Questions to try about the demo scene, fitting the moment that is playing.

const REFRESH_MS = 1000;
const SHOWN = 4;
const NEAR_S = 1.0; // a question further away than this has no known truth

export class Suggestions {
  #box;
  #video;
  #ask;
  #questions = []; // the service's, see DemoQuestion in session/wire.py
  #timer = 0;

  /** `ask(text, truth)` is called with a chosen question and what the scene says about it. */
  constructor(box, video, ask) {
    this.#box = box;
    this.#video = video;
    this.#ask = ask;
  }

  /** Without questions the scene is still worth watching: a failure leaves the list empty. */
  async load(seed) {
    const response = await fetch(`/v1/demo/questions?seed=${seed}`).catch(() => null);
    this.#questions = response?.ok ? (await response.json()).questions : [];
    this.#timer = setInterval(() => this.#refresh(), REFRESH_MS);
  }

  stop() {
    clearInterval(this.#timer);
    this.#box.replaceChildren();
  }

  #refresh() {
    const chosen = this.#fitting();
    const texts = chosen.map((question) => question.text).join();
    if (this.#box.dataset.texts === texts || this.#box.contains(document.activeElement)) return;
    this.#box.dataset.texts = texts;
    this.#box.replaceChildren(...chosen.map((question) => this.#button(question)));
  }

  #fitting() {
    const now = this.#video.currentTime;
    return this.#questions
      .filter((question) => Math.abs(question.asked_s - now) < NEAR_S)
      .slice(0, SHOWN);
  }

  #button(question) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = question.text;
    button.addEventListener("click", () => this.#ask(question.text, question));
    return button;
  }
}
