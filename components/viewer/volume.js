// What has come of a volume: modalities, their maps and regions, each fetched when it is first looked at and kept whole
// while there is room, so that a slice is cut in the browser. Beyond the cap what was not looked at for longest goes.

import { Pyramid } from "./draw2d.js";
import { fillSheetOf } from "./fills.js";
import { filmOf } from "./film.js";
import { stepsOfHalves } from "./half.js";
import { mapSheetOf, nearestSlice, outlineOf, projectionOf, sliceOf, unpacked } from "./planes.js";
import { codesIn, freshBytesAt } from "./transport.js";
import { planeNamed } from "./volumestate.js";

/** @typedef {import("./film.js").CaseData} CaseData */
/** @typedef {import("./film.js").Film} Film */
/** @typedef {import("./panes.js").PaneData} PaneData */
/** @typedef {import("./cells.js").Seen} Seen */
/** @typedef {{codes: Uint8Array | Uint16Array, film: Film}} Channel */
/** @typedef {{value: unknown, bytes: number, frame: number}} Held value null while it comes */

/** Slices, projections and outlines that are kept beside the volumes, and beyond it those that a frame shows. */
const MOST_SHEETS = 96;

export class VolumeArrivals {
  /** @param {() => void} arrived something new can be drawn, or a problem told */
  constructor(arrived) {
    this.arrived = arrived;
    this.problem = "";
    /** @type {CaseData | null} */
    this.given = null;
    /** @type {{name: string, url: string}[]} */
    this.contours = [];
    /** By address, what was not looked at for longest first. @type {Map<string, Held>} */
    this.held = new Map();
    /** @type {Map<string, {made: unknown, frame: number}>} */
    this.sheets = new Map();
    this.frame = 0;
    /** @type {(film: Film, channel: number) => void} */
    this.opened = () => {};
  }

  /** Another volume; what was held of the one before goes. @param {CaseData} given @param {(film: Film, channel: number) => void} opened */
  open(given, opened) {
    this.given = given;
    this.opened = opened;
    this.problem = "";
    this.held.clear();
    this.sheets.clear();
  }

  /** @param {import("./viewer.js").ViewerData} data */
  fetch(data) {
    this.given = data.case;
    this.contours = data.contours;
    const inUse = new Set([...data.case.channels.map(({ samples }) => samples.url), ...data.contours.map(({ url }) => url)]);
    for (const { map } of data.panes) for (const { url } of map?.channels ?? []) inUse.add(url);
    for (const url of this.held.keys()) if (!inUse.has(url)) this.held.delete(url);
  }

  /** What the last frame did not show makes room for what it asked for, before that comes. */
  startFrame() {
    this.makeRoom();
    this.frame += 1;
  }

  /** @param {Seen | null} seen @returns {Film | null} */
  filmIn(seen) {
    const { given } = this;
    const channel = seen && this.channelOf(seen.channel);
    if (!given || !seen || !channel) return null;
    const key = `${given.digest} ${seen.channel} ${seen.plane} ${seen.slice}`;
    return this.sheet(key, () => {
      const plane = planeNamed(given, seen.plane);
      return { ...channel.film, key, pyramid: new Pyramid(sliceOf(channel.codes, given.shape, plane, seen.slice), plane.shape) };
    });
  }

  /** @param {Seen | null} seen */
  shapeIn(seen) {
    return this.given && seen ? planeNamed(this.given, seen.plane).shape : [1, 1];
  }

  /** @param {Seen | null} seen */
  hangingIn(seen) {
    const plane = this.given && seen && planeNamed(this.given, seen.plane);
    return { letters: plane?.letters ?? [], spacing: plane?.spacing ?? null, spacingKind: "" };
  }

  /** A pane's map in what is seen; null while it comes, and where it does not reach.
   * @param {PaneData} pane @param {Seen | null} seen @param {import("./state.js").Settings} settings
   * @returns {import("./arrivals.js").Layer | null} */
  layerOf({ map, isSigned }, seen, settings) {
    const { given } = this;
    const steps = seen && this.stepsOf(map, seen);
    if (!given || !map || !seen || !steps) return null;
    const { url, scale } = channelOfMap(map, seen.channel);
    const plane = planeNamed(given, seen.plane);
    const sign = isSigned ? settings.sign : "both";
    const slice = seen.isProjected ? 0 : nearestSlice(map, plane, given.shape, seen.slice);
    if (slice < 0) return null;
    const key = `${url} ${map.gridScale} ${map.gridOffset} ${plane.name} ${seen.isProjected ? `greatest ${sign}` : slice}`;
    const sheet = this.sheet(key, () => {
      const cut = seen.isProjected ? projectionOf(steps, map.shape, plane, sign) : sliceOf(steps, map.shape, plane, slice);
      return mapSheetOf(cut, map, plane, given.shape);
    });
    return { key, sheet, scale };
  }

  /** The greatest magnitude over all modalities of a map. @param {PaneData} pane */
  magnitudeOf({ map }) {
    return map ? map.scale : null;
  }

  /** @param {PaneData} pane @param {Seen | null} seen */
  isComing({ map }, seen) {
    return map !== null && seen !== null && this.stepsOf(map, seen) === null;
  }

  /** @param {PaneData} pane @param {Seen | null} seen @returns {Error | null} */
  problemOf({ map }, seen) {
    const value = map && seen ? this.held.get(channelOfMap(map, seen.channel).url)?.value : null;
    return value instanceof Error ? value : null;
  }

