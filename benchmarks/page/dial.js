// A call's offer and answer, and what is sent in which codec.

const GATHERING_LIMIT_MS = 2000;
const MAX_BITRATE = 2_500_000; // as the web client

/**
 * Sends a stream to the server and takes its answer.
 * @param {RTCPeerConnection} peer
 * @param {MediaStream} stream
 * @param {{codec: string, fps: number, target: string, hears?: boolean}} options `hears`: whether
 *   sound is to come back where none is sent
 * @returns {Promise<string | null>} the address of the server's session, where it gives one
 */
export async function dial(peer, stream, { codec, fps, target, hears = false }) {
  for (const track of stream.getTracks()) {
    const video = track.kind === "video";
    const transceiver = peer.addTransceiver(track, {
      direction: "sendrecv",
      streams: [stream],
      ...(video ? { sendEncodings: [{ maxBitrate: MAX_BITRATE, maxFramerate: fps }] } : {}),
    });
    if (!video) continue;
    transceiver.setCodecPreferences(preferred(codec));
    const parameters = transceiver.sender.getParameters();
    parameters.degradationPreference = "maintain-resolution";
    await transceiver.sender.setParameters(parameters);
  }
  if (hears && !stream.getAudioTracks().length) {
    peer.addTransceiver("audio", { direction: "recvonly", streams: [stream] });
  }
  await peer.setLocalDescription();
  await gathered(peer);
  const answer = await fetch(target, {
    method: "POST",
    headers: { "Content-Type": "application/sdp" },
    body: peer.localDescription.sdp,
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`the server answered ${answer.status}: ${text}`);
  await peer.setRemoteDescription({ type: "answer", sdp: text });
  return answer.headers.get("Location");
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

function gathered(peer) {
  return new Promise((resolve) => {
    const check = () => peer.iceGatheringState === "complete" && resolve();
    peer.onicegatheringstatechange = check;
    setTimeout(resolve, GATHERING_LIMIT_MS);
    check();
  });
}
