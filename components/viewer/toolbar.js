// The two rows over the picture: tools and window, then what is done with maps. It shows the state and sends acts.

import { icon } from "./icons.js";
import { tooltip } from "./input.js";
import { colourTables } from "./luts.js";
import { inShort } from "./marks.js";
import { element, setText } from "./panes.js";

/** @typedef {import("./state.js").State} State */
/** @typedef {import("./state.js").Settings} Settings */
/** @typedef {import("./state.js").Preset} Preset */

/**
 * @typedef {object} Wishes What the toolbar asks for.
 * @property {(act: string, argument?: string | number | boolean) => void} act
 * @property {(change: Partial<Settings>) => void} change
 * @property {(end: "filterLow" | "filterHigh", value: number) => void} filterEnd
 * @property {() => void} released a filter control was let go
 * @property {(width: number | null, center: number | null) => void} window
 */

export class Toolbar {
  /** @param {Wishes} wishes */
  constructor(wishes) {
    this.root = element("div", "toolbar");
    this.root.setAttribute("role", "toolbar");
    this.root.setAttribute("aria-label", "Picture tools");
    /** @type {Map<string, HTMLButtonElement>} */
    this.buttons = new Map();
    /** @param {string} name @param {string} says @param {string} act @param {string} [argument] */
    const button = (name, says, act, argument) => {
      const made = element("button", "tool");
      made.type = "button";
      made.setAttribute("aria-label", says);
      made.title = act === "tool" ? `${says}: what the left button does` : tooltip(act);
      made.append(icon(name));
      made.addEventListener("click", () => wishes.act(act, argument));
      this.buttons.set(name, made);
      return made;
    };
    this.preset = select("Preset", [], (value) => wishes.act("preset", Number(value)));
    this.window = slider("Window", (value) => wishes.window(value, null));
    this.level = slider("Level", (value) => wishes.window(null, value));
    this.widthText = number("Width in numbers", (value) => wishes.window(value, null));
    this.centreText = number("Centre in numbers", (value) => wishes.window(null, value));
    this.window.label.replaceChild(this.widthText, this.window.shown);
    this.level.label.replaceChild(this.centreText, this.level.shown);

    this.threshold = slider("Threshold", (value) => wishes.change({ threshold: value }));
    this.opacity = slider("Opacity", (value) => wishes.change({ opacity: value }));
    this.colours = select(
      "Colours",
      [["auto", "Auto colours"], ...colourTables().map(({ name, title }) => [name, title])],
      (value) => wishes.change({ colours: value }),
    );
    this.sign = select(
      "Sign",
      [["both", "+ and −"], ["positive", "+ only"], ["negative", "− only"]],
      (value) => wishes.change({ sign: /** @type {Settings["sign"]} */ (value) }),
    );
    this.scale = select(
      "Normalisation",
      [["method", "Scale per explainer"], ["map", "Scale per map"], ["shared", "Scale shared by unit"]],
      (value) => wishes.change({ scale: /** @type {Settings["scale"]} */ (value) }),
    );
    this.smooth = check("Smooth", "Interpolate maps between their cells; a smooth map hides its resolution", (value) => wishes.change({ smooth: value }));
    this.filter = select(
      "Filter",
      [["none", "No filter"], ["pass", "Pass"], ["clamp", "Clamp"]],
      (value) => {
        wishes.change({ filterMode: /** @type {Settings["filterMode"]} */ (value) });
        wishes.released();
      },
    );
    this.filter.title = "Pass keeps shares between low and high; clamp cuts those above high and drops those below low";
    this.low = slider("Filter low", (value) => wishes.filterEnd("filterLow", value), wishes.released);
    this.high = slider("Filter high", (value) => wishes.filterEnd("filterHigh", value), wishes.released);
    this.at = select(
      "Filter place",
      [["output", "on the final map"], ["blocks", "inside the propagation"]],
      (value) => {
        wishes.change({ filterAt: /** @type {Settings["filterAt"]} */ (value) });
        wishes.released();
      },
    );
    this.root.append(
      group("Tools", button("window", "Grey tool", "tool", "window"), button("pan", "Hand tool", "tool", "pan"), button("zoom", "Magnifying tool", "tool", "zoom")),
      group("Place", button("fit", "Fit", "fit"), button("native", "1:1", "native"), button("flipX", "Flip left-right", "flip", "x"), button("flipY", "Flip top-bottom", "flip", "y"), button("rotate", "Rotate", "rotate"), button("invert", "Invert", "invert")),
      group("Grey", this.preset, this.window.label, this.level.label),
      group("Panes", button("link", "Link panes", "link"), button("hide", "Hide overlays", "hide"), button("blink", "Blink two panes", "blink"), button("reset", "Reset", "reset"), button("fullScreen", "Full screen", "fullScreen"), button("help", "Help", "help")),
      element("span", "break"),
      group("Overlay", this.threshold.label, this.opacity.label, this.colours, this.sign, this.scale, this.smooth.label),
      group("Filter", this.filter, this.low.label, this.high.label, this.at),
    );
  }

