// The voice skin: how the own voice is changed on its way through the server, if it is.

import { the } from "./elements.js";
import { recall, remember } from "./memory.js";

const NONE = "none";

/** Event: `change` (the settings to send). */
export class Skin extends EventTarget {
  #select = the("skin", HTMLSelectElement);

  constructor() {
    super();
    this.#select.value = recall("skin", NONE);
    if (!this.#select.value) this.#select.value = NONE;
    this.#select.addEventListener("change", () => {
      remember("skin", this.#select.value);
      this.dispatchEvent(new CustomEvent("change", { detail: this.settings }));
    });
  }

  /** Whether somebody wants not to be known by their voice. */
  get worn() {
    return this.#select.value !== NONE;
  }

  /** The settings as they stand, for a call that begins. */
  get settings() {
    return { skin: this.#select.value };
  }
}
