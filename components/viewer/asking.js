// What a hand asks the server about a volume: the voxel under the crosshair, or a box. One message each, when the key is
// pressed or the box is let go; nothing while it is drawn. A page says which of the two it answers to ("picks").

import { screenToFilm } from "./affine.js";
import { boxAbout, gripNear, withBox, withBoxDrawn, withBoxSlice, withBoxTaken } from "./boxes.js";
import { withUndone } from "./rulers.js";

/** @typedef {import("./viewer.js").Viewer} Viewer */
/** @typedef {import("./film.js").CaseData} CaseData */
/** @typedef {import("./planes.js").Index} Index */

/** CSS pixels within which an edge is taken. */
const EDGE_REACH = 7;

/** Samples of the case itself that a sample shown stands for: the first and the last, from 0. @param {CaseData} given @param {Index} index */
export function wholeSamples({ halving, wholeShape }, index) {
  return {
    first: index.map((at) => at * halving),
    last: index.map((at, axis) => Math.min((at + 1) * halving, wholeShape[axis]) - 1),
  };
}

/** The voxel under the crosshair. @param {Viewer} viewer */
export function askVoxel(viewer) {
  const { data, state } = viewer;
  if (!data || !state.volume || !state.picks.includes("voxel")) return false;
  const { cursor } = state.volume;
  const { first, last } = wholeSamples(data.case, cursor);
  const index = first.map((from, axis) => (from + last[axis]) >> 1);
  viewer.set({ ...state, asked: cursor });
  viewer.setTriggerValue("voxel", { case: data.case.digest, index, pane: paneOf(viewer) });
}

/** The box as it is; none, where it was removed. @param {Viewer} viewer */
export function askBox(viewer) {
  const { data, state } = viewer;
  if (!data) return;
  const plane = viewer.board.seenIn(state.active)?.plane ?? state.volume?.plane ?? "";
  const ends = state.box && { first: wholeSamples(data.case, state.box.low).first, last: wholeSamples(data.case, state.box.high).last };
  viewer.setTriggerValue("box", { case: data.case.digest, ends, plane, pane: paneOf(viewer) });
}

/** @param {Viewer} viewer */
function paneOf(viewer) {
  return viewer.board.panes.get(viewer.state.active)?.cell?.pane.id ?? viewer.state.active;
}

/** Whether boxes can be drawn here. @param {Viewer} viewer */
function takesBoxes({ state }) {
  return state.volume !== null && state.picks.includes("box");
}

/** The box tool; asked for again, a box about the crosshair. @param {Viewer} viewer */
export function boxTool(viewer) {
  const { data, state } = viewer;
  if (!data || !state.volume || !takesBoxes(viewer)) return false;
  if (state.tool !== "box") {
    viewer.set({ ...state, tool: "box" });
    return;
  }
  const plane = viewer.board.seenIn(state.active)?.plane ?? state.volume.plane;
  viewer.set(withBox(state, boxAbout(data.case, plane, state.volume.cursor)));
  askBox(viewer);
}

/** A hand takes the box's edge, or begins a new one. @param {Viewer} viewer @param {string} pane @param {number} x CSS pixels @param {number} y */
export function takeBox(viewer, pane, x, y) {
  const seen = viewer.board.seenIn(pane);
  if (!seen || !viewer.data || !takesBoxes(viewer)) return;
  const ratio = window.devicePixelRatio || 1;
  const view = viewer.viewOf(pane);
  const near = gripNear(viewer.data.case, viewer.state.box, seen, view, x * ratio, y * ratio, EDGE_REACH * ratio);
  viewer.set(withBoxTaken(viewer.state, viewer.data.case, seen, screenToFilm(view, x * ratio, y * ratio), near));
}

/** @param {Viewer} viewer @param {string} pane */
export function drawTheBox(viewer, pane) {
  const seen = viewer.board.seenIn(pane);
  if (seen && viewer.data && viewer.pointer) viewer.set(withBoxDrawn(viewer.state, viewer.data.case, seen, viewer.pointer));
}

/** Told once, when it is let go; a press without a drag leaves all as it was. @param {Viewer} viewer @param {boolean} isStill */
export function letGoOfBox(viewer, isStill) {
  if (!viewer.state.grip) return;
  viewer.set(isStill ? withUndone(viewer.state) : { ...viewer.state, grip: null });
  if (!isStill) askBox(viewer);
}

/** The box from or to a slice, from 0, of the plane in the active pane. @param {Viewer} viewer @param {"from" | "to"} end @param {number} slice */
export function boxSlice(viewer, end, slice) {
  const { data, state } = viewer;
  const plane = viewer.board.seenIn(state.active)?.plane;
  if (!data || !plane || !state.box || !Number.isFinite(slice)) return false;
  const next = withBoxSlice(state, data.case, plane, end, slice);
  if (!isSameBox(next.box, state.box)) setWithBox(viewer, next);
}

/** Another state, and where its box is another one the server is told. @param {Viewer} viewer @param {import("./state.js").State} state */
export function setWithBox(viewer, state) {
  const before = viewer.state.box;
  viewer.set(state);
  if (!isSameBox(before, state.box) && takesBoxes(viewer)) askBox(viewer);
}

/** @param {import("./boxes.js").Box | null} one @param {import("./boxes.js").Box | null} other */
function isSameBox(one, other) {
  return JSON.stringify(one) === JSON.stringify(other);
}
