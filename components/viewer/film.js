// A film as it came: its samples with their halvings, how they become grey, and the windows on offer.

import { Pyramid } from "./draw2d.js";
import { presets } from "./state.js";

/**
 * @typedef {object} CaseData What Python says of a case (payload.py).
 * @property {"film" | "volume"} kind @property {string} digest @property {number[]} shape @property {{url: string, type: string}} samples
 * @property {number} base @property {number} step @property {boolean} isInverted
 * @property {{name: string, center: number, width: number}[]} windows @property {{first: number, url: string} | null} voi
 * @property {number} slope @property {number} intercept @property {string} unit @property {string[]} letters
 * @property {number[] | null} spacing @property {string} spacingKind @property {string} title @property {boolean} isSimulated
 * @property {ChannelData[]} channels of a volume, as the following @property {import("./planes.js").Plane[]} planes
 * @property {number[][] | null} affine array index to LPS mm @property {string[]} notes @property {number} mostBytes of what is kept of it
 * @property {number} regionBytes of these for the regions
 * @property {number[]} wholeShape of the case itself @property {number} halving samples of the case along a sample shown
 */

/** A modality of a volume. @typedef {{name: string, samples: {url: string, type: string}, base: number, step: number,
 *   windows: {name: string, center: number, width: number}[]}} ChannelData */

/** `key` names it among all that a viewer has open. @typedef {{key: string, pyramid: Pyramid, samples: import("./luts.js").Samples, presets: import("./state.js").Preset[],
 *   range: {low: number, high: number, step: number}}} Film */

/**
 * @param {CaseData} given @param {Uint8Array | Uint16Array} codes
 * @param {{first: number, table: Float32Array} | null} voi @returns {Film}
 */
export function filmOf(given, codes, voi) {
  const samples = { base: given.base, step: given.step, isInverted: given.isInverted, voi, codes: codes instanceof Uint8Array ? 256 : 65536 };
  const counts = new Uint32Array(samples.codes);
  for (let at = 0; at < codes.length; at++) counts[codes[at]] += 1;
  /** @param {number} share */
  const at = (share) => {
    let left = share * codes.length;
    let code = 0;
    while (code < counts.length - 1 && (left -= counts[code]) > 0) code++;
    return given.base + given.step * code;
  };
  const range = { low: at(0), high: at(1), step: given.step };
  return {
    key: given.digest,
    pyramid: new Pyramid(codes, given.shape),
    samples,
    presets: presets(given.windows, voi !== null, { ...range, at, isInverted: given.isInverted }, given.kind !== "volume"),
    range,
  };
}
