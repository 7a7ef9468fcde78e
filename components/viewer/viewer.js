// The viewer: takes data from Python, keeps the state, and paints what has changed, once a frame.

import { ACTS } from "./acts.js";
import { Arrivals } from "./arrivals.js";
import { Board } from "./board.js";
import { IMAGE, cellsOf, leftOut } from "./cells.js";
import { Drawings } from "./drawing.js";
import { Foot } from "./foot.js";
import { handOf } from "./hand.js";
import { helpSheet } from "./help.js";
import { listenToKeys } from "./input.js";
import { element, setShown } from "./nodes.js";
import { askedFilter, firstLook, firstState, greyOf, lookOf, windowed, withFilterEnd, withLook, zoomedAt } from "./state.js";
import { Toolbar } from "./toolbar.js";
import { freshState, settlePointer, volumePart, withGrey } from "./travel.js";
import { VolumeArrivals } from "./volume.js";
import { positionOf } from "./volumestate.js";

/** @typedef {import("./affine.js").View} View */
/** @typedef {import("./panes.js").PaneData} PaneData */
/** @typedef {import("./state.js").State} State */
/** @typedef {import("./state.js").Look} Look */
/** @typedef {import("./state.js").Place} Place */
/** @typedef {import("./state.js").Settings} Settings */

/**
 * @typedef {object} ViewerData
 * @property {string} key @property {import("./film.js").CaseData} case @property {PaneData[]} panes
 * @property {{name: string, url: string}[]} contours @property {Partial<Settings> & {sentences?: boolean, volume?: Partial<VolumeState>, picks?: string[]}} settings
 */
/** @typedef {import("./volumestate.js").VolumeState} VolumeState */

const BLINK_MS = 700;
/** What fetches a case of each kind. */
const ARRIVALS = { film: Arrivals, volume: VolumeArrivals };
const NO_WINDOW = { name: "", center: 128, width: 256, voi: /** @type {const} */ ("linear") };

/** State that outlives an unmounted viewer, by the viewer's key. @type {Map<string, {digest: string, state: State}>} */
const REMEMBERED = new Map();

export class Viewer {
  /** @param {ShadowRoot | HTMLElement} parent */
  constructor(parent) {
    this.root = element("div", "viewer");
    this.root.tabIndex = -1;
    /** @type {import("./board.js").AnyArrivals} */
    this.arrivals = new Arrivals(() => this.schedule());
    this.drawings = new Drawings(this.root, () => this.schedule());
    this.board = new Board(this.arrivals, () => this.schedule(), this.drawings);
    this.foot = new Foot((act, name) => this.act(act, name));
    this.toolbar = new Toolbar({
      act: (act, argument) => this.act(act, argument),
      change: (change) => this.set({ ...this.state, settings: { ...this.state.settings, ...change } }),
      filterEnd: (end, value) => {
        this.preview();
        this.set({ ...this.state, settings: withFilterEnd(this.state.settings, end, value) });
      },
      released: () => this.askServer(),
      window: (width, center) => this.setWindow(this.state.active, width, center),
    });
    this.help = helpSheet(() => this.act("help"));
    this.root.append(this.toolbar.root, this.board.root, this.foot.root, this.help);
    parent.append(this.root);

    /** @type {ViewerData | null} */
    this.data = null;
    /** @type {State} */
    this.state = firstState([1, 1], NO_WINDOW, {});
    /** @type {import("./travel.js").Pointer | null} */
    this.pointer = null;
    /** By modality, as its window says. @type {Record<number, import("./luts.js").Grey>} */
    this.greys = {};
    /** Map addresses that are filtered here until the server's answer is there. @type {Map<string, string> | null} */
    this.previewed = null;
    this.asked = "null";
    /** @type {(name: string, value: unknown) => void} */
    this.setStateValue = () => {};
    /** @type {(name: string, value: unknown) => void} */
    this.setTriggerValue = () => {};
    this.frame = 0;
    this.blinkTimer = 0;
    this.blinkOn = false;
    this.held = { space: false };
    this.hand = handOf(this);
    this.stopKeys = listenToKeys((act, argument) => this.act(act, argument), this.held);
  }

