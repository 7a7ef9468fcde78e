// Look-up tables: samples to grey, shares to colour. The twins of grey_table, filtered, scopes and paint of
// xai_core/render.py; the colour tables themselves come from xai_core/colours.py.

import { NEGATIVE, NOTHING, SHARES, STEPS } from "./half.js";
import { COMPARABLE } from "./state.js";

/** @typedef {{name: string, title: string, isSigned: boolean, colours: Uint8Array}} ColourTable */

/** @type {Map<string, ColourTable>} */
const TABLES = new Map();

/** Take over the tables of the server. @param {{name: string, title: string, isSigned: boolean, colours: string}[]} rows */
export function keepTables(rows) {
  for (const row of rows) {
    const colours = Uint8Array.from(atob(row.colours), (letter) => letter.charCodeAt(0));
    TABLES.set(row.name, { ...row, colours });
  }
}

/** Every table, in the order in which they are offered. */
export function colourTables() {
  return [...TABLES.values()];
}

/** The table of a map; "auto" is even in lightness, diverging where signed. @param {string} name @param {boolean} isSigned */
export function tableFor(name, isSigned) {
  const table = TABLES.get(name === "auto" ? (isSigned ? "ember-ice" : "inferno") : name);
  if (!table) throw new Error(`There is no colour table ${name}.`);
  return table;
}

/**
 * @typedef {object} Samples What turns codes into samples and samples into grey.
 * @property {number} base sample = base + step * code
 * @property {number} step
 * @property {boolean} isInverted small samples are bright
 * @property {{first: number, table: Float32Array} | null} voi the file's own table, 0..1
 * @property {number} codes how many codes there are: 256 or 65536
 */

/** @typedef {{center: number, width: number, voi: "linear" | "table", invert: boolean}} Grey */

/** Grey 0..255 of every code (DICOM PS3.3 C.11.2.1.2). @param {Samples} samples @param {Grey} grey */
export function greyTable(samples, grey) {
  const table = new Uint8Array(samples.codes);
  const { base, step, voi } = samples;
  const turned = samples.isInverted !== grey.invert;
  const byTable = grey.voi === "table" && voi !== null;
  const span = Math.max(grey.width - 1, 1e-6);
  for (let code = 0; code < table.length; code++) {
    const sample = base + step * code;
    let share;
    if (byTable && voi) {
      const at = Math.floor(sample - voi.first + 0.5);
      share = voi.table[Math.min(Math.max(at, 0), voi.table.length - 1)];
    } else {
      share = (sample - (grey.center - 0.5)) / span + 0.5;
    }
    share = Math.min(Math.max(share, 0), 1);
    if (turned) share = 1 - share;
    table[code] = Math.floor(share * 255 + 0.5);
  }
  return table;
}

/**
 * @typedef {object} Overlay How a map becomes colour.
 * @property {number} threshold shares below it are hidden
 * @property {number} opacity
 * @property {string} colours
 * @property {"both" | "positive" | "negative"} sign
 * @property {"none" | "pass" | "clamp"} filterMode
 * @property {number} filterLow of the map's own greatest magnitude
 * @property {number} filterHigh
 */

/** A share after the filter on the final map. @param {number} share @param {Overlay} overlay */
export function filteredShare(share, overlay) {
  const size = Math.abs(share);
  if (overlay.filterMode === "pass") return size < overlay.filterLow || size > overlay.filterHigh ? 0 : share;
  if (overlay.filterMode === "clamp") {
    return size < overlay.filterLow ? 0 : Math.sign(share) * Math.min(size, overlay.filterHigh);
  }
  return share;
}

/**
 * The index into a colour table, or -1 where nothing is painted.
 * @param {number} share @param {number} gain the map's greatest magnitude over what counts as 1
 * @param {boolean} isSigned @param {boolean} tableIsSigned @param {Overlay} overlay
 */
export function colourIndex(share, gain, isSigned, tableIsSigned, overlay) {
  const kept = filteredShare(share, overlay);
  if (isSigned && overlay.sign !== "both" && kept > 0 !== (overlay.sign === "positive")) return -1;
  const strength = Math.min(1, Math.abs(kept) * gain);
  if (!(strength > 0) || strength < overlay.threshold) return -1;
  const step = Math.floor(strength * 255 + 0.5);
  return tableIsSigned ? 255 + (kept < 0 ? -step : step) : step;
}

