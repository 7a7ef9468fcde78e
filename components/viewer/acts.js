// Everything a key or a button can ask for, by name: a new state of the viewer.

import { screenToFilm } from "./affine.js";
import { askVoxel, boxSlice, boxTool, setWithBox } from "./asking.js";
import { withBox } from "./boxes.js";
import { withEnd, withRuler, withUndone, withoutRuler } from "./rulers.js";
import { IMAGE, LAYOUTS } from "./cells.js";
import { withRegionTurned } from "./regions.js";
import { greyOf, panned, rotated, toggledLink, wholeFilm } from "./state.js";
import { changeVolume, freshState, scroll, toSlice } from "./travel.js";
import { whereOf } from "./volumestate.js";

/** @typedef {import("./viewer.js").Viewer} Viewer */
/** @typedef {import("./state.js").State} State */
/** @typedef {string | number | boolean | undefined} Argument */

/** Film directions of the arrows. @type {Record<string, [number, number]>} */
const ARROWS = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

/** False: there was nothing to do. @type {Record<string, (viewer: Viewer, argument: Argument) => boolean | void>} */
export const ACTS = {
  preset: (viewer, argument) => choosePreset(viewer, Number(argument) - 1),
  asStored: (viewer) => choosePreset(viewer, 0, false),
  windowByArrows: (viewer, argument) => {
    const pane = viewer.state.active;
    const { grey } = viewer.lookOf(pane);
    const step = Math.max(viewer.filmIn(pane)?.range.step ?? 1, grey.width / 50);
    if (argument === "ArrowLeft" || argument === "ArrowRight") viewer.setWindow(pane, grey.width + (argument === "ArrowRight" ? step : -step), null);
    else viewer.setWindow(pane, null, grey.center + (argument === "ArrowUp" ? step : -step));
  },
  panByArrows: (viewer, argument) => {
    const view = viewer.viewOf(viewer.state.active);
    const [dx, dy] = ARROWS[String(argument)] ?? [0, 0];
    viewer.changePlace(viewer.state.active, (place, shape) => panned(place, view, shape, (dx * view.width) / 12, (dy * view.height) / 12));
  },
  zoomStep: (viewer, argument) => viewer.zoom(viewer.state.active, Number(argument) > 0 ? 1.25 : 0.8),
  fit: (viewer) =>
    viewer.changePlace(viewer.state.active, ({ turn, flipX, flipY }, shape) => ({ ...wholeFilm(shape), turn, flipX, flipY })),
  native: (viewer) => viewer.changePlace(viewer.state.active, (place) => ({ ...place, native: true })),
  invert: (viewer) =>
    viewer.changeLook(viewer.state.active, (look) => ({ ...look, grey: { ...look.grey, invert: !look.grey.invert } })),
  flip: (viewer, argument) =>
    viewer.changePlace(viewer.state.active, (place) =>
      argument === "x" ? { ...place, flipX: !place.flipX } : { ...place, flipY: !place.flipY }),
  rotate: (viewer) => viewer.changePlace(viewer.state.active, rotated),
  slice: (viewer, argument) => scroll(viewer, viewer.state.active, Number(argument)),
  toSlice: (viewer, argument) => toSlice(viewer, Number(argument)),
  plane: (viewer, argument) =>
    changeVolume(viewer, ({ plane }, { planes }) => ({ plane: next(planes.map(({ name }) => name), plane, argument) })),
  channel: (viewer, argument) =>
    changeVolume(viewer, ({ channel }, { channels }) => ({ channel: next([...channels.keys()], channel, argument) })),
  layout: (viewer, argument) =>
    changeVolume(viewer, ({ layout }) => ({ layout: next(Object.keys(LAYOUTS), layout, argument), focus: viewer.board.panes.get(viewer.state.active)?.cell?.pane.id ?? IMAGE })),
  project: (viewer) => changeVolume(viewer, ({ isProjected }) => ({ isProjected: !isProjected })),
  cross: (viewer) => {
    if (!viewer.state.volume) return false;
    viewer.set({ ...viewer.state, tool: "cross" });
  },
  tool: (viewer, argument) => viewer.set({ ...viewer.state, tool: /** @type {State["tool"]} */ (argument) }),
  link: (viewer) => viewer.set(toggledLink(viewer.state)),
  hide: (viewer) => viewer.set({ ...viewer.state, overlaysHidden: !viewer.state.overlaysHidden }),
  hidePane: (viewer, argument) => {
    const { hidden } = viewer.state;
    const id = viewer.order()[Number(argument) - 1];
    if (id) viewer.set({ ...viewer.state, hidden: { ...hidden, [id]: !hidden[id] } });
  },
  region: (viewer, argument) => viewer.set(withRegionTurned(viewer.state, String(argument))),
  ruler: (viewer) => {
    if (viewer.state.tool !== "ruler") viewer.set({ ...viewer.state, tool: "ruler" });
    else layRuler(viewer);
  },
  moveRuler: (viewer, argument) => {
    const { tool, chosenRuler, rulers, active } = viewer.state;
    if (tool !== "ruler" || !chosenRuler) return false;
    const end = rulers[chosenRuler.at].ends[/** @type {0 | 1} */ (chosenRuler.end)];
    const [dx, dy] = ARROWS[String(argument)];
    const view = viewer.viewOf(active);
    const from = screenToFilm(view, 0, 0);
    const to = screenToFilm(view, -dx, -dy);
    viewer.set(withEnd(viewer.state, { row: end.row + to.row - from.row, column: end.column + to.column - from.column }));
  },
  explainVoxel: (viewer) => askVoxel(viewer),
  box: (viewer) => boxTool(viewer),
  boxFrom: (viewer, argument) => boxSlice(viewer, "from", Number(argument)),
  boxTo: (viewer, argument) => boxSlice(viewer, "to", Number(argument)),
  removeRuler: (viewer) => {
    const { tool, box, rulers } = viewer.state;
    if (box && (tool === "box" || !rulers.length)) return setWithBox(viewer, withBox(viewer.state, null));
    if (!rulers.length) return false;
    viewer.set(withoutRuler(viewer.state));
  },
  undo: (viewer) => {
    if (!viewer.state.past.length) return false;
    setWithBox(viewer, withUndone(viewer.state));
  },
  swipe: (viewer) => {
    viewer.blink(false);
    viewer.set({ ...viewer.state, swiping: !viewer.state.swiping });
    viewer.board.focusDivider(viewer.state);
  },
  magnify: (viewer) => viewer.set({ ...viewer.state, magnifying: !viewer.state.magnifying }),
  blink: (viewer) => viewer.blink(!viewer.state.blinking),
  maximise: (viewer, argument) => {
    const asked = typeof argument === "string" ? argument : viewer.state.active;
    viewer.set({ ...viewer.state, active: asked, maximised: viewer.state.maximised ? null : asked });
  },
  step: (viewer, argument) => {
    const order = viewer.order();
    const { active, maximised } = viewer.state;
    const reached = order[(order.indexOf(active) + (argument === "." ? 1 : -1) + order.length) % order.length];
    viewer.set({ ...viewer.state, active: reached, maximised: maximised ? reached : null });
  },
  fullScreen: (viewer) => {
    if (document.fullscreenElement) void document.exitFullscreen();
    else void viewer.root.requestFullscreen?.();
  },
  help: (viewer) => viewer.set({ ...viewer.state, helpOpen: !viewer.state.helpOpen }),
  back: (viewer) => {
    const { state } = viewer;
    if (!viewer.toolbar.fold()) viewer.set(state.helpOpen ? { ...state, helpOpen: false } : { ...state, maximised: null });
  },
  reset: (viewer) => {
    const film = viewer.filmIn(viewer.state.active);
    if (!film || !viewer.data) return;
    viewer.blink(false);
    setWithBox(viewer, { ...freshState(viewer.data, film.presets[0], viewer.greys), active: viewer.state.active });
    viewer.askServer();
  },
};

/** @param {Viewer} viewer @param {number} place @param {boolean} [invert] kept where not given */
function choosePreset(viewer, place, invert) {
  const preset = viewer.filmIn(viewer.state.active)?.presets[place];
  if (!preset) return;
  viewer.changeLook(viewer.state.active, (look) => ({ ...look, grey: { ...greyOf(preset), invert: invert ?? look.grey.invert } }));
}

/** A ruler over the middle half of the active pane, for hands without a mouse. @param {Viewer} viewer */
function layRuler(viewer) {
  const pane = viewer.state.active;
  const view = viewer.viewOf(pane);
  const from = screenToFilm(view, view.width / 4, view.height / 2);
  viewer.set(withRuler(viewer.state, pane, from, screenToFilm(view, (3 * view.width) / 4, view.height / 2), whereOf(viewer.board.seenIn(pane))));
}

/** What is asked for, or what comes after `now`. @template Kind @param {Kind[]} all @param {Kind} now @param {Argument} asked @returns {Kind} */
function next(all, now, asked) {
  return all.find((each) => each === asked) ?? all[(all.indexOf(now) + 1) % all.length];
}
