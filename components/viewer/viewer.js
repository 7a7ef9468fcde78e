// The viewer: takes data from Python, keeps the state, and paints what has changed, once a frame.

import { edgeLetters, screenToFilm } from "./affine.js";
import { Pyramid } from "./draw2d.js";
import { Drawings } from "./drawing.js";
import { SHARES, stepsOfHalves } from "./half.js";
import { helpSheet } from "./help.js";
import { listenToKeys, listenToPointer } from "./input.js";
import { bestGrid } from "./layout.js";
import { emptyStepColours, fillStepColours, greyShares, greyTable, magnitudeShare, scopes } from "./luts.js";
import { drawOutlines, drawPointer, inShort, scaleBar } from "./marks.js";
import { PaneElement, element, setShown, setText } from "./panes.js";
import {
  askedFilter, firstLook, firstState, greyOf, lookOf, panned, presets, rotated, toggledLink, viewOf, wholeFilm,
  windowed, withFilterEnd, withLook, zoomedAt,
} from "./state.js";
import { Toolbar } from "./toolbar.js";
import { bytesAt, codesIn, keepOnly } from "./transport.js";

/** @typedef {import("./affine.js").View} View */
/** @typedef {import("./panes.js").PaneData} PaneData */
/** @typedef {import("./state.js").State} State */
/** @typedef {import("./state.js").Look} Look */
/** @typedef {import("./state.js").Settings} Settings */
/** @typedef {import("./state.js").Preset} Preset */

/**
 * @typedef {object} CaseData
 * @property {string} digest @property {number[]} shape @property {{url: string, type: string}} samples
 * @property {number} base @property {number} step @property {boolean} isInverted
 * @property {{name: string, center: number, width: number}[]} windows @property {{first: number, url: string} | null} voi
 * @property {number} slope @property {number} intercept @property {string} unit @property {string[]} letters
 * @property {number[] | null} spacing @property {string} spacingKind @property {string} title @property {boolean} isSimulated
 */

/**
 * @typedef {object} ViewerData
 * @property {string} key @property {CaseData} case @property {PaneData[]} panes
 * @property {{name: string, url: string}[]} contours @property {Partial<Settings> & {sentences?: boolean}} settings
 */

/** @typedef {{digest: string, pyramid: Pyramid, samples: import("./luts.js").Samples, presets: Preset[],
 *   range: {low: number, high: number, step: number}}} Film */

const IMAGE = "image";
const BLINK_MS = 700;
const SENTENCES = "Research and teaching only: not for diagnosis. A map shows what moved this model, not what is wrong with the patient.";

/** State that outlives an unmounted viewer, by the viewer's key. @type {Map<string, {digest: string, state: State}>} */
const REMEMBERED = new Map();

export class Viewer {
  /** @param {ShadowRoot | HTMLElement} parent */
  constructor(parent) {
    this.root = element("div", "viewer");
    this.root.tabIndex = -1;
    this.area = element("div", "area");
    this.foot = element("footer", "foot");
    this.readout = element("p", "readout");
    this.sentences = element("p", "sentences", SENTENCES);
    this.sentences.setAttribute("role", "note");
    this.foot.append(this.readout, this.sentences);
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
    this.root.append(this.toolbar.root, this.area, this.foot, this.help);
    parent.append(this.root);
    this.drawings = new Drawings(this.root, () => this.schedule());

    /** @type {ViewerData | null} */
    this.data = null;
    /** @type {Film | null} */
    this.film = null;
    this.filmProblem = "";
    /** @type {Map<string, PaneElement>} */
    this.panes = new Map();
    /** @type {Map<string, {steps: Uint16Array, magnitude: number} | Error>} */
    this.maps = new Map();
    /** @type {Map<string, Float32Array>} */
    this.outlines = new Map();
    /** @type {State} */
    this.state = firstState([1, 1], { name: "", center: 128, width: 256, voi: "linear" }, {});
    /** @type {{pane: string, row: number, column: number} | null} */
    this.pointer = null;
    /** Map addresses that are filtered here until the server's answer is there. @type {Map<string, string> | null} */
    this.previewed = null;
    this.asked = "null";
    /** @type {(name: string, value: unknown) => void} */
    this.setStateValue = () => {};
    this.frame = 0;
    this.blinkTimer = 0;
    this.blinkOn = false;
    /** @type {Map<string, import("./drawing.js").OnScreen>} */
    this.filmsOnScreen = new Map();
    /** @type {Map<string, import("./drawing.js").OnScreen>} */
    this.greysOnScreen = new Map();
    /** @type {Map<string, {key: string, steps: import("./drawing.js").OnScreen}>} */
    this.stepsOnScreen = new Map();
    /** @type {Map<string, {key: string, colours: import("./luts.js").StepColours}>} */
    this.colours = new Map();
    this.held = { space: false };
    this.stopKeys = listenToKeys((act, argument) => this.act(act, argument), this.held);
    this.sizes = new ResizeObserver(() => this.schedule());
    this.sizes.observe(this.area);
  }

