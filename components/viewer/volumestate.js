// Where one is in a volume: the crosshair, the plane, the modality, how panes are laid out. Functions give the next state.

import { hungPlace, indexOfPlace } from "./planes.js";
import { wholeFilm } from "./state.js";

/** @typedef {import("./planes.js").Index} Index */
/** @typedef {import("./planes.js").Plane} Plane */
/** @typedef {import("./film.js").CaseData} CaseData */

/**
 * @typedef {object} VolumeState
 * @property {Index} cursor the crosshair, in whole samples @property {string} plane @property {number} channel
 * @property {string} layout a name of LAYOUTS (cells.js) @property {boolean} isProjected maps by their greatest along the slices
 * @property {string} focus the pane that layouts of one pane show
 */

/** The middle of the volume, or what the page asks for, its cursor in voxels of the case; the layout of the volume before is kept.
 * @param {CaseData} given @param {Partial<VolumeState>} asked @param {VolumeState | null} before @returns {VolumeState} */
export function firstVolume({ shape, halving }, { cursor: voxel, ...asked }, before) {
  const middle = shape.map((count) => Math.floor((count - 1) / 2));
  const cursor = /** @type {Index} */ (voxel ? voxel.map((index) => Math.floor(index / halving)) : middle);
  const layout = before ? { plane: before.plane, layout: before.layout } : { plane: "axial", layout: "panes" };
  return { cursor, channel: 0, isProjected: false, focus: "image", ...layout, ...asked };
}

/** Every plane whole. @param {CaseData} given */
export function wholePlanes({ planes }) {
  return Object.fromEntries(planes.map((plane) => [plane.name, wholeFilm(plane.shape)]));
}

/** @param {CaseData} given @param {string} name @returns {Plane} */
export function planeNamed({ planes }, name) {
  return planes.find((plane) => plane.name === name) ?? planes[0];
}

/** The slice of a plane that the crosshair is in, from 0. @param {CaseData} given @param {VolumeState} volume @param {string} plane */
export function sliceAtCursor(given, volume, plane) {
  return hungPlace(planeNamed(given, plane), given.shape, volume.cursor)[0];
}

/** The crosshair moved to a slice of a plane, staying in the volume. @param {CaseData} given @param {VolumeState} volume
 * @param {string} name @param {number} slice @returns {VolumeState} */
export function atSlice(given, volume, name, slice) {
  const plane = planeNamed(given, name);
  const [, row, column] = hungPlace(plane, given.shape, volume.cursor);
  return atPlace(given, volume, name, slice, row, column);
}

/** The crosshair moved to the sample nearest to a place. @param {CaseData} given @param {VolumeState} volume @param {string} name
 * @param {number} slice @param {number} row @param {number} column @returns {VolumeState} */
export function atPlace(given, volume, name, slice, row, column) {
  const plane = planeNamed(given, name);
  const counts = [plane.slices, plane.shape[0], plane.shape[1]];
  const place = [slice, row, column].map((value, at) => Math.min(Math.max(Math.floor(value + 0.5), 0), counts[at] - 1));
  return { ...volume, cursor: indexOfPlace(plane, given.shape, /** @type {Index} */ (place)) };
}

/** LPS millimetres of an array index, or null where the volume does not say. @param {CaseData} given @param {Index} index */
export function lpsOf({ affine }, index) {
  return affine && [0, 1, 2].map((row) => affine[row][0] * index[0] + affine[row][1] * index[1] + affine[row][2] * index[2] + affine[row][3]);
}

const LPS_LETTERS = [["L", "R"], ["P", "A"], ["H", "F"]];

/** A coordinate by its letter: "R 12.3". @param {number} value @param {number} axis of LPS */
export function coordinate(value, axis) {
  const rounded = Math.abs(value).toFixed(1);
  return `${LPS_LETTERS[axis][value < 0 && rounded !== "0.0" ? 1 : 0]} ${rounded}`;
}

/** Where an array index lies: LPS in mm, or its numbers. @param {CaseData} given @param {Index} index */
export function positionOf(given, index) {
  const lps = lpsOf(given, index);
  return lps ? `${lps.map(coordinate).join(" ")} mm` : `sample ${index.map((value) => Math.round(value)).join(", ")}`;
}

/** What a slice is called: its number and the millimetres of the direction it is counted along. @param {CaseData} given
 * @param {VolumeState} volume @param {string} name @param {number} slice */
export function sliceWords(given, volume, name, slice) {
  const plane = planeNamed(given, name);
  const words = `${slice + 1}/${plane.slices}`;
  const lps = lpsOf(given, atSlice(given, volume, name, slice).cursor);
  const axis = { axial: 2, coronal: 1, sagittal: 0 }[plane.name];
  return lps && axis !== undefined ? `${words} · ${coordinate(lps[axis], axis)} mm` : words;
}

/** The plane and slice of what is seen, '' of a film. @param {import("./cells.js").Seen | null} seen */
export function whereOf(seen) {
  return seen ? `${seen.plane} ${seen.slice}` : "";
}

/** Where an array index stands in what is seen; null in a slice that it does not meet. @param {CaseData} given
 * @param {Index | null | undefined} index @param {import("./cells.js").Seen | null} seen */
export function placeIn(given, index, seen) {
  if (!index || !seen) return null;
  const [slice, row, column] = hungPlace(planeNamed(given, seen.plane), given.shape, index);
  return slice === seen.slice ? { row, column } : null;
}
