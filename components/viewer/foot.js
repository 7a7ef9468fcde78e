// Under the panes: the state of the viewer in words, which region is which and whether it is shown, and the two sentences
// that never leave.

import { element, setShown, setText } from "./nodes.js";
import { regionColour, regionLine } from "./regions.js";

const SENTENCES = "Research and teaching only: not for diagnosis. A map shows what moved this model, not what is wrong with the patient.";

export class Foot {
  /** @param {(act: string, argument: string) => void} act */
  constructor(act) {
    this.act = act;
    /** @type {HTMLButtonElement[]} */
    this.entries = [];
    this.root = element("footer", "foot");
    this.readout = element("p", "readout");
    this.legend = element("div", "legend");
    this.legend.setAttribute("role", "group");
    this.legend.setAttribute("aria-label", "Regions");
    this.sentences = element("p", "sentences", SENTENCES);
    this.sentences.setAttribute("role", "note");
    this.root.append(this.readout, this.legend, this.sentences);
  }

  /** @param {{name: string}[]} contours @param {boolean} hasSentences */
  tell(contours, hasSentences) {
    setShown(this.sentences, hasSentences);
    setShown(this.legend, contours.length > 0);
    if (contours.map(({ name }) => name).join("\n") === this.entries.map(({ textContent }) => textContent).join("\n")) return;
    this.entries = contours.map(({ name }, number) => {
      const entry = element("button", `region line-${regionLine(number)}`, name);
      entry.type = "button";
      entry.title = `Show or hide ${name}`;
      entry.style.setProperty("--region", regionColour(number));
      entry.addEventListener("click", () => this.act("region", name));
      return entry;
    });
    this.legend.replaceChildren(...this.entries);
  }

  /** @param {import("./state.js").State} state @param {string[]} told before all else @param {boolean} isOwnScaled */
  show(state, told, isOwnScaled) {
    for (const entry of this.entries) entry.setAttribute("aria-pressed", String(!state.regionsHidden[entry.textContent ?? ""]));
    const words = [
      ...told,
      state.linked ? "linked" : "not linked",
      state.overlaysHidden ? "overlays hidden (H)" : "",
      isOwnScaled ? "maps of one unit too unlike for one scale: each has its own" : "",
      state.maximised ? "M or Esc: all panes" : "",
      "? help",
    ];
    setText(this.readout, words.filter(Boolean).join(" · "));
  }
}
