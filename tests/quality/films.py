"""Films of the reference folder for the tests of input quality, and what they are made into."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd

import xai_core as xc
from xai_core.case import Case, digest_of
from xai_core.training.films import films_table


def held_out(shared: Path, source: str, most: int) -> list[Path]:
    """Frontal films of people who set no limit, evenly over the source."""
    table = films_table(shared)
    table = table[(table["part"] == "test") & (table["source"] == source) & (table["view"] != "lateral")]
    step = max(1, len(table) // most)
    return [shared / "cxr" / path for path in table["path"][::step][:most]]


def negatives(shared: Path) -> list[tuple[str, Path]]:
    """(kind, path) of every film that must not be read as an upright frontal chest film."""
    table = pd.read_csv(shared / "cxr" / "negatives.csv", dtype=str)
    return [(kind, shared / "cxr" / path) for kind, path in zip(table["kind"], table["path"], strict=True)]


def changed(case: Case, pixels) -> Case:
    """The case with other pixels (H, W), and so another digest."""
    return replace(case, pixels=pixels[None], digest=digest_of(pixels[None], "film"))


def sample(name: str) -> Case:
    """A packaged film."""
    return xc.read_case(xc.sample_cases()[name])
