// Which way a viewer draws: by WebGL2 on a graphics card, else on 2-D canvases, which give the same pixels and are
// faster than WebGL in software. A card that fails is left at once and for good. "?painter=webgl2" or "?painter=2d" in
// the address decides instead: for tests, and for a card that draws wrongly.

import { filmOnScreen, greyOnScreen, mapOnScreen, paintGrey, paintOverlay } from "./draw2d.js";
import { fillOnScreen, paintFill } from "./fills.js";
import { GlDrawing, rendererOf } from "./drawgl.js";

/** @typedef {import("./affine.js").View} View */
/** @typedef {import("./picture.js").Picture} Picture */
/** @typedef {object} OnScreen What one step of a drawing hands to its next; another drawing cannot read it. */

/**
 * @typedef {object} Drawing The steps from samples to a picture.
 * @property {string} name
 * @property {(pyramid: import("./draw2d.js").Pyramid, view: View) => OnScreen} filmOnScreen
 * @property {(film: any, table: Uint8Array) => OnScreen} greyOnScreen
 * @property {(map: import("./draw2d.js").MapSheet, film: any, view: View, smooth: boolean, before?: OnScreen) => OnScreen} mapOnScreen
 * @property {(sheet: import("./fills.js").FillSheet, view: View) => OnScreen} fillOnScreen
 * @property {(grey: any, picture: Picture) => void} paintGrey
 * @property {(grey: any, steps: any, colours: import("./luts.js").StepColours, greyShare: Uint32Array, picture: Picture) => void} paintOverlay
 * @property {(fill: any, table: import("./fills.js").FillTable, picture: Picture) => void} paintFill over what is painted
 * @property {(picture: Picture) => void} finish what was painted is seen
 */

/** @type {Drawing} */
export const PLAIN_DRAWING = {
  name: "2d",
  filmOnScreen,
  greyOnScreen,
  mapOnScreen,
  fillOnScreen,
  paintGrey: (grey, picture) => paintGrey(grey, picture.buffer()),
  paintOverlay: (grey, steps, colours, greyShare, picture) => paintOverlay(grey, steps, colours, greyShare, picture.buffer()),
  paintFill: (fill, table, picture) => paintFill(fill, table, picture.buffer()),
  finish: (picture) => picture.put(),
};

/** Whether a renderer of this name computes on the processor. @param {string} renderer */
export function isSoftware(renderer) {
  return /swiftshader|llvmpipe|softpipe|lavapipe|swrast|software|basic render/i.test(renderer);
}

/** The drawing an address asks for, or null. @param {string} search @returns {"webgl2" | "2d" | null} */
export function askedDrawing(search) {
  const asked = new URLSearchParams(search).get("painter");
  return asked === "webgl2" || asked === "2d" ? asked : null;
}

/** The page's one WebGL drawing; null where there is none. @type {GlDrawing | null | undefined} */
let drawingOfCard;

/** @param {boolean} isForced software will do @returns {GlDrawing | null} */
function cardDrawing(isForced) {
  if (drawingOfCard === undefined) {
    drawingOfCard = null;
    const gl = document.createElement("canvas").getContext("webgl2", {
      antialias: false, depth: false, stencil: false, failIfMajorPerformanceCaveat: !isForced,
    });
    if (gl && (isForced || !isSoftware(rendererOf(gl)))) {
      try {
        drawingOfCard = new GlDrawing(gl);
      } catch {
        // A card that cannot compile the shaders is as good as none.
      }
    }
  }
  return drawingOfCard?.isLost ? null : drawingOfCard;
}

/** The drawing of one viewer: `now` is what it draws with. */
export class Drawings {
  /** @param {HTMLElement} root carries the name as data-painter @param {() => void} changed paint all anew */
  constructor(root, changed) {
    const asked = askedDrawing(window.location.search);
    this.card = asked === "2d" ? null : cardDrawing(asked === "webgl2");
    /** @type {Drawing} */
    this.now = this.card ?? PLAIN_DRAWING;
    root.dataset.painter = this.now.name;
    this.fallBack = () => {
      this.now = PLAIN_DRAWING;
      root.dataset.painter = this.now.name;
      changed();
    };
    this.card?.listeners.add(this.fallBack);
  }

  /** The last viewer of a page lets go of the card's memory. */
  stop() {
    this.card?.listeners.delete(this.fallBack);
    if (this.card?.listeners.size === 0) this.card.clear();
  }
}
