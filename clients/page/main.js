// The page: picks a source or a session, and lets every part hear what the session says.

import { addressed, addressList, addressSession, backToList } from "./address.js";
import { exchange } from "./answers.js";
import { call, lacking, Refused, token } from "./api.js";
import { at, onSubmit } from "./dom.js";
import { hearing } from "./hearing.js";
import { showMemory } from "./memory.js";
import { Notes } from "./notes.js";
import { Film, Overlay, Recorder } from "./overlay.js";
import { isWanted, Publication } from "./publication.js";
import { DemoScene } from "./scene.js";
import { Session } from "./session.js";
import { Sessions } from "./sessions.js";
import { Settings } from "./settings.js";
import { camera, clear, demoScene, display, NoSource, stop } from "./sources.js";
import { setStage } from "./stage.js";
import { Strip } from "./strip.js";
import { Suggestions } from "./suggestions.js";
import { Tabs } from "./tabs.js";
import { clockText, sessionName, whenText } from "./text.js";
import { Timeline } from "./timeline.js";
import { askable, bar, pace, problem, show } from "./view.js";
import { setWatchForm } from "./watchform.js";
import { Watches } from "./watches.js";

const TABS = ["tab-ask", "tab-watches", "tab-timeline", "tab-settings"];
const OF_THE_PAST = ["tab-ask", "tab-timeline"];
const NEW_ONE = "The session before is gone, and its record with it: this is a new one.";
const NO_SUCH = "The session of this address is gone, and its record with it.";
const WANTS_TOKEN = "This service wants an access token: enter it below.";

const video = at("video");
const recorder = new Recorder(video, () => session?.clock_s ?? 0);
const overlay = new Overlay(at("overlay"), recorder);
const film = new Film(at("film"), recorder);
const strip = new Strip(at("strip"));
const suggestions = new Suggestions(at("suggestions"), video, ask);
const timeline = new Timeline(at("timeline"));
const notes = new Notes(timeline);
const watches = new Watches(at("watch-list"), (text) => {
  at("watch-text").textContent = text ?? "";
});
const settings = new Settings((changes) => session.configure(changes));
const tabs = new Tabs(at("tabs"));
const scene = new DemoScene(new URLSearchParams(location.search).get("seed") ?? undefined);
const sessions = new Sessions(at("sessions"), {
  join: choose,
  lookBack: choose,
  goOn,
  remove,
  refused: locked,
});
const hear = hearing(
  { film, notes, overlay, strip, timeline, watches },
  { described: state, closed },
);

let session = null;
let publication = null;
let stream = null;
let source = null; // "demo" or "camera", as last chosen; null where somebody else sends
let name = null; // of the session that somebody else sends
let goingOn = null; // the id of the session that the next stream goes on with
let latest = null; // the id of the session that was sent to, or was to be, latest
let attempt = 0; // counts up with every leaving, so that a late connection knows it is not wanted

// --- Coming and leaving -------------------------------------------------------------------------

/** Send what is `chosen`, as a new session or going on with `wanted` (an id). */
async function start(chosen, wanted) {
  leave();
  sessions.stop();
  addressList();
  const mine = attempt;
  source = chosen;
  latest = wanted;
  problem(null);
  show("connecting", chosen === "demo" ? "Preparing the scene" : "Connecting", source);
  try {
    const media = await (chosen === "demo" ? openDemo(mine) : openCamera(mine));
    if (mine !== attempt) return stop(media);
    stream = media;
    const opened = await Publication.open(media, wanted, { lost, back, gone });
    if (mine !== attempt) return opened.close();
    publication = opened;
    latest = opened.session;
    if (wanted && latest !== wanted) problem(NEW_ONE);
    await enter(latest, latest === wanted ? null : 0);
  } catch (error) {
    failed(error, mine);
  }
}

/** The stream of the demo scene; null where it was given up while it was prepared. */
async function openDemo(mine) {
  const [blob] = await Promise.all([scene.film(), suggestions.load(scene.seed)]);
  return mine === attempt ? demoScene(video, blob) : null;
}

/** The stream of the camera, which is shown unless it was given up while it was asked for. */
async function openCamera(mine) {
  const media = await camera();
  if (mine === attempt) await display(video, media);
  return media;
}

