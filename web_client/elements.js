// Typed look-ups in the page, and small pieces of it.

/**
 * The element of this id, which has to be there and of this type.
 * @template {Element} T
 * @param {string} id
 * @param {new () => T} type
 * @returns {T}
 */
export function the(id, type) {
  const element = document.getElementById(id);
  if (!(element instanceof type)) throw new Error(`the page has no ${type.name} called ${id}`);
  return element;
}

/**
 * A new element with a class and what it holds.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {string} className
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function make(tag, className = "", ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children);
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

/**
 * An icon of the page's sprite.
 * @param {string} name
 */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

/**
 * Puts another icon into a button.
 * @param {Element} button
 * @param {string} name
 */
export function setIcon(button, name) {
  button.querySelector("use")?.setAttribute("href", `#i-${name}`);
}

/**
 * A rectangle of a chart.
 * @param {number} x
 * @param {number} width
 * @param {number} height
 * @param {string} className
 */
export function bar(x, width, height, className) {
  const rect = document.createElementNS(SVG, "rect");
  rect.setAttribute("x", x.toFixed(2));
  rect.setAttribute("width", width.toFixed(2));
  rect.setAttribute("height", String(height));
  rect.setAttribute("class", className);
  return rect;
}
