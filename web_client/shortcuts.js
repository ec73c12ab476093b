// Single keys that do what the buttons do, and the sheet that lists them. They can be switched off:
// people who speak to their computer set them off by accident.

import { make, the } from "./elements.js";
import { recall, remember } from "./memory.js";

/**
 * @typedef {object} Shortcut
 * @property {string} key as `KeyboardEvent.key`, in lower case
 * @property {string} [name] what is written on the key, where it is not that
 * @property {boolean} [shift]
 * @property {string} words
 * @property {() => void} act
 */

/** @param {Shortcut[]} shortcuts */
export function setUpShortcuts(shortcuts) {
  const sheet = the("keys", HTMLDialogElement);
  const on = the("keys-on", HTMLInputElement);
  const open = () => sheet.showModal();
  /** @type {Shortcut[]} */
  const all = [...shortcuts, { key: "?", words: "This list", act: open }];
  the("keys-list", HTMLElement).replaceChildren(
    ...all.map(({ key, name = key.toUpperCase(), shift = false, words }) =>
      make("div", "", make("dt", "", words), make("dd", "", make("kbd", "", shift ? `Shift ${name}` : name))),
    ),
  );
  on.checked = recall("keys", "on") === "on";
  on.addEventListener("change", () => remember("keys", on.checked ? "on" : "off"));
  the("help", HTMLButtonElement).addEventListener("click", open);
  the("keys-close", HTMLButtonElement).addEventListener("click", () => sheet.close());
  sheet.addEventListener("click", (event) => {
    if (event.target === sheet) sheet.close();
  });

  document.addEventListener("keydown", (event) => {
    if (!on.checked || event.ctrlKey || event.metaKey || event.altKey || event.repeat || takesText(event.target)) return;
    if (document.querySelector("dialog[open]")) return;
    const key = event.key.toLowerCase();
    const found = all.find((one) => one.key === key && (key === "?" || Boolean(one.shift) === event.shiftKey));
    if (!found) return;
    event.preventDefault();
    found.act();
  });
}

/** @param {EventTarget | null} target */
function takesText(target) {
  return target instanceof HTMLElement && target.matches("textarea, select, input:not([type=radio], [type=checkbox])");
}
