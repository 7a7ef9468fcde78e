"""The recipe of ``volume-quality``: how often the checks of brain volumes are wrong on all volumes at hand, and what they catch.

Nothing is trained and no limit is set here: limits stand beside the checks (``xai_core/quality/volume*.py``). Volumes are judged as
published, degraded (nothing but thick slices may be said), channel by channel, and given wrong on purpose.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xai_core.case import Case, Geometry, digest_of
from xai_core.errors import ReadError
from xai_core.models.card import Card
from xai_core.preprocess import InputSpec
from xai_core.quality.verdict import findings_of
from xai_core.quality.volume import VOLUME_CHECKS, seen_volume
from xai_core.readers import read_case
from xai_core.training import Progress, recipe
from xai_core.training.loop import Journal
from xai_core.training.publishing import rows_of

NAME = "volume-quality"
MS = {"FLAIR": "FLAIR", "T1": "T1", "T1post": "T1POST", "T2": "T2"}
GLIOMA = {"FLAIR": "flair", "T1": "t1", "T1post": "t1ce", "T2": "t2"}
FILES: Mapping[str, tuple[str, Mapping[str, str]]] = {
    **{name: (f"ms/{name}_{{}}.nii.gz", MS) for name in ("ms19", "ms07_1p5mm", "ms26_1p5mm")},
    "brats01658": ("brats/brats01658_{}.nii.gz", GLIOMA),
    **{f"brats{n}": (f"brats/brats{n}_1p5mm_{{}}.nii.gz", GLIOMA) for n in ("01657", "01659", "01660", "01661")},
    "stroke": ("stroke/isles22_0001_{}.nii.gz", {"DWI": "DWI", "ADC": "ADC"}),
    "whole head T2": ("stroke/clinical_{}_1p5mm.nii.gz", {"T2": "T2"}),
    "whole head T1": ("head/head_{}_1mm.nii.gz", {"T1": "t1"}),
}
"""By name: where the files lie under ``mri``, and the word for each modality in their names."""
WHOLE = ("whole head T2", "whole head T1")
PAIRS = (
    ("T1", "T2"),
    ("FLAIR", "T2"),
    ("FLAIR", "T1"),
    ("FLAIR", "T1post"),
    ("T1", "T1post"),
    ("T1post", "T2"),
    ("DWI", "ADC"),
)
NAMED = ("T1", "FLAIR", "T2")
THICK_MM = 5.0
Made = Case | None
Floats = NDArray[np.float32]


def volume(data: Path, name: str, channels: Sequence[str] = ()) -> Case:
    """A volume of the data folder, all its channels or those named."""
    root = next((folder for folder in (data / "mri", data) if (folder / "ms").is_dir()), None)
    if root is None:
        raise ReadError(f"There are no volumes in '{data.name}'.", "Give the folder that holds mri with --data.")
    pattern, words = FILES[name]
    return read_case({key: root / pattern.format(words[key]) for key in channels or words})


def laid(case: Case, pixels: NDArray[Any], **more: Any) -> Case:
    """The case with other samples, and so another digest."""
    return replace(case, pixels=pixels, digest=digest_of(pixels, "volume"), **more)


def card(channels: Sequence[str], skull: str = "", spacing_mm: float | None = None) -> Card:
    """A model that reads these channels."""
    spacing = None if spacing_mm is None else (spacing_mm,) * 3
    size = (32,) * 3 if spacing is None else (0,) * 3
    spec = InputSpec(size, len(channels), intensity="minimum-maximum", spacing_mm=spacing)
    return Card(NAME, NAME, "unet3d", "MR", "segmentation", ("lesion",), tuple(channels), False, spec, skull=skull)


def exchanged(case: Case, first: str, second: str) -> Made:
    """Two files given for each other; None where the case has not both."""
    if not {first, second} <= set(case.channels):
        return None
    order = list(range(len(case.channels)))
    one, other = case.channels.index(first), case.channels.index(second)
    order[one], order[other] = other, one
    return laid(case, case.pixels[order])


def named(case: Case, was: str, name: str) -> Made:
    """One channel alone, under another's name."""
    if was not in case.channels:
        return None
    place = case.channels.index(was)
    return laid(case, case.pixels[place : place + 1], channels=(name,))


