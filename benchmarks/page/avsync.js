// One call of which picture and sound are compared. The driver (benchmarks/avsync.py) calls `begin`,
// then `collect` for what came in.

import { microphone } from "./bursts.js";
import { camera } from "./camera.js";
import { dial } from "./dial.js";
import { readCode } from "./timecode.js";

const PLAYOUT_EVERY_MS = 100;

/** What has come in: see `benchmarks.avsync.Seen`. */
const log = { pictures: [], bursts: [], levels: [], jpegs: [], playouts: [], errors: [] };
/** @type {RTCPeerConnection} */
let peer;
/** @type {string | null} */
let session = null;
/** @type {import("../../web_client/sync.js").Synchrony | undefined} */
let synchrony;

const complain = (/** @type {unknown} */ error) => log.errors.push(String(error));

/** @param {{codec: string, width: number, height: number, fps: number, pictures: number,
 *   sends: boolean, keeps: boolean, synchrony: boolean, target: string}} options */
async function begin(options) {
  const stream = new MediaStream();
  if (options.sends) {
    stream.addTrack(await camera(options, () => undefined, complain));
    stream.addTrack(microphone(complain));
  }
  peer = new RTCPeerConnection({ iceServers: [], bundlePolicy: "max-bundle" });
  const media = new MediaStream();
  const video = document.querySelector("video");
  peer.ontrack = ({ track }) => {
    media.addTrack(track);
    if (track.kind === "audio") listen(track);
    video.srcObject = media;
  };
  watch(video, options.keeps ? keep : code);
  session = await dial(peer, stream, { ...options, hears: true });
  if (options.synchrony) {
    const { Synchrony } = await import("/sync.js");
    synchrony = new Synchrony(video);
    synchrony.watch(peer);
  }
  setInterval(() => playout().catch(complain), PLAYOUT_EVERY_MS);
}

/** Notes when each burst is handed to the sound card, and its pitch. */
function listen(track) {
  const worker = new Worker("listener.js");
  const { readable } = new MediaStreamTrackProcessor({ track });
  worker.postMessage(readable, [readable]);
  worker.onmessage = ({ data: { burst, level } }) => {
    const [kept, [at, value]] = burst ? [log.bursts, burst] : [log.levels, level];
    kept.push([at - performance.timeOrigin, value]);
  };
}

/** Notes when each picture lights up, and what `look` makes of it. */
function watch(video, look) {
  const shown = (_, { expectedDisplayTime }) => {
    video.requestVideoFrameCallback(shown);
    if (video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA) return;
    const frame = new VideoFrame(video);
    look(frame, expectedDisplayTime)
      .catch(complain)
      .finally(() => frame.close());
  };
  video.requestVideoFrameCallback(shown);
}

/** The picture's number. */
async function code(frame, at) {
  const number = await readCode(frame);
  if (number >= 0) log.pictures.push([at, number]);
}

/** The picture itself. */
async function keep(frame, at) {
  const canvas = new OffscreenCanvas(320, 320);
  canvas.getContext("2d").drawImage(frame, 0, 0, 320, 320);
  const bytes = new Uint8Array(await (await canvas.convertToBlob({ type: "image/jpeg", quality: 0.92 })).arrayBuffer());
  log.jpegs.push([at, btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""))]);
}

/** Has the avatar say something. @param {string} text */
async function say(text) {
  const headers = { "Content-Type": "application/json" };
  const answer = await fetch(`${session}/say`, { method: "POST", headers, body: JSON.stringify({ text }) });
  if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
}

/** Notes what the browser says of the two receivers, and of its sound card. */
async function playout() {
  const row = { at: performance.now(), audio: null, video: null, card: null };
  for (const each of (await peer.getStats()).values()) {
    if (each.type === "inbound-rtp") {
      row[each.kind] = {
        made: each.estimatedPlayoutTimestamp ?? null,
        delay: each.jitterBufferDelay,
        emitted: each.jitterBufferEmittedCount,
      };
    } else if (each.type === "media-playout") {
      row.card = { delay: each.totalPlayoutDelay, samples: each.totalSamplesCount };
    }
  }
  log.playouts.push(row);
}

/** What was noted since the call before. */
async function collect() {
  const seen = { ...log, state: peer.connectionState };
  Object.assign(log, { pictures: [], bursts: [], levels: [], jpegs: [], playouts: [], errors: [] });
  return seen;
}

/** Changes the call's settings. @param {Record<string, unknown>} settings */
async function change(settings) {
  const headers = { "Content-Type": "application/json" };
  const body = JSON.stringify(settings);
  const answer = await fetch(`${session}/settings`, { method: "PATCH", headers, body });
  if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
}

/** By how much each receiver is told to wait, in ms; 0: not at all. */
function holds() {
  const each = peer.getReceivers().map(({ track, jitterBufferTarget }) => [track.kind, jitterBufferTarget ?? 0]);
  return Object.fromEntries(each);
}

async function end() {
  synchrony?.leave();
  if (session) await fetch(session, { method: "DELETE" }).catch(complain);
  peer.close();
}

Object.assign(window, { probe: { begin, change, collect, holds, say, end } });
