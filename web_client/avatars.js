// The gallery: avatars of the server in, the one that is chosen out.

import { icon, make, the } from "./elements.js";
import { Leave } from "./leave.js";
import { recall, remember } from "./memory.js";
import { showPictureLater } from "./pictures.js";
import { ask } from "./server.js";
import { Upload } from "./upload.js";
import { explain } from "./words.js";

/**
 * @typedef {object} Avatar
 * @property {string} id
 * @property {string} name
 * @property {string} description
 * @property {string} portrait address of its picture
 * @property {boolean} built_in
 * @property {string} basis how the consent was given
 * @property {string[]} purposes
 * @property {string[]} modes by what it may be moved
 * @property {string | null} not_after
 * @property {string} consent its id
 */

const BASES = /** @type {Record<string, string>} */ ({
  live_enrolment: "The person consented before the camera",
  signed_paper: "The person consented on paper",
  synthetic: "Nobody’s face: synthetic",
  public_domain: "A work in the public domain",
});
const PURPOSES = /** @type {Record<string, string>} */ ({ call: "calls", render: "videos", recording: "recordings", training: "training" });

/** Events: `choose` (an `Avatar`), by a person or because it is the first; `fault` when there are none. */
export class Gallery extends EventTarget {
  #box = the("gallery", HTMLElement);
  #about = the("about", HTMLElement);
  #upload = new Upload();
  #leave = new Leave();
  /** @type {Avatar[]} */
  #avatars = [];
  /** @type {Avatar | undefined} */
  chosen;

  constructor() {
    super();
    this.#upload.addEventListener("added", (event) => {
      if (event instanceof CustomEvent) void this.load(event.detail);
    });
    this.#leave.addEventListener("left", () => void this.load(""));
    the("remove", HTMLButtonElement).addEventListener("click", () => this.chosen && this.#leave.remove(this.chosen));
    the("withdraw", HTMLButtonElement).addEventListener("click", () => this.chosen && this.#leave.withdraw(this.chosen));
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
    this.#showUses(avatar);
  }

  /** @param {Avatar | undefined} avatar of which it is said what it rests on and what it may be used for */
  #showUses(avatar) {
    const uses = the("uses", HTMLElement);
    uses.hidden = !avatar;
    the("uses-deeds", HTMLElement).hidden = !avatar || avatar.built_in;
    the("withdraw", HTMLButtonElement).hidden = avatar?.basis !== "live_enrolment";
    if (!avatar) return;
    const purposes = avatar.purposes.map((purpose) => PURPOSES[purpose] ?? purpose);
    const until = avatar.not_after ? ` until ${new Date(avatar.not_after).toLocaleDateString()}` : "";
    uses.replaceChildren(icon("seal"), make("span", "", `${BASES[avatar.basis] ?? avatar.basis}. May be used in ${list(purposes)}${until}.`));
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
    Object.assign(picture, { alt: "", draggable: false });
    showPictureLater(picture, avatar.portrait);
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

/** @param {string[]} words */
function list(words) {
  return new Intl.ListFormat("en", { type: "conjunction" }).format(words);
}
