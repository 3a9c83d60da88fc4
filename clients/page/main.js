// The page: picks a source, opens a session, asks, and shows what the session says.

import { askForToken, request } from "./access.js";
import { exchange } from "./answers.js";
import { Film, Overlay, Recorder } from "./overlay.js";
import { Session } from "./session.js";
import { camera, clear, demoScene, NoSource, stop } from "./sources.js";
import { Strip } from "./strip.js";
import { Suggestions } from "./suggestions.js";
import { clockText, keptText, percent, plural } from "./text.js";
import { Refused } from "./whip.js";

const SETTINGS = ["question", "send", "retention", "selector", "instruction", "apply"];
const at = (id) => document.getElementById(id);

const video = at("video");
const recorder = new Recorder(video, () => session?.clock_s ?? 0);
const overlay = new Overlay(at("overlay"), recorder);
const film = new Film(at("film"), recorder);
const strip = new Strip(at("strip"));
const suggestions = new Suggestions(at("suggestions"), video, ask);

let session = null;
let inForce = null; // the Session of session/wire/, as last told
let stream = null;
let source = null; // "demo" or "camera", as last chosen
let attempt = 0; // counts up with every leaving, so that a late connection knows it is not wanted

// --- Connecting and leaving ---------------------------------------------------------------------

async function start(chosen) {
  leave();
  const mine = attempt;
  source = chosen;
  show("connecting", chosen === "demo" ? "Preparing the scene" : "Connecting");
  try {
    const media = await (chosen === "demo" ? openDemo() : camera(video));
    if (mine !== attempt) return stop(media);
    stream = media;
    const opened = await Session.open(media, on);
    if (mine !== attempt) return opened.close();
    session = opened;
    session.listen();
  } catch (error) {
    if (mine !== attempt) return;
    leave();
    problem(error.message, true);
    if (!(error instanceof NoSource || error instanceof Refused)) throw error;
  }
}

async function openDemo() {
  const seed = new URLSearchParams(location.search).get("seed") ?? Math.floor(Math.random() * 1000);
  await suggestions.load(seed);
  return demoScene(video, seed);
}

function leave() {
  attempt += 1;
  session?.close();
  stop(stream);
  clear(video);
  session = stream = null;
  recorder.stop();
  overlay.stop();
  suggestions.stop();
  show("idle", "Not connected");
}

function show(name, text) {
  for (const id of ["page", "status"]) at(id).dataset.state = name;
  at("status").textContent = text;
  at("start").hidden = name !== "idle";
  at("live").hidden = at("close").hidden = name === "idle";
  at("clock").hidden = name !== "live";
  at("sound").hidden = source !== "demo";
  for (const id of SETTINGS) at(id).disabled = name !== "live";
  if (name === "connecting") problem(null);
}

function problem(message, again = false) {
  at("problem").hidden = !message;
  at("problem-text").textContent = message ?? "";
  at("again").hidden = !again;
}

// --- What the session says ----------------------------------------------------------------------

const on = {
  state(told, model) {
    if (told.state === "live" && at("status").dataset.state !== "live") begin(model);
    inForce = told;
    showSettings();
    memory(told.memory);
  },

  window(ingested) {
    const { kept } = ingested;
    overlay.show(kept);
    film.show(kept);
    strip.window(ingested);
    memory(ingested.memory);
    at("caption").textContent =
      `${clockText(ingested.start_s)} to ${clockText(ingested.end_s)}: kept ` +
      keptText(kept.kept, kept.seen);
    at("sieved-text").textContent = `What is kept of it, ${overlay.lag_s.toFixed(1)} s later`;
    pace(ingested.behind_windows);
  },

  skipped(window) {
    strip.skipped(window);
    pace(0, `Live, skipped ${clockText(window.start_s)} to ${clockText(window.end_s)}`);
  },

  overload({ level, reason }) {
    problem(level === "none" ? null : `The service cannot keep up: ${reason}.`);
  },

  problem: (message) => problem(message),

  closed(message) {
    leave();
    problem(message, true);
  },
};

