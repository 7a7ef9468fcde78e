// What a pointer does to the viewer: CSS pixels of a pane become places on the film and changes of the state.

import { screenToFilm } from "./affine.js";
import { lookOf, panned } from "./state.js";

/** @typedef {import("./viewer.js").Viewer} Viewer */
/** @typedef {(viewer: Viewer, pane: string, dx: number, dy: number, x: number, y: number) => void} Drag */

const ratio = () => window.devicePixelRatio || 1;

/** What a drag means with each tool; `dx`, `dy` since the last move, `x`, `y` where it began. @type {Record<string, Drag>} */
const DRAGS = {
  window: (viewer, pane, dx, dy) => {
    const film = viewer.arrivals.film;
    if (!film) return;
    const { grey } = lookOf(viewer.state, pane);
    const gain = Math.max(film.range.high - film.range.low, 1) / 600;
    const turned = film.samples.isInverted !== grey.invert ? -1 : 1;
    viewer.setWindow(pane, grey.width + dx * gain, grey.center + dy * gain * turned);
  },
  pan: (viewer, pane, dx, dy) => {
    const view = viewer.viewOf(pane);
    viewer.changePlace(pane, (place, shape) => panned(place, view, shape, dx * ratio(), dy * ratio()));
  },
  zoom: (viewer, pane, _, dy, x, y) => viewer.zoom(pane, Math.exp(-dy / 150), x, y),
};

/** @param {Viewer} viewer @returns {import("./input.js").Hand} */
export function handOf(viewer) {
  return {
    enter: (pane) => {
      if (pane !== viewer.state.active) viewer.set({ ...viewer.state, active: pane });
    },
    hover: (pane, x, y) => {
      const { row, column } = screenToFilm(viewer.viewOf(pane), x * ratio(), y * ratio());
      viewer.point({ pane, row, column });
    },
    leave: () => viewer.point(null),
    drag: (pane, tool, dx, dy, x, y) => {
      if (viewer.arrivals.film) DRAGS[tool](viewer, pane, dx, dy, x, y);
    },
    zoom: (pane, factor, x, y) => viewer.zoom(pane, factor, x, y),
    double: (pane) => viewer.act("maximise", pane),
    tool: () => viewer.state.tool,
  };
}