def thick(case: Case) -> Case:
    """Slices along the first axis of about ``THICK_MM``."""
    assert case.geometry.affine is not None
    affine = case.geometry.affine.copy()
    factor = max(2, round(THICK_MM / float(np.linalg.norm(affine[:3, 0]))))
    count = case.space[0] // factor
    slices = case.pixels[:, : count * factor].astype(np.float32)
    pixels = slices.reshape(len(slices), count, factor, *case.space[1:]).mean(axis=2)
    affine[:3, 3] += affine[:3, 0] * (factor - 1) / 2
    affine[:3, 0] *= factor
    return laid(case, pixels, geometry=Geometry.of_affine(affine))


def noisy(case: Case, share: float, in_air: bool) -> Case:
    """Noise as magnitudes have it (Rician), its deviation a share of the median of the head."""
    dice = np.random.default_rng(0)
    found = []
    for channel in case.pixels.astype(np.float32):
        sigma = share * float(np.median(channel[channel > channel.min()]))
        real, other = (dice.normal(0, sigma, channel.shape) for _ in range(2))
        found.append(np.where(in_air | (channel > channel.min()), np.hypot(channel + real, other), channel))
    return laid(case, np.stack(found).astype(np.float32))


def toned(case: Case, power: float) -> Case:
    """Grey values raised to a power within their range."""
    top = case.pixels.max(axis=(1, 2, 3), keepdims=True).astype(np.float32)
    return laid(case, (top * (case.pixels / top) ** power).astype(np.float32))


def shaded(case: Case, axis: int) -> Case:
    """A ramp from 70 to 130 % along an axis, as of a coil."""
    ramp = np.linspace(0.7, 1.3, case.space[axis]).reshape([1, *(-1 if k == axis else 1 for k in range(3))])
    return laid(case, (case.pixels * ramp).astype(np.float32))


def clipped(case: Case) -> Case:
    """Each channel cut at the 90th percentile of its head."""
    tops = [np.percentile(channel[channel > channel.min()], 90) for channel in case.pixels]
    return laid(case, np.minimum(case.pixels, np.reshape(tops, (-1, 1, 1, 1))).astype(np.float32))


def turned(case: Case, first: int, second: int) -> Case:
    """Two axes of the samples exchanged, the affine left as it was."""
    return laid(case, np.ascontiguousarray(np.swapaxes(case.pixels, first + 1, second + 1)))


def twice(case: Case) -> Made:
    """T1 given as T1post too."""
    if "T1post" not in case.channels:
        return None
    pixels = case.pixels.copy()
    pixels[case.channels.index("T1post")] = pixels[case.channels.index("T1")]
    return laid(case, pixels)


def sideways(case: Case) -> int:
    """The axis that runs from side to side."""
    return next(axis for axis, letter in enumerate(case.geometry.letters) if letter in "LR")


