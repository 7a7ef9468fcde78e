// The grid of panes: it takes what is to be shown and the state, and draws; it changes neither.

import { filmValue, mapValue, showLetters, showPlace, showScale } from "./corners.js";
import { listenToPointer } from "./input.js";
import { bestGrid } from "./layout.js";
import { scopes } from "./luts.js";
import { drawOutlines, drawPointer } from "./marks.js";
import { Painter } from "./painter.js";
import { PaneElement, element, setShown, setText } from "./panes.js";
import { lookOf, viewOf } from "./state.js";

/** @typedef {import("./affine.js").View} View */
/** @typedef {import("./panes.js").PaneData} PaneData */
/** @typedef {import("./state.js").State} State */
/** @typedef {import("./state.js").Settings} Settings */
/** @typedef {import("./viewer.js").ViewerData} ViewerData */

/**
 * @typedef {object} Scene What is drawn.
 * @property {ViewerData} data @property {State} state @property {Settings} settings as they act on the maps here
 * @property {{pane: string, row: number, column: number} | null} pointer film indices
 * @property {boolean} isBlinkedOver the active pane shows its neighbour
 */

/** The pane of the film alone. */
export const IMAGE = "image";

export class Board {
  /**
   * @param {import("./arrivals.js").Arrivals} arrivals @param {() => void} resized
   * @param {import("./drawing.js").Drawings} drawings
   */
  constructor(arrivals, resized, drawings) {
    this.root = element("div", "area");
    this.arrivals = arrivals;
    this.painter = new Painter(drawings);
    /** @type {Map<string, PaneElement>} */
    this.panes = new Map();
    this.sizes = new ResizeObserver(resized);
    this.sizes.observe(this.root);
  }

  stop() {
    this.sizes.disconnect();
  }

  /**
   * One pane for the film and one a map, in order; panes that stay keep their canvases.
   * @param {ViewerData} data @param {import("./input.js").Hand} hand @param {{space: boolean}} held
   */
  arrange(data, hand, held) {
    const all = [filmPane(data.case), ...data.panes];
    const wanted = new Set(all.map(({ id }) => id));
    for (const [id, pane] of this.panes) {
      if (wanted.has(id)) continue;
      this.sizes.unobserve(pane.surface);
      pane.root.remove();
      this.panes.delete(id);
      this.painter.forgetPicture(id);
    }
    all.forEach((given, place) => {
      let pane = this.panes.get(given.id);
      if (!pane) {
        pane = new PaneElement(given.id);
        this.panes.set(given.id, pane);
        this.sizes.observe(pane.surface);
        listenToPointer(pane.surface, given.id, hand, held);
      }
      pane.tell(given, data.case.digest);
      if (this.root.children[place] !== pane.root) this.root.insertBefore(pane.root, this.root.children[place] ?? null);
    });
  }

  /** @param {State} state @param {string} pane @param {readonly number[]} shape @returns {View} */
  viewOf(state, pane, shape) {
    const shown = this.panes.get(pane);
    return viewOf(lookOf(state, pane).place, shown?.width || 1, shown?.height || 1, shape);
  }

  /** Draw what has changed; how many pictures were painted anew. @param {Scene} scene */
  paint(scene) {
    this.layOut(scene);
    const ends = this.ends(scene);
    this.painter.startFrame();
    let painted = 0;
    for (const pane of this.panes.values()) {
      if (!pane.root.hidden && pane.data && this.paintPane(pane, pane.data, scene, ends)) painted += 1;
    }
    this.painter.endFrame();
    return painted;
  }

  /** What counts as 1, by pane. @param {Scene} scene */
  ends({ data, settings }) {
    const current = data.panes.flatMap((pane) => {
      const map = pane.previous ? null : this.arrivals.mapOf(pane);
      return map ? [{ id: pane.id, unit: pane.unit, magnitude: map.magnitude }] : [];
    });
    return scopes(current, settings.scale);
  }

  /** Rows, columns and sizes of the panes. @param {Scene} scene */
  layOut({ data, state: { maximised, active } }) {
    const width = this.root.clientWidth;
    const height = this.root.clientHeight;
    const { rows, columns } = maximised ? { rows: 1, columns: 1 } : bestGrid(this.panes.size, width, height, data.case.shape[1] / data.case.shape[0]);
    const form = `${rows} ${columns}`;
    if (this.root.dataset.form !== form) {
      this.root.dataset.form = form;
      this.root.style.setProperty("--rows", String(rows));
      this.root.style.setProperty("--columns", String(columns));
    }
    for (const [id, pane] of this.panes) {
      setShown(pane.root, !maximised || maximised === id);
      pane.root.classList.toggle("active", id === active && !maximised);
    }
    const ratio = window.devicePixelRatio || 1;
    for (const pane of this.panes.values()) {
      if (pane.root.hidden) continue;
      const box = pane.surface.getBoundingClientRect();
      pane.resize(Math.max(1, Math.round(box.width * ratio)), Math.max(1, Math.round(box.height * ratio)));
    }
  }

