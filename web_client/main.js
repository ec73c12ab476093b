// The page: puts the parts together. A call goes lobby → connecting → live (⇄ reconnecting) → lobby.

import { Gallery } from "./avatars.js";
import { Call } from "./call.js";
import { Devices } from "./devices.js";
import { make, setIcon, the } from "./elements.js";
import { recall, remember } from "./memory.js";
import { Notice } from "./notice.js";
import { Overlay } from "./overlay.js";
import { setUpShortcuts } from "./shortcuts.js";
import { Stage } from "./stage.js";
import { Meter } from "./stats.js";
import { setUpTheme } from "./theme.js";
import { explain } from "./words.js";

/** @typedef {"lobby" | "connecting" | "live" | "reconnecting"} Phase */
/** @typedef {import("./devices.js").Kind} Kind */

const FIRST_PICTURE_LIMIT_MS = 10_000;
const CODEC = new URLSearchParams(location.search).get("codec") ?? "";

const notice = new Notice();
const stage = new Stage();
const overlay = new Overlay();
const devices = new Devices();
const gallery = new Gallery();

const primary = the("primary", HTMLButtonElement);
const primaryWords = the("primary-words", HTMLElement);
const muteButton = the("mute", HTMLButtonElement);
const qualityButton = the("quality", HTMLButtonElement);
const headline = the("headline", HTMLElement);
const selects = { camera: the("camera", HTMLSelectElement), microphone: the("microphone", HTMLSelectElement) };
const colour = the("colour", HTMLInputElement);
const plainHeadline = [...headline.childNodes];

/** @type {Phase} */
let phase = "lobby";
/** @type {Call | undefined} */
let call;
/** @type {import("./avatars.js").Avatar | undefined} */
let shown;
let meter = new Meter();
let attempt = 0;
let liveSince = 0;
let ticker = 0;
let pictureTimer = 0;

// Phases ------------------------------------------------------------------------------------------

/** @param {Phase} next */
function enter(next) {
  phase = next;
  document.body.dataset.phase = next;
  showPrimary();
  showHeadline();
}

function showPrimary() {
  const name = gallery.chosen?.name;
  const words = { lobby: name ? `Start as ${name}` : "Start", connecting: "Cancel", live: "End", reconnecting: "End" };
  primaryWords.textContent = words[phase];
  primary.disabled = phase === "lobby" && !gallery.chosen;
}

function showHeadline() {
  const live = phase === "live" || phase === "reconnecting";
  the("clock", HTMLElement).hidden = !live;
  if (live && gallery.chosen) {
    headline.replaceChildren(make("span", "second", "You are"), " ", make("span", "", `${gallery.chosen.name}.`));
  } else {
    headline.replaceChildren(...plainHeadline);
  }
}

async function start() {
  const avatar = gallery.chosen;
  if (!avatar || phase !== "lobby") return;
  enter("connecting");
  const mine = ++attempt;
  notice.show("call", "busy", devices.stream ? "Connecting" : "Waiting for your camera", devices.stream ? "" : "Your browser may ask you to allow it.");
  try {
    const stream = await openCamera();
    if (mine !== attempt) return; // cancelled meanwhile
    notice.show("call", "busy", "Connecting", `${avatar.name} is getting ready.`);
    call = new Call(stream, avatar.id, CODEC);
    followCall(call);
    await call.start();
  } catch (error) {
    if (mine === attempt) callFailed(error);
  }
}

/** @param {Call} made */
function followCall(made) {
  overlay.clear();
  meter = new Meter();
  made.addEventListener("opened", () => void applySettings());
  made.addEventListener("media", (event) => {
    if (event instanceof CustomEvent) stage.showVideo(event.detail);
  });
  made.addEventListener("message", (event) => {
    if (event instanceof CustomEvent) hear(event.detail);
  });
  made.addEventListener("failed", (event) => {
    if (event instanceof CustomEvent) callFailed(event.detail);
  });
  made.addEventListener("state", () => {
    if (made !== call) return;
    if (made.state === "connected") waitForPicture(made);
    else if (made.state === "reconnecting") reconnecting();
  });
}

