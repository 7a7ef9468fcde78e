// The divider between two maps in one pane: dragged, or moved by arrow keys, it never repaints a picture.

import { element } from "./nodes.js";

const STEP = 0.02;

/** @param {(share: number) => void} moved share of the pane's width to its left */
export function swipeDivider(moved) {
  const divider = element("div", "divider");
  divider.tabIndex = 0;
  divider.setAttribute("role", "slider");
  divider.setAttribute("aria-label", "Swipe divider");
  divider.setAttribute("aria-valuemin", "0");
  divider.setAttribute("aria-valuemax", "100");
  divider.hidden = true;
  let share = 0.5;
  /** @param {number} asked */
  const ask = (asked) => moved(Math.min(Math.max(asked, 0), 1));
  divider.addEventListener("pointerdown", (event) => divider.setPointerCapture(event.pointerId));
  divider.addEventListener("pointermove", (event) => {
    const box = divider.parentElement?.getBoundingClientRect();
    if (box && divider.hasPointerCapture(event.pointerId)) ask((event.clientX - box.left) / box.width);
  });
  divider.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -STEP, ArrowDown: -STEP, ArrowRight: STEP, ArrowUp: STEP, Home: -1, End: 1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    ask(share + step);
  });
  /** @param {number} now */
  const show = (now) => {
    share = now;
    divider.style.left = `${100 * now}%`;
    divider.setAttribute("aria-valuenow", String(Math.round(100 * now)));
  };
  return { divider, show };
}
