// What stands in a pane's corners: zoom, window, orientation letters, the scale bar, the value under the pointer.

import { edgeLetters } from "./affine.js";
import { SHARES } from "./half.js";
import { inShort, scaleBar } from "./marks.js";
import { setShown, setText } from "./nodes.js";

/** @typedef {import("./affine.js").View} View */
/** @typedef {import("./film.js").CaseData} CaseData */
/** @typedef {import("./panes.js").PaneElement} PaneElement */

/** @param {PaneElement} pane @param {View} view @param {import("./luts.js").Grey} grey @param {boolean} isTold */
export function showPlace(pane, view, grey, isTold) {
  const window = grey.voi === "table" ? "table" : `W ${inShort(grey.width)} L ${inShort(grey.center)}`;
  setText(pane.place, isTold ? `${Math.round(view.scale * 100)} % · ${window}${grey.invert ? " · inverted" : ""}` : "");
}

/** Letters of the file at the edges; where it has none, the film says so. @param {PaneElement} pane @param {View} view
 * @param {readonly string[]} letters @param {boolean} isFilm */
export function showLetters(pane, view, letters, isFilm) {
  const isMarked = letters.some((letter) => letter !== "");
  const at = edgeLetters(letters, view);
  for (const { side, letter } of pane.letters) setText(letter, isMarked ? at[side] : "");
  const south = pane.letters[3].letter;
  if (!isMarked && isFilm) setText(south, "no side marker in file");
  south.classList.toggle("sentence", !isMarked);
}

/** The bar of the film's pane, where spacing is known. @param {PaneElement} pane @param {View} view @param {CaseData} given
 * @param {boolean} isFilm */
export function showScale(pane, view, given, isFilm) {
  const { spacing, spacingKind } = given;
  setShown(pane.scale, spacing !== null && isFilm);
  if (!spacing || !isFilm) return;
  const { pixels, millimetres } = scaleBar(view, spacing);
  pane.scaleLine.style.width = `${pixels / (window.devicePixelRatio || 1)}px`;
  const where = spacingKind && spacingKind !== "patient" ? ` at the ${spacingKind}` : "";
  setText(pane.scaleText, (millimetres >= 10 ? `${millimetres / 10} cm` : `${millimetres} mm`) + where);
}

/**
 * The film's value at an index place; nothing off the film. @param {CaseData} given @param {import("./film.js").Film} film
 * @param {{row: number, column: number}} place
 */
export function filmValue(given, film, place) {
  const row = Math.floor(place.row + 0.5);
  const column = Math.floor(place.column + 0.5);
  if (!isOnFilm(given, row, column)) return "";
  const sample = film.samples.base + film.samples.step * film.pyramid.at(0).codes[row * given.shape[1] + column];
  const value = given.slope * sample + given.intercept;
  return `${inShort(value)}${given.unit ? ` ${given.unit}` : ""} at ${column}, ${row}`;
}

/**
 * A map's raw value at a film place, and its share of the greatest. @param {CaseData} given
 * @param {import("./panes.js").PaneData["map"]} map @param {Uint16Array} steps @param {{row: number, column: number}} place
 */
export function mapValue(given, map, steps, place) {
  if (!map || !isOnFilm(given, Math.floor(place.row + 0.5), Math.floor(place.column + 0.5))) return "";
  const { shape, gridScale, gridOffset, scale } = map;
  const row = Math.floor((place.row - gridOffset[0]) / gridScale[0] + 0.5);
  const column = Math.floor((place.column - gridOffset[1]) / gridScale[1] + 0.5);
  if (row < 0 || column < 0 || row >= shape[0] || column >= shape[1]) return "outside the map";
  const share = SHARES[steps[row * shape[1] + column]];
  return Number.isNaN(share) ? "no value" : `${inShort(share * scale)} · ${Math.round(share * 100).toString().replace("-", "−")} %`;
}

/** @param {CaseData} given @param {number} row @param {number} column */
function isOnFilm({ shape }, row, column) {
  return row >= 0 && column >= 0 && row < shape[0] && column < shape[1];
}