/** Show the settings that are in force. */
function showSettings() {
  at("retention").value = Math.round(inForce.retention * 100);
  at("retention-text").textContent = percent(inForce.retention);
  list(inForce.selector);
  at("selector").value = inForce.selector;
  if (document.activeElement !== at("instruction")) {
    at("instruction").value = inForce.instruction ?? "";
  }
}

/** Put a selector on the list, once. */
function list(name, says = "") {
  const known = [...at("selector").options].some((option) => option.value === name);
  if (!known) at("selector").add(new Option(says ? `${name}: ${says}` : name, name));
}

/** List the selectors that the service offers. */
async function offer() {
  const response = await request("/v1/selectors").catch(() => null);
  if (!response?.ok) return; // the one in force is listed all the same
  for (const { name, says } of (await response.json()).selectors) list(name, says);
}

function begin(model) {
  show("live", "Live");
  if (source === "demo") suggestions.start();
  recorder.start();
  overlay.start();
  film.clear();
  strip.clear();
  at("answers").replaceChildren();
  at("model-note").hidden = !(model === "demo" && source === "camera");
  at("caption").textContent = "Waiting for the first two seconds";
  if (matchMedia("(pointer: fine)").matches) at("question").focus(); // no keyboard over a phone
}

function pace(behind, text = behind ? `Live, ${plural(behind, "window")} behind` : "Live") {
  at("status").dataset.behind = behind > 0 || text !== "Live";
  if (at("status").textContent !== text) at("status").textContent = text;
}

function memory({ slots, used, prompt, video, audio }) {
  const parts = { prompt, video, audio };
  for (const [name, count] of Object.entries(parts)) {
    at("memory").querySelector(`.${name}`).style.width = `${(100 * count) / slots}%`;
  }
  const text =
    `${used} of ${slots} slots: ${prompt} for the instruction, ${video} for the picture, ` +
    `${audio} for sound`;
  at("memory-text").textContent = text;
  at("memory").setAttribute("aria-label", text);
}

// --- What the person does -----------------------------------------------------------------------

function ask(question, truth = null) {
  strip.asked(session.clock_s);
  session.ask(question, exchange(at("answers"), question, truth));
}

async function configure(settings) {
  at("tune-text").textContent = "";
  try {
    await session.configure(settings);
    at("tune-text").textContent = "Set; it holds from the next window on.";
  } catch (error) {
    at("tune-text").textContent = error.message;
    showSettings(); // what was refused is not what holds
  }
}

function listen(id, type, handle) {
  at(id).addEventListener(type, (event) => {
    if (type === "submit") event.preventDefault();
    handle(event);
  });
}

listen("demo", "click", () => start("demo"));
listen("camera", "click", () => start("camera"));
listen("again", "click", () => start(source));
listen("close", "click", leave);
listen("ask", "submit", () => {
  const question = at("question").value.trim();
  if (!question) return;
  at("question").value = "";
  ask(question);
});
listen("tune", "submit", () => configure({ instruction: at("instruction").value.trim() || null }));
listen("retention", "input", () => {
  at("retention-text").textContent = percent(at("retention").value / 100);
});
listen("retention", "change", () => configure({ retention: at("retention").value / 100 }));
listen("selector", "change", () => configure({ selector: at("selector").value }));
listen("show-kept", "change", () => {
  at("sieved").hidden = !at("show-kept").checked;
});
listen("sound", "click", () => {
  video.muted = !video.muted;
  at("sound").setAttribute("aria-pressed", String(!video.muted));
});
video.addEventListener("resize", () => {
  at("stage").style.setProperty("--shape", video.videoWidth / video.videoHeight);
});
setInterval(() => {
  if (session) at("clock").textContent = clockText(session.clock_s);
}, 500);
askForToken(at("access"), () => {
  problem(null);
  offer();
});
offer();
addEventListener("pagehide", () => session?.close());
