// The grid of panes: it takes what is to be shown and the state, and draws; it changes neither.

import { filmToScreen } from "./affine.js";
import { IMAGE, gridOf } from "./cells.js";
import { filmValue, mapValue, showLetters, showPlace, showScale } from "./corners.js";
import { isComparable, scopes } from "./luts.js";
import { overpaint } from "./overpainting.js";
import { Painter } from "./painter.js";
import { PaneElement } from "./panes.js";
import { listenToPointer } from "./pointer.js";
import { element, setShown, setText } from "./nodes.js";
import { filledWith, shownRegions } from "./regions.js";
import { lookOf, viewOf } from "./state.js";
import { positionOf, sliceWords, whereOf } from "./volumestate.js";

/** @typedef {import("./affine.js").View} View */
/** @typedef {import("./panes.js").PaneData} PaneData */
/** @typedef {import("./cells.js").Cell} Cell */
/** @typedef {import("./arrivals.js").Arrivals | import("./volume.js").VolumeArrivals} AnyArrivals */
/** @typedef {import("./state.js").State} State */
/** @typedef {import("./state.js").Settings} Settings */
/** @typedef {import("./viewer.js").ViewerData} ViewerData */

/**
 * @typedef {object} Scene What is drawn.
 * @property {ViewerData} data @property {State} state @property {Settings} settings as they act on the maps here
 * @property {import("./travel.js").Pointer | null} pointer
 * @property {boolean} isBlinkedOver the active pane shows its neighbour
 */

/** Across the magnifying glass, in CSS pixels, and what it does. */
const LENS = 180;
const MAGNIFICATION = 3;

/** Panes from this width on, in pixels of the page, have room for zoom and window beside the scale bar. */
const ROOMY = 300;

export class Board {
  /**
   * @param {AnyArrivals} arrivals @param {() => void} resized
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
   * A pane for every cell, in order; panes that stay keep their canvases.
   * @param {Cell[]} cells @param {string} digest @param {import("./pointer.js").Hand} hand @param {{space: boolean}} held
   */
  arrange(cells, digest, hand, held) {
    const wanted = new Set(cells.map(({ id }) => id));
    for (const [id, pane] of this.panes) {
      if (wanted.has(id)) continue;
      this.sizes.unobserve(pane.surface);
      pane.root.remove();
      this.panes.delete(id);
      for (const picture of [pane.picture, pane.second, pane.lens]) this.painter.forgetPicture(picture.id);
    }
    cells.forEach((cell, place) => {
      let pane = this.panes.get(cell.id);
      if (!pane) {
        pane = new PaneElement(cell.id, hand.divide, hand.choose);
        this.panes.set(cell.id, pane);
        this.sizes.observe(pane.surface);
        listenToPointer(pane.surface, cell.id, hand, held);
      }
      if (pane.isTold(cell, digest)) pane.cell = cell;
      else pane.tell(cell, digest);
      if (this.root.children[place] !== pane.root) this.root.insertBefore(pane.root, this.root.children[place] ?? null);
    });
  }

  /** The first cell of a pane. @param {string} pane */
  cellOf(pane) {
    const all = [...this.panes.values()];
    return (all.find(({ cell }) => cell?.pane.id === pane) ?? all[0])?.id ?? pane;
  }

  /** @param {string} pane */
  seenIn(pane) {
    return this.panes.get(pane)?.cell?.seen ?? null;
  }

  /** @param {State} state @param {string} pane @returns {View} */
  viewOf(state, pane) {
    const shown = this.panes.get(pane);
    const seen = this.seenIn(pane);
    return viewOf(lookOf(state, pane, seen).place, shown?.width || 1, shown?.height || 1, this.arrivals.shapeIn(seen));
  }

  /** Draw what has changed; how many pictures were painted anew. @param {Scene} scene */
  paint(scene) {
    this.layOut(scene);
    const ends = this.ends(scene);
    this.arrivals.startFrame();
    this.painter.startFrame();
    let painted = 0;
    for (const pane of this.panes.values()) {
      if (!pane.root.hidden && pane.cell && this.paintPane(pane, pane.cell, scene, ends)) painted += 1;
    }
    this.painter.endFrame();
    return painted;
  }

  /** What counts as 1, by pane. @param {Scene} scene */
  ends({ data, settings }) {
    const current = data.panes.flatMap((pane) => {
      const magnitude = pane.previous ? null : this.arrivals.magnitudeOf(pane);
      return magnitude === null ? [] : [{ id: pane.id, unit: pane.unit, magnitude }];
    });
    const isUnlike = (/** @type {string} */ unit) => unit !== "none" && !isComparable(current, unit);
    this.ownScales = new Set(settings.scale === "auto" ? current.map(({ unit }) => unit).filter(isUnlike) : []);
    return scopes(current, settings.scale);
  }

