// Slices of a volume as planes hang them (xai_core/planes.py): which array axis runs along slices, rows and columns,
// and whether backwards; slices, projections and outlines as sheets that the painter takes for films.

import { NEGATIVE, NOTHING } from "./half.js";

/**
 * @typedef {object} Plane What Python says of a plane (volume.py).
 * @property {string} name @property {number[]} axes of slices, rows, columns @property {boolean[]} flips
 * @property {string[]} letters left, right, top, bottom @property {number} slices
 * @property {number[]} shape rows, columns, row size, column size @property {number[] | null} spacing mm along rows, columns
 */

/** @typedef {[number, number, number]} Index of an array (d, h, w) */
/** @typedef {Uint8Array | Uint16Array} Texels */

/** Slice, row and column of an array index. @param {Plane} plane @param {readonly number[]} size @param {Index} index @returns {Index} */
export function hungPlace({ axes, flips }, size, index) {
  return /** @type {Index} */ (axes.map((axis, at) => (flips[at] ? size[axis] - 1 - index[axis] : index[axis])));
}

/** The array index of a slice, row and column. @param {Plane} plane @param {readonly number[]} size @param {Index} place @returns {Index} */
export function indexOfPlace({ axes, flips }, size, place) {
  /** @type {Index} */
  const index = [0, 0, 0];
  axes.forEach((axis, at) => (index[axis] = flips[at] ? size[axis] - 1 - place[at] : place[at]));
  return index;
}

/** Where a walk along slices, rows and columns starts among all samples, and its steps. @param {Plane} plane @param {readonly number[]} size */
function walkOf({ axes, flips }, size) {
  const strides = [size[1] * size[2], size[2], 1];
  const start = axes.reduce((sum, axis, at) => sum + (flips[at] ? (size[axis] - 1) * strides[axis] : 0), 0);
  const [across, down, along] = axes.map((axis, at) => (flips[at] ? -strides[axis] : strides[axis]));
  const [slices, rows, columns] = axes.map((axis) => size[axis]);
  return { start, across, down, along, slices, rows, columns };
}

/** One slice as it hangs. @template {Texels} Kind @param {Kind} values of a volume of `size` @param {readonly number[]} size
 * @param {Plane} plane @param {number} slice @returns {Kind} */
export function sliceOf(values, size, plane, slice) {
  const { start, across, down, along, rows, columns } = walkOf(plane, size);
  const made = values instanceof Uint8Array ? new Uint8Array(rows * columns) : new Uint16Array(rows * columns);
  let at = 0;
  for (let row = 0; row < rows; row++) {
    let from = start + slice * across + row * down;
    for (let column = 0; column < columns; column++, from += along) made[at++] = values[from];
  }
  return /** @type {Kind} */ (made);
}

/**
 * Along the slices the step of greatest magnitude, of equal ones the first; "no value" where none has one.
 * @param {Uint16Array} steps @param {readonly number[]} size @param {Plane} plane
 * @param {"both" | "positive" | "negative"} sign what is left out counts as zero
 */
export function projectionOf(steps, size, plane, sign) {
  const { start, across, down, along, slices, rows, columns } = walkOf(plane, size);
  const made = new Uint16Array(rows * columns).fill(NOTHING);
  const greatest = new Int32Array(rows * columns).fill(-1);
  for (let slice = 0; slice < slices; slice++) {
    let at = 0;
    for (let row = 0; row < rows; row++) {
      let from = start + slice * across + row * down;
      for (let column = 0; column < columns; column++, from += along, at++) {
        const step = steps[from];
        if (step === NOTHING) continue;
        const isNegative = step >= NEGATIVE;
        const isKept = sign === "both" || isNegative === (sign === "negative");
        const magnitude = !isKept ? 0 : isNegative ? step - NEGATIVE : step;
        if (magnitude <= greatest[at]) continue;
        greatest[at] = magnitude;
        made[at] = isKept ? step : 0;
      }
    }
  }
  return made;
}

/** One axis of a map's grid: case index = offset + scale * cell.
 * @typedef {{shape: number[], gridScale: number[], gridOffset: number[]}} Grid */

/** Step and start of a map's cells, counted as the plane hangs. @param {Grid} grid @param {Plane} plane @param {readonly number[]} size of the case @param {number} at */
function hungGrid({ shape, gridScale, gridOffset }, { axes, flips }, size, at) {
  const axis = axes[at];
  const scale = gridScale[axis];
  return { scale, offset: flips[at] ? size[axis] - 1 - gridOffset[axis] - scale * (shape[axis] - 1) : gridOffset[axis] };
}

/** A pixel centre on the edge of a cell falls on the same side here and in the reference. */
const CELL_EDGE = 1e-6;

/** The map's slice nearest to the case's; -1 where it does not reach. @param {Grid} grid @param {Plane} plane
 * @param {readonly number[]} size @param {number} slice */
export function nearestSlice(grid, plane, size, slice) {
  const { scale, offset } = hungGrid(grid, plane, size, 0);
  const position = (slice - offset) / scale;
  const count = grid.shape[plane.axes[0]];
  if (position < -0.5 - CELL_EDGE || position >= count - 0.5 - CELL_EDGE) return -1;
  return Math.min(Math.max(Math.floor(position + 0.5 + CELL_EDGE), 0), count - 1);
}

/** The sheet of a map in a plane. @param {Uint16Array} steps of the slice @param {Grid} grid @param {Plane} plane
 * @param {readonly number[]} size @returns {import("./draw2d.js").MapSheet} */
export function mapSheetOf(steps, grid, plane, size) {
  const [down, across] = [hungGrid(grid, plane, size, 1), hungGrid(grid, plane, size, 2)];
  return {
    steps, rows: grid.shape[plane.axes[1]], columns: grid.shape[plane.axes[2]],
    gridScale: [down.scale, across.scale], gridOffset: [down.offset, across.offset],
  };
}

/** A mask's bits (most significant first) as bytes. @param {Uint8Array} bits @param {number} count */
export function unpacked(bits, count) {
  const made = new Uint8Array(count);
  for (let at = 0; at < count; at++) made[at] = (bits[at >> 3] >> (7 - (at & 7))) & 1;
  return made;
}

/** The outline of a mask's slice: x0, y0, x1, y1 of straight runs between its pixels. @param {Uint8Array} mask
 * @param {number} rows @param {number} columns */
export function outlineOf(mask, rows, columns) {
  /** @type {number[]} */
  const runs = [];
  /** @param {number} row @param {number} column */
  const at = (row, column) => (row < 0 || column < 0 || row >= rows || column >= columns ? 0 : mask[row * columns + column]);
  for (let row = 0; row <= rows; row++) {
    for (let column = 0, from = -1; column <= columns; column++) {
      const isEdge = column < columns && at(row - 1, column) !== at(row, column);
      if (isEdge && from < 0) from = column;
      if (!isEdge && from >= 0) {
        runs.push(from - 0.5, row - 0.5, column - 0.5, row - 0.5);
        from = -1;
      }
    }
  }
  for (let column = 0; column <= columns; column++) {
    for (let row = 0, from = -1; row <= rows; row++) {
      const isEdge = row < rows && at(row, column - 1) !== at(row, column);
      if (isEdge && from < 0) from = row;
      if (!isEdge && from >= 0) {
        runs.push(column - 0.5, from - 0.5, column - 0.5, row - 0.5);
        from = -1;
      }
    }
  }
  return new Float32Array(runs);
}
