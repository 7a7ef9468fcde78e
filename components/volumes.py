"""Which volume is open: the packaged samples and what this session uploaded, several files or a zip at once.

What files are is guessed from their names and headers; where that leaves a doubt the person says it, file by file, before
anything is read. Uploads are read in memory, live as long as the session and are nobody else's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import streamlit as st

import xai_core as xc
from components.shell import escaped, sentence
from xai_core.case import Case, Region
from xai_core.readers.names import MODALITIES, UNNAMED, canonical
from xai_core.readers.parts import ASIDE, MASK, Part, is_clear, opened, parts_of
from xai_core.readers.source import shown_name
from xai_core.samples import SampleCase

MOST_OWN = 3
ROLES = (*MODALITIES, MASK, ASIDE)
HELP = (
    "NIfTI, NRRD, DICOM slices or a zip of them; one file a modality, a mask too if there is one. "
    "It stays on this computer and is forgotten when the page is closed."
)
ASKED = "What is each of these? Their names do not tell."


@dataclass(frozen=True)
class Volume:
    """An open volume: ``name`` as shown, ``truth`` a region given with it, ``series`` the DICOM slices whose grid it has."""

    name: str
    case: Case
    is_own: bool
    credit: str = ""
    truth: Region | None = None
    series: tuple[bytes, ...] = ()


def choose() -> Volume | None:
    """Draw the list of volumes and the file input; the volume that is open, None where there is none yet."""
    state = st.session_state
    own: dict[str, Volume] = state.setdefault("own_volumes", {})
    place = st.container()
    uploads = st.file_uploader("Your own volume", key="volume-upload", help=HELP, accept_multiple_files=True)
    seen = tuple(upload.file_id for upload in uploads)
    before = state.get("volume-upload-seen", ())
    if seen != before:
        state["volume-upload-seen"] = seen
        added = [upload for upload in uploads if upload.file_id not in before]
        state["volume-parts"], state["volume-problem"] = _looked_at(uploads, added)
        parts = state["volume-parts"]
        if parts and is_clear(parts):
            state["volume-problem"] = _take(parts, [part.role for part in parts], seen)
    parts = state.get("volume-parts")
    if parts and not is_clear(parts):
        _ask(parts, seen)
    if state.get("volume-problem"):
        st.error(state["volume-problem"], icon=":material/error:")
    keys = [*reversed(own), *_samples()]
    if not keys:
        return None
    if state.get("volume") not in keys:
        state["volume"] = keys[0]

    def title(key: str) -> str:
        return f"Own: {own[key].name}" if key in own else _samples()[key].title

    with place:
        key = st.selectbox("Volume", keys, format_func=title, key="volume", persist_state="session")
        st.caption(escaped(title(key)))
    return own[key] if key in own else _sample(key)


def models(case: Case) -> tuple[list[str], list[str]]:
    """Names of the models that read the volume, those of most modalities first, and a sentence for each that lacks one."""
    held = {canonical(name) for name in case.channels}
    fitting, lacking = [], []
    for card in xc.models():
        if card.modality != "MR" or len(card.input.size) != 3:
            continue
        missing = [name for name in card.channels if canonical(name) not in held]
        if missing:
            lacking.append(f"{card.title} needs {', '.join(missing)}, which this volume has not.")
        else:
            fitting.append((not card.shipped, -len(card.channels), card.name))
    return [name for *_, name in sorted(fitting)], lacking


def messages(volume: Volume) -> None:
    """What the reader has to say of the volume."""
    facts = volume.case.facts
    told = [*facts.get("messages", ()), *(volume.truth.messages if volume.truth is not None else ())]
    for line in dict.fromkeys(told):
        st.warning(escaped(line), icon=":material/info:")
    notes = [*facts.get("notes", ()), *([f"Credit: {volume.credit}"] if volume.credit else [])]
    if notes:
        st.caption("  \n".join(escaped(note) for note in notes))


def _looked_at(uploads: list[Any], added: list[Any]) -> tuple[list[Part], str | None]:
    """The parts of all files in the list, or, where they are not clear together and those of before were read, of those just
    added: another modality joins the volume, another examination opens for itself."""
    try:
        parts = _parts(uploads) if added else []
        if not is_clear(parts) and not st.session_state.get("volume-parts"):
            parts = _parts(added)
        return parts, None
    except xc.LightboxError as problem:
        return [], sentence(problem)


def _parts(uploads: list[Any]) -> list[Part]:
    return parts_of({f"{place}/{upload.name}": upload.getvalue() for place, upload in enumerate(uploads)})


def _ask(parts: list[Part], seen: tuple[str, ...]) -> None:
    """A select a part and the button that reads them."""
    with st.container(key="volume-roles"):
        st.markdown(ASKED)
        roles = [
            st.selectbox(
                escaped(shown_name(part.title)),
                ROLES,
                index=ROLES.index(part.role) if part.role in ROLES else None,
                key=f"volume-role|{seen[-1]}|{place}",
                placeholder="Choose its modality",
            )
            for place, part in enumerate(parts)
        ]
        if st.button("Read them", key="volume-read", disabled=None in roles, width="stretch"):
            st.session_state["volume-problem"] = _take(parts, [role or UNNAMED for role in roles], seen)
            if st.session_state["volume-problem"] is None:
                st.rerun()


def _take(parts: list[Part], roles: list[str], seen: tuple[str, ...]) -> str | None:
    """Read ``parts`` into the session's volumes and open that; the sentence to show where that is not possible."""
    own: dict[str, Volume] = st.session_state["own_volumes"]
    try:
        with st.spinner("Reading the volume"):
            found = opened(parts, roles)
    except xc.LightboxError as problem:
        return sentence(problem)
    key = f"own-{seen[-1]}-{'-'.join(roles)}"
    name = f"{shown_name(parts[0].title)[:32]} ({', '.join(found.case.channels)})"
    own[key] = Volume(name, found.case, True, truth=found.truth, series=found.series)
    for oldest in list(own)[:-MOST_OWN]:
        del own[oldest]
    st.session_state["volume"] = key
    st.session_state["volume-parts"] = []
    return None


def _samples() -> dict[str, SampleCase]:
    return xc.sample_cases("volume")


@st.cache_resource(show_spinner="Reading the volume", max_entries=4)
def _sample(name: str) -> Volume:
    """A packaged volume; frozen, and so shared by all sessions."""
    sample = _samples()[name]
    case = xc.read_case(sample)
    path = sample.regions.get("lesion")
    truth = None if path is None else xc.read_region(path, case, "ground truth")
    return Volume(sample.title, case, False, f"{sample.credit}. {sample.licence}.", truth)
