// A conversation from its first click to its last: lobby → connecting → live (⇄ reconnecting) → lobby.
// What happens to the call is said on the stage; what the server says of it is passed on.

import { Call } from "./call.js";
import { Overlay } from "./overlay.js";
import { sentence } from "./sentence.js";
import { Meter } from "./stats.js";
import { Synchrony } from "./sync.js";
import { explain, isOfCamera, whileReconnecting } from "./words.js";

/** @typedef {"lobby" | "connecting" | "live" | "reconnecting"} Phase */
/** @typedef {import("./avatars.js").Avatar} Avatar */
/**
 * @typedef {object} Choices what a call is told of when it begins, and of each change
 * @property {import("./look.js").Look} look
 * @property {import("./drive.js").Drive} drive
 * @property {import("./skin.js").Skin} skin
 * @property {import("./hearing.js").Hearing} hearing
 */

const FIRST_FRAME_LIMIT_MS = 10_000;

/** Events: `phase`; `second`, once each second of a call; `disclosure` (what the server marks its picture with); `statement` (what it has signed about the call). */
export class Conversation extends EventTarget {
  overlay = new Overlay();
  /** @type {Phase} */
  phase = "lobby";
  /** @type {Call | undefined} */
  #call;
  #meter = new Meter();
  #attempt = 0;
  #since = 0;
  #ticker = 0;
  #frameTimer = 0;
  /** @type {unknown} the server's last word on the face in the camera's picture */
  #faceState;
  /** Why the server has ended the call, until it is made again. */
  #farewell = "";
  /** @type {unknown} the step at which the server draws */
  #quality;
  /** @type {unknown} the one that was last told of */
  #toldQuality;
  #stage;
  #notice;
  #inputs;
  #choices;
  #codec;
  #synchrony;

  /**
   * @param {import("./stage.js").Stage} stage
   * @param {import("./notice.js").Notice} notice
   * @param {import("./inputs.js").Inputs} inputs
   * @param {import("./utterances.js").Utterances} utterances
   * @param {Choices} choices
   * @param {string} codec the only one to use; empty: the best there is
   */
  constructor(stage, notice, inputs, utterances, choices, codec) {
    super();
    this.#stage = stage;
    this.#notice = notice;
    this.#inputs = inputs;
    this.utterances = utterances;
    this.#choices = choices;
    this.#codec = codec;
    this.#synchrony = new Synchrony(stage.video);
    for (const choice of Object.values(choices)) {
      choice.addEventListener("change", (event) => {
        if (event instanceof CustomEvent) void this.change(event.detail);
      });
    }
    inputs.addEventListener("track", (event) => {
      if (event instanceof CustomEvent) void this.#call?.replaceTrack(event.detail);
    });
  }

  get isLive() {
    return this.phase === "live" || this.phase === "reconnecting";
  }

  /** Seconds since the first picture came. */
  get seconds() {
    return this.#since ? Math.round((Date.now() - this.#since) / 1000) : 0;
  }

