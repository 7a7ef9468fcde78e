// What a pointer does to the viewer: CSS pixels of a pane become places on the film and changes of the state.

import { filmToScreen, screenToFilm } from "./affine.js";
import { drawTheBox, letGoOfBox, takeBox } from "./asking.js";
import { endNear, withChosen, withEnd, withRuler, withUndone } from "./rulers.js";
import { panned } from "./state.js";
import { pointerAt, putCrosshair, scroll } from "./travel.js";
import { whereOf } from "./volumestate.js";

/** @typedef {import("./viewer.js").Viewer} Viewer */
/** @typedef {(viewer: Viewer, pane: string, dx: number, dy: number, x: number, y: number) => void} Drag */

const ratio = () => window.devicePixelRatio || 1;

/** What a drag means with each tool; `dx`, `dy` since the last move, `x`, `y` where it began. @type {Record<string, Drag>} */
const DRAGS = {
  window: (viewer, pane, dx, dy) => {
    const film = viewer.filmIn(pane);
    if (!film) return;
    const { grey } = viewer.lookOf(pane);
    const gain = Math.max(film.range.high - film.range.low, 1) / 600;
    const turned = film.samples.isInverted !== grey.invert ? -1 : 1;
    viewer.setWindow(pane, grey.width + dx * gain, grey.center + dy * gain * turned);
  },
  pan: (viewer, pane, dx, dy) => {
    const view = viewer.viewOf(pane);
    viewer.changePlace(pane, (place, shape) => panned(place, view, shape, dx * ratio(), dy * ratio()));
  },
  zoom: (viewer, pane, _, dy, x, y) => viewer.zoom(pane, Math.exp(-dy / 150), x, y),
  ruler: (viewer) => {
    if (viewer.pointer) viewer.set(withEnd(viewer.state, viewer.pointer));
  },
  cross: putCrosshair,
  box: drawTheBox,
};

const REACH = 9;
const SHORTEST = 4;

/** Take the end of a ruler that is within reach, or begin a new one. @param {Viewer} viewer @param {string} pane @param {number} x @param {number} y */
function takeRuler(viewer, pane, x, y) {
  const view = viewer.viewOf(pane);
  const where = whereOf(viewer.board.seenIn(pane));
  const near = endNear(viewer.state, pane, view, x * ratio(), y * ratio(), REACH * ratio(), where);
  const { row, column } = screenToFilm(view, x * ratio(), y * ratio());
  viewer.set(near ? withChosen(viewer.state, near) : withRuler(viewer.state, pane, { row, column }, { row, column }, where));
}

/** A press without a drag leaves no ruler. @param {Viewer} viewer @param {string} pane */
function letGoOfRuler(viewer, pane) {
  const ruler = viewer.state.chosenRuler && viewer.state.rulers[viewer.state.chosenRuler.at];
  if (!ruler) return;
  const [from, to] = ruler.ends.map(({ row, column }) => filmToScreen(viewer.viewOf(pane), row, column));
  if (Math.hypot(to.x - from.x, to.y - from.y) < SHORTEST * ratio()) viewer.set(withUndone(viewer.state));
}

/** CSS pixels within which a press and its release are a click. */
const STILL = 3;

/** @param {Viewer} viewer @returns {import("./pointer.js").Hand} */
export function handOf(viewer) {
  let way = 0;
  return {
    enter: (pane) => {
      if (pane !== viewer.state.active) viewer.set({ ...viewer.state, active: pane });
    },
    hover: (pane, x, y) => {
      viewer.point(pointerAt(viewer, pane, x, y));
    },
    leave: () => viewer.point(null),
    press: (pane, tool, x, y) => {
      way = 0;
      viewer.point(pointerAt(viewer, pane, x, y));
      if (tool === "ruler" && viewer.filmIn(pane)) takeRuler(viewer, pane, x, y);
      if (tool === "box" && viewer.filmIn(pane)) takeBox(viewer, pane, x, y);
    },
    release: (pane, tool) => {
      if (tool === "ruler") letGoOfRuler(viewer, pane);
      if (tool === "box") letGoOfBox(viewer, way < STILL);
      if (tool !== "ruler" && way < STILL) putCrosshair(viewer, pane);
    },
    divide: (share) => viewer.set({ ...viewer.state, divider: share }),
    drag: (pane, tool, dx, dy, x, y) => {
      way += Math.hypot(dx, dy);
      if (viewer.filmIn(pane)) DRAGS[tool](viewer, pane, dx, dy, x, y);
    },
    zoom: (pane, factor, x, y) => viewer.zoom(pane, factor, x, y),
    scroll: (pane, slices) => scroll(viewer, pane, slices) !== false,
    double: (pane) => viewer.act("maximise", pane),
    choose: (channel) => viewer.act("channel", channel),
    tool: () => viewer.state.tool,
  };
}
