// The grid of panes: it takes what is to be shown and the state, and draws; it changes neither.

import { filmToScreen } from "./affine.js";
import { filmValue, mapValue, showLetters, showPlace, showScale } from "./corners.js";
import { listenToPointer } from "./input.js";
import { bestGrid } from "./layout.js";
import { isComparable, scopes } from "./luts.js";
import { drawOutlines, drawPointer } from "./marks.js";
import { Painter } from "./painter.js";
import { PaneElement } from "./panes.js";
import { element, setShown, setText } from "./nodes.js";
import { drawRuler, lengthOf, rulersIn } from "./rulers.js";
import { lookOf, viewOf } from "./state.js";
import { swipeDivider } from "./swipe.js";

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
/** Across the magnifying glass, in CSS pixels, and what it does. */
const LENS = 180;
const MAGNIFICATION = 3;

export class Board {
  /**
   * @param {import("./arrivals.js").Arrivals} arrivals @param {() => void} resized
   * @param {import("./drawing.js").Drawings} drawings
   */
  constructor(arrivals, resized, drawings) {
    this.root = element("div", "area");
    this.arrivals = arrivals;
    this.painter = new Painter(drawings);
    /** Units whose maps are too unlike to share one scale. @type {Set<string>} */
    this.ownScales = new Set();
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
      for (const picture of [pane.picture, pane.second, pane.lens]) this.painter.forgetPicture(picture.id);
    }
    all.forEach((given, place) => {
      let pane = this.panes.get(given.id);
      if (!pane) {
        pane = new PaneElement(given.id, hand.divide);
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
    const isUnlike = (/** @type {string} */ unit) => unit !== "none" && !isComparable(current, unit);
    this.ownScales = new Set(settings.scale === "auto" ? current.map(({ unit }) => unit).filter(isUnlike) : []);
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
    const other = id === state.active && (scene.isBlinkedOver || state.swiping) ? this.neighbour(scene, id) : null;
    const source = other && scene.isBlinkedOver ? other : given;
    const beside = state.swiping ? other : null;
    const overlaid = this.overlaid(source, scene, ends, id);
    const isNew = this.painter.paint(pane.picture, arrivals.film, view, grey, overlaid, settings);
    this.paintSecond(pane, beside, view, grey, scene, ends);
    this.paintLens(pane, overlaid, view, grey, scene);
    this.showState(pane, given);
    const unit = this.ownScales.has(source.unit) ? `${source.unit} · own scale` : source.unit;
    pane.setBar(overlaid !== null, source.isSigned, overlaid?.end ?? 0, unit, settings);
    this.drawMarks(pane, view, scene);
    const isFilm = id === IMAGE;
    setText(pane.title, source !== given ? `${source.title} (blinking)` : beside ? `${given.title} | ${beside.title}` : given.title);
    setText(pane.value, this.valueAt(given, scene));
    showPlace(pane, view, grey, isFilm || !state.linked || state.maximised !== null);
    showLetters(pane, view, data.case.letters, isFilm);
    showScale(pane, view, data.case, isFilm);
    return isNew;
  }

  /** The map of `source` as pane `id` shows it. @param {PaneData} source @param {Scene} scene
   * @param {Map<string, number>} ends @param {string} id @returns {import("./painter.js").Overlaid | null} */
  overlaid(source, { state }, ends, id) {
    const map = this.arrivals.mapOf(source);
    if (!map || state.overlaysHidden || state.hidden[id]) return null;
    return { source, steps: map.steps, end: ends.get(source.id) ?? map.magnitude };
  }

  /** The next pane with a map of its own, to blink or swipe with. @param {Scene} scene @param {string} id */
  neighbour({ data: { panes } }, id) {
    const at = panes.findIndex((pane) => pane.id === id);
    const turned = [...panes.slice(at + 1), ...panes.slice(0, Math.max(at, 0))];
    return turned.find((pane) => !pane.previous && this.arrivals.mapOf(pane)) ?? null;
  }

  /**
   * The neighbour's map right of the divider: a picture over the picture, cut by style, so that dragging paints nothing.
   * @param {PaneElement} pane @param {PaneData | null} beside @param {View} view @param {import("./luts.js").Grey} grey
   * @param {Scene} scene @param {Map<string, number>} ends
   */
  paintSecond(pane, beside, view, grey, scene, ends) {
    const { second } = pane;
    setShown(second.canvas, beside !== null);
    setShown(pane.divider, beside !== null);
    if (!beside || !this.arrivals.film) return;
    second.resize(pane.width, pane.height);
    this.painter.paint(second, this.arrivals.film, view, grey, this.overlaid(beside, scene, ends, pane.id), scene.settings);
    second.canvas.style.clipPath = `inset(0 0 0 ${100 * scene.state.divider}%)`;
    pane.showDivider(scene.state.divider);
  }

  /**
   * The magnifying glass: the same place of the film in all linked panes, drawn anew at its own scale.
   * @param {PaneElement} pane @param {import("./painter.js").Overlaid | null} overlaid @param {View} view
   * @param {import("./luts.js").Grey} grey @param {Scene} scene
   */
  paintLens(pane, overlaid, view, grey, { state, settings, pointer }) {
    const isHere = state.linked || pane.id === (pointer?.pane ?? state.active);
    setShown(pane.lens.canvas, state.magnifying && isHere);
    if (!state.magnifying || !isHere || !this.arrivals.film) return;
    const ratio = window.devicePixelRatio || 1;
    const size = Math.round(Math.min(LENS * ratio, view.width / 2, view.height / 2));
    const { row, column } = pointer ?? view;
    pane.lens.resize(size, size);
    const magnified = { ...view, width: size, height: size, scale: view.scale * MAGNIFICATION, row, column };
    this.painter.paint(pane.lens, this.arrivals.film, magnified, grey, overlaid, settings);
    const middle = filmToScreen(view, row, column);
    pane.lens.canvas.style.left = `${middle.x / ratio}px`;
    pane.lens.canvas.style.top = `${middle.y / ratio}px`;
    pane.lens.canvas.style.width = `${size / ratio}px`;
  }

  /** The divider in hand, as soon as it is shown. @param {State} state */
  focusDivider({ swiping, active }) {
    if (swiping) requestAnimationFrame(() => this.panes.get(active)?.divider.focus());
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
    const ratio = window.devicePixelRatio || 1;
    for (const { ruler, at } of rulersIn(state, pane.id)) {
      const text = lengthOf(ruler, data.case.spacing, data.case.spacingKind);
      drawRuler(context, view, ruler, text, state.chosenRuler?.at === at, ratio);
    }
    if (pointer && pointer.pane !== pane.id && state.linked) drawPointer(context, view, pointer, ratio);
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
