// What the sieve kept, drawn over the picture it was kept from.

const SHOT_MS = 250; // how often the film takes a picture
const SHOTS = 32;
const SHOT_WIDTH = 192; // pixels
const FRAMES = 12; // the film's length

/** Dim the cells of `grid` that were dropped and outline those that were kept. */
export function drawKept(canvas, grid) {
  const context = canvas.getContext("2d");
  const style = getComputedStyle(canvas);
  const [width, height] = [canvas.width / grid.cols, canvas.height / grid.rows];
  const kept = new Set(grid.kept);
  context.fillStyle = style.getPropertyValue("--dropped");
  context.strokeStyle = style.getPropertyValue("--video");
  context.lineWidth = Math.max(2, canvas.width / 240);
  const inset = context.lineWidth / 2;
  for (let cell = 0; cell < grid.rows * grid.cols; cell++) {
    const [x, y] = [(cell % grid.cols) * width, Math.floor(cell / grid.cols) * height];
    if (!kept.has(cell)) context.fillRect(x, y, width, height);
    else context.strokeRect(x + inset, y + inset, width - 2 * inset, height - 2 * inset);
  }
}

/** The kept cells over the live picture: the grids of the newest window, one after the other. */
export class Overlay {
  #canvas;
  #timer = 0;

  constructor(canvas) {
    this.#canvas = canvas;
  }

  show(grids) {
    clearTimeout(this.#timer);
    const [grid, ...rest] = grids;
    if (!grid) return this.clear();
    this.#fit();
    drawKept(this.#canvas, grid);
    this.#canvas.dataset.kept = grid.kept.join(" ");
    if (rest.length) this.#timer = setTimeout(() => this.show(rest), grid.grid_s * 1000);
  }

  clear() {
    clearTimeout(this.#timer);
    this.#fit();
    delete this.#canvas.dataset.kept;
  }

  #fit() {
    const box = this.#canvas.getBoundingClientRect();
    this.#canvas.width = Math.round(box.width * devicePixelRatio); // also wipes it
    this.#canvas.height = Math.round(box.height * devicePixelRatio);
  }
}

/** The last pictures as the sieve saw them, oldest first. `clock()` gives session seconds. */
export class Film {
  #list;
  #video;
  #clock;
  #shots = []; // {time_s, canvas}, oldest first
  #timer = 0;

  constructor(list, video, clock) {
    this.#list = list;
    this.#video = video;
    this.#clock = clock;
  }

  start() {
    this.stop();
    this.#shots = [];
    this.#list.replaceChildren();
    this.#timer = setInterval(() => this.#shoot(), SHOT_MS);
  }

  stop() {
    clearInterval(this.#timer);
  }

  show(grids) {
    for (const grid of grids) this.#list.append(this.#frame(grid));
    while (this.#list.children.length > FRAMES) this.#list.firstChild.remove();
  }

  #shoot() {
    const { videoWidth, videoHeight } = this.#video;
    if (!videoWidth) return;
    const canvas = document.createElement("canvas");
    canvas.width = SHOT_WIDTH;
    canvas.height = Math.round((SHOT_WIDTH * videoHeight) / videoWidth);
    canvas.getContext("2d").drawImage(this.#video, 0, 0, canvas.width, canvas.height);
    this.#shots.push({ time_s: this.#clock(), canvas });
    if (this.#shots.length > SHOTS) this.#shots.shift();
  }

  #frame(grid) {
    const item = document.createElement("li");
    const canvas = this.#nearest(grid.time_s) ?? document.createElement("canvas");
    item.append(canvas);
    this.#list.append(item); // the colours of the page hold for what is in it
    drawKept(canvas, grid);
    return item;
  }

  /** A copy of the picture that was taken closest to `time_s`. */
  #nearest(time_s) {
    const distance = (shot) => Math.abs(shot.time_s - time_s);
    const shot = this.#shots.reduce((a, b) => (a && distance(a) <= distance(b) ? a : b), null);
    if (!shot) return null;
    const copy = document.createElement("canvas");
    [copy.width, copy.height] = [shot.canvas.width, shot.canvas.height];
    copy.getContext("2d").drawImage(shot.canvas, 0, 0);
    return copy;
  }
}
