// Drawing by WebGL2, the twin of draw2d.js with the same steps: film and map at screen pixels are here only what they
// are read with, and the card walks them when the pane is painted. One context serves every pane of the page (browsers
// allow about sixteen): a pane is drawn into it and copied to its own 2-D canvas, so that its picture stays where the
// context is lost.

import { filmTaps, mapCells } from "./draw2d.js";
import { NOTHING } from "./half.js";
import { FILM_ALONE, FILM_AND_MAP, REGIONS, WHOLE_PANE } from "./shaders.js";

/** @typedef {import("./affine.js").View} View */
/** @typedef {import("./draw2d.js").Sheet} Sheet */
/** @typedef {Uint8Array | Uint16Array | Uint32Array | Float32Array} Texels */

/** @typedef {{sheet: Sheet, isStraight: boolean, taps: Float32Array}} FilmRead */
/** @typedef {{film: FilmRead, table: Uint8Array}} GreyRead */
/** @typedef {{map: import("./draw2d.js").MapSheet, cells: Float32Array, isSmooth: boolean}} MapRead */

/** @typedef {{sheet: import("./fills.js").FillSheet, cells: Float32Array, isStraight: boolean}} FillRead */

/** @typedef {import("./picture.js").Picture} Picture */

/** Textures that are kept: as many, and of as many bytes together, at most. */
const KEPT_TEXTURES = 96;
const KEPT_BYTES = 128 * 2 ** 20;

/** Entries a row of a texture that is a table. */
const ROW = 256;

/** Places of textures. @type {Record<string, number>} */
const UNITS = { film: 0, filmTaps: 1, greys: 2, map: 3, mapCells: 4, colours: 5, greyShares: 6, fills: 7 };

/** The name of the renderer behind a context, as far as the browser tells it. @param {WebGL2RenderingContext} gl */
export function rendererOf(gl) {
  const told = gl.getExtension("WEBGL_debug_renderer_info");
  return String(gl.getParameter(told ? told.UNMASKED_RENDERER_WEBGL : gl.RENDERER));
}

export class GlDrawing {
  /** @param {WebGL2RenderingContext} gl of a canvas that is on no page */
  constructor(gl) {
    this.name = "webgl2";
    this.gl = gl;
    this.canvas = /** @type {HTMLCanvasElement} */ (gl.canvas);
    /** Told once when nothing more can be drawn. @type {Set<() => void>} */
    this.listeners = new Set();
    this.isLost = false;
    this.canvas.addEventListener("webglcontextlost", () => this.lose());
    this.largest = gl.getParameter(gl.MAX_TEXTURE_SIZE);
    gl.disable(gl.DITHER);
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
    this.alone = programOf(gl, FILM_ALONE);
    this.overlaid = programOf(gl, FILM_AND_MAP);
    this.regions = programOf(gl, REGIONS);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    /** By the array they were made of, the longest unused first. @type {Map<Texels, {texture: WebGLTexture, bytes: number}>} */
    this.kept = new Map();
    this.bytes = 0;
    this.greyShares = gl.createTexture();
    /** Colours as a texture holds them, by the tables they were made of. @type {WeakMap<import("./luts.js").StepColours, {version: number, packed: Uint32Array}>} */
    this.packed = new WeakMap();
  }

  // The steps of draw2d.js

  /** @param {import("./draw2d.js").Pyramid} pyramid @param {View} view @returns {FilmRead} */
  filmOnScreen(pyramid, view) {
    const { sheet, isStraight, left, right, top, bottom, x, y } = filmTaps(pyramid, view, false);
    const taps = new Float32Array(8 * Math.max(view.width, view.height));
    layRow(taps, 0, [x.first, x.second, x.weight, new Uint8Array(view.width).fill(1, left, right)]);
    layRow(taps, 1, [y.first, y.second, y.weight, new Uint8Array(view.height).fill(1, top, bottom)]);
    return { sheet, isStraight, taps };
  }

  /** @param {FilmRead} film @param {Uint8Array} table @returns {GreyRead} */
  greyOnScreen(film, table) {
    return { film, table };
  }

  /** @param {import("./draw2d.js").MapSheet} map @param {FilmRead} _film @param {View} view @param {boolean} isSmooth @returns {MapRead} */
  mapOnScreen(map, _film, view, isSmooth) {
    return { map, isSmooth, ...this.cellsOnScreen(map, view) };
  }

