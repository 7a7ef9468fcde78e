// The toolbar's part for volumes: plane, modality, layout, slice, projection, crosshair. Not there for films.

import { LAYOUTS } from "./cells.js";
import { spansOf } from "./boxes.js";
import { choice, group, limit, numberField, pushButton, setNumber, setSlider, slider } from "./controls.js";
import { tooltip } from "./input.js";
import { setShown } from "./nodes.js";
import { planeNamed, sliceAtCursor } from "./volumestate.js";

/** @typedef {import("./film.js").CaseData} CaseData */

export class VolumeTools {
  /** @param {(act: string, argument?: string | number | boolean) => void} act */
  constructor(act) {
    this.plane = choice("Plane", [], (value) => act("plane", value));
    this.channel = choice("Modality", [], (value) => act("channel", Number(value)));
    this.layout = choice("Layout", Object.entries(LAYOUTS).map(([name, { title }]) => [name, title]), (value) => act("layout", value));
    this.slice = slider("Slice", (value) => act("toSlice", value - 1));
    this.project = pushButton("project", "Projection", tooltip("project"), () => act("project"));
    this.cross = pushButton("cross", "Crosshair tool", tooltip("cross"), () => act("cross"));
    this.voxel = pushButton("explainVoxel", "Explain this voxel", tooltip("explainVoxel"), () => act("explainVoxel"));
    this.box = pushButton("box", "Box tool", tooltip("box"), () => act("box"));
    this.ends = [
      numberField("Box from slice", (value) => act("boxFrom", value - 1)),
      numberField("Box to slice", (value) => act("boxTo", value - 1)),
    ];
    for (const end of this.ends) end.title = "First and last slice of the box, in this plane";
    this.depth = group("Slices of the box", ...this.ends);
    this.root = group(
      "Volume", this.plane, this.channel, this.layout, this.slice.label, this.project, this.cross, this.voxel, this.box, this.depth,
    );
    this.root.hidden = true;
    /** @type {CaseData | null} */
    this.offered = null;
  }

  /** @param {import("./state.js").State} state @param {CaseData} given @param {import("./cells.js").Seen | null} seen in the active pane */
  show({ volume, tool, picks, box }, given, seen) {
    setShown(this.root, volume !== null);
    if (!volume) return;
    if (this.offered !== given) this.offer(given);
    const plane = planeNamed(given, seen?.plane ?? volume.plane);
    const slice = sliceAtCursor(given, volume, plane.name) + 1;
    this.plane.value = plane.name;
    this.channel.value = String(volume.channel);
    this.layout.value = volume.layout;
    limit(this.slice.input, 1, plane.slices, 1);
    setSlider(this.slice, slice, `${slice}/${plane.slices}`);
    this.project.setAttribute("aria-pressed", String(volume.isProjected));
    this.cross.setAttribute("aria-pressed", String(tool === "cross"));
    this.box.setAttribute("aria-pressed", String(tool === "box"));
    setShown(this.voxel, picks.includes("voxel"));
    setShown(this.box, picks.includes("box"));
    setShown(this.depth, box !== null && tool === "box");
    if (box) spansOf(given, box, plane.name)[0].forEach((slice, at) => setNumber(this.ends[at], slice + 1));
  }

  /** @param {CaseData} given */
  offer(given) {
    this.offered = given;
    this.plane.replaceChildren(...given.planes.map(({ name }) => new Option(name, name)));
    this.channel.replaceChildren(...given.channels.map(({ name }, at) => new Option(name, String(at))));
    setShown(this.channel, given.channels.length > 1);
  }
}
