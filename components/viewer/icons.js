// The toolbar's drawings: strokes in a 16 x 16 field, so that nothing is fetched.

/** @type {Record<string, string>} */
const STROKES = {
  window: "M8 2a6 6 0 1 0 0 12zM8 2a6 6 0 0 1 0 12M8 5.5h4.8M8 8h6M8 10.5h4.8",
  pan: "M8 1.5v13M1.5 8h13M6 3.5l2-2 2 2M6 12.5l2 2 2-2M3.5 6l-2 2 2 2M12.5 6l2 2-2 2",
  zoom: "M11 7A4 4 0 1 1 3 7a4 4 0 0 1 8 0zM10 10l4 4M5 7h4M7 5v4",
  fit: "M2 6V2h4M10 2h4v4M14 10v4h-4M6 14H2v-4M5.5 5.5h5v5h-5z",
  native: "M3 5l2-1.5v9M8 6v.5M8 9.5v.5M11 5l2-1.5v9",
  invert: "M2.5 2.5h11v11h-11zM2.5 13.5l11-11v11z",
  flipX: "M8 1.5v13M6 4v8L1.5 12zM10 4v8l4.5 0z",
  flipY: "M1.5 8h13M4 6h8L12 1.5zM4 10h8l0 4.5z",
  rotate: "M13 8a5 5 0 1 1-1.5-3.5M13 1.5V5H9.5",
  link: "M6.5 9.5l3-3M7 4.5L9 2.5a3 3 0 0 1 4.5 4.5L11.5 9M9 11.5l-2 2A3 3 0 0 1 2.5 9L4.5 7",
  hide: "M1.5 8S4 3.5 8 3.5 14.5 8 14.5 8 12 12.5 8 12.5 1.5 8 1.5 8zM10 8a2 2 0 1 1-4 0 2 2 0 0 1 4 0z",
  ruler: "M1.5 11.5l10-10 3 3-10 10zM4.5 8.5l1.5 1.5M7 6l1 1M9.5 3.5L11 5",
  swipe: "M8 1v14M2 4h12v8H2zM5.5 6.5L4 8l1.5 1.5M10.5 6.5L12 8l-1.5 1.5",
  lens: "M11.5 6.5a5 5 0 1 1-10 0 5 5 0 0 1 10 0zM10.2 10.2l4 4M4 6.5h5",
  project: "M2 3.5h9v9H2zM5 1.5h9v9M4 8h5M6.5 5.5v5",
  cross: "M8 1.5v4M8 10.5v4M1.5 8h4M10.5 8h4",
  box: "M3 4.5l7-2 3 2v7l-7 2-3-2zM3 4.5l3 2 7-2M6 6.5v7",
  explainVoxel: "M8 4.5l3.5 3.5L8 11.5 4.5 8zM8 1v2M8 13v2M1 8h2M13 8h2",
  blink: "M2 4h7v8H2zM7 2h7v8h-2.5",
  reset: "M3 8a5 5 0 1 0 1.5-3.5M3 1.5V5h3.5",
  help: "M5.5 6a2.5 2.5 0 1 1 3.6 2.2C8.3 8.6 8 9 8 10M8 12.5v.5",
  fullScreen: "M2 6V2h4M10 2h4v4M14 10v4h-4M6 14H2v-4",
};

/** @param {string} name */
export function icon(name) {
  const picture = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  picture.setAttribute("viewBox", "0 0 16 16");
  picture.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", STROKES[name] ?? "");
  picture.append(path);
  return picture;
}