  /** @param {import("./draw2d.js").Cellular} map @param {View} view */
  cellsOnScreen(map, view) {
    const { x, y, isStraight } = mapCells(map, view, false);
    const cells = new Float32Array(8 * Math.max(view.width, view.height));
    layRow(cells, 0, [x.nearest, x.first, x.second, x.weight]);
    layRow(cells, 1, [y.nearest, y.first, y.second, y.weight]);
    return { cells, isStraight };
  }

  /** The film alone. @param {GreyRead} grey @param {Picture} picture */
  paintGrey(grey, picture) {
    this.draw(this.alone, grey, picture);
  }

  /**
   * The film with a map over it. @param {GreyRead} grey @param {MapRead} steps
   * @param {import("./luts.js").StepColours} colours @param {Uint32Array} greyShare @param {Picture} picture
   */
  paintOverlay(grey, { map, cells, isSmooth }, colours, greyShare, picture) {
    this.draw(this.overlaid, grey, picture, () => {
      const { gl } = this;
      this.keep("map", map.steps, map.columns);
      this.keep("mapCells", cells, cells.length / 8);
      this.keep("colours", this.packedColours(colours), ROW);
      this.write("greyShares", this.greyShares, greyShare, ROW);
      gl.uniform1i(this.overlaid.isSmooth, isSmooth ? 1 : 0);
    });
  }

  /** @param {import("./fills.js").FillSheet} sheet @param {View} view @returns {FillRead} */
  fillOnScreen(sheet, view) {
    return { sheet, ...this.cellsOnScreen(sheet, view) };
  }

  /** Regions over what was painted last. @param {FillRead} fill @param {import("./fills.js").FillTable} table @param {Picture} picture */
  paintFill({ sheet, cells, isStraight }, table, picture) {
    const { gl, regions } = this;
    this.attempt(() => {
      gl.enable(gl.BLEND);
      gl.useProgram(regions.program);
      gl.uniform1i(regions.height, picture.height);
      gl.uniform1i(regions.isStraight, isStraight ? 1 : 0);
      this.keep("map", sheet.codes, sheet.columns);
      this.keep("mapCells", cells, cells.length / 8);
      this.keep("fills", table, table.length / 4);
      gl.drawArrays(gl.TRIANGLES, 0, 3);
      gl.disable(gl.BLEND);
    });
  }

  /** What was painted last, copied to its own canvas. @param {Picture} picture */
  finish(picture) {
    this.attempt(() => {
      if (this.gl.isContextLost()) throw new Error("The context was lost.");
      picture.copyFrom(this.canvas);
    });
  }

  // The card

  /** Red, blue, green and whether it is shown of every step, in two words. @param {import("./luts.js").StepColours} colours */
  packedColours(colours) {
    const known = this.packed.get(colours);
    if (known?.version === colours.version) return known.packed;
    if (known) this.drop(known.packed);
    const packed = new Uint32Array(ROW * Math.ceil((2 * (NOTHING + 1)) / ROW));
    for (let step = 0; step <= NOTHING; step++) {
      packed[2 * step] = colours.redBlue[step];
      packed[2 * step + 1] = colours.green[step] | (colours.shown[step] << 31);
    }
    this.packed.set(colours, { version: colours.version, packed });
    return packed;
  }

  /**
   * Draw into this canvas's lowest rows; on any failure the picture stays as it was.
   * @param {Program} program @param {GreyRead} grey @param {Picture} picture @param {() => void} [more]
   */
  draw(program, { film, table }, picture, more) {
    const { gl } = this;
    const { width, height } = picture;
    this.attempt(() => {
      this.grow(width, height);
      gl.useProgram(program.program);
      gl.uniform1i(program.height, height);
      gl.uniform1i(program.isStraight, film.isStraight ? 1 : 0);
      this.keep("film", film.sheet.codes, film.sheet.columns);
      this.keep("filmTaps", film.taps, film.taps.length / 8);
      this.keep("greys", table, ROW);
      more?.();
      gl.viewport(0, 0, width, height);
      gl.drawArrays(gl.TRIANGLES, 0, 3);
    });
  }

  /** A card that fails is left. @param {() => void} draw */
  attempt(draw) {
    if (this.isLost) return;
    try {
      draw();
    } catch {
      this.lose();
    }
  }

  /** At least as large as the picture; a larger one before leaves it larger. @param {number} width @param {number} height */
  grow(width, height) {
    const { canvas, gl } = this;
    if (canvas.width < width) canvas.width = width;
    if (canvas.height < height) canvas.height = height;
    if (gl.drawingBufferWidth < canvas.width || gl.drawingBufferHeight < canvas.height) throw new Error("The pane is too large.");
  }

