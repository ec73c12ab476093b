// A place where a picture is dropped or chosen: a file in, its preview and the file out.

import { the } from "./elements.js";

const LARGEST_FILE = 20 * 2 ** 20;
const INVITATION = "or choose a file. One face, from the front, mouth closed, evenly lit. JPEG, PNG or WebP.";

/** Events: `change`; `fault` (words) when the file is no picture; `dropped` when one was dropped anywhere on the page. */
export class Drop extends EventTarget {
  #box = the("drop", HTMLElement);
  #input = the("upload-file", HTMLInputElement);
  #preview = the("upload-preview", HTMLCanvasElement);

  constructor() {
    super();
    this.#input.addEventListener("change", () => void this.show());
    this.#acceptDrops();
  }

  get file() {
    return this.#input.files?.[0];
  }

  set hidden(/** @type {boolean} */ hidden) {
    this.#box.hidden = hidden;
  }

  /** What is wrong with the file that is chosen; empty: nothing. */
  get missing() {
    if (!this.file) return "Choose a portrait first.";
    return this.file.size > LARGEST_FILE ? "The file is larger than 20 MB. Save it smaller, for instance 2000 pixels wide." : "";
  }

  /** A picture may be dropped anywhere on the page. */
  #acceptDrops() {
    document.addEventListener("dragover", (event) => {
      event.preventDefault();
      if (!event.dataTransfer?.types.includes("Files")) return;
      this.dispatchEvent(new Event("dropped"));
      this.#box.classList.add("over");
    });
    document.addEventListener("dragleave", (event) => {
      if (!event.relatedTarget) this.#box.classList.remove("over");
    });
    document.addEventListener("drop", (event) => {
      event.preventDefault();
      this.#box.classList.remove("over");
      if (!event.dataTransfer?.files.length) return;
      this.#input.files = event.dataTransfer.files;
      void this.show();
    });
  }

  /** Shows the file that is chosen. */
  async show() {
    const file = this.file;
    this.#preview.hidden = true;
    the("drop-title", HTMLElement).textContent = file ? file.name : "Drop a portrait here";
    the("drop-text", HTMLElement).textContent = file ? "Drop or choose another one to change it." : INVITATION;
    this.dispatchEvent(new Event("change"));
    if (!file) return;
    try {
      const picture = await createImageBitmap(file);
      if (file !== this.file) return;
      const side = Math.min(picture.width, picture.height);
      const { width, height } = this.#preview;
      this.#preview
        .getContext("2d")
        ?.drawImage(picture, (picture.width - side) / 2, (picture.height - side) / 3, side, side, 0, 0, width, height);
      picture.close();
      this.#preview.hidden = false;
    } catch {
      const words = "This file is not a picture that can be read. Choose a JPEG, PNG or WebP file.";
      this.dispatchEvent(new CustomEvent("fault", { detail: words }));
    }
  }
}
