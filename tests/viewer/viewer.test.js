// The viewer's pure parts under node: numbers, geometry, tables, state, shortcuts.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { axisWalk, filmToScreen, screenToFilm } from "../../components/viewer/affine.js";
import { Pyramid, filmTaps, mapCells } from "../../components/viewer/draw2d.js";
import { askedDrawing, isSoftware } from "../../components/viewer/drawing.js";
import { halfToNumber, numberToHalf } from "../../components/viewer/half.js";
import { SHORTCUTS, shortcutFor } from "../../components/viewer/input.js";
import { bestGrid } from "../../components/viewer/layout.js";
import { chained } from "../../components/viewer/regions.js";
import { hungPlace, indexOfPlace, outlineOf } from "../../components/viewer/planes.js";
import { filteredShare, greyTable, scopes } from "../../components/viewer/luts.js";
import { boxOf, rectangleIn, sizeOf, spansOf, withBoxDrawn, withBoxSlice, withBoxTaken } from "../../components/viewer/boxes.js";
import { tiles } from "../../components/viewer/cells.js";
import { atPlace, atSlice, sliceAtCursor, sliceWords } from "../../components/viewer/volumestate.js";
import { lengthOf, withEnd, withRuler, withUndone, withoutRuler } from "../../components/viewer/rulers.js";
import {
  DEFAULT_SETTINGS, askedFilter, firstState, lookOf, panned, rotated, toggledLink, viewOf, wholeFilm, withFilterEnd, withLook, zoomedAt,
} from "../../components/viewer/state.js";

const SHAPE = [690, 780];

test("every half-precision code comes back as itself", () => {
  for (let code = 0; code < 65536; code++) {
    const value = halfToNumber(code);
    if (!Number.isNaN(value)) assert.equal(numberToHalf(value), code);
  }
});

test("a point of the film comes back from the screen under every turn and flip", () => {
  for (let turn = 0; turn < 4; turn++) {
    for (const [flipX, flipY] of [[false, false], [true, false], [false, true], [true, true]]) {
      const place = { ...wholeFilm(SHAPE), turn, flipX, flipY, zoom: 1.7, row: 300, column: 410 };
      const view = viewOf(place, 401, 299, SHAPE);
      for (const [row, column] of [[0, 0], [689, 779], [123.25, 456.5]]) {
        const { x, y } = filmToScreen(view, row, column);
        const back = screenToFilm(view, x, y);
        assert.ok(Math.abs(back.row - row) < 1e-9 && Math.abs(back.column - column) < 1e-9);
      }
    }
  }
});

test("walks along the screen are those of the reference", (t) => {
  const path = process.env.LIGHTBOX_WALKS;
  if (!path) return t.skip("run by tests/viewer/test_node.py, which writes the reference's walks");
  for (const { view, along, axis, positions } of JSON.parse(readFileSync(path, "utf8"))) {
    const walk = axisWalk(view, along);
    assert.equal(walk.axis, axis);
    positions.forEach((/** @type {number} */ position, /** @type {number} */ i) =>
      assert.ok(Math.abs(walk.start + walk.step * i - position) < 1e-6));
  }
});

test("zooming keeps the film under the pointer", () => {
  const place = wholeFilm(SHAPE);
  const view = viewOf(place, 400, 300, SHAPE);
  const before = screenToFilm(view, 210, 160);
  const next = zoomedAt(place, view, SHAPE, 1.5, 210, 160);
  const after = screenToFilm(viewOf(next, 400, 300, SHAPE), 210, 160);
  assert.ok(Math.abs(before.row - after.row) < 1e-6 && Math.abs(before.column - after.column) < 1e-6);
});

test("panning moves the film with the hand, and its centre never leaves it", () => {
  const place = { ...wholeFilm(SHAPE), zoom: 4 };
  const view = viewOf(place, 400, 300, SHAPE);
  assert.ok(panned(place, view, SHAPE, 30, 0).column < place.column);
  const far = panned(place, view, SHAPE, 1e6, 1e6);
  assert.equal(far.column, 0);
  assert.equal(far.row, 0);
});

