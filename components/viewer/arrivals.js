// What has come from the server: the film, the maps, the outlines; each fetched once and kept while it is shown.

import { filmOf } from "./film.js";
import { stepsOfHalves } from "./half.js";
import { magnitudeShare } from "./luts.js";
import { bytesAt, codesIn, keepOnly } from "./transport.js";

/** @typedef {import("./film.js").CaseData} CaseData */
/** @typedef {import("./film.js").Film} Film */
/** @typedef {import("./panes.js").PaneData} PaneData */
/** @typedef {{steps: Uint16Array, magnitude: number}} MapSteps cells of a map, and its greatest magnitude in its unit */
/** @typedef {{key: string, sheet: import("./draw2d.js").MapSheet, scale: number}} Layer a map as a pane paints it; `scale` of its shares */

export class Arrivals {
  /** @param {() => void} arrived something new can be drawn, or a problem told */
  constructor(arrived) {
    this.arrived = arrived;
    this.digest = "";
    /** @type {Film | null} */
    this.film = null;
    this.problem = "";
    /** By address. @type {Map<string, MapSteps | Error>} */
    this.maps = new Map();
    /** By address. @type {Map<string, Float32Array>} */
    this.outlines = new Map();
    /** @type {string[]} */
    this.contours = [];
    /** @type {CaseData | null} */
    this.given = null;
  }

  /** Fetch a film; the one before is let go at once. @param {CaseData} given @param {(film: Film, channel: number) => void} opened */
  open(given, opened) {
    this.digest = given.digest;
    this.film = null;
    this.problem = "";
    const { voi } = given;
    Promise.all([bytesAt(given.samples.url), voi ? bytesAt(voi.url) : null])
      .then(([bytes, table]) => {
        if (this.digest !== given.digest) return;
        const codes = codesIn(bytes, given.samples.type);
        if (codes.length !== given.shape[0] * given.shape[1]) throw new Error("The film came incomplete. Reload the page.");
        this.film = filmOf(given, codes, voi && table ? { first: voi.first, table: new Float32Array(table) } : null);
        opened(this.film, 0);
        this.arrived();
      })
      .catch((/** @type {Error} */ problem) => {
        if (this.digest === given.digest) this.problem = problem.message;
        this.arrived();
      });
  }

  /** Fetch what is not there yet and let go of what is no longer shown. @param {import("./viewer.js").ViewerData} data */
  fetch(data) {
    this.given = data.case;
    this.contours = data.contours.map(({ url }) => url);
    const inUse = new Set([data.case.samples.url, ...data.contours.map(({ url }) => url)]);
    if (data.case.voi) inUse.add(data.case.voi.url);
    for (const { map } of data.panes) {
      if (!map) continue;
      inUse.add(map.url);
      if (!this.maps.has(map.url)) this.fetchMap(map);
    }
    for (const { url } of data.contours) if (!this.outlines.has(url)) this.fetchOutline(url);
    for (const url of this.maps.keys()) if (!inUse.has(url)) this.maps.delete(url);
    for (const url of this.outlines.keys()) if (!inUse.has(url)) this.outlines.delete(url);
    keepOnly(inUse);
  }

  /** @param {{url: string, shape: number[], scale: number}} map */
  fetchMap({ url, shape, scale }) {
    bytesAt(url)
      .then((bytes) => {
        const steps = stepsOfHalves(new Uint16Array(bytes));
        if (steps.length !== shape[0] * shape[1]) throw new Error("The map came incomplete. Reload the page.");
        this.maps.set(url, { steps, magnitude: magnitudeShare(steps, 100) * scale });
      })
      .catch((/** @type {Error} */ problem) => {
        this.maps.set(url, problem);
      })
      .then(this.arrived);
  }

  /** @param {string} url */
  fetchOutline(url) {
    bytesAt(url).then(
      (bytes) => {
        this.outlines.set(url, new Float32Array(bytes));
        this.arrived();
      },
      () => {},
    );
  }

  startFrame() {}

  filmIn() {
    return this.film;
  }

  shapeIn() {
    return this.given?.shape ?? [1, 1];
  }

  hangingIn() {
    const { letters = [], spacing = null, spacingKind = "" } = this.given ?? {};
    return { letters, spacing, spacingKind };
  }

  outlinesIn() {
    return this.contours.map((url) => this.outlines.get(url) ?? new Float32Array(0));
  }

  /** Only a volume's regions are filled. @returns {import("./fills.js").FillLayer | null} */
  fillIn() {
    return null;
  }

  /** A pane's map, once it is here and sound. @param {PaneData} pane @returns {Layer | null} */
  layerOf({ map }) {
    const found = map && this.maps.get(map.url);
    if (!found || found instanceof Error) return null;
    const { url, shape, scale, gridScale, gridOffset } = map;
    return { key: `${url} ${gridScale} ${gridOffset}`, sheet: { steps: found.steps, rows: shape[0], columns: shape[1], gridScale, gridOffset }, scale };
  }

  /** @param {PaneData} pane */
  magnitudeOf({ map }) {
    const found = map && this.maps.get(map.url);
    return found && !(found instanceof Error) ? found.magnitude : null;
  }

  /** @param {PaneData} pane */
  isComing({ map }) {
    return map !== null && !this.maps.has(map.url);
  }

  /** What went wrong with a pane's map. @param {PaneData} pane @returns {Error | null} */
  problemOf({ map }) {
    const found = map && this.maps.get(map.url);
    return found instanceof Error ? found : null;
  }
}
