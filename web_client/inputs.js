// Camera and microphone as the page shows them: two lists, the camera's own picture, the mute
// button.

import { Devices } from "./devices.js";
import { setIcon, the } from "./elements.js";
import { recall, remember } from "./memory.js";
import { explain } from "./words.js";

/** @typedef {import("./devices.js").Kind} Kind */
/** @typedef {import("./notice.js").Notice} Notice */
/** @typedef {import("./stage.js").Stage} Stage */

const KINDS = /** @type {Kind[]} */ (["camera", "microphone"]);
const NAMES = { camera: "Camera", microphone: "Microphone" };

/** Events: `track` (a `MediaStreamTrack` that takes the place of another), `lost` when the camera is gone. */
export class Inputs extends EventTarget {
  #devices = new Devices();
  #selects = { camera: the("camera", HTMLSelectElement), microphone: the("microphone", HTMLSelectElement) };
  #mute = the("mute", HTMLButtonElement);
  #stage;
  #notice;

  /**
   * @param {Stage} stage
   * @param {Notice} notice
   */
  constructor(stage, notice) {
    super();
    this.#stage = stage;
    this.#notice = notice;
    for (const kind of KINDS) {
      void this.#devices.choose(kind, recall(kind));
      this.#selects[kind].addEventListener("change", () => void this.#choose(kind));
    }
    this.#devices.addEventListener("change", (event) => {
      if (event instanceof CustomEvent) this.dispatchEvent(new CustomEvent("track", { detail: event.detail }));
    });
    this.#devices.addEventListener("devices", () => void this.#list());
    this.#devices.addEventListener("lost", (event) => {
      if (event instanceof CustomEvent) this.#lost(event.detail);
    });
    this.#mute.addEventListener("click", () => this.toggleMute());
    the("camera-on", HTMLButtonElement).addEventListener("click", () => void this.preview());
  }

  get isOpen() {
    return Boolean(this.#devices.stream);
  }

  /** The camera's and the microphone's stream; throws what the browser says where there is none. */
  async open() {
    const stream = await this.#devices.open();
    this.#stage.showSelf(stream);
    await this.#list();
    this.#showMute();
    return stream;
  }

  /** Shows the camera before a call, or why that cannot be. */
  async preview() {
    try {
      await this.open();
      this.#notice.clear("camera");
    } catch (error) {
      this.#explain(error);
    }
  }

  /** Shows the camera where it was allowed before; asks for nothing otherwise. */
  async previewIfAllowed() {
    if (!window.isSecureContext) return this.preview();
    try {
      const { state } = await navigator.permissions.query({ name: /** @type {PermissionName} */ ("camera") });
      if (state === "granted") await this.preview();
    } catch {
      // Not every browser can be asked: the camera starts with the call.
    }
  }

  /** Says so where a call is to begin without sound. */
  mentionSilence() {
    if (!this.#devices.microphoneMissing) return;
    this.#notice.flash("microphone", "No microphone", "The avatar moves, but nobody will hear you. Allow the microphone in the site settings to change that.", 6000);
  }

  toggleMute() {
    this.#devices.muted = !this.#devices.muted;
    this.#showMute();
    this.#notice.say(this.#devices.muted ? "Microphone off" : "Microphone on");
  }

  #showMute() {
    const { muted } = this.#devices;
    this.#mute.setAttribute("aria-pressed", String(muted));
    setIcon(this.#mute, muted ? "mic-off" : "mic");
  }

  async #list() {
    for (const kind of KINDS) {
      const select = this.#selects[kind];
      const found = await this.#devices.list(kind);
      if (!found.length) continue;
      select.replaceChildren(
        ...found.map((device, index) => new Option(device.label || `${NAMES[kind]} ${index + 1}`, device.deviceId)),
        ...(kind === "microphone" ? [new Option("No microphone", "none")] : []),
      );
      select.value = this.#devices.inUse(kind) || (found[0]?.deviceId ?? "");
    }
  }

  /** @param {Kind} kind */
  async #choose(kind) {
    const id = this.#selects[kind].value;
    remember(kind, id);
    try {
      await this.#devices.choose(kind, id);
      this.#stage.showSelf(this.#devices.stream);
      this.#showMute();
    } catch (error) {
      if (kind === "camera") this.#explain(error);
      else this.#notice.flash("microphone", "That microphone did not start", "Choose another one, or plug it in again.", 6000);
      await this.#list();
    }
  }

  /** @param {Kind} kind */
  #lost(kind) {
    if (kind === "microphone") {
      this.#notice.flash("microphone", "The microphone is gone", "Plug it in again, or choose another one.", 6000);
      return;
    }
    this.#devices.close();
    this.#stage.showSelf(undefined);
    this.dispatchEvent(new Event("lost"));
    this.#notice.show("camera", "problem", "The camera is gone", "It was unplugged or taken away. Plug it in or choose another one, then try again.", [
      { words: "Try again", act: () => void this.preview() },
    ]);
  }

  /** @param {unknown} error */
  #explain(error) {
    const { title, text } = explain(error);
    this.#notice.show("camera", "problem", title, text, [{ words: "Try again", act: () => void this.preview() }]);
  }
}
