// What the sieve kept, drawn over the picture it was kept from.

const SHOT_MS = 100; // how often a picture is taken
const SHOTS = 60; // so many are held: the sieve speaks of a moment two or three seconds later
const SHOT_WIDTH = 420; // pixels
const LANE = 60; // pixels below a picture of the film, for its sound
const FRAMES = 12; // the film's length
const AUDIO_TOKENS_PER_S = 25;

/** Dim the cells of `grid` (a GridMap of session/wire/) that were dropped, outline the others. */
function drawKept(context, { width, height }, grid) {
  const style = getComputedStyle(context.canvas);
  const [w, h] = [width / grid.cols, height / grid.rows];
  const kept = new Set(grid.kept);
  context.fillStyle = style.getPropertyValue("--dropped");
  context.strokeStyle = style.getPropertyValue("--kept");
  context.lineWidth = Math.max(2, width / 140);
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
    const y = high ? top + 8 : height - 12;
    context.fillRect(i * step + 2, y, step - 4, height - y);
  }
}

/** The last seconds of `video`, as pictures by session time. `clock()` gives session seconds. */
export class Recorder {
  #video;
  #shots = []; // {time_s, image}, oldest first
  #timer = 0;

  constructor(video, clock) {
    this.#video = video;
    this.clock = clock;
  }

  start() {
    this.stop();
    this.#timer = setInterval(() => this.#shoot(), SHOT_MS);
  }

  stop() {
    clearInterval(this.#timer);
    this.#shots = [];
  }

  /** The picture taken closest to `time_s`, as a canvas; undefined while there is none. */
  at(time_s) {
    const distance = (shot) => Math.abs(shot.time_s - time_s);
    const closer = (a, b) => (a && distance(a) <= distance(b) ? a : b);
    return this.#shots.reduce(closer, null)?.image;
  }

  #shoot() {
    const { videoWidth, videoHeight } = this.#video;
    if (!videoWidth) return;
    const image = this.#shots.length < SHOTS ? document.createElement("canvas") : this.#oldest();
    image.width = SHOT_WIDTH; // wipes it, too
    image.height = Math.round((SHOT_WIDTH * videoHeight) / videoWidth);
    image.getContext("2d").drawImage(this.#video, 0, 0, image.width, image.height);
    this.#shots.push({ time_s: this.clock(), image });
  }

  #oldest() {
    return this.#shots.shift().image;
  }
}

/**
 * The stream as it was sieved, a little later than live: as much as the slowest of the last windows
 * took to come back.
 */
export class Overlay {
  #canvas;
  #recorder;
  #grids = []; // of the last windows, oldest first
  #lags_s = []; // how long each of the last windows took to come back
  #timer = 0;

  constructor(canvas, recorder) {
    this.#canvas = canvas;
    this.#recorder = recorder;
  }

  start() {
    this.stop();
    this.#timer = setInterval(() => this.#draw(), SHOT_MS);
  }

  stop() {
    clearInterval(this.#timer);
    this.#grids = [];
    this.#lags_s = [];
    this.#canvas.getContext("2d").clearRect(0, 0, this.#canvas.width, this.#canvas.height);
    delete this.#canvas.dataset.kept;
  }

  /** Seconds between live and what is shown. */
  get lag_s() {
    return Math.max(0, ...this.#lags_s);
  }

  /** Take in a KeptMap of session/wire/. */
  show(kept) {
    this.#grids = [...this.#grids, ...kept.grids].slice(-FRAMES);
    this.#lags_s = [...this.#lags_s, this.#recorder.clock() - kept.start_s].slice(-FRAMES);
  }

  #draw() {
    const time_s = this.#recorder.clock() - this.lag_s;
    const image = this.#recorder.at(time_s);
    if (!image || !this.lag_s) return;
    const covers = (grid) => grid.time_s <= time_s && time_s < grid.time_s + grid.grid_s;
    const grid = this.#grids.find(covers) ?? { rows: 1, cols: 1, kept: [] }; // a skipped window
    [this.#canvas.width, this.#canvas.height] = [image.width, image.height];
    const context = this.#canvas.getContext("2d");
    context.drawImage(image, 0, 0);
    drawKept(context, image, grid);
    this.#canvas.dataset.kept = grid.kept.join(" ");
  }
}

/** The last pictures as the sieve saw them, oldest first, each above the sound of its time. */
export class Film {
  #list;
  #recorder;

  constructor(list, recorder) {
    this.#list = list;
    this.#recorder = recorder;
  }

  clear() {
    this.#list.replaceChildren();
  }

  /** Add the pictures of a KeptMap of session/wire/. */
  show(kept) {
    const sounds = new Set(kept.audio_kept);
    for (const grid of kept.grids) {
      const image = this.#recorder.at(grid.time_s);
      if (image) this.#append(image, grid, grid.time_s - kept.start_s, sounds);
    }
    while (this.#list.children.length > FRAMES) this.#list.firstChild.remove();
  }

  #append(image, grid, offset_s, sounds) {
    const frame = document.createElement("canvas");
    [frame.width, frame.height] = [image.width, image.height + LANE];
    const item = document.createElement("li");
    item.append(frame);
    this.#list.append(item); // before drawing: the page's colours hold for what is in it
    const context = frame.getContext("2d");
    context.drawImage(image, 0, 0);
    drawKept(context, image, grid);
    const first = Math.round(offset_s * AUDIO_TOKENS_PER_S);
    drawLane(context, image.height, first, grid.grid_s * AUDIO_TOKENS_PER_S, sounds);
  }
}
