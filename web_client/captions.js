// Captions: what the avatar has said so far, word by word over the picture; whole stretches for
// those who have the page read to them.

import { make, the } from "./elements.js";
import { recall, remember } from "./memory.js";

const LINGER_MS = 2500;
/** More than the two lines that are shown, so that the lines break in the same places. */
const KEPT_CHARACTERS = 400;
const KEPT_STRETCHES = 20;

export class Captions {
  #box = the("caption", HTMLElement);
  #text = the("caption-text", HTMLElement);
  #log = the("caption-log", HTMLElement);
  #switch = the("captions", HTMLInputElement);
  #utterance = "";
  #said = "";
  #logged = 0;
  #timer = 0;

  /** @param {import("./utterances.js").Utterances} utterances */
  constructor(utterances) {
    this.#switch.checked = recall("captions", "on") === "on";
    this.#switch.addEventListener("change", () => {
      remember("captions", this.#switch.checked ? "on" : "off");
      this.#show();
    });
    utterances.addEventListener("caption", (event) => {
      if (event instanceof CustomEvent) this.#follow(event.detail);
    });
    utterances.addEventListener("ended", (event) => {
      if (event instanceof CustomEvent && event.detail.utterance === this.#utterance) this.#end();
    });
    utterances.addEventListener("change", () => {
      if (!utterances.any) this.#end();
    });
    this.#show();
  }

  toggle() {
    this.#switch.click();
  }

  /** @param {import("./utterances.js").Caption} caption */
  #follow({ utterance, start, text, final }) {
    if (utterance !== this.#utterance) {
      this.#utterance = utterance;
      this.#said = "";
      this.#logged = 0;
    }
    clearTimeout(this.#timer);
    this.#said = this.#said.slice(0, start) + text;
    this.#show();
    if (final) this.#note();
  }

  /** What was said last stays for a moment. */
  #end() {
    if (!this.#said) return;
    this.#note();
    this.#utterance = "";
    clearTimeout(this.#timer);
    this.#timer = window.setTimeout(() => {
      this.#said = "";
      this.#show();
    }, LINGER_MS);
  }

  #show() {
    this.#box.hidden = !this.#switch.checked || !this.#said.trim();
    this.#log.hidden = !this.#switch.checked;
    this.#text.textContent = this.#said.slice(-KEPT_CHARACTERS).trim();
    this.#text.scrollTop = this.#text.scrollHeight;
  }

  /** Has what is new since the last time read to whoever reads by ear. */
  #note() {
    const fresh = this.#said.slice(this.#logged).trim();
    this.#logged = this.#said.length;
    if (!fresh) return;
    this.#log.append(make("p", "", fresh));
    while (this.#log.children.length > KEPT_STRETCHES) this.#log.firstElementChild?.remove();
  }
}
