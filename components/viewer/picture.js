// One canvas that a painter fills: its size, the key of what it shows, and the pixels on their way to it.

export class Picture {
  /** @param {string} id among all pictures @param {HTMLCanvasElement} canvas */
  constructor(id, canvas) {
    this.id = id;
    this.canvas = canvas;
    this.width = 0;
    this.height = 0;
    /** What it shows; empty: nothing that could stay. */
    this.imageKey = "";
    /** @type {ImageData | null} */
    this.picture = null;
    /** @type {Uint32Array} */
    this.pixels = new Uint32Array(0);
  }

  /** @param {number} width device pixels @param {number} height */
  resize(width, height) {
    if (this.width === width && this.height === height) return;
    this.canvas.width = this.width = width;
    this.canvas.height = this.height = height;
    this.picture = null;
    this.imageKey = "";
  }

  /** The buffer that becomes the picture. */
  buffer() {
    if (!this.picture) {
      this.picture = new ImageData(this.width, this.height);
      this.pixels = new Uint32Array(this.picture.data.buffer);
    }
    return this.pixels;
  }

  /** Take the picture from the lowest rows of another canvas. @param {HTMLCanvasElement} canvas */
  copyFrom(canvas) {
    const { width, height } = this;
    const context = this.canvas.getContext("2d", { alpha: false });
    context?.drawImage(canvas, 0, canvas.height - height, width, height, 0, 0, width, height);
  }

  put() {
    const context = this.canvas.getContext("2d", { alpha: false });
    if (context && this.picture) context.putImageData(this.picture, 0, 0);
  }
}
