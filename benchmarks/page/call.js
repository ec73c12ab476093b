// One measured call. The driver (benchmarks/browser.py) calls `begin`, then `collect` for what came in.
//
// The picture goes in by MediaStreamTrackGenerator, not by a canvas capture, and, with the sink
// "track", comes out by MediaStreamTrackProcessor: neither waits for the display. With the sink
// "display" it comes out of a video element's frame callback, as a person would see it.

import { TICKS_PER_MS, WRAP, drawCode, readCode } from "./timecode.js";

const GATHERING_LIMIT_MS = 2000;
const MAX_BITRATE = 2_500_000; // as the web client

/** @type {{received: number[][], sent: number, errors: string[]}} */
const log = { received: [], sent: 0, errors: [] };
/** @type {RTCPeerConnection} */
let peer;
/** @type {string | null} */
let session = null;

const ticks = () => Math.round(performance.now() * TICKS_PER_MS) % WRAP;
const complain = (/** @type {unknown} */ error) => log.errors.push(String(error));

/** @param {{codec: string, width: number, height: number, fps: number, pictures: number,
 *   sink: "track" | "display", sound: boolean, target: string, tuned: boolean}} options */
async function begin(options) {
  const stream = new MediaStream([await camera(options)]);
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
  for (const track of stream.getTracks()) {
    const video = track.kind === "video";
    const transceiver = peer.addTransceiver(track, {
      direction: "sendrecv",
      streams: [stream],
      ...(video ? { sendEncodings: [{ maxBitrate: MAX_BITRATE, maxFramerate: options.fps }] } : {}),
    });
    if (!video) continue;
    transceiver.setCodecPreferences(preferred(options.codec));
    const parameters = transceiver.sender.getParameters();
    parameters.degradationPreference = "maintain-resolution";
    await transceiver.sender.setParameters(parameters);
  }
  await peer.setLocalDescription();
  await gathered();
  const answer = await fetch(options.target, {
    method: "POST",
    headers: { "Content-Type": "application/sdp" },
    body: peer.localDescription.sdp,
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`the server answered ${answer.status}: ${text}`);
  session = answer.headers.get("Location");
  await peer.setRemoteDescription({ type: "answer", sdp: text });
}

/** The clip as a camera track, each picture with the time at which it was drawn. */
async function camera({ width, height, fps, pictures }) {
  const clip = await Promise.all(
    Array.from({ length: pictures }, async (_, index) => {
      const response = await fetch(`picture/${index}.jpg`);
      return createImageBitmap(await response.blob());
    }),
  );
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { alpha: false, willReadFrequently: true });
  const track = new MediaStreamTrackGenerator({ kind: "video" });
  track.contentHint = "motion";
  const writer = track.writable.getWriter();
  let index = 0;
  ticker(fps, () => {
    const phase = index++ % (2 * clip.length - 2);
    const now = performance.now();
    const number = ticks();
    context.drawImage(clip[phase < clip.length ? phase : 2 * clip.length - 2 - phase], 0, 0);
    drawCode(context, width, number);
    writer.write(new VideoFrame(canvas, { timestamp: Math.round(now * 1000) })).catch(complain);
    log.sent++;
  });
  return track;
}

/** Calls `tick` at an even rate, from a worker: timers of a page without focus are throttled. */
function ticker(fps, tick) {
  const source = `const start = performance.now();
    let index = 0;
    const next = () => {
      postMessage(0);
      let wait;
      do wait = start + (++index * 1000) / ${fps} - performance.now(); while (wait < 0);
      setTimeout(next, wait);
    };
    next();`;
  const worker = new Worker(URL.createObjectURL(new Blob([source])));
  worker.onmessage = tick;
}

function preferred(codec) {
  const all = RTCRtpSender.getCapabilities("video").codecs;
  const chosen = all.filter(
    ({ mimeType, sdpFmtpLine = "" }) =>
      mimeType.toUpperCase() === `VIDEO/${codec}` &&
      (codec !== "H264" || (/packetization-mode=1/.test(sdpFmtpLine) && /42e01f/.test(sdpFmtpLine))),
  );
  if (!chosen.length) throw new Error(`this browser has no ${codec}`);
  return [...chosen, ...all.filter(({ mimeType }) => /rtx/i.test(mimeType))];
}

function gathered() {
  return new Promise((resolve) => {
    const check = () => peer.iceGatheringState === "complete" && resolve();
    peer.onicegatheringstatechange = check;
    setTimeout(resolve, GATHERING_LIMIT_MS);
    check();
  });
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