/** @param {Call} made */
function waitForPicture(made) {
  clearTimeout(pictureTimer);
  const seen = () => {
    clearTimeout(pictureTimer);
    if (made === call) goLive();
  };
  stage.video.requestVideoFrameCallback(seen);
  pictureTimer = window.setTimeout(() => {
    if (made !== call) return;
    notice.show("call", "problem", "No picture comes", "The connection stands, but no video has come in ten seconds. End the call and try again; if it stays so, the server may be overloaded.");
  }, FIRST_PICTURE_LIMIT_MS);
}

function goLive() {
  const first = phase === "connecting";
  enter("live");
  if (!first) {
    notice.flash("call", "Connected again");
    return;
  }
  liveSince = Date.now();
  clearInterval(ticker);
  ticker = window.setInterval(() => void tick(), 1000);
  showClock();
  notice.flash("call", "Look straight, mouth closed", "The avatar is learning your resting face.", 2500);
}

function reconnecting() {
  clearTimeout(pictureTimer);
  if (phase === "live") enter("reconnecting");
  notice.show("call", "busy", "Reconnecting", "The connection was interrupted.");
}

function end() {
  const seconds = liveSince ? Math.round((Date.now() - liveSince) / 1000) : 0;
  const wasLive = phase === "live" || phase === "reconnecting";
  leave();
  if (wasLive) notice.flash("call", "Call ended", `It lasted ${duration(seconds)}.`, 5000);
  else notice.clear();
}

/** @param {unknown} error */
function callFailed(error) {
  if (phase === "lobby") return;
  leave();
  const { title, text, retryAfter } = explain(error);
  const again = { words: retryAfter ? "Try now" : "Try again", act: retry };
  if (!retryAfter) {
    notice.show("call", "problem", title, text, [again]);
    return;
  }
  notice.show("call", "problem", title, text, [again, { words: "Stop", act: () => notice.clear() }]);
  notice.countDown(retryAfter, retry, (left) => `${text} Trying again in ${left} s.`);
}

function retry() {
  notice.clear();
  void start();
}

/** Back to the lobby; the camera stays on for the next call. */
function leave() {
  clearInterval(ticker);
  clearTimeout(pictureTimer);
  attempt += 1;
  const ended = call;
  call = undefined;
  ended?.end();
  liveSince = 0;
  stage.showVideo(null);
  stage.listening = false;
  showQuality(false);
  showDisclosure("");
  enter("lobby");
}

// What comes from the server ----------------------------------------------------------------------

/** @param {Record<string, unknown>} message */
function hear(message) {
  switch (message.type) {
    case "hello":
      if (typeof message.disclosure === "string") showDisclosure(message.disclosure);
      break;
    case "state":
      hearState(message.state);
      break;
    case "stats":
      meter.hear(message);
      break;
    case "pong":
      if (typeof message.time === "number") meter.pong(message.time);
      break;
    case "error":
      if (typeof message.message === "string") notice.flash("server", "The server could not do that", message.message, 6000);
      break;
    default: // newer servers may say more
  }
}

/** @param {unknown} state */
function hearState(state) {
  if (phase !== "live") return;
  if (state === "lost_face" || state === "idle") {
    notice.show("face", "said", "Your face is out of view", "Face the camera in good light; the avatar follows again by itself.");
  } else if (state === "tracking") {
    notice.clear("face");
  }
}

/** @param {string} label what the server writes on the picture */
function showDisclosure(label) {
  const element = the("disclosure", HTMLElement);
  element.textContent = label;
  element.hidden = !label;
}

async function tick() {
  showClock();
  call?.send({ type: "ping", time: performance.now() });
  const peer = call?.peer;
  if (peer && phase === "live") overlay.show(await meter.sample(peer));
}

function showClock() {
  the("clock-time", HTMLElement).textContent = clock(Math.round((Date.now() - liveSince) / 1000));
}

