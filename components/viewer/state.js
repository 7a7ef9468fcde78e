// The viewer's state: plain values, and functions that give the next one. Hands change it, drawing reads it.

import { fitScale, screenToFilm } from "./affine.js";

/** @typedef {import("./affine.js").View} View */
/** @typedef {import("./luts.js").Grey} Grey */

/**
 * @typedef {object} Place Which part of the film is seen; `zoom` 1 is the whole film, `native` one sample a pixel.
 * @property {number} zoom @property {boolean} native @property {number} row @property {number} column
 * @property {number} turn @property {boolean} flipX @property {boolean} flipY
 */

/**
 * One look is shared by linked panes; of a volume it has a place for every plane and greys for every modality.
 * @typedef {{place: Place, grey: Grey, places?: Record<string, Place>, greys?: Record<number, Grey>}} Look
 */

/** @typedef {{plane: string, channel: number}} Aspect what a pane sees of a volume */

/**
 * @typedef {object} Settings What is done with maps; the same in every pane.
 * @property {number} threshold @property {number} opacity @property {string} colours
 * @property {"both" | "positive" | "negative"} sign
 * @property {"auto" | "method" | "map" | "shared"} scale what counts as the end of the scale: the greatest magnitude
 *   of the map, of its explainer's maps, or of all maps of its unit; "auto": of its unit where each of those maps would
 *   still show something at the default threshold, else of the map, which the foot and the colour bar then say
 * @property {boolean} smooth
 * @property {"none" | "pass" | "clamp"} filterMode @property {number} filterLow @property {number} filterHigh
 * @property {"output" | "blocks"} filterAt on the final map, or inside the propagation
 * @property {number} fill opacity of a volume's regions, 0 for outlines alone @property {boolean} fillsMaps over maps too
 */

/**
 * @typedef {object} State
 * @property {Settings} settings @property {Look} look @property {Record<string, Look>} looks by pane, when not linked
 * @property {boolean} linked @property {import("./pointer.js").Tool} tool @property {string} active
 * @property {string | null} maximised @property {boolean} overlaysHidden @property {Record<string, boolean>} hidden
 * @property {boolean} blinking @property {boolean} helpOpen
 * @property {boolean} swiping the active pane shows its neighbour right of the divider @property {number} divider share
 * @property {boolean} magnifying
 * @property {import("./rulers.js").Ruler[]} rulers @property {{at: number, end: number} | null} chosenRuler the end in the hand
 * @property {import("./rulers.js").Drawn[]} past what was drawn before each change
 * @property {import("./boxes.js").Box | null} box of a volume @property {import("./boxes.js").Grip | null} grip the part of it in the hand
 * @property {Record<string, boolean>} regionsHidden by name
 * @property {string[]} picks what the page answers to: "voxel", "box" @property {import("./planes.js").Index | null} asked the voxel it was asked about
 * @property {import("./volumestate.js").VolumeState | null} volume null for a film
 */

/** @typedef {{name: string, center: number, width: number, voi: "linear" | "table"}} Preset */

/** @type {Settings} */
export const DEFAULT_SETTINGS = Object.freeze({
  threshold: 0.2,
  opacity: 0.45,
  colours: "auto",
  sign: "both",
  scale: "auto",
  smooth: false,
  filterMode: "none",
  filterLow: 0,
  filterHigh: 1,
  filterAt: "output",
  fill: 0.3,
  fillsMaps: false,
});

/** Magnitudes down to this share of the greatest still show at the default threshold, and may share its scale. */
export const COMPARABLE = DEFAULT_SETTINGS.threshold;

/** The whole film. @param {readonly number[]} shape @returns {Place} */
export function wholeFilm(shape) {
  return {
    zoom: 1, native: false, row: (shape[0] - 1) / 2, column: (shape[1] - 1) / 2, turn: 0, flipX: false, flipY: false,
  };
}

/** @param {readonly number[]} shape @param {Preset} preset @param {Partial<Settings>} given @returns {State} */
export function firstState(shape, preset, given) {
  return {
    settings: { ...DEFAULT_SETTINGS, ...given },
    look: firstLook(shape, preset),
    looks: {},
    linked: true,
    tool: "window",
    active: "image",
    maximised: null,
    overlaysHidden: false,
    hidden: {},
    blinking: false,
    helpOpen: false,
    swiping: false,
    divider: 0.5,
    magnifying: false,
    rulers: [],
    chosenRuler: null,
    past: [],
    box: null,
    grip: null,
    picks: [],
    regionsHidden: {},
    asked: null,
    volume: null,
  };
}

/** @param {readonly number[]} shape @param {Preset} preset @returns {Look} */
export function firstLook(shape, preset) {
  return { place: wholeFilm(shape), grey: { ...greyOf(preset), invert: false } };
}

/** @param {Preset} preset */
export function greyOf(preset) {
  return { center: preset.center, width: preset.width, voi: preset.voi };
}

/** What a pane looks through. @param {State} state @param {string} pane @param {Aspect | null} [seen] @returns {Look} */
export function lookOf(state, pane, seen = null) {
  const look = state.linked ? state.look : (state.looks[pane] ?? state.look);
  if (!seen) return look;
  const place = look.places?.[seen.plane] ?? state.look.places?.[seen.plane] ?? look.place;
  const grey = look.greys?.[seen.channel] ?? state.look.greys?.[seen.channel] ?? look.grey;
  return { ...look, place, grey };
}

/** @param {State} state @param {string} pane @param {Look} look @param {Aspect | null} [seen] @returns {State} */
export function withLook(state, pane, look, seen = null) {
  const next = seen
    ? { ...look, places: { ...look.places, [seen.plane]: look.place }, greys: { ...look.greys, [seen.channel]: look.grey } }
    : look;
  return state.linked ? { ...state, look: next } : { ...state, looks: { ...state.looks, [pane]: next } };
}