  /** Outlines of the regions in what is seen, empty where they are elsewhere or still come. @param {Seen | null} seen @returns {Float32Array[]} */
  outlinesIn(seen) {
    const { given } = this;
    if (!given || !seen) return [];
    const plane = planeNamed(given, seen.plane);
    return this.contours.map(({ url }) => {
      const mask = this.maskOf(url);
      if (!mask) return new Float32Array(0);
      return this.sheet(`${url} ${plane.name} ${seen.slice}`, () => outlineOf(sliceOf(mask, given.shape, plane, seen.slice), plane.shape[0], plane.shape[1]));
    });
  }

  /** Which regions every sample of what is seen lies in; null where it meets none. @param {Seen | null} seen
   * @returns {import("./fills.js").FillLayer | null} */
  fillIn(seen) {
    const { given } = this;
    if (!given || !seen || !this.contours.length) return null;
    const masks = this.contours.map(({ url }) => this.maskOf(url));
    const key = `filled ${this.contours.map(({ url }, at) => (masks[at] ? url : "")).join()} ${seen.plane} ${seen.slice}`;
    const plane = planeNamed(given, seen.plane);
    const sheet = this.sheet(key, () => {
      const slices = masks.map((mask) => mask && sliceOf(mask, given.shape, plane, seen.slice));
      return fillSheetOf(slices, plane.shape[0], plane.shape[1]);
    });
    return sheet && { key, sheet };
  }

  // What is held

  /** A region's samples, 1 inside; null while they come. @param {string} url */
  maskOf(url) {
    const { given } = this;
    const mask = given && this.look(url, voxelsOf(given.shape), (bytes) => unpacked(new Uint8Array(bytes), voxelsOf(given.shape)));
    return mask instanceof Uint8Array ? mask : null;
  }

  /** @param {number} at @returns {Channel | null} */
  channelOf(at) {
    const { given } = this;
    const channel = given?.channels[at];
    if (!given || !channel) return null;
    const bytesEach = channel.samples.type === "uint8" ? 1 : 2;
    const found = this.look(channel.samples.url, bytesEach * voxelsOf(given.shape), (bytes) => {
      const codes = codesIn(bytes, channel.samples.type);
      if (codes.length !== voxelsOf(given.shape)) throw new Error("The volume came incomplete. Reload the page.");
      const film = filmOf({ ...given, ...channel, shape: [1, codes.length] }, codes, null);
      this.opened(film, at);
      return { codes, film };
    });
    if (found instanceof Error) this.problem = found.message;
    return found instanceof Error ? null : /** @type {Channel | null} */ (found);
  }

  /** @param {PaneData["map"]} map @param {Seen} seen @returns {Uint16Array | null} */
  stepsOf(map, { channel }) {
    if (!map) return null;
    const steps = this.look(channelOfMap(map, channel).url, 2 * voxelsOf(map.shape), (bytes) => {
      const codes = new Uint16Array(bytes);
      if (codes.length !== voxelsOf(map.shape)) throw new Error("The map came incomplete. Reload the page.");
      return stepsOfHalves(codes, codes);
    });
    return steps instanceof Uint16Array ? steps : null;
  }

  /** What was made of the bytes at an address: null while they come, an Error where they do not. @param {string} url
   * @param {number} expected bytes that will be kept @param {(bytes: ArrayBuffer) => unknown} make @returns {unknown} */
  look(url, expected, make) {
    const known = this.held.get(url);
    if (known) {
      known.frame = this.frame;
      this.held.delete(url);
      this.held.set(url, known);
      return known.value;
    }
    /** @type {Held} */
    const coming = { value: null, bytes: expected, frame: this.frame };
    this.held.set(url, coming);
    this.arrived();
    freshBytesAt(url)
      .then((bytes) => {
        if (this.held.get(url) !== coming) return;
        coming.value = make(bytes);
      })
      .catch((/** @type {Error} */ problem) => {
        coming.value = problem;
        coming.bytes = 0;
      })
      .then(this.arrived);
    return null;
  }

  /** Let go of what the last frame did not show, the oldest first, until what is there and what comes fit the cap. */
  makeRoom() {
    let bytes = [...this.held.values()].reduce((sum, held) => sum + held.bytes, 0);
    for (const [url, held] of this.held) {
      if (bytes <= (this.given?.mostBytes ?? Infinity)) return;
      if (held.value === null || held.frame >= this.frame) continue;
      this.held.delete(url);
      bytes -= held.bytes;
    }
  }

  /** A slice and the like, cut once while it is looked at. @template Made @param {string} key @param {() => Made} make @returns {Made} */
  sheet(key, make) {
    const known = /** @type {{made: Made, frame: number} | undefined} */ (this.sheets.get(key));
    const found = known ?? { made: make(), frame: 0 };
    found.frame = this.frame;
    this.sheets.delete(key);
    this.sheets.set(key, found);
    for (const [oldest, { frame }] of this.sheets) {
      if (this.sheets.size <= MOST_SHEETS || frame >= this.frame) break;
      this.sheets.delete(oldest);
    }
    return found.made;
  }
}

/** The map of a modality; maps that do not tell modalities apart have one for all. @param {NonNullable<PaneData["map"]>} map @param {number} channel */
function channelOfMap({ channels = [] }, channel) {
  return channels[channels.length > 1 ? channel : 0];
}

/** @param {readonly number[]} shape */
function voxelsOf(shape) {
  return shape.reduce((product, count) => product * count, 1);
}
