// Everything that is drawn over a pane's picture without touching its pixels, in the order in which it lies.

import { drawBox, rectangleIn, sizeOf } from "./boxes.js";
import { drawAsked, drawCrosshair, drawPointer } from "./marks.js";
import { drawOutlines, shownRegions } from "./regions.js";
import { drawRuler, lengthOf, rulersIn } from "./rulers.js";
import { placeIn, whereOf } from "./volumestate.js";

/**
 * @param {import("./panes.js").PaneElement} pane @param {import("./cells.js").Seen | null} seen @param {import("./affine.js").View} view
 * @param {import("./board.js").Scene} scene @param {import("./board.js").AnyArrivals} arrivals
 */
export function overpaint(pane, seen, view, { data, state, pointer }, arrivals) {
  const context = pane.marks.getContext("2d");
  if (!context) return;
  context.clearRect(0, 0, pane.marks.width, pane.marks.height);
  const ratio = window.devicePixelRatio || 1;
  const where = whereOf(seen);
  if (!state.overlaysHidden) {
    drawOutlines(context, view, arrivals.outlinesIn(seen), shownRegions(state, data.contours), ratio);
    const crosshair = placeIn(data.case, state.volume?.cursor, seen);
    if (crosshair) drawCrosshair(context, view, crosshair, ratio);
  }
  const asked = placeIn(data.case, state.asked, seen);
  if (asked) drawAsked(context, view, asked, ratio);
  const rectangle = rectangleIn(data.case, state.box, seen);
  if (rectangle && state.box) drawBox(context, view, rectangle, sizeOf(data.case, state.box), state.grip !== null, ratio);
  const { spacing, spacingKind } = arrivals.hangingIn(seen);
  for (const { ruler, at } of rulersIn(state, pane.id, where)) {
    drawRuler(context, view, ruler, lengthOf(ruler, spacing, spacingKind), state.chosenRuler?.at === at, ratio);
  }
  if (pointer && pointer.pane !== pane.id && pointer.where === where && state.linked) drawPointer(context, view, pointer, ratio);
}
