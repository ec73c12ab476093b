// The page that takes a picture or film and shows what the server can tell of it.

import { bar, make, the } from "./elements.js";
import { setUpTheme } from "./theme.js";

const LARGEST = 256 * 2 ** 20;
const ICONS = { made_here: "seal", credentials_broken: "alert", signed_elsewhere: "pen", nothing_found: "none" };

/** @typedef {{start_s: number, end_s: number}} Stretch */
/**
 * The server's answer, as far as it is used here.
 * @typedef {object} Answer
 * @property {keyof typeof ICONS} verdict
 * @property {{kind: string, width: number, height: number, seconds: number | null}} file
 * @property {{stretches: Stretch[]}[]} marks
 * @property {{stretches: Stretch[], whole: boolean}} looked_at
 * @property {{headline: string, found: string[]}} words
 * @property {{code: string, words: string}[]} cannot_tell
 */

const drop = the("drop", HTMLElement);
const chosen = the("file", HTMLInputElement);
const work = the("work", HTMLElement);
const workWords = the("work-words", HTMLElement);
const progress = the("progress", HTMLProgressElement);
const fault = the("fault", HTMLElement);
const result = the("result", HTMLElement);
const preview = the("preview", HTMLElement);

/** @type {XMLHttpRequest | undefined} */
let running;
let shownAddress = "";

/** @param {File} file */
function ask(file) {
  running?.abort();
  say("");
  result.hidden = true;
  the("drop-title", HTMLElement).textContent = file.name;
  if (!file.size) return say("This file is empty. Choose another one.");
  if (file.size > LARGEST) return say(`This file has ${Math.round(file.size / 2 ** 20)} MiB; at most 256 MiB are taken here. Cut out the part that matters, without encoding it again.`);
  // Not by fetch: it does not tell how much has been sent.
  const request = new XMLHttpRequest();
  running = request;
  request.open("POST", "/verify");
  request.setRequestHeader("Content-Type", "application/octet-stream");
  request.upload.onprogress = ({ loaded, total }) => sending(loaded / total);
  request.upload.onload = () => looking();
  request.onload = () => answered(request, file);
  request.onerror = () => refused("The server does not answer, or did not take the file. Check that it runs, then try again.");
  request.onabort = () => done();
  work.hidden = false;
  drop.hidden = true;
  sending(0);
  request.send(file);
}

/** @param {number} part of the file that has been sent */
function sending(part) {
  progress.value = part;
  workWords.textContent = "Sending the file…";
}

function looking() {
  progress.removeAttribute("value");
  workWords.textContent = "Looking at every part of it…";
}

function done() {
  running = undefined;
  work.hidden = true;
  drop.hidden = false;
}

/**
 * @param {XMLHttpRequest} request
 * @param {File} file
 */
function answered(request, file) {
  /** @type {any} */
  let body;
  try {
    body = JSON.parse(request.responseText);
  } catch {
    body = {};
  }
  if (request.status !== 200) return refused(problem(request, body));
  done();
  show(body, file);
}

/**
 * @param {XMLHttpRequest} request
 * @param {{detail?: unknown}} body a problem (RFC 9457)
 */
function problem(request, body) {
  const wait = request.getResponseHeader("Retry-After");
  if (request.status === 429 || request.status === 503) {
    return `The server is busy with other files. Try again in ${wait ?? "a few"} seconds.`;
  }
  const detail = typeof body.detail === "string" ? body.detail.trim() : "";
  if (!detail) return `The server answered ${request.status} and gave no reason. Try again.`;
  return `${detail.charAt(0).toUpperCase()}${detail.slice(1)}${/[.!?]$/.test(detail) ? "" : "."}`;
}

/** @param {string} words */
function refused(words) {
  done();
  say(words);
  chosen.focus();
}

/** @param {string} words */
function say(words) {
  fault.textContent = words;
  fault.hidden = !words;
}

/**
 * @param {Answer} answer
 * @param {File} file
 */
function show(answer, file) {
  const { file: told, words } = answer;
  the("verdict", HTMLElement).dataset.verdict = answer.verdict;
  the("verdict-icon", SVGUseElement).setAttribute("href", `#i-${ICONS[answer.verdict] ?? "none"}`);
  const length = told.seconds === null ? "" : `, ${told.seconds.toFixed(1)} s`;
  the("verdict-file", HTMLElement).textContent = `${file.name} · ${told.kind}, ${told.width} × ${told.height}${length}`;
  the("headline", HTMLElement).textContent = words.headline;
  list("found", words.found);
  list("cannot-tell", answer.cannot_tell.map((one) => one.words));
  the("record", HTMLElement).textContent = JSON.stringify(answer, null, 2);
  showPreview(file, told.kind);
  showTimeline(answer);
  the("drop-title", HTMLElement).textContent = "Drop another file here";
  result.hidden = false;
  the("headline", HTMLElement).focus();
  result.scrollIntoView({ block: "nearest" });
}

/**
 * @param {string} id
 * @param {string[]} sentences
 */
function list(id, sentences) {
  the(id, HTMLElement).replaceChildren(...sentences.map((words) => make("li", "", words)));
}

/**
 * What this browser can show of it.
 * @param {File} file
 * @param {string} kind
 */
function showPreview(file, kind) {
  URL.revokeObjectURL(shownAddress);
  shownAddress = URL.createObjectURL(file);
  const view = make(kind === "film" ? "video" : "img");
  if (view instanceof HTMLVideoElement) Object.assign(view, { controls: true, muted: true, playsInline: true, ariaLabel: "The film" });
  else view.alt = "The picture";
  view.onerror = () => (preview.hidden = true);
  view.src = shownAddress;
  preview.hidden = false;
  preview.replaceChildren(view);
}

/**
 * Where in time marks were found.
 * @param {Answer} answer
 */
function showTimeline({ file, marks, looked_at: looked }) {
  const end = Math.max(file.seconds ?? 0, ...looked.stretches.map((one) => one.end_s));
  the("timeline", HTMLElement).hidden = file.kind !== "film" || end <= 0;
  if (end <= 0) return;
  const drawn = (/** @type {Stretch} */ one, /** @type {string} */ name) =>
    bar((100 * one.start_s) / end, Math.max(0.4, (100 * (one.end_s - one.start_s)) / end), 6, name);
  the("timeline-bar", SVGSVGElement).replaceChildren(
    ...looked.stretches.map((one) => drawn(one, "looked")),
    ...marks.flatMap((mark) => mark.stretches.map((one) => drawn(one, "found"))),
  );
  const parts = looked.whole ? "The whole film was looked at" : `${looked.stretches.length} parts of the film were looked at`;
  const found = marks.length ? "; the mark lies where the bar is coloured." : ".";
  the("timeline-words", HTMLElement).textContent = parts + found;
}

function acceptDrops() {
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    if (event.dataTransfer?.types.includes("Files")) drop.classList.add("over");
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) drop.classList.remove("over");
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    const file = event.dataTransfer?.files[0];
    if (file) ask(file);
  });
}

chosen.addEventListener("change", () => {
  const file = chosen.files?.[0];
  if (file) ask(file);
  chosen.value = ""; // so that the same one can be chosen again
});
the("cancel", HTMLButtonElement).addEventListener("click", () => running?.abort());
the("host", HTMLElement).textContent = location.host;
setUpTheme();
acceptDrops();