/** Listen to session `id`: to what it says after event number `after`, or null for from now on. */
async function enter(id, after) {
  const mine = attempt;
  forgetShown();
  session = new Session(id);
  const refused = (error) => gone(error.message);
  const listening = session.follow(after, { hear, lost, back: reached, refused });
  if (after !== null) return; // everything is told
  await listening;
  if (mine === attempt) await recall(session, mine);
}

/** What a session has been through before this page came to it. Resolves to whether it has notes. */
async function recall(known, mine) {
  const [described, given, told] = await Promise.all([
    known.describe(),
    known.answers(),
    known.watchEvents(),
  ]);
  if (mine !== attempt) return false;
  for (const answer of given) {
    exchange(at("answers"), answer.question, { asked_at: answer.asked_at }).done(answer);
  }
  for (const event of told.events) timeline.event(event, false);
  for (const number of told.counts) timeline.count(number, false);
  if (!known.told) hear({ type: "session.updated", session: described });
  return described.state === "ended" && notes.of(known);
}

/** Come to where the address leads: to a session, however it stands, or to the list. */
async function arrive() {
  const id = addressed();
  if (!id && source) return; // nothing of another was shown
  if (!id) return toList();
  leave();
  sessions.stop();
  source = null;
  problem(null);
  show("connecting", "Connecting");
  const mine = attempt;
  try {
    const found = await new Session(id).describe();
    if (mine === attempt) await (found.state === "ended" ? lookBack : join)(found);
  } catch (error) {
    if (mine !== attempt) return;
    if (error.status === 404) gone(NO_SUCH);
    else fail(error);
  }
}

/** From the list, which may be some seconds old. */
function choose({ id }) {
  addressSession(id);
  return arrive();
}

async function join(described) {
  name = sessionName(described);
  connecting(described);
  const mine = attempt;
  await enter(described.id, null).catch((error) => failed(error, mine));
}

async function lookBack(described) {
  show("past", sessionName(described));
  forgetShown();
  const past = new Session(described.id);
  session = past;
  tabs.offer(OF_THE_PAST);
  at("close").focus();
  const mine = attempt;
  const noted = await recall(past, mine).catch((error) => failed(error, mine));
  if (session === past) askable(noted);
}

function goOn({ id, room, created_at }) {
  goingOn = id;
  at("going-on").hidden = false;
  at("going-on-text").textContent =
    `The next stream goes on with ${room} of ${whenText(created_at)}.`;
  at("camera").focus();
}

async function remove({ id, room, created_at }) {
  const name = `${room} of ${whenText(created_at)}`;
  if (!confirm(`Delete everything of ${name}: questions, answers, events, notes, pictures?`)) return;
  await new Session(id).remove().catch((error) => problem(error.message));
  await sessions.refresh();
  at("demo").focus();
}

function leave() {
  attempt += 1;
  publication?.close();
  session?.leave();
  stop(stream);
  clear(video);
  session = publication = stream = null;
  notGoingOn();
  recorder.stop();
  overlay.stop();
  suggestions.stop();
  watches.of(null);
  notes.of(null);
  tabs.offer(TABS);
  pace("");
  show("idle", "Not connected");
  sessions.start();
}

function toList() {
  leave();
  at("demo").focus();
}

function fail(error) {
  leave();
  if (error.status === 401) return wantsToken(error);
  problem((error.status === 403 && lacking()) || error.message, source !== null);
  if (!(error instanceof NoSource || error instanceof Refused)) throw error;
}

/** What began at `mine` failed: no matter where it was left meanwhile. */
function failed(error, mine) {
  if (mine === attempt) fail(error);
}

/** What was wanted takes a token, or another one: it is entered below. */
function wantsToken({ message }) {
  const refused = `The access token was refused (${message}): enter another one below.`;
  problem(token.get() ? refused : WANTS_TOKEN);
  at("access").hidden = false;
  at("token").focus();
}

function notGoingOn() {
  goingOn = null;
  at("going-on").hidden = true;
}

/** The service wants a token, or a better one. */
function locked(error) {
  const refused = [401, 403].includes(error?.status);
  const trouble = (error?.status === 401 ? null : lacking()) ?? error?.message ?? "";
  at("access").hidden = !refused && !lacking();
  at("access-text").textContent = token.get() ? trouble : "";
}

