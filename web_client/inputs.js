// Camera and microphone as the page shows them: two lists, the camera's own picture, the mute
// button. A call can do without either.

import { Devices, KINDS } from "./devices.js";
import { setIcon, the } from "./elements.js";
import { recall, remember } from "./memory.js";
import { explain } from "./words.js";

/** @typedef {import("./devices.js").Kind} Kind */
/** @typedef {import("./notice.js").Notice} Notice */
/** @typedef {import("./stage.js").Stage} Stage */

const NAMES = { camera: "Camera", microphone: "Microphone" };

/** Events: `track` (a `Change` of `devices.js`, for the running call), `change` when there is a device more or less. */
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
      this.#selects[kind].value = this.#devices.wants(kind) ? "" : "none";
      this.#selects[kind].addEventListener("change", () => void this.#choose(kind, this.#selects[kind].value));
    }
    this.#devices.addEventListener("change", (event) => {
      this.#show();
      if (event instanceof CustomEvent) this.dispatchEvent(new CustomEvent("track", { detail: event.detail }));
    });
    this.#devices.addEventListener("devices", () => void this.#list());
    this.#devices.addEventListener("lost", (event) => {
      if (event instanceof CustomEvent) this.#lost(event.detail);
    });
    this.#mute.addEventListener("click", () => this.toggleMute());
    the("camera-on", HTMLButtonElement).addEventListener("click", () => void this.turnOn("camera"));
    this.#show();
  }

  /** What is sent; its tracks come and go. */
  get stream() {
    return this.#devices.stream;
  }

  get hasCamera() {
    return this.#devices.has("camera");
  }

  get hasMicrophone() {
    return this.#devices.has("microphone");
  }

  /** Whether the browser has still to be asked for something. */
  get isAsking() {
    return KINDS.some((kind) => this.#devices.wants(kind)) && !this.#devices.isOpen;
  }

  /** Switches on what is wanted; throws what the browser says where that cannot be. */
  async open() {
    await this.#devices.open();
    await this.#list();
    this.#show();
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
    if (!this.#devices.wants("camera")) return;
    if (!window.isSecureContext) return this.preview();
    try {
      const { state } = await navigator.permissions.query({ name: /** @type {PermissionName} */ ("camera") });
      if (state === "granted") await this.preview();
    } catch {
      // Not every browser can be asked: the camera starts with the call.
    }
  }

  /** @param {Kind} kind any device of it, at once */
  async turnOn(kind) {
    if (this.#devices.isOpen || !this.#devices.wants(kind)) await this.#choose(kind, "");
    if (!this.#devices.isOpen) await this.preview();
  }

  /** Goes without a camera from now on. */
  async doWithoutCamera() {
    await this.#choose("camera", "none");
  }

  /** Says so where a call is to begin without the sound that was wanted. */
  mentionSilence() {
    if (!this.#devices.microphoneMissing) return;
    const meanwhile = this.hasCamera ? "The avatar moves, but nobody will hear you." : "The avatar says what you write.";
    this.#notice.flash("microphone", "No microphone", `${meanwhile} Allow the microphone in the site settings to speak yourself.`, 6000);
  }

  mute() {
    this.#devices.muted = true;
    this.#show();
  }

  toggleMute() {
    if (this.#devices.isOpen && !this.#devices.has("microphone")) {
      void this.turnOn("microphone");
      return;
    }
    this.#devices.muted = !this.#devices.muted;
    this.#show();
    this.#notice.say(this.#devices.muted ? "Microphone off" : "Microphone on");
  }

  #show() {
    const { stream, muted, isOpen } = this.#devices;
    this.#stage.showSelf(stream);
    const off = muted || !this.#devices.wants("microphone") || (isOpen && !this.#devices.has("microphone"));
    this.#mute.setAttribute("aria-pressed", String(off));
    setIcon(this.#mute, off ? "mic-off" : "mic");
    this.dispatchEvent(new Event("change"));
  }

  async #list() {
    for (const kind of KINDS) {
      const select = this.#selects[kind];
      const found = await this.#devices.list(kind);
      const named = found.map((device, index) => new Option(device.label || `${NAMES[kind]} ${index + 1}`, device.deviceId));
      const any = named.length ? named : [new Option(`Your ${NAMES[kind].toLowerCase()}`, "")];
      select.replaceChildren(...any, new Option(`No ${NAMES[kind].toLowerCase()}`, "none"));
      select.value = this.#devices.inUse(kind) || (found[0]?.deviceId ?? "");
    }
  }

  /**
   * @param {Kind} kind
   * @param {string} id
   */
  async #choose(kind, id) {
    remember(kind, id);
    try {
      await this.#devices.choose(kind, id);
      this.#notice.clear(kind);
    } catch (error) {
      if (kind === "camera") this.#explain(error);
      else this.#notice.flash("microphone", "That microphone did not start", "Choose another one, plug it in again, or allow it in the site settings.", 6000);
    }
    await this.#list();
    this.#show();
  }

  /** @param {Kind} kind */
  #lost(kind) {
    if (kind === "microphone") {
      this.#notice.flash("microphone", "The microphone is gone", "Plug it in again, or choose another one.", 6000);
      return;
    }
    this.#notice.show("camera", "problem", "The camera is gone", "It was unplugged or taken away. Until it is back your voice moves the avatar.", [
      { words: "Try again", act: () => void this.turnOn("camera") },
      { words: "Go on without", act: () => void this.doWithoutCamera() },
    ]);
  }

  /** @param {unknown} error */
  #explain(error) {
    const { title, text } = explain(error);
    this.#notice.show("camera", "problem", title, text, [
      { words: "Try again", act: () => void this.turnOn("camera") },
      { words: "Go without", act: () => void this.doWithoutCamera() },
    ]);
  }
}
