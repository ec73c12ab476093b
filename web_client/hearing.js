// When the call's sound is heard in this page: what the avatar says of itself is, the own voice
// that comes back is not. Both come on one track, so it is a matter of when. The button says how it
// is now, and changes it for moments of this kind.

import { setIcon, the } from "./elements.js";
import { recall, remember } from "./memory.js";

/** How long the end of an utterance is still on its way here. */
const ON_THE_WAY_MS = 300;

/** Event: `change` (the settings to send): whether the server is to send any sound. */
export class Hearing extends EventTarget {
  #button = the("listen", HTMLButtonElement);
  #hearsAvatar = recall("hear", "on") === "on";
  #hearsSelf = false;
  #timer = 0;
  /** Whether an utterance is being heard. */
  #speaking = false;
  /** Whether there has been one in this call, or is about to be. */
  #spoken = false;
  #sound = true;
  #stage;
  #notice;
  #inputs;
  #utterances;

  /**
   * @param {import("./stage.js").Stage} stage
   * @param {import("./notice.js").Notice} notice
   * @param {import("./inputs.js").Inputs} inputs
   * @param {import("./utterances.js").Utterances} utterances
   */
  constructor(stage, notice, inputs, utterances) {
    super();
    this.#stage = stage;
    this.#notice = notice;
    this.#inputs = inputs;
    this.#utterances = utterances;
    this.#button.addEventListener("click", () => this.toggle());
    inputs.addEventListener("change", () => this.#show());
    utterances.addEventListener("change", () => this.#follow());
    this.#show();
  }

  /** The settings as they stand, for a call that begins. */
  get settings() {
    return { sound: this.#sound };
  }

  toggle() {
    if (this.#isSelf) this.#hearsSelf = !this.#hearsSelf;
    else {
      this.#hearsAvatar = !this.#hearsAvatar;
      remember("hear", this.#hearsAvatar ? "on" : "off");
    }
    this.#show();
    const what = this.#isSelf ? "your own voice as it is sent" : "the avatar";
    this.#notice.say(this.#hears ? `You hear ${what}` : `You do not hear ${what}`);
  }

  /** For the next call: nobody wants to hear themselves by surprise. */
  forget() {
    this.#hearsSelf = this.#spoken = false;
    this.#show();
  }

  /** Whether what comes now, if anything, is the own voice. */
  get #isSelf() {
    return this.#inputs.hasMicrophone && !this.#speaking;
  }

  get #hears() {
    return this.#isSelf ? this.#hearsSelf : this.#hearsAvatar;
  }

  #follow() {
    const { speaking, any } = this.#utterances;
    this.#spoken ||= any;
    clearTimeout(this.#timer);
    const follow = () => {
      this.#speaking = speaking;
      this.#show();
    };
    if (speaking) follow();
    else this.#timer = window.setTimeout(follow, ON_THE_WAY_MS);
    this.#show();
  }

  #show() {
    this.#stage.audible = this.#hears;
    this.#button.setAttribute("aria-pressed", String(this.#hears));
    setIcon(this.#button, this.#hears ? "sound" : "sound-off");
    // Where none is sent pictures wait for none, so who has a camera or a microphone is sent none
    // until something is said. It stays on after the first utterance, as picture and sound take
    // seconds to find together.
    const expected = this.#spoken || !(this.#inputs.hasCamera || this.#inputs.hasMicrophone);
    const sound = (this.#isSelf && this.#hearsSelf) || (this.#hearsAvatar && expected);
    if (sound === this.#sound) return;
    this.#sound = sound;
    this.dispatchEvent(new CustomEvent("change", { detail: this.settings }));
  }
}
