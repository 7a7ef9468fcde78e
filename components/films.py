"""Which film is open: the packaged samples and what this session uploaded.

An upload is read in memory and its name is only ever shown, never a path. A file that cannot be read costs one
sentence; the film that was open stays open. Uploaded films live as long as the session and are nobody else's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import streamlit as st

import xai_core as xc
from components.shell import escaped, sentence
from xai_core.case import Case

MOST_OWN = 8
FIRST_MODEL = "cxr-resnet18"
CHEATING = frozenset({"cxr-resnet18-study"})
"""Models that are there to be caught, and stand beside others only when asked for."""
ONE_LINE = 22  # letters that fit into the field at the side; it cannot wrap


@dataclass(frozen=True)
class Film:
    """An open film: ``name`` as shown, ``is_own`` where the session uploaded it."""

    name: str
    case: Case
    is_own: bool
    credit: str = ""


def choose() -> Film:
    """Draw the list of films and the file input; returns the film that is open. Raises ``ReadError`` for a bad sample."""
    own: dict[str, Film] = st.session_state.setdefault("own_films", {})
    place = st.container()
    upload = st.file_uploader(
        "Your own film",
        key="upload",
        help="DICOM, PNG, JPEG, WebP or TIFF. It stays on this computer and is forgotten when the page is closed.",
    )
    if upload is not None and upload.file_id != st.session_state.get("upload_seen"):
        st.session_state["upload_seen"] = upload.file_id
        st.session_state["upload_problem"] = _take(upload, own)
    if upload is None:
        st.session_state["upload_problem"] = None
    if st.session_state["upload_problem"]:
        st.error(st.session_state["upload_problem"], icon=":material/error:")
    samples = list(xc.sample_cases("film"))
    keys = [*reversed(own), *samples]
    if st.session_state.get("film") not in keys:
        st.session_state["film"] = samples[0]

    def title(key: str) -> str:
        return f"Own: {own[key].name}" if key in own else _title(key)

    with place:
        key = st.selectbox("Film", keys, format_func=title, key="film", persist_state="session")
        if len(title(key)) > ONE_LINE:
            st.caption(escaped(title(key)))
    return own[key] if key in own else packaged(key)


def packaged(name: str) -> Film:
    """A packaged film."""
    return Film(_title(name), _sample(name), False, _credit(name))


def models(with_means: bool = True) -> list[str]:
    """Names of the models that read films, packaged means of several among them where asked for."""
    cards = [card for card in xc.models() if card.modality == "CXR" and card.task == "classification"]
    names = [card.name for card in cards if with_means or not card.members]
    return sorted(names, key=lambda name: name != FIRST_MODEL)


def models_of_slices() -> list[str]:
    """Names of the models that classify single slices of MR, which come as pictures too."""
    cards = [card for card in xc.models() if card.modality == "MR" and card.task == "classification"]
    return [card.name for card in cards if len(card.input.size) == 2]


def messages(film: Film, more: tuple[str, ...] = ()) -> None:
    """What the reader and the preprocessing have to say of the film."""
    facts = film.case.facts
    for line in dict.fromkeys([*facts.get("messages", ()), *more]):
        st.warning(escaped(line), icon=":material/info:")
    notes = [*facts.get("notes", ()), *([f"Credit: {film.credit}"] if film.credit else [])]
    if notes:
        st.caption("  \n".join(escaped(note) for note in notes))


def _take(upload: Any, own: dict[str, Film]) -> str | None:
    """Read ``upload`` into the session's films and open it; the sentence to show where that is not possible."""
    try:
        with st.spinner("Reading the film"):
            case = xc.read_case(upload.getvalue(), name=upload.name, kind="film")
    except xc.LightboxError as problem:
        return sentence(problem)
    key = f"own-{upload.file_id}"
    own[key] = Film(_shortened(upload.name), case, True)
    for oldest in list(own)[:-MOST_OWN]:
        del own[oldest]
    st.session_state["film"] = key
    return None


@st.cache_resource(show_spinner=False, max_entries=16)
def _sample(name: str) -> Case:
    """A packaged case; frozen, and so shared by all sessions."""
    return xc.read_case(xc.sample_cases()[name])


def _title(name: str) -> str:
    return xc.sample_cases()[name].title


def _credit(name: str) -> str:
    sample = xc.sample_cases()[name]
    return f"{sample.credit}. {sample.licence}."


def _shortened(name: str, most: int = 48) -> str:
    plain = "".join(letter for letter in name.replace("\\", "/").rsplit("/", 1)[-1] if letter.isprintable())
    return plain if len(plain) <= most else f"{plain[: most // 2]}…{plain[-most // 2 :]}"