// --- The connection -----------------------------------------------------------------------------

function lost(refused = null) {
  const state = at("page").dataset.state;
  if (state === "connecting" && refused) show("connecting", `Trying again: ${refused.message}`, source);
  if (state !== "live") return;
  pace("");
  show("lost", "Connection lost, trying again", source);
}

/** Picture and sound are sent again, to a memory that begins anew. */
function back() {
  suggestions.interrupted();
  settle();
}

/** The session tells again what happens: it may have ended meanwhile. */
async function reached() {
  const told = session;
  const described = await told.describe().catch(() => null);
  if (session !== told) return;
  if (described?.state === "ended") over(described.reason);
  else if (at("page").dataset.state === "connecting") connecting(described);
  else settle();
}

/** It is not live yet, as far as is known. */
function connecting(described) {
  const waits = !source && described?.state === "waiting";
  show("connecting", waits ? `Nobody sends it yet: ${name}` : "Connecting", source);
}

/** Live again, where nothing is lost any more. */
function settle() {
  if (at("page").dataset.state !== "lost" || session.lost || publication?.lost) return;
  show("live", liveText(), source);
}

function liveText() {
  return source ? "Live" : `Live: ${name}`;
}

function gone(message) {
  publication?.drop();
  publication = null; // there is nothing left to end
  leave();
  addressList();
  problem(message, source !== null);
}

// --- What the session says ----------------------------------------------------------------------

/** It has ended; or had, where this is told late: it may have gone on meanwhile. */
async function closed(reason) {
  const told = session;
  const described = await told.describe().catch(() => null);
  if (session === told && (described?.state ?? "ended") === "ended") over(reason);
}

function over(reason) {
  if (publication && !isWanted(reason)) publication.renew();
  else {
    session?.over();
    gone(`The service closed the session: ${reason}.`);
  }
}

function state(described) {
  if (at("page").dataset.state === "past") return;
  const comes = at("page").dataset.state === "connecting";
  if (described.state === "live" && comes) begin();
  if (described.state === "ended" && comes && !source) return over(described.reason);
  settings.show(described);
  showMemory(described.memory);
}

function begin() {
  show("live", liveText(), source);
  if (source === "demo") suggestions.start();
  if (source) recorder.start();
  if (source) overlay.start();
  watches.of(session);
  const mine = attempt;
  notes.of(session).catch((error) => mine === attempt && problem(error.message));
  if (matchMedia("(pointer: fine)").matches) at("question").focus(); // no keyboard over a phone
}

function forgetShown() {
  settings.clear();
  film.clear();
  strip.clear();
  timeline.clear();
  at("answers").replaceChildren();
  at("caption").textContent = "Waiting for the first two seconds";
  at("model-note").hidden = !(model === "demo" && source === "camera");
}

// --- What the person does -----------------------------------------------------------------------

function ask(question, truth = null) {
  const past = at("page").dataset.state === "past"; // its notes are all that is left of it
  if (!past) strip.asked(session.clock_s);
  session.ask(question, exchange(at("answers"), question, { truth }), past ? "only" : "auto");
}

at("demo").addEventListener("click", () => start("demo", goingOn));
at("camera").addEventListener("click", () => start("camera", goingOn));
at("again").addEventListener("click", () => start(source, latest));
at("new-one").addEventListener("click", () => {
  notGoingOn();
  at("demo").focus();
});
at("close").addEventListener("click", () => {
  if (backToList()) return; // `arrive` follows
  addressList();
  toList();
});
at("tabs").addEventListener("chosen", () => watches.refresh());
onSubmit(at("ask"), () => {
  const question = at("question").value.trim();
  if (!question) return;
  at("question").value = "";
  ask(question);
});
onSubmit(at("access"), () => {
  token.set(at("token").value.trim());
  problem(null);
  bar();
  if (addressed()) arrive();
  else sessions.refresh();
  settings.offer();
});
setStage(video);
setWatchForm(watches);
setInterval(() => {
  if (session) at("clock").textContent = clockText(session.clock_s);
}, 500);
addEventListener("hashchange", arrive);
addEventListener("pagehide", () => publication?.close());

let model = null; // the service's
call("GET", "/readyz").then((ready) => (model = ready.model), () => null);
bar();
settings.offer();
if (addressed()) arrive();
else sessions.start();
