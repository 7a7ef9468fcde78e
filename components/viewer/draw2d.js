// Drawing on a 2-D canvas at screen resolution: film codes and map steps at screen pixels are kept per geometry, so
// that a slider only walks two look-up tables. The twin of composite in xai_core/render.py.

import { axisWalk, pyramidLevel } from "./affine.js";
import { NOTHING, SHARES, numberToHalf, stepOfHalf } from "./half.js";

/** A pixel centre on the very edge of the film, or of a cell, falls on the same side here and in the reference. */
const EDGE = 1e-6;

/** @typedef {import("./affine.js").View} View */
/** @typedef {Uint8Array | Uint16Array} Codes */
/** @typedef {{codes: Codes, rows: number, columns: number}} Sheet */
/** @typedef {{steps: Uint16Array, rows: number, columns: number, gridScale: number[], gridOffset: number[]}} MapSheet */

/** A grid of cells over the film. @typedef {{rows: number, columns: number, gridScale: number[], gridOffset: number[]}} Cellular */

/** Film halvings, made when first asked for: index 0 is the film itself. */
export class Pyramid {
  /** @param {Codes} codes @param {readonly number[]} shape */
  constructor(codes, shape) {
    /** @type {Sheet[]} */
    this.levels = [{ codes, rows: shape[0], columns: shape[1] }];
  }

  /** @param {number} level @returns {Sheet} */
  at(level) {
    while (this.levels.length <= level) this.levels.push(halvedSheet(this.levels[this.levels.length - 1]));
    return this.levels[level];
  }
}

/** Means of 2 x 2 codes, rounded half up; an odd last row or column is repeated. @param {Sheet} sheet @returns {Sheet} */
export function halvedSheet({ codes, rows, columns }) {
  const half = { rows: Math.ceil(rows / 2), columns: Math.ceil(columns / 2) };
  const made = codes instanceof Uint8Array ? new Uint8Array(half.rows * half.columns) : new Uint16Array(half.rows * half.columns);
  for (let row = 0; row < half.rows; row++) {
    const top = 2 * row * columns;
    const bottom = Math.min(2 * row + 1, rows - 1) * columns;
    for (let column = 0; column < half.columns; column++) {
      const left = 2 * column;
      const right = Math.min(left + 1, columns - 1);
      made[row * half.columns + column] = (codes[top + left] + codes[top + right] + codes[bottom + left] + codes[bottom + right] + 2) >> 2;
    }
  }
  return { codes: made, ...half };
}

/**
 * Film codes at screen pixels, and which screen columns and rows lie on the film (first, one past the last).
 * @typedef {{width: number, height: number, codes: Uint16Array, left: number, right: number, top: number, bottom: number}} FilmOnScreen
 */

/**
 * What the film is read with: the halving that suits the scale, the screen columns and rows that lie on the film, and
 * for each the two samples it lies between. Samples are numbered along their own axis, or where `isFlat` by their
 * place among all codes. @param {Pyramid} pyramid @param {View} view @param {boolean} isFlat
 */
export function filmTaps(pyramid, view, isFlat) {
  const level = pyramidLevel(view);
  const film = pyramid.at(0);
  const sheet = pyramid.at(level);
  const across = axisWalk(view, "x");
  const down = axisWalk(view, "y");
  const isStraight = across.axis === "column";
  const [left, right] = inside(across, view.width, isStraight ? film.columns : film.rows);
  const [top, bottom] = inside(down, view.height, isStraight ? film.rows : film.columns);
  const stride = isFlat ? sheet.columns : 1;
  const x = taps(across, view.width, isStraight ? sheet.columns : sheet.rows, level, isStraight ? 1 : stride);
  const y = taps(down, view.height, isStraight ? sheet.rows : sheet.columns, level, isStraight ? stride : 1);
  return { sheet, isStraight, left, right, top, bottom, x, y };
}

/** @param {Pyramid} pyramid @param {View} view @returns {FilmOnScreen} */
export function filmOnScreen(pyramid, view) {
  const { sheet, left, right, top, bottom, x, y } = filmTaps(pyramid, view, true);
  const codes = new Uint16Array(view.width * view.height);
  const from = sheet.codes;
  for (let row = top; row < bottom; row++) {
    const upper = y.first[row];
    const lower = y.second[row];
    const weight = y.weight[row];
    let at = row * view.width + left;
    for (let column = left; column < right; column++, at++) {
      const a = x.first[column];
      const b = x.second[column];
      const share = x.weight[column];
      const one = from[upper + a] * (1 - share) + from[upper + b] * share;
      const two = from[lower + a] * (1 - share) + from[lower + b] * share;
      codes[at] = one * (1 - weight) + two * weight + 0.5;
    }
  }
  return { width: view.width, height: view.height, codes, left, right, top, bottom };
}

/** First and one past the last pixel whose film index is within [-0.5, count - 0.5).
 * @param {{start: number, step: number}} walk @param {number} pixels @param {number} count */
function inside({ start, step }, pixels, count) {
  let first = 0;
  let last = pixels;
  /** @param {number} pixel */
  const isOn = (pixel) => {
    const position = start + step * pixel;
    return position >= -0.5 - EDGE && position < count - 0.5 - EDGE;
  };
  while (first < last && !isOn(first)) first++;
  while (last > first && !isOn(last - 1)) last--;
  return [first, last];
}

/** Offsets of the two samples a screen pixel lies between, and the share of the second.
 * @param {{start: number, step: number}} walk @param {number} pixels @param {number} count @param {number} level
 * @param {number} stride */