  /** Stop everything; the state is remembered for the next viewer of this key. */
  stop() {
    this.stopKeys();
    this.drawings.stop();
    this.sizes.disconnect();
    clearInterval(this.blinkTimer);
    cancelAnimationFrame(this.frame);
    this.root.remove();
  }

  // What comes from Python

  /** @param {ViewerData} data @param {(name: string, value: unknown) => void} setStateValue */
  update(data, setStateValue) {
    this.setStateValue = setStateValue;
    const isFirst = this.data === null;
    const isNewCase = this.data?.case.digest !== data.case.digest;
    this.data = data;
    if (isFirst) {
      const known = REMEMBERED.get(data.key);
      const { sentences: _, ...given } = data.settings;
      if (known) this.state = { ...known.state, helpOpen: false, blinking: false };
      else this.state = firstState(data.case.shape, { name: "", center: 128, width: 256, voi: "linear" }, given);
    }
    setShown(this.sentences, data.settings.sentences !== false);
    if (isNewCase) this.openCase(data.case);
    this.arrangePanes(data);
    this.fetchMaps(data);
    if (this.previewed && data.panes.every((pane) => pane.state !== "loading" && !pane.previous)) {
      const isAnswered = data.panes.some((pane) => pane.map && this.previewed?.get(pane.id) !== pane.map.url);
      if (isAnswered) this.previewed = null;
    }
    this.schedule();
  }

  /** @param {CaseData} given */
  openCase(given) {
    this.film = null;
    this.filmProblem = "";
    this.pointer = null;
    this.filmsOnScreen.clear();
    this.greysOnScreen.clear();
    this.stepsOnScreen.clear();
    const voi = given.voi;
    const coming = Promise.all([bytesAt(given.samples.url), voi ? bytesAt(voi.url) : null]);
    coming.then(
      ([bytes, table]) => {
        if (this.data?.case.digest !== given.digest) return;
        const codes = codesIn(bytes, given.samples.type);
        if (codes.length !== given.shape[0] * given.shape[1]) throw new Error("The film came incomplete. Reload the page.");
        this.film = filmOf(given, codes, voi && table ? { first: voi.first, table: new Float32Array(table) } : null);
        this.toolbar.offer(this.film.presets, this.film.range);
        const known = REMEMBERED.get(this.data.key);
        if (known?.digest !== given.digest) {
          this.state = { ...this.state, look: firstLook(given.shape, this.film.presets[0]), looks: {}, maximised: null };
        }
        this.schedule();
      },
    ).catch((/** @type {Error} */ problem) => {
      this.filmProblem = problem.message;
      this.schedule();
    });
  }

