// A call's offer and answer, and what is sent in which codec.

const GATHERING_LIMIT_MS = 2000;
const MAX_BITRATE = 2_500_000; // as the web client

/**
 * Makes a connection's offer, with all of its candidates.
 * @param {RTCPeerConnection} peer
 * @param {MediaStream} stream what is sent
 * @param {{codec: string, fps: number, hears?: boolean, leg?: "both" | "send" | "receive"}} options
 *   `hears`: sound is to come back too, and both also where none are sent; `leg`: what this
 *   connection is for, where sending and receiving have one each
 * @returns {Promise<string>} the description
 */
export async function offer(peer, stream, { codec, fps, hears = false, leg = "both" }) {
  for (const track of leg === "receive" ? [] : stream.getTracks()) {
    const video = track.kind === "video";
    const transceiver = peer.addTransceiver(track, {
      direction: leg === "both" && (video || hears) ? "sendrecv" : "sendonly",
      streams: [stream],
      ...(video ? { sendEncodings: [{ maxBitrate: MAX_BITRATE, maxFramerate: fps }] } : {}),
    });
    if (!video) continue;
    transceiver.setCodecPreferences(preferred(codec));
    const parameters = transceiver.sender.getParameters();
    parameters.degradationPreference = "maintain-resolution";
    await transceiver.sender.setParameters(parameters);
  }
  for (const kind of wanted(leg, hears)) {
    if (peer.getTransceivers().some(({ receiver }) => receiver.track.kind === kind)) continue;
    const transceiver = peer.addTransceiver(kind, { direction: "recvonly" });
    if (kind === "video") transceiver.setCodecPreferences(preferred(codec));
  }
  await peer.setLocalDescription();
  await gathered(peer);
  return peer.localDescription.sdp;
}

/** What is to come, whether or not the same is sent. */
function wanted(leg, hears) {
  if (leg === "receive") return hears ? ["video", "audio"] : ["video"];
  return leg === "both" && hears ? ["video", "audio"] : [];
}

/**
 * Sends a stream to the server that the page is from, and takes its answer.
 * @param {RTCPeerConnection} peer
 * @param {MediaStream} stream
 * @param {{codec: string, fps: number, target: string, hears?: boolean}} options as those of `offer`
 * @returns {Promise<string | null>} the address of the server's session, where it gives one
 */
export async function dial(peer, stream, options) {
  const answer = await fetch(options.target, {
    method: "POST",
    headers: { "Content-Type": "application/sdp" },
    body: await offer(peer, stream, options),
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