  /** Stop everything; the state is remembered for the next viewer of this key. */
  stop() {
    this.stopKeys();
    this.board.stop();
    this.drawings.stop();
    clearInterval(this.blinkTimer);
    cancelAnimationFrame(this.frame);
    this.root.remove();
  }

  // What comes from Python

  /** @param {ViewerData} data @param {(name: string, value: unknown) => void} setStateValue kept by the server
   * @param {(name: string, value: unknown) => void} setTriggerValue told once */
  update(data, setStateValue, setTriggerValue) {
    this.setStateValue = setStateValue;
    this.setTriggerValue = setTriggerValue;
    const isFirst = this.data === null;
    const isNewCase = this.data?.case.digest !== data.case.digest;
    this.data = data;
    if (isFirst) {
      const known = REMEMBERED.get(data.key);
      if (known) this.state = { ...known.state, helpOpen: false, blinking: false };
      else this.state = freshState(data, NO_WINDOW, this.greys);
    }
    this.state = { ...this.state, picks: data.settings.picks ?? [] };
    this.foot.tell(data.contours, data.settings.sentences !== false);
    if (isNewCase) this.openCase(data);
    this.arrange(data);
    this.arrivals.fetch(data);
    if (this.previewed && data.panes.every((pane) => pane.state !== "loading" && !pane.previous)) {
      const isAnswered = data.panes.some((pane) => pane.map && this.previewed?.get(pane.id) !== pane.map.url);
      if (isAnswered) this.previewed = null;
    }
    this.schedule();
  }

  /** @param {ViewerData} data */
  openCase(data) {
    const { key, case: given } = data;
    const isKnown = REMEMBERED.get(key)?.digest === given.digest;
    this.pointer = null;
    this.board.painter.forgetFilm();
    this.board.arrivals = this.arrivals = new ARRIVALS[given.kind](() => this.schedule());
    this.greys = {};
    if (!isKnown) this.state = { ...this.state, ...volumePart(data, this.state, this.greys) };
    this.arrivals.open(given, (film, channel) => {
      this.greys[channel] = { ...greyOf(film.presets[0]), invert: false };
      if (given.kind === "volume") this.state = withGrey(this.state, channel, this.greys[channel]);
      else if (!isKnown) this.state = { ...this.state, look: firstLook(given.shape, film.presets[0]), looks: {}, maximised: null, rulers: [], chosenRuler: null, past: [] };
    });
  }

  /** Panes for the cells of the state. @param {ViewerData} data */
  arrange(data) {
    this.board.arrange(cellsOf(data, this.state.volume), data.case.digest, this.hand, this.held);
    this.stayOnPanes();
  }

  /** What was active or maximised may have gone. */
  stayOnPanes() {
    const { active, maximised } = this.state;
    if (!this.board.panes.has(active)) this.state = { ...this.state, active: this.board.cellOf(this.state.volume?.focus ?? IMAGE) };
    if (maximised && !this.board.panes.has(maximised)) this.state = { ...this.state, maximised: null };
  }

  // Changes

  /** @param {State} state */
  set(state) {
    this.state = state;
    if (this.data && this.filmIn(state.active)) REMEMBERED.set(this.data.key, { digest: this.data.case.digest, state });
    this.schedule();
  }

  /** Everything a key or a button can ask for; false where there was nothing to do. @param {string} act @param {string | number | boolean} [argument] */
  act(act, argument) {
    return this.data ? ACTS[act]?.(this, argument) : false;
  }

  /** @param {import("./travel.js").Pointer | null} pointer */
  point(pointer) {
    this.pointer = pointer;
    this.schedule();
  }

  /** Panes whose relevance is filtered here while the slider moves, until the server has filtered inside. */
  preview() {
    if (this.state.settings.filterAt === "output" || this.previewed) return;
    this.previewed = new Map(this.data?.panes.map((pane) => [pane.id, pane.map?.url ?? ""]));
  }

