// Rulers: lines on the film, measured in millimetres where the file says how far samples lie apart, else in pixels.
// Functions give the next state; every change can be undone.

import { filmToScreen } from "./affine.js";
import { drawLabel } from "./marks.js";

/** @typedef {{row: number, column: number}} Spot film indices */
/** `where` of a volume: its plane and slice. @typedef {{pane: string, where: string, ends: [Spot, Spot]}} Ruler */
/** @typedef {import("./state.js").State} State */
/** @typedef {import("./affine.js").View} View */

const REMEMBERED_CHANGES = 50;

/** What was drawn before a change. @typedef {{rulers: Ruler[], box: import("./boxes.js").Box | null}} Drawn */

/** A change begins that can be undone. @param {State} state @returns {State} */
export function withPast(state) {
  const { rulers, box } = state;
  return { ...state, past: [...state.past, { rulers, box }].slice(-REMEMBERED_CHANGES) };
}

/** @param {State} state @param {Ruler[]} rulers @param {State["chosenRuler"]} chosenRuler @returns {State} */
function changed(state, rulers, chosenRuler) {
  return { ...withPast(state), rulers, chosenRuler };
}

/** A new ruler whose second end is in the hand. @param {State} state @param {string} pane @param {Spot} from @param {Spot} to
 * @param {string} [where] */
export function withRuler(state, pane, from, to, where = "") {
  return changed(state, [...state.rulers, { pane, where, ends: [from, to] }], { at: state.rulers.length, end: 1 });
}

/** Take an end of a ruler that is there. @param {State} state @param {{at: number, end: number}} chosen */
export function withChosen(state, chosen) {
  return changed(state, state.rulers, chosen);
}

/** Move the end in the hand. @param {State} state @param {Spot} spot @returns {State} */
export function withEnd(state, spot) {
  const chosen = state.chosenRuler;
  if (!chosen) return state;
  const rulers = state.rulers.map((ruler, at) => {
    if (at !== chosen.at) return ruler;
    const [first, second] = ruler.ends;
    return { ...ruler, ends: /** @type {[Spot, Spot]} */ (chosen.end === 0 ? [spot, second] : [first, spot]) };
  });
  return { ...state, rulers };
}

/** Without the chosen ruler, or the last one. @param {State} state @returns {State} */
export function withoutRuler(state) {
  if (!state.rulers.length) return state;
  const gone = state.chosenRuler?.at ?? state.rulers.length - 1;
  return changed(state, state.rulers.filter((_, at) => at !== gone), null);
}

/** As it was before the last change. @param {State} state @returns {State} */
export function withUndone(state) {
  if (!state.past.length) return state;
  return { ...state, ...state.past[state.past.length - 1], past: state.past.slice(0, -1), chosenRuler: null, grip: null };
}

/** Rulers seen in a pane: all where panes are linked, else its own; of a volume those of its plane and slice.
 * @param {State} state @param {string} pane @param {string} [where] */
export function rulersIn(state, pane, where = "") {
  return state.rulers.flatMap((ruler, at) => (ruler.where === where && (state.linked || ruler.pane === pane) ? [{ ruler, at }] : []));
}

/**
 * The end of a ruler within reach of a canvas point. @param {State} state @param {string} pane @param {View} view
 * @param {number} x device pixels @param {number} y @param {number} reach @param {string} where
 * @returns {{at: number, end: number} | null}
 */
export function endNear(state, pane, view, x, y, reach, where) {
  for (const { ruler, at } of rulersIn(state, pane, where).reverse()) {
    for (const end of [1, 0]) {
      const place = filmToScreen(view, ruler.ends[end].row, ruler.ends[end].column);
      if (Math.hypot(place.x - x, place.y - y) <= reach) return { at, end };
    }
  }
  return null;
}

/**
 * A ruler's length in words. @param {Ruler} ruler @param {readonly number[] | null} spacing mm along rows and columns
 * @param {string} kind where that spacing holds: in the patient, or at the detector
 */
export function lengthOf({ ends: [from, to] }, spacing, kind) {
  const rows = to.row - from.row;
  const columns = to.column - from.column;
  if (!spacing) return `${Math.hypot(rows, columns).toFixed(0)} px (no spacing in file)`;
  const millimetres = Math.hypot(rows * spacing[0], columns * spacing[1]);
  return `${millimetres.toFixed(1)} mm${kind && kind !== "patient" ? ` at the ${kind}` : ""}`;
}

/**
 * @param {CanvasRenderingContext2D} context @param {View} view @param {Ruler} ruler @param {string} text
 * @param {boolean} isChosen @param {number} ratio device pixels a CSS pixel
 */
export function drawRuler(context, view, { ends }, text, isChosen, ratio) {
  const [from, to] = ends.map(({ row, column }) => filmToScreen(view, row, column));
  const length = Math.hypot(to.x - from.x, to.y - from.y) || 1;
  const across = { x: (-(to.y - from.y) / length) * 5 * ratio, y: ((to.x - from.x) / length) * 5 * ratio };
  const path = new Path2D();
  path.moveTo(from.x, from.y);
  path.lineTo(to.x, to.y);
  for (const end of [from, to]) {
    path.moveTo(end.x - across.x, end.y - across.y);
    path.lineTo(end.x + across.x, end.y + across.y);
  }
  for (const [width, colour] of /** @type {const} */ ([[3.5, "rgba(0, 0, 0, .75)"], [1.5, isChosen ? "#ffe27a" : "#ffffff"]])) {
    context.lineWidth = width * ratio;
    context.strokeStyle = colour;
    context.stroke(path);
  }
  drawLabel(context, view, text, to.x + 8 * ratio, to.y - 6 * ratio, isChosen ? "#ffe27a" : "#ffffff", ratio);
}
