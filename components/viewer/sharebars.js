// How much of a map lies on each modality: bars over the picture, each a button that brings its modality under the map.

import { element, setShown, setText } from "./nodes.js";

/** A share in words: "62 %". @param {number} share */
export function percent(share) {
  return share > 0 && share < 0.005 ? "<1 %" : `${Math.round(100 * share)} %`;
}

export class ShareBars {
  /** @param {(channel: number) => void} choose */
  constructor(choose) {
    this.choose = choose;
    this.root = element("div", "shares");
    this.root.setAttribute("role", "group");
    this.root.setAttribute("aria-label", "Shares of the modalities");
    this.root.hidden = true;
    // The wheel goes on to the picture below; a press does not.
    for (const name of ["pointerdown", "dblclick"]) this.root.addEventListener(name, (event) => event.stopPropagation());
    /** @type {{channel: number, button: HTMLButtonElement}[]} */
    this.bars = [];
    this.key = "";
  }

  /**
   * @param {readonly number[] | null} shares by modality; null where there is none to tell @param {readonly {name: string}[]} channels
   * @param {readonly number[]} told which of them are told here @param {number} shown the modality under the map
   */
  show(shares, channels, told, shown) {
    const isTold = shares !== null && told.length > 0;
    setShown(this.root, isTold);
    if (!isTold) return;
    const key = JSON.stringify([shares, told, told.map((channel) => channels[channel]?.name)]);
    if (key !== this.key) {
      this.key = key;
      this.bars = told.map((channel) => ({ channel, button: this.bar(channel, channels[channel]?.name ?? "", shares[channel] ?? 0) }));
      this.root.replaceChildren(...this.bars.map(({ button }) => button));
    }
    for (const { channel, button } of this.bars) {
      const isShown = String(channel === shown);
      if (button.getAttribute("aria-pressed") !== isShown) button.setAttribute("aria-pressed", isShown);
    }
  }

  /** @param {number} channel @param {string} name @param {number} share */
  bar(channel, name, share) {
    const button = element("button", "share");
    button.type = "button";
    button.setAttribute("aria-label", `${name}: ${percent(share)} of the map`);
    button.title = `${percent(share)} of the map's magnitudes lie on ${name}: press to look at it`;
    const number = element("span", "number");
    setText(number, percent(share));
    const track = element("i", "");
    track.style.setProperty("--share", String(share));
    button.append(element("span", "name", name), track, number);
    button.addEventListener("click", () => this.choose(channel));
    return button;
  }
}
