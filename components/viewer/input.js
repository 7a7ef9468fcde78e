// Keys to acts: one table of shortcuts, from which the help is made.

/**
 * @typedef {object} Shortcut
 * @property {string} shown what the help and the tooltips say
 * @property {string} act
 * @property {string} says
 * @property {(event: KeyboardEvent) => string | number | boolean | null} [match] null: not this one; else the act's argument
 */

/** @param {...string} keys a plain key, without Ctrl, Alt and Meta */
function key(...keys) {
  return (/** @type {KeyboardEvent} */ event) =>
    !event.ctrlKey && !event.metaKey && !event.altKey && keys.includes(event.key.length === 1 ? event.key.toLowerCase() : event.key)
      ? true
      : null;
}

/** @type {Shortcut[]} */
export const SHORTCUTS = [
  { shown: "1 … 6", act: "preset", says: "Window presets", match: digit(["1", "2", "3", "4", "5", "6"]) },
  { shown: "0", act: "asStored", says: "Window as stored in the file", match: key("0") },
  { shown: "W + arrows", act: "windowByArrows", says: "Window (left, right) and level (up, down)" },
  { shown: "Shift + arrows", act: "panByArrows", says: "Move the picture", match: shiftArrow },
  { shown: "+  −", act: "zoomStep", says: "Zoom in, zoom out", match: plusMinus },
  { shown: "F", act: "fit", says: "Fit the film into its pane", match: (event) => (event.shiftKey ? null : key("f")(event)) },
  { shown: "G", act: "native", says: "1:1, one sample a pixel", match: key("g") },
  { shown: "I", act: "invert", says: "Invert grey", match: key("i") },
  { shown: "X  Y", act: "flip", says: "Flip left-right, top-bottom", match: letter(["x", "y"]) },
  { shown: "R", act: "rotate", says: "Rotate a quarter turn clockwise", match: key("r") },
  { shown: "U", act: "link", says: "Link panes: zoom, place and window together", match: key("u") },
  { shown: "H", act: "hide", says: "Hide overlays: tap to switch, hold to look beneath", match: key("h") },
  { shown: "Alt + 1 … 9", act: "hidePane", says: "Hide the overlay of one pane", match: altDigit },
  { shown: "L", act: "ruler", says: "Ruler: drag a line; L again lays one across the middle", match: key("l") },
  { shown: "Arrows", act: "moveRuler", says: "Move the ruler's end, while the ruler is held", match: plainArrow },
  { shown: "Up  Down, Page, Home, End", act: "slice", says: "Previous, next slice of a volume; ten at once; first, last", match: sliceKey },
  { shown: "V", act: "plane", says: "Next plane of a volume", match: key("v") },
  { shown: "Q", act: "channel", says: "Next modality of a volume", match: key("q") },
  { shown: "A", act: "layout", says: "Next layout of a volume's panes", match: key("a") },
  { shown: "O", act: "project", says: "Greatest of the map along the slices, and back", match: key("o") },
  { shown: "C", act: "cross", says: "Crosshair tool", match: key("c") },
  { shown: "J", act: "explainVoxel", says: "Explain the voxel under the crosshair", match: key("j") },
  { shown: "K", act: "box", says: "Box in a volume: drag a rectangle, drag its edges in any plane; K again lays one about the crosshair", match: key("k") },
  { shown: "Del", act: "removeRuler", says: "Remove the chosen ruler, or the last; the box, while the box is held", match: key("Delete") },
  { shown: "Ctrl + Z", act: "undo", says: "Undo the last change of rulers or box", match: undo },
  { shown: "S", act: "swipe", says: "Swipe between the active pane and the next one: drag the divider", match: key("s") },
  { shown: "Z", act: "magnify", says: "Magnifying glass under the pointer, in all linked panes", match: key("z") },
  { shown: "B", act: "blink", says: "Blink the active pane with the next one", match: key("b") },
  { shown: "M", act: "maximise", says: "Maximise the active pane, and back", match: key("m") },
  { shown: ",  .", act: "step", says: "Previous, next pane", match: letter([",", "."]) },
  { shown: "Shift + F", act: "fullScreen", says: "Full screen", match: (event) => (event.shiftKey ? key("f")(event) : null) },
  { shown: "?", act: "help", says: "This help", match: key("?") },
  { shown: "Esc", act: "back", says: "Back from help or a maximised pane", match: key("Escape") },
  { shown: "Esc Esc", act: "reset", says: "Reset place, window and overlays" },
];

/** What the mouse does, for the help. */
export const GESTURES = [
  ["Wheel, three fingers", "Slices of a volume"],
  ["Click, drag with the crosshair", "Put the crosshair of a volume"],
  ["Left drag", "Window (sideways) and level (up, down), or the chosen tool"],
  ["Ctrl + wheel, pinch", "Zoom at the pointer"],
  ["Middle drag, Space or Ctrl + left drag", "Move the picture"],
  ["Right drag", "Zoom (with another tool held: window and level)"],
  ["Drag with the ruler", "Measure; drag an end to move it"],
  ["Drag with the box", "Mark a box in a volume; drag an edge, in another plane its depth"],
  ["Double click", "Maximise the pane, and back"],
];

/** @param {string[]} digits */
function digit(digits) {
  return (/** @type {KeyboardEvent} */ event) => (key(...digits)(event) ? Number(event.key) : null);
}

/** @param {string[]} letters */
function letter(letters) {
  return (/** @type {KeyboardEvent} */ event) => (key(...letters)(event) ? event.key.toLowerCase() : null);
}

