// Removing a face from the gallery, or taking back one's consent with the code that was given.

import { the } from "./elements.js";
import { ask } from "./server.js";
import { explainUpload } from "./words.js";

/** @typedef {import("./avatars.js").Avatar} Avatar */

/** Event: `left` when the avatar is gone. */
export class Leave extends EventTarget {
  #sheet = the("leave", HTMLDialogElement);
  #error = the("leave-error", HTMLElement);
  #code = the("leave-code", HTMLInputElement);
  #do = the("leave-do", HTMLButtonElement);
  /** @type {Avatar | undefined} */
  #avatar;
  #withdraws = false;

  constructor() {
    super();
    for (const id of ["leave-close", "leave-cancel"]) the(id, HTMLButtonElement).addEventListener("click", () => this.#sheet.close());
    the("leave-form", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#leave();
    });
  }

  /** @param {Avatar} avatar to be removed, once that is confirmed */
  remove(avatar) {
    this.#open(avatar, false, `Remove ${avatar.name}?`, "Its portrait is deleted, and calls that show it end. The record of consent stays; whoever has it and the portrait can add the face again.");
  }

  /** @param {Avatar} avatar whose person takes back their consent */
  withdraw(avatar) {
    this.#open(avatar, true, "Take back consent", `If you are the person whose face ${avatar.name} is: your code ends this for good. Calls that show it end, the portrait is deleted, and the record is worth nothing any more.`);
  }

  /** @param {Avatar} avatar @param {boolean} withdraws @param {string} title @param {string} text */
  #open(avatar, withdraws, title, text) {
    this.#avatar = avatar;
    this.#withdraws = withdraws;
    this.#code.value = "";
    this.#fault("");
    the("leave-title", HTMLElement).textContent = title;
    the("leave-text", HTMLElement).textContent = text;
    the("leave-code-box", HTMLElement).hidden = !withdraws;
    this.#do.textContent = withdraws ? "Take it back" : "Remove it";
    this.#sheet.showModal();
  }

  async #leave() {
    const avatar = this.#avatar;
    if (!avatar) return;
    const code = this.#code.value.trim();
    if (this.#withdraws && !code) return this.#fault("Write the code that you were given when you were enrolled.");
    this.#do.disabled = true;
    try {
      if (this.#withdraws) await withdraw(avatar.consent, code);
      else await ask(`/avatars/${avatar.id}`, { method: "DELETE" });
      this.#sheet.close();
      this.dispatchEvent(new Event("left"));
    } catch (error) {
      this.#fault(explainUpload(error));
    }
    this.#do.disabled = false;
  }

  /** @param {string} words */
  #fault(words) {
    this.#error.textContent = words;
    this.#error.hidden = !words;
  }
}

/** @param {string} consent @param {string} code */
async function withdraw(consent, code) {
  await ask(`/consents/${consent}/withdraw`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ code }),
  });
}