function taps({ start, step }, pixels, count, level, stride) {
  const first = new Int32Array(pixels);
  const second = new Int32Array(pixels);
  const weight = new Float64Array(pixels);
  for (let pixel = 0; pixel < pixels; pixel++) {
    const position = (start + step * pixel + 0.5) / 2 ** level - 0.5;
    const low = Math.floor(position);
    first[pixel] = Math.min(Math.max(low, 0), count - 1) * stride;
    second[pixel] = Math.min(Math.max(low + 1, 0), count - 1) * stride;
    weight[pixel] = position - low;
  }
  return { first, second, weight };
}

/**
 * Steps of a map at screen pixels, "no value" outside the map's field or the film; nearest cell unless smooth.
 * @param {MapSheet} map @param {FilmOnScreen} film @param {View} view @param {boolean} smooth
 * @param {unknown} [before] what this picture had, whose room is used again where it suits @returns {Uint16Array}
 */
export function mapOnScreen(map, film, view, smooth, before) {
  const { width } = view;
  const isRoom = before instanceof Uint16Array && before.length === width * view.height;
  const steps = (isRoom ? before : new Uint16Array(width * view.height)).fill(NOTHING);
  const { x, y } = mapCells(map, view, true);
  let [left, right] = [film.left, film.right];
  while (left < right && x.nearest[left] < 0) left++;
  while (right > left && x.nearest[right - 1] < 0) right--;
  for (let row = film.top; row < film.bottom; row++) {
    const base = y.nearest[row];
    if (base < 0) continue;
    const at = row * width;
    if (smooth) for (let column = left; column < right; column++) steps[at + column] = smoothStep(map.steps, x, y, column, row);
    else if (row > film.top && base === y.nearest[row - 1]) steps.copyWithin(at + left, at - width + left, at - width + right);
    else for (let column = left; column < right; column++) steps[at + column] = map.steps[base + x.nearest[column]];
  }
  return steps;
}

/** The cells of a map at screen columns and rows, numbered as by filmTaps.
 * @param {Cellular} map @param {View} view @param {boolean} isFlat */
export function mapCells(map, view, isFlat) {
  const across = axisWalk(view, "x");
  const down = axisWalk(view, "y");
  const isStraight = across.axis === "column";
  const stride = isFlat ? map.columns : 1;
  const x = cells(across, view.width, map, isStraight ? 1 : 0, isStraight ? 1 : stride);
  const y = cells(down, view.height, map, isStraight ? 0 : 1, isStraight ? stride : 1);
  return { x, y, isStraight };
}

/** @param {{start: number, step: number}} walk @param {number} pixels @param {Cellular} map @param {0 | 1} axis
 * @param {number} stride */
function cells({ start, step }, pixels, map, axis, stride) {
  const count = axis === 0 ? map.rows : map.columns;
  const nearest = new Int32Array(pixels);
  const first = new Int32Array(pixels);
  const second = new Int32Array(pixels);
  const weight = new Float64Array(pixels);
  for (let pixel = 0; pixel < pixels; pixel++) {
    const position = (start + step * pixel - map.gridOffset[axis]) / map.gridScale[axis];
    const isIn = position >= -0.5 - EDGE && position < count - 0.5 - EDGE;
    nearest[pixel] = isIn ? Math.min(Math.max(Math.floor(position + 0.5 + EDGE), 0), count - 1) * stride : -1;
    const low = Math.floor(position);
    first[pixel] = Math.min(Math.max(low, 0), count - 1) * stride;
    second[pixel] = Math.min(Math.max(low + 1, 0), count - 1) * stride;
    weight[pixel] = position - low;
  }
  return { nearest, first, second, weight };
}

/** @typedef {ReturnType<typeof cells>} Cells */

/** @param {Uint16Array} steps @param {Cells} x @param {Cells} y @param {number} column @param {number} row */
function smoothStep(steps, x, y, column, row) {
  const share = x.weight[column];
  const weight = y.weight[row];
  const one = SHARES[steps[y.first[row] + x.first[column]]] * (1 - share) + SHARES[steps[y.first[row] + x.second[column]]] * share;
  const two = SHARES[steps[y.second[row] + x.first[column]]] * (1 - share) + SHARES[steps[y.second[row] + x.second[column]]] * share;
  return stepOfHalf(numberToHalf(one * (1 - weight) + two * weight));
}

/** Grey of every screen pixel, black off the film. @param {FilmOnScreen} film @param {Uint8Array} table */
export function greyOnScreen(film, table) {
  const grey = new Uint8Array(film.codes.length);
  for (let row = film.top; row < film.bottom; row++) {
    const end = row * film.width + film.right;
    for (let at = row * film.width + film.left; at < end; at++) grey[at] = table[film.codes[at]];
  }
  return grey;
}

/** The film alone, as opaque pixels (little-endian RGBA). @param {Uint8Array} grey @param {Uint32Array} into */
export function paintGrey(grey, into) {
  for (let at = 0; at < grey.length; at++) into[at] = 0xff000000 | (grey[at] * 0x10101);
}

/**
 * The film with a map over it.
 * @param {Uint8Array} grey @param {Uint16Array} steps @param {import("./luts.js").StepColours} colours
 * @param {Uint32Array} greyShare grey times what the overlay leaves, in 1/256 @param {Uint32Array} into
 */
export function paintOverlay(grey, steps, colours, greyShare, into) {
  const { redBlue, green, shown } = colours;
  for (let at = 0; at < grey.length; at++) {
    const step = steps[at];
    const value = grey[at];
    if (shown[step]) {
      const left = greyShare[value];
      const both = left * 0x10001 + redBlue[step];
      into[at] = 0xff000000 | ((both & 0xff00) << 8) | ((left + green[step]) & 0xff00) | (both >>> 24);
    } else {
      into[at] = 0xff000000 | (value * 0x10101);
    }
  }
}
