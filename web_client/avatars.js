// The gallery: avatars of the server in, the one that is chosen out; and the sheet that adds one.

import { icon, make, the } from "./elements.js";
import { recall, remember } from "./memory.js";
import { ask } from "./server.js";
import { explain, explainUpload } from "./words.js";

/**
 * @typedef {object} Avatar
 * @property {string} id
 * @property {string} name
 * @property {string} description
 * @property {string} portrait address of its picture
 */

/** Events: `choose` (an `Avatar`), by a person or because it is the first; `fault` when there are none. */
export class Gallery extends EventTarget {
  #box = the("gallery", HTMLElement);
  #about = the("about", HTMLElement);
  #upload = new Upload();
  /** @type {Avatar[]} */
  #avatars = [];
  /** @type {Avatar | undefined} */
  chosen;

  constructor() {
    super();
    this.#upload.addEventListener("added", (event) => {
      if (event instanceof CustomEvent) void this.load(event.detail);
    });
  }

  /**
   * Fetches the list; chooses `id`, or the one of the last visit, or the first.
   * @param {string} [id]
   */
  async load(id = recall("avatar")) {
    this.#box.setAttribute("aria-busy", "true");
    try {
      const response = await ask("/avatars");
      this.#avatars = (await response.json()).avatars;
      this.#show();
      const first = this.#avatars.find((avatar) => avatar.id === id) ?? this.#avatars[0];
      if (first) this.#choose(first);
    } catch (error) {
      this.#showFault(error);
    }
    this.#box.setAttribute("aria-busy", "false");
  }

  /** @param {Avatar | undefined} avatar which is chosen after all, without an event */
  goBackTo(avatar) {
    this.chosen = avatar;
    for (const input of this.#box.querySelectorAll("input")) input.checked = input.value === avatar?.id;
    this.#about.textContent = avatar?.description ?? "";
  }

  /** Opens the sheet that adds an avatar. */
  add() {
    this.#upload.open();
  }

  /** @param {Avatar} avatar */
  #choose(avatar) {
    this.goBackTo(avatar);
    remember("avatar", avatar.id);
    this.dispatchEvent(new CustomEvent("choose", { detail: avatar }));
  }

  #show() {
    this.#box.replaceChildren(...this.#avatars.map((avatar) => this.#tile(avatar)), this.#addTile());
  }

  /** @param {Avatar} avatar */
  #tile(avatar) {
    const input = make("input");
    Object.assign(input, { type: "radio", name: "avatar", value: avatar.id });
    input.addEventListener("change", () => this.#choose(avatar));
    const picture = make("img");
    Object.assign(picture, { src: avatar.portrait, alt: "", loading: "lazy", draggable: false });
    return make("label", "tile", input, make("span", "pic", picture), make("span", "name", avatar.name));
  }

  #addTile() {
    const button = make("button", "tile add", make("span", "pic", icon("plus")), make("span", "name", "Add a face"));
    button.type = "button";
    button.addEventListener("click", () => this.add());
    return button;
  }

  /** @param {unknown} error */
  #showFault(error) {
    const { title, text } = explain(error);
    const again = make("button", "plain", "Try again");
    again.type = "button";
    again.addEventListener("click", () => void this.load());
    const fault = make("div", "gallery-fault", make("p", "", make("b", "", `${title}. `), text), again);
    fault.setAttribute("role", "alert");
    this.#box.replaceChildren(fault);
    this.dispatchEvent(new Event("fault"));
  }
}

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

/** The sheet that adds an avatar. Event: `added` (its id). */
class Upload extends EventTarget {
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
