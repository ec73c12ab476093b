// The voices that the server has, and in which of them and in what language the avatar speaks.

import { the } from "./elements.js";
import { recall, remember } from "./memory.js";
import { ask } from "./server.js";
import { tokens } from "./token.js";

/** @typedef {{name: string, available: boolean, languages: string[]}} Voice */

const NAMES = new Map([
  ["espeak", "eSpeak"],
  ["openai", "Service"],
]);

export class Voices {
  #voice = the("voice", HTMLSelectElement);
  #language = the("language", HTMLSelectElement);
  #languageBox = the("language-box", HTMLElement);
  /** @type {Voice[]} */
  #all = [];

  constructor() {
    tokens.addEventListener("change", () => void this.load());
    this.#voice.addEventListener("change", () => {
      remember("voice", this.#voice.value);
      this.#listLanguages();
    });
    this.#language.addEventListener("change", () => remember(`language.${this.#voice.value}`, this.#language.value));
  }

  /** What is chosen, as a `say` has it; nothing where the server has not told of its voices. */
  get chosen() {
    const { value: voice } = this.#voice;
    const { value: language } = this.#language;
    return { ...(voice ? { voice } : {}), ...(voice && language ? { language } : {}) };
  }

  /** Fetches the list; without it the server's own choice speaks. */
  async load() {
    try {
      const { voices, default: usual } = await (await ask("/voices")).json();
      this.#all = voices.filter((/** @type {Voice} */ voice) => voice.available);
      this.#voice.replaceChildren(...this.#all.map(({ name }) => new Option(NAMES.get(name) ?? capitalised(name), name)));
      this.#voice.value = [recall("voice"), usual].find((name) => this.#find(name)) ?? this.#all[0]?.name ?? "";
    } catch {
      this.#all = [];
    }
    this.#listLanguages();
  }

  /** @param {string} name */
  #find(name) {
    return this.#all.find((voice) => voice.name === name);
  }

  #listLanguages() {
    const voice = this.#find(this.#voice.value);
    const languages = voice?.languages ?? [];
    const named = languages.map((tag) => ({ tag, name: nameOf(tag) })).sort((a, b) => a.name.localeCompare(b.name));
    this.#language.replaceChildren(...named.map(({ tag, name }) => new Option(name, tag)));
    const wishes = [recall(`language.${voice?.name}`), ...navigator.languages.flatMap((tag) => [tag, tag.split("-")[0]])];
    this.#language.value = wishes.find((tag) => tag && languages.includes(tag)) ?? languages[0] ?? "";
    the("voice-box", HTMLElement).hidden = !this.#all.length;
    this.#languageBox.hidden = languages.length < 2;
  }
}

/**
 * A language's name in the page's language.
 * @param {string} tag BCP 47
 */
function nameOf(tag) {
  try {
    return new Intl.DisplayNames("en", { type: "language" }).of(tag) ?? tag;
  } catch {
    return tag;
  }
}

/** @param {string} name */
function capitalised(name) {
  return name.charAt(0).toUpperCase() + name.slice(1);
}