test("four quarter turns are none", () => {
  let place = { ...wholeFilm(SHAPE), flipX: true };
  for (let i = 0; i < 4; i++) place = rotated(place);
  assert.deepEqual(place, { ...wholeFilm(SHAPE), flipX: true });
});

test("the ends of a filter keep their order and touching one switches the filter on", () => {
  const low = withFilterEnd({ ...DEFAULT_SETTINGS, filterHigh: 0.3 }, "filterLow", 0.9);
  assert.ok(low.filterLow < low.filterHigh);
  assert.equal(low.filterMode, "pass");
});

test("the server is asked only for a filter inside the propagation that does something", () => {
  const inside = { ...DEFAULT_SETTINGS, filterMode: /** @type {const} */ ("clamp"), filterHigh: 0.2, filterAt: /** @type {const} */ ("blocks") };
  assert.deepEqual(askedFilter(inside), { mode: "clamp", low: 0, high: 0.2, at: "blocks" });
  assert.equal(askedFilter({ ...inside, filterAt: "output" }), null);
  assert.equal(askedFilter({ ...inside, filterHigh: 1 }), null);
});

test("pass keeps a range of magnitudes, clamp cuts them, both with their sign", () => {
  const overlay = { ...DEFAULT_SETTINGS, filterLow: 0.1, filterHigh: 0.5 };
  const pass = { ...overlay, filterMode: /** @type {const} */ ("pass") };
  const clamp = { ...overlay, filterMode: /** @type {const} */ ("clamp") };
  assert.equal(filteredShare(-0.3, pass), -0.3);
  assert.equal(filteredShare(-0.7, pass), 0);
  assert.equal(filteredShare(-0.7, clamp), -0.5);
  assert.equal(filteredShare(0.05, clamp), 0);
});

test("an inverted film shows small samples bright", () => {
  const grey = { center: 128, width: 256, voi: /** @type {const} */ ("linear"), invert: false };
  const plain = greyTable({ base: 0, step: 1, isInverted: false, voi: null, codes: 256 }, grey);
  const inverted = greyTable({ base: 0, step: 1, isInverted: true, voi: null, codes: 256 }, grey);
  assert.equal(plain[0], 0);
  assert.equal(plain[255], 255);
  plain.forEach((value, code) => assert.equal(inverted[code], 255 - value));
});

test("maps of one unit share a scale, maps without one never", () => {
  const found = scopes([
    { id: "a", unit: "logit", magnitude: 2 }, { id: "b", unit: "logit", magnitude: 5 }, { id: "c", unit: "none", magnitude: 9 },
  ], "shared");
  assert.equal(found.get("a"), 5);
  assert.equal(found.get("b"), 5);
  assert.equal(found.get("c"), 9);
});

test("by default maps of one unit share a scale only where none of them would vanish on it", () => {
  const alike = [{ id: "a", unit: "logit", magnitude: 2 }, { id: "b", unit: "logit", magnitude: 5 }, { id: "c", unit: "logit", magnitude: 0 }];
  assert.deepEqual([...scopes(alike, DEFAULT_SETTINGS.scale).values()], [5, 5, 5]);
  const unlike = [...alike, { id: "d", unit: "logit", magnitude: 0.9 }, { id: "e", unit: "none", magnitude: 9 }];
  assert.deepEqual([...scopes(unlike, DEFAULT_SETTINGS.scale).values()], [2, 5, 0, 0.9, 9]);
});

test("a ruler measures in millimetres by both spacings, and in pixels where the file gives none", () => {
  const ruler = { pane: "image", where: "", ends: /** @type {any} */ ([{ row: 0, column: 0 }, { row: 30, column: 40 }]) };
  assert.equal(lengthOf(ruler, [0.2, 0.2], "patient"), "10.0 mm");
  assert.equal(lengthOf(ruler, [0.1, 0.1], "detector"), "5.0 mm at the detector");
  assert.equal(lengthOf(ruler, null, ""), "50 px (no spacing in file)");
});

