// A pad to draw one digit on. Ink stays in the browser until the pen is lifted; then one message of grid x grid bytes goes out.

/** @typedef {{ data: { grid: number }, parentElement: ShadowRoot, setStateValue: (name: string, value: string) => void }} Mounted */

/** Grey values of the canvas on a grid of `side` squares, as base64. @param {HTMLCanvasElement} canvas @param {number} side */
function inkOf(canvas, side) {
  const small = document.createElement("canvas");
  small.width = side;
  small.height = side;
  const brush = /** @type {CanvasRenderingContext2D} */ (small.getContext("2d"));
  brush.imageSmoothingQuality = "high";
  brush.drawImage(canvas, 0, 0, side, side);
  const rgba = brush.getImageData(0, 0, side, side).data;
  let text = "";
  for (let at = 3; at < rgba.length; at += 4) text += String.fromCharCode(rgba[at]);
  return btoa(text);
}

/** Called once for every change of data; the canvas and its ink stay. @param {Mounted} component */
export default function mountPad({ data, parentElement, setStateValue }) {
  const canvas = /** @type {HTMLCanvasElement} */ (parentElement.querySelector("canvas"));
  const clear = /** @type {HTMLButtonElement} */ (parentElement.querySelector("button"));
  const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  Object.assign(pen, { strokeStyle: "#fff", lineWidth: 24, lineCap: "round", lineJoin: "round" });
  let isDown = false;

  /** @param {PointerEvent} event */
  const place = (event) => {
    const scale = canvas.width / canvas.getBoundingClientRect().width;
    return /** @type {[number, number]} */ ([event.offsetX * scale, event.offsetY * scale]);
  };
  canvas.onpointerdown = (event) => {
    isDown = true;
    canvas.setPointerCapture(event.pointerId);
    pen.beginPath();
    pen.moveTo(...place(event));
    pen.lineTo(...place(event));
    pen.stroke();
  };
  canvas.onpointermove = (event) => {
    if (!isDown) return;
    pen.lineTo(...place(event));
    pen.stroke();
  };
  canvas.onpointerup = canvas.onpointercancel = () => {
    if (!isDown) return;
    isDown = false;
    setStateValue("ink", inkOf(canvas, data.grid));
  };
  clear.onclick = () => {
    pen.clearRect(0, 0, canvas.width, canvas.height);
    setStateValue("ink", "");
  };
}
