// Hands to acts: one table of shortcuts, from which the help is made, and the pointer's meaning in a pane.

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
  { shown: "Del", act: "removeRuler", says: "Remove the chosen ruler, or the last", match: key("Delete") },
  { shown: "Ctrl + Z", act: "undo", says: "Undo the last change of rulers", match: undo },
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
  ["Left drag", "Window (sideways) and level (up, down), or the chosen tool"],
  ["Ctrl + wheel, pinch", "Zoom at the pointer"],
  ["Middle drag, Space or Ctrl + left drag", "Move the picture"],
  ["Right drag", "Zoom (with another tool held: window and level)"],
  ["Drag with the ruler", "Measure; drag an end to move it"],
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

/** The shortcut of an event and its argument. @param {KeyboardEvent} event */
export function shortcutFor(event) {
  for (const shortcut of SHORTCUTS) {
    const argument = shortcut.match ? shortcut.match(event) : null;
    if (argument !== null) return { act: shortcut.act, argument };
  }
  return null;
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
    const isTaken = !event.repeat || ["zoomStep", "panByArrows", "moveRuler", "undo"].includes(found.act);
    return !isTaken || act(found.act, found.argument) !== false;
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

/** @typedef {"window" | "pan" | "zoom" | "ruler"} Tool */

/**
 * @typedef {object} Hand What a pane's pointer does; places in CSS pixels from the canvas's corner.
 * @property {(pane: string) => void} enter
 * @property {(pane: string, x: number, y: number) => void} hover
 * @property {() => void} leave
 * @property {(pane: string, tool: Tool, x: number, y: number) => void} press
 * @property {(pane: string, tool: Tool, dx: number, dy: number, x: number, y: number) => void} drag after the hover
 * @property {(pane: string, tool: Tool) => void} release
 * @property {(pane: string, factor: number, x: number, y: number) => void} zoom
 * @property {(pane: string) => void} double
 * @property {(share: number) => void} divide of the pane's width left of the swipe's divider
 * @property {() => Tool} tool
 */

/**
 * @param {HTMLElement} surface @param {string} pane @param {Hand} hand @param {{space: boolean}} held
 */
export function listenToPointer(surface, pane, hand, held) {
  /** @type {Map<number, {x: number, y: number}>} */
  const down = new Map();
  /** @type {Tool} */
  let tool = "window";
  let started = { x: 0, y: 0 };
  /** @param {MouseEvent} event */
  const placeOf = (event) => {
    const box = surface.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };
  surface.addEventListener("pointerdown", (event) => {
    hand.enter(pane);
    surface.setPointerCapture(event.pointerId);
    started = placeOf(event);
    down.set(event.pointerId, started);
    const chosen = hand.tool();
    if (event.button === 1 || (event.button === 0 && (held.space || event.ctrlKey))) tool = "pan";
    else if (event.button === 2) tool = chosen === "window" ? "zoom" : "window";
    else tool = chosen;
    if (event.button === 1) event.preventDefault();
    hand.press(pane, tool, started.x, started.y);
  });
  surface.addEventListener("pointermove", (event) => {
    const place = placeOf(event);
    const last = down.get(event.pointerId);
    hand.hover(pane, place.x, place.y);
    if (!last) return;
    if (down.size === 2) twoFingers(event.pointerId, last, place);
    else hand.drag(pane, tool, place.x - last.x, place.y - last.y, started.x, started.y);
    down.set(event.pointerId, place);
  });
  /** @param {number} id @param {{x: number, y: number}} last @param {{x: number, y: number}} place */
  const twoFingers = (id, last, place) => {
    const other = [...down].find(([number]) => number !== id)?.[1];
    if (!other) return;
    const before = Math.hypot(last.x - other.x, last.y - other.y);
    const after = Math.hypot(place.x - other.x, place.y - other.y);
    if (before > 8) hand.zoom(pane, after / before, (place.x + other.x) / 2, (place.y + other.y) / 2);
    hand.drag(pane, "pan", (place.x - last.x) / 2, (place.y - last.y) / 2, started.x, started.y);
  };
  for (const name of /** @type {const} */ (["pointerup", "pointercancel"])) {
    surface.addEventListener(name, (event) => {
      if (down.delete(event.pointerId)) hand.release(pane, tool);
    });
  }
  surface.addEventListener("pointerleave", () => {
    if (!down.size) hand.leave();
  });
  surface.addEventListener("dblclick", () => hand.double(pane));
  surface.addEventListener("contextmenu", (event) => event.preventDefault());
  surface.addEventListener("auxclick", (event) => event.preventDefault());
  surface.addEventListener(
    "wheel",
    (event) => {
      if (!event.ctrlKey) return;
      event.preventDefault();
      const place = placeOf(event);
      const lines = event.deltaMode === 1 ? event.deltaY * 16 : event.deltaY;
      hand.zoom(pane, Math.exp(-Math.max(-100, Math.min(100, lines)) / 400), place.x, place.y);
    },
    { passive: false },
  );
}