test("every change of rulers can be undone, one by one", () => {
  const first = firstState(SHAPE, { name: "", center: 100, width: 200, voi: "linear" }, {});
  const drawn = withEnd(withRuler(first, "rap", { row: 1, column: 2 }, { row: 1, column: 2 }), { row: 9, column: 2 });
  const two = withRuler(drawn, "image", { row: 0, column: 0 }, { row: 5, column: 5 });
  const gone = withoutRuler(two);
  assert.deepEqual(gone.rulers, drawn.rulers);
  assert.deepEqual(withUndone(gone).rulers, two.rulers);
  assert.deepEqual(withUndone(withUndone(gone)).rulers, drawn.rulers);
  assert.deepEqual(withUndone(withUndone(withUndone(gone))).rulers, []);
});

test("unlinked panes keep looks of their own", () => {
  const state = toggledLink(firstState(SHAPE, { name: "", center: 100, width: 200, voi: "linear" }, {}));
  const moved = withLook(state, "rap", { ...lookOf(state, "rap"), place: { ...wholeFilm(SHAPE), zoom: 3 } });
  assert.equal(lookOf(moved, "rap").place.zoom, 3);
  assert.equal(lookOf(moved, "image").place.zoom, 1);
});

test("five films of portrait shape fill a landscape area without an empty row", () => {
  const { rows, columns } = bestGrid(5, 1200, 800, 0.9);
  assert.ok(rows * columns >= 5 && rows * columns - 5 < columns);
});

test("no two shortcuts answer to one key", () => {
  for (const key of "0123456fgixyruhbmlszacoqv,.?+-") {
    const event = /** @type {any} */ ({ key, shiftKey: false, altKey: false, ctrlKey: false, metaKey: false, code: "" });
    assert.ok(SHORTCUTS.filter((shortcut) => shortcut.match && shortcut.match(event) !== null).length <= 1, key);
  }
  assert.ok(shortcutFor(/** @type {any} */ ({ key: "h", shiftKey: false, altKey: false, ctrlKey: false, metaKey: false, code: "KeyH" })));
});

test("a renderer's name tells software from a graphics card", () => {
  const software = [
    "ANGLE (Google, Vulkan 1.3.0 (SwiftShader Device (Subzero) (0x0000C0DE)), SwiftShader driver)", "Google SwiftShader",
    "llvmpipe (LLVM 15.0.6, 256 bits)", "llvmpipe, or similar", "Apple Software Renderer", "Microsoft Basic Render Driver",
    "ANGLE (Microsoft, Microsoft Basic Render Driver Direct3D11 vs_5_0 ps_5_0, D3D11)", "softpipe",
  ];
  const cards = [
    "ANGLE (NVIDIA, NVIDIA GeForce RTX 3060 Direct3D11 vs_5_0 ps_5_0, D3D11)", "Apple GPU", "Adreno (TM) 640", "Mali-G78",
    "ANGLE (Intel, Mesa Intel(R) UHD Graphics 620 (KBL GT2), OpenGL 4.6)", "AMD Radeon Pro 5500M OpenGL Engine",
  ];
  for (const name of software) assert.ok(isSoftware(name), name);
  for (const name of cards) assert.ok(!isSoftware(name), name);
});

test("the address may ask for a painter, and only for one there is", () => {
  assert.equal(askedDrawing("?painter=webgl2"), "webgl2");
  assert.equal(askedDrawing("?case=3&painter=2d"), "2d");
  assert.equal(askedDrawing("?painter=svg"), null);
  assert.equal(askedDrawing(""), null);
});