  /** @param {Avatar} avatar */
  async start(avatar) {
    if (this.phase !== "lobby") return;
    const mine = ++this.#attempt;
    this.#enter("connecting");
    if (this.#inputs.isAsking) this.#notice.show("call", "busy", "Waiting for your devices", "Your browser may ask you to allow them.");
    try {
      await this.#inputs.open();
      if (mine !== this.#attempt) return; // cancelled meanwhile
      this.#notice.show("call", "busy", "Connecting", `${avatar.name} is getting ready.`);
      this.#call = new Call(this.#inputs.stream, avatar.id, this.#choices.drive.driver, this.#codec);
      this.#follow(this.#call, avatar);
      await this.#call.start();
    } catch (error) {
      if (mine === this.#attempt) this.#failed(error, avatar);
    }
  }

  /** Ends the call, or what was to become one. */
  end() {
    const { isLive, seconds } = this;
    this.leave();
    if (isLive) this.#notice.flash("call", "Call ended", `It lasted ${duration(seconds)}.`, 5000);
    else this.#notice.clear();
  }

  /** Back to the lobby without a word; the camera stays on for the next call. */
  leave() {
    this.#attempt += 1;
    clearInterval(this.#ticker);
    clearTimeout(this.#frameTimer);
    const ended = this.#call;
    this.#call = undefined;
    ended?.end();
    this.#synchrony.leave();
    this.#since = 0;
    this.#stage.showVideo(null);
    this.overlay.shown = false;
    this.utterances.clear();
    this.#disclose("", "");
    this.#record("");
    this.#state("");
    this.#enter("lobby");
  }

  /**
   * Changes the running call, if there is one.
   * @param {Record<string, unknown>} settings
   * @returns {Promise<boolean>} whether the server took them
   */
  async change(settings) {
    try {
      await this.#call?.change(settings);
      return true;
    } catch (error) {
      const { title, text } = explain(error);
      this.#notice.flash("server", title, text, 6000);
      return false;
    }
  }

  /**
   * Has the avatar say a text; throws the server's refusal.
   * @param {{text: string, voice?: string, language?: string}} request
   */
  async say(request) {
    if (this.#call) await this.utterances.expect(this.#call.say(request));
  }

  /** Has the avatar fall silent, and forget what it was to say. */
  interrupt() {
    this.#call?.send({ type: "interrupt" });
  }

  /** Lets the server take the face as it is in three seconds for the resting face. */
  calibrate() {
    if (this.phase !== "live") return;
    this.#notice.show("calibrate", "said", "Look straight, mouth closed", "Hold still for a moment.");
    this.#notice.countDown(3, () => {
      void this.change({ calibrate: true });
      this.#notice.flash("calibrate", "Calibrated", "This is your resting face now.", 2500);
    });
  }

  /** @param {Phase} phase */
  #enter(phase) {
    this.phase = phase;
    this.dispatchEvent(new Event("phase"));
  }

  /**
   * @param {Call} call
   * @param {Avatar} avatar
   */
  #follow(call, avatar) {
    this.overlay.clear();
    this.#meter = new Meter();
    this.#faceState = undefined;
    this.#quality = this.#toldQuality = undefined;
    const hear = (/** @type {string} */ type, /** @type {(detail: any) => void} */ act) =>
      call.addEventListener(type, (event) => {
        if (event instanceof CustomEvent && call === this.#call) act(event.detail);
      });
    hear("opened", () => void this.#begin());
    hear("media", (media) => {
      this.#stage.showVideo(media);
      if (call.peer) this.#synchrony.watch(call.peer);
    });
    hear("message", (message) => this.#hear(message));
    hear("failed", (error) => this.#failed(error, avatar));
    hear("state", (state) => {
      if (state === "connected") this.#awaitFrame(call);
      else if (state === "reconnecting") this.#reconnecting(call);
    });
  }

  /** Tells a call, new or made anew, all that was chosen. */
  async #begin() {
    this.utterances.clear();
    const { skin } = this.#choices;
    const taken = await this.change(Object.assign({}, ...Object.values(this.#choices).map(({ settings }) => settings)));
    // Whoever wanted another voice is not to be heard with their own.
    if (!taken && skin.worn) this.#inputs.mute();
  }

  /** @param {Call} call */
  #awaitFrame(call) {
    clearTimeout(this.#frameTimer);
    this.#stage.video.requestVideoFrameCallback(() => {
      clearTimeout(this.#frameTimer);
      if (call === this.#call) this.#goLive();
    });
    this.#frameTimer = window.setTimeout(() => {
      this.#notice.show("call", "problem", "No picture comes", "The connection stands, but no video has come in ten seconds. End the call and try again; if it stays so, the server may be overloaded.");
    }, FIRST_FRAME_LIMIT_MS);
  }

  #goLive() {
    this.#farewell = "";
    const first = this.phase === "connecting";
    if (first) this.#since = Date.now();
    this.#enter("live");
    if (!first) {
      this.#notice.flash("call", "Connected again");
      return;
    }
    clearInterval(this.#ticker);
    this.#ticker = window.setInterval(() => void this.#tick(), 1000);
    if (this.#followsFace) this.#notice.flash("call", "Look straight, mouth closed", "The avatar is learning your resting face.", 2500);
    else this.#notice.clear("call");
    this.#inputs.mentionSilence();
  }

  /** @param {Call} call */
  #reconnecting(call) {
    clearTimeout(this.#frameTimer);
    if (this.phase === "live") this.#enter("reconnecting");
    this.#notice.show("call", "busy", "Reconnecting", this.#farewell || whileReconnecting(call.trouble));
  }

  /**
   * @param {unknown} error
   * @param {Avatar} avatar
   */
  #failed(error, avatar) {
    this.leave();
    const { title, text, retryAfter } = explain(error);
    const retry = () => {
      this.#notice.clear();
      void this.start(avatar);
    };
    if (!retryAfter) {
      const without = { words: "Go without", act: () => void this.#inputs.doWithoutCamera().then(retry) };
      this.#notice.show("call", "problem", title, text, [{ words: "Try again", act: retry }, ...(isOfCamera(error) ? [without] : [])]);
      return;
    }
    this.#notice.show("call", "problem", title, text, [
      { words: "Try now", act: retry },
      { words: "Stop", act: () => this.#notice.clear() },
    ]);
    this.#notice.countDown(retryAfter, retry, (left) => `${text} Trying again in ${left} s.`);
  }

  /** @param {Record<string, unknown>} message of the data channel; types that are not known are passed over */
  #hear(message) {
    this.utterances.hear(message);
    if (message.type === "hello" && typeof message.disclosure === "string") {
      this.#disclose(message.disclosure, typeof message.language === "string" ? message.language : "");
    }
    if (message.type === "statement" && typeof message.statement === "string") this.#state(message.statement);
    if (message.type === "stats") this.#meter.hear(message);
    if (message.type === "pong" && typeof message.time === "number") this.#meter.pong(message.time);
    if (message.type === "error" && typeof message.message === "string") {
      this.#notice.flash("server", "The server could not do that", message.message, 6000);
    }
    const words = typeof message.message === "string" ? message.message : "";
    if (message.type === "state" && message.state === "ended") {
      if (/^(consent|avatar)_/.test(String(message.reason))) {
        this.leave();
        this.#notice.show("call", "said", "This avatar cannot be shown any more", words);
      } else {
        // Anew, perhaps: a server that restarts takes the call again, and one that wants a token asks.
        this.#farewell = sentence(words);
        this.#notice.flash("ended", "The server has ended the call", this.#farewell, 8000);
      }
    } else if (message.type === "state" && message.state === "degraded") {
      this.#notice.flash("renderer", "A simpler avatar now", words, 8000);
    } else if (message.type === "state" && message.state === "recording") {
      this.#notice.flash("recording", "Recording", words, 8000);
      this.#record(words);
    } else if (message.type === "state" && message.state === "recording_ended") {
      this.#notice.flash("recording", "No longer recorded", words, 8000);
      this.#record("");
    } else if (message.type === "state") {
      this.#faceState = message.state;
      this.#showFaceState();
      this.#quality = message.quality;
      this.#showQuality();
    }
  }

  get #followsFace() {
    return this.#inputs.hasCamera && this.#choices.drive.driver !== "speech";
  }

  /** Says that no face is seen, once nothing else is being said; takes it back when one is. */
  #showFaceState() {
    if (this.phase !== "live") return;
    const lost = this.#followsFace && (this.#faceState === "lost_face" || this.#faceState === "idle");
    if (!lost) this.#notice.clear("face");
    else if (!this.#notice.topic) {
      this.#notice.show("face", "said", "Your face is out of view", "Face the camera in good light; the avatar follows again by itself.");
    }
  }

  /** Says so, once, where a busy server draws so seldom that it is seen, and nothing else is being said. */
  #showQuality() {
    const step = this.#quality;
    if (step === this.#toldQuality || !["", "face", "quality"].includes(this.#notice.topic)) return;
    const isSeen = step === "hold" || parseInt(String(step)) < 25;
    if (isSeen) this.#notice.flash("quality", "The server is busy", step === "hold" ? "The picture stands for now; your voice goes on." : `The avatar moves ${parseInt(String(step))} times a second for now.`, 4000);
    this.#toldQuality = step;
  }

  async #tick() {
    this.dispatchEvent(new Event("second"));
    this.#showFaceState();
    this.#showQuality();
    this.#call?.send({ type: "ping", time: performance.now() });
    const peer = this.#call?.peer;
    if (peer && this.phase === "live") this.overlay.show(await this.#meter.sample(peer));
  }

  /** @param {string} statement signed; empty: none */
  #state(statement) {
    this.dispatchEvent(new CustomEvent("statement", { detail: statement }));
  }

  /**
   * @param {string} label
   * @param {string} language of it, a BCP 47 tag
   */
  #disclose(label, language) {
    this.dispatchEvent(new CustomEvent("disclosure", { detail: { label, language } }));
  }

  /** @param {string} words what is recorded; empty: nothing */
  #record(words) {
    this.dispatchEvent(new CustomEvent("recording", { detail: words }));
  }
}

/** @param {number} seconds */
function duration(seconds) {
  const minutes = Math.floor(seconds / 60);
  return minutes ? `${minutes} min ${seconds % 60} s` : `${seconds} s`;
}
