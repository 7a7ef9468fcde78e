"""What a file's name says of a volume: the MR modality or map it holds, or that it is a mask.

Sources: the naming of ISLES 2015 and 2017 (VSD.Brain.XX.O.MR_ADC), ISLES 2022 and BIDS (_dwi, _adc, _flair, _msk), BraTS
2018 to 2023 (_t1ce, -t1c, -t2f), and of scanners ("t2_tirm_tra_dark-fluid" is FLAIR). Names are read from their end,
where all of these put the modality.
"""

from __future__ import annotations

import re

# Modality to the words that mean it, in the order in which the channels of a case stand.
MODALITIES: dict[str, tuple[str, ...]] = {
    "FLAIR": ("flair", "t2f", "t2flair", "fluid", "tirm"),
    "T1": ("t1", "t1w", "t1n"),
    "T1post": ("t1post", "t1ce", "t1c", "t1gd", "t1ct", "t1km"),
    "T2": ("t2", "t2w"),
    "DWI": ("dwi", "trace", "tracew", "b1000", "diff"),
    "ADC": ("adc",),
    "MTT": ("mtt",),
    "rCBF": ("rcbf", "cbf"),
    "rCBV": ("rcbv", "cbv"),
    "Tmax": ("tmax",),
    "TTP": ("ttp",),
    "PD": ("pd", "pdw"),
    "SWI": ("swi", "swan"),
    "T2star": ("t2star", "gre", "hemo"),
}
MASKS = ("seg", "mask", "msk", "lesion", "lesions", "ot", "label", "labels")
FOUR_D = ("4dpwi", "pwi", "bold", "dsc")
UNNAMED = "volume"
_BY_WORD = {word: name for name, words in MODALITIES.items() for word in words}
_ENDINGS = re.compile(r"(\.seg)?(\.nii|\.nii\.gz|\.nrrd|\.dcm)$", re.IGNORECASE)


def words_of(name: str) -> list[str]:
    """The words of a file's name in lower case, last one first."""
    return [word for word in re.split(r"[^a-z0-9]+", _ENDINGS.sub(r"\1", name).lower()) if word][::-1]


def modality_of(name: str, default: str = UNNAMED) -> str:
    """The modality that the last known word of ``name`` means, or ``default``."""
    return next((_BY_WORD[word] for word in words_of(name) if word in _BY_WORD), default)


def is_mask_name(name: str) -> bool:
    """Whether the name says that the file is a mask: a word for one stands after that of any modality."""
    return next((word in MASKS for word in words_of(name) if word in MASKS or word in _BY_WORD), False)


def is_series_over_time(name: str) -> bool:
    """Whether the name says that the file holds a volume at every time point."""
    return any(word in FOUR_D for word in words_of(name))


def canonical(name: str) -> str:
    """The modality's own spelling ("t1ce" is T1post), or ``name`` where it is none."""
    return _BY_WORD.get("".join(words_of(name)[::-1]), name)