DEGRADED: Mapping[str, Callable[[Case], Made]] = {
    "as published": lambda case: case,
    "noise of 5 % in the head": lambda case: noisy(case, 0.05, False),
    "noise of 10 % in the head": lambda case: noisy(case, 0.10, False),
    "noise of 5 % everywhere": lambda case: noisy(case, 0.05, True),
    "grey values to the power of 0.7": lambda case: toned(case, 0.7),
    "grey values to the power of 1.4": lambda case: toned(case, 1.4),
    **{f"shading along axis {axis + 1}": partial(shaded, axis=axis) for axis in range(3)},
    "the last two thirds of its slices": lambda case: laid(case, case.pixels[:, case.space[0] // 3 :]),
    "slices of 5 mm": thick,
    **{f"{name} alone": partial(named, was=name, name=name) for name in (*MS, "DWI", "ADC")},
}
"""What must not be warned of, thick slices apart."""
SPOILT: Mapping[str, tuple[Callable[[Case], Made], str]] = {
    **{f"{a} and {b} exchanged": (partial(exchanged, first=a, second=b), "exchanged") for a, b in PAIRS},
    **{
        f"{was} alone, named {name}": (partial(named, was=was, name=name), "other sequence")
        for was in NAMED
        for name in NAMED
        if was != name
    },
    "T1 given as T1post too": (twice, "same image twice"),
    "side to side and another axis exchanged": (
        lambda case: turned(case, sideways(case), (sideways(case) + 1) % 3), "lies wrong"
    ),
    "cut at the 90th percentile": (clipped, "clipped"),
}  # fmt: skip
"""What must be warned of, and by which word."""


@recipe(NAME, "How the checks of brain volumes do (a table, no network)")
def run(data: Path, out: Path, *, seed: int = 0, resume: bool = False, progress: Progress | None = None) -> Path:
    """Judge every volume as published, degraded and spoilt, and write the card."""
    journal = Journal(out, progress)
    told: dict[str, list[list[str]]] = {}
    for done, name in enumerate(FILES):
        for key, words in judged(volume(data, name), "on" if name in WHOLE else "stripped"):
            told.setdefault(key, []).append(words)
        journal.write((done + 1) / len(FILES), f"{name}: judged")
    path = out / "cards" / f"{NAME}.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(card_text(told), encoding="utf-8")
    (out / f"{NAME}.json").write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    return path


def judged(case: Case, skull: str) -> Iterator[tuple[str, list[str]]]:
    """(what was done, words of what is said) of a volume; what cannot be done to it is left out."""
    for key, make in (*DEGRADED.items(), *((key, make) for key, (make, _) in SPOILT.items())):
        made = make(case)
        if made is not None:
            volume_seen = seen_volume(made, card(made.channels, skull, 1.5))
            yield key, [found.word for found in findings_of(VOLUME_CHECKS, volume_seen)]


def card_text(told: Mapping[str, Sequence[Sequence[str]]]) -> str:
    """The card: false alarms, what is caught, and what is not said."""
    false = [["Volumes", "n", "warned of wrongly", "by the word"]]
    for key in (key for key in DEGRADED if key in told):
        wrong = [[word for word in words if word != "thick slices"] for words in told[key]]
        counts = Counter(word for words in wrong for word in words)
        said = ", ".join(f"{word} ({count})" for word, count in counts.items()) or "none"
        false.append([key, str(len(wrong)), str(sum(map(bool, wrong))), said])
    caught = [["Given wrong on purpose", "n", "warned of", "by the right word", "which"]]
    for key, (_, word) in ((key, entry) for key, entry in SPOILT.items() if key in told):
        warned, right = sum(map(bool, told[key])), sum(word in words for words in told[key])
        caught.append([key, str(len(told[key])), str(warned), str(right), word])
    return TEXT.format(false=rows_of(false), caught=rows_of(caught))


TEXT = """# volume-quality: whether a brain volume is what its names say

Plain measures, no network and no trained statistics: how large the head is and how its shape is mirrored, how much air lies around it,
whether a dark ring of bone lies below its surface, and for each channel how bright fluid and white matter are, how many grey levels
it has and whether its bright end is cut. Research and teaching only: not a medical device.

White matter is taken to lie where the image is smoothest in the middle of the head, fluid at the far end of the grey values there. On T1 fluid is
dark and white matter bright; on FLAIR fluid is dark and white matter in the middle; on T2 fluid is bright and white matter dark.

## False alarms

All volumes with their modalities that were at hand: three patients with multiple sclerosis and five with glioma (FLAIR, T1, T1post, T2), one
with stroke (DWI, ADC), a T2 and a T1 of whole heads. The limits were set on these eleven, so the first row is no test; the others are, in part.

{false}

Zero of eleven is compatible with a false alarm in a quarter of volumes (95 %, rule of three): these figures say that the checks hold
together, not how often they are wrong elsewhere.

## What is caught

{caught}

## What it does not say

- **Whether left and right, front and back, or top and bottom are exchanged.** That the head lies side to side as the file says is all that is checked.
- **Whether two channels belong together**: of one patient, one day, one position.
- **Perfusion maps, PD, SWI and others** are judged by size, position and grey levels alone.
- **Children, other scanners, 7 T, contrast at another time, a head after surgery**: none was at hand.
- **That a volume is good.** Nothing said means that no check found anything.

## Made from

Recipe: `python -m xai_core train volume-quality --data DIR`. Volumes of Lesjak et al., *Neuroinformatics* 2017 (CC BY); BraTS 2021 (Baid et al.,
arXiv 2107.02314); ISLES 2022 (Hernandez Petzsche et al.); Rorden's clinical toolbox (BSD-2-Clause); brainchop's sample head. None is shipped here.
"""
