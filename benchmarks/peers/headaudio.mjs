// HeadAudio (npm @met4citizen/headaudio, MIT) without a browser: recordings on stdin, visemes out.
//
//   node headaudio.mjs FOLDER_OF_THE_PACKAGE < recordings
//
// stdin: for each recording its number of samples as uint32, then so many float32, mono, 48 kHz,
// little-endian. stdout: for each a line of JSON, [[seconds, viseme], …]: from when on the package
// says that viseme (0…14 in Oculus' order). The last line is {"cpu_s": …}.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const RATE = 48_000;
const BLOCK = 128; // an AudioWorklet's
const SILENCE = 14;

const folder = process.argv[2];
const part = (name) => import(pathToFileURL(join(folder, "modules", name)).href);
const [{ Processor }, { Training }, sizes] = await Promise.all(
  ["processor.mjs", "training.mjs", "parameters.mjs"].map(part),
);

const model = readModel(join(folder, "dist", "model-en-mixed.bin"));
const input = readFileSync(0);
let cpuMicroseconds = 0;
for (let at = 0; at < input.length; ) {
  const count = input.readUInt32LE(at);
  const bytes = input.subarray(at + 4, at + 4 + 4 * count);
  at += 4 + 4 * count;
  const samples = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
  console.log(JSON.stringify(listen(samples)));
}
console.log(JSON.stringify({ cpu_s: cpuMicroseconds / 1e6 }));

/** @param {Float32Array} samples */
function listen(samples) {
  const said = [];
  let heard = 0;
  const postMessage = ({ event, viseme }) => {
    // 0.1.0 itself passes over viseme 0 (`aa`) in its browser node; counted here as it was meant.
    if (event === "viseme" && viseme !== null) said.push([heard / RATE, viseme]);
    else if (event === "ended") said.push([heard / RATE, SILENCE]);
  };
  const options = { sampleRate: RATE, processorOptions: { visemeEventsEnabled: true } };
  const processor = new Processor(options, { port: { postMessage } });
  processor._onmessage({ data: { event: "model", model, reset: true } });
  const start = process.cpuUsage();
  for (let first = 0; first + BLOCK <= samples.length; first += BLOCK) {
    heard = first + BLOCK;
    processor.process(samples.subarray(first, heard));
  }
  const spent = process.cpuUsage(start);
  cpuMicroseconds += spent.user + spent.system;
  return said;
}

/** @param {string} file */
function readModel(file) {
  const content = readFileSync(file);
  const whole = content.buffer.slice(content.byteOffset, content.byteOffset + content.length);
  const training = new Training();
  const records = [];
  for (let at = 0; at + sizes.RECORD_OFFSET <= whole.byteLength; at += sizes.RECORD_OFFSET) {
    records.push(training.decodeBinaryRecord(new Float32Array(whole, at, sizes.RECORD_LEN)));
  }
  return records;
}
