"""What ``film-quality`` is worth: false alarms on held-out frontal films, what it catches of everything else, and its card."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from safetensors.numpy import save

from xai_core.models.architectures import LungUNet
from xai_core.models.outline import outline_of
from xai_core.models.shelf import shipped_cards
from xai_core.preprocess import prepare
from xai_core.quality import Quality, seen, verdict
from xai_core.quality.age import ADULT, CHILD
from xai_core.quality.statistics import MANIFEST, NAME, Statistics
from xai_core.training.film_poses import laid
from xai_core.training.film_quality_text import AGES, card_text
from xai_core.training.films import film_root, films_table, read_grey
from xai_core.training.loop import Journal
from xai_core.training.lungs_card import INPUT, film_case
from xai_core.training.publishing import shelve
from xai_core.training.scores import measured

Image = NDArray[np.uint8]
FIRST_MODEL = "cxr-resnet18"
KIND_CHECK = "is_a_frontal_chest_film"
NEGATIVE_CHECKS = {"underexposed": "has_grey_levels"}
"""The check that has to warn of a kind of ``negatives.csv``, where it is another one."""
FAULTS: dict[str, tuple[str, Callable[[Image], Image]]] = {
    "dark": ("has_grey_levels", lambda image: (image * 0.12).astype(np.uint8)),
    "clipped": ("keeps_both_ends", lambda image: _cut(image)),
    "blurred": ("is_fine_enough", lambda image: _enlarged(image)),
}
WRONG = {"a quarter": 2, "upside down": 4, "inverted": 1}
"""Index into ``POSES``."""


@dataclass(frozen=True)
class Told:
    """What was said of one film of a group: words of the checks that warned, by check; ``child``: probability."""

    group: str
    patient: str
    warned: Mapping[str, str]
    level: str
    child: float

    @property
    def is_kind(self) -> bool:
        """Whether the film was taken for something else, or for unusual."""
        return KIND_CHECK in self.warned


def publish(
    statistics: Statistics,
    module: LungUNet,
    lungs_digest: str,
    data: Path,
    out: Path,
    journal: Journal,
    options: dict[str, Any],
) -> Path:
    """Measure the statistics as they are kept and write them, their table and their card into ``out``."""
    content = save({field.name: _stored(field.name, getattr(statistics, field.name)) for field in fields(Statistics)})
    out.mkdir(parents=True, exist_ok=True)
    (out / f"{NAME}.safetensors").write_bytes(content)
    told: list[Told] = []
    for number, (group, patient, image) in enumerate(shown_films(data, options["judged"], options["seed"])):
        told.append(judged(statistics, module, image, group, patient))
        if number % 250 == 0:
            journal.write(0.5 + number / 10_000, f"{number} films judged, now {group}")
    metrics = figures(told, ages(data, told))
    table = {
        "title": "What known chest films look like",
        "licence": "CC BY 4.0",
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "serves": {"model": "cxr-lungs", "sha256": lungs_digest},
        "metrics": metrics,
    }
    journal.write(1.0, f"{NAME}: {len(content)} bytes")
    return shelve(out, NAME, table, card_text(metrics, len(content), options), MANIFEST)


def judged(statistics: Statistics, module: LungUNet, image: Image, group: str = "", patient: str = "") -> Told:
    """What a person would be told of a film, by the path that a person's film takes."""
    case = film_case(image)
    outline = outline_of(prepare(case, INPUT, None), module)
    seen_film = seen(case, shipped_cards()[FIRST_MODEL], outline.lungs, statistics.judged(outline.deep), statistics)
    found: Quality = verdict(seen_film)
    warned = {finding.check: finding.word for finding in found.findings if finding.level != "good"}
    level = next((finding.level for finding in found.findings if finding.check == KIND_CHECK), "good")
    return Told(group, patient, warned, level, float(found.numbers["child_probability"]))


