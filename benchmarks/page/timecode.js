// The time code of benchmarks/timecode.py, for a page: a number goes onto a canvas, and comes out of
// a video frame's luma.

export const WRAP = 2 ** 24;
export const TICKS_PER_MS = 10;

const COLUMNS = 16;

/** The present, as a number of the code. */
export const ticks = () => Math.round(performance.now() * TICKS_PER_MS) % WRAP;

/** CRC-8 of the number's three bytes. @param {number} number */
function checksum(number) {
  let crc = 0xa5;
  for (const byte of [number >>> 16, (number >>> 8) & 255, number & 255]) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x80 ? ((crc << 1) ^ 0x07) & 255 : crc << 1;
  }
  return crc;
}

/** Rows that the strip takes. @param {number} width of the picture */
export const stripHeight = (width) => 2 * Math.floor(width / (2 * COLUMNS));

/**
 * Draws the code over the upper edge.
 * @param {CanvasRenderingContext2D} context
 * @param {number} width
 * @param {number} number
 */
export function drawCode(context, width, number) {
  const columns = Math.floor(width / COLUMNS);
  const rows = stripHeight(width) / 2;
  const word = ((number << 8) | checksum(number)) >>> 0;
  for (let index = 0; index < 32; index++) {
    context.fillStyle = (word >>> (31 - index)) & 1 ? "#fff" : "#000";
    const x = (index % COLUMNS) * columns;
    context.fillRect(x, Math.floor(index / COLUMNS) * rows, columns, rows);
  }
}

/**
 * The number on a frame, or -1 where there is none. Only the strip is copied, of which luma or green
 * is looked at.
 * @param {VideoFrame} frame
 */
export async function readCode(frame) {
  const width = frame.displayWidth;
  const rect = { x: 0, y: 0, width, height: (stripHeight(width) + 1) & ~1 };
  const plane = new Uint8Array(frame.allocationSize({ rect }));
  const [{ offset, stride }] = await frame.copyTo(plane, { rect });
  const packed = /^(RGB|BGR)/.test(frame.format);
  const [first, step] = packed ? [offset + 1, 4] : [offset, 1];
  const columns = Math.floor(width / COLUMNS);
  const rows = stripHeight(width) / 2;
  let word = 0;
  for (let index = 0; index < 32; index++) {
    const left = (index % COLUMNS) * columns;
    const top = Math.floor(index / COLUMNS) * rows;
    let sum = 0;
    let count = 0;
    for (let y = top + (rows >> 2); y < top + rows - (rows >> 2); y++) {
      for (let x = left + (columns >> 2); x < left + columns - (columns >> 2); x++) {
        sum += plane[first + y * stride + x * step];
        count++;
      }
    }
    word = ((word << 1) | (sum > 128 * count ? 1 : 0)) >>> 0;
  }
  const number = word >>> 8;
  return checksum(number) === (word & 255) ? number : -1;
}
