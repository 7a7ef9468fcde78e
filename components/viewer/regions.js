// Regions over the picture: which are shown, in which colour and line, outlined and filled.

import { filmToScreen } from "./affine.js";
import { fillTable } from "./fills.js";

/** @typedef {import("./affine.js").View} View */
/** @typedef {import("./state.js").State} State */

/** Colours in the order of the regions, 0..255, from xai_core/colours.py. @type {number[][]} */
const REGION_COLOURS = [];

/** Lines tell regions apart where colours do not: dashes and gaps in CSS pixels. The twins of .line-0 .. in viewer.css. */
const DASHES = [[], [7, 4], [2, 3], [9, 3, 2, 3]];

/** Take over the colours of the server. @param {number[][]} colours */
export function keepRegionColours(colours) {
  REGION_COLOURS.splice(0, REGION_COLOURS.length, ...colours);
}

/** The colour of a region as CSS writes it. @param {number} number */
export function regionColour(number) {
  return `rgb(${REGION_COLOURS[number % REGION_COLOURS.length].join(" ")})`;
}

/** Which of a few lines a region is drawn with. @param {number} number */
export function regionLine(number) {
  return number % DASHES.length;
}

/** @param {State} state @param {readonly {name: string}[]} regions */
export function shownRegions({ regionsHidden }, regions) {
  return regions.map(({ name }) => !regionsHidden[name]);
}

/** One region shown or hidden. @param {State} state @param {string} name @returns {State} */
export function withRegionTurned(state, name) {
  const { regionsHidden } = state;
  return { ...state, regionsHidden: { ...regionsHidden, [name]: !regionsHidden[name] } };
}

/** What fills a picture; null for nothing. @param {import("./fills.js").FillLayer | null} layer @param {readonly boolean[]} shown
 * @param {number} opacity @returns {import("./fills.js").Filled | null} */
export function filledWith(layer, shown, opacity) {
  if (!layer || !(opacity > 0) || !shown.some(Boolean)) return null;
  const key = `${shown.map(Number).join("")} ${opacity}`;
  let table = TABLES_OF_FILLS.get(key);
  if (!table) {
    if (TABLES_OF_FILLS.size > 64) TABLES_OF_FILLS.clear();
    TABLES_OF_FILLS.set(key, (table = fillTable(REGION_COLOURS, shown, opacity)));
  }
  return { key: `${layer.key} ${key}`, layer, table };
}

/** @type {Map<string, import("./fills.js").FillTable>} */
const TABLES_OF_FILLS = new Map();

/**
 * Straight runs end to end: x, y of the corners of every line, so that dashes go round a region.
 * @param {Float32Array} runs x0, y0, x1, y1 of each @returns {number[][]}
 */
export function chained(runs) {
  /** By corner, the runs that end there. @type {Map<string, number[]>} */
  const at = new Map();
  const corner = (/** @type {number} */ place) => `${runs[place]} ${runs[place + 1]}`;
  for (let run = 0; run < runs.length; run += 4) {
    for (const end of [run, run + 2]) at.set(corner(end), [...(at.get(corner(end)) ?? []), run]);
  }
  const used = new Uint8Array(runs.length / 4);
  const lines = [];
  for (let start = 0; start < runs.length; start += 4) {
    if (used[start / 4]) continue;
    const line = [runs[start], runs[start + 1]];
    for (let run = start, from = start; ; ) {
      used[run / 4] = 1;
      const to = from === run ? run + 2 : run;
      line.push(runs[to], runs[to + 1]);
      const next = at.get(corner(to))?.find((other) => !used[other / 4]);
      if (next === undefined) break;
      from = corner(next) === corner(to) ? next : next + 2;
      run = next;
    }
    lines.push(line);
  }
  return lines;
}

/** Lines of outlines that are drawn again and again. @type {WeakMap<Float32Array, number[][]>} */
const CHAINS = new WeakMap();

/**
 * Outlines of the regions that are shown, film indices to device pixels. @param {CanvasRenderingContext2D} context @param {View} view
 * @param {Float32Array[]} outlines @param {readonly boolean[]} shown @param {number} ratio device pixels a CSS pixel
 */
export function drawOutlines(context, view, outlines, shown, ratio) {
  outlines.forEach((runs, number) => {
    if (!runs.length || !shown[number]) return;
    let lines = CHAINS.get(runs);
    if (!lines) CHAINS.set(runs, (lines = chained(runs)));
    const path = new Path2D();
    for (const line of lines) {
      for (let at = 0; at < line.length; at += 2) {
        const { x, y } = filmToScreen(view, line[at + 1], line[at]);
        if (at === 0) path.moveTo(x, y);
        else path.lineTo(x, y);
      }
    }
    context.lineWidth = 3;
    context.strokeStyle = "rgba(0, 0, 0, .6)";
    context.stroke(path);
    context.lineWidth = 1.4;
    context.strokeStyle = regionColour(number);
    context.setLineDash(DASHES[regionLine(number)].map((length) => length * ratio));
    context.stroke(path);
    context.setLineDash([]);
  });
}