  /** The texture of an array that does not change, made when first asked for. @param {string} name @param {Texels} texels @param {number} width */
  keep(name, texels, width) {
    const { gl, kept } = this;
    const known = kept.get(texels);
    if (known) {
      kept.delete(texels);
      kept.set(texels, known);
      gl.activeTexture(gl.TEXTURE0 + UNITS[name]);
      gl.bindTexture(gl.TEXTURE_2D, known.texture);
      return;
    }
    const made = { texture: gl.createTexture(), bytes: texels.byteLength };
    kept.set(texels, made);
    this.bytes += made.bytes;
    this.write(name, made.texture, texels, width);
    if (name === "film" || name === "map") {
      const problem = gl.getError();
      if (problem !== gl.NO_ERROR) throw new Error(`WebGL error ${problem}.`);
    }
    for (const oldest of kept.keys()) {
      if (kept.size <= KEPT_TEXTURES && (this.bytes <= KEPT_BYTES || kept.size <= UNITS.mapCells + 1)) break;
      this.drop(oldest);
    }
  }

  /** @param {string} name @param {WebGLTexture} texture @param {Texels} texels @param {number} width */
  write(name, texture, texels, width) {
    const { gl } = this;
    const [stored, given, type, channels] = formOf(gl, texels);
    const height = texels.length / channels / width;
    if (Math.max(width, height) > this.largest) throw new Error("The picture is larger than a texture can be.");
    gl.activeTexture(gl.TEXTURE0 + UNITS[name]);
    gl.bindTexture(gl.TEXTURE_2D, texture);
    gl.texImage2D(gl.TEXTURE_2D, 0, stored, width, height, 0, given, type, texels);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
  }

  /** @param {Texels} texels */
  drop(texels) {
    const known = this.kept.get(texels);
    if (!known) return;
    this.kept.delete(texels);
    this.bytes -= known.bytes;
    this.gl.deleteTexture(known.texture);
  }

  /** Let go of every picture. */
  clear() {
    for (const texels of [...this.kept.keys()]) this.drop(texels);
  }

  lose() {
    if (this.isLost) return;
    this.isLost = true;
    this.clear();
    for (const tell of [...this.listeners]) tell();
  }
}

/**
 * One texel a screen column or row, of four numbers.
 * @param {Float32Array} into two rows @param {0 | 1} row @param {ArrayLike<number>[]} channels
 */
function layRow(into, row, channels) {
  const start = (row * into.length) / 2;
  channels.forEach((numbers, channel) => {
    for (let at = 0; at < numbers.length; at++) into[start + 4 * at + channel] = numbers[at];
  });
}

/** How an array is stored, given, of what type, and how many numbers a texel has. @param {WebGL2RenderingContext} gl @param {Texels} texels */
function formOf(gl, texels) {
  if (texels instanceof Uint8Array) return [gl.R8UI, gl.RED_INTEGER, gl.UNSIGNED_BYTE, 1];
  if (texels instanceof Uint16Array) return [gl.R16UI, gl.RED_INTEGER, gl.UNSIGNED_SHORT, 1];
  if (texels instanceof Uint32Array) return [gl.R32UI, gl.RED_INTEGER, gl.UNSIGNED_INT, 1];
  return [gl.RGBA32F, gl.RGBA, gl.FLOAT, 4];
}

/** @typedef {ReturnType<typeof programOf>} Program A program, its samplers in their places, and its other uniforms. */

/** @param {WebGL2RenderingContext} gl @param {string} fragment */
function programOf(gl, fragment) {
  const program = gl.createProgram();
  for (const [kind, text] of /** @type {const} */ ([["VERTEX_SHADER", WHOLE_PANE], ["FRAGMENT_SHADER", fragment]])) {
    const shader = gl.createShader(gl[kind]);
    if (!shader) throw new Error("No shader can be made.");
    gl.shaderSource(shader, text);
    gl.compileShader(shader);
    if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) throw new Error(gl.getShaderInfoLog(shader) ?? "");
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program) ?? "");
  /** @param {string} name */
  const place = (name) => gl.getUniformLocation(program, name);
  gl.useProgram(program);
  for (const [name, unit] of Object.entries(UNITS)) gl.uniform1i(place(name), unit);
  return { program, height: place("height"), isStraight: place("isStraight"), isSmooth: place("isSmooth") };
}
