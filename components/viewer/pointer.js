// The pointer's meaning in a pane: mouse, pen and fingers become places, drags, zooms and slices.

/** @typedef {"window" | "pan" | "zoom" | "ruler" | "cross" | "box"} Tool */

/**
 * @typedef {object} Hand What a pane's pointer does; places in CSS pixels from the canvas's corner.
 * @property {(pane: string) => void} enter
 * @property {(pane: string, x: number, y: number) => void} hover
 * @property {() => void} leave
 * @property {(pane: string, tool: Tool, x: number, y: number) => void} press
 * @property {(pane: string, tool: Tool, dx: number, dy: number, x: number, y: number) => void} drag after the hover
 * @property {(pane: string, tool: Tool) => void} release
 * @property {(pane: string, factor: number, x: number, y: number) => void} zoom
 * @property {(pane: string, slices: number) => boolean} scroll whether there are slices to scroll
 * @property {(pane: string) => void} double
 * @property {(share: number) => void} divide of the pane's width left of the swipe's divider
 * @property {(channel: number) => void} choose a modality of a volume
 * @property {() => Tool} tool
 */

/** CSS pixels a slice: of fingers (three of which move), of a touchpad. A wheel's notch, at least so long, is one slice. */
const FINGER_WAY = 36;
const WHEEL_WAY = 24;
const NOTCH_LEAST = 48;

/**
 * @param {HTMLElement} surface @param {string} pane @param {Hand} hand @param {{space: boolean}} held
 */
export function listenToPointer(surface, pane, hand, held) {
  /** @type {Map<number, {x: number, y: number}>} */
  const down = new Map();
  /** @type {Tool} */
  let tool = "window";
  let started = { x: 0, y: 0 };
  let scrolled = 0;
  /** Slices for a way of the wheel or of fingers; whether there are any. @param {number} way CSS pixels @param {number} each of a slice */
  const scroll = (way, each) => {
    scrolled += way / each;
    const whole = Math.trunc(scrolled);
    scrolled -= whole;
    return hand.scroll(pane, whole);
  };
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
    if (down.size === 3) scroll(place.y - last.y, FINGER_WAY);
    else if (down.size === 2) twoFingers(event.pointerId, last, place);
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
      const lines = event.deltaMode === 1 ? event.deltaY * 16 : event.deltaY;
      if (!event.ctrlKey) {
        const isNotch = Math.abs(lines) >= NOTCH_LEAST;
        if (scroll(isNotch ? Math.sign(lines) : lines, isNotch ? 1 : WHEEL_WAY)) event.preventDefault();
        return;
      }
      event.preventDefault();
      const place = placeOf(event);
      hand.zoom(pane, Math.exp(-Math.max(-100, Math.min(100, lines)) / 400), place.x, place.y);
    },
    { passive: false },
  );
}
