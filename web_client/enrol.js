// Enrolment of one's own face: what is agreed to, then the camera, then what came of it.

import { icon, make, setIcon, the } from "./elements.js";
import { EnrolCamera } from "./enrol_camera.js";
import { ask } from "./server.js";
import { explain } from "./words.js";

/** @typedef {import("./enrol_camera.js").Ask} Ask */
/** @typedef {{code: string, words: string}} Finding */
/** @typedef {{passed: boolean, words: string, established: Finding[], not_established: Finding[]}} Verdict */
/** @typedef {{consent: string, record: string, withdrawal_code: string, avatar: {id: string, name: string}}} Enrolled */

const VIEWS = /** @type {const} */ (["enrol-agree", "enrol-camera", "enrol-failed", "enrol-done"]);
const TITLES = {
  "enrol-agree": "What you agree to",
  "enrol-camera": "Do as you are asked",
  "enrol-failed": "That did not work",
  "enrol-done": "It is yours",
};
const CUES = /** @type {Record<string, string>} */ ({ left: "left", right: "right", eyes: "eyes-shut" });

/** Events: `back` to the choices, `enrolled` (the avatar's id), `close` when it is over. */
export class Enrolment extends EventTarget {
  #title = the("upload-title", HTMLElement);
  #agreed = the("enrol-agreed", HTMLInputElement);
  #agreeError = the("agree-error", HTMLElement);
  #asked = the("enrol-asked", HTMLElement);
  #phrase = the("enrol-phrase", HTMLElement);
  #hint = the("enrol-hint", HTMLElement);
  #time = the("enrol-time", HTMLProgressElement);
  #box = the("enrol-box", HTMLElement);
  #camera = new EnrolCamera(the("enrol-video", HTMLVideoElement));
  /** @type {{camera: string, agreed: string} | undefined} */
  #opened;
  /** @type {Verdict | undefined} */
  #verdict;
  /** @type {Enrolled | undefined} */
  #enrolled;
  /** @type {Ask | undefined} */
  #ask;
  #due = 0;
  #ticking = 0;
  /** Whether an attempt has come to its end. */
  #decided = false;

  constructor() {
    super();
    const on = (/** @type {string} */ id, /** @type {() => void} */ act) => the(id, HTMLButtonElement).addEventListener("click", act);
    the("enrol-agree", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#start();
    });
    on("agree-back", () => this.#goBack());
    on("camera-cancel", () => this.#goBack());
    on("failed-again", () => void this.#start());
    on("failed-cancel", () => this.dispatchEvent(new Event("close")));
    on("done-close", () => this.dispatchEvent(new Event("close")));
    on("done-save", () => this.#save());
    this.#camera.addEventListener("message", (event) => event instanceof CustomEvent && this.#take(event.detail));
    this.#camera.addEventListener("closed", () => this.#lost());
  }

  /** Whether something of it is shown. */
  get isUnderWay() {
    return VIEWS.some((id) => !the(id, HTMLElement).hidden);
  }

  /** Whether the code is on show, which is not shown again. */
  get holdsCode() {
    return !the("enrol-done", HTMLElement).hidden;
  }

  /**
   * Asks the server for an enrolment and shows what is agreed to; throws its refusal.
   * @param {FormData} form
   */
  async begin(form) {
    const response = await ask("/enrolments", { method: "POST", body: form });
    const opened = await response.json();
    this.#opened = opened;
    this.#agreed.checked = false;
    this.#faultAgreement("");
    the("enrol-agreement", HTMLElement).textContent = opened.agreement;
    this.#show("enrol-agree");
  }

  /** Lets go of the camera and of all that is shown. */
  end() {
    this.#camera.close();
    clearInterval(this.#ticking);
    this.#opened = this.#enrolled = this.#verdict = undefined;
    the("done-code", HTMLOutputElement).textContent = "";
    this.#show(undefined);
  }

  #goBack() {
    this.end();
    this.dispatchEvent(new Event("back"));
  }

  /** @param {typeof VIEWS[number] | undefined} shown */
  #show(shown) {
    for (const id of VIEWS) the(id, HTMLElement).hidden = id !== shown;
    if (!shown) return;
    this.#title.textContent = TITLES[shown];
    this.#title.focus();
  }

  async #start() {
    const opened = this.#opened;
    if (!opened) return;
    if (!this.#agreed.checked) {
      this.#faultAgreement("Tick the box if you agree; without that nothing is begun.");
      return;
    }
    this.#faultAgreement("");
    this.#decided = false;
    this.#ask = undefined;
    this.#tell("The camera is starting.");
    this.#show("enrol-camera");
    try {
      await this.#camera.open();
      if (this.#opened !== opened) return this.#camera.stop();
      await this.#camera.begin(opened.camera, opened.agreed);
    } catch (error) {
      const { title, text } = explain(error);
      this.#fail(`${title}. ${text}`);
    }
  }

  /** @param {any} message */
  #take(message) {
    if (message.type === "ask") this.#showAsk(message);
    else if (message.type === "verdict") this.#decide(message);
    else if (message.type === "enrolled") this.#finish(message);
    else if (message.type === "error") this.#fail(message.message);
  }

  /** @param {Ask} asked */
  #showAsk(asked) {
    if (asked.step !== this.#ask?.step || asked.number !== this.#ask.number) {
      this.#tell(asked.words, asked.phrase ?? "");
      this.#box.dataset.step = asked.step ?? "";
      const cue = CUES[asked.step ?? ""];
      if (cue) setIcon(the("enrol-cue", SVGSVGElement), cue);
      this.#showDots(asked);
      this.#count(asked.seconds ?? 0);
    }
    this.#ask = asked;
    this.#camera.width = asked.width;
    this.#hint.textContent = asked.hint_words ?? "";
    this.#hint.hidden = !asked.hint_words;
  }

