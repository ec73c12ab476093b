// Light, dark, or as the system has it.

import { the } from "./elements.js";
import { recall, remember } from "./memory.js";

const NAMES = { system: "System", light: "Light", dark: "Dark" };
/** @typedef {keyof typeof NAMES} Theme */
const ORDER = /** @type {Theme[]} */ (Object.keys(NAMES));

/** Sets up the button; returns what it does. */
export function setUpTheme() {
  const button = the("theme", HTMLButtonElement);
  let theme = ORDER.find((name) => name === recall("theme")) ?? "system";
  const show = () => {
    document.documentElement.dataset.theme = theme;
    the("theme-name", HTMLElement).textContent = NAMES[theme];
    button.setAttribute("aria-label", `Colours: ${NAMES[theme]}`);
  };
  const next = () => {
    theme = ORDER[(ORDER.indexOf(theme) + 1) % ORDER.length] ?? "system";
    remember("theme", theme);
    show();
  };
  button.addEventListener("click", next);
  show();
  return next;
}
