// The sheet with a call's proof: what the server has signed about it, in plain words, and whether
// the signature holds. It is checked anew each time the sheet is opened.

import { make, setIcon, the } from "./elements.js";
import { check } from "./proof.js";
import { ask } from "./server.js";

/** @typedef {import("./proof.js").Checked} Checked */
/** @typedef {import("./proof.js").Statement} Statement */

const KEYS = "/.well-known/jwks.json";
const ICONS = { signed: "seal", broken: "alert", unchecked: "alert" };
const TITLES = {
  signed: "Signed by this server, and unchanged",
  broken: "Broken: do not believe what it says",
  unchecked: "Not checked",
};

export class ProofPanel {
  #sheet = the("proof", HTMLDialogElement);
  #button = the("proof-open", HTMLButtonElement);
  #state = the("proof-state", HTMLElement);
  #facts = the("proof-facts", HTMLElement);
  #text = "";

  /** @param {EventTarget} conversation with the event `statement`: a signed text, or none */
  constructor(conversation) {
    conversation.addEventListener("statement", (event) => {
      if (event instanceof CustomEvent) this.#take(String(event.detail));
    });
    this.#button.addEventListener("click", () => void this.open());
    the("proof-close", HTMLButtonElement).addEventListener("click", () => this.#sheet.close());
    this.#sheet.addEventListener("click", (event) => {
      if (event.target === this.#sheet) this.#sheet.close();
    });
  }

  async open() {
    if (!this.#text || this.#sheet.open) return;
    this.#say("unchecked", "Checking the signature…", "");
    this.#facts.replaceChildren();
    the("proof-text", HTMLElement).textContent = this.#text;
    this.#sheet.showModal();
    await this.#check();
  }

  /** @param {string} text */
  #take(text) {
    this.#text = text;
    this.#button.hidden = !text;
    if (!text) this.#sheet.close();
    else if (this.#sheet.open) void this.#check();
  }

  async #check() {
    const text = this.#text;
    the("proof-text", HTMLElement).textContent = text;
    const keys = await serverKeys();
    if (!keys) {
      this.#say("unchecked", TITLES.unchecked, "The server’s public keys could not be fetched. Close this and try again.");
      return;
    }
    const checked = await check(text, keys);
    if (text !== this.#text) return;
    const claims = checked.state === "broken" && checked.statement ? " What it claims stands below, for the record." : "";
    this.#say(checked.state, TITLES[checked.state], checked.reason + claims || "This browser has checked the signature itself.");
    this.#facts.replaceChildren(...(checked.statement ? facts(checked.statement, checked) : []));
  }

  /**
   * @param {Checked["state"]} state
   * @param {string} title
   * @param {string} words
   */
  #say(state, title, words) {
    this.#state.dataset.state = state;
    setIcon(this.#state, ICONS[state]);
    the("proof-title-words", HTMLElement).textContent = title;
    the("proof-words", HTMLElement).textContent = words;
  }
}

/** @returns {Promise<import("./proof.js").PublicKey[] | undefined>} */
async function serverKeys() {
  try {
    const { keys } = await (await ask(KEYS)).json();
    return Array.isArray(keys) ? keys.filter((one) => one && typeof one === "object") : undefined;
  } catch {
    return undefined;
  }
}

/**
 * @param {Statement} statement
 * @param {Checked} checked
 */
function facts(statement, { key }) {
  const { label, mark, operator } = statement;
  return [
    fact("You see", "an avatar, drawn by a program: no camera’s picture of a person"),
    fact("Avatar", statement.avatar),
    fact("Run by", operator || "an operator who has not said who they are"),
    fact("Since", moment(statement.started_at)),
    fact("Signed", moment(statement.issued_at)),
    fact("On the picture", label === null ? "nothing: the operator has switched the label off" : `“${label}”`),
    fact("In the picture", `an invisible mark that names this call (${mark.algorithm}, key `, code(mark.key), ")"),
    fact("This call", code(statement.session)),
    fact("Consent", code(statement.consent)),
    fact("Portrait", code(statement.portrait)),
    fact("Signing key", code(key)),
  ];
}

/**
 * @param {string} name
 * @param {...(Node | string)} words
 */
function fact(name, ...words) {
  return make("div", "", make("dt", "", name), make("dd", "", ...words));
}

/** @param {string} text */
function code(text) {
  return make("code", "", text);
}

/** @param {string} text ISO 8601 */
function moment(text) {
  const at = new Date(text);
  return Number.isNaN(at.getTime()) ? text : at.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "long" });
}
