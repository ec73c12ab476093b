// The sheet that adds an avatar: whose face it is decides what is asked for. One's own face goes
// before the camera (enrol.js), another person's comes with the record of their consent, and nobody's
// with a sentence that says what it is.

import { Drop } from "./drop.js";
import { the } from "./elements.js";
import { Enrolment } from "./enrol.js";
import { ask } from "./server.js";
import { explainUpload } from "./words.js";

/** @typedef {"mine" | "granted" | "nobody"} Whose */

const HOW = {
  mine: "You consent yourself: the camera asks you to do a few things, and the server signs a record of it. You can take it back at any time.",
  granted: "Whoever runs this server grants records for people who have agreed on paper, with “visavis consent grant”. The record fits one portrait only.",
  nobody: "For whoever runs this server: where access tokens are asked for, this takes one with the scope “admin”. Not for real persons, however famous.",
};
const HINTS = {
  synthetic: "How the picture was made",
  public_domain: "Which work it is, by whom, and from when",
};
const LARGEST_RECORD = 2 ** 15;

/** Event: `added` (its id). */
export class Upload extends EventTarget {
  #sheet = the("upload", HTMLDialogElement);
  #form = the("upload-form", HTMLFormElement);
  #drop = new Drop();
  #name = the("upload-name", HTMLInputElement);
  #record = the("upload-record", HTMLInputElement);
  #ownPicture = the("enrol-own-picture", HTMLInputElement);
  #statement = the("upload-statement", HTMLTextAreaElement);
  #error = the("upload-error", HTMLElement);
  #send = the("upload-send", HTMLButtonElement);
  #enrolment = new Enrolment();

  constructor() {
    super();
    for (const id of ["upload-close", "upload-cancel"]) the(id, HTMLButtonElement).addEventListener("click", () => this.#sheet.close());
    this.#sheet.addEventListener("click", (event) => {
      if (event.target === this.#sheet && !this.#enrolment.isUnderWay) this.#sheet.close();
    });
    this.#sheet.addEventListener("cancel", (event) => {
      if (this.#enrolment.holdsCode) event.preventDefault();
    });
    this.#sheet.addEventListener("close", () => this.#enrolment.end());
    this.#form.addEventListener("change", () => this.#show());
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#submit();
    });
    this.#drop.addEventListener("change", () => this.#suggestName());
    this.#drop.addEventListener("fault", (event) => event instanceof CustomEvent && this.#fault(event.detail));
    this.#drop.addEventListener("dropped", () => {
      if (!this.#sheet.open) this.open();
      if (!this.#enrolment.isUnderWay && this.#whose() === "mine") this.#ownPicture.checked = true;
      this.#show();
    });
    this.#enrolment.addEventListener("back", () => this.#showForm());
    this.#enrolment.addEventListener("enrolled", (event) => event instanceof CustomEvent && this.#added(event.detail));
    this.#enrolment.addEventListener("close", () => this.#sheet.close());
  }

  open() {
    this.#form.reset();
    this.#fault("");
    void this.#drop.show();
    this.#showForm();
    this.#sheet.showModal();
  }

  #showForm() {
    the("upload-title", HTMLElement).textContent = "Add a face";
    this.#form.hidden = false;
    this.#show();
  }

  /** @returns {Whose} */
  #whose() {
    const value = new FormData(this.#form).get("whose");
    return value === "granted" || value === "nobody" ? value : "mine";
  }

  /** @returns {keyof typeof HINTS | undefined} */
  #basis() {
    const value = new FormData(this.#form).get("basis");
    return value === "synthetic" || value === "public_domain" ? value : undefined;
  }

  #show() {
    const whose = this.#whose();
    this.#form.dataset.whose = whose;
    the("upload-how", HTMLElement).textContent = HOW[whose];
    this.#drop.hidden = whose === "mine" && !this.#ownPicture.checked;
    this.#send.textContent = whose === "mine" ? "Go on" : "Add this face";
    const basis = this.#basis();
    if (basis) this.#statement.placeholder = HINTS[basis];
  }

  #suggestName() {
    const file = this.#drop.file;
    if (!file) return;
    this.#fault("");
    if (!this.#name.value) this.#name.value = file.name.replace(/\.\w+$/, "").slice(0, 40);
  }

  #missing() {
    const whose = this.#whose();
    if (whose === "mine") {
      if (!this.#purposes()) return "Choose at least one thing that it may be used for.";
      return this.#ownPicture.checked ? this.#drop.missing : "";
    }
    if (this.#drop.missing) return this.#drop.missing;
    if (whose === "granted") {
      const record = this.#record.files?.[0];
      if (!record) return "Choose the file with the record of consent.";
      return record.size > LARGEST_RECORD ? "This file is too large for a record of consent." : "";
    }
    if (!this.#basis()) return "Say what it is: choose one of the two.";
    return this.#statement.value.trim() ? "" : "Say in a sentence where it comes from. It is kept with the avatar.";
  }

  #purposes() {
    return new FormData(this.#form).getAll("purpose").join(" ");
  }

  async #submit() {
    const missing = this.#missing();
    this.#fault(missing);
    if (missing) return;
    const words = this.#send.textContent;
    this.#send.disabled = true;
    this.#send.textContent = this.#drop.file ? "Looking for the face…" : "One moment…";
    try {
      if (this.#whose() === "mine") await this.#enrol();
      else this.#added(await this.#add(await this.#document()), true);
    } catch (error) {
      this.#fault(explainUpload(error));
    }
    this.#send.disabled = false;
    this.#send.textContent = words;
  }

  async #enrol() {
    const form = new FormData();
    form.set("name", this.#name.value);
    form.set("purposes", this.#purposes());
    form.set("days", the("enrol-days", HTMLSelectElement).value);
    form.set("language", the("enrol-language", HTMLSelectElement).value);
    if (this.#ownPicture.checked && this.#drop.file) form.set("image", this.#drop.file);
    await this.#enrolment.begin(form);
    this.#form.hidden = true;
  }

  /** The record of consent: from its file, or granted for what is nobody's. */
  async #document() {
    if (this.#whose() === "granted") return (await this.#record.files?.[0]?.text())?.trim() ?? "";
    const form = new FormData();
    if (this.#drop.file) form.set("image", this.#drop.file);
    form.set("basis", this.#basis() ?? "");
    form.set("statement", this.#statement.value);
    const response = await ask("/consents", { method: "POST", body: form });
    return (await response.json()).record;
  }

  /**
   * @param {string} consent a signed record
   * @returns {Promise<string>} the avatar's id
   */
  async #add(consent) {
    const form = new FormData();
    if (this.#drop.file) form.set("image", this.#drop.file);
    form.set("consent", consent);
    form.set("name", this.#name.value);
    const response = await ask("/avatars", { method: "POST", body: form });
    return (await response.json()).id;
  }

  /** @param {string} id @param {boolean} [close] */
  #added(id, close = false) {
    if (close) this.#sheet.close();
    this.dispatchEvent(new CustomEvent("added", { detail: id }));
  }

  /** @param {string} words */
  #fault(words) {
    this.#error.textContent = words;
    this.#error.hidden = !words;
    if (words) this.#send.scrollIntoView({ block: "end" });
  }
}
