// Through a volume: what hands and acts do to the viewer there. Every one answers false for a film, whose keys are others'.

import { screenToFilm } from "./affine.js";
import { indexOfPlace } from "./planes.js";
import { firstState } from "./state.js";
import { atPlace, atSlice, firstVolume, planeNamed, sliceAtCursor, whereOf, wholePlanes } from "./volumestate.js";

/** @typedef {import("./viewer.js").Viewer} Viewer */
/** @typedef {import("./volumestate.js").VolumeState} VolumeState */
/** @typedef {import("./film.js").CaseData} CaseData */
/** @typedef {import("./state.js").State} State */

/** @param {Viewer} viewer @param {(volume: VolumeState, given: CaseData) => Partial<VolumeState>} change */
export function changeVolume(viewer, change) {
  const { volume } = viewer.state;
  if (!volume || !viewer.data) return false;
  viewer.set({ ...viewer.state, volume: { ...volume, ...change(volume, viewer.data.case) } });
}

/** On by so many slices of the plane that a pane shows. @param {Viewer} viewer @param {string} pane @param {number} slices */
export function scroll(viewer, pane, slices) {
  const plane = viewer.board.seenIn(pane)?.plane;
  if (plane === undefined) return false;
  return changeVolume(viewer, (volume, given) => atSlice(given, volume, plane, sliceAtCursor(given, volume, plane) + slices));
}

/** To a slice, from 0, of the plane that the active pane shows. @param {Viewer} viewer @param {number} slice */
export function toSlice(viewer, slice) {
  const plane = viewer.board.seenIn(viewer.state.active)?.plane ?? "";
  return changeVolume(viewer, (volume, given) => atSlice(given, volume, plane, slice));
}

/** The crosshair under the pointer. @param {Viewer} viewer @param {string} pane */
export function putCrosshair(viewer, pane) {
  const seen = viewer.board.seenIn(pane);
  const { pointer } = viewer;
  if (!seen || !pointer) return false;
  return changeVolume(viewer, (volume, given) => atPlace(given, volume, seen.plane, seen.slice, pointer.row, pointer.column));
}

/**
 * What lies under a pane's point: film indices; of a volume the plane and slice, and the array index.
 * @typedef {{pane: string, x: number, y: number, row: number, column: number, where: string,
 *   index: import("./planes.js").Index | null}} Pointer
 */

/** @param {Viewer} viewer @param {string} pane @param {number} x CSS pixels @param {number} y @returns {Pointer} */
export function pointerAt(viewer, pane, x, y) {
  const ratio = window.devicePixelRatio || 1;
  const { row, column } = screenToFilm(viewer.viewOf(pane), x * ratio, y * ratio);
  const seen = viewer.board.seenIn(pane);
  const given = viewer.data?.case;
  const index = seen && given ? indexOfPlace(planeNamed(given, seen.plane), given.shape, [seen.slice, row, column]) : null;
  return { pane, x, y, row, column, where: whereOf(seen), index };
}

/** The pointer where the slices have moved on under it. @param {Viewer} viewer */
export function settlePointer(viewer) {
  const { pointer, board, state } = viewer;
  if (!pointer || !state.volume) return;
  viewer.pointer = board.panes.has(pointer.pane) ? pointerAt(viewer, pointer.pane, pointer.x, pointer.y) : null;
}

/**
 * What a state begins a volume with: the crosshair in its middle, every plane whole; nothing of a film.
 * @param {import("./viewer.js").ViewerData} data @param {State} before
 * @param {Record<number, import("./luts.js").Grey>} greys of the modalities that are known @returns {Partial<State>}
 */
export function volumePart({ case: given, settings }, before, greys) {
  if (given.kind !== "volume") return { volume: null, box: null, grip: null, asked: null };
  const look = { ...before.look, places: wholePlanes(given), greys: { ...greys } };
  const volume = firstVolume(given, settings.volume ?? {}, before.volume);
  return { volume, look, looks: {}, maximised: null, rulers: [], chosenRuler: null, past: [], box: null, grip: null, asked: null };
}

/** A state to begin with, of a film or a volume. @param {import("./viewer.js").ViewerData} data @param {import("./state.js").Preset} preset
 * @param {Record<number, import("./luts.js").Grey>} greys @returns {State} */
export function freshState(data, preset, greys) {
  const { sentences: _, volume: __, picks = [], ...given } = data.settings;
  const state = { ...firstState(data.case.shape, preset, given), picks };
  return { ...state, ...volumePart(data, state, greys) };
}

/** A modality has come: its grey, unless the reader has chosen one. @param {State} state @param {number} channel
 * @param {import("./luts.js").Grey} grey @returns {State} */
export function withGrey(state, channel, grey) {
  return { ...state, look: { ...state.look, greys: { [channel]: grey, ...state.look.greys } } };
}
