// The row over the picture: tools, place, window, panes, then what is done with maps. It shows the state and sends acts.

import {
  check, choice, group, limit, numberField, pushButton, rangeSlider, setNumber, setRange, setSlider, slider, unfolding,
} from "./controls.js";
import { tooltip } from "./input.js";
import { colourTables } from "./luts.js";
import { element, setShown } from "./nodes.js";
import { VolumeTools } from "./volumetools.js";

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

/** Drawing, name, act and argument of every button, by group. @type {Record<string, [string, string, string, string?][]>} */
const BUTTONS = {
  Tools: [["window", "Grey tool", "tool", "window"], ["pan", "Hand tool", "tool", "pan"], ["zoom", "Zoom tool", "tool", "zoom"], ["ruler", "Ruler", "tool", "ruler"]],
  Place: [["fit", "Fit", "fit"], ["native", "1:1", "native"], ["invert", "Invert", "invert"]],
  Turn: [["rotate", "Rotate", "rotate"], ["flipX", "Flip left-right", "flip", "x"], ["flipY", "Flip top-bottom", "flip", "y"]],
  Panes: [
    ["link", "Link panes", "link"], ["hide", "Hide overlays", "hide"], ["blink", "Blink two panes", "blink"],
    ["swipe", "Swipe two panes", "swipe"], ["lens", "Magnifying glass", "magnify"],
  ],
  Viewer: [["reset", "Reset", "reset"], ["fullScreen", "Full screen", "fullScreen"], ["help", "Help", "help"]],
};

/** Names longer than this are cut in the list of windows and whole in its tooltip. */
const LONGEST_NAME = 14;

export class Toolbar {
  /** @param {Wishes} wishes */
  constructor(wishes) {
    this.root = element("div", "toolbar");
    this.root.setAttribute("role", "toolbar");
    this.root.setAttribute("aria-label", "Picture tools");
    /** @type {Map<string, HTMLButtonElement>} */
    this.buttons = new Map();
    /** @type {Preset[] | null} */
    this.offered = null;
    this.preset = choice("Preset", [], (value) => wishes.act("preset", Number(value)));
    this.window = slider("Window", (value) => wishes.window(value, null));
    this.level = slider("Level", (value) => wishes.window(null, value));
    this.widthText = numberField("Width in numbers", (value) => wishes.window(value, null));
    this.centreText = numberField("Centre in numbers", (value) => wishes.window(null, value));
    this.window.label.replaceChild(this.widthText, this.window.shown);
    this.level.label.replaceChild(this.centreText, this.level.shown);
    this.threshold = slider("Threshold", (value) => wishes.change({ threshold: value }));
    this.opacity = slider("Opacity", (value) => wishes.change({ opacity: value }));
    this.colours = choice(
      "Colours",
      [["auto", "By the map's sign"], ...colourTables().map(({ name, title }) => [name, title])],
      (value) => wishes.change({ colours: value }),
    );
    this.sign = choice(
      "Sign",
      [["both", "+ and −"], ["positive", "+ only"], ["negative", "− only"]],
      (value) => wishes.change({ sign: /** @type {Settings["sign"]} */ (value) }),
    );
    this.scale = choice(
      "Normalisation",
      [["auto", "One a unit where comparable"], ["method", "One an explainer"], ["map", "One a map"], ["shared", "One a unit"]],
      (value) => wishes.change({ scale: /** @type {Settings["scale"]} */ (value) }),
    );
    this.smooth = check("Smooth", "Interpolate maps between their cells; a smooth map hides its resolution", (value) => wishes.change({ smooth: value }));
    this.fill = slider("Fill", (value) => wishes.change({ fill: value }));
    this.fillsMaps = check("Over maps too", "Fill regions over maps as well, which tints the maps' colours", (value) => wishes.change({ fillsMaps: value }));
    this.regions = unfolding("Regions", [["Opacity", this.fill.label], ["Panes", this.fillsMaps.label]]);
    this.look = unfolding("Colours", [["Colours", this.colours], ["Sign", this.sign], ["Scale", this.scale], ["Cells", this.smooth.label]]);
    this.filter = choice("Filter", [["none", "No filter"], ["pass", "Pass"], ["clamp", "Clamp"]], (value) => {
      wishes.change({ filterMode: /** @type {Settings["filterMode"]} */ (value) });
      wishes.released();
    });
    this.filter.title = "Pass keeps shares between low and high; clamp cuts those above high and drops those below low";
    this.ends = rangeSlider(
      "Filter",
      [["Filter low", (value) => wishes.filterEnd("filterLow", value)], ["Filter high", (value) => wishes.filterEnd("filterHigh", value)]],
      wishes.released,
    );
    this.at = choice("Filter place", [["output", "final map"], ["blocks", "inside"]], (value) => {
      wishes.change({ filterAt: /** @type {Settings["filterAt"]} */ (value) });
      wishes.released();
    });
    this.at.title = "Where the filter acts: on the final map, or inside the propagation";
    /** @param {string} name */
    const buttons = (name) =>
      BUTTONS[name].map(([drawing, title, act, argument]) => {
        const says = act === "tool" ? `${title}: what the left button does` : tooltip(act);
        const made = pushButton(drawing, title, says, () => wishes.act(act, argument));
        this.buttons.set(drawing, made);
        return made;
      });
    this.turn = unfolding("Rotate and flip", buttons("Turn").map((button) => [button.getAttribute("aria-label") ?? "", button]), "rotate");
    this.volume = new VolumeTools(wishes.act);
    this.root.append(
      this.volume.root,
      group("Tools", ...buttons("Tools")),
      group("Place", ...buttons("Place"), this.turn.root),
      group("Grey scale", this.preset, this.window.label, this.level.label),
      group("Panes", ...buttons("Panes")),
      group("Overlay", this.threshold.label, this.opacity.label, this.look.root, this.regions.root),
      group("Filter", this.filter, this.ends.root, this.at),
      group("Viewer", ...buttons("Viewer")),
    );
  }

