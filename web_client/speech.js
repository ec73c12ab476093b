// The box in which is written what the avatar says, and the button that stops it.

import { the } from "./elements.js";
import { explainSaying } from "./words.js";

const HINT = "Enter says it";
const STOPPED_MS = 2500;
/** From here on the hint tells how long the text is. */
const LONG = 500;

export class Speech {
  #form = the("talk", HTMLFormElement);
  #fields = the("talk-fields", HTMLFieldSetElement);
  #text = the("say", HTMLTextAreaElement);
  #send = the("say-send", HTMLButtonElement);
  #stop = the("stop", HTMLButtonElement);
  #hint = the("say-hint", HTMLElement);
  #error = the("say-error", HTMLElement);
  #turn = Promise.resolve();
  #stops = 0;
  #stoppedUntil = 0;
  #conversation;
  #voices;

  /**
   * @param {import("./conversation.js").Conversation} conversation
   * @param {import("./voices.js").Voices} voices
   */
  constructor(conversation, voices) {
    this.#conversation = conversation;
    this.#voices = voices;
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#text.addEventListener("keydown", (event) => this.#pressed(event));
    this.#text.addEventListener("input", () => this.#typed());
    this.#stop.addEventListener("click", () => this.stop());
    conversation.addEventListener("phase", () => this.#show());
    conversation.utterances.addEventListener("change", () => this.#show());
    conversation.utterances.addEventListener("ended", (event) => {
      if (event instanceof CustomEvent) this.#ended(event.detail);
    });
    this.#typed();
  }

  /** Puts the cursor into the box. */
  write() {
    this.#text.focus();
  }

  /** Silences the avatar, and forgets what it was to say. */
  stop() {
    if (!this.#conversation.utterances.any) return;
    // The button goes when there is nothing to stop; whoever pressed it stays in the box.
    if (document.activeElement === this.#stop) this.#text.focus();
    this.#stops += 1;
    this.#conversation.interrupt();
  }

  /** @param {KeyboardEvent} event */
  #pressed(event) {
    if (event.isComposing) return; // the key chooses a character
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      this.#submit();
    } else if (event.key === "Escape") {
      event.preventDefault();
      this.stop();
    }
  }

  #submit() {
    const text = this.#text.value;
    if (!text.trim() || this.#conversation.phase !== "live") return;
    this.#text.value = "";
    this.#typed();
    // One after another, as two requests may overtake one another.
    const stops = this.#stops;
    this.#turn = this.#turn.then(() => this.#say(text, stops));
  }

  /**
   * @param {string} text
   * @param {number} stops how many there had been when it was sent off
   */
  async #say(text, stops) {
    if (stops !== this.#stops) return;
    try {
      await this.#conversation.say({ text, ...this.#voices.chosen });
      // The server did not know of it yet when it was stopped.
      if (stops !== this.#stops) this.#conversation.interrupt();
    } catch (error) {
      if (!this.#text.value) this.#text.value = text;
      this.#typed();
      this.#fault(explainSaying(error));
    }
  }

  #typed() {
    this.#text.style.height = "auto";
    this.#text.style.height = `${this.#text.scrollHeight}px`;
    this.#fault("");
    this.#show();
  }

  /** @param {import("./utterances.js").Ending} ending */
  #ended({ reason, message }) {
    if (reason === "failed") this.#fault(message || "The voice failed; try another one.");
    if (reason !== "interrupted") return;
    this.#stoppedUntil = performance.now() + STOPPED_MS;
    window.setTimeout(() => this.#show(), STOPPED_MS);
  }

  #show() {
    const { phase, utterances } = this.#conversation;
    this.#fields.disabled = phase !== "live";
    this.#form.dataset.speaking = String(utterances.speaking);
    this.#send.disabled = !this.#text.value.trim();
    this.#stop.hidden = !utterances.any;
    const hint = this.#state() || HINT;
    if (this.#hint.textContent !== hint) this.#hint.textContent = hint; // what is set is read out
  }

  #state() {
    const { speaking, waiting, any } = this.#conversation.utterances;
    if (speaking) return waiting ? `Speaking · ${waiting} more` : "Speaking";
    if (any) return "About to speak";
    if (performance.now() < this.#stoppedUntil) return "Stopped";
    // By the hundred, as each change is read out.
    const hundreds = Math.floor(this.#text.value.length / 100) * 100;
    return hundreds >= LONG ? `Over ${hundreds.toLocaleString("en")} characters` : "";
  }

  /** @param {string} words */
  #fault(words) {
    this.#error.textContent = words;
    this.#error.hidden = !words;
  }
}