/**
 * Colour of every step, times opacity, in 1/256: red and blue in one word, green in another. 0 in `shown` where the
 * film alone is seen. Written into `into`, which may be used again.
 * `version` counts how often.
 * @typedef {{redBlue: Uint32Array, green: Uint32Array, shown: Uint8Array, version: number}} StepColours
 */

/** @returns {StepColours} */
export function emptyStepColours() {
  return { redBlue: new Uint32Array(STEPS), green: new Uint32Array(STEPS), shown: new Uint8Array(STEPS), version: 0 };
}

/**
 * @param {StepColours} into @param {number} gain @param {boolean} isSigned @param {Overlay} overlay
 */
export function fillStepColours(into, gain, isSigned, overlay) {
  into.version += 1;
  const table = tableFor(overlay.colours, isSigned);
  const weight = overlay.opacity * 256;
  const count = table.isSigned ? 511 : 256;
  const redBlue = new Uint32Array(count);
  const green = new Uint32Array(count);
  for (let i = 0; i < count; i++) {
    const at = 3 * i;
    const red = Math.round(table.colours[at] * weight);
    const blue = Math.round(table.colours[at + 2] * weight);
    redBlue[i] = ((red << 16) | blue) >>> 0;
    green[i] = Math.round(table.colours[at + 1] * weight);
  }
  for (let step = 0; step < STEPS; step++) {
    const index = step === NOTHING ? -1 : colourIndex(SHARES[step], gain, isSigned, table.isSigned, overlay);
    into.shown[step] = index < 0 ? 0 : 1;
    if (index >= 0) {
      into.redBlue[step] = redBlue[index];
      into.green[step] = green[index];
    }
  }
}

/** Grey of 0..255 times what the overlay leaves, in 1/256, rounded half up when shifted. @param {number} opacity */
export function greyShares(opacity) {
  const shares = new Uint32Array(256);
  for (let grey = 0; grey < 256; grey++) shares[grey] = Math.round(grey * (1 - opacity) * 256) + 128;
  return shares;
}

/**
 * The percentile (nearest rank) of |share| over a map's cells.
 * @param {Uint16Array} steps @param {number} percentile
 */
export function magnitudeShare(steps, percentile) {
  const counts = new Uint32Array(NEGATIVE);
  let total = 0;
  for (let i = 0; i < steps.length; i++) {
    const step = steps[i];
    if (step === NOTHING) continue;
    counts[step >= NEGATIVE ? step - NEGATIVE : step] += 1;
    total += 1;
  }
  if (!total) return 0;
  let left = Math.max(1, Math.ceil((percentile / 100) * total));
  for (let size = 0; size < NEGATIVE; size++) {
    left -= counts[size];
    if (left <= 0) return SHARES[size];
  }
  return 1;
}

/**
 * What counts as 1 for each map: shared over one unit, over one explainer ("method"), each its own ("map"), or "auto":
 * shared over one unit whose maps are of comparable magnitude, else each its own.
 * @param {{id: string, unit: string, magnitude: number}[]} maps @param {string} how @returns {Map<string, number>}
 */
export function scopes(maps, how) {
  const alike = new Set(maps.map(({ unit }) => unit).filter((unit) => unit !== "none" && isComparable(maps, unit)));
  /** @param {{id: string, unit: string}} map */
  const group = (map) => {
    if (how === "auto") return alike.has(map.unit) ? `unit ${map.unit}` : `map ${map.id}`;
    if (how === "map" || (how === "shared" && map.unit === "none")) return `map ${map.id}`;
    return how === "shared" ? `unit ${map.unit}` : `method ${map.id.split("|")[0]} ${map.unit}`;
  };
  /** @type {Map<string, number>} */
  const greatest = new Map();
  for (const map of maps) greatest.set(group(map), Math.max(greatest.get(group(map)) ?? 0, map.magnitude));
  return new Map(maps.map((map) => [map.id, greatest.get(group(map)) ?? 0]));
}

/** Whether the maps of a unit can be seen on one scale. @param {{unit: string, magnitude: number}[]} maps @param {string} unit */
export function isComparable(maps, unit) {
  const sizes = maps.filter((map) => map.unit === unit && map.magnitude > 0).map(({ magnitude }) => magnitude);
  return Math.min(...sizes) >= COMPARABLE * Math.max(...sizes);
}
