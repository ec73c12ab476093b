// How the camera's picture is sent: codec, limits, and what to give up first when the line is slow.

const MAX_BITRATE = 2_500_000;

/**
 * Adds picture and sound to a connection, both ways. Where there is no camera or no microphone
 * nothing is sent until one takes its place: nothing has to be negotiated for that.
 * @param {RTCPeerConnection} peer
 * @param {MediaStream} stream of the camera and the microphone
 * @param {string} codec the only one to use, `H264` or `VP8`; empty: H.264 before VP8
 */
export function addMedia(peer, stream, codec) {
  const [microphone = null] = stream.getAudioTracks();
  const [camera = null] = stream.getVideoTracks();
  peer.addTransceiver(microphone ?? "audio", { direction: "sendrecv", streams: [stream] });
  if (camera) prepareTrack(camera);
  const video = peer.addTransceiver(camera ?? "video", {
    direction: "sendrecv",
    streams: [stream],
    sendEncodings: [{ maxBitrate: MAX_BITRATE, maxFramerate: 30 }],
  });
  const codecs = preferredCodecs(codec);
  if (codecs.length) video.setCodecPreferences(codecs);
}

/** @param {MediaStreamTrack} track */
export function prepareTrack(track) {
  if (track.kind === "video") track.contentHint = "motion";
}

/**
 * Low delay before smoothness, many frames before sharp ones; once both descriptions are set.
 * @param {RTCPeerConnection} peer
 */
export async function tune(peer) {
  for (const { sender, receiver } of peer.getTransceivers()) {
    if (receiver.track.kind !== "video") continue;
    if ("jitterBufferTarget" in receiver) receiver.jitterBufferTarget = 0;
    const parameters = sender.getParameters();
    parameters.degradationPreference = "maintain-framerate";
    // Not every browser knows the preference, and the call is as good as it was without.
    await sender.setParameters(parameters).catch(() => undefined);
  }
}

/**
 * @param {string} only
 * @returns {RTCRtpCodec[]}
 */
function preferredCodecs(only) {
  const known = RTCRtpReceiver.getCapabilities("video")?.codecs ?? [];
  const named = (/** @type {string} */ name) =>
    known.filter((codec) => codec.mimeType.toLowerCase() === `video/${name}`);
  // Constrained baseline in packetization mode 1: the H.264 that all browsers and the server have.
  const h264 = named("h264").filter(
    ({ sdpFmtpLine = "" }) => /packetization-mode=1/.test(sdpFmtpLine) && /profile-level-id=42e01f/i.test(sdpFmtpLine),
  );
  const wanted = { H264: h264, VP8: named("vp8") }[only.toUpperCase()] ?? [...h264, ...named("vp8")];
  return wanted.length ? [...wanted, ...named("rtx")] : [];
}
