// What Streamlit calls: once for every change of data, with the shadow root as the place that stays.

import { Viewer } from "./viewer.js";

/** @type {WeakMap<object, Viewer>} */
const VIEWERS = new WeakMap();

/**
 * @param {{data: import("./viewer.js").ViewerData, parentElement: ShadowRoot | HTMLElement,
 *   setStateValue: (name: string, value: unknown) => void, setTriggerValue: (name: string, value: unknown) => void}} given
 */
export default function mount({ data, parentElement, setStateValue, setTriggerValue }) {
  let viewer = VIEWERS.get(parentElement);
  if (!viewer) {
    viewer = new Viewer(parentElement);
    VIEWERS.set(parentElement, viewer);
  }
  viewer.update(data, setStateValue, setTriggerValue);
  const shown = viewer;
  return () => {
    shown.stop();
    if (VIEWERS.get(parentElement) === shown) VIEWERS.delete(parentElement);
  };
}
