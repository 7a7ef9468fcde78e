// Under the panes: the state of the viewer in words, which outline is which, and the two sentences that never leave.

import { OUTLINES } from "./marks.js";
import { element, setShown, setText } from "./nodes.js";

const SENTENCES = "Research and teaching only: not for diagnosis. A map shows what moved this model, not what is wrong with the patient.";

export class Foot {
  constructor() {
    this.root = element("footer", "foot");
    this.readout = element("p", "readout");
    this.legend = element("p", "legend");
    this.sentences = element("p", "sentences", SENTENCES);
    this.sentences.setAttribute("role", "note");
    this.root.append(this.readout, this.legend, this.sentences);
  }

  /** @param {{name: string}[]} contours @param {boolean} hasSentences */
  tell(contours, hasSentences) {
    setShown(this.sentences, hasSentences);
    setShown(this.legend, contours.length > 0);
    this.legend.replaceChildren(
      ...contours.map(({ name }, number) => {
        const entry = element("span", "outline", name);
        entry.style.setProperty("--outline", OUTLINES[number % OUTLINES.length]);
        return entry;
      }),
    );
  }

  /** @param {import("./state.js").State} state @param {string[]} told before all else @param {boolean} isOwnScaled */
  show(state, told, isOwnScaled) {
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
