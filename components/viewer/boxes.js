// A box in a volume: a rectangle drawn in a plane and so many slices deep, in whole samples. Functions give the next state.

import { filmToScreen } from "./affine.js";
import { drawLabel } from "./marks.js";
import { hungPlace, indexOfPlace } from "./planes.js";
import { withPast } from "./rulers.js";
import { planeNamed } from "./volumestate.js";

/** @typedef {import("./planes.js").Index} Index */
/** @typedef {import("./film.js").CaseData} CaseData */
/** @typedef {import("./cells.js").Seen} Seen */
/** @typedef {import("./affine.js").View} View */
/** @typedef {import("./state.js").State} State */
/** @typedef {import("./rulers.js").Spot} Spot */

/** The first and the last sample inside, as array indices. @typedef {{low: Index, high: Index}} Box */
/** First and last slice, row and column of a plane. @typedef {[number, number]} Span */
/** What of a box is in the hand: it reaches from `anchor` to the hand, along rows, columns or both.
 * @typedef {{anchor: Spot, rows: boolean, columns: boolean}} Grip */

/** @param {CaseData} given @param {string} name */
function countsOf(given, name) {
  const plane = planeNamed(given, name);
  return [plane.slices, plane.shape[0], plane.shape[1]];
}

/** A box as a plane counts: its slices, rows and columns. @param {CaseData} given @param {Box} box @param {string} name
 * @returns {Span[]} */
export function spansOf(given, { low, high }, name) {
  const plane = planeNamed(given, name);
  const ends = [low, high].map((index) => hungPlace(plane, given.shape, index));
  return [0, 1, 2].map((at) => [Math.min(ends[0][at], ends[1][at]), Math.max(ends[0][at], ends[1][at])]);
}

/** The box of so many slices, rows and columns, cut at the volume's ends. @param {CaseData} given @param {string} name
 * @param {readonly number[][]} spans of any order @returns {Box} */
export function boxOf(given, name, spans) {
  const counts = countsOf(given, name);
  const whole = spans.map((span, at) => span.map((end) => Math.min(Math.max(Math.floor(end + 0.5), 0), counts[at] - 1)));
  /** @param {(...ends: number[]) => number} pick */
  const corner = (pick) => indexOfPlace(planeNamed(given, name), given.shape, /** @type {Index} */ (whole.map((span) => pick(...span))));
  const [one, other] = [corner(Math.min), corner(Math.max)];
  return {
    low: /** @type {Index} */ (one.map((end, at) => Math.min(end, other[at]))),
    high: /** @type {Index} */ (one.map((end, at) => Math.max(end, other[at]))),
  };
}

/** Rows and columns of a box in what is seen; null where it does not meet it. @param {CaseData} given @param {Box | null} box
 * @param {Seen | null} seen */
export function rectangleIn(given, box, seen) {
  if (!box || !seen) return null;
  const [slices, rows, columns] = spansOf(given, box, seen.plane);
  return seen.slice >= slices[0] && seen.slice <= slices[1] ? { rows, columns } : null;
}

/** Another box, or none. @param {State} state @param {Box | null} box @returns {State} */
export function withBox(state, box) {
  return { ...withPast(state), box };
}

/** A box begins at a spot, as deep as the one before where that meets the slice; or an edge is taken. @param {State} state
 * @param {CaseData} given @param {Seen} seen @param {Spot} spot @param {Grip | null} grip @returns {State} */
export function withBoxTaken(state, given, seen, spot, grip) {
  if (grip) return { ...withPast(state), grip };
  const before = rectangleIn(given, state.box, seen) && state.box;
  const slices = before ? spansOf(given, before, seen.plane)[0] : [seen.slice, seen.slice];
  const box = boxOf(given, seen.plane, [slices, [spot.row, spot.row], [spot.column, spot.column]]);
  return { ...withBox(state, box), grip: { anchor: spot, rows: true, columns: true } };
}

/** The hand has moved to a spot. @param {State} state @param {CaseData} given @param {Seen} seen @param {Spot} spot @returns {State} */
export function withBoxDrawn(state, given, seen, spot) {
  const { box, grip } = state;
  if (!box || !grip) return state;
  const [slices, rows, columns] = spansOf(given, box, seen.plane);
  const { anchor } = grip;
  const spans = [slices, grip.rows ? [anchor.row, spot.row] : rows, grip.columns ? [anchor.column, spot.column] : columns];
  return { ...state, box: boxOf(given, seen.plane, spans) };
}