  /** One message, on release, and only when the answer would differ. */
  askServer() {
    const asked = askedFilter(this.state.settings);
    const text = JSON.stringify(asked);
    if (text === this.asked) {
      this.previewed = null;
      this.schedule();
      return;
    }
    this.asked = text;
    this.setStateValue("filter", asked);
  }

  /** @param {string} pane @param {(look: Look) => Look} change */
  changeLook(pane, change) {
    this.set(withLook(this.state, pane, change(this.lookOf(pane)), this.board.seenIn(pane)));
  }

  /** @param {string} pane @param {(place: Place, shape: number[]) => Place} change */
  changePlace(pane, change) {
    const shape = this.arrivals.shapeIn(this.board.seenIn(pane));
    if (this.data) this.changeLook(pane, (look) => ({ ...look, place: change(look.place, shape) }));
  }

  /** @param {string} pane @param {number | null} width @param {number | null} center */
  setWindow(pane, width, center) {
    const step = this.filmIn(pane)?.range.step ?? 1;
    this.changeLook(pane, (look) => ({
      ...look,
      grey: windowed(look.grey, step, width ?? look.grey.width, center ?? look.grey.center),
    }));
  }

  /** @param {string} pane @param {number} factor @param {number} [x] CSS pixels @param {number} [y] */
  zoom(pane, factor, x, y) {
    const view = this.viewOf(pane);
    const ratio = window.devicePixelRatio || 1;
    const across = x === undefined ? view.width / 2 : x * ratio;
    const down = y === undefined ? view.height / 2 : y * ratio;
    this.changePlace(pane, (place, shape) => zoomedAt(place, view, shape, factor, across, down));
  }

  /** @param {boolean} isOn */
  blink(isOn) {
    clearInterval(this.blinkTimer);
    this.blinkOn = false;
    if (isOn) {
      this.blinkTimer = window.setInterval(() => {
        this.blinkOn = !this.blinkOn;
        this.schedule();
      }, BLINK_MS);
    }
    this.set({ ...this.state, blinking: isOn });
  }

  /** @param {string} pane @returns {View} */
  viewOf(pane) {
    return this.board.viewOf(this.state, pane);
  }

  /** @param {string} pane @returns {Look} */
  lookOf(pane) {
    return lookOf(this.state, pane, this.board.seenIn(pane));
  }

  /** What lies in a pane, once it is there. @param {string} pane */
  filmIn(pane) {
    return this.arrivals.filmIn(this.board.seenIn(pane));
  }

  order() {
    return [...this.board.panes.keys()];
  }

  // Painting

  schedule() {
    if (!this.frame) this.frame = requestAnimationFrame(() => this.paint());
  }

  paint() {
    this.frame = 0;
    if (!this.data) return;
    const start = performance.now();
    if (this.state.volume) this.arrange(this.data);
    settlePointer(this);
    this.toolbar.show(this.state, this.lookOf(this.state.active), this.filmIn(this.state.active), this.data.case, this.board.seenIn(this.state.active), this.data.contours.length > 0);
    setShown(this.help, this.state.helpOpen);
    const painted = this.board.paint({
      data: this.data,
      state: this.state,
      settings: this.shownSettings(),
      pointer: this.pointer,
      isBlinkedOver: this.state.blinking && this.blinkOn,
    });
    this.foot.show(this.state, this.told(), this.board.ownScales.size > 0);
    if (painted) {
      performance.measure("lightbox-paint", { start, end: performance.now(), detail: painted });
      if (performance.getEntriesByName("lightbox-paint").length > 2000) performance.clearMeasures("lightbox-paint");
    }
  }

  /** Settings as they act on the maps here: a filter inside the propagation is previewed until it has been computed. */
  shownSettings() {
    const { settings } = this.state;
    return settings.filterAt === "output" || this.previewed ? settings : { ...settings, filterMode: /** @type {const} */ ("none") };
  }

  /** What stands before all else in the foot. */
  told() {
    const { data, pointer, state: { volume } } = this;
    if (!data || !volume) return [];
    return [...data.case.notes, leftOut(data, volume), pointer?.index ? positionOf(data.case, pointer.index) : ""];
  }
}
