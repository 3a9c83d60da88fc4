// Questions to try about the demo scene, fitting the moment that is playing.

import { request } from "./access.js";

const REFRESH_MS = 2000;
const SHOWN = 4;
const NEAR_S = 1.5; // asked further from its moment than this, a question's truth is not known

export class Suggestions {
  #box;
  #video;
  #ask;
  #questions = []; // the service's, see DemoQuestion in session/wire/
  #timer = 0;
  #turn = 0;

  /** `ask(text, truth)` is called with a chosen question and what the scene says about it. */
  constructor(box, video, ask) {
    this.#box = box;
    this.#video = video;
    this.#ask = ask;
  }

  /** Without questions the scene is still worth watching: a failure leaves the list empty. */
  async load(seed) {
    const response = await request(`/v1/demo/questions?seed=${seed}`).catch(() => null);
    this.#questions = response?.ok ? (await response.json()).questions : [];
  }

  start() {
    this.#renew();
    this.#timer = setInterval(() => this.#refresh(), REFRESH_MS);
  }

  stop() {
    clearInterval(this.#timer);
    this.#box.replaceChildren();
  }

  #refresh() {
    const choosing = this.#box.matches(":hover") || this.#box.querySelector(":focus-visible");
    if (!choosing) this.#renew();
  }

  #renew() {
    const chosen = this.#fitting();
    if (chosen.length) this.#box.replaceChildren(...chosen.map((one) => this.#button(one)));
  }

  /** A few questions of kinds that lie apart, other ones each time. */
  #fitting() {
    const middle_s = this.#video.currentTime + REFRESH_MS / 2000; // of the time they are shown
    const fitting = this.#questions.filter((one) => Math.abs(one.asked_s - middle_s) <= 0.5);
    const step = Math.max(1, Math.floor(fitting.length / SHOWN));
    this.#turn += 1;
    return fitting.filter((_, i) => (i + this.#turn) % step === 0).slice(0, SHOWN);
  }

  #button(question) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = question.text;
    button.addEventListener("click", () => {
      const byKeyboard = button.matches(":focus-visible");
      const late_s = Math.abs(question.asked_s - this.#video.currentTime);
      this.#ask(question.text, late_s < NEAR_S ? question : null);
      this.#renew();
      if (byKeyboard) this.#box.firstChild.focus();
    });
    return button;
  }
}
