// The delay and quality overlay: samples in, figures and two small charts out.

import { bar, make, the } from "./elements.js";

/** @typedef {import("./stats.js").Sample} Sample */

const GRADES = { good: "Good", fair: "Fair", poor: "Poor", none: "No picture" };
const HISTORY = 60;
const CHART_HEIGHT = 4;

export class Overlay {
  #box = the("stats", HTMLElement);
  #delay = the("stat-delay", HTMLOutputElement);
  #verdict = the("stat-verdict", HTMLElement);
  #spark = the("stat-spark", SVGSVGElement);
  #chart = the("stat-bar", SVGSVGElement);
  #legend = the("stat-legend", HTMLElement);
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
    for (const part of [this.#chart, this.#legend, this.#figures]) part.replaceChildren();
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
    this.#chart.replaceChildren(
      ...parts.map(({ ms }, index) => {
        const width = delayMs ? (100 * ms) / delayMs : 0;
        const rect = bar(x, width, CHART_HEIGHT, `part-${index}`);
        x += width;
        return rect;
      }),
    );
    this.#legend.replaceChildren(
      ...parts.map(({ name, ms }, index) => make("li", "", make("i", `part-${index}`), name, make("b", "", ms.toFixed(1)))),
    );
  }
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
    ["Video", `${sample.size} ${sample.codec}`],
    ["Bitrate up, down", `${sample.mbitOut.toFixed(1)}, ${sample.mbitIn.toFixed(1)} Mbit/s`],
    ["Packet loss up, down", `${percent(sample.lossOut)}, ${percent(sample.lossIn)} %`],
    ["Drawn by", sample.renderer || "–"],
    ["Dropped by server", sample.dropped === undefined ? "–" : String(sample.dropped)],
  ];
}
