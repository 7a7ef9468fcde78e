// The toolbar's parts: sliders with their value, numbers typed in, choices, switches, and what folds away.

import { icon } from "./icons.js";
import { inShort } from "./marks.js";
import { element, setText } from "./nodes.js";

/** @typedef {{label: HTMLLabelElement, input: HTMLInputElement, shown: HTMLElement}} Slider */

/** @param {string} name @param {...HTMLElement} parts */
export function group(name, ...parts) {
  const made = element("div", "group");
  made.setAttribute("role", "group");
  made.setAttribute("aria-label", name);
  made.append(...parts);
  return made;
}

/** @param {string} drawing @param {string} name @param {string} says @param {() => void} pressed */
export function pushButton(drawing, name, says, pressed) {
  const made = element("button", "tool");
  made.type = "button";
  made.setAttribute("aria-label", name);
  made.title = says;
  made.append(icon(drawing));
  made.addEventListener("click", () => pressed());
  return made;
}

/**
 * A name and a value over a track. @param {string} name @param {(value: number) => void} moved @param {() => void} [released]
 * @returns {Slider}
 */
export function slider(name, moved, released) {
  const label = element("label", "slider");
  const input = range(name, moved, released);
  const shown = element("output", "shown");
  label.append(quiet(name), shown, input);
  return { label, input, shown };
}

/**
 * Two ends on one track. @param {string} name @param {[string, (value: number) => void][]} ends low and high
 * @param {() => void} released
 */
export function rangeSlider(name, ends, released) {
  const root = element("div", "slider ends");
  const inputs = ends.map(([end, moved]) => range(end, moved, released));
  const shown = element("output", "shown");
  const track = element("div", "track");
  track.append(...inputs);
  root.append(quiet(name), shown, track);
  return { root, inputs, shown };
}

/** @param {string} text @returns {HTMLElement} */
function quiet(text) {
  const name = element("span", "name", text);
  name.setAttribute("aria-hidden", "true");
  return name;
}

/** @param {string} name @param {(value: number) => void} moved @param {() => void} [released] */
function range(name, moved, released) {
  const input = element("input", "");
  input.type = "range";
  input.setAttribute("aria-label", name);
  limit(input, 0, 1, 0.01);
  input.addEventListener("input", () => moved(Number(input.value)));
  if (released) input.addEventListener("change", released);
  return input;
}

/** @param {HTMLInputElement} input @param {number} low @param {number} high @param {number} step */
export function limit(input, low, high, step) {
  input.min = String(low);
  input.max = String(high);
  input.step = String(step);
}

/** @param {Slider} slider @param {number} value @param {string} text */
export function setSlider({ input, shown }, value, text) {
  if (Number(input.value) !== value) input.value = String(value);
  input.style.setProperty("--share", String(shareOf(input)));
  setText(shown, text);
}

/** @param {ReturnType<typeof rangeSlider>} slider @param {number[]} values */
export function setRange({ root, inputs, shown }, values) {
  inputs.forEach((input, at) => {
    if (Number(input.value) !== values[at]) input.value = String(values[at]);
    root.style.setProperty(at === 0 ? "--from" : "--to", String(shareOf(input)));
  });
  setText(shown, values.map((value) => value.toFixed(2)).join("–"));
}

/** @param {HTMLInputElement} input */
function shareOf(input) {
  const low = Number(input.min);
  return (Number(input.value) - low) / (Number(input.max) - low || 1);
}

/** @param {string} name @param {(value: number) => void} entered */
export function numberField(name, entered) {
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

/** @param {HTMLInputElement} input @param {number} value */
export function setNumber(input, value) {
  const root = input.getRootNode();
  if (root instanceof ShadowRoot && root.activeElement === input) return;
  const text = Number.isInteger(value) || Math.abs(value) >= 100 ? String(Math.round(value)) : inShort(value).replace("−", "-");
  if (input.value !== text) input.value = text;
}

/** @param {string} name @param {string[][]} options value and text @param {(value: string) => void} chosen */
export function choice(name, options, chosen) {
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
export function check(name, says, changed) {
  const label = element("label", "check");
  label.title = says;
  const input = element("input", "");
  input.type = "checkbox";
  input.addEventListener("change", () => changed(input.checked));
  label.append(input, element("span", "", name));
  return { label, input };
}

/**
 * A button that unfolds a sheet of rows under it; a press elsewhere or leaving it by Tab folds it again, and so does `fold`.
 * @param {string} name @param {[string, HTMLElement][]} rows what stands before a control, and the control
 * @param {string} [drawing] on the button instead of its name
 */
export function unfolding(name, rows, drawing) {
  const root = element("div", "unfolding");
  const button = element("button", "unfold", drawing ? "" : name);
  button.type = "button";
  button.setAttribute("aria-label", name);
  button.title = name;
  if (drawing) button.append(icon(drawing));
  const sheet = element("div", "sheet");
  sheet.setAttribute("role", "group");
  sheet.setAttribute("aria-label", name);
  for (const [text, control] of rows) {
    const said = quiet(text);
    sheet.append(said, control);
  }
  /** @param {boolean} isOpen */
  const show = (isOpen) => {
    button.setAttribute("aria-expanded", String(isOpen));
    sheet.hidden = !isOpen;
  };
  show(false);
  button.addEventListener("click", () => show(Boolean(sheet.hidden)));
  root.addEventListener("focusout", (event) => {
    if (event.relatedTarget instanceof Node && !root.contains(event.relatedTarget)) show(false);
  });
  root.append(button, sheet);
  /** Whether there was something to fold. */
  const fold = () => {
    if (sheet.hidden) return false;
    show(false);
    button.focus();
    return true;
  };
  return { root, fold };
}