/** @param {number} seconds */
function clock(seconds) {
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

/** @param {number} seconds */
function duration(seconds) {
  const minutes = Math.floor(seconds / 60);
  return minutes ? `${minutes} min ${seconds % 60} s` : `${seconds} s`;
}

// Camera and microphone ---------------------------------------------------------------------------

async function openCamera() {
  const stream = await devices.open();
  stage.showSelf(stream);
  await listDevices();
  showMute();
  if (devices.microphoneMissing) {
    notice.flash("microphone", "No microphone", "The avatar moves, but nobody will hear you. Allow the microphone in the site settings to change that.", 6000);
  }
  return stream;
}

async function preview() {
  try {
    await openCamera();
    notice.clear("camera");
  } catch (error) {
    const { title, text } = explain(error);
    notice.show("camera", "problem", title, text, [{ words: "Try again", act: () => void preview() }]);
  }
}

async function listDevices() {
  for (const kind of /** @type {Kind[]} */ (["camera", "microphone"])) {
    const select = selects[kind];
    const found = await devices.list(kind);
    if (!found.length) continue;
    const current = devices.stream?.getTracks().find((track) => track.kind === (kind === "camera" ? "video" : "audio"));
    const inUse = devices.chosen(kind) === "none" ? "none" : current?.getSettings().deviceId;
    select.replaceChildren(
      ...found.map((device, index) => option(device.deviceId, device.label || `${kind === "camera" ? "Camera" : "Microphone"} ${index + 1}`)),
      ...(kind === "microphone" ? [option("none", "No microphone")] : []),
    );
    select.value = inUse ?? found[0]?.deviceId ?? "";
  }
}

/**
 * @param {string} value
 * @param {string} words
 */
function option(value, words) {
  return new Option(words, value);
}

/** @param {Kind} kind */
async function chooseDevice(kind) {
  const id = selects[kind].value;
  remember(kind, id);
  try {
    await devices.choose(kind, id);
    stage.showSelf(devices.stream);
    showMute();
  } catch (error) {
    const { title, text } = explain(error);
    const name = kind === "camera" ? title : "That microphone did not start";
    notice.show("camera", "problem", name, kind === "camera" ? text : "Choose another one, or plug it in again.");
    await listDevices();
  }
}

/** @param {Event} event */
async function changeTrack(event) {
  if (!(event instanceof CustomEvent) || !call) return;
  const carried = await call.replaceTrack(event.detail);
  if (!carried) notice.flash("microphone", "From the next call on", "This call began without a microphone.");
}

function toggleMute() {
  devices.muted = !devices.muted;
  showMute();
  notice.say(devices.muted ? "Microphone off" : "Microphone on");
}

function showMute() {
  muteButton.setAttribute("aria-pressed", String(devices.muted));
  const words = muteButton.querySelector("span");
  if (words) words.textContent = devices.muted ? "Unmute" : "Mute";
  setIcon(muteButton, devices.muted ? "mic-off" : "mic");
}

// Settings of the call ----------------------------------------------------------------------------

function background() {
  const { value } = /** @type {HTMLInputElement} */ (document.querySelector("[name=background]:checked"));
  return value === "colour" ? colour.value : value;
}

/** What was chosen before the call began, or before the connection was made again. */
async function applySettings() {
  await change({ avatar: gallery.chosen?.id, mirror: stage.mirror, background: background() });
}

/**
 * @param {Record<string, unknown>} settings
 * @returns {Promise<boolean>} whether the server took them
 */
async function change(settings) {
  try {
    await call?.change(settings);
    return true;
  } catch (error) {
    const { title, text } = explain(error);
    notice.flash("server", title, text, 6000);
    return false;
  }
}

function toggleMirror() {
  stage.mirror = !stage.mirror;
  void change({ mirror: stage.mirror });
}

function changeBackground() {
  the("colour-pick", HTMLElement).hidden = !/^#/.test(background());
  void change({ background: background() });
}

function calibrate() {
  if (phase !== "live") return;
  notice.show("calibrate", "said", "Look straight, mouth closed", "Hold still for a moment.");
  notice.countDown(3, () => {
    void change({ calibrate: true });
    notice.flash("calibrate", "Calibrated", "This is your resting face now.", 2500);
  });
}

/** @param {boolean} shown */
function showQuality(shown) {
  overlay.shown = shown;
  qualityButton.setAttribute("aria-pressed", String(shown));
}

function toggleListen() {
  stage.listening = !stage.listening;
  notice.say(stage.listening ? "You hear the call’s sound" : "The call’s sound is off");
}

// Wiring ------------------------------------------------------------------------------------------

/** @param {Event} event */
async function avatarChosen(event) {
  if (!(event instanceof CustomEvent)) return;
  const before = shown;
  show(event.detail);
  if (phase !== "live" || before === shown) return;
  notice.show("avatar", "busy", `Changing to ${event.detail.name}`);
  const taken = await change({ avatar: event.detail.id });
  if (taken) notice.clear("avatar");
  else if (before && shown === event.detail) {
    gallery.goBackTo(before);
    show(before);
  }
}

/** @param {import("./avatars.js").Avatar} avatar */
function show(avatar) {
  shown = avatar;
  stage.showPortrait(avatar);
  showPrimary();
  showHeadline();
}

/** @param {Event} event */
function deviceLost(event) {
  if (!(event instanceof CustomEvent)) return;
  if (event.detail === "microphone") {
    notice.flash("microphone", "The microphone is gone", "Plug it in again, or choose another one.", 6000);
    return;
  }
  leave();
  devices.close();
  stage.showSelf(undefined);
  notice.show("camera", "problem", "The camera is gone", "It was unplugged or taken away. Plug it in or choose another one, then try again.", [
    { words: "Try again", act: () => void preview() },
  ]);
}

function wire() {
  gallery.addEventListener("choose", (event) => void avatarChosen(event));
  devices.addEventListener("change", (event) => void changeTrack(event));
  devices.addEventListener("lost", deviceLost);
  devices.addEventListener("devices", () => void listDevices());
  const inCall = (/** @type {() => void} */ act) => () => {
    if (phase === "live" || phase === "reconnecting") act();
  };
  const startOrEnd = () => (phase === "lobby" ? void start() : end());
  const acts = {
    primary: startOrEnd,
    "camera-on": () => void preview(),
    mute: toggleMute,
    mirror: toggleMirror,
    listen: toggleListen,
    calibrate,
    quality: () => showQuality(!overlay.shown),
    full: () => stage.toggleFullScreen(),
  };
  for (const [id, act] of Object.entries(acts)) the(id, HTMLButtonElement).addEventListener("click", act);
  for (const kind of /** @type {Kind[]} */ (["camera", "microphone"])) selects[kind].addEventListener("change", () => void chooseDevice(kind));
  the("background", HTMLElement).addEventListener("change", changeBackground);
  colour.addEventListener("change", changeBackground);
  const nextTheme = setUpTheme();
  setUpShortcuts([
    { key: "s", words: "Start the call", act: () => void start() },
    { key: "e", shift: true, words: "End the call", act: inCall(end) },
    { key: "m", words: "Mute the microphone", act: toggleMute },
    { key: "l", words: "Listen to what is sent", act: inCall(toggleListen) },
    { key: "c", words: "Calibrate", act: calibrate },
    { key: "x", words: "Mirror", act: toggleMirror },
    { key: "q", words: "Delay and quality", act: inCall(acts.quality) },
    { key: "f", words: "Full screen", act: acts.full },
    { key: "a", words: "Add a face", act: () => gallery.add() },
    { key: "t", words: "Light, dark or system colours", act: nextTheme },
  ]);
  window.addEventListener("pagehide", () => call?.end());
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) leave();
  });
}

/** Shows the camera at once where it was allowed before; asks for nothing otherwise. */
async function previewIfAllowed() {
  try {
    const { state } = await navigator.permissions.query({ name: /** @type {PermissionName} */ ("camera") });
    if (state === "granted") await preview();
  } catch {
    // Not every browser can be asked: the camera starts with the call.
  }
}

the("host", HTMLElement).textContent = location.host || "this server";
devices.choose("camera", recall("camera")).catch(() => undefined);
devices.choose("microphone", recall("microphone")).catch(() => undefined);
wire();
enter("lobby");
if (!window.isSecureContext) void preview();
void gallery.load();
void previewIfAllowed();
