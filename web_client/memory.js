// What the page remembers between visits, in this browser only. A browser may refuse to store:
// then every visit is the first.

const PREFIX = "visavis.";

/**
 * @param {string} key
 * @param {string} [otherwise]
 */
export function recall(key, otherwise = "") {
  try {
    return localStorage.getItem(PREFIX + key) ?? otherwise;
  } catch {
    return otherwise;
  }
}

/**
 * @param {string} key
 * @param {string} value
 */
export function remember(key, value) {
  try {
    localStorage.setItem(PREFIX + key, value);
  } catch {
    // Storage is full or forbidden: the choice holds for this visit.
  }
}
