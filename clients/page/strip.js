// Picture against sound in what was kept, one bar a window, oldest on the left.

import { clockText } from "./text.js";

const BAR = 9; // CSS pixels
const STEP = 12;
const TOP = 12; // room for the marks of questions
const BOTTOM = 18; // room for the times
const LABEL_EVERY_S = 10;
const HELD = 400;

export class Strip {
  #canvas;
  #bars = []; // {start_s, end_s, video, audio} in tokens; both null for a skipped window
  #asked = []; // session seconds

  constructor(canvas) {
    this.#canvas = canvas;
    new ResizeObserver(() => this.#draw()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#draw());
  }

  clear() {
    this.#bars = [];
    this.#asked = [];
    this.#draw();
  }

  window(ingested) {
    const { start_s, end_s, kept } = ingested;
    this.#push({ start_s, end_s, video: kept.kept.video, audio: kept.kept.audio });
  }

  skipped({ start_s, end_s }) {
    this.#push({ start_s, end_s, video: null, audio: null });
  }

  asked(time_s) {
    this.#asked.push(time_s);
    this.#draw();
  }

  #push(bar) {
    this.#bars.push(bar);
    if (this.#bars.length > HELD) this.#bars.shift();
    this.#draw();
  }

  #draw() {
    const canvas = this.#canvas;
    const { width, height } = canvas.getBoundingClientRect();
    canvas.width = Math.round(width * devicePixelRatio);
    canvas.height = Math.round(height * devicePixelRatio);
    const context = canvas.getContext("2d");
    context.scale(devicePixelRatio, devicePixelRatio);
    const shown = this.#bars.slice(-Math.floor(width / STEP));
    shown.forEach((bar, i) => this.#bar(context, bar, i * STEP, { width, height }));
    canvas.setAttribute("aria-label", describe(shown));
  }

  #bar(context, bar, x, { width, height }) {
    const style = getComputedStyle(this.#canvas);
    const full = height - TOP - BOTTOM;
    const total = bar.video + bar.audio;
    const video = total ? (full * bar.video) / total : 0;
    context.fillStyle = style.getPropertyValue(total ? "--audio" : "--line");
    context.fillRect(x, TOP, BAR, total ? full - video : full);
    context.fillStyle = style.getPropertyValue("--video");
    context.fillRect(x, TOP + full - video, BAR, video);
    context.fillStyle = style.getPropertyValue("--ink");
    if (this.#asked.some((time_s) => time_s >= bar.start_s && time_s < bar.end_s)) {
      context.beginPath();
      context.arc(x + BAR / 2, TOP / 2, 3, 0, 2 * Math.PI);
      context.fill();
    }
    if (bar.start_s % LABEL_EVERY_S === 0) {
      context.fillStyle = style.getPropertyValue("--quiet");
      context.font = `11px ${style.fontFamily}`;
      const time = clockText(bar.start_s);
      const left = Math.min(x, width - context.measureText(time).width); // whole at the edge, too
      context.fillText(time, left, height - 4);
    }
  }
}

function describe(bars) {
  const taken = bars.filter((bar) => bar.video !== null);
  const sum = (kind) => taken.reduce((total, bar) => total + bar[kind], 0);
  const total = sum("video") + sum("audio");
  if (!total) return "No window has been taken in yet";
  const share = Math.round((100 * sum("video")) / total);
  const lost = bars.length - taken.length;
  return (
    `Of the tokens kept from the last ${bars.length} windows ${share} % are picture and ` +
    `${100 - share} % sound${lost ? `; ${lost} windows were skipped` : ""}`
  );
}
