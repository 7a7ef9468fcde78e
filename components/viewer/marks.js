// Marks over a picture that touch none of its pixels: the linked pointer, the crosshair, words, the scale bar, the colour bar.

import { axisWalk, filmToScreen, pixelsASample } from "./affine.js";
import { tableFor } from "./luts.js";

/** @typedef {import("./affine.js").View} View */

/**
 * The place under the pointer of another pane. @param {CanvasRenderingContext2D} context @param {View} view
 * @param {{row: number, column: number}} place @param {number} ratio device pixels a CSS pixel
 */
export function drawPointer(context, view, place, ratio) {
  const { x, y } = filmToScreen(view, place.row, place.column);
  for (const [width, colour] of /** @type {const} */ ([[3 * ratio, "rgba(0, 0, 0, .7)"], [1.2 * ratio, "#ffffff"]])) {
    context.lineWidth = width;
    context.strokeStyle = colour;
    context.beginPath();
    for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
      context.moveTo(x + dx * 4 * ratio, y + dy * 4 * ratio);
      context.lineTo(x + dx * 10 * ratio, y + dy * 10 * ratio);
    }
    context.stroke();
  }
}

/**
 * The crosshair of a volume: two lines that leave the place itself free. @param {CanvasRenderingContext2D} context
 * @param {View} view @param {{row: number, column: number}} place @param {number} ratio device pixels a CSS pixel
 */
export function drawCrosshair(context, view, place, ratio) {
  const { x, y } = filmToScreen(view, place.row, place.column);
  const gap = 12 * ratio;
  const path = new Path2D();
  for (const [fromX, fromY, toX, toY] of [[0, y, x - gap, y], [x + gap, y, view.width, y], [x, 0, x, y - gap], [x, y + gap, x, view.height]]) {
    path.moveTo(fromX, fromY);
    path.lineTo(toX, toY);
  }
  for (const [width, colour] of /** @type {const} */ ([[2.5, "rgba(0, 0, 0, .45)"], [1, "rgba(255, 226, 122, .75)"]])) {
    context.lineWidth = width * ratio;
    context.strokeStyle = colour;
    context.stroke(path);
  }
}

/**
 * The voxel that was asked about: a diamond around it. @param {CanvasRenderingContext2D} context @param {View} view
 * @param {{row: number, column: number}} place @param {number} ratio device pixels a CSS pixel
 */
export function drawAsked(context, view, place, ratio) {
  const { x, y } = filmToScreen(view, place.row, place.column);
  const reach = 8 * ratio;
  const path = new Path2D();
  path.moveTo(x - reach, y);
  for (const [dx, dy] of [[0, -reach], [reach, 0], [0, reach]]) path.lineTo(x + dx, y + dy);
  path.closePath();
  for (const [width, colour] of /** @type {const} */ ([[3.5, "rgba(0, 0, 0, .75)"], [1.5, "#ffffff"]])) {
    context.lineWidth = width * ratio;
    context.strokeStyle = colour;
    context.stroke(path);
  }
}

/**
 * Words over a picture, kept inside it. @param {CanvasRenderingContext2D} context @param {View} view @param {string} text
 * @param {number} left device pixels @param {number} base @param {string} colour @param {number} ratio device pixels a CSS pixel
 */
export function drawLabel(context, view, text, left, base, colour, ratio) {
  context.font = `${11 * ratio}px sans-serif`;
  const room = context.measureText(text).width;
  const x = Math.min(Math.max(left, 4 * ratio), view.width - room - 4 * ratio);
  const y = Math.min(Math.max(base, 14 * ratio), view.height - 6 * ratio);
  context.lineWidth = 3 * ratio;
  context.lineJoin = "round";
  context.strokeStyle = "#000000";
  context.strokeText(text, x, y);
  context.fillStyle = colour;
  context.fillText(text, x, y);
}

/**
 * A bar of a round length, at most a quarter of the pane. @param {View} view @param {readonly number[]} spacing mm
 * along rows and columns @returns {{pixels: number, millimetres: number}}
 */
export function scaleBar(view, spacing) {
  const { axis } = axisWalk(view, "x");
  const pixelsPerMm = pixelsASample(view, axis) / spacing[axis === "column" ? 1 : 0];
  const longest = view.width / 4 / pixelsPerMm;
  const power = 10 ** Math.floor(Math.log10(longest));
  const millimetres = power * (longest / power >= 5 ? 5 : longest / power >= 2 ? 2 : 1);
  return { pixels: millimetres * pixelsPerMm, millimetres };
}

/**
 * The colours of one pane's scale, greatest on top; what the threshold or the sign hides is left dark.
 * @param {HTMLCanvasElement} canvas @param {boolean} isSigned @param {import("./state.js").Settings} settings
 */
export function drawColourBar(canvas, isSigned, settings) {
  const rows = 128;
  canvas.width = 1;
  canvas.height = rows;
  const context = canvas.getContext("2d");
  if (!context) return;
  const table = tableFor(settings.colours, isSigned);
  const picture = context.createImageData(1, rows);
  for (let row = 0; row < rows; row++) {
    const up = 1 - (row + 0.5) / rows;
    const share = isSigned ? 2 * up - 1 : up;
    const size = Math.abs(share);
    const isHidden = size < settings.threshold || (isSigned && settings.sign !== "both" && share > 0 !== (settings.sign === "positive"));
    const step = Math.floor(size * 255 + 0.5);
    const at = 3 * (table.isSigned ? 255 + (share < 0 ? -step : step) : step);
    const weight = isHidden ? 0.18 : 1;
    for (let channel = 0; channel < 3; channel++) picture.data[4 * row + channel] = table.colours[at + channel] * weight + (isHidden ? 14 : 0);
    picture.data[4 * row + 3] = 255;
  }
  context.putImageData(picture, 0, 0);
}

/** A number as short as it can be said. @param {number} value */
export function inShort(value) {
  if (!Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 10000 || size < 0.001) return value.toExponential(1).replace("e+", "e").replace("-", "−").replace("e-", "e−");
  const text = size >= 100 ? value.toFixed(0) : size >= 10 ? value.toFixed(1) : size >= 1 ? value.toFixed(2) : value.toFixed(3);
  return text.replace("-", "−");
}
