// Paints pictures, by WebGL2 or on 2-D canvases (drawing.js), and keeps what the next frame can use again: film and map
// cells at screen pixels by geometry, greys by window, colours by overlay. A picture whose key has not changed is left alone.

import { emptyStepColours, fillStepColours, greyShares, greyTable } from "./luts.js";

/** @typedef {import("./affine.js").View} View */
/** @typedef {import("./drawing.js").OnScreen} OnScreen */
/** @typedef {import("./state.js").Settings} Settings */

/**
 * @typedef {object} Overlaid A map over the film.
 * @property {import("./panes.js").PaneData} source @property {Uint16Array} steps its cells
 * @property {number} end what counts as 1, in the map's unit
 */

export class Painter {
  /** @param {import("./drawing.js").Drawings} drawings */
  constructor(drawings) {
    this.drawings = drawings;
    /** @type {Map<string, OnScreen>} */
    this.films = new Map();
    /** @type {Map<string, OnScreen>} */
    this.greys = new Map();
    /** @type {Map<string, {key: string, steps: OnScreen}>} */
    this.steps = new Map();
    /** @type {Map<string, {key: string, colours: import("./luts.js").StepColours}>} */
    this.colours = new Map();
    /** @type {Set<string>} */
    this.used = new Set();
  }

  /** Another film comes. */
  forgetFilm() {
    this.films.clear();
    this.greys.clear();
    this.steps.clear();
  }

  /** @param {string} id */
  forgetPicture(id) {
    this.steps.delete(id);
    this.colours.delete(id);
  }

  startFrame() {
    this.used.clear();
  }

  /** Let go of geometries and greys that no picture of this frame used. */
  endFrame() {
    for (const kept of [this.films, this.greys]) for (const key of kept.keys()) if (!this.used.has(key)) kept.delete(key);
  }

  /**
   * Whether the picture had to be painted anew. `picture.id` names it among all.
   * @param {import("./picture.js").Picture} picture @param {import("./film.js").Film} film @param {View} view
   * @param {import("./luts.js").Grey} grey @param {Overlaid | null} overlaid @param {Settings} settings
   */
  paint(picture, film, view, grey, overlaid, settings) {
    const drawing = this.drawings.now;
    const place = [drawing.name, view.width, view.height, view.scale, view.row, view.column, view.turn, view.flipX, view.flipY].join(" ");
    const greyKey = `${place} ${grey.center} ${grey.width} ${grey.voi} ${grey.invert}`;
    this.used.add(place).add(greyKey);
    const overlayKey = overlaid ? keyOf(overlaid, settings) : "";
    const key = `${greyKey} | ${overlayKey}`;
    if (picture.imageKey === key) return false;
    const onScreen = foundOr(this.films, place, () => drawing.filmOnScreen(film.pyramid, view));
    const greys = foundOr(this.greys, greyKey, () => drawing.greyOnScreen(onScreen, greyTable(film.samples, grey)));
    if (overlaid) {
      const steps = this.stepsAt(picture.id, place, overlaid, onScreen, view, settings.smooth);
      const colours = this.coloursAt(picture.id, overlayKey, overlaid, settings);
      drawing.paintOverlay(greys, steps, colours, greyShares(settings.opacity), picture);
    } else {
      drawing.paintGrey(greys, picture);
    }
    picture.imageKey = key;
    return true;
  }

  /**
   * @param {string} id @param {string} place @param {Overlaid} overlaid @param {OnScreen} onScreen @param {View} view
   * @param {boolean} smooth
   */
  stepsAt(id, place, { source, steps }, onScreen, view, smooth) {
    const { map } = source;
    const known = this.steps.get(id);
    const key = `${place} ${map?.url} ${map?.gridScale} ${map?.gridOffset} ${smooth}`;
    if (known?.key === key || !map) return known?.steps ?? steps;
    const sheet = { steps, rows: map.shape[0], columns: map.shape[1], gridScale: map.gridScale, gridOffset: map.gridOffset };
    const made = this.drawings.now.mapOnScreen(sheet, onScreen, view, smooth);
    this.steps.set(id, { key, steps: made });
    return made;
  }

  /** @param {string} id @param {string} key @param {Overlaid} overlaid @param {Settings} settings */
  coloursAt(id, key, { source, end }, settings) {
    const known = this.colours.get(id) ?? { key: "", colours: emptyStepColours() };
    if (known.key !== key) {
      const scale = source.map?.scale ?? 0;
      fillStepColours(known.colours, end > 0 ? scale / end : 0, source.isSigned, settings);
      this.colours.set(id, { key, colours: known.colours });
    }
    return known.colours;
  }
}

/** @param {Overlaid} overlaid @param {Settings} settings */
function keyOf({ source, end }, settings) {
  const { threshold, opacity, colours, sign, filterMode, filterLow, filterHigh, smooth } = settings;
  const filter = filterMode === "none" ? "none" : `${filterMode} ${filterLow} ${filterHigh}`;
  return `${source.map?.url} ${end} ${threshold} ${opacity} ${colours} ${sign} ${filter} ${smooth} ${source.isSigned}`;
}

/** @template Made @param {Map<string, Made>} known @param {string} key @param {() => Made} make @returns {Made} */
function foundOr(known, key, make) {
  const found = known.get(key);
  if (found !== undefined) return found;
  const made = make();
  known.set(key, made);
  return made;
}