/** A box from or to another slice of a plane; its other end gives way. @param {State} state @param {CaseData} given
 * @param {string} name @param {"from" | "to"} end @param {number} slice @returns {State} */
export function withBoxSlice(state, given, name, end, slice) {
  if (!state.box) return state;
  const [[from, to], rows, columns] = spansOf(given, state.box, name);
  const slices = end === "from" ? [slice, Math.max(slice, to)] : [Math.min(from, slice), slice];
  return withBox(state, boxOf(given, name, [slices, rows, columns]));
}

/** A box over the middle quarter of a plane's rows and columns about a place, for hands without a mouse.
 * @param {CaseData} given @param {string} name @param {Index} middle */
export function boxAbout(given, name, middle) {
  const counts = countsOf(given, name);
  const [slice, row, column] = hungPlace(planeNamed(given, name), given.shape, middle);
  const [down, across] = [counts[1] / 8, counts[2] / 8];
  return boxOf(given, name, [[slice, slice], [row - down, row + down], [column - across, column + across]]);
}

/** The edge or corner of a box within reach of a canvas point. @param {CaseData} given @param {Box | null} box @param {Seen} seen
 * @param {View} view @param {number} x device pixels @param {number} y @param {number} reach @returns {Grip | null} */
export function gripNear(given, box, seen, view, x, y, reach) {
  const found = rectangleIn(given, box, seen);
  if (!found) return null;
  const { rows, columns } = found;
  /** Whether the point is within reach of a line from corner to corner. @param {[number, number]} from row, column @param {[number, number]} to */
  const isNear = (from, to) => {
    const [one, other] = [from, to].map(([row, column]) => filmToScreen(view, row, column));
    const isWithin = (/** @type {number} */ at, /** @type {number} */ a, /** @type {number} */ b) => at >= Math.min(a, b) - reach && at <= Math.max(a, b) + reach;
    return isWithin(x, one.x, other.x) && isWithin(y, one.y, other.y);
  };
  const [top, bottom, left, right] = [rows[0] - 0.5, rows[1] + 0.5, columns[0] - 0.5, columns[1] + 0.5];
  const [isTop, isBottom] = [isNear([top, left], [top, right]), isNear([bottom, left], [bottom, right])];
  const [isLeft, isRight] = [isNear([top, left], [bottom, left]), isNear([top, right], [bottom, right])];
  if (!isTop && !isBottom && !isLeft && !isRight) return null;
  const anchor = { row: isBottom ? rows[0] : rows[1], column: isRight ? columns[0] : columns[1] };
  return { anchor, rows: isTop || isBottom, columns: isLeft || isRight };
}

/** How large a box is, in millimetres where the volume says how far samples lie apart: columns, rows, slices of the array.
 * @param {CaseData} given @param {Box} box */
export function sizeOf({ affine }, { low, high }) {
  const counts = [2, 1, 0].map((axis) => high[axis] - low[axis] + 1);
  if (!affine) return `${counts.join(" × ")} samples`;
  const steps = [2, 1, 0].map((axis) => Math.hypot(affine[0][axis], affine[1][axis], affine[2][axis]));
  return `${counts.map((count, at) => (count * steps[at]).toFixed(0)).join(" × ")} mm`;
}

/** @param {CanvasRenderingContext2D} context @param {View} view @param {{rows: Span, columns: Span}} rectangle @param {string} text
 * @param {boolean} isChosen @param {number} ratio device pixels a CSS pixel */
export function drawBox(context, view, { rows, columns }, text, isChosen, ratio) {
  const from = filmToScreen(view, rows[0] - 0.5, columns[0] - 0.5);
  const to = filmToScreen(view, rows[1] + 0.5, columns[1] + 0.5);
  const colour = isChosen ? "#ffe27a" : "#ffffff";
  const [x, y, width, height] = [Math.min(from.x, to.x), Math.min(from.y, to.y), Math.abs(to.x - from.x), Math.abs(to.y - from.y)];
  for (const [line, stroke, dashes] of /** @type {const} */ ([[3, "rgba(0, 0, 0, .75)", []], [1.5, colour, [6, 3]]])) {
    context.lineWidth = line * ratio;
    context.strokeStyle = stroke;
    context.setLineDash(dashes.map((length) => length * ratio));
    context.strokeRect(x, y, width, height);
  }
  context.setLineDash([]);
  drawLabel(context, view, text, x, y - 6 * ratio, colour, ratio);
}
