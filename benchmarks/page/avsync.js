// One call of which picture and sound are compared. The driver (benchmarks/avsync.py) calls `begin`,
// then `collect` for what came in.

import { age, microphone } from "./bursts.js";
import { camera } from "./camera.js";
import { dial } from "./dial.js";
import { WRAP, TICKS_PER_MS, readCode, ticks } from "./timecode.js";

const log = { pictures: [], sounds: [], blocks: [], playouts: [], errors: [] };
let peer;
let session = null;

const complain = (error) => log.errors.push(String(error));

async function begin(options) {
  const stream = new MediaStream([await camera(options, () => undefined, complain)]);
  if (options.sound) stream.addTrack(microphone(complain));
  peer = new RTCPeerConnection({ iceServers: [], bundlePolicy: "max-bundle" });
  const media = new MediaStream();
  const video = document.querySelector("video");
  peer.ontrack = ({ track, receiver }) => {
    media.addTrack(track);
    if (track.kind === "audio") listen(track);
    if (options.tuned && track.kind === "video") receiver.jitterBufferTarget = 0;
    video.srcObject = media;
    video.muted = options.muted ?? false;
  };
  watch(video);
  session = await dial(peer, stream, options);
  setInterval(() => playout().catch(complain), 100);
}

function listen(track) {
  const worker = new Worker("listener.js");
  const { readable } = new MediaStreamTrackProcessor({ track });
  worker.postMessage(readable, [readable]);
  worker.onmessage = ({ data: { burst, block } }) => {
    if (block) log.blocks.push([block[0] - performance.timeOrigin, ...block.slice(1)]);
    if (!burst) return;
    const heard = burst[0] - performance.timeOrigin;
    log.sounds.push([heard, age(heard, burst[1]), burst[1]]);
  };
}

function watch(video) {
  const shown = (now, metadata) => {
    const at = performance.now();
    video.requestVideoFrameCallback(shown);
    const { expectedDisplayTime, presentationTime, receiveTime, rtpTimestamp } = metadata;
    readCode(new VideoFrame(video)).then((number) => {
      if (number < 0) return;
      const display = Math.round(expectedDisplayTime * TICKS_PER_MS);
      const late = ((((display - number) % WRAP) + WRAP + WRAP / 2) % WRAP - WRAP / 2) / TICKS_PER_MS;
      log.pictures.push([expectedDisplayTime, late, at, presentationTime, receiveTime ?? 0, rtpTimestamp ?? 0]);
    }).catch(complain);
  };
  video.requestVideoFrameCallback(shown);
}

async function playout() {
  const now = performance.now();
  const row = { now };
  for (const each of (await peer.getStats()).values()) {
    if (each.type === "inbound-rtp") row[each.kind] = each;
    if (each.type === "media-playout") row.playout = each;
  }
  log.playouts.push(row);
}

async function collect() {
  const seen = { ...log, state: peer.connectionState };
  Object.assign(log, { pictures: [], sounds: [], blocks: [], playouts: [], errors: [] });
  return seen;
}

async function report() {
  return session ? (await fetch(session)).json() : null;
}

async function end() {
  if (session) await fetch(session, { method: "DELETE" }).catch(complain);
  peer.close();
}

Object.assign(window, { probe: { begin, collect, report, end } });
