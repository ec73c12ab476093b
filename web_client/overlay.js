// The delay and quality overlay: samples in, figures, a curve and a waterfall of the stages out.

import { bar, make, the } from "./elements.js";

/** @typedef {import("./stats.js").Sample} Sample */

const GRADES = { good: "Good", fair: "Fair", poor: "Poor", none: "No picture" };
const HISTORY = 60;

export class Overlay {
  #box = the("stats", HTMLElement);
  #delay = the("stat-delay", HTMLOutputElement);
  #verdict = the("stat-verdict", HTMLElement);
  #spark = the("stat-spark", SVGSVGElement);
  #stages = the("stat-stages", HTMLElement);
  #figures = the("stat-figures", HTMLElement);
  /** @type {number[]} */
  #history = [];

  get shown() {
    return !this.#box.hidden;
  }

  set shown(shown) {
    this.#box.hidden = !shown;
  }

  clear() {
    this.#history = [];
    this.#delay.textContent = "–";
    this.#verdict.textContent = "Measuring";
    this.#verdict.dataset.grade = "none";
    for (const part of [this.#stages, this.#figures]) part.replaceChildren();
    this.#drawHistory();
  }

  /** @param {Sample} sample */
  show(sample) {
    const { delayMs } = sample;
    if (delayMs !== undefined) this.#history = [...this.#history, delayMs].slice(-HISTORY);
    if (!this.shown) return;
    this.#delay.textContent = delayMs === undefined ? "–" : String(Math.round(delayMs));
    this.#verdict.textContent = GRADES[sample.grade];
    this.#verdict.dataset.grade = sample.grade;
    this.#drawHistory();
    this.#drawParts(sample);
    this.#figures.replaceChildren(...figuresOf(sample).map(([name, value]) => make("div", "", make("dt", "", name), make("dd", "", value))));
  }

  #drawHistory() {
    const top = Math.max(60, ...this.#history) * 1.1;
    const points = this.#history.map((ms, index) => {
      const x = 120 - (this.#history.length - 1 - index) * (120 / (HISTORY - 1));
      return `${x.toFixed(1)},${(27 - (26 * ms) / top).toFixed(1)}`;
    });
    this.#spark.querySelector("polyline")?.setAttribute("points", points.join(" "));
  }

  /** @param {Sample} sample */
  #drawParts({ parts, delayMs = 0 }) {
    let x = 0;
    this.#stages.replaceChildren(
      ...parts.map(({ name, ms, side }) => {
        const width = delayMs ? (100 * ms) / delayMs : 0;
        const row = make("li", side, make("span", "", name), track(x, width), make("b", "", ms.toFixed(1)));
        x += width;
        return row;
      }),
    );
  }
}

/**
 * A line of a hundred with one bar on it; what takes no time is still seen.
 * @param {number} x
 * @param {number} width
 */
function track(x, width) {
  const least = Math.max(width, 0.8);
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 100 1");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  svg.append(bar(Math.min(x, 100 - least), least, 1, ""));
  return svg;
}

/**
 * @param {Sample} sample
 * @returns {[string, string][]}
 */
function figuresOf(sample) {
  const percent = (/** @type {number} */ share) => `${(100 * share).toFixed(1)}`;
  return [
    ["Round trip", sample.roundTripMs === undefined ? "–" : `${sample.roundTripMs.toFixed(1)} ms`],
    ["Frames sent, shown", `${sample.fpsOut.toFixed(0)}, ${sample.fpsIn.toFixed(0)} /s`],
    ["Video, drawn by", `${sample.size} ${sample.codec}, ${sample.renderer || "–"}`],
    ["Bitrate up, down", `${sample.mbitOut.toFixed(1)}, ${sample.mbitIn.toFixed(1)} Mbit/s`],
    ["Packet loss up, down", `${percent(sample.lossOut)}, ${percent(sample.lossIn)} %`],
    ["Freezes", sample.freezes ? `${sample.freezes}, ${sample.frozenS.toFixed(1)} s` : "none"],
    ["Dropped by server", sample.dropped === undefined ? "–" : String(sample.dropped)],
  ];
}