  /** Fold what is unfolded; whether there was something. */
  fold() {
    return this.look.fold() || this.regions.fold() || this.turn.fold();
  }

  /** @param {State} state @param {import("./state.js").Look} look of the active pane @param {import("./film.js").Film | null} film in it
   * @param {import("./film.js").CaseData} given @param {import("./cells.js").Seen | null} seen in it @param {boolean} hasRegions */
  show(state, look, film, given, seen, hasRegions) {
    const { settings } = state;
    setShown(this.regions.root, hasRegions && state.volume !== null);
    if (film && film.presets !== this.offered) this.offer(film.presets, film.range);
    this.volume.show(state, given, seen);
    const { grey, place } = look;
    setSlider(this.window, grey.width, "");
    setSlider(this.level, grey.center, "");
    setNumber(this.widthText, grey.width);
    setNumber(this.centreText, grey.center);
    setSlider(this.threshold, settings.threshold, settings.threshold.toFixed(2));
    setSlider(this.opacity, settings.opacity, settings.opacity.toFixed(2));
    setSlider(this.fill, settings.fill, settings.fill.toFixed(2));
    this.fillsMaps.input.checked = settings.fillsMaps;
    setRange(this.ends, [settings.filterLow, settings.filterHigh]);
    this.colours.value = settings.colours;
    this.sign.value = settings.sign;
    this.scale.value = settings.scale;
    this.filter.value = settings.filterMode;
    this.at.value = settings.filterAt;
    this.smooth.input.checked = settings.smooth;
    /** @type {[string, boolean][]} */
    const pressed = [
      ["window", state.tool === "window"], ["pan", state.tool === "pan"], ["zoom", state.tool === "zoom"], ["ruler", state.tool === "ruler"],
      ["invert", grey.invert], ["flipX", place.flipX], ["flipY", place.flipY], ["native", place.native],
      ["link", state.linked], ["hide", state.overlaysHidden], ["blink", state.blinking], ["swipe", state.swiping], ["lens", state.magnifying], ["help", state.helpOpen],
    ];
    for (const [name, isOn] of pressed) this.buttons.get(name)?.setAttribute("aria-pressed", String(isOn));
    const chosen = [...this.preset.options].findIndex((option) => option.dataset.window === `${grey.center} ${grey.width} ${grey.voi}`);
    this.preset.selectedIndex = chosen < 0 ? this.preset.options.length - 1 : chosen;
  }

  /** @param {Preset[]} presets @param {{low: number, high: number, step: number}} range of the stored samples */
  offer(presets, range) {
    this.offered = presets;
    const options = presets.map((preset, at) => {
      const { name } = preset;
      const option = new Option(`${at + 1} ${name.length > LONGEST_NAME ? `${name.slice(0, LONGEST_NAME - 1)}…` : name}`, String(at + 1));
      option.title = name;
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