/** Linked panes follow the active one; unlinked ones start where they are. @param {State} state @returns {State} */
export function toggledLink(state) {
  return state.linked
    ? { ...state, linked: false, looks: {} }
    : { ...state, linked: true, look: lookOf(state, state.active), looks: {} };
}

/** @param {Place} place @param {number} width @param {number} height @param {readonly number[]} shape @returns {View} */
export function viewOf(place, width, height, shape) {
  const scale = place.native ? 1 : fitScale(width, height, shape, place.turn) * place.zoom;
  const { row, column, turn, flipX, flipY } = place;
  return { width, height, scale, row, column, turn, flipX, flipY, rowSize: shape[2], columnSize: shape[3] };
}

const CLOSEST = 64;
const FARTHEST = 0.5;

/**
 * Zoom by `factor`, the film under the canvas point (device pixels) staying where it is.
 * @param {Place} place @param {View} view @param {readonly number[]} shape @param {number} factor
 * @param {number} x @param {number} y @returns {Place}
 */
export function zoomedAt(place, view, shape, factor, x, y) {
  const fit = fitScale(view.width, view.height, shape, place.turn);
  const zoom = Math.min(Math.max((view.scale / fit) * factor, FARTHEST), Math.max(CLOSEST / fit, 1));
  const under = screenToFilm(view, x, y);
  const next = { ...place, zoom, native: false };
  const ratio = view.scale / (fit * zoom);
  next.row = under.row + (place.row - under.row) * ratio;
  next.column = under.column + (place.column - under.column) * ratio;
  return kept(next, shape);
}

/** Move the film by device pixels. @param {Place} place @param {View} view @param {readonly number[]} shape
 * @param {number} dx @param {number} dy @returns {Place} */
export function panned(place, view, shape, dx, dy) {
  const from = screenToFilm(view, 0, 0);
  const to = screenToFilm(view, dx, dy);
  return kept({ ...place, row: place.row - (to.row - from.row), column: place.column - (to.column - from.column) }, shape);
}

/** The centre never leaves the film. @param {Place} place @param {readonly number[]} shape @returns {Place} */
function kept(place, shape) {
  const row = Math.min(Math.max(place.row, 0), shape[0] - 1);
  const column = Math.min(Math.max(place.column, 0), shape[1] - 1);
  return { ...place, row, column };
}

/** A quarter turn clockwise as the eye sees it: flips act after the turn, so they change places. @param {Place} place */
export function rotated(place) {
  return { ...place, turn: (place.turn + 1) % 4, flipX: place.flipY, flipY: place.flipX };
}

/** A window never narrower than one step of samples. @param {Grey} grey @param {number} step
 * @param {number} width @param {number} center @returns {Grey} */
export function windowed(grey, step, width, center) {
  return { ...grey, voi: "linear", width: Math.max(width, step), center };
}

/** The ends of a filter keep their order, at least a hundredth apart. @param {Settings} settings
 * @param {"filterLow" | "filterHigh"} end @param {number} value @returns {Settings} */
export function withFilterEnd(settings, end, value) {
  const next = { ...settings, [end]: value };
  if (next.filterMode === "none") next.filterMode = "pass";
  if (end === "filterLow") next.filterLow = Math.min(value, next.filterHigh - 0.01);
  else next.filterHigh = Math.max(value, next.filterLow + 0.01);
  return next;
}

/** What the server is asked to filter with, or null. @param {Settings} settings */
export function askedFilter(settings) {
  if (settings.filterMode === "none" || settings.filterAt === "output") return null;
  if (settings.filterLow <= 0 && settings.filterHigh >= 1) return null;
  return { mode: settings.filterMode, low: settings.filterLow, high: settings.filterHigh, at: settings.filterAt };
}

/**
 * Windows on offer: those of the file, then some made of the histogram, for a chest too; the first is "as stored".
 * @param {{name: string, center: number, width: number}[]} windows @param {boolean} hasTable
 * @param {{low: number, high: number, at: (share: number) => number, isInverted: boolean}} range @param {boolean} isChest
 * @returns {Preset[]}
 */
export function presets(windows, hasTable, range, isChest) {
  /** @param {string} name @param {number} low @param {number} high @returns {Preset} */
  const span = (name, low, high) => ({ name, center: (low + high + 1) / 2, width: Math.max(high - low + 1, 1), voi: "linear" });
  /** @type {Preset[]} */
  const made = windows.map((given) => ({ ...given, voi: "linear" }));
  const whole = span("Full range", range.low, range.high);
  const first = made[0] ?? whole;
  const stored = hasTable ? { ...first, name: "File's table", voi: /** @type {const} */ ("table") } : first;
  const middle = range.at(0.5);
  const chest = range.isInverted
    ? [span("Lungs", range.at(0.25), range.at(0.98)), span("Mediastinum", range.at(0.005), middle)]
    : [span("Lungs", range.at(0.02), range.at(0.75)), span("Mediastinum", middle, range.at(0.995))];
  const rest = [
    ...(hasTable ? made : made.slice(1)),
    whole,
    span("1 to 99 %", range.at(0.01), range.at(0.99)),
    ...(isChest ? chest : []),
  ];
  const seen = new Set([`${stored.center} ${stored.width}`]);
  const different = rest.filter((preset) => !seen.has(`${preset.center} ${preset.width}`) && seen.add(`${preset.center} ${preset.width}`));
  return [stored, ...different].slice(0, 6);
}
