// The sheet that adds an avatar: a portrait and a statement of whose face it is go to the server.

import { the } from "./elements.js";
import { ask } from "./server.js";
import { explainUpload } from "./words.js";

/** What the sentence usually is; it can be changed before it is sent. */
const SENTENCES = {
  own: "I am the person in this picture.",
  consented: "",
  synthetic: "",
  public_domain: "",
};
const HINTS = {
  own: "For instance: I am the person in this picture",
  consented: "Who agreed, to what, and when",
  synthetic: "How the picture was made",
  public_domain: "Which work it is, by whom, and from when",
};
const LARGEST_FILE = 20 * 2 ** 20;

/** Event: `added` (its id). */
export class Upload extends EventTarget {
  #sheet = the("upload", HTMLDialogElement);
  #form = the("upload-form", HTMLFormElement);
  #drop = the("drop", HTMLElement);
  #file = the("upload-file", HTMLInputElement);
  #preview = the("upload-preview", HTMLCanvasElement);
  #name = the("upload-name", HTMLInputElement);
  #statement = the("upload-statement", HTMLTextAreaElement);
  #error = the("upload-error", HTMLElement);
  #send = the("upload-send", HTMLButtonElement);

  constructor() {
    super();
    for (const id of ["upload-close", "upload-cancel"]) the(id, HTMLButtonElement).addEventListener("click", () => this.#sheet.close());
    this.#sheet.addEventListener("click", (event) => {
      if (event.target === this.#sheet) this.#sheet.close();
    });
    this.#file.addEventListener("change", () => void this.#showFile());
    this.#form.addEventListener("change", () => this.#suggest());
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#submit();
    });
    this.#acceptDrops();
  }

  open() {
    this.#form.reset();
    this.#fault("");
    void this.#showFile();
    this.#sheet.showModal();
  }

  /** A picture may be dropped anywhere on the page. */
  #acceptDrops() {
    document.addEventListener("dragover", (event) => {
      event.preventDefault();
      if (!event.dataTransfer?.types.includes("Files")) return;
      if (!this.#sheet.open) this.open();
      this.#drop.classList.add("over");
    });
    document.addEventListener("dragleave", (event) => {
      if (!event.relatedTarget) this.#drop.classList.remove("over");
    });
    document.addEventListener("drop", (event) => {
      event.preventDefault();
      this.#drop.classList.remove("over");
      if (!event.dataTransfer?.files.length) return;
      this.#file.files = event.dataTransfer.files;
      void this.#showFile();
    });
  }

  async #showFile() {
    const file = this.#file.files?.[0];
    const title = the("drop-title", HTMLElement);
    const text = the("drop-text", HTMLElement);
    this.#preview.hidden = true;
    title.textContent = file ? file.name : "Drop a portrait here";
    text.textContent = file
      ? "Drop or choose another one to change it."
      : "or choose a file. One face, from the front, mouth closed, evenly lit. JPEG, PNG or WebP.";
    if (!file) return;
    this.#fault("");
    if (!this.#name.value) this.#name.value = file.name.replace(/\.\w+$/, "").slice(0, 40);
    try {
      const picture = await createImageBitmap(file);
      if (file !== this.#file.files?.[0]) return;
      const side = Math.min(picture.width, picture.height);
      const { width, height } = this.#preview;
      this.#preview
        .getContext("2d")
        ?.drawImage(picture, (picture.width - side) / 2, (picture.height - side) / 3, side, side, 0, 0, width, height);
      picture.close();
      this.#preview.hidden = false;
    } catch {
      this.#fault("This file is not a picture that can be read. Choose a JPEG, PNG or WebP file.");
    }
  }

  #suggest() {
    const whose = this.#whose();
    if (!whose) return;
    this.#statement.placeholder = HINTS[whose];
    const untouched = Object.values(SENTENCES).includes(this.#statement.value);
    if (untouched) this.#statement.value = SENTENCES[whose];
  }

  /** @returns {keyof typeof SENTENCES | undefined} */
  #whose() {
    const value = new FormData(this.#form).get("statement");
    return typeof value === "string" && value in SENTENCES ? /** @type {keyof typeof SENTENCES} */ (value) : undefined;
  }

  #missing() {
    const file = this.#file.files?.[0];
    if (!file) return "Choose a portrait first.";
    if (file.size > LARGEST_FILE) return "The file is larger than 20 MB. Save it smaller, for instance 2000 pixels wide.";
    if (!this.#whose()) return "Say whose face it is: choose one of the four.";
    if (!this.#statement.value.trim()) return "Say in a sentence what that rests on. It is kept with the avatar.";
    return "";
  }

  async #submit() {
    const missing = this.#missing();
    this.#fault(missing);
    if (missing) return;
    const words = this.#send.textContent;
    this.#send.disabled = true;
    this.#send.textContent = "Looking for the face…";
    try {
      const response = await ask("/avatars", { method: "POST", body: new FormData(this.#form) });
      const { id } = await response.json();
      this.#sheet.close();
      this.dispatchEvent(new CustomEvent("added", { detail: id }));
    } catch (error) {
      this.#fault(explainUpload(error));
    }
    this.#send.disabled = false;
    this.#send.textContent = words;
  }

  /** @param {string} words */
  #fault(words) {
    this.#error.textContent = words;
    this.#error.hidden = !words;
    if (words) this.#send.scrollIntoView({ block: "end" });
  }
}