  /** @param {ViewerData} data */
  arrangePanes(data) {
    /** @type {PaneData} */
    const image = {
      id: IMAGE,
      title: data.case.title || "Film",
      lines: data.case.isSimulated ? ["simulated"] : [],
      state: "ready",
      share: 1,
      message: "",
      isSigned: false,
      unit: "",
      badge: { level: "", word: "", sentences: [] },
      previous: false,
      caseDigest: data.case.digest,
      map: null,
    };
    const all = [image, ...data.panes];
    const wanted = new Set(all.map(({ id }) => id));
    for (const [id, pane] of this.panes) {
      if (wanted.has(id)) continue;
      this.sizes.unobserve(pane.surface);
      pane.root.remove();
      this.panes.delete(id);
      this.stepsOnScreen.delete(id);
    }
    all.forEach((given, place) => {
      let pane = this.panes.get(given.id);
      if (!pane) {
        pane = new PaneElement(given.id);
        this.panes.set(given.id, pane);
        this.sizes.observe(pane.surface);
        listenToPointer(pane.surface, given.id, this.hand(), this.held);
      }
      pane.tell(given, data.case.digest);
      if (this.area.children[place] !== pane.root) this.area.insertBefore(pane.root, this.area.children[place] ?? null);
    });
    if (!wanted.has(this.state.active)) this.state = { ...this.state, active: IMAGE };
    if (this.state.maximised && !wanted.has(this.state.maximised)) this.state = { ...this.state, maximised: null };
  }

  /** @param {ViewerData} data */
  fetchMaps(data) {
    const inUse = new Set([data.case.samples.url, ...data.contours.map(({ url }) => url)]);
    if (data.case.voi) inUse.add(data.case.voi.url);
    for (const { map } of data.panes) {
      if (!map) continue;
      inUse.add(map.url);
      if (this.maps.has(map.url)) continue;
      bytesAt(map.url).then(
        (bytes) => {
          const steps = stepsOfHalves(new Uint16Array(bytes));
          if (steps.length !== map.shape[0] * map.shape[1]) throw new Error("The map came incomplete. Reload the page.");
          this.maps.set(map.url, { steps, magnitude: magnitudeShare(steps, 100) * map.scale });
          this.schedule();
        },
      ).catch((/** @type {Error} */ problem) => {
        this.maps.set(map.url, problem);
        this.schedule();
      });
    }
    for (const { url } of data.contours) {
      if (!this.outlines.has(url)) {
        bytesAt(url).then((bytes) => {
          this.outlines.set(url, new Float32Array(bytes));
          this.schedule();
        }, () => {});
      }
    }
    for (const url of this.maps.keys()) if (!inUse.has(url)) this.maps.delete(url);
    for (const url of this.outlines.keys()) if (!inUse.has(url)) this.outlines.delete(url);
    keepOnly(inUse);
  }

  // Changes

  /** @param {State} state */
  set(state) {
    this.state = state;
    if (this.data && this.film) REMEMBERED.set(this.data.key, { digest: this.data.case.digest, state });
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
    this.set(withLook(this.state, pane, change(lookOf(this.state, pane))));
  }

  /** @param {string} pane @param {number | null} width @param {number | null} center */
  setWindow(pane, width, center) {
    this.changeLook(pane, (look) => ({
      ...look,
      grey: windowed(look.grey, this.film?.range.step ?? 1, width ?? look.grey.width, center ?? look.grey.center),
    }));
  }

  /** @param {string} pane @returns {View} */
  viewOf(pane) {
    const shown = this.panes.get(pane);
    return viewOf(lookOf(this.state, pane).place, shown?.width || 1, shown?.height || 1, this.data?.case.shape ?? [1, 1]);
  }

