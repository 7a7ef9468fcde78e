// Where film samples lie on a canvas, and back: one affine by pixel centres (index 0 is the centre of the first
// sample), the same as axis_positions and pyramid_level of xai_core/render.py.

/**
 * @typedef {object} View Where the film lies on a canvas.
 * @property {number} width device pixels
 * @property {number} height device pixels
 * @property {number} scale device pixels a film pixel
 * @property {number} row film index at the canvas's centre
 * @property {number} column film index at the canvas's centre
 * @property {number} turn clockwise quarter turns, after which the flips act on the screen
 * @property {boolean} flipX
 * @property {boolean} flipY
 * @property {number} [rowSize] a film pixel is so much higher, where samples are not square
 * @property {number} [columnSize]
 */

/** @typedef {{axis: "row" | "column", sign: number, start: number, step: number}} Walk */

/**
 * Which film axis a screen axis walks along; the film index at pixel i is start + step * i.
 * At 1:1 the walk is moved by less than half a pixel so that samples are shown untouched.
 * @param {View} view @param {"x" | "y"} along @returns {Walk}
 */
export function axisWalk(view, along) {
  const turn = ((view.turn % 4) + 4) % 4;
  const straight = turn % 2 === 0;
  /** @type {"row" | "column"} */
  const axis = (along === "x") === straight ? "column" : "row";
  const backwards = along === "x" ? turn === 1 || turn === 2 : turn === 2 || turn === 3;
  const sign = backwards !== (along === "x" ? view.flipX : view.flipY) ? -1 : 1;
  const count = along === "x" ? view.width : view.height;
  const scale = pixelsASample(view, axis);
  const step = sign / scale;
  let start = (axis === "row" ? view.row : view.column) + (0.5 - count / 2) * step;
  if (Math.abs(scale - 1) < 1e-9) start = Math.floor(start + 0.5);
  return { axis, sign, start, step };
}

/** Device pixels a film row or column. @param {View} view @param {"row" | "column"} axis */
export function pixelsASample(view, axis) {
  return view.scale * ((axis === "row" ? view.rowSize : view.columnSize) ?? 1);
}

/** Film indices under a canvas point (device pixels, edges). @param {View} view @param {number} x @param {number} y */
export function screenToFilm(view, x, y) {
  const across = axisWalk(view, "x");
  const down = axisWalk(view, "y");
  const first = across.start + across.step * (x - 0.5);
  const second = down.start + down.step * (y - 0.5);
  return across.axis === "column" ? { row: second, column: first } : { row: first, column: second };
}

/** The canvas point of film indices. @param {View} view @param {number} row @param {number} column */
export function filmToScreen(view, row, column) {
  const across = axisWalk(view, "x");
  const down = axisWalk(view, "y");
  const first = across.axis === "column" ? column : row;
  const second = down.axis === "row" ? row : column;
  return { x: (first - across.start) / across.step + 0.5, y: (second - down.start) / down.step + 0.5 };
}

/** How often the film is halved before it is interpolated: 0 from 0.6 screen pixels a film pixel. @param {View} view */
export function pyramidLevel(view) {
  const scale = Math.max(pixelsASample(view, "row"), pixelsASample(view, "column"));
  return Math.max(0, Math.floor(Math.log2(1 / scale) + 0.25));
}

/**
 * Height and width of a film in units of its scale. @param {readonly number[]} shape rows, columns and, where samples
 * are not square, the size of a row and of a column
 */
export function extentOf([rows, columns, rowSize = 1, columnSize = 1]) {
  return [rows * rowSize, columns * columnSize];
}

/** The scale at which the whole film is seen. @param {number} width @param {number} height
 * @param {readonly number[]} shape as extentOf @param {number} turn */
export function fitScale(width, height, shape, turn) {
  const extent = extentOf(shape);
  const [rows, columns] = turn % 2 === 0 ? extent : extent.reverse();
  return Math.max(1e-6, Math.min(width / columns, height / rows));
}

/**
 * Letters at the screen's edges of a film whose edges carry [left, right, top, bottom].
 * @param {readonly string[]} letters @param {View} view
 */
export function edgeLetters(letters, view) {
  const [left, right, top, bottom] = [0, 1, 2, 3].map((at) => letters[at] ?? "");
  /** @param {"x" | "y"} along */
  const ends = (along) => {
    const walk = axisWalk(view, along);
    const pair = walk.axis === "column" ? [left, right] : [top, bottom];
    return walk.sign > 0 ? pair : [pair[1], pair[0]];
  };
  const [west, east] = ends("x");
  const [north, south] = ends("y");
  return { west, east, north, south };
}
