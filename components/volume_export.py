"""Files to take away from the volume page: made when a button is pressed, on the case's grid, naming nobody unless asked to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import streamlit as st

from components.panes import with_looks
from components.shell import escaped
from components.volumes import Volume
from xai_core import volume_exports as exports
from xai_core.explain import Explanation
from xai_core.explainers.registry import ExplainerInfo
from xai_core.jobs import Job
from xai_core.models.card import Card
from xai_core.planes import PlaneName
from xai_core.volume_findings import VolumeFinding
from xai_core.volume_report import volume_report

PLANES: tuple[PlaneName, ...] = ("axial", "coronal", "sagittal")
UNPLACED = "The file does not say where the volume lies, so that only pictures and the report can leave."
NO_SERIES = "DICOM files can be written where the volume came from a DICOM series."
CLEAN = "No name of a patient or of a file goes along."
PATIENT = "With the patient's name in DICOM files"
WHY_PATIENT = "An archive that files by patient needs it. Off: the files reference the series and name nobody."


def offer(
    volume: Volume,
    card: Card,
    found: Sequence[VolumeFinding],
    target: str,
    job: Job,
    looks: Job | None,
    infos: Mapping[str, ExplainerInfo],
) -> None:
    """Draw the popover; a map is among the choices once it is there."""
    maps = {
        name: state.explanation
        for (name, _), state in with_looks(job, looks).items()
        if state.explanation is not None and state.explanation.case_digest == volume.case.digest
    }
    with st.popover("Export", icon=":material/download:", width="stretch"):
        if maps:
            name = st.selectbox("Map", list(maps), format_func=lambda one: infos[one].title, key="volume-export-map")
            _map(volume, card, found, target, maps[name])
            report = partial(volume_report, volume.case, card, found, list(maps.values()), target, volume.truth)
            _button("Report (HTML)", f"lightbox-{card.name}.html", "text/html", report)
        _region(volume, card, found, target)
        st.caption(CLEAN if not volume.series else f"{CLEAN} Identifiers of the series stay in DICOM files.")


def _map(volume: Volume, card: Card, found: Sequence[VolumeFinding], target: str, chosen: Explanation) -> None:
    case, stem = volume.case, exports.stem(chosen)
    regions = [one.region for one in found if one.label == target and one.parts]
    regions += [volume.truth] if volume.truth is not None else []
    plane = st.selectbox("Plane of the picture", PLANES, key="volume-export-plane")
    channel = 0
    if len(case.channels) > 1:
        channel = st.selectbox(
            "Modality of the picture",
            range(len(case.channels)),
            format_func=lambda place: case.channels[place],
            key="volume-export-channel",
        )
    picture = partial(exports.picture_png, case, chosen, card.channels, regions, plane, channel)
    _button("Picture (PNG)", f"{stem}-{plane}.png", "image/png", picture)
    if case.geometry.affine is None:
        st.caption(UNPLACED)
        return
    _button("Map (NIfTI)", f"{stem}.nii.gz", "application/gzip", partial(exports.map_nifti, case, chosen))
    if volume.series:
        named = st.toggle(PATIENT, key="volume-export-named", help=WHY_PATIENT)
        make = partial(exports.map_dicom, case, chosen, volume.series, named)
        _button("Map (DICOM Parametric Map)", f"{stem}.dcm", "application/dicom", make)
    else:
        st.caption(NO_SERIES)


def _region(volume: Volume, card: Card, found: Sequence[VolumeFinding], target: str) -> None:
    """The predicted region of the chosen label, where there is any."""
    case = volume.case
    predicted = next((one.region for one in found if one.label == target and one.parts), None)
    if predicted is None or case.geometry.affine is None:
        return
    stem = f"{card.name}-{'-'.join(target.lower().split())}".replace("/", "-")
    _button("Prediction (NIfTI)", f"{stem}.nii.gz", "application/gzip", partial(exports.region_nifti, case, predicted))
    if volume.series:
        named = bool(st.session_state.get("volume-export-named"))
        make = partial(exports.region_dicom, case, predicted, volume.series, named)
        _button("Prediction (DICOM SEG)", f"{stem}.dcm", "application/dicom", make)


def _button(title: str, file: str, kind: str, make: Callable[[], bytes | str]) -> None:
    st.download_button(
        escaped(title),
        make,
        file,
        kind,
        key=f"volume-export|{title}",
        icon=":material/download:",
        on_click="ignore",
        width="stretch",
    )
