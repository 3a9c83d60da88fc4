// What the sieve kept, drawn over the picture it was kept from.

const SHOT_MS = 250; // how often the film takes a picture
const SHOTS = 32;
const SHOT_WIDTH = 192; // pixels
const LANE = 30; // pixels below a picture of the film, for its sound
const FRAMES = 12; // the film's length
const AUDIO_TOKENS_PER_S = 25;

/** Dim the cells of `grid` that were dropped and outline those that were kept. */
function drawKept(context, width, height, grid) {
  const style = getComputedStyle(context.canvas);
  const [w, h] = [width / grid.cols, height / grid.rows];
  const kept = new Set(grid.kept);
  context.fillStyle = style.getPropertyValue("--dropped");
  context.strokeStyle = style.getPropertyValue("--video");
  context.lineWidth = Math.max(2, width / 240);
  const inset = context.lineWidth / 2;
  for (let cell = 0; cell < grid.rows * grid.cols; cell++) {
    const [x, y] = [(cell % grid.cols) * w, Math.floor(cell / grid.cols) * h];
    if (!kept.has(cell)) context.fillRect(x, y, w, h);
    else context.strokeRect(x + inset, y + inset, w - 2 * inset, h - 2 * inset);
  }
}

/** One tick for each of `tokens` sound tokens from `first` on, high where it was kept. */
function drawLane(context, top, first, tokens, kept) {
  const style = getComputedStyle(context.canvas);
  const { width, height } = context.canvas;
  const step = width / tokens;
  for (let i = 0; i < tokens; i++) {
    const high = kept.has(first + i);
    context.fillStyle = style.getPropertyValue(high ? "--audio" : "--line");
    const y = high ? top + 4 : height - 6;
    context.fillRect(i * step + 1, y, step - 2, height - y);
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
    const context = this.clear();
    const [grid, ...rest] = grids;
    if (!grid) return;
    drawKept(context, this.#canvas.width, this.#canvas.height, grid);
    this.#canvas.dataset.kept = grid.kept.join(" ");
    if (rest.length) this.#timer = setTimeout(() => this.show(rest), grid.grid_s * 1000);
  }

  clear() {
    clearTimeout(this.#timer);
    delete this.#canvas.dataset.kept;
    const box = this.#canvas.getBoundingClientRect();
    this.#canvas.width = Math.round(box.width * devicePixelRatio); // also wipes it
    this.#canvas.height = Math.round(box.height * devicePixelRatio);
    return this.#canvas.getContext("2d");
  }
}

/**
 * The last pictures as the sieve saw them, oldest first, each above the sound of its time.
 * `clock()` gives session seconds.
 */
export class Film {
  #list;
  #video;
  #clock;
  #shots = []; // {time_s, image}, oldest first
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

  /** Add the pictures of a KeptMap (session/wire.py). */
  show(kept) {
    const sounds = new Set(kept.audio_kept);
    for (const grid of kept.grids) {
      const shot = this.#nearest(grid.time_s);
      if (shot) this.#append(shot.image, grid, grid.time_s - kept.start_s, sounds);
    }
    while (this.#list.children.length > FRAMES) this.#list.firstChild.remove();
  }

  #shoot() {
    const { videoWidth, videoHeight } = this.#video;
    if (!videoWidth) return;
    const image = document.createElement("canvas");
    image.width = SHOT_WIDTH;
    image.height = Math.round((SHOT_WIDTH * videoHeight) / videoWidth);
    image.getContext("2d").drawImage(this.#video, 0, 0, image.width, image.height);
    this.#shots.push({ time_s: this.#clock(), image });
    if (this.#shots.length > SHOTS) this.#shots.shift();
  }

  #nearest(time_s) {
    const distance = (shot) => Math.abs(shot.time_s - time_s);
    return this.#shots.reduce((a, b) => (a && distance(a) <= distance(b) ? a : b), null);
  }

  #append(image, grid, offset_s, sounds) {
    const frame = document.createElement("canvas");
    [frame.width, frame.height] = [image.width, image.height + LANE];
    const item = document.createElement("li");
    item.append(frame);
    this.#list.append(item); // before drawing: the page's colours hold for what is in it
    const context = frame.getContext("2d");
    context.drawImage(image, 0, 0);
    drawKept(context, image.width, image.height, grid);
    const first = Math.round(offset_s * AUDIO_TOKENS_PER_S);
    drawLane(context, image.height, first, grid.grid_s * AUDIO_TOKENS_PER_S, sounds);
  }
}
