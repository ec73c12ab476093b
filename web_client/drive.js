// What moves the avatar: the face in the camera, the voice, or whichever is better founded; and how
// much it does by itself.

import { the } from "./elements.js";
import { recall, remember } from "./memory.js";

/** Drivers, and what a consent has to cover for each. */
const NEEDS = /** @type {Record<string, string[]>} */ ({ auto: ["face", "speech"], face: ["face"], speech: ["speech"] });

/** Event: `change` (the settings to send). */
export class Drive extends EventTarget {
  #drivers = [.../** @type {NodeListOf<HTMLInputElement>} */ (document.querySelectorAll("[name=driver]"))];
  #liveliness = the("liveliness", HTMLInputElement);

  constructor() {
    super();
    for (const input of this.#drivers) {
      input.addEventListener("change", () => this.#tell("driver", this.driver));
    }
    this.allow(["face", "speech"]);
    this.#liveliness.value = recall("liveliness", "0.5");
    this.#showLiveliness();
    this.#liveliness.addEventListener("input", () => this.#showLiveliness());
    this.#liveliness.addEventListener("change", () => this.#tell("liveliness", Number(this.#liveliness.value)));
  }

  /** `auto`, `face` or `speech`. */
  get driver() {
    return this.#drivers.find((input) => input.checked)?.value ?? "auto";
  }

  /** @param {string[]} modes that the avatar's consent covers; the person's choice counts among those */
  allow(modes) {
    const covers = (/** @type {string} */ driver) => (NEEDS[driver] ?? []).every((mode) => modes.includes(mode));
    const driver = [recall("driver", "auto"), ...Object.keys(NEEDS)].find((one) => one in NEEDS && covers(one));
    for (const input of this.#drivers) {
      input.disabled = !covers(input.value);
      input.checked = input.value === driver;
    }
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
