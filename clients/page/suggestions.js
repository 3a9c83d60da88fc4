// Questions to try about the demo scene, fitting the moment that is playing.

import { call } from "./api.js";
import { button } from "./dom.js";

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
  #newest_s = 0; // of the scene, as far as it was played
  #again = false; // the scene has been seen before, or not from its beginning

  /** `ask(text, truth)` is called with a chosen question and what the scene says about it. */
  constructor(box, video, ask) {
    this.#box = box;
    this.#video = video;
    this.#ask = ask;
  }

  /** Without questions the scene is still worth watching: a failure leaves the list empty. */
  async load(seed) {
    const found = await call("GET", `/v1/demo/questions?seed=${seed}`).catch(() => null);
    this.#questions = found?.questions ?? [];
  }

  start() {
    this.stop();
    this.#again = false;
    this.#newest_s = 0;
    this.#renew();
    this.#timer = setInterval(() => this.#refresh(), REFRESH_MS);
  }

  stop() {
    clearInterval(this.#timer);
    this.#box.replaceChildren();
  }

  /** The memory began anew in the middle of the scene: only what lasts is certain from here on. */
  interrupted() {
    this.#again = true;
  }

  /** Where the scene is; notices that it has begun again. */
  #moment() {
    const { currentTime } = this.#video;
    if (currentTime < this.#newest_s) this.#again = true;
    this.#newest_s = currentTime;
    return currentTime;
  }

  #refresh() {
    const choosing = this.#box.matches(":hover") || this.#box.querySelector(":focus-visible");
    if (choosing) this.#moment();
    else this.#renew();
  }

  #renew() {
    const chosen = this.#fitting();
    if (chosen.length) this.#box.replaceChildren(...chosen.map((one) => this.#button(one)));
  }

  /** A few questions of kinds that lie apart, other ones each time. */
  #fitting() {
    const middle_s = this.#moment() + REFRESH_MS / 2000; // of the time they are shown
    const fitting = this.#questions.filter((one) => Math.abs(one.asked_s - middle_s) <= 0.5);
    const step = Math.max(1, Math.floor(fitting.length / SHOWN));
    this.#turn += 1;
    return fitting.filter((_, i) => (i + this.#turn) % step === 0).slice(0, SHOWN);
  }

  /** What is certain about a question now: itself, with its answer, or null. */
  #truth(question) {
    const late_s = Math.abs(question.asked_s - this.#moment());
    return late_s < NEAR_S && (question.lasting || !this.#again) ? question : null;
  }

  #button(question) {
    const made = button(question.text, () => {
      const byKeyboard = made.matches(":focus-visible");
      this.#ask(question.text, this.#truth(question));
      this.#renew();
      if (byKeyboard) this.#box.firstChild.focus();
    });
    return made;
  }
}
