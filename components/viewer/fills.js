// Regions filled with their colour over a slice: which regions a sample lies in, as bits, and what each of the 256
// sets of them does to a pixel. The twin of filled in xai_core/render_volume.py.

import { mapCells } from "./draw2d.js";

/** @typedef {import("./affine.js").View} View */
/** Bit r of a code: the sample lies in region r. @typedef {{codes: Uint8Array, rows: number, columns: number, gridScale: number[], gridOffset: number[]}} FillSheet */
/** By code: the share of a pixel that stays, and red, green and blue (0..255) that come to it. @typedef {Float32Array} FillTable */
/** @typedef {{key: string, sheet: FillSheet}} FillLayer */
/** A fill as it is painted; `key` says all of it. @typedef {{key: string, layer: FillLayer, table: FillTable}} Filled */

/** Regions beyond so many are outlined only. */
export const MOST_FILLED = 8;

/** @param {readonly (Uint8Array | null)[]} masks of a slice, null where they still come @param {number} rows @param {number} columns
 * @returns {FillSheet | null} null where none is met */
export function fillSheetOf(masks, rows, columns) {
  const codes = new Uint8Array(rows * columns);
  let any = 0;
  masks.slice(0, MOST_FILLED).forEach((mask, number) => {
    if (!mask) return;
    for (let at = 0; at < codes.length; at++) {
      codes[at] |= mask[at] << number;
      any |= mask[at];
    }
  });
  return any ? { codes, rows, columns, gridScale: [1, 1], gridOffset: [0, 0] } : null;
}

/** @param {readonly number[][]} colours of the regions, 0..255 @param {readonly boolean[]} shown @param {number} opacity @returns {FillTable} */
export function fillTable(colours, shown, opacity) {
  const table = new Float32Array(4 * 256);
  for (let code = 0; code < 256; code++) {
    const row = [1, 0, 0, 0];
    shown.slice(0, MOST_FILLED).forEach((isShown, number) => {
      if (!isShown || !((code >> number) & 1)) return;
      const colour = colours[number % colours.length];
      row[0] *= 1 - opacity;
      for (let at = 0; at < 3; at++) row[at + 1] = row[at + 1] * (1 - opacity) + colour[at] * opacity;
    });
    table.set(row, 4 * code);
  }
  return table;
}

/** Pixels of the screen that lie in a region, and their codes. @typedef {{places: Uint32Array, codes: Uint8Array}} FillOnScreen */

/** @param {FillSheet} sheet @param {View} view @returns {FillOnScreen} */
export function fillOnScreen(sheet, view) {
  const { x, y } = mapCells(sheet, view, true);
  /** @type {number[]} */
  const places = [];
  /** @type {number[]} */
  const codes = [];
  for (let row = 0; row < view.height; row++) {
    const base = y.nearest[row];
    if (base < 0) continue;
    for (let column = 0; column < view.width; column++) {
      const cell = x.nearest[column];
      const code = cell < 0 ? 0 : sheet.codes[base + cell];
      if (!code) continue;
      places.push(row * view.width + column);
      codes.push(code);
    }
  }
  return { places: Uint32Array.from(places), codes: Uint8Array.from(codes) };
}

/** Fill what is painted. @param {FillOnScreen} fill @param {FillTable} table @param {Uint32Array} into little-endian RGBA */
export function paintFill({ places, codes }, table, into) {
  for (let number = 0; number < places.length; number++) {
    const at = 4 * codes[number];
    const pixel = into[places[number]];
    const kept = table[at];
    const red = (pixel & 255) * kept + table[at + 1] + 0.5;
    const green = ((pixel >> 8) & 255) * kept + table[at + 2] + 0.5;
    const blue = ((pixel >> 16) & 255) * kept + table[at + 3] + 0.5;
    into[places[number]] = (0xff000000 | (blue << 16) | (green << 8) | red) >>> 0;
  }
}
