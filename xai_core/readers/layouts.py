"""Files of one examination by modality: the layouts of ISLES 2017, ISLES 2022 and BraTS, and any like them.

A layout is a set of modalities that its names tell (:mod:`xai_core.readers.names`). Of a layout that is half there the
missing modalities are named; masks that lie beside are left for :func:`xai_core.read_region`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from xai_core.case import Case
from xai_core.errors import ReadError
from xai_core.readers.names import MODALITIES, UNNAMED, is_mask_name, is_series_over_time, modality_of
from xai_core.readers.registry import read_source
from xai_core.readers.source import Source
from xai_core.readers.volume import MOST_CHANNELS, stacked

# Layout to the modalities that belong to it, in the order of its channels.
LAYOUTS: Mapping[str, tuple[str, ...]] = {
    "ISLES 2017": ("ADC", "MTT", "rCBF", "rCBV", "Tmax", "TTP"),
    "ISLES 2022": ("DWI", "ADC", "FLAIR"),
    "BraTS": ("FLAIR", "T1", "T1post", "T2"),
}


MASKS_BESIDE = "mask(s) beside the volumes were not read as modalities; open them as regions."
OVER_TIME = "file(s) with a volume at every time point were left aside."


@dataclass(frozen=True)
class Sorted:
    """``modalities``: files by modality, in the order of channels; ``layout`` ('' where it is none), ``missing`` of its
    modalities, the names of ``masks``, and how many files over time were left ``aside``."""

    modalities: Mapping[str, Source]
    layout: str = ""
    missing: tuple[str, ...] = ()
    masks: tuple[str, ...] = ()
    aside: int = 0


def sorted_out(files: Sequence[Source], title: str) -> Sorted:
    """Which modality each file is, by its name; a single file that names none is itself.

    Raises :class:`ReadError` where two files are of one modality, several name none, or there are more than six.
    """
    masks = tuple(file.name for file in files if is_mask_name(file.name))
    others = [file for file in files if file.name not in masks]
    images = [file for file in others if not is_series_over_time(file.name)]
    if not images:
        raise ReadError(f"{title} holds no image: only masks or series over time.", "Choose the images themselves.")
    found: dict[str, Source] = {}
    for file in images:
        name = modality_of(file.name)
        if name == UNNAMED and len(images) > 1:
            raise ReadError(
                f"{file.title} does not tell by its name which modality it is.",
                'Give the files by name: {"FLAIR": path, ...}.',
            )
        if name in found:
            raise ReadError(
                f"{title} holds two volumes of {name}, {found[name].title} and {file.title}.",
                "Choose one patient and one time.",
            )
        found[name] = file
    if len(found) > MOST_CHANNELS:
        raise ReadError(
            f"{title} holds {len(found)} modalities; a case has at most {MOST_CHANNELS}.", "Leave some out."
        )
    layout = _layout_of(found) if len(images) > 1 else ""
    return Sorted(
        {name: found[name] for name in ordered(found, layout)},
        layout,
        _lacking(found, layout),
        masks,
        len(others) - len(images),
    )


def ordered(found: Iterable[str], layout: str | None = None) -> list[str]:
    """Names of modalities in the order in which they stand in a case: that of their layout ('' where they are none), then
    the usual one."""
    held = list(found)
    wanted = LAYOUTS.get(_layout_of(held) if layout is None else layout, ())
    order = (*wanted, *(name for name in (*MODALITIES, UNNAMED) if name not in wanted))
    return sorted(held, key=lambda name: order.index(name) if name in order else len(order))


def missing_of(found: Iterable[str]) -> tuple[str, ...]:
    """Modalities that the layout of ``found`` has beside them; none where they are no layout."""
    held = list(found)
    return _lacking(held, _layout_of(held))


def _lacking(found: Iterable[str], layout: str) -> tuple[str, ...]:
    held = set(found)
    return tuple(name for name in LAYOUTS.get(layout, ()) if name not in held)


def _layout_of(found: Iterable[str]) -> str:
    """The layout with most of these modalities, where it has all of them and at least half are there; else ''."""
    given = set(found)
    held = {name: len(given & set(wanted)) for name, wanted in LAYOUTS.items() if given <= set(wanted)}
    best = max(held, key=lambda name: held[name] / len(LAYOUTS[name]), default="")
    return best if best and 2 * held[best] >= len(LAYOUTS[best]) else ""


def case_of_modalities(files: Sorted, title: str, reference: str | None = None) -> Case:
    """The case of sorted files, on the grid of ``reference`` (the first modality)."""
    cases = {name: read_source(source, "volume") for name, source in files.modalities.items()}
    messages = [
        f"{count} {what}" for what, count in ((MASKS_BESIDE, len(files.masks)), (OVER_TIME, files.aside)) if count
    ]
    case = stacked(cases, reference, missing=files.missing, messages=messages)
    named = {"file": title.strip("'"), "masks": ", ".join(files.masks)}
    return replace(case, patient=MappingProxyType({key: value for key, value in named.items() if value}))
