// One call: a stream of the camera and the microphone goes out, the avatar's stream and the
// server's messages come in. A broken connection is made anew, for two minutes, before it is given up.

import { addMedia, prepareTrack, tune } from "./codecs.js";
import { Pulse } from "./pulse.js";
import * as server from "./server.js";

/** @typedef {"connecting" | "connected" | "reconnecting" | "ended"} CallState */

/** @typedef {"lost" | "busy" | import("./pulse.js").News} Trouble what a call is made anew for, or cannot be yet */

/** Why no connection came about, as far as the browser knows. */
export class NoConnection extends Error {
  /** @param {"no-path" | "handshake" | "too-slow" | Trouble} why */
  constructor(why) {
    super(`no connection: ${why}`);
    this.name = "NoConnection";
    this.why = why;
  }
}

const CONNECT_LIMIT_MS = 15_000;
/** ICE often mends itself within this time (a change of network, a short gap). */
const MEND_LIMIT_MS = 5_000;
/** A server that is started again answers after seconds; one that is full, perhaps after a minute. */
const RETRY_WAITS_MS = [500, 1_000, 2_000, 3_000];
const LATER_WAIT_MS = 5_000;
const GIVE_UP_MS = 120_000;

/**
 * Events: `opened` when the server has taken the call; `state` (a `CallState`), `media` (a `MediaStream` from the server), `message` (what came
 * over the data channel), `failed` (an `Error`; `ended` follows).
 */
export class Call extends EventTarget {
  /** @type {MediaStream} */
  #stream;
  /** @type {string} */
  #avatar;
  /** @type {string} */
  #driver;
  /** @type {string} */
  #codec;
  /** @type {RTCPeerConnection | undefined} */
  #peer;
  /** @type {RTCDataChannel | undefined} */
  #channel;
  /** @type {server.Session | undefined} */
  #session;
  /** @type {CallState} */
  #state = "connecting";
  /** @type {Trouble} */
  #trouble = "lost";
  #pulse = new Pulse((news) => this.#hearOf(news));
  #attempt = 0;
  #brokenAt = 0;
  #timer = 0;
  #abort = new AbortController();

  /**
   * @param {MediaStream} stream what is sent; may be empty
   * @param {string} avatar its id
   * @param {string} driver `auto`, `face` or `speech`
   * @param {string} codec the only one to use, `H264` or `VP8`; empty: H.264 before VP8
   */
  constructor(stream, avatar, driver, codec) {
    super();
    this.#stream = stream;
    this.#avatar = avatar;
    this.#driver = driver;
    this.#codec = codec;
  }

  get state() {
    return this.#state;
  }

  /** Why the call is being made again. */
  get trouble() {
    return this.#trouble;
  }

  get session() {
    return this.#session;
  }

  get peer() {
    return this.#peer;
  }

  /** Connects; resolves when the call is on its way, throws what stopped it. */
  async start() {
    try {
      await this.#connect();
    } catch (error) {
      if (this.#state !== "ended") {
        this.#hangUp();
        throw error;
      }
    }
  }

  /** Ends the call. */
  end() {
    this.#hangUp();
  }

  /**
   * Sends another track in place of the present one of its kind, or none.
   * @param {import("./devices.js").Change} change
   */
  async replaceTrack({ kind, track }) {
    const transceiver = this.#peer?.getTransceivers().find(({ receiver }) => receiver.track.kind === kind);
    if (track) prepareTrack(track);
    await transceiver?.sender.replaceTrack(track);
  }