  /** @param {string} words @param {string} [phrase] */
  #tell(words, phrase = "") {
    this.#asked.textContent = words;
    this.#phrase.textContent = phrase;
    this.#phrase.hidden = !phrase;
  }

  /** @param {Ask} asked */
  #showDots({ number, of }) {
    const dots = Array.from({ length: of }, (_, at) => make("li", at < number ? "done" : at === number ? "now" : ""));
    the("enrol-dots", HTMLElement).replaceChildren(...dots);
  }

  /** @param {number} seconds for the present step; 0: a pause */
  #count(seconds) {
    clearInterval(this.#ticking);
    this.#time.max = seconds || 1;
    this.#time.value = this.#time.max;
    if (!seconds) return;
    this.#due = performance.now() + 1000 * seconds;
    this.#ticking = window.setInterval(() => {
      this.#time.value = Math.max(0, (this.#due - performance.now()) / 1000);
    }, 100);
  }

  /** @param {Verdict} verdict */
  #decide(verdict) {
    this.#verdict = verdict;
    if (!verdict.passed) this.#fail(verdict.words);
    else this.#camera.stop();
  }

  /** @param {string} words */
  #fail(words) {
    if (this.#decided) return;
    this.#decided = true;
    this.#camera.close();
    clearInterval(this.#ticking);
    const sentence = words.charAt(0).toUpperCase() + words.slice(1);
    the("failed-words", HTMLElement).textContent = /[.!?]$/.test(sentence) ? sentence : `${sentence}.`;
    this.#show("enrol-failed");
  }

  #lost() {
    if (this.#enrolled || !this.#opened) return;
    this.#fail("The connection to the server ended. This enrolment may be over; close this and begin again");
  }

  /** @param {Enrolled} enrolled */
  #finish(enrolled) {
    this.#enrolled = enrolled;
    this.#decided = true;
    clearInterval(this.#ticking);
    the("done-code", HTMLOutputElement).textContent = enrolled.withdrawal_code;
    the("done-consent", HTMLElement).textContent = enrolled.consent;
    this.#list("done-established", this.#verdict?.established ?? [], "check");
    this.#list("done-open", this.#verdict?.not_established ?? [], "alert");
    this.#show("enrol-done");
    this.#camera.confirm();
    this.dispatchEvent(new CustomEvent("enrolled", { detail: enrolled.avatar.id }));
  }

  /** @param {string} id @param {Finding[]} findings @param {string} mark */
  #list(id, findings, mark) {
    the(id, HTMLElement).replaceChildren(...findings.map(({ words }) => make("li", "", icon(mark), make("span", "", words))));
  }

  /** Code and record as a file, made here. */
  #save() {
    const enrolled = this.#enrolled;
    if (!enrolled) return;
    const text = `Visavis: consent ${enrolled.consent}\nServer: ${location.origin}\nWithdrawal code: ${enrolled.withdrawal_code}\nRecord:\n${enrolled.record}\n`;
    const link = make("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
    link.download = `consent-${enrolled.consent}.txt`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  /** @param {string} words */
  #faultAgreement(words) {
    this.#agreeError.textContent = words;
    this.#agreeError.hidden = !words;
  }
}
