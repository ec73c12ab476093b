// What moves the avatar: the face in the camera, the voice, or whichever is better founded; and how
// much it does by itself.

import { the } from "./elements.js";
import { recall, remember } from "./memory.js";

const DRIVERS = ["auto", "face", "speech"];

/** Event: `change` (the settings to send). */
export class Drive extends EventTarget {
  #drivers = [.../** @type {NodeListOf<HTMLInputElement>} */ (document.querySelectorAll("[name=driver]"))];
  #liveliness = the("liveliness", HTMLInputElement);

  constructor() {
    super();
    const driver = recall("driver", "auto");
    for (const input of this.#drivers) {
      input.checked = input.value === (DRIVERS.includes(driver) ? driver : "auto");
      input.addEventListener("change", () => this.#tell("driver", this.driver));
    }
    this.#liveliness.value = recall("liveliness", "0.5");
    this.#showLiveliness();
    this.#liveliness.addEventListener("input", () => this.#showLiveliness());
    this.#liveliness.addEventListener("change", () => this.#tell("liveliness", Number(this.#liveliness.value)));
  }

  /** `auto`, `face` or `speech`. */
  get driver() {
    return this.#drivers.find((input) => input.checked)?.value ?? "auto";
  }

  /** The settings as they stand, for a call that begins; its driver is named when it is opened. */
  get settings() {
    return { liveliness: Number(this.#liveliness.value) };
  }

  #showLiveliness() {
    const value = Number(this.#liveliness.value);
    const words = value < 0.2 ? "still" : value < 0.4 ? "calm" : value <= 0.6 ? "like a listener" : value <= 0.8 ? "vivid" : "lively";
    this.#liveliness.setAttribute("aria-valuetext", words);
  }

  /**
   * @param {string} setting
   * @param {string | number} value
   */
  #tell(setting, value) {
    remember(setting, String(value));
    this.dispatchEvent(new CustomEvent("change", { detail: { [setting]: value } }));
  }
}
