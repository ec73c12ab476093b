// Portraits in the page. Where a token is asked for, an <img> could not send it: then the picture is
// fetched, shown, and let go of.

import { ask } from "./server.js";
import { token } from "./token.js";

/** @type {WeakMap<HTMLImageElement, string>} */
const wanted = new WeakMap();

/**
 * Shows a picture at once.
 * @param {HTMLImageElement} image
 * @param {string} address
 */
export function showPicture(image, address) {
  wanted.set(image, address);
  if (token()) void fetchPicture(image, address);
  else image.src = address;
}

const watcher = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      const address = target instanceof HTMLImageElement && wanted.get(target);
      if (isIntersecting && address) {
        watcher.unobserve(target);
        showPicture(target, address);
      }
    }
  },
  { rootMargin: "200px" },
);

/**
 * Shows a picture once it is about to be seen.
 * @param {HTMLImageElement} image
 * @param {string} address
 */
export function showPictureLater(image, address) {
  wanted.set(image, address);
  image.loading = "lazy";
  if (token()) watcher.observe(image);
  else image.src = address;
}

/**
 * @param {HTMLImageElement} image
 * @param {string} address
 */
async function fetchPicture(image, address) {
  try {
    const picture = await (await ask(address)).blob();
    if (wanted.get(image) !== address) return;
    const shown = URL.createObjectURL(picture);
    for (const event of ["load", "error"]) image.addEventListener(event, () => URL.revokeObjectURL(shown), { once: true });
    image.src = shown;
  } catch {
    // As where an <img> cannot load: the place stays empty.
  }
}