test("film and map are read at the same places along an axis and among all codes", () => {
  const pyramid = new Pyramid(new Uint16Array(SHAPE[0] * SHAPE[1]), SHAPE);
  const map = { steps: new Uint16Array(70 * 90), rows: 70, columns: 90, gridScale: [9, 8], gridOffset: [4, -3] };
  for (let turn = 0; turn < 4; turn++) {
    for (const zoom of [0.5, 1, 3]) {
      const view = viewOf({ ...wholeFilm(SHAPE), turn, zoom, flipX: true }, 401, 299, SHAPE);
      const { sheet, isStraight, x, y } = filmTaps(pyramid, view, false);
      const flat = filmTaps(pyramid, view, true);
      const cells = mapCells(map, view, false);
      const flatCells = mapCells(map, view, true);
      for (const [across, down] of [[0, 0], [200, 150], [400, 298], [31, 277]]) {
        const [row, column] = isStraight ? [y.first[down], x.second[across]] : [x.second[across], y.first[down]];
        assert.equal(flat.y.first[down] + flat.x.second[across], row * sheet.columns + column);
        const [mapRow, mapColumn] = isStraight ? [cells.y.first[down], cells.x.first[across]] : [cells.x.first[across], cells.y.first[down]];
        assert.equal(flatCells.y.first[down] + flatCells.x.first[across], mapRow * map.columns + mapColumn);
      }
    }
  }
});

test("outlines of a slice are those that films get from the server", (t) => {
  const path = process.env.LIGHTBOX_OUTLINES;
  if (!path) return t.skip("run by tests/viewer/test_node.py, which writes the server's outlines");
  /** @param {number[][]} runs */
  const sorted = (runs) => runs.map(String).sort();
  for (const { mask, runs } of JSON.parse(readFileSync(path, "utf8"))) {
    const found = outlineOf(Uint8Array.from(mask.flat()), mask.length, mask[0].length);
    const rows = Array.from({ length: found.length / 4 }, (_, at) => [...found.slice(4 * at, 4 * at + 4)]);
    assert.deepEqual(sorted(rows), sorted(runs));
  }
});

test("the runs of an outline become closed lines that pass every run once", () => {
  const mask = Uint8Array.from([1, 1, 1, 0, 1, 0, 1, 0, 1, 1, 1, 1]);
  const runs = outlineOf(mask, 3, 4);
  /** @param {number[]} ends */
  const named = ([a, b, c, d]) => (a < c || (a === c && b < d) ? [a, b, c, d] : [c, d, a, b]).join(" ");
  const lines = chained(runs);
  const passed = lines.flatMap((line) => Array.from({ length: line.length / 2 - 1 }, (_, at) => named(line.slice(2 * at, 2 * at + 4))));
  const wanted = Array.from({ length: runs.length / 4 }, (_, at) => named([...runs.slice(4 * at, 4 * at + 4)]));
  assert.deepEqual(passed.sort(), wanted.sort());
  for (const line of lines) assert.deepEqual(line.slice(0, 2), line.slice(-2));
});

const CORONAL = { name: "coronal", axes: [1, 0, 2], flips: [true, true, false], letters: [], slices: 44, shape: [14, 36, 5, 1], spacing: null };
const VOLUME = /** @type {any} */ ({ shape: [14, 44, 36], planes: [CORONAL], affine: null });
const SOMEWHERE = /** @type {any} */ ({ cursor: [3, 7, 11] });

test("a place of a plane and its sample are one and the same, both ways", () => {
  const place = hungPlace(CORONAL, VOLUME.shape, [3, 7, 11]);
  assert.deepEqual(place, [36, 10, 11]);
  assert.deepEqual(indexOfPlace(CORONAL, VOLUME.shape, place), [3, 7, 11]);
});

