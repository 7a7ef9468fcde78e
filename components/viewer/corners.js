// What stands in a pane's corners: zoom, window, orientation letters, the scale bar, the value under the pointer.

import { edgeLetters } from "./affine.js";
import { SHARES } from "./half.js";
import { inShort, scaleBar } from "./marks.js";
import { setShown, setText } from "./nodes.js";

/** @typedef {import("./affine.js").View} View */
/** @typedef {import("./film.js").CaseData} CaseData */
/** @typedef {import("./panes.js").PaneElement} PaneElement */

/** @param {PaneElement} pane @param {View} view @param {import("./luts.js").Grey} grey @param {boolean} isTold
 * @param {string} slice what the slice is called, of a volume */
export function showPlace(pane, view, grey, isTold, slice) {
  const window = grey.voi === "table" ? "table" : `W ${inShort(grey.width)} L ${inShort(grey.center)}`;
  const told = isTold ? `${Math.round(view.scale * 100)} % · ${window}${grey.invert ? " · inverted" : ""}` : "";
  setText(pane.place, [slice, told].filter(Boolean).join(" · "));
}

/** Letters of the file at the edges; where it has none, the image's pane says so. @param {PaneElement} pane @param {View} view
 * @param {readonly string[]} letters @param {string} without what it says then */
export function showLetters(pane, view, letters, without) {
  const isMarked = letters.some((letter) => letter !== "");
  const at = edgeLetters(letters, view);
  for (const { side, letter } of pane.letters) setText(letter, isMarked ? at[side] : "");
  const south = pane.letters[3].letter;
  if (!isMarked) setText(south, without);
  south.classList.toggle("sentence", !isMarked);
}

/** The bar, where spacing is known. @param {PaneElement} pane @param {View} view
 * @param {{spacing: number[] | null, spacingKind: string}} hanging @param {boolean} isTold */
export function showScale(pane, view, { spacing, spacingKind }, isTold) {
  setShown(pane.scale, spacing !== null && isTold);
  if (!spacing || !isTold) return;
  const { pixels, millimetres } = scaleBar(view, spacing);
  pane.scaleLine.style.width = `${pixels / (window.devicePixelRatio || 1)}px`;
  const where = spacingKind && spacingKind !== "patient" ? ` at the ${spacingKind}` : "";
  setText(pane.scaleText, (millimetres >= 10 ? `${millimetres / 10} cm` : `${millimetres} mm`) + where);
}

/**
 * The film's value at an index place, and where that is; nothing off the film. @param {CaseData} given
 * @param {import("./film.js").Film} film @param {{row: number, column: number}} place @param {string} where
 */
export function filmValue(given, film, place, where) {
  const { codes, columns } = film.pyramid.at(0);
  if (!isOnFilm(film, place)) return "";
  const sample = film.samples.base + film.samples.step * codes[Math.floor(place.row + 0.5) * columns + Math.floor(place.column + 0.5)];
  return `${inShort(given.slope * sample + given.intercept)}${given.unit ? ` ${given.unit}` : ""} at ${where}`;
}

/**
 * A map's raw value at a film place, and its share of the greatest. @param {import("./film.js").Film} film
 * @param {import("./arrivals.js").Layer} layer @param {{row: number, column: number}} place
 */
export function mapValue(film, { sheet, scale }, place) {
  if (!isOnFilm(film, place)) return "";
  const { gridScale, gridOffset, steps, rows, columns } = sheet;
  const row = Math.floor((place.row - gridOffset[0]) / gridScale[0] + 0.5);
  const column = Math.floor((place.column - gridOffset[1]) / gridScale[1] + 0.5);
  if (row < 0 || column < 0 || row >= rows || column >= columns) return "outside the map";
  const share = SHARES[steps[row * columns + column]];
  return Number.isNaN(share) ? "no value" : `${inShort(share * scale)} · ${Math.round(share * 100).toString().replace("-", "−")} %`;
}

/** @param {import("./film.js").Film} film @param {{row: number, column: number}} place */
export function isOnFilm({ pyramid }, place) {
  const { rows, columns } = pyramid.at(0);
  const row = Math.floor(place.row + 0.5);
  const column = Math.floor(place.column + 0.5);
  return row >= 0 && column >= 0 && row < rows && column < columns;
}