  /** Rows, columns and sizes of the panes. @param {Scene} scene */
  layOut({ data, state: { maximised, active, volume } }) {
    const width = this.root.clientWidth;
    const height = this.root.clientHeight;
    const { rows, columns } = maximised ? { rows: 1, columns: 1 } : gridOf(data, volume, this.panes.size, width, height);
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
   * @param {PaneElement} pane @param {Cell} cell @param {Scene} scene @param {Map<string, number>} ends
   */
  paintPane(pane, cell, scene, ends) {
    const { data, state, settings } = scene;
    const { id } = pane;
    const { pane: given, seen } = cell;
    const film = this.arrivals.filmIn(seen);
    const isRefused = given.caseDigest !== data.case.digest;
    const problem = isRefused ? `This map belongs to another ${data.case.kind}. Ask for it again.` : this.arrivals.problem;
    if (problem || !film) {
      pane.setState(problem ? "error" : "loading", problem || `loading the ${data.case.kind}`, null);
      return false;
    }
    const { grey } = lookOf(state, id, seen);
    const view = this.viewOf(state, id);
    const other = id === state.active && (scene.isBlinkedOver || state.swiping) ? this.neighbour(scene, given.id) : null;
    const source = other && scene.isBlinkedOver ? other : given;
    const beside = state.swiping ? other : null;
    const overlaid = this.overlaid(source, scene, ends, cell);
    const filled = this.filled(cell, scene, overlaid !== null);
    const isNew = this.painter.paint(pane.picture, film, view, grey, overlaid, settings, filled);
    this.paintSecond(pane, beside, film, view, grey, scene, ends);
    this.paintLens(pane, film, overlaid, view, grey, scene, filled);
    this.showState(pane, cell);
    const unit = this.ownScales.has(source.unit) ? `${source.unit} · own scale` : source.unit;
    pane.setBar(overlaid !== null, source.isSigned, overlaid?.end ?? 0, unit, settings);
    overpaint(pane, seen, view, scene, this.arrivals);
    setText(pane.title, source !== given ? `${source.title} (blinking)` : beside ? `${given.title} | ${beside.title}` : given.title);
    setText(pane.value, this.valueAt(cell, film, scene));
    this.showCorners(pane, cell, view, grey, scene);
    return isNew;
  }

  /** Place, letters and scale bar. @param {PaneElement} pane @param {Cell} cell @param {View} view
   * @param {import("./luts.js").Grey} grey @param {Scene} scene */
  showCorners(pane, { pane: given, seen, bars }, view, grey, { data, state }) {
    const isImage = given.id === IMAGE;
    const hanging = this.arrivals.hangingIn(seen);
    const slice = seen && state.volume ? sliceWords(data.case, state.volume, seen.plane, seen.slice) : "";
    pane.shares.show(given.previous ? null : (given.map?.shares ?? null), data.case.channels, bars, seen?.channel ?? 0);
    pane.root.dataset.plane = seen?.plane ?? "";
    pane.root.dataset.slice = seen ? String(seen.slice + 1) : "";
    pane.root.dataset.modality = seen ? (data.case.channels[seen.channel]?.name ?? "") : "";
    const isRoomy = pane.marks.width >= ROOMY * (window.devicePixelRatio || 1);
    showPlace(pane, view, grey, isRoomy && (isImage || !state.linked || state.maximised !== null), slice);
    showLetters(pane, view, hanging.letters, !isImage ? "" : seen ? "no orientation in file" : "no side marker in file");
    showScale(pane, view, hanging, isImage);
  }

  /** The map of `source` as a cell shows it. @param {PaneData} source @param {Scene} scene
   * @param {Map<string, number>} ends @param {Cell} cell @returns {import("./painter.js").Overlaid | null} */
  overlaid(source, { state, settings }, ends, { id, seen }) {
    if (state.overlaysHidden || state.hidden[id]) return null;
    const layer = this.arrivals.layerOf(source, seen, settings);
    return layer && { layer, isSigned: source.isSigned, end: ends.get(source.id) ?? this.arrivals.magnitudeOf(source) ?? 0 };
  }

  /** The regions that fill a cell's picture; over a map only where that is asked for, since they tint its colours.
   * @param {Cell} cell @param {Scene} scene @param {boolean} isOverMap */
  filled({ seen }, { data, state, settings }, isOverMap) {
    if (state.overlaysHidden || (isOverMap && !settings.fillsMaps)) return null;
    return filledWith(this.arrivals.fillIn(seen), shownRegions(state, data.contours), settings.fill);
  }

  /** The next pane with a map of its own, to blink or swipe with. @param {Scene} scene @param {string} id */
  neighbour({ data: { panes } }, id) {
    const at = panes.findIndex((pane) => pane.id === id);
    const turned = [...panes.slice(at + 1), ...panes.slice(0, Math.max(at, 0))];
    return turned.find((pane) => !pane.previous && this.arrivals.magnitudeOf(pane) !== null) ?? null;
  }

  /**
   * The neighbour's map right of the divider: a picture over the picture, cut by style, so that dragging paints nothing.
   * @param {PaneElement} pane @param {PaneData | null} beside @param {import("./film.js").Film} film @param {View} view
   * @param {import("./luts.js").Grey} grey @param {Scene} scene @param {Map<string, number>} ends
   */
  paintSecond(pane, beside, film, view, grey, scene, ends) {
    const { second } = pane;
    setShown(second.canvas, beside !== null);
    setShown(pane.divider, beside !== null);
    if (!beside || !pane.cell) return;
    second.resize(pane.width, pane.height);
    const overlaid = this.overlaid(beside, scene, ends, pane.cell);
    this.painter.paint(second, film, view, grey, overlaid, scene.settings, this.filled(pane.cell, scene, overlaid !== null));
    second.canvas.style.clipPath = `inset(0 0 0 ${100 * scene.state.divider}%)`;
    pane.showDivider(scene.state.divider);
  }

  /**
   * The magnifying glass: the same place of the film in all linked panes, drawn anew at its own scale.
   * @param {PaneElement} pane @param {import("./film.js").Film} film @param {import("./painter.js").Overlaid | null} overlaid
   * @param {View} view @param {import("./luts.js").Grey} grey @param {Scene} scene @param {import("./fills.js").Filled | null} filled
   */
  paintLens(pane, film, overlaid, view, grey, { state, settings, pointer }, filled) {
    const isHere = state.linked || pane.id === (pointer?.pane ?? state.active);
    setShown(pane.lens.canvas, state.magnifying && isHere);
    if (!state.magnifying || !isHere) return;
    const ratio = window.devicePixelRatio || 1;
    const size = Math.round(Math.min(LENS * ratio, view.width / 2, view.height / 2));
    const { row, column } = pointer ?? view;
    pane.lens.resize(size, size);
    const magnified = { ...view, width: size, height: size, scale: view.scale * MAGNIFICATION, row, column };
    this.painter.paint(pane.lens, film, magnified, grey, overlaid, settings, filled);
    const middle = filmToScreen(view, row, column);
    pane.lens.canvas.style.left = `${middle.x / ratio}px`;
    pane.lens.canvas.style.top = `${middle.y / ratio}px`;
    pane.lens.canvas.style.width = `${size / ratio}px`;
  }

  /** The divider in hand, as soon as it is shown. @param {State} state */
  focusDivider({ swiping, active }) {
    if (swiping) requestAnimationFrame(() => this.panes.get(active)?.divider.focus());
  }

  /** @param {PaneElement} pane @param {Cell} cell */
  showState(pane, { pane: given, seen }) {
    const problem = this.arrivals.problemOf(given, seen);
    if (given.state === "error") pane.setState("error", given.message || "This map could not be made.", null);
    else if (problem) pane.setState("error", problem.message, null);
    else if (given.state === "loading") pane.setState("loading", given.message, given.share);
    else if (this.arrivals.isComing(given, seen)) pane.setState("loading", "fetching the map", null);
    else pane.setState("ready", "", null);
  }

  /** Under the pointer: the film's value, or the map's value and its share of the greatest. @param {Cell} cell
   * @param {import("./film.js").Film} film @param {Scene} scene */
  valueAt({ pane: given, seen }, film, { data, pointer, settings }) {
    if (!pointer || pointer.where !== whereOf(seen)) return "";
    const where = pointer.index ? positionOf(data.case, pointer.index) : `${Math.floor(pointer.column + 0.5)}, ${Math.floor(pointer.row + 0.5)}`;
    if (given.id === IMAGE) return filmValue(data.case, film, pointer, where);
    const layer = this.arrivals.layerOf(given, seen, settings);
    return layer ? mapValue(film, layer, pointer) : "";
  }
}
