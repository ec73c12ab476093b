// The server's HTTP interface: sessions shaped like WHIP (RFC 9725), trickle ICE fragments
// (RFC 8840), refusals as problem details (RFC 9457), bearer tokens (RFC 6750).

import { renew, token } from "./token.js";

/** For whether it still holds a call, on a network that carries one. */
const ANSWER_LIMIT_MS = 2_000;

/** What the server answered when it refused. */
export class Refusal extends Error {
  /**
   * @param {number} status
   * @param {string} kind the last part of the problem's type, such as `full`
   * @param {string} detail for people
   * @param {number} retryAfter seconds; 0: not said
   */
  constructor(status, kind, detail, retryAfter) {
    super(detail);
    this.name = "Refusal";
    this.status = status;
    this.kind = kind;
    this.retryAfter = retryAfter;
  }
}

/** The server cannot be reached at all. */
export class Unreachable extends Error {
  constructor() {
    super("the server does not answer");
    this.name = "Unreachable";
  }
}

/**
 * As `fetch`, but anything other than success throws a `Refusal` or `Unreachable`. Where the server
 * asks for an access token, the person is asked for it.
 * @param {string} address
 * @param {RequestInit} [options]
 * @returns {Promise<Response>}
 */
export async function ask(address, options = {}) {
  for (;;) {
    const sent = token();
    const sentAt = performance.now();
    const response = await answer(address, options);
    if (response.ok) return response;
    const refused = await refusal(response);
    if (response.status !== 401 || !(await renew(sent, sentAt, refused.message))) throw refused;
  }
}

/**
 * @param {string} address
 * @param {RequestInit} options
 */
async function answer(address, options) {
  try {
    return await fetch(address, withToken(options));
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Unreachable();
  }
}

/**
 * @param {RequestInit} options
 * @returns {RequestInit}
 */
function withToken(options) {
  const headers = new Headers(options.headers);
  if (token()) headers.set("Authorization", `Bearer ${token()}`);
  return { ...options, headers };
}

/**
 * @param {Response} response
 * @returns {Promise<Refusal>}
 */
async function refusal(response) {
  const retryAfter = Number(response.headers.get("Retry-After")) || 0;
  /** @type {{type?: unknown, detail?: unknown}} */
  let problem = {};
  if (response.headers.get("Content-Type")?.startsWith("application/problem+json")) {
    problem = await response.json().catch(() => ({}));
  }
  const detail = typeof problem.detail === "string" ? problem.detail : "";
  const kind = typeof problem.type === "string" ? problem.type.replace(/^.*:/, "") : "";
  return new Refusal(response.status, kind, detail, retryAfter);
}

/**
 * @typedef {object} Session
 * @property {string} location address of the session; a secret
 * @property {string} etag
 * @property {string} answer SDP
 * @property {RTCIceServer[]} iceServers
 */

/**
 * Offers a call.
 * @param {string} offer SDP
 * @param {string} avatar its id
 * @param {string} driver `auto`, `face` or `speech`
 * @param {AbortSignal} signal
 * @returns {Promise<Session>}
 */
export async function openSession(offer, avatar, driver, signal) {
  const query = new URLSearchParams({ avatar, driver });
  const shape = new URLSearchParams(location.search).get("shape"); // of the page: ?shape=wide
  if (shape) query.set("shape", shape);
  const response = await ask(`/sessions?${query}`, {
    method: "POST",
    headers: { "Content-Type": "application/sdp" },
    body: offer,
    signal,
  });
  return {
    location: new URL(response.headers.get("Location") ?? "", response.url).pathname,
    etag: response.headers.get("ETag") ?? "",
    answer: await response.text(),
    iceServers: iceServers(response.headers.get("Link") ?? ""),
  };
}

/**
 * Tells the server of candidates.
 * @param {Session} session
 * @param {string} fragment
 */
export async function trickle(session, fragment) {
  await ask(session.location, {
    method: "PATCH",
    headers: {
      "Content-Type": "application/trickle-ice-sdpfrag",
      ...(session.etag ? { "If-Match": session.etag } : {}),
    },
    body: fragment,
  });
}

/**
 * Changes a running call.
 * @param {Session} session
 * @param {Record<string, unknown>} settings
 */
export async function changeSettings(session, settings) {
  await ask(`${session.location}/settings`, {
    method: "PATCH",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(settings),
  });
}

/**
 * Has the avatar say a text.
 * @param {Session} session
 * @param {{text: string, voice?: string, language?: string}} request
 */
export async function say(session, request) {
  await ask(`${session.location}/say`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(request),
  });
}

/**
 * Whether the server still holds a session; throws `Unreachable`.
 * @param {Session} session
 */
export async function isHeld(session) {
  const { status } = await answer(session.location, { cache: "no-store", signal: AbortSignal.timeout(ANSWER_LIMIT_MS) });
  if (status >= 500) throw new Unreachable(); // a proxy before a server that is gone
  return status !== 404;
}

/**
 * Ends a session; goes out even while the page is being closed.
 * @param {Session} session
 */
export function closeSession(session) {
  // A session that the server has ended already is what was wanted.
  fetch(session.location, withToken({ method: "DELETE", keepalive: true })).catch(() => undefined);
}

/**
 * The ICE servers of a `Link` header: `<turn:host>; rel="ice-server"; username="u"; …`.
 * @param {string} header
 * @returns {RTCIceServer[]}
 */
export function iceServers(header) {
  /** @type {RTCIceServer[]} */
  const servers = [];
  const link = /<([^>]*)>((?:\s*;\s*[\w-]+\s*=\s*(?:"[^"]*"|[^\s",;]*))*)/g;
  const parameter = /;\s*([\w-]+)\s*=\s*(?:"([^"]*)"|([^\s",;]*))/g;
  for (const [, url, rest = ""] of header.matchAll(link)) {
    const parameters = new Map(
      [...rest.matchAll(parameter)].map(([, name, quoted, plain]) => [name, quoted ?? plain ?? ""]),
    );
    if (parameters.get("rel") !== "ice-server" || !url) continue;
    const username = parameters.get("username");
    servers.push(
      username ? { urls: url, username, credential: parameters.get("credential") ?? "" } : { urls: url },
    );
  }
  return servers;
}

/**
 * A trickle ICE fragment of the first, bundled media section.
 * @param {string} offer the local description it belongs to
 * @param {readonly RTCIceCandidate[]} candidates
 * @param {boolean} complete whether these are the last
 */
export function sdpFragment(offer, candidates, complete) {
  const line = (/** @type {RegExp} */ pattern) => pattern.exec(offer)?.[0] ?? "";
  return (
    [
      line(/^a=ice-ufrag:.*$/m),
      line(/^a=ice-pwd:.*$/m),
      line(/^m=.*$/m),
      line(/^a=mid:.*$/m),
      ...candidates.map((candidate) => `a=${candidate.candidate}`),
      ...(complete ? ["a=end-of-candidates"] : []),
    ]
      .map((text) => text.trim())
      .filter(Boolean)
      .join("\r\n") + "\r\n"
  );
}
