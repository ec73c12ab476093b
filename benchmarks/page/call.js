// One measured call. The driver (benchmarks/browser.py) calls `begin`, then `collect` for what came in.
//
// The picture goes in by MediaStreamTrackGenerator, not by a canvas capture, and, with the sink
// "track", comes out by MediaStreamTrackProcessor: neither waits for the display. With the sink
// "display" it comes out of a video element's frame callback, as a person would see it.

import { camera } from "./camera.js";
import { dial } from "./dial.js";
import { readCode, ticks } from "./timecode.js";

/** @type {{received: number[][], sent: number, errors: string[]}} */
const log = { received: [], sent: 0, errors: [] };
/** @type {RTCPeerConnection} */
let peer;
/** @type {string | null} */
let session = null;

const complain = (/** @type {unknown} */ error) => log.errors.push(String(error));

/** @param {{codec: string, width: number, height: number, fps: number, pictures: number,
 *   sink: "track" | "display", sound: boolean, hears: boolean, target: string, tuned: boolean}} options */
async function begin(options) {
  const stream = new MediaStream([await camera(options, () => log.sent++, complain)]);
  if (options.sound) {
    const sound = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    const microphone = await navigator.mediaDevices.getUserMedia({ audio: sound });
    stream.addTrack(microphone.getAudioTracks()[0]);
  }
  peer = new RTCPeerConnection({ iceServers: [], bundlePolicy: "max-bundle" });
  peer.ontrack = ({ track, receiver }) => {
    if (options.tuned && "jitterBufferTarget" in receiver) receiver.jitterBufferTarget = 0;
    play(track, options.sink);
  };
  session = await dial(peer, stream, options);
}

function play(track, sink) {
  if (track.kind === "audio") {
    document.querySelector("audio").srcObject = new MediaStream([track]);
  } else if (sink === "track") {
    readTrack(track).catch(complain);
  } else {
    const video = document.querySelector("video");
    video.srcObject = new MediaStream([track]);
    const shown = () => {
      const now = ticks();
      video.requestVideoFrameCallback(shown);
      if (video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA) {
        note(new VideoFrame(video), now).catch(complain);
      }
    };
    video.requestVideoFrameCallback(shown);
  }
}

async function readTrack(track) {
  const reader = new MediaStreamTrackProcessor({ track, maxBufferSize: 1 }).readable.getReader();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    await note(value, ticks());
  }
}

async function note(frame, now) {
  const number = await readCode(frame);
  log.received.push([number, now, frame.displayWidth, frame.displayHeight]);
  frame.close();
}

/** What was seen since the last call, and the counters of the connection. */
async function collect() {
  const counters = {};
  for (const each of (await peer.getStats()).values()) {
    if (each.kind === "video" && /^(in|out)bound-rtp$/.test(each.type)) counters[each.type] = each;
  }
  const seen = { ...log, counters, state: peer.connectionState };
  Object.assign(log, { received: [], sent: 0, errors: [] });
  return seen;
}

/** The server's own report of this call; null where it gives none. */
async function report() {
  if (!session) return null;
  const response = await fetch(session);
  return response.ok && response.headers.get("Content-Type")?.includes("json")
    ? response.json()
    : null;
}

async function end() {
  if (session) await fetch(session, { method: "DELETE" }).catch(complain);
  peer.close();
}

Object.assign(window, { probe: { begin, collect, report, end } });
