// Errors in words that say what happened and what to do.

import { NoConnection } from "./call.js";
import { NotSecure } from "./devices.js";
import { sentence } from "./sentence.js";
import { Refusal, Unreachable } from "./server.js";

/**
 * @typedef {object} Words
 * @property {string} title
 * @property {string} text
 * @property {number} [retryAfter] seconds after which the same may succeed
 */

/**
 * @param {unknown} error
 * @returns {Words}
 */
export function explain(error) {
  if (error instanceof NotSecure) {
    return {
      title: "This page needs HTTPS",
      text: `A browser gives camera and microphone only to secure pages and to localhost. Open this page at https://${location.host}, or ask whoever runs the server to set up a certificate. Without either, the avatar says what you write.`,
    };
  }
  if (error instanceof NoConnection) return NO_CONNECTION[error.why];
  if (error instanceof Unreachable) {
    return {
      title: "The server does not answer",
      text: navigator.onLine
        ? "It may have been stopped. Check that it runs, then try again."
        : "This device is offline. Connect to the network, then try again.",
    };
  }
  if (error instanceof Refusal) return refused(error);
  if (error instanceof DOMException) return noDevice(error.name);
  return { title: "Something went wrong", text: "Load the page again. If that does not help, the server’s log may say more." };
}

/** @type {Record<NoConnection["why"], Words>} */
const NO_CONNECTION = {
  "no-path": {
    title: "No way through to the server",
    text: "The page loads, but video cannot pass: a firewall or VPN blocks UDP between you and the server. Try another network, or ask for a TURN server to be set up.",
  },
  handshake: {
    title: "The secure connection failed",
    text: "The server was reached, but encryption could not be agreed on. Update your browser, then try again.",
  },
  "too-slow": {
    title: "The connection took too long",
    text: "The server took the call, but no video path opened in 15 seconds. A firewall may be in the way; try another network.",
  },
  lost: {
    title: "The connection was lost",
    text: "It could not be made again. Check your network, then start a new call.",
  },
  gone: {
    title: "The server has lost this call",
    text: "It could not be made again. Start a new one.",
  },
  unreachable: {
    title: "The server does not answer any more",
    text: "It may have been stopped. Check that it runs, and your network, then start a new call.",
  },
  busy: {
    title: "The server has no place for this call any more",
    text: "It was interrupted, and others have taken the places since. Start a new one later.",
  },
};

/** @type {Record<import("./call.js").Trouble, string>} */
const TROUBLES = {
  lost: "The connection was interrupted.",
  gone: "The server has lost this call, perhaps as it was started again. You are being called back.",
  unreachable: "The server does not answer; it may be starting again. The call goes on once it does.",
  busy: "The server is not ready for the call yet. It is asked again every few seconds.",
};

/**
 * What is said while a call is made again.
 * @param {import("./call.js").Trouble} trouble
 */
export function whileReconnecting(trouble) {
  return TROUBLES[trouble];
}

/**
 * Whether a call without a camera would have none of this.
 * @param {unknown} error
 */
export function isOfCamera(error) {
  return error instanceof NotSecure || error instanceof DOMException;
}

/**
 * @param {Refusal} error
 * @returns {Words}
 */
function refused(error) {
  const detail = sentence(error.message);
  switch (error.status) {
    case 503: {
      const retryAfter = error.retryAfter || 5;
      return error.kind === "full"
        ? { title: "All places are taken", text: "This server can hold no more calls just now.", retryAfter }
        : { title: "The server is not ready", text: detail || "It is still starting.", retryAfter };
    }
    case 429:
      return { title: "Too many tries", text: "The server asks for a short pause.", retryAfter: error.retryAfter || 10 };
    case 401:
      return { title: "The server asks for a token", text: "Try again with an access token; whoever runs the server makes one." };
    case 403:
      return { title: "The server does not allow this", text: detail || "Ask whoever runs it for access." };
    case 404:
    case 410:
      return { title: "That avatar is gone", text: "It was removed meanwhile. Choose another one." };
    case 413:
      return { title: "The picture is too large", text: detail || "Choose a smaller file." };
    default:
      return { title: "The server refused", text: detail || `It answered ${error.status} and gave no reason. Try again.` };
  }
}

/**
 * @param {string} name of a `DOMException` of getUserMedia
 * @returns {Words}
 */
function noDevice(name) {
  switch (name) {
    case "NotAllowedError":
    case "SecurityError":
      return {
        title: "The camera is blocked",
        text: "Allow it for this page: open the site settings at the left of the address bar, set Camera to Allow, then try again. Or go without: the avatar moves by your voice, and says what you write.",
      };
    case "NotFoundError":
    case "OverconstrainedError":
      return { title: "No camera was found", text: "Plug one in or switch it on, then try again; or go without, and the avatar moves by your voice." };
    case "NotReadableError":
    case "AbortError":
      return { title: "The camera is busy", text: "Another program seems to be using it. Close that program, then try again." };
    default:
      return { title: "The camera did not start", text: "Unplug it and plug it in again, or choose another one, then try again." };
  }
}

/**
 * Why a portrait was not taken.
 * @param {unknown} error
 */
export function explainUpload(error) {
  if (!(error instanceof Refusal)) return joined(explain(error));
  const words = sentence(error.message);
  if (error.status === 413) return words || "The file is too large. Save it smaller, for instance 2000 pixels wide.";
  if (error.status === 415) return words || "That is not a picture that can be read. Choose a JPEG, PNG or WebP file.";
  return words || joined(refused(error));
}

/**
 * Why the avatar does not say a text.
 * @param {unknown} error
 */
export function explainSaying(error) {
  if (!(error instanceof Refusal)) return joined(explain(error));
  if (error.status === 404 || error.status === 410) return "This call is over; begin a new one.";
  return sentence(error.message) || joined(refused(error));
}

/** @param {Words} words */
function joined({ title, text }) {
  return `${title}. ${text}`;
}
