// Camera and microphone: asks for them, lists them, changes them during a call.

/** @typedef {"camera" | "microphone"} Kind */
/** @typedef {"video" | "audio"} TrackKind */
/** @typedef {{kind: TrackKind, track: MediaStreamTrack | null}} Change what takes the place of another track */

export const KINDS = /** @type {Kind[]} */ (["camera", "microphone"]);
const TRACKS = /** @type {Record<Kind, TrackKind>} */ ({ camera: "video", microphone: "audio" });

/** The page was not loaded over HTTPS, so the browser has no camera to give. */
export class NotSecure extends Error {
  constructor() {
    super("the page is not secure");
    this.name = "NotSecure";
  }
}

/** Any size is fine for the server; this one costs little and holds all that the tracker sees. */
const CAMERA = { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 30, max: 60 } };
const MICROPHONE = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };
const WISHES = { camera: CAMERA, microphone: MICROPHONE };

/**
 * Each of the two may be there or not, and may come and go while a call runs.
 *
 * Events: `change` (a `Change`), `lost` (a `Kind` that was unplugged or taken away), `devices` (the
 * list has changed).
 */
export class Devices extends EventTarget {
  /** What is in use now; the stream stays, its tracks come and go. */
  stream = new MediaStream();
  /** Whether devices are in use at once when they are chosen, or only from `open` on. */
  isOpen = false;
  /** Whether a microphone was wanted and not given. */
  microphoneMissing = false;
  #muted = false;
  /** @type {Record<Kind, string>} device ids; empty: the browser's choice; `none`: no such device */
  #chosen = { camera: "", microphone: "" };
  /** @type {Promise<void> | undefined} */
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
    for (const track of this.stream.getAudioTracks()) track.enabled = !muted;
  }

  /**
   * Whether a device of this kind is to be used.
   * @param {Kind} kind
   */
  wants(kind) {
    return this.#chosen[kind] !== "none";
  }

  /**
   * Whether one is in use.
   * @param {Kind} kind
   */
  has(kind) {
    return Boolean(this.#track(kind));
  }

  /**
   * The id of the device in use, or `none`; empty where there is none yet.
   * @param {Kind} kind
   */
  inUse(kind) {
    return this.wants(kind) ? (this.#track(kind)?.getSettings().deviceId ?? "") : "none";
  }

  /** Asks for what is wanted and not there yet; throws what the browser says of the camera. */
  async open() {
    this.#opening ??= this.#ask().finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
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
   * Chooses a device, and changes to it at once where devices are in use.
   * @param {Kind} kind
   * @param {string} id
   */
  async choose(kind, id) {
    const before = this.#chosen[kind];
    this.#chosen[kind] = id;
    if (id === "none") return this.#use(kind, null);
    if (!this.isOpen) return;
    try {
      if (!navigator.mediaDevices) throw new NotSecure();
      const fresh = await navigator.mediaDevices.getUserMedia({ [TRACKS[kind]]: constraint(WISHES[kind], id) });
      this.#use(kind, fresh.getTracks()[0] ?? null);
    } catch (error) {
      this.#chosen[kind] = before;
      throw error;
    }
  }

  async #ask() {
    const wanted = KINDS.filter((kind) => this.wants(kind) && !this.has(kind));
    const given = wanted.length ? await this.#getUserMedia(wanted) : new MediaStream();
    for (const track of given.getTracks()) {
      if (this.wants(kindOf(track))) this.#use(kindOf(track), track);
      else track.stop(); // nobody wants it any more
    }
    this.isOpen = true;
    this.microphoneMissing = this.wants("microphone") && !this.has("microphone");
  }

  /**
   * @param {Kind[]} wanted
   * @returns {Promise<MediaStream>}
   */
  async #getUserMedia(wanted) {
    const asked = Object.fromEntries(wanted.map((kind) => [TRACKS[kind], constraint(WISHES[kind], this.#chosen[kind])]));
    try {
      if (!window.isSecureContext || !navigator.mediaDevices) throw new NotSecure();
      return await navigator.mediaDevices.getUserMedia(asked);
    } catch (error) {
      const gone = error instanceof DOMException && error.name === "OverconstrainedError";
      if (gone && wanted.some((kind) => this.#chosen[kind])) {
        // A device remembered from the last visit is not there any more.
        for (const kind of wanted) this.#chosen[kind] = "";
        return this.#getUserMedia(wanted);
      }
      // A call does without a microphone that is missing or refused; that it does without a camera
      // is for a person to say.
      if (!wanted.includes("camera")) return new MediaStream();
      if (!wanted.includes("microphone")) throw error;
      return this.#getUserMedia(["camera"]);
    }
  }

  /**
   * Puts a track in the place of the present one.
   * @param {Kind} kind
   * @param {MediaStreamTrack | null} track
   */
  #use(kind, track) {
    const old = this.#track(kind);
    if (old) this.stream.removeTrack(old);
    if (track) {
      this.stream.addTrack(track);
      track.addEventListener("ended", () => this.#ended(kind, track));
    }
    this.muted = this.#muted;
    if (old || track) this.dispatchEvent(new CustomEvent("change", { detail: { kind: TRACKS[kind], track } }));
    old?.stop();
  }

  /**
   * @param {Kind} kind
   * @param {MediaStreamTrack} track
   */
  #ended(kind, track) {
    if (this.#track(kind) !== track) return;
    this.#use(kind, null);
    this.dispatchEvent(new CustomEvent("lost", { detail: kind }));
  }

  /** @param {Kind} kind */
  #track(kind) {
    return this.stream.getTracks().find((track) => kindOf(track) === kind);
  }
}

/**
 * @param {MediaStreamTrack} track
 * @returns {Kind}
 */
function kindOf(track) {
  return track.kind === "video" ? "camera" : "microphone";
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
