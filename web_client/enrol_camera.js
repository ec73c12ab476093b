// Camera and microphone of an enrolment: pictures and sound go to the server over a WebSocket, what
// it asks for comes back.

import { NotSecure } from "./devices.js";
import { token } from "./token.js";

/**
 * @typedef {object} Ask what the server asks for now
 * @property {string | null} step
 * @property {number} number of the step, from 0
 * @property {number} of how many steps there are
 * @property {string} words
 * @property {string | null} phrase
 * @property {number | null} seconds
 * @property {string | null} hint
 * @property {string | null} hint_words
 * @property {number} width of the pictures it would like
 */

const PICTURE = 1;
const SOUND = 2;
const EVERY_MS = 66;
const QUALITY = 0.85;
/** Bytes on their way, from which on pictures are left out. */
const BACKLOG = 400_000;
const CAMERA = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30 }, facingMode: "user" };
const MICROPHONE = { echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: 1 };

/** Events: `message` (what the server says), `closed` when the connection is gone. */
export class EnrolCamera extends EventTarget {
  #video;
  #canvas = document.createElement("canvas");
  #width = 640;
  #stream = new MediaStream();
  /** @type {AudioContext | undefined} */
  #sound;
  /** @type {WebSocket | undefined} */
  #socket;
  #timer = 0;
  #encoding = false;

  /** @param {HTMLVideoElement} video where the person sees themselves */
  constructor(video) {
    super();
    this.#video = video;
  }

  /** Asks for camera and microphone; throws what the browser says. */
  async open() {
    if (!window.isSecureContext || !navigator.mediaDevices) throw new NotSecure();
    this.#stream = await navigator.mediaDevices.getUserMedia({ video: CAMERA, audio: MICROPHONE });
    this.#video.srcObject = this.#stream;
    await this.#video.play();
  }

  /**
   * Begins an attempt.
   * @param {string} address of the enrolment's camera
   * @param {string} agreed names the text that was agreed to
   */
  async begin(address, agreed) {
    const url = new URL(address, location.href);
    url.protocol = url.protocol.replace("http", "ws");
    const bearer = token() ? [`bearer.${token()}`] : [];
    const socket = new WebSocket(url, ["visavis.v1", ...bearer]);
    this.#socket = socket;
    socket.addEventListener("message", (event) => {
      if (socket === this.#socket) this.dispatchEvent(new CustomEvent("message", { detail: JSON.parse(event.data) }));
    });
    socket.addEventListener("close", () => {
      if (socket === this.#socket) this.dispatchEvent(new Event("closed"));
    });
    socket.addEventListener("open", () => {
      socket.send(JSON.stringify({ type: "begin", agreed }));
      this.#timer = window.setInterval(() => this.#sendPicture(socket), EVERY_MS);
    });
    await this.#listen(socket);
  }

  /** @param {number} width of the pictures from now on */
  set width(width) {
    this.#width = width;
  }

  /** Says that the code has arrived. */
  confirm() {
    this.#socket?.send(JSON.stringify({ type: "received" }));
  }

  /** No more pictures and sound; the connection stays. */
  stop() {
    clearInterval(this.#timer);
    void this.#sound?.close();
    this.#sound = undefined;
    for (const track of this.#stream.getTracks()) track.stop();
    this.#video.srcObject = null;
  }

  close() {
    this.stop();
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.close();
  }

  /** @param {WebSocket} socket */
  #sendPicture(socket) {
    const { videoWidth, videoHeight } = this.#video;
    if (this.#encoding || !videoWidth || socket.readyState !== WebSocket.OPEN || socket.bufferedAmount > BACKLOG) return;
    const scale = Math.min(1, this.#width / videoWidth);
    this.#canvas.width = Math.round(videoWidth * scale);
    this.#canvas.height = Math.round(videoHeight * scale);
    this.#canvas.getContext("2d")?.drawImage(this.#video, 0, 0, this.#canvas.width, this.#canvas.height);
    this.#encoding = true;
    this.#canvas.toBlob(
      (jpeg) => {
        this.#encoding = false;
        if (jpeg && socket.readyState === WebSocket.OPEN) socket.send(new Blob([new Uint8Array([PICTURE]), jpeg]));
      },
      "image/jpeg",
      QUALITY,
    );
  }

  /** @param {WebSocket} socket */
  async #listen(socket) {
    const sound = new AudioContext();
    this.#sound = sound;
    await sound.audioWorklet.addModule("enrol_sound.js");
    if (sound !== this.#sound) return;
    const worklet = new AudioWorkletNode(sound, "enrol-sound", { numberOfOutputs: 0 });
    worklet.port.addEventListener("message", ({ data }) => {
      if (socket.readyState === WebSocket.OPEN) socket.send(new Blob([new Uint8Array([SOUND]), data]));
    });
    worklet.port.start();
    sound.createMediaStreamSource(this.#stream).connect(worklet);
    await sound.resume();
  }
}
