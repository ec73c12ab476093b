// One measured call. The driver (benchmarks/calling.py) calls `begin`, then `offer` and `accept` for
// each connection of it, then `collect` for what came in.
//
// Where the browser can, the picture goes in by MediaStreamTrackGenerator, not by a canvas capture,
// and, with the sink "track", comes out by MediaStreamTrackProcessor: neither waits for the display.
// With the sink "display" it comes out of a video element's frame callback, as a person would see it.

import { camera } from "./camera.js";
import { base64, chirps } from "./chirps.js";
import * as dial from "./dial.js";
import { readCode } from "./timecode.js";

/** Pictures kept for their movement are this wide and high at most. */
const KEPT_PX = 320;

/** What has come in: see `benchmarks.call.Row`. */
const log = { received: [], sent: [], pictures: [], sounds: [], errors: [] };
/** @type {Map<string, RTCPeerConnection>} by leg */
const peers = new Map();
/** @type {MediaStream} */
let stream;
let options;
/** @type {Awaited<ReturnType<typeof chirps>> | undefined} */
let bell;
/** @type {import("../../web_client/sync.js").Synchrony | undefined} */
let synchrony;

const complain = (/** @type {unknown} */ error) => log.errors.push(String(error));

/** @param {{codec: string, width: number, height: number, fps: number, pictures: number,
 *   sink: "track" | "display", sound: boolean, chirps: boolean, hears: boolean, keeps: boolean,
 *   tuned: boolean, synchrony: boolean}} wanted */
async function begin(wanted) {
  options = wanted;
  const sent = (/** @type {number} */ number, /** @type {number} */ index) => log.sent.push([number, index]);
  stream = new MediaStream([await camera(options, sent, complain)]);
  if (options.chirps) {
    bell = await chirps((first, samples) => log.sounds.push([first, base64(samples)]));
    stream.addTrack(bell.track);
  } else if (options.sound) {
    const sound = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    const microphone = await navigator.mediaDevices.getUserMedia({ audio: sound });
    stream.addTrack(microphone.getAudioTracks()[0]);
  }
}

/** The offer of a connection. @param {"both" | "send" | "receive"} leg what it is for */
async function offer(leg) {
  const peer = new RTCPeerConnection({ iceServers: [], bundlePolicy: "max-bundle" });
  peers.set(leg, peer);
  peer.ontrack = ({ track, receiver }) => {
    if (options.tuned && "jitterBufferTarget" in receiver) receiver.jitterBufferTarget = 0;
    play(track);
  };
  return dial.offer(peer, stream, { ...options, leg });
}

async function accept(leg, sdp) {
  await peers.get(leg).setRemoteDescription({ type: "answer", sdp });
  if (options.synchrony && leg !== "send") {
    const { Synchrony } = await import("./sync.js");
    synchrony = new Synchrony(document.querySelector("video"));
    synchrony.watch(peers.get(leg));
  }
}

function play(track) {
  if (track.kind === "audio") {
    // Chromium hands on nothing of a track that no element plays.
    const player = document.querySelector("audio");
    player.muted = bell !== undefined;
    player.srcObject = new MediaStream([track]);
    bell?.listen(track);
  } else if (options.sink === "track") {
    readTrack(track).catch(complain);
  } else {
    const video = document.querySelector("video");
    video.srcObject = new MediaStream([track]);
    const shown = (_, times) => {
      const now = performance.now();
      video.requestVideoFrameCallback(shown);
      if (video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA) return;
      const { receiveTime = null, processingDuration, presentationTime } = times;
      const decode = processingDuration === undefined ? null : 1000 * processingDuration;
      note(new VideoFrame(video), now, [receiveTime, decode, presentationTime]).catch(complain);
    };
    video.requestVideoFrameCallback(shown);
  }
}

async function readTrack(track) {
  const reader = new MediaStreamTrackProcessor({ track, maxBufferSize: 1 }).readable.getReader();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    await note(value, performance.now(), [null, null, null]);
  }
}

async function note(frame, now, times) {
  try {
    const number = await readCode(frame);
    log.received.push([number, now, frame.displayWidth, frame.displayHeight, ...times]);
    if (options.keeps) log.pictures.push([now, await kept(frame)]);
  } finally {
    frame.close();
  }
}

/** The picture itself, as a JPEG in base64. */
async function kept(frame) {
  const scale = Math.min(1, KEPT_PX / Math.max(frame.displayWidth, frame.displayHeight));
  const [width, height] = [frame.displayWidth, frame.displayHeight].map((side) => Math.round(scale * side));
  const canvas = new OffscreenCanvas(width, height);
  canvas.getContext("2d").drawImage(frame, 0, 0, width, height);
  const blob = await canvas.convertToBlob({ type: "image/jpeg", quality: 0.92 });
  const bytes = new Uint8Array(await blob.arrayBuffer());
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}

/** What was seen since the last call, and the counters of the connections. */
async function collect() {
  const counters = {};
  for (const peer of peers.values()) {
    for (const each of (await peer.getStats()).values()) {
      if (/(in|out)bound-rtp$/.test(each.type)) counters[`${each.kind} ${each.type}`] = each;
      if (each.type === "candidate-pair" && each.nominated) counters[each.type] = each;
      if (each.type === "media-playout") counters[each.type] = each;
    }
  }
  const states = [...peers.values()].map(({ connectionState }) => connectionState);
  const seen = { ...log, counters, state: states.join(", ") };
  Object.assign(log, { received: [], sent: [], pictures: [], sounds: [], errors: [] });
  return seen;
}

function end() {
  synchrony?.leave();
  for (const peer of peers.values()) peer.close();
}

Object.assign(window, { probe: { accept, begin, collect, end, offer } });
