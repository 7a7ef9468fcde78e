// One pane: its canvases and what stands in its corners. It shows what it is told; the viewer decides.

import { drawColourBar, inShort } from "./marks.js";
import { element, setShown, setText } from "./nodes.js";
import { Picture } from "./picture.js";
import { ShareBars } from "./sharebars.js";
import { swipeDivider } from "./swipe.js";

/**
 * @typedef {object} PaneData What Python says of a pane (payload.py).
 * @property {string} id @property {string} title @property {string[]} lines @property {"loading" | "ready" | "error"} state
 * @property {number} share @property {string} message @property {boolean} isSigned @property {string} unit
 * @property {{level: string, word: string, sentences: string[]}} badge @property {boolean} previous
 * @property {string} caseDigest
 * @property {{url: string, shape: number[], scale: number, gridScale: number[], gridOffset: number[],
 *   channels?: {url: string, scale: number}[], shares?: number[] | null} | null} map of a volume with a map for every modality, and
 *   how much of it lies on each
 */

export class PaneElement {
  /** @param {string} id its cell's, which a pane of several cells shares @param {(share: number) => void} divide the swipe's divider was moved
   * @param {(channel: number) => void} choose a modality was */
  constructor(id, divide, choose) {
    this.id = id;
    this.root = element("section", "pane");
    this.root.dataset.state = "loading";
    this.image = element("canvas", "image");
    this.image.dataset.role = "image";
    this.picture = new Picture(id, this.image);
    this.second = this.secondary("swipe", "second");
    this.lens = this.secondary("lens", "lens");
    const { divider, show } = swipeDivider(divide);
    this.divider = divider;
    this.showDivider = show;
    this.image.setAttribute("role", "img");
    this.marks = element("canvas", "marks");
    this.marks.setAttribute("aria-hidden", "true");
    this.surface = element("div", "surface");
    this.shares = new ShareBars(choose);
    this.surface.append(this.shares.root);
    this.head = element("header", "head");
    this.title = element("h3", "title");
    this.lines = element("p", "lines");
    this.previous = element("p", "previous", "previous");
    this.head.append(this.title, this.lines, this.previous);
    this.badge = element("button", "badge");
    this.badge.type = "button";
    this.told = element("div", "told");
    this.told.setAttribute("role", "tooltip");
    this.told.id = `told-${Math.random().toString(36).slice(2)}`;
    this.badge.setAttribute("aria-describedby", this.told.id);
    this.badge.addEventListener("click", () => this.root.classList.toggle("telling"));
    this.badge.addEventListener("blur", () => this.root.classList.remove("telling"));
    this.bar = element("div", "bar");
    this.colours = element("canvas", "colours");
    this.colours.setAttribute("aria-hidden", "true");
    this.ticks = element("div", "ticks");
    this.bar.append(this.colours, this.ticks);
    this.value = element("p", "value");
    this.place = element("p", "place");
    this.scale = element("div", "scale");
    this.scaleLine = element("i", "line");
    this.scaleText = element("span", "");
    this.scale.append(this.scaleLine, this.scaleText);
    this.letters = /** @type {const} */ (["west", "east", "north", "south"]).map((side) => {
      const letter = element("span", `letter ${side}`);
      return { side, letter };
    });
    this.message = element("div", "message");
    this.progress = element("progress", "progress");
    this.progress.max = 1;
    this.words = element("p", "words");
    this.message.append(this.words, this.progress);
    this.root.append(
      this.image, this.second.canvas, this.marks, this.surface, this.lens.canvas, this.divider, this.head, this.badge, this.told, this.bar, this.value, this.place, this.scale,
      ...this.letters.map(({ letter }) => letter), this.message,
    );
    /** @type {import("./cells.js").Cell | null} */
    this.cell = null;
    this.barKey = "";
  }

  get width() {
    return this.picture.width;
  }

  get height() {
    return this.picture.height;
  }

  /** A canvas over the picture that is seen only while it is asked for. @param {string} role @param {string} className */
  secondary(role, className) {
    const canvas = element("canvas", className);
    canvas.dataset.role = role;
    canvas.setAttribute("aria-hidden", "true");
    canvas.hidden = true;
    return new Picture(`${this.id} ${role}`, canvas);
  }

  /** Whether all but the slice is as it was told. @param {import("./cells.js").Cell} cell @param {string} digest */
  isTold({ pane, words }, digest) {
    return this.cell?.pane === pane && this.cell.words.join() === words.join() && this.root.dataset.case === digest;
  }

  /** Titles, lines and badge. @param {import("./cells.js").Cell} cell @param {string} digest */
  tell(cell, digest) {
    const { pane: data, words } = cell;
    const lines = [...words, ...data.lines];
    this.cell = cell;
    this.root.dataset.pane = data.id;
    this.root.dataset.case = digest;
    this.root.classList.toggle("is-previous", data.previous);
    setText(this.title, data.title);
    setText(this.lines, lines.join(" · "));
    setShown(this.previous, data.previous);
    const { level, word, sentences } = data.badge;
    setShown(this.badge, word !== "");
    setText(this.badge, word);
    this.badge.dataset.trust = level;
    this.told.replaceChildren(...sentences.map((sentence) => element("p", "", sentence)));
    this.image.setAttribute("aria-label", [data.title, ...lines].join(", "));
  }

  /**
   * What stands over the picture while it is not ready. @param {"loading" | "ready" | "error"} state
   * @param {string} words @param {number | null} share
   */
  setState(state, words, share) {
    if (this.root.dataset.state !== state) this.root.dataset.state = state;
    setShown(this.message, state !== "ready");
    if (state === "ready") return;
    setText(this.words, words);
    setShown(this.progress, state === "loading");
    if (share === null) this.progress.removeAttribute("value");
    else this.progress.value = share;
    this.message.setAttribute("role", state === "error" ? "alert" : "status");
  }

  /** @param {number} width device pixels @param {number} height */
  resize(width, height) {
    if (this.width === width && this.height === height) return;
    this.picture.resize(width, height);
    this.marks.width = width;
    this.marks.height = height;
  }

  /**
   * The colour bar with real values. @param {boolean} isShown @param {boolean} isSigned @param {number} scope value at
   * its end @param {string} unit @param {import("./state.js").Settings} settings
   */
  setBar(isShown, isSigned, scope, unit, settings) {
    setShown(this.bar, isShown);
    if (!isShown) return;
    const key = [isSigned, scope, unit, settings.colours, settings.threshold, settings.sign].join(" ");
    if (key === this.barKey) return;
    this.barKey = key;
    drawColourBar(this.colours, isSigned, settings);
    const marks = isSigned ? [1, settings.threshold, 0, -settings.threshold, -1] : [1, settings.threshold, 0];
    const nodes = marks.map((share) => {
      const isEnd = Math.abs(share) === 1 || share === 0;
      const mark = element("span", isEnd ? "end" : "threshold", isEnd ? inShort(share * scope) : "");
      mark.style.top = `${100 * (isSigned ? (1 - share) / 2 : 1 - share)}%`;
      return mark;
    });
    if (unit && unit !== "none") nodes.push(element("span", "unit", unit));
    this.ticks.replaceChildren(...nodes);
  }
}
