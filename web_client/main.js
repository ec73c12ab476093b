// The page: puts its parts together.

import { Gallery } from "./avatars.js";
import { Captions } from "./captions.js";
import { Conversation } from "./conversation.js";
import { Drive } from "./drive.js";
import { make, the } from "./elements.js";
import { Hearing } from "./hearing.js";
import { Inputs } from "./inputs.js";
import { Look } from "./look.js";
import { Notice } from "./notice.js";
import { ProofPanel } from "./proof_panel.js";
import { setUpShortcuts } from "./shortcuts.js";
import { Skin } from "./skin.js";
import { Speech } from "./speech.js";
import { Stage } from "./stage.js";
import { setUpTheme } from "./theme.js";
import { Utterances } from "./utterances.js";
import { Voices } from "./voices.js";

/** @typedef {import("./avatars.js").Avatar} Avatar */

const notice = new Notice();
const stage = new Stage();
const inputs = new Inputs(stage, notice);
const look = new Look(stage);
const gallery = new Gallery();
// Tests and benchmarks choose the codec by `?codec=VP8`.
const codec = new URLSearchParams(location.search).get("codec") ?? "";
const utterances = new Utterances();
const hearing = new Hearing(stage, notice, inputs, utterances);
const choices = { look, drive: new Drive(), skin: new Skin(), hearing };
const conversation = new Conversation(stage, notice, inputs, utterances, choices, codec);
const voices = new Voices();
const speech = new Speech(conversation, voices);
const captions = new Captions(utterances);
const proof = new ProofPanel(conversation);

const primary = the("primary", HTMLButtonElement);
const headline = the("headline", HTMLElement);
const invitation = [...headline.childNodes];

/** @type {Avatar | undefined} */
let shown;

/** @param {Avatar} avatar */
function show(avatar) {
  shown = avatar;
  choices.drive.allow(avatar.modes);
  stage.showPortrait(avatar);
  showPhase();
}

/** @param {Avatar} avatar */
async function choose(avatar) {
  const before = shown;
  show(avatar);
  if (conversation.phase !== "live" || !before) return;
  notice.show("avatar", "busy", `Changing to ${avatar.name}`);
  if (await conversation.change({ avatar: avatar.id, driver: choices.drive.driver })) {
    notice.clear("avatar");
  } else if (shown === avatar) {
    gallery.goBackTo(before);
    show(before);
  }
}

function showPhase() {
  const { phase, isLive } = conversation;
  document.body.dataset.phase = phase;
  const words = { lobby: shown ? `Start as ${shown.name}` : "Start", connecting: "Cancel", live: "End", reconnecting: "End" };
  the("primary-words", HTMLElement).textContent = words[phase];
  primary.disabled = phase === "lobby" && !shown;
  the("clock", HTMLElement).hidden = !isLive;
  showSeconds();
  showQuality();
  if (phase === "lobby") hearing.forget();
  if (isLive && shown) headline.replaceChildren(make("span", "second", "You are"), " ", make("span", "", `${shown.name}.`));
  else headline.replaceChildren(...invitation);
}

function showSeconds() {
  const { seconds } = conversation;
  the("clock-time", HTMLElement).textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

/** @param {{ label: string, language: string }} told what the server writes on its picture */
function showDisclosure({ label, language }) {
  const element = the("disclosure", HTMLElement);
  element.textContent = label;
  element.lang = language;
  element.hidden = !label;
}

/** @param {string} words what the server records; empty: nothing */
function showRecording(words) {
  const element = the("recording", HTMLElement);
  element.title = words;
  element.hidden = !words;
}

function showInputs() {
  the("calibrate", HTMLButtonElement).hidden = !inputs.hasCamera;
}

function start() {
  if (shown) void conversation.start(shown);
}

function toggleQuality() {
  conversation.overlay.shown = !conversation.overlay.shown;
  showQuality();
}

function showQuality() {
  the("quality", HTMLButtonElement).setAttribute("aria-pressed", String(conversation.overlay.shown));
}

/**
 * @param {EventTarget} source
 * @param {string} type
 * @param {(detail: any) => void} act
 */
function on(source, type, act) {
  source.addEventListener(type, (event) => act(event instanceof CustomEvent ? event.detail : undefined));
}

on(gallery, "choose", (avatar) => void choose(avatar));
on(conversation, "phase", showPhase);
on(conversation, "second", showSeconds);
on(conversation, "disclosure", showDisclosure);
on(conversation, "recording", showRecording);
on(primary, "click", () => (conversation.phase === "lobby" ? start() : conversation.end()));
on(the("calibrate", HTMLButtonElement), "click", () => conversation.calibrate());
on(the("quality", HTMLButtonElement), "click", toggleQuality);
on(the("full", HTMLButtonElement), "click", () => stage.toggleFullScreen());
on(inputs, "change", showInputs);
on(window, "pagehide", () => conversation.leave());

const inCall = (/** @type {() => void} */ act) => () => {
  if (conversation.isLive) act();
};
setUpShortcuts([
  { key: "s", words: "Start the call", act: start },
  { key: "e", shift: true, words: "End the call", act: inCall(() => conversation.end()) },
  { key: "m", words: "Mute the microphone", act: () => inputs.toggleMute() },
  { key: "w", words: "Write what the avatar says", act: inCall(() => speech.write()) },
  { key: "escape", name: "Esc", words: "Stop what the avatar says", act: inCall(() => speech.stop()) },
  { key: "k", words: "Captions", act: inCall(() => captions.toggle()) },
  { key: "l", words: "Listen to the call’s sound", act: inCall(() => hearing.toggle()) },
  { key: "c", words: "Calibrate", act: () => conversation.calibrate() },
  { key: "x", words: "Mirror", act: () => look.toggleMirror() },
  { key: "q", words: "Delay and quality", act: inCall(toggleQuality) },
  { key: "p", words: "Proof of this call", act: inCall(() => void proof.open()) },
  { key: "f", words: "Full screen", act: () => stage.toggleFullScreen() },
  { key: "a", words: "Add a face", act: () => gallery.add() },
  { key: "t", words: "Light, dark or system colours", act: setUpTheme() },
]);

the("host", HTMLElement).textContent = location.host;
showPhase();
showInputs();
void gallery.load();
void voices.load();
void inputs.previewIfAllowed();
