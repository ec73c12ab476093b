// The access token of a server that asks for one: taken out of the page's address, or asked for. It
// is kept for this tab, until that is closed.

import { icon, make } from "./elements.js";
import { sentence } from "./sentence.js";

const KEY = "visavis.token";
let present = fromAddress() || fromTab();

/** What is sent with every request; empty: nothing. */
export function token() {
  return present;
}

/** Event: `change`, when there is another token. */
export const tokens = new EventTarget();

/** @type {Promise<boolean> | undefined} */
let asking;
let dismissedAt = 0;

/**
 * Asks for a token after one, or none, was refused; resolves with whether there is another one now.
 * Who does not want to say is asked again only for what is begun after that.
 * @param {string} refused the one that was sent
 * @param {number} sentAt when, by `performance.now()`
 * @param {string} why the server's words
 */
export async function renew(refused, sentAt, why) {
  if (refused !== present) return true;
  if (sentAt < dismissedAt) return false;
  asking ??= ask(refused ? why : "").finally(() => (asking = undefined));
  return asking;
}

/** @param {string} fault @returns {Promise<boolean>} */
function ask(fault) {
  const sheet = make("dialog", "sheet narrow");
  const form = make("form");
  const title = make("h2", "", "Access token");
  const close = make("button", "quiet close", icon("end"));
  const text = make("p", "sheet-text", "This server lets in only who has one. Whoever runs it makes them.");
  const input = make("input");
  const error = make("p", "field-error", sentence(fault));
  const cancel = make("button", "plain", "Cancel");
  const send = make("button", "primary", "Go in");
  const kept = make("p", "sheet-text soft", "It stays in this tab, and is forgotten when you close it.");

  sheet.id = "token";
  title.id = "token-title";
  sheet.setAttribute("aria-labelledby", title.id);
  close.setAttribute("aria-label", "Close");
  close.type = cancel.type = "button";
  send.type = "submit";
  Object.assign(input, { id: "token-value", type: "password", autocomplete: "off", spellcheck: false, placeholder: "eyJ…" });
  error.setAttribute("role", "alert");
  error.hidden = !fault;
  form.noValidate = true;
  form.append(make("header", "", title, close), text, make("label", "field", make("span", "", "Token"), input), error, kept, make("footer", "", cancel, send));
  sheet.append(form);
  document.body.append(sheet);

  return new Promise((resolve) => {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const entered = input.value.trim();
      if (isToken(entered)) {
        present = entered;
        store(entered);
        tokens.dispatchEvent(new Event("change"));
        sheet.close();
        return;
      }
      error.textContent = entered ? "This is no token: it has three parts with dots between them." : "Paste the token here first.";
      error.hidden = false;
      input.focus();
    });
    for (const button of [close, cancel]) button.addEventListener("click", () => sheet.close());
    const before = present;
    sheet.addEventListener("close", () => {
      sheet.remove();
      if (present === before) dismissedAt = performance.now();
      resolve(present !== before);
    });
    sheet.showModal();
    input.focus();
  });
}

/** @param {string} text */
function isToken(text) {
  return /^[\w-]+\.[\w-]+\.[\w-]+$/.test(text);
}

/** The token of the page's address, which is taken out of it. */
function fromAddress() {
  const parts = new URLSearchParams(location.hash.slice(1));
  const given = parts.get("token");
  if (given === null) return "";
  parts.delete("token");
  const rest = parts.toString();
  history.replaceState(history.state, "", location.pathname + location.search + (rest && `#${rest}`));
  if (!isToken(given)) return "";
  store(given);
  return given;
}

function fromTab() {
  try {
    return sessionStorage.getItem(KEY) ?? "";
  } catch {
    return "";
  }
}

/** @param {string} value */
function store(value) {
  try {
    sessionStorage.setItem(KEY, value);
  } catch {
    // Storage is forbidden: the token holds until the page is loaded again.
  }
}