  /** @returns {import("./input.js").Hand} */
  hand() {
    const ratio = () => window.devicePixelRatio || 1;
    return {
      enter: (pane) => {
        if (pane !== this.state.active) this.set({ ...this.state, active: pane });
      },
      hover: (pane, x, y) => {
        const place = screenToFilm(this.viewOf(pane), x * ratio(), y * ratio());
        this.pointer = { pane, row: place.row, column: place.column };
        this.schedule();
      },
      leave: () => {
        this.pointer = null;
        this.schedule();
      },
      drag: (pane, tool, dx, dy, x, y) => {
        const shape = this.data?.case.shape;
        if (!shape || !this.film) return;
        if (tool === "window") {
          const { grey } = lookOf(this.state, pane);
          const gain = Math.max(this.film.range.high - this.film.range.low, 1) / 600;
          const turned = this.film.samples.isInverted !== grey.invert ? -1 : 1;
          this.setWindow(pane, grey.width + dx * gain, grey.center + dy * gain * turned);
        } else if (tool === "pan") {
          const view = this.viewOf(pane);
          this.changeLook(pane, (look) => ({ ...look, place: panned(look.place, view, shape, dx * ratio(), dy * ratio()) }));
        } else {
          this.zoom(pane, Math.exp(-dy / 150), x, y);
        }
      },
      zoom: (pane, factor, x, y) => this.zoom(pane, factor, x, y),
      double: (pane) => this.act("maximise", pane),
      tool: () => this.state.tool,
    };
  }

  /** @param {string} pane @param {number} factor @param {number} [x] CSS pixels @param {number} [y] */
  zoom(pane, factor, x, y) {
    const shape = this.data?.case.shape;
    if (!shape) return;
    const view = this.viewOf(pane);
    const ratio = window.devicePixelRatio || 1;
    const across = x === undefined ? view.width / 2 : x * ratio;
    const down = y === undefined ? view.height / 2 : y * ratio;
    this.changeLook(pane, (look) => ({ ...look, place: zoomedAt(look.place, view, shape, factor, across, down) }));
  }

  /** Everything a key or a button can ask for. @param {string} act @param {string | number | boolean} [argument] */
  act(act, argument) {
    const { state, film, data } = this;
    if (!data) return;
    const { shape } = data.case;
    const pane = state.active;
    /** @param {Partial<import("./state.js").Place>} change */
    const place = (change) => this.changeLook(pane, (look) => ({ ...look, place: { ...look.place, ...change } }));
    switch (act) {
      case "preset":
      case "asStored": {
        const preset = film?.presets[act === "asStored" ? 0 : Number(argument) - 1];
        if (preset) this.changeLook(pane, (look) => ({ ...look, grey: { ...greyOf(preset), invert: act === "asStored" ? false : look.grey.invert } }));
        break;
      }
      case "windowByArrows": {
        const { grey } = lookOf(state, pane);
        const step = Math.max(film?.range.step ?? 1, grey.width / 50);
        if (argument === "ArrowLeft" || argument === "ArrowRight") this.setWindow(pane, grey.width + (argument === "ArrowRight" ? step : -step), null);
        else this.setWindow(pane, null, grey.center + (argument === "ArrowUp" ? step : -step));
        break;
      }
      case "panByArrows": {
        const view = this.viewOf(pane);
        const [dx, dy] = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[String(argument)] ?? [0, 0];
        this.changeLook(pane, (look) => ({ ...look, place: panned(look.place, view, shape, dx * view.width / 12, dy * view.height / 12) }));
        break;
      }
      case "zoomStep":
        this.zoom(pane, Number(argument) > 0 ? 1.25 : 0.8);
        break;
      case "fit":
        this.changeLook(pane, (look) => {
          const { turn, flipX, flipY } = look.place;
          return { ...look, place: { ...wholeFilm(shape), turn, flipX, flipY } };
        });
        break;
      case "native":
        place({ native: true });
        break;
      case "invert":
        this.changeLook(pane, (look) => ({ ...look, grey: { ...look.grey, invert: !look.grey.invert } }));
        break;
      case "flip": {
        const now = lookOf(state, pane).place;
        place(argument === "x" ? { flipX: !now.flipX } : { flipY: !now.flipY });
        break;
      }
      case "rotate":
        this.changeLook(pane, (look) => ({ ...look, place: rotated(look.place) }));
        break;
      case "tool":
        this.set({ ...state, tool: /** @type {State["tool"]} */ (argument) });
        break;
      case "link":
        this.set(toggledLink(state));
        break;
      case "hide":
        this.set({ ...state, overlaysHidden: !state.overlaysHidden });
        break;
      case "hidePane": {
        const id = [...this.order()][Number(argument) - 1];
        if (id) this.set({ ...state, hidden: { ...state.hidden, [id]: !state.hidden[id] } });
        break;
      }
      case "blink":
        this.blink(!state.blinking);
        break;
      case "maximise": {
        const asked = typeof argument === "string" ? argument : pane;
        this.set({ ...state, active: asked, maximised: state.maximised ? null : asked });
        break;
      }
      case "step": {
        const order = this.order();
        const next = order[(order.indexOf(pane) + (argument === "." ? 1 : -1) + order.length) % order.length];
        this.set({ ...state, active: next, maximised: state.maximised ? next : null });
        break;
      }
      case "fullScreen":
        if (document.fullscreenElement) void document.exitFullscreen();
        else void this.root.requestFullscreen?.();
        break;
      case "help":
        this.set({ ...state, helpOpen: !state.helpOpen });
        break;
      case "back":
        this.set(state.helpOpen ? { ...state, helpOpen: false } : { ...state, maximised: null });
        break;
      case "reset":
        if (film) {
          const { filterMode, filterLow, filterHigh, filterAt, ...plain } = firstState(shape, film.presets[0], data.settings).settings;
          this.blink(false);
          this.set({
            ...firstState(shape, film.presets[0], { ...plain, filterMode, filterLow, filterHigh, filterAt }),
            active: state.active,
          });
          this.askServer();
        }
        break;
    }
  }

