// A signed statement about a call in, whether it is as it was signed out: a JSON Web Signature
// (RFC 7515) with Ed25519 (RFC 8037), checked here and not by the server that sent it.

const TYPE = "visavis-statement";
const LONGEST = 16_384;

/**
 * @typedef {object} Statement
 * @property {string} session public id of the call, which the mark in its pictures holds, too
 * @property {string} avatar
 * @property {string} portrait hash of the portrait's pixels
 * @property {string} consent id of the consent record
 * @property {string} started_at
 * @property {string} issued_at
 * @property {{key: string, payload: string, algorithm: string}} mark
 * @property {string} operator
 * @property {string | null} label what is written on the picture; null: nothing
 */

/**
 * @typedef {object} Checked
 * @property {"signed" | "broken" | "unchecked"} state
 * @property {string} reason in a sentence, where it is not signed
 * @property {string} key the signing key's fingerprint (RFC 7638)
 * @property {Statement | undefined} statement what it says; nothing of it is sure unless signed
 */

/** A server's public key.
 * @typedef {{kid?: unknown, kty?: unknown, crv?: unknown, x?: unknown}} PublicKey
 */

/**
 * @param {string} text the statement as it came
 * @param {readonly PublicKey[]} keys of the server
 * @returns {Promise<Checked>}
 */
export async function check(text, keys) {
  const parts = text.length > LONGEST ? [] : text.split(".");
  const [head = "", body = "", signature = ""] = parts;
  const header = object(head);
  const statement = shaped(object(body));
  const key = typeof header?.kid === "string" ? header.kid : "";
  const outcome = (/** @type {Checked["state"]} */ state, reason = "") => ({ state, reason, key, statement });
  if (parts.length !== 3 || !statement) return outcome("broken", "This is no statement that can be read; a part of it is missing.");
  if (header?.typ !== TYPE || header.alg !== "EdDSA") return outcome("broken", "This is a document of another kind.");
  const found = keys.find((one) => one.kid === key && one.kty === "OKP" && one.crv === "Ed25519");
  if (typeof found?.x !== "string") return outcome("broken", "It was signed with a key that this server does not call its own.");
  const bytes = bytesOf(signature);
  if (!bytes) return outcome("broken", "Its signature cannot be read.");
  // The browser gives `subtle` to secure pages only, and not every one knows this signature.
  if (!globalThis.crypto?.subtle) return outcome("unchecked", "Browsers check signatures on HTTPS pages and on localhost only.");
  if ((await fingerprint(found.x)) !== key) return outcome("broken", "The key that this server gives is not the one that it names.");
  let usable;
  try {
    usable = await crypto.subtle.importKey("jwk", { kty: "OKP", crv: "Ed25519", x: found.x }, "Ed25519", false, ["verify"]);
  } catch {
    return outcome("unchecked", "This browser does not know Ed25519 signatures; newer ones do.");
  }
  const holds = await crypto.subtle.verify("Ed25519", usable, bytes, new TextEncoder().encode(`${head}.${body}`));
  return holds ? outcome("signed") : outcome("broken", "The signature does not fit: what it says was changed after signing.");
}

/**
 * The thumbprint of an Ed25519 key (RFC 7638).
 * @param {string} x
 */
async function fingerprint(x) {
  const canonical = new TextEncoder().encode(`{"crv":"Ed25519","kty":"OKP","x":"${x}"}`);
  return base64url(new Uint8Array(await crypto.subtle.digest("SHA-256", canonical)));
}

/** @param {Uint8Array} bytes */
function base64url(bytes) {
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/**
 * @param {string} text base64url
 * @returns {Uint8Array<ArrayBuffer> | undefined}
 */
function bytesOf(text) {
  if (!/^[\w-]+$/.test(text)) return undefined;
  try {
    return Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
  } catch {
    return undefined;
  }
}

/**
 * @param {string} part
 * @returns {Record<string, unknown> | undefined}
 */
function object(part) {
  const bytes = bytesOf(part);
  if (!bytes) return undefined;
  try {
    const value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    return value && typeof value === "object" && !Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Whether it has what is shown of a statement.
 * @param {Record<string, unknown> | undefined} claims
 * @returns {Statement | undefined}
 */
function shaped(claims) {
  const { mark } = claims ?? {};
  const texts = ["session", "avatar", "portrait", "consent", "started_at", "issued_at", "operator"];
  const whole =
    claims &&
    texts.every((name) => typeof claims[name] === "string") &&
    (claims.label === null || typeof claims.label === "string") &&
    mark &&
    typeof mark === "object" &&
    ["key", "payload", "algorithm"].every((name) => name in mark);
  return whole ? /** @type {any} */ (claims) : undefined;
}