  /**
   * Has the avatar say a text; throws the server's refusal.
   * @param {{text: string, voice?: string, language?: string}} request
   */
  async say(request) {
    if (this.#session) await server.say(this.#session, request);
  }

  /**
   * Sends a message over the data channel.
   * @param {Record<string, unknown>} message
   */
  send(message) {
    if (this.#channel?.readyState === "open") this.#channel.send(JSON.stringify(message));
  }

  /**
   * Changes the running call; throws the server's refusal.
   * @param {Record<string, unknown>} settings
   */
  async change(settings) {
    if (this.#session) await server.changeSettings(this.#session, settings);
    if (typeof settings.avatar === "string") this.#avatar = settings.avatar;
    if (typeof settings.driver === "string") this.#driver = settings.driver;
  }

  async #connect() {
    const peer = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
    this.#peer = peer;
    this.#listen(peer);
    const channel = peer.createDataChannel("visavis.v1");
    channel.onmessage = (event) => this.#receive(event.data);
    // The server's end of a call shows here at once, in the connection's state after seconds.
    channel.onclose = () => {
      if (channel === this.#channel) this.#broken("lost");
    };
    this.#channel = channel;
    addMedia(peer, this.#stream, this.#codec);

    // The offer is sent before it takes effect here: the answer names the ICE servers, and those
    // have to be known before candidates are gathered.
    const offer = await peer.createOffer();
    const session = await server.openSession(offer.sdp ?? "", this.#avatar, this.#driver, this.#abort.signal);
    if (this.#state === "ended") {
      server.closeSession(session);
      return;
    }
    this.#session = session;
    peer.setConfiguration({ bundlePolicy: "max-bundle", iceServers: session.iceServers });
    this.#trickle(peer, session, offer.sdp ?? "");
    await peer.setLocalDescription(offer);
    await peer.setRemoteDescription({ type: "answer", sdp: session.answer });
    await tune(peer);
    this.#wait(CONNECT_LIMIT_MS, () => this.#broken("too-slow"));
    this.dispatchEvent(new CustomEvent("opened"));
  }

  /** @param {RTCPeerConnection} peer */
  #listen(peer) {
    const media = new MediaStream();
    peer.ontrack = ({ track }) => {
      media.addTrack(track);
      if (track.kind === "video") this.dispatchEvent(new CustomEvent("media", { detail: media }));
    };
    peer.onconnectionstatechange = () => {
      if (peer !== this.#peer) return;
      if (peer.connectionState === "connected") {
        this.#attempt = 0;
        if (this.#session) this.#pulse.watch(this.#session);
        this.#stands();
      } else if (peer.connectionState === "disconnected") {
        this.#doubt("lost");
      } else if (peer.connectionState === "failed") {
        this.#broken(reasonOf(peer, this.#state));
      }
    };
  }

  /**
   * @param {RTCPeerConnection} peer
   * @param {server.Session} session
   * @param {string} offer
   */
  #trickle(peer, session, offer) {
    /** @type {RTCIceCandidate[]} */
    let found = [];
    let timer = 0;
    const send = (/** @type {boolean} */ complete) => {
      clearTimeout(timer);
      const fragment = server.sdpFragment(offer, found, complete);
      found = [];
      // The server learns our address from our first packet as well.
      server.trickle(session, fragment).catch(() => undefined);
    };
    peer.onicecandidate = ({ candidate }) => {
      if (!candidate) return send(true);
      if (!candidate.candidate) return;
      found.push(candidate);
      clearTimeout(timer);
      timer = window.setTimeout(() => send(false), 20);
    };
  }

  /** @param {unknown} data */
  #receive(data) {
    this.#pulse.beat();
    if (this.#state === "reconnecting" && this.#peer?.connectionState === "connected") this.#stands();
    if (typeof data !== "string") return;
    /** @type {unknown} */
    let message;
    try {
      message = JSON.parse(data);
    } catch {
      return;
    }
    if (message && typeof message === "object" && "type" in message) {
      this.dispatchEvent(new CustomEvent("message", { detail: message }));
    }
  }

  #stands() {
    clearTimeout(this.#timer);
    this.#become("connected");
  }

  /** @param {import("./pulse.js").News} news */
  #hearOf(news) {
    if (news === "gone") this.#broken(news);
    else this.#doubt(news);
  }

  /**
   * The connection may mend itself, for a while.
   * @param {Trouble} trouble
   */
  #doubt(trouble) {
    const isNew = this.#state !== "reconnecting";
    this.#reconnecting(trouble);
    if (isNew) this.#wait(MEND_LIMIT_MS, () => this.#broken(this.#trouble));
  }

  /** @param {NoConnection["why"]} why */
  #broken(why) {
    if (this.#state === "ended") return;
    const neverWorked = this.#state === "connecting";
    this.#letGo();
    if (!this.#attempt) this.#brokenAt = performance.now();
    if (neverWorked || performance.now() - this.#brokenAt > GIVE_UP_MS) {
      this.#fail(new NoConnection(why));
      return;
    }
    this.#reconnecting(isTrouble(why) ? why : "lost");
    this.#wait(RETRY_WAITS_MS[this.#attempt] ?? LATER_WAIT_MS, () => {
      this.#connect().catch((error) => this.#again(error));
    });
    this.#attempt += 1;
  }

  /** @param {unknown} error what stopped an attempt to connect again */
  #again(error) {
    if (this.#state === "ended") return;
    if (error instanceof server.Unreachable) this.#broken("unreachable");
    else if (error instanceof server.Refusal && error.status === 503) this.#broken("busy");
    else this.#fail(error);
  }

  /** @param {unknown} error */
  #fail(error) {
    this.dispatchEvent(new CustomEvent("failed", { detail: error }));
    this.#hangUp();
  }

  #hangUp() {
    this.#abort.abort();
    this.#letGo();
    this.#become("ended");
  }

  #letGo() {
    clearTimeout(this.#timer);
    this.#pulse.stop();
    if (this.#session) server.closeSession(this.#session);
    this.#session = undefined;
    this.#peer?.close();
    this.#peer = undefined;
    this.#channel = undefined;
  }

  /**
   * @param {number} ms
   * @param {() => void} then
   */
  #wait(ms, then) {
    clearTimeout(this.#timer);
    this.#timer = window.setTimeout(then, ms);
  }

  /** @param {Trouble} trouble */
  #reconnecting(trouble) {
    const before = this.#trouble;
    this.#trouble = trouble;
    if (this.#state === "reconnecting" && trouble !== before) this.#tellState();
    this.#become("reconnecting");
  }

  /** @param {CallState} state */
  #become(state) {
    if (state === this.#state || this.#state === "ended") return;
    this.#state = state;
    this.#tellState();
  }

  #tellState() {
    this.dispatchEvent(new CustomEvent("state", { detail: this.#state }));
  }
}

/**
 * @param {NoConnection["why"]} why
 * @returns {why is Trouble}
 */
function isTrouble(why) {
  return why === "lost" || why === "busy" || why === "gone" || why === "unreachable";
}

/**
 * @param {RTCPeerConnection} peer
 * @param {CallState} before
 * @returns {NoConnection["why"]}
 */
function reasonOf(peer, before) {
  if (before !== "connecting") return "lost";
  return peer.iceConnectionState === "failed" ? "no-path" : "handshake";
}
