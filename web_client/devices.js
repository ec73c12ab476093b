// Camera and microphone: asks for them, lists them, changes them during a call.

/** @typedef {"camera" | "microphone"} Kind */

/** The page was not loaded over HTTPS, so the browser has no camera to give. */
export class NotSecure extends Error {
  constructor() {
    super("the page is not secure");
    this.name = "NotSecure";
  }
}

/** Any size is fine for the server; this one costs little and holds all that the tracker sees. */
const VIDEO = { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 30, max: 60 } };
const AUDIO = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };

/**
 * Events: `change` (a `MediaStreamTrack` that takes the place of another), `lost` (a `Kind` that was
 * unplugged or taken away), `devices` (the list has changed).
 */
export class Devices extends EventTarget {
  /** @type {MediaStream | undefined} */
  stream;
  /** Whether a microphone was wanted and not given. */
  microphoneMissing = false;
  #muted = false;
  /** @type {Record<Kind, string>} device ids; empty: the browser's choice; `none`: no microphone */
  #chosen = { camera: "", microphone: "" };
  /** @type {Promise<MediaStream> | undefined} */
  #opening;

  constructor() {
    super();
    navigator.mediaDevices?.addEventListener("devicechange", () => this.dispatchEvent(new Event("devices")));
  }

  get muted() {
    return this.#muted;
  }

  set muted(muted) {
    this.#muted = muted;
    for (const track of this.stream?.getAudioTracks() ?? []) track.enabled = !muted && this.#chosen.microphone !== "none";
  }

  /**
   * The id of the device in use; empty where there is none.
   * @param {Kind} kind
   */
  inUse(kind) {
    if (this.#chosen[kind] === "none") return "none";
    const track = this.stream?.getTracks().find((one) => one.kind === (kind === "camera" ? "video" : "audio"));
    return track?.getSettings().deviceId ?? "";
  }

  /**
   * The camera's and the microphone's stream, asked for at most once.
   * @returns {Promise<MediaStream>}
   */
  async open() {
    if (this.stream) return this.stream;
    this.#opening ??= this.#ask().finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  close() {
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.stream = undefined;
  }

  /**
   * The devices there are; names are known only after permission was given.
   * @param {Kind} kind
   * @returns {Promise<MediaDeviceInfo[]>}
   */
  async list(kind) {
    const wanted = kind === "camera" ? "videoinput" : "audioinput";
    const all = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
    return all.filter((device) => device.kind === wanted && device.deviceId);
  }

  /**
   * Chooses a device, and changes to it at once where the stream is open.
   * @param {Kind} kind
   * @param {string} id
   */
  async choose(kind, id) {
    this.#chosen[kind] = id;
    if (!this.stream) return;
    if (id === "none") {
      this.muted = this.#muted;
      return;
    }
    const fresh = await navigator.mediaDevices.getUserMedia(
      kind === "camera" ? { video: constraint(VIDEO, id) } : { audio: constraint(AUDIO, id) },
    );
    const [track] = fresh.getTracks();
    if (!track) return;
    for (const old of this.stream.getTracks().filter((one) => one.kind === track.kind)) {
      this.stream.removeTrack(old);
      this.dispatchEvent(new CustomEvent("change", { detail: track }));
      old.stop();
    }
    this.stream.addTrack(track);
    this.#watch(track);
    this.muted = this.#muted;
  }

  async #ask() {
    if (!window.isSecureContext || !navigator.mediaDevices) throw new NotSecure();
    const stream = await this.#getUserMedia();
    this.microphoneMissing = this.#chosen.microphone !== "none" && !stream.getAudioTracks().length;
    this.stream = stream;
    for (const track of stream.getTracks()) this.#watch(track);
    this.muted = this.#muted;
    return stream;
  }

  /** @returns {Promise<MediaStream>} */
  async #getUserMedia() {
    const { camera, microphone } = this.#chosen;
    const video = constraint(VIDEO, camera);
    const audio = microphone === "none" ? false : constraint(AUDIO, microphone);
    try {
      return await navigator.mediaDevices.getUserMedia({ video, audio });
    } catch (error) {
      const gone = error instanceof DOMException && error.name === "OverconstrainedError";
      const plain = { camera: "", microphone: microphone === "none" ? "none" : "" };
      if (gone && (camera || microphone !== plain.microphone)) {
        // A device remembered from the last visit is not there any more.
        this.#chosen = plain;
        return this.#getUserMedia();
      }
      if (!audio) throw error;
      // One of the two is missing or refused; the call needs the camera only.
      return navigator.mediaDevices.getUserMedia({ video });
    }
  }

  /** @param {MediaStreamTrack} track */
  #watch(track) {
    track.addEventListener("ended", () => {
      const kind = track.kind === "video" ? "camera" : "microphone";
      if (this.stream?.getTracks().includes(track)) this.dispatchEvent(new CustomEvent("lost", { detail: kind }));
    });
  }
}

/**
 * @param {MediaTrackConstraints} wishes
 * @param {string} id
 * @returns {MediaTrackConstraints}
 */
function constraint(wishes, id) {
  // `exact`: beside other wishes browsers take an `ideal` device for one wish among many.
  return id ? { ...wishes, deviceId: { exact: id } } : wishes;
}

/** How loud the microphone is, for a meter. */
export class Level {
  #context = new AudioContext();
  #analyser = this.#context.createAnalyser();
  #samples = new Float32Array(512);
  /** @type {MediaStreamAudioSourceNode | undefined} */
  #source;

  constructor() {
    this.#analyser.fftSize = this.#samples.length;
    // A browser lets a page make or take sound only after the first click or key in it.
    const resume = () => void this.#context.resume().catch(() => undefined);
    if (navigator.userActivation?.hasBeenActive) resume();
    else for (const event of ["pointerup", "keydown"]) document.addEventListener(event, resume, { once: true });
  }

  /** @param {MediaStream} stream */
  listen(stream) {
    this.#source?.disconnect();
    this.#source = this.#context.createMediaStreamSource(stream);
    this.#source.connect(this.#analyser);
  }

  /** Loudness, 0…1: −60 dB and less are 0. */
  read() {
    this.#analyser.getFloatTimeDomainData(this.#samples);
    let sum = 0;
    for (const sample of this.#samples) sum += sample * sample;
    const decibels = 10 * Math.log10(sum / this.#samples.length + 1e-12);
    return Math.max(0, Math.min(1, (decibels + 60) / 45));
  }
}