/** @param {KeyboardEvent} event */
function altDigit(event) {
  const match = event.altKey && !event.ctrlKey && /^Digit([1-9])$/.exec(event.code);
  return match ? Number(match[1]) : null;
}

/** @param {KeyboardEvent} event */
function shiftArrow(event) {
  return event.shiftKey && event.key.startsWith("Arrow") ? event.key : null;
}

/** @param {KeyboardEvent} event */
function plainArrow(event) {
  return !event.shiftKey && !event.ctrlKey && !event.metaKey && !event.altKey && event.key.startsWith("Arrow") ? event.key : null;
}

/** Slices to go. @type {Record<string, number>} */
const SLICE_KEYS = { ArrowUp: -1, ArrowDown: 1, PageUp: -10, PageDown: 10, Home: -Infinity, End: Infinity };

/** @param {KeyboardEvent} event */
function sliceKey(event) {
  return event.shiftKey || event.ctrlKey || event.metaKey || event.altKey ? null : (SLICE_KEYS[event.key] ?? null);
}

/** @param {KeyboardEvent} event */
function undo(event) {
  return (event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey && event.key.toLowerCase() === "z" ? true : null;
}

/** @param {KeyboardEvent} event */
function plusMinus(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return null;
  if (event.key === "+" || event.key === "=") return 1;
  return event.key === "-" ? -1 : null;
}

/** The shortcuts of an event with their arguments; where one has nothing to do, the next may. @param {KeyboardEvent} event */
export function shortcutsFor(event) {
  return SHORTCUTS.flatMap(({ act, match }) => {
    const argument = match ? match(event) : null;
    return argument === null ? [] : [{ act, argument }];
  });
}

/** The shortcut of an event and its argument. @param {KeyboardEvent} event */
export function shortcutFor(event) {
  return shortcutsFor(event)[0] ?? null;
}

/** What the help says of an act, with its key: for tooltips. @param {string} act */
export function tooltip(act) {
  const shortcut = SHORTCUTS.find((row) => row.act === act);
  return shortcut ? `${shortcut.says} (${shortcut.shown})` : act;
}

/** Whether keys belong to what has the focus: text is never stolen. @param {KeyboardEvent} event */
export function isTyping(event) {
  const target = event.composedPath()[0];
  if (!(target instanceof HTMLElement)) return false;
  if (target.isContentEditable || target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement) return true;
  if (target.closest("[role=slider]") && /^(Arrow|Home|End)/.test(event.key)) return true;
  if (target.closest("[role=combobox], [role=listbox], [role=textbox], [role=dialog]")) return true;
  if (!(target instanceof HTMLInputElement)) return false;
  if (target.type === "range") return /^(Arrow|Page|Home|End)/.test(event.key);
  return !["checkbox", "radio", "button"].includes(target.type);
}

/** Acts that a key held down repeats. */
const REPEATED = ["zoomStep", "panByArrows", "moveRuler", "slice", "undo"];

/** False: there was nothing to do, the key is left to others.
 * @typedef {(act: string, argument?: string | number | boolean) => boolean | void} Act */

/**
 * Listen for keys while the viewer is on the page; returns what stops it. W and Space are held, H is tapped or held.
 * @param {Act} act @param {{space: boolean}} held
 */
export function listenToKeys(act, held) {
  let isWindowHeld = false;
  let hideSince = 0;
  let escapeSince = -Infinity;
  /** @param {KeyboardEvent} event */
  const down = (event) => {
    if (isTyping(event)) return;
    const taken = takeDown(event);
    if (taken) {
      event.preventDefault();
      event.stopImmediatePropagation();
    }
  };
  /** @param {KeyboardEvent} event */
  const takeDown = (event) => {
    const plain = !event.ctrlKey && !event.metaKey && !event.altKey;
    if (event.key === " " && plain) {
      const target = event.composedPath()[0];
      if (target instanceof HTMLElement && target.closest("button, a, summary, input")) return false;
      held.space = true;
      return true;
    }
    if (plain && event.key.toLowerCase() === "w") {
      isWindowHeld = true;
      return true;
    }
    if (isWindowHeld && event.key.startsWith("Arrow")) {
      act("windowByArrows", event.key);
      return true;
    }
    const found = shortcutFor(event);
    if (!found) return false;
    if (found.act === "hide") {
      if (!event.repeat) {
        hideSince = event.timeStamp;
        act("hide");
      }
      return true;
    }
    if (found.act === "back") {
      const isDouble = event.timeStamp - escapeSince < 500;
      escapeSince = isDouble ? -Infinity : event.timeStamp;
      act(isDouble ? "reset" : "back");
      return true;
    }
    if (event.repeat && !REPEATED.includes(found.act)) return true;
    return shortcutsFor(event).some(({ act: name, argument }) => act(name, argument) !== false);
  };
  /** @param {KeyboardEvent} event */
  const up = (event) => {
    if (event.key === " ") held.space = false;
    if (event.key.toLowerCase() === "w") isWindowHeld = false;
    if (event.key.toLowerCase() === "h" && hideSince) {
      if (event.timeStamp - hideSince > 350) act("hide");
      hideSince = 0;
    }
  };
  window.addEventListener("keydown", down, true);
  window.addEventListener("keyup", up, true);
  return () => {
    window.removeEventListener("keydown", down, true);
    window.removeEventListener("keyup", up, true);
  };
}
