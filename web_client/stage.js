// The stage: the chosen portrait, the avatar's video over it, and the camera's own picture in a
// corner.

import { the } from "./elements.js";
import { recall, remember } from "./memory.js";
import { showPicture } from "./pictures.js";
import { Level } from "./devices.js";

const REST_MS = 2500;
const LEVEL_MS = 120;

export class Stage {
  #theatre = /** @type {HTMLElement} */ (the("stage", HTMLElement).parentElement);
  #still = the("still", HTMLImageElement);
  #ambient = the("ambient", HTMLCanvasElement);
  #video = the("video", HTMLVideoElement);
  #self = the("self", HTMLElement);
  #selfVideo = the("self-video", HTMLVideoElement);
  #levelBox = the("level", HTMLElement);
  #fullButton = the("full", HTMLButtonElement);
  /** @type {MediaStreamTrack | undefined} */
  #camera;
  /** @type {MediaStreamTrack | undefined} */
  #microphone;
  /** @type {Level | undefined} */
  #level;
  #levelTimer = 0;
  #restTimer = 0;

  constructor() {
    this.#still.addEventListener("load", () => {
      const { width, height } = this.#ambient;
      this.#ambient.getContext("2d")?.drawImage(this.#still, 0, 0, width, height);
    });
    for (const event of ["resize", "emptied"]) this.#video.addEventListener(event, () => this.#fit());
    this.mirror = recall("mirror", "on") === "on";
    this.#fullButton.hidden = !document.fullscreenEnabled;
    document.addEventListener("fullscreenchange", () => {
      this.#fullButton.setAttribute("aria-pressed", String(Boolean(document.fullscreenElement)));
      this.#stir();
    });
    for (const event of ["pointermove", "pointerdown", "keydown"]) this.#theatre.addEventListener(event, () => this.#stir());
  }

  get video() {
    return this.#video;
  }

  /** @param {import("./avatars.js").Avatar} avatar */
  showPortrait(avatar) {
    showPicture(this.#still, avatar.portrait);
    this.#still.hidden = false;
    this.#still.alt = `Portrait of ${avatar.name}`;
    this.#video.setAttribute("aria-label", `Avatar: ${avatar.name}`);
    this.#still.classList.remove("fresh");
    void this.#still.offsetWidth; // lets the animation begin again
    this.#still.classList.add("fresh");
  }

  /** @param {MediaStream | null} stream what comes from the server */
  showVideo(stream) {
    this.#video.srcObject = stream;
    // Where playing is refused, the first click in the page starts it.
    if (stream) this.#video.play().catch(() => undefined);
  }

  /** Gives the stage the shape of what the server sends. */
  #fit() {
    const { videoWidth, videoHeight } = this.#video;
    this.#theatre.style.setProperty("--wide", String(videoWidth / videoHeight || 1));
  }

  /** @param {MediaStream} stream of the camera and the microphone, as far as there are any */
  showSelf(stream) {
    const [camera] = stream.getVideoTracks();
    const [microphone] = stream.getAudioTracks();
    if (camera !== this.#camera) {
      this.#camera = camera;
      this.#selfVideo.srcObject = camera ? new MediaStream([camera]) : null;
      this.#self.dataset.camera = camera ? "on" : "off";
    }
    if (microphone !== this.#microphone) {
      this.#microphone = microphone;
      this.#levelBox.classList.toggle("on", Boolean(microphone));
      clearInterval(this.#levelTimer);
      if (microphone) this.#showLevel(new MediaStream([microphone]));
    }
  }

  /** @param {MediaStream} sound */
  #showLevel(sound) {
    this.#level ??= new Level();
    this.#level.listen(sound);
    const bars = [...this.#levelBox.children];
    this.#levelTimer = window.setInterval(() => {
      const loud = this.#level?.read() ?? 0;
      bars.forEach((one, index) => one.classList.toggle("lit", loud > 0.12 + index * 0.27));
    }, LEVEL_MS);
  }

  get mirror() {
    return this.#self.dataset.mirror === "on";
  }

  set mirror(on) {
    this.#self.dataset.mirror = on ? "on" : "off";
    the("mirror", HTMLButtonElement).setAttribute("aria-pressed", String(on));
    remember("mirror", on ? "on" : "off");
  }

  /** Whether the call's sound can be heard. */
  get audible() {
    return !this.#video.muted;
  }

  set audible(on) {
    this.#video.muted = !on;
    // A browser that wants a click before it plays sound stops the video: then rather without.
    if (on && this.#video.srcObject) {
      this.#video.play().catch(() => {
        this.#video.muted = true;
        void this.#video.play().catch(() => undefined);
      });
    }
  }

  toggleFullScreen() {
    const done = document.fullscreenElement ? document.exitFullscreen() : this.#theatre.requestFullscreen();
    done.catch(() => undefined);
  }

  /** In full screen the controls rest while nothing moves. */
  #stir() {
    this.#theatre.classList.remove("resting");
    clearTimeout(this.#restTimer);
    if (document.fullscreenElement) {
      this.#restTimer = window.setTimeout(() => this.#theatre.classList.add("resting"), REST_MS);
    }
  }
}
