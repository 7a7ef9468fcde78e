// Paints pictures, by WebGL2 or on 2-D canvases (drawing.js), and keeps what the next frame can use again: film and map
// cells at screen pixels by geometry, greys by window, colours by overlay. A picture whose key has not changed is left alone.

import { emptyStepColours, fillStepColours, greyShares, greyTable } from "./luts.js";

/** @typedef {import("./affine.js").View} View */
/** @typedef {import("./drawing.js").OnScreen} OnScreen */
/** @typedef {import("./state.js").Settings} Settings */

/**
 * @typedef {object} Overlaid A map over the film.
 * @property {import("./arrivals.js").Layer} layer @property {boolean} isSigned
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
    /** @type {Map<string, OnScreen>} */
    this.fills = new Map();
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
    this.fills.clear();
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
    for (const kept of [this.films, this.greys, this.fills]) for (const key of kept.keys()) if (!this.used.has(key)) kept.delete(key);
  }

  /**
   * Whether the picture had to be painted anew. `picture.id` names it among all.
   * @param {import("./picture.js").Picture} picture @param {import("./film.js").Film} film @param {View} view
   * @param {import("./luts.js").Grey} grey @param {Overlaid | null} overlaid @param {Settings} settings
   * @param {import("./fills.js").Filled | null} filled regions over it all
   */
  paint(picture, film, view, grey, overlaid, settings, filled) {
    const drawing = this.drawings.now;
    const place = [drawing.name, film.key, view.width, view.height, view.scale, view.row, view.column, view.turn, view.flipX, view.flipY].join(" ");
    const greyKey = `${place} ${grey.center} ${grey.width} ${grey.voi} ${grey.invert}`;
    const fillKey = filled ? `${place} ${filled.layer.key}` : "";
    this.used.add(place).add(greyKey).add(fillKey);
    const coloursKey = overlaid ? coloursKeyOf(overlaid, settings) : "";
    const key = `${greyKey} | ${overlaid?.layer.key} ${coloursKey} ${settings.smooth} ${filled?.key}`;
    if (picture.imageKey === key) return false;
    const onScreen = foundOr(this.films, place, () => drawing.filmOnScreen(film.pyramid, view));
    const greys = foundOr(this.greys, greyKey, () => drawing.greyOnScreen(onScreen, greyTable(film.samples, grey)));
    if (overlaid) {
      const steps = this.stepsAt(picture.id, place, overlaid, onScreen, view, settings.smooth);
      const colours = this.coloursAt(picture.id, coloursKey, overlaid, settings);
      drawing.paintOverlay(greys, steps, colours, greyShares(settings.opacity), picture);
    } else {
      drawing.paintGrey(greys, picture);
    }
    if (filled) drawing.paintFill(foundOr(this.fills, fillKey, () => drawing.fillOnScreen(filled.layer.sheet, view)), filled.table, picture);
    drawing.finish(picture);
    picture.imageKey = key;
    return true;
  }

  /**
   * @param {string} id @param {string} place @param {Overlaid} overlaid @param {OnScreen} onScreen @param {View} view
   * @param {boolean} smooth
   */
  stepsAt(id, place, { layer }, onScreen, view, smooth) {
    const known = this.steps.get(id);
    const key = `${place} ${layer.key} ${smooth}`;
    if (known?.key === key) return known.steps;
    const made = this.drawings.now.mapOnScreen(layer.sheet, onScreen, view, smooth, known?.steps);
    this.steps.set(id, { key, steps: made });
    return made;
  }

  /** @param {string} id @param {string} key @param {Overlaid} overlaid @param {Settings} settings */
  coloursAt(id, key, { layer, isSigned, end }, settings) {
    const known = this.colours.get(id) ?? { key: "", colours: emptyStepColours() };
    if (known.key !== key) {
      fillStepColours(known.colours, end > 0 ? layer.scale / end : 0, isSigned, settings);
      this.colours.set(id, { key, colours: known.colours });
    }
    return known.colours;
  }
}

/** What colours hang on: not on which slice is seen. @param {Overlaid} overlaid @param {Settings} settings */
function coloursKeyOf({ layer, isSigned, end }, settings) {
  const { threshold, opacity, colours, sign, filterMode, filterLow, filterHigh } = settings;
  const filter = filterMode === "none" ? "none" : `${filterMode} ${filterLow} ${filterHigh}`;
  return `${layer.scale} ${end} ${threshold} ${opacity} ${colours} ${sign} ${filter} ${isSigned}`;
}

/** @template Made @param {Map<string, Made>} known @param {string} key @param {() => Made} make @returns {Made} */
function foundOr(known, key, make) {
  const found = known.get(key);
  if (found !== undefined) return found;
  const made = make();
  known.set(key, made);
  return made;
}