test("the crosshair goes to a slice, keeps its place there and never leaves the volume", () => {
  assert.deepEqual(atSlice(VOLUME, SOMEWHERE, "coronal", 0).cursor, [3, 43, 11]);
  assert.deepEqual(atSlice(VOLUME, SOMEWHERE, "coronal", Infinity).cursor, [3, 0, 11]);
  assert.deepEqual(atPlace(VOLUME, SOMEWHERE, "coronal", -4, 99, 3.6).cursor, [0, 43, 4]);
  assert.equal(sliceAtCursor(VOLUME, SOMEWHERE, "coronal"), 36);
  assert.equal(sliceWords(VOLUME, SOMEWHERE, "coronal", 36), "37/44");
});

test("a mosaic goes from end to end, in order, with the crosshair's slice, and scrolling changes few of its tiles", () => {
  for (const slices of [1, 5, 24, 25, 155]) {
    for (let cursor = 0; cursor < slices; cursor++) {
      const found = tiles(slices, cursor);
      assert.ok(found.length <= 24 && found.includes(cursor) && found.every((slice, at) => at === 0 || slice > found[at - 1]));
      const next = tiles(slices, Math.min(cursor + 1, slices - 1));
      assert.ok(found.filter((slice, at) => slice !== next[at]).length <= 2);
    }
  }
});

const OBLIQUE = /** @type {any} */ ({
  shape: [14, 44, 36], affine: [[0, 0, 1.1, 0], [0, 0.9, 0, 0], [5, 0, 0, 0]],
  planes: [CORONAL, { ...CORONAL, name: "axial", axes: [0, 1, 2], flips: [true, false, true], slices: 14, shape: [44, 36, 1, 1] }],
});

test("a box has the same samples in every plane, whatever its flips", () => {
  const box = { low: /** @type {any} */ ([2, 7, 11]), high: /** @type {any} */ ([4, 9, 30]) };
  for (const { name } of OBLIQUE.planes) assert.deepEqual(boxOf(OBLIQUE, name, spansOf(OBLIQUE, box, name).map(([a, b]) => [b, a])), box);
  assert.equal(sizeOf(OBLIQUE, box), "22 × 3 × 15 mm");
  assert.equal(sizeOf({ ...OBLIQUE, affine: null }, box), "20 × 3 × 3 samples");
  assert.equal(rectangleIn(OBLIQUE, box, { plane: "axial", slice: 8, channel: 0, isProjected: false }), null);
});

test("a drawn box never leaves the volume, keeps its depth, and comes back as it was", () => {
  const seen = { plane: "axial", slice: 6, channel: 0, isProjected: false };
  const fresh = firstState(SHAPE, { name: "", center: 100, width: 200, voi: "linear" }, {});
  const drawn = withBoxDrawn(withBoxTaken(fresh, OBLIQUE, seen, { row: 40, column: 3 }, null), OBLIQUE, seen, { row: 99, column: -5 });
  assert.deepEqual(spansOf(OBLIQUE, /** @type {any} */ (drawn.box), "axial"), [[6, 6], [40, 43], [0, 3]]);
  const deep = withBoxSlice(withBoxSlice(drawn, OBLIQUE, "axial", "from", 4), OBLIQUE, "axial", "to", 99);
  assert.deepEqual(spansOf(OBLIQUE, /** @type {any} */ (deep.box), "axial")[0], [4, 13]);
  const again = withBoxDrawn(withBoxTaken(deep, OBLIQUE, seen, { row: 1, column: 1 }, null), OBLIQUE, seen, { row: 2, column: 2 });
  assert.deepEqual(spansOf(OBLIQUE, /** @type {any} */ (again.box), "axial"), [[4, 13], [1, 2], [1, 2]]);
  assert.deepEqual(withUndone(again).box, deep.box);
  assert.deepEqual(withBoxSlice(deep, OBLIQUE, "axial", "from", 13).box?.low, deep.box?.low);
  const from = withBoxSlice(deep, OBLIQUE, "axial", "to", 2);
  assert.deepEqual(spansOf(OBLIQUE, /** @type {any} */ (from.box), "axial")[0], [2, 2]);
});