  order() {
    return [IMAGE, ...(this.data?.panes.map(({ id }) => id) ?? [])];
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

  // Painting

  schedule() {
    if (!this.frame) this.frame = requestAnimationFrame(() => this.paint());
  }

  paint() {
    this.frame = 0;
    if (!this.data) return;
    const start = performance.now();
    this.arrangeGrid(this.data);
    this.toolbar.show(this.state, lookOf(this.state, this.state.active));
    setShown(this.help, this.state.helpOpen);
    const settings = this.shownSettings();
    const ends = scopes(
      this.data.panes.flatMap((pane) => {
        const map = pane.map && this.maps.get(pane.map.url);
        return map && !(map instanceof Error) && !pane.previous ? [{ id: pane.id, unit: pane.unit, magnitude: map.magnitude }] : [];
      }),
      settings.scale,
    );
    /** @type {Set<string>} */
    const filmsUsed = new Set();
    /** @type {Set<string>} */
    const greysUsed = new Set();
    let painted = 0;
    for (const [id, pane] of this.panes) {
      if (pane.root.hidden || !pane.data) continue;
      painted += this.paintPane(id, pane, pane.data, settings, ends, filmsUsed, greysUsed) ? 1 : 0;
    }
    for (const key of this.filmsOnScreen.keys()) if (!filmsUsed.has(key)) this.filmsOnScreen.delete(key);
    for (const key of this.greysOnScreen.keys()) if (!greysUsed.has(key)) this.greysOnScreen.delete(key);
    this.showReadout();
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

  /** @param {ViewerData} data */
  arrangeGrid(data) {
    const { maximised, active } = this.state;
    const width = this.area.clientWidth;
    const height = this.area.clientHeight;
    const { rows, columns } = maximised ? { rows: 1, columns: 1 } : bestGrid(this.panes.size, width, height, data.case.shape[1] / data.case.shape[0]);
    const form = `${rows} ${columns}`;
    if (this.area.dataset.form !== form) {
      this.area.dataset.form = form;
      this.area.style.setProperty("--rows", String(rows));
      this.area.style.setProperty("--columns", String(columns));
    }
    for (const [id, pane] of this.panes) {
      setShown(pane.root, !maximised || maximised === id);
      pane.root.classList.toggle("active", id === active && !maximised);
    }
    const ratio = window.devicePixelRatio || 1;
    for (const pane of this.panes.values()) {
      if (pane.root.hidden) continue;
      const box = pane.surface.getBoundingClientRect();
      pane.resize(Math.max(1, Math.round(box.width * ratio)), Math.max(1, Math.round(box.height * ratio)));
    }
  }

  /**
   * @param {string} id @param {PaneElement} pane @param {PaneData} given @param {Settings} settings
   * @param {Map<string, number>} ends @param {Set<string>} filmsUsed @param {Set<string>} greysUsed
   */
  paintPane(id, pane, given, settings, ends, filmsUsed, greysUsed) {
    const { film, data } = this;
    if (!data) return false;
    const isRefused = given.caseDigest !== data.case.digest;
    const problem = isRefused ? "This map belongs to another film. Ask for it again." : this.filmProblem;
    if (problem || !film) {
      pane.setState(problem ? "error" : "loading", problem || "loading the film", null);
      return false;
    }
    const look = lookOf(this.state, id);
    const view = viewOf(look.place, pane.width, pane.height, data.case.shape);
    const onScreen = this.filmAt(view, filmsUsed);
    const source = this.blinkSource(id) ?? given;
    const map = this.mapOf(source);
    const isHidden = this.state.overlaysHidden || this.state.hidden[id] === true;
    const end = map ? (ends.get(source.id) ?? map.magnitude) : 0;
    const overlayKey = map && source.map && !isHidden ? this.overlayKey(source, settings, end) : "";
    const greyKey = `${onScreen.key} ${look.grey.center} ${look.grey.width} ${look.grey.voi} ${look.grey.invert}`;
    greysUsed.add(greyKey);
    const key = `${greyKey} | ${overlayKey} ${settings.opacity}`;
    const isNew = pane.imageKey !== key;
    if (isNew) {
      const drawing = this.drawings.now;
      let grey = this.greysOnScreen.get(greyKey);
      if (!grey) {
        grey = drawing.greyOnScreen(onScreen.film, greyTable(film.samples, look.grey));
        this.greysOnScreen.set(greyKey, grey);
      }
      if (map && source.map && overlayKey) {
        const steps = this.stepsAt(id, source, map.steps, onScreen, view, settings.smooth);
        const colours = this.coloursAt(id, overlayKey, source, settings, end);
        drawing.paintOverlay(grey, steps, colours, greyShares(settings.opacity), pane);
      } else {
        drawing.paintGrey(grey, pane);
      }
      pane.imageKey = key;
    }
    this.showState(pane, given);
    pane.setBar(map !== null && !isHidden, source.isSigned, end, source.unit, settings);
    this.drawMarks(id, pane, view);
    this.showCorners(id, pane, given, view, look);
    if (source !== given || pane.title.textContent !== given.title) setText(pane.title, source === given ? given.title : `${source.title} (blinking)`);
    return isNew;
  }

  /** @param {PaneElement} pane @param {PaneData} given */
  showState(pane, given) {
    const map = given.map && this.maps.get(given.map.url);
    if (given.state === "error") pane.setState("error", given.message || "This map could not be made.", null);
    else if (map instanceof Error) pane.setState("error", map.message, null);
    else if (given.state === "loading") pane.setState("loading", given.message, given.share);
    else if (given.map && !map) pane.setState("loading", "fetching the map", null);
    else pane.setState("ready", "", null);
  }

  /** @param {View} view @param {Set<string>} used */
  filmAt(view, used) {
    const key = [this.drawings.now.name, view.width, view.height, view.scale, view.row, view.column, view.turn, view.flipX, view.flipY].join(" ");
    used.add(key);
    let film = this.filmsOnScreen.get(key);
    if (!film && this.film) {
      film = this.drawings.now.filmOnScreen(this.film.pyramid, view);
      this.filmsOnScreen.set(key, film);
    }
    return { key, film: /** @type {import("./drawing.js").OnScreen} */ (film) };
  }

  /** @param {PaneData} given */
  mapOf(given) {
    const map = given.map ? this.maps.get(given.map.url) : undefined;
    return map && !(map instanceof Error) ? map : null;
  }

  /** The other pane while this one blinks. @param {string} id @returns {PaneData | null} */
  blinkSource(id) {
    if (!this.state.blinking || !this.blinkOn || id !== this.state.active) return null;
    const panes = this.data?.panes ?? [];
    if (!panes.length) return null;
    const next = panes[(panes.findIndex((pane) => pane.id === id) + 1) % panes.length];
    return next.id === id ? null : next;
  }

  /** @param {PaneData} source @param {Settings} settings @param {number} end */
  overlayKey(source, settings, end) {
    const { threshold, opacity, colours, sign, filterMode, filterLow, filterHigh, smooth } = settings;
    const filter = filterMode === "none" ? "none" : `${filterMode} ${filterLow} ${filterHigh}`;
    return `${source.map?.url} ${end} ${threshold} ${opacity} ${colours} ${sign} ${filter} ${smooth} ${source.isSigned}`;
  }

  /**
   * @param {string} id @param {PaneData} source @param {Uint16Array} steps
   * @param {{key: string, film: import("./drawing.js").OnScreen}} onScreen @param {View} view @param {boolean} smooth
   */
  stepsAt(id, source, steps, onScreen, view, smooth) {
    const { map } = source;
    const known = this.stepsOnScreen.get(id);
    const key = `${onScreen.key} ${map?.url} ${map?.gridScale} ${map?.gridOffset} ${smooth}`;
    if (known?.key === key || !map) return known?.steps ?? steps;
    const sheet = { steps, rows: map.shape[0], columns: map.shape[1], gridScale: map.gridScale, gridOffset: map.gridOffset };
    const made = this.drawings.now.mapOnScreen(sheet, onScreen.film, view, smooth);
    this.stepsOnScreen.set(id, { key, steps: made });
    return made;
  }

  /** @param {string} id @param {string} key @param {PaneData} source @param {Settings} settings @param {number} end */
  coloursAt(id, key, source, settings, end) {
    const known = this.colours.get(id) ?? { key: "", colours: emptyStepColours() };
    if (known.key !== key) {
      const scale = source.map?.scale ?? 0;
      fillStepColours(known.colours, end > 0 ? scale / end : 0, source.isSigned, settings);
      this.colours.set(id, { key, colours: known.colours });
    }
    return known.colours;
  }

  /** @param {string} id @param {PaneElement} pane @param {View} view */
  drawMarks(id, pane, view) {
    const context = pane.marks.getContext("2d");
    if (!context || !this.data) return;
    context.clearRect(0, 0, pane.marks.width, pane.marks.height);
    const outlines = this.data.contours.flatMap(({ url }) => this.outlines.get(url) ?? []);
    if (outlines.length && !this.state.overlaysHidden) drawOutlines(context, view, outlines);
    if (this.pointer && this.pointer.pane !== id && this.state.linked) drawPointer(context, view, this.pointer, window.devicePixelRatio || 1);
  }

  /** @param {string} id @param {PaneElement} pane @param {PaneData} given @param {View} view @param {Look} look */
  showCorners(id, pane, given, view, look) {
    const { data, film } = this;
    if (!data || !film) return;
    setText(pane.value, this.valueAt(id, given));
    const turned = look.grey.invert ? " · inverted" : "";
    const grey = look.grey.voi === "table" ? "table" : `W ${inShort(look.grey.width)} L ${inShort(look.grey.center)}`;
    const isTold = id === IMAGE || !this.state.linked || this.state.maximised !== null;
    setText(pane.place, isTold ? `${Math.round(view.scale * 100)} % · ${grey}${turned}` : "");
    const { letters, spacing } = data.case;
    const isMarked = letters.some((letter) => letter !== "");
    const at = edgeLetters(letters, view);
    for (const { side, letter } of pane.letters) setText(letter, isMarked ? at[side] : "");
    const south = pane.letters[3].letter;
    if (!isMarked && id === IMAGE) setText(south, "no side marker in file");
    south.classList.toggle("sentence", !isMarked);
    setShown(pane.scale, spacing !== null && id === IMAGE);
    if (spacing && id === IMAGE) {
      const { pixels, millimetres } = scaleBar(view, spacing);
      pane.scaleLine.style.width = `${pixels / (window.devicePixelRatio || 1)}px`;
      const where = data.case.spacingKind && data.case.spacingKind !== "patient" ? ` at the ${data.case.spacingKind}` : "";
      setText(pane.scaleText, (millimetres >= 10 ? `${millimetres / 10} cm` : `${millimetres} mm`) + where);
    }
  }

  /** Under the pointer: the film's value, or the map's value and its share of the greatest. @param {string} id @param {PaneData} given */
  valueAt(id, given) {
    const { pointer, film, data } = this;
    if (!pointer || !film || !data) return "";
    const row = Math.floor(pointer.row + 0.5);
    const column = Math.floor(pointer.column + 0.5);
    const [rows, columns] = data.case.shape;
    if (row < 0 || column < 0 || row >= rows || column >= columns) return "";
    if (id === IMAGE) {
      const sample = film.samples.base + film.samples.step * film.pyramid.at(0).codes[row * columns + column];
      const value = data.case.slope * sample + data.case.intercept;
      return `${inShort(value)}${data.case.unit ? ` ${data.case.unit}` : ""} at ${column}, ${row}`;
    }
    const map = this.mapOf(given);
    if (!map || !given.map) return "";
    const { shape, gridScale, gridOffset, scale } = given.map;
    const mapRow = Math.floor((pointer.row - gridOffset[0]) / gridScale[0] + 0.5);
    const mapColumn = Math.floor((pointer.column - gridOffset[1]) / gridScale[1] + 0.5);
    if (mapRow < 0 || mapColumn < 0 || mapRow >= shape[0] || mapColumn >= shape[1]) return "outside the map";
    const share = SHARES[map.steps[mapRow * shape[1] + mapColumn]];
    return Number.isNaN(share) ? "no value" : `${inShort(share * scale)} · ${Math.round(share * 100).toString().replace("-", "−")} %`;
  }

  showReadout() {
    const { data } = this;
    if (!data) return;
    const words = this.state.maximised ? "M or Esc: all panes" : "";
    setText(this.readout, [this.state.linked ? "linked" : "not linked", this.state.overlaysHidden ? "overlays hidden (H)" : "", words, "? help"].filter(Boolean).join(" · "));
  }
}

/**
 * @param {CaseData} given @param {Uint8Array | Uint16Array} codes
 * @param {{first: number, table: Float32Array} | null} voi @returns {Film}
 */
function filmOf(given, codes, voi) {
  const samples = { base: given.base, step: given.step, isInverted: given.isInverted, voi, codes: codes instanceof Uint8Array ? 256 : 65536 };
  const counts = new Uint32Array(samples.codes);
  for (let at = 0; at < codes.length; at++) counts[codes[at]] += 1;
  /** @param {number} share */
  const at = (share) => {
    let left = share * codes.length;
    let code = 0;
    while (code < counts.length - 1 && (left -= counts[code]) > 0) code++;
    return given.base + given.step * code;
  };
  const range = { low: at(0), high: at(1), step: given.step };
  return {
    digest: given.digest,
    pyramid: new Pyramid(codes, given.shape),
    samples,
    presets: presets(given.windows, voi !== null, { ...range, at, isInverted: given.isInverted }),
    range,
  };
}