def shown_films(data: Path, most: int, seed: int = 0) -> Iterator[tuple[str, str, Image]]:
    """(group, patient, film) of everything that is measured: held-out frontal films as they are, turned and spoilt; and what is none;
    ``most`` films of each source, a fifth of them turned and spoilt, and as many slices of brains."""
    root, table = film_root(data), films_table(data)
    table = table[(table["part"] == "test") & (table["view"] != "lateral")]
    table = table.sample(frac=1, random_state=seed).groupby("source").head(most)
    patients = table["source"] + "/" + table["patient"]
    for path, source, patient in zip(table["path"], table["source"], patients, strict=True):
        yield f"false_{source}", f"{patient}|{path}", read_grey(root / path)
    few = table.groupby("source").head(most // 5)
    for number, (path, patient) in enumerate(zip(few["path"], patients[few.index], strict=True)):
        image = read_grey(root / path)
        for name, pose in WRONG.items():
            yield f"wrong_{name}", patient, laid(image, pose, number % 4 if name != "inverted" else 0)
        if number % 3 == 0:
            for name, (_, spoil) in FAULTS.items():
                yield f"fault_{name}", patient, spoil(image)
    negatives = pd.read_csv(root / "negatives.csv", dtype=str).fillna("")
    for path, kind in zip(negatives["path"], negatives["kind"], strict=True):
        yield f"negative_{kind}", path, read_grey(root / path)
    slices = root.parent / "brain2d"
    if (slices / "labels.csv").is_file():
        for path in pd.read_csv(slices / "labels.csv", dtype=str)["file"].sample(frac=1, random_state=seed)[:most]:
            yield "negative_brain slice", path, read_grey(slices / path)


def figures(told: list[Told], aged: dict[str, list[Told]]) -> dict[str, Any]:
    """All figures of the card: shares of films with intervals, films and patients."""
    groups: dict[str, list[Told]] = {}
    for one in told:
        groups.setdefault(one.group, []).append(one)
    metrics: dict[str, Any] = {}
    for group, films in groups.items():
        kind, _, name = group.partition("_")
        metrics.update(FIGURES[kind](name, films))
    for name, films in aged.items():
        metrics[f"looks_child_{name}"] = _share(films, lambda one: one.child > CHILD)
        metrics[f"looks_adult_{name}"] = _share(films, lambda one: one.child < ADULT)
    return metrics


def _false(name: str, films: list[Told]) -> dict[str, Any]:
    checks = [*(check for check, _ in FAULTS.values()), "bears_marks"]
    return {
        f"false_{name}": _share(films, lambda one: one.is_kind),
        f"false_bad_{name}": _share(films, lambda one: one.level == "bad"),
        **{f"false_{check}_{name}": _warned(films, check) for check in checks},
    }


def _wrong(name: str, films: list[Told]) -> dict[str, Any]:
    key, word = name.replace(" ", "_"), {"a quarter": "turned"}.get(name, name)
    return {
        f"found_{key}": _share(films, lambda one: one.is_kind),
        f"named_{key}": _share(films, lambda one: one.warned.get(KIND_CHECK) == word),
    }


def _fault(name: str, films: list[Told]) -> dict[str, Any]:
    return {f"found_{name}": _warned(films, FAULTS[name][0])}


def _negative(name: str, films: list[Told]) -> dict[str, Any]:
    key, check = name.replace(" ", "_"), NEGATIVE_CHECKS.get(name, KIND_CHECK)
    return {
        f"negative_{key}": _share(films, lambda one: check in one.warned or one.is_kind),
        f"negative_bad_{key}": _share(films, lambda one: one.level == "bad"),
    }


FIGURES = {"false": _false, "wrong": _wrong, "fault": _fault, "negative": _negative}


def ages(data: Path, told: list[Told]) -> dict[str, list[Told]]:
    """Held-out films by the age of their patients."""
    table = films_table(data).set_index("path")
    age = pd.to_numeric(table["age"], errors="coerce")
    found: dict[str, list[Told]] = {name: [] for name in AGES}
    for one in told:
        if not one.group.startswith("false_"):
            continue
        source, path = one.group.removeprefix("false_"), one.patient.partition("|")[2]
        years = float(age[path])
        if source == "kermany":
            found["child_kermany"].append(one)
        elif source == "nih":
            found["child_6_12" if years < 12 else "child_12_18" if years < 18 else "adult_nih"].append(one)
        elif years >= 18 and not table["trainable"][path]:
            found["adult_foreign"].append(one)
    return {name: films for name, films in found.items() if films}


def _warned(films: list[Told], check: str) -> dict[str, Any]:
    return _share(films, lambda one: check in one.warned)


def _share(films: list[Told], holds: Callable[[Told], bool]) -> dict[str, Any]:
    said = np.asarray([holds(one) for one in films], dtype=float)
    patients = np.asarray([one.patient.partition("|")[0] for one in films])
    return measured(lambda rows: float(said[rows].mean()), patients, 300)


def _cut(image: Image) -> Image:
    low, high = np.percentile(image, (15, 85))
    return np.asarray(np.clip((image - low) / max(high - low, 1.0) * 255, 0, 255), np.uint8)


def _enlarged(image: Image) -> Image:
    small = cv2.resize(image, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, image.shape[::-1], interpolation=cv2.INTER_LINEAR), np.uint8)


def _stored(name: str, array: NDArray[np.float32]) -> NDArray[Any]:
    return np.ascontiguousarray(array.astype(np.float16) if name == "axes" else array)