  /** @param {State} state @param {import("./state.js").Look} look of the active pane */
  show(state, look) {
    const { settings } = state;
    const { grey, place } = look;
    set(this.window, grey.width, "");
    set(this.level, grey.center, "");
    setNumber(this.widthText, grey.width);
    setNumber(this.centreText, grey.center);
    set(this.threshold, settings.threshold, settings.threshold.toFixed(2));
    set(this.opacity, settings.opacity, settings.opacity.toFixed(2));
    set(this.low, settings.filterLow, settings.filterLow.toFixed(2));
    set(this.high, settings.filterHigh, settings.filterHigh.toFixed(2));
    this.colours.value = settings.colours;
    this.sign.value = settings.sign;
    this.scale.value = settings.scale;
    this.filter.value = settings.filterMode;
    this.at.value = settings.filterAt;
    this.smooth.input.checked = settings.smooth;
    /** @type {[string, boolean][]} */
    const pressed = [
      ["window", state.tool === "window"], ["pan", state.tool === "pan"], ["zoom", state.tool === "zoom"],
      ["invert", grey.invert], ["flipX", place.flipX], ["flipY", place.flipY], ["native", place.native],
      ["link", state.linked], ["hide", state.overlaysHidden], ["blink", state.blinking], ["help", state.helpOpen],
    ];
    for (const [name, isOn] of pressed) this.buttons.get(name)?.setAttribute("aria-pressed", String(isOn));
    const chosen = [...this.preset.options].findIndex((option) => option.dataset.window === `${grey.center} ${grey.width} ${grey.voi}`);
    this.preset.selectedIndex = chosen < 0 ? this.preset.options.length - 1 : chosen;
  }

  /** @param {Preset[]} presets @param {{low: number, high: number, step: number}} range of the stored samples */
  offer(presets, range) {
    const options = presets.map((preset, at) => {
      const option = new Option(`${at + 1}  ${preset.name}`, String(at + 1));
      option.dataset.window = `${preset.center} ${preset.width} ${preset.voi}`;
      return option;
    });
    const free = new Option("Free window", "0");
    free.disabled = true;
    this.preset.replaceChildren(...options, free);
    const widest = Math.max(range.high - range.low + range.step, ...presets.map(({ width }) => width));
    limit(this.window.input, range.step, widest, range.step);
    limit(this.level.input, Math.min(range.low, ...presets.map(({ center }) => center)), Math.max(range.high, ...presets.map(({ center }) => center)), range.step / 2);
  }
}

/** @param {string} name @param {...HTMLElement} parts */
function group(name, ...parts) {
  const made = element("div", "group");
  made.setAttribute("role", "group");
  made.setAttribute("aria-label", name === "Grey" ? "Grey scale" : name);
  made.append(...parts);
  return made;
}

/** @typedef {{label: HTMLLabelElement, input: HTMLInputElement, shown: HTMLElement}} Slider */

/**
 * @param {string} name @param {(value: number) => void} moved @param {() => void} [released] @returns {Slider}
 */
function slider(name, moved, released) {
  const label = element("label", "slider");
  const input = element("input", "");
  input.type = "range";
  input.setAttribute("aria-label", name);
  limit(input, 0, 1, 0.01);
  const shown = element("output", "shown");
  const text = element("span", "name", name);
  text.setAttribute("aria-hidden", "true");
  label.append(text, input, shown);
  input.addEventListener("input", () => moved(Number(input.value)));
  if (released) input.addEventListener("change", released);
  return { label, input, shown };
}

/** @param {HTMLInputElement} input @param {number} low @param {number} high @param {number} step */
function limit(input, low, high, step) {
  input.min = String(low);
  input.max = String(high);
  input.step = String(step);
}

/** @param {Slider} slider @param {number} value @param {string} text */
function set({ input, shown }, value, text) {
  if (Number(input.value) !== value) input.value = String(value);
  const low = Number(input.min);
  input.style.setProperty("--share", String((Number(input.value) - low) / (Number(input.max) - low || 1)));
  setText(shown, text);
}

/** @param {HTMLInputElement} input @param {number} value */
function setNumber(input, value) {
  const root = input.getRootNode();
  if (root instanceof ShadowRoot && root.activeElement === input) return;
  const text = Math.abs(value) >= 100 ? String(Math.round(value)) : inShort(value).replace("−", "-");
  if (input.value !== text) input.value = text;
}

/** @param {string} name @param {(value: number) => void} entered */
function number(name, entered) {
  const input = element("input", "number");
  input.type = "text";
  input.inputMode = "decimal";
  input.setAttribute("aria-label", name);
  const take = () => {
    const value = Number(input.value);
    if (input.value.trim() !== "" && Number.isFinite(value)) entered(value);
  };
  input.addEventListener("change", take);
  input.addEventListener("keydown", (event) => {
    if (event.key === "Enter") {
      take();
      input.blur();
    }
  });
  return input;
}

/** @param {string} name @param {string[][]} options @param {(value: string) => void} chosen */
function select(name, options, chosen) {
  const made = element("select", "select");
  made.setAttribute("aria-label", name);
  made.title = name;
  made.append(...options.map(([value, text]) => new Option(text, value)));
  made.addEventListener("change", () => {
    chosen(made.value);
    made.blur();
  });
  return made;
}

/** @param {string} name @param {string} says @param {(value: boolean) => void} changed */
function check(name, says, changed) {
  const label = element("label", "check");
  label.title = says;
  const input = element("input", "");
  input.type = "checkbox";
  input.addEventListener("change", () => changed(input.checked));
  label.append(input, element("span", "", name));
  return { label, input };
}
