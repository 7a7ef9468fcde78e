// Which panes there are: of a film one for itself and one a map; of a volume as its layout says, by plane, modality or slice.

import { extentOf } from "./affine.js";
import { bestGrid } from "./layout.js";
import { planeNamed, sliceAtCursor } from "./volumestate.js";

/** @typedef {import("./panes.js").PaneData} PaneData */
/** @typedef {import("./film.js").CaseData} CaseData */
/** @typedef {import("./volumestate.js").VolumeState} VolumeState */

/** What is seen of a volume. @typedef {{plane: string, channel: number, slice: number, isProjected: boolean}} Seen */
/** @typedef {{id: string, pane: PaneData, seen: Seen | null, words: string[], bars: number[]}} Cell `words` stand before the pane's lines,
 * `bars` are the modalities whose shares of the map are told */

/** The pane of the case alone. */
export const IMAGE = "image";
const MOST_TILES = 24;

/**
 * @typedef {object} Layout
 * @property {string} title
 * @property {(all: PaneData[], given: CaseData, volume: VolumeState) => Cell[]} cells
 * @property {((all: PaneData[]) => number)} [columns] where they are fixed
 */

/** @type {Record<string, Layout>} */
export const LAYOUTS = {
  panes: {
    title: "One plane, every map",
    cells: (all, given, volume) => all.map((pane) => cellOf(pane.id, pane, given, volume, volume.plane, volume.channel, [...given.channels.keys()])),
  },
  modalities: {
    title: "Modalities by maps",
    cells: (all, given, volume) =>
      fitting(all, given, volume).flatMap((channel) =>
        all.map((pane) => cellOf(`${pane.id}@${given.channels[channel].name}`, pane, given, volume, volume.plane, channel, [channel]))),
    columns: (all) => all.length,
  },
  planes: {
    title: "Three planes of one map",
    cells: (all, given, volume) =>
      given.planes.map(({ name }, at) =>
        cellOf(`${inFocus(all, volume).id}@${name}`, inFocus(all, volume), given, volume, name, volume.channel, at ? [] : [...given.channels.keys()])),
  },
  mosaic: {
    title: "Mosaic of one map",
    cells: (all, given, volume) => {
      const pane = inFocus(all, volume);
      return tiles(planeNamed(given, volume.plane).slices, sliceAtCursor(given, volume, volume.plane)).map((slice, at) => {
        const cell = cellOf(`${pane.id}@tile ${at + 1}`, pane, given, volume, volume.plane, volume.channel, []);
        return { ...cell, seen: cell.seen && { ...cell.seen, slice } };
      });
    },
  },
};

/** The modalities that fit into memory together with their maps: all, or so many from the chosen one on.
 * @param {PaneData[]} all @param {CaseData} given @param {VolumeState} volume */
function fitting(all, given, { channel }) {
  /** @param {readonly number[]} shape */
  const cells = (shape) => shape.reduce((product, count) => product * count, 1);
  const needed = all.reduce((sum, { map }) => sum + (map ? 2 * cells(map.shape) : 0), 2 * cells(given.shape));
  const count = Math.min(Math.max(Math.floor((given.mostBytes - given.regionBytes) / needed), 1), given.channels.length);
  const first = Math.min(channel, given.channels.length - count);
  return [...given.channels.keys()].slice(first, first + count);
}

/** What is said of modalities for which there is no room. @param {import("./viewer.js").ViewerData} data @param {VolumeState} volume */
export function leftOut(data, volume) {
  const count = volume.layout === "modalities" ? fitting(data.panes, data.case, volume).length : Infinity;
  return count < data.case.channels.length ? `${count} of ${data.case.channels.length} modalities: more would not fit into memory` : "";
}

/** @param {PaneData[]} all @param {VolumeState} volume */
function inFocus(all, { focus }) {
  return all.find(({ id }) => id === focus) ?? all[0];
}

/** @param {string} id @param {PaneData} pane @param {CaseData} given @param {VolumeState} volume @param {string} plane @param {number} channel
 * @param {number[]} bars @returns {Cell} */
function cellOf(id, pane, given, volume, plane, channel, bars) {
  const seen = { plane, channel, slice: sliceAtCursor(given, volume, plane), isProjected: volume.isProjected };
  return { id, pane, seen, words: [given.channels[channel]?.name ?? "", plane].filter(Boolean), bars };
}

/** At most so many slices at even steps; the crosshair's stands in for the one before it, so that scrolling changes one
 * tile. @param {number} slices @param {number} cursor */
export function tiles(slices, cursor) {
  const step = Math.ceil(slices / MOST_TILES);
  const found = [];
  for (let slice = 0; slice < slices; slice += step) found.push(cursor >= slice && cursor < slice + step ? cursor : slice);
  return found;
}

/** @param {import("./viewer.js").ViewerData} data @param {VolumeState | null} volume @returns {Cell[]} */
export function cellsOf(data, volume) {
  const all = [imagePane(data.case), ...data.panes];
  if (!volume) return all.map((pane) => ({ id: pane.id, pane, seen: null, words: [], bars: [] }));
  return (LAYOUTS[volume.layout] ?? LAYOUTS.panes).cells(all, data.case, volume);
}

/** Rows and columns of panes. @param {import("./viewer.js").ViewerData} data @param {VolumeState | null} volume
 * @param {number} count @param {number} width @param {number} height @returns {{rows: number, columns: number}} */
export function gridOf(data, volume, count, width, height) {
  const columns = volume && count > 1 && LAYOUTS[volume.layout]?.columns?.([imagePane(data.case), ...data.panes]);
  if (columns) return { rows: Math.ceil(count / columns), columns };
  const [tall, wide] = extentOf(volume ? planeNamed(data.case, volume.plane).shape : data.case.shape);
  return bestGrid(count, width, height, wide / tall);
}

/** One a case, so that a pane knows it has been told. @type {WeakMap<CaseData, PaneData>} */
const IMAGE_PANES = new WeakMap();

/** @param {CaseData} given @returns {PaneData} */
function imagePane(given) {
  const known = IMAGE_PANES.get(given);
  if (known) return known;
  /** @type {PaneData} */
  const made = {
    id: IMAGE,
    title: given.title || (given.kind === "volume" ? "Volume" : "Film"),
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
  IMAGE_PANES.set(given, made);
  return made;
}