  /**
   * Whether the pane's picture had to be painted anew.
   * @param {PaneElement} pane @param {PaneData} given @param {Scene} scene @param {Map<string, number>} ends
   */
  paintPane(pane, given, scene, ends) {
    const { arrivals } = this;
    const { data, state, settings } = scene;
    const { id } = pane;
    const isRefused = given.caseDigest !== data.case.digest;
    const problem = isRefused ? "This map belongs to another film. Ask for it again." : arrivals.filmProblem;
    if (problem || !arrivals.film) {
      pane.setState(problem ? "error" : "loading", problem || "loading the film", null);
      return false;
    }
    const { grey } = lookOf(state, id);
    const view = this.viewOf(state, id, data.case.shape);
    const source = blinkSource(scene, id) ?? given;
    const map = arrivals.mapOf(source);
    const isHidden = state.overlaysHidden || state.hidden[id] === true;
    const end = map ? (ends.get(source.id) ?? map.magnitude) : 0;
    const overlaid = map && !isHidden ? { source, steps: map.steps, end } : null;
    const isNew = this.painter.paint(pane, arrivals.film, view, grey, overlaid, settings);
    this.showState(pane, given);
    pane.setBar(map !== null && !isHidden, source.isSigned, end, source.unit, settings);
    this.drawMarks(pane, view, scene);
    const isFilm = id === IMAGE;
    setText(pane.title, source === given ? given.title : `${source.title} (blinking)`);
    setText(pane.value, this.valueAt(given, scene));
    showPlace(pane, view, grey, isFilm || !state.linked || state.maximised !== null);
    showLetters(pane, view, data.case.letters, isFilm);
    showScale(pane, view, data.case, isFilm);
    return isNew;
  }

  /** @param {PaneElement} pane @param {PaneData} given */
  showState(pane, given) {
    const problem = this.arrivals.problemOf(given);
    if (given.state === "error") pane.setState("error", given.message || "This map could not be made.", null);
    else if (problem) pane.setState("error", problem.message, null);
    else if (given.state === "loading") pane.setState("loading", given.message, given.share);
    else if (given.map && !this.arrivals.mapOf(given)) pane.setState("loading", "fetching the map", null);
    else pane.setState("ready", "", null);
  }

  /** @param {PaneElement} pane @param {View} view @param {Scene} scene */
  drawMarks(pane, view, { data, state, pointer }) {
    const context = pane.marks.getContext("2d");
    if (!context) return;
    context.clearRect(0, 0, pane.marks.width, pane.marks.height);
    const outlines = data.contours.flatMap(({ url }) => this.arrivals.outlines.get(url) ?? []);
    if (outlines.length && !state.overlaysHidden) drawOutlines(context, view, outlines);
    if (pointer && pointer.pane !== pane.id && state.linked) drawPointer(context, view, pointer, window.devicePixelRatio || 1);
  }

  /** Under the pointer: the film's value, or the map's value and its share of the greatest. @param {PaneData} given @param {Scene} scene */
  valueAt(given, { data, pointer }) {
    const { film } = this.arrivals;
    if (!pointer || !film) return "";
    if (given.id === IMAGE) return filmValue(data.case, film, pointer);
    const map = this.arrivals.mapOf(given);
    return map ? mapValue(data.case, given.map, map.steps, pointer) : "";
  }
}

/** The other pane while this one blinks. @param {Scene} scene @param {string} id @returns {PaneData | null} */
function blinkSource({ data: { panes }, state, isBlinkedOver }, id) {
  if (!isBlinkedOver || id !== state.active || !panes.length) return null;
  const next = panes[(panes.findIndex((pane) => pane.id === id) + 1) % panes.length];
  return next.id === id ? null : next;
}

/** The pane of the film alone. @param {import("./film.js").CaseData} given @returns {PaneData} */
function filmPane(given) {
  return {
    id: IMAGE,
    title: given.title || "Film",
    lines: given.isSimulated ? ["simulated"] : [],
    state: "ready",
    share: 1,
    message: "",
    isSigned: false,
    unit: "",
    badge: { level: "", word: "", sentences: [] },
    previous: false,
    caseDigest: given.digest,
    map: null,
  };
}
