// What the graphics card runs for every pixel of a pane. Only look-ups and one linear interpolation are left to it:
// positions come as textures of one texel a screen column or row, grey and colour as the tables of luts.js. The twin of
// the loops of draw2d.js, whose integer arithmetic it repeats.

import { NEGATIVE, NOTHING } from "./half.js";

/** One triangle over the whole pane. */
export const WHOLE_PANE = `#version 300 es
void main() {
  gl_Position = vec4(float((gl_VertexID & 1) << 2) - 1.0, float((gl_VertexID & 2) << 1) - 1.0, 0.0, 1.0);
}`;

const HEAD = `#version 300 es
precision highp float;
precision highp int;
precision highp usampler2D;
precision highp sampler2D;

uniform int height;
uniform bool isStraight;
uniform usampler2D film;
uniform sampler2D filmTaps;
uniform usampler2D greys;
out vec4 pixel;

uint entry(usampler2D table, uint at) {
  return texelFetch(table, ivec2(int(at & 255u), int(at >> 8)), 0).r;
}

// A sample of the sheet by its indices along the screen's x and y.
uint sampleAt(usampler2D sheet, float x, float y) {
  ivec2 at = ivec2(int(x), int(y));
  return texelFetch(sheet, isStraight ? at : at.yx, 0).r;
}

// Interpolated by differences from one of the four codes, so that single precision rounds as double does.
uint codeAt(vec4 x, vec4 y) {
  float first = float(sampleAt(film, x.r, y.r));
  float across = float(sampleAt(film, x.g, y.r)) - first;
  float below = float(sampleAt(film, x.r, y.g)) - first;
  float acrossBelow = float(sampleAt(film, x.g, y.g)) - first - below;
  float upper = across * x.b;
  float lower = below + acrossBelow * x.b;
  return uint(first + floor(upper + (lower - upper) * y.b + 0.5));
}

void show(uint red, uint green, uint blue) {
  pixel = vec4(float(red), float(green), float(blue), 255.0) / 255.0;
}
`;

const FILM = `
void main() {
  ivec2 at = ivec2(int(gl_FragCoord.x), height - 1 - int(gl_FragCoord.y));
  vec4 x = texelFetch(filmTaps, ivec2(at.x, 0), 0);
  vec4 y = texelFetch(filmTaps, ivec2(at.y, 1), 0);
  uint grey = x.a * y.a > 0.0 ? entry(greys, codeAt(x, y)) : 0u;
`;

/** Regions over what is painted: what stays of a pixel and what comes to it, by the regions that it lies in. */
export const REGIONS = `${HEAD}
uniform usampler2D map;
uniform sampler2D mapCells;
uniform sampler2D fills;

void main() {
  ivec2 at = ivec2(int(gl_FragCoord.x), height - 1 - int(gl_FragCoord.y));
  vec4 x = texelFetch(mapCells, ivec2(at.x, 0), 0);
  vec4 y = texelFetch(mapCells, ivec2(at.y, 1), 0);
  if (x.r < 0.0 || y.r < 0.0) discard;
  vec4 fill = texelFetch(fills, ivec2(int(sampleAt(map, x.r, y.r)), 0), 0);
  pixel = vec4(fill.gba / 255.0, 1.0 - fill.r);
}`;

/** The film alone. */
export const FILM_ALONE = `${HEAD}${FILM}
  show(grey, grey, grey);
}`;

/** The film with a map over it. A word of `colours` is red and blue times opacity, the next green, and whether it is shown. */
export const FILM_AND_MAP = `${HEAD}
uniform usampler2D map;
uniform sampler2D mapCells;
uniform usampler2D colours;
uniform usampler2D greyShares;
uniform bool isSmooth;

const uint NEGATIVE = ${NEGATIVE}u;
const uint NOTHING = ${NOTHING}u;

float shareOf(uint cell) {
  uint code = cell >= NEGATIVE ? cell - NEGATIVE : cell;
  float size = code < 1024u ? float(code) / 16777216.0 : uintBitsToFloat((code + (112u << 10)) << 13);
  return cell >= NEGATIVE ? -size : size;
}

// The step of the nearest half-precision number, ties to even.
uint stepOf(float share) {
  uint bits = floatBitsToUint(abs(share));
  uint kept = bits - (112u << 23);
  uint rest = kept & 0x1fffu;
  uint code = kept >> 13;
  if (rest > 0x1000u || (rest == 0x1000u && (code & 1u) == 1u)) code += 1u;
  if (bits < (113u << 23)) code = uint(roundEven(abs(share) * 16777216.0));
  return share < 0.0 ? code + NEGATIVE : code;
}

uint smoothCell(vec4 x, vec4 y) {
  uint one = sampleAt(map, x.g, y.g);
  uint two = sampleAt(map, x.b, y.g);
  uint three = sampleAt(map, x.g, y.b);
  uint four = sampleAt(map, x.b, y.b);
  if (one == NOTHING || two == NOTHING || three == NOTHING || four == NOTHING) return NOTHING;
  float upper = shareOf(one) * (1.0 - x.a) + shareOf(two) * x.a;
  float lower = shareOf(three) * (1.0 - x.a) + shareOf(four) * x.a;
  return stepOf(upper * (1.0 - y.a) + lower * y.a);
}
${FILM}
  vec4 mapX = texelFetch(mapCells, ivec2(at.x, 0), 0);
  vec4 mapY = texelFetch(mapCells, ivec2(at.y, 1), 0);
  bool isOnMap = x.a * y.a > 0.0 && mapX.r >= 0.0 && mapY.r >= 0.0;
  uint cell = !isOnMap ? NOTHING : isSmooth ? smoothCell(mapX, mapY) : sampleAt(map, mapX.r, mapY.r);
  uint green = entry(colours, 2u * cell + 1u);
  if ((green >> 31) == 0u) {
    show(grey, grey, grey);
    return;
  }
  uint left = entry(greyShares, grey);
  uint both = left * 0x10001u + entry(colours, 2u * cell);
  show(both >> 24, ((left + green) >> 8) & 255u, (both >> 8) & 255u);
}`;
