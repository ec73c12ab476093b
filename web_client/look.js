// How the avatar is shown: its background, and whether it moves as in a mirror.

import { the } from "./elements.js";

/** Event: `change` (the settings to send). */
export class Look extends EventTarget {
  #colour = the("colour", HTMLInputElement);
  #stage;

  /** @param {import("./stage.js").Stage} stage */
  constructor(stage) {
    super();
    this.#stage = stage;
    for (const element of [the("background", HTMLElement), this.#colour]) {
      element.addEventListener("change", () => this.#backgroundChosen());
    }
    the("mirror", HTMLButtonElement).addEventListener("click", () => this.toggleMirror());
  }

  /** The settings as they stand, for a call that begins. */
  get settings() {
    return { mirror: this.#stage.mirror, background: this.#background };
  }

  toggleMirror() {
    this.#stage.mirror = !this.#stage.mirror;
    this.#tell({ mirror: this.#stage.mirror });
  }

  get #background() {
    const value = document.querySelector("[name=background]:checked")?.getAttribute("value") ?? "keep";
    return value === "colour" ? this.#colour.value : value;
  }

  #backgroundChosen() {
    the("colour-pick", HTMLElement).hidden = !this.#background.startsWith("#");
    this.#tell({ background: this.#background });
  }

  /** @param {Record<string, unknown>} settings */
  #tell(settings) {
    this.dispatchEvent(new CustomEvent("change", { detail: settings }));
  }
}
