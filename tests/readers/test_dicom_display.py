"""How a DICOM film asks to be shown, and what its header says of place and person."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from xai_core.case import Case, Window
from xai_core.errors import ReadError
from xai_core.readers import read_case

from .films import dicom_bytes, film, texture


def case_of(**tags: Any) -> Case:
    return read_case(dicom_bytes(film(**tags)), name="film.dcm")


def lut_item(entries: list[int], first: int = 0, bits: int = 16, count: int | None = None) -> Dataset:
    item = Dataset()
    item.LUTDescriptor = [len(entries) if count is None else count, first, bits]
    item.LUTData = entries
    item["LUTData"].VR = "US"
    return item


def test_samples_stay_as_stored_whatever_the_header_asks() -> None:
    pixels = texture()
    case = case_of(
        pixels=pixels,
        PhotometricInterpretation="MONOCHROME1",
        RescaleSlope=2,
        RescaleIntercept=-1024,
        WindowCenter=100,
        WindowWidth=50,
    )
    assert case.pixels.dtype == np.uint16
    assert case.pixels.shape == (1, 48, 64)
    np.testing.assert_array_equal(case.pixels[0], pixels)
    assert not case.pixels.flags.writeable


@pytest.mark.parametrize(
    ("photometric", "slope", "inverted"),
    [("MONOCHROME1", 1, True), ("MONOCHROME2", 1, False), ("MONOCHROME1", -1, False), ("MONOCHROME2", -1, True)],
)
def test_a_negative_slope_turns_the_polarity_over(photometric: str, slope: float, inverted: bool) -> None:
    assert (
        case_of(PhotometricInterpretation=photometric, RescaleSlope=slope, RescaleIntercept=0).is_inverted is inverted
    )


def test_monochrome1_with_presentation_lut_inverse_is_inverted_once() -> None:
    case = case_of(PhotometricInterpretation="MONOCHROME1", PresentationLUTShape="INVERSE")
    assert case.is_inverted
    assert not any("contradict" in note for note in case.facts["notes"])


def test_contradicting_polarity_follows_the_photometric_interpretation_and_says_so() -> None:
    case = case_of(PhotometricInterpretation="MONOCHROME2", PresentationLUTShape="INVERSE")
    assert not case.is_inverted
    assert any("contradict" in note for note in case.facts["notes"])


def test_windows_come_with_their_names_in_units_of_stored_samples() -> None:
    case = case_of(
        RescaleSlope=2,
        RescaleIntercept=-1000,
        RescaleType="HU",
        WindowCenter=[0, 3000],
        WindowWidth=[2000, 100],
        WindowCenterWidthExplanation=["LUNG", "BONE"],
    )
    assert case.facts["windows"] == (Window("LUNG", 500.0, 1000.0), Window("BONE", 2000.0, 50.0))
    assert (case.facts["slope"], case.facts["intercept"], case.facts["unit"]) == (2.0, -1000.0, "HU")


def test_windows_without_names_are_numbered_and_impossible_ones_are_left_out() -> None:
    case = case_of(WindowCenter=[10, 20, 30], WindowWidth=[5, 0, 7])
    assert case.facts["windows"] == (Window("File 1", 10.0, 5.0), Window("File 3", 30.0, 7.0))
    assert any("width 0" in note for note in case.facts["notes"])


def test_a_file_without_windows_gets_the_range_of_its_samples_without_padding() -> None:
    pixels = texture()
    pixels[:5] = 4095
    case = case_of(pixels=pixels, PixelPaddingValue=4095)
    (window,) = case.facts["windows"]
    kept = pixels[pixels != 4095]
    assert case.facts["padding"] == (4095, 4095)
    assert window.center + window.width / 2 == kept.max() + 1
    assert window.center - window.width / 2 == kept.min()


def test_an_8_bit_film_without_windows_is_shown_as_stored() -> None:
    case = case_of(pixels=texture(bits=8).astype(np.uint8))
    assert case.facts["windows"] == (Window("As stored", 128.0, 256.0),)


def test_a_voi_lut_is_brought_to_stored_samples() -> None:
    entries = list(range(0, 65536, 16))
    item = lut_item(entries, first=100)
    case = case_of(RescaleSlope=1, RescaleIntercept=-50, VOILUTSequence=Sequence([item]))
    first, table = case.facts["voi_lut"]
    for sample in (0, 149, 150, 151, 2000, 4095):
        expected = entries[min(max(sample - 50 - 100, 0), len(entries) - 1)] / 65535
        assert table[sample - first] == pytest.approx(expected, abs=1e-6)


def test_a_voi_lut_that_fills_less_than_its_bits_reaches_white() -> None:
    case = case_of(VOILUTSequence=Sequence([lut_item(list(range(4096)), bits=16)]))
    assert case.facts["voi_lut"][1][-1] == pytest.approx(1.0)


def test_a_voi_lut_starting_below_zero_is_read_as_signed() -> None:
    item = lut_item(list(range(0, 65536, 16)), first=65536 - 1000)
    case = case_of(RescaleSlope=1, RescaleIntercept=-1000, VOILUTSequence=Sequence([item]))
    first, table = case.facts["voi_lut"]
    assert table[10 - first] == pytest.approx(160 / 65535, abs=1e-6)


def test_a_damaged_voi_lut_is_left_out_with_a_note() -> None:
    case = case_of(VOILUTSequence=Sequence([lut_item([1, 2, 3], count=256)]))
    assert "voi_lut" not in case.facts
    assert any("VOI LUT is damaged" in note for note in case.facts["notes"])


def test_a_sigmoid_voi_function_becomes_a_table() -> None:
    case = case_of(WindowCenter=2000, WindowWidth=1000, VOILUTFunction="SIGMOID")
    first, table = case.facts["voi_lut"]
    assert table[2000 - first] == pytest.approx(0.5, abs=1e-6)
    assert table[2500 - first] == pytest.approx(1 / (1 + np.exp(-2)), abs=1e-6)
    assert case.facts["windows"][0].center == 2000


def test_a_table_of_a_film_with_negative_slope_is_turned_like_its_windows() -> None:
    case = case_of(
        RescaleSlope=-1, RescaleIntercept=4095, WindowCenter=2000, WindowWidth=1000, VOILUTFunction="SIGMOID"
    )
    first, table = case.facts["voi_lut"]
    shown = 1 - table if case.is_inverted else table
    value = 4095 - (first + np.arange(len(table)))
    np.testing.assert_allclose(shown, 1 / (1 + np.exp(-4 * (value - 2000) / 1000)), atol=1e-6)


def test_a_modality_lut_is_applied_and_said() -> None:
    pixels = texture(bits=8)
    entries = [int(entry) for entry in (np.arange(256) ** 2 // 2)]
    item = lut_item(entries)
    item.ModalityLUTType = "OD"
    case = case_of(pixels=pixels, ModalityLUTSequence=Sequence([item]))
    np.testing.assert_array_equal(case.pixels[0], np.array(entries)[pixels])
    assert case.facts["unit"] == "OD"
    assert any("modality table" in note for note in case.facts["notes"])


def test_a_modality_lut_that_contradicts_itself_is_refused() -> None:
    with pytest.raises(ReadError, match="modality LUT"):
        case_of(ModalityLUTSequence=Sequence([lut_item([1, 2, 3], count=4096)]))


@pytest.mark.parametrize(
    ("tags", "spacing", "kind"),
    [
        ({"PixelSpacing": [0.2, 0.3]}, (0.2, 0.3), "patient"),
        ({"PixelSpacing": [0.2, 0.2], "ImagerPixelSpacing": [0.25, 0.25]}, (0.2, 0.2), "patient"),
        ({"PixelSpacing": [0.2, 0.2], "ImagerPixelSpacing": [0.2, 0.2]}, (0.2, 0.2), "detector"),
        ({"ImagerPixelSpacing": [0.14, 0.14]}, (0.14, 0.14), "detector"),
        (
            {"ImagerPixelSpacing": [0.15, 0.15], "EstimatedRadiographicMagnificationFactor": 1.5},
            (0.1, 0.1),
            "patient",
        ),
        ({"NominalScannedPixelSpacing": [0.17, 0.17]}, (0.17, 0.17), "scanner"),
        ({"PixelSpacing": [0.0, 0.0]}, None, None),
        ({"PixelSpacing": [0.0, 0.0], "ImagerPixelSpacing": [0.1, 0.1]}, (0.1, 0.1), "detector"),
        ({"PixelSpacing": [-1, 0.2]}, None, None),
        ({}, None, None),
    ],
)
def test_spacing_says_where_it_holds(tags: dict[str, Any], spacing: Any, kind: str | None) -> None:
    case = case_of(**tags)
    assert case.geometry.spacing_mm == (None if spacing is None else pytest.approx(spacing))
    assert case.facts.get("spacing_kind") == kind


def test_edge_letters_come_from_patient_orientation() -> None:
    assert case_of(PatientOrientation=["L", "F"]).geometry.letters == ("R", "L", "H", "F")
    assert case_of(PatientOrientation=["PR", "F"]).geometry.letters == ("AL", "PR", "H", "F")


@pytest.mark.parametrize("orientation", [None, "L", ["", ""], ["X", "F"], ["LEFT", "FOOT"]])
def test_letters_are_never_guessed(orientation: Any) -> None:
    case = case_of(PatientOrientation=orientation)
    assert case.geometry.letters == ()
    assert any("which side" in note for note in case.facts["notes"])


def test_projection_side_and_person_are_read() -> None:
    case = case_of(ViewPosition="PA", ImageLaterality="U", Laterality="R", PatientAge="006M", PatientSex="F")
    assert (case.facts["view"], case.facts["laterality"], case.facts["sex"]) == ("PA", "U", "F")
    assert case.facts["age_years"] == pytest.approx(0.5)
    assert case.facts["modality"] == "CR"


def test_a_view_is_found_in_its_code() -> None:
    code = Dataset()
    code.CodeMeaning = "postero-anterior"
    assert case_of(ViewCodeSequence=Sequence([code])).facts["view"] == "PA"


def test_age_comes_from_the_dates_where_it_is_not_given() -> None:
    assert case_of(PatientBirthDate="19600520", StudyDate="20200519").facts["age_years"] == 59.0


def test_what_names_a_person_is_in_patient_only() -> None:
    secrets = {
        "PatientName": "Mustermann^Erika",
        "PatientID": "ID-998877",
        "PatientBirthDate": "19600520",
        "StudyDate": "20200519",
        "AccessionNumber": "ACC-5511",
        "InstitutionName": "Klinik Nirgendwo",
        "ReferringPhysicianName": "Who^Doctor",
        "PatientAddress": "Am Weg 1",
    }
    case = read_case(dicom_bytes(film(**secrets)), name="Mustermann.dcm")
    assert case.patient["name"] == "Mustermann Erika"
    assert case.patient["id"] == "ID-998877"
    assert case.patient["file"] == "Mustermann.dcm"
    told = repr((dict(case.facts), case.geometry, case.digest, case.channels))
    for secret in ("Mustermann", "Erika", "998877", "19600520", "20200519", "5511", "Nirgendwo", "Doctor", "Weg"):
        assert secret not in told


def test_the_digest_knows_no_patient_and_no_file_name() -> None:
    one = read_case(dicom_bytes(film(PatientName="A^B", PatientID="1")), name="a.dcm")
    other = read_case(dicom_bytes(film(PatientName="C^D", PatientID="2", StudyDate="20200101")), name="b.dcm")
    assert one.digest == other.digest


@pytest.mark.parametrize(
    "tags", [{"PhotometricInterpretation": "MONOCHROME1"}, {"RescaleSlope": -2, "RescaleIntercept": 9}]
)
def test_the_digest_knows_what_the_models_see(tags: dict[str, Any]) -> None:
    assert case_of(**tags).digest != case_of().digest


def test_burned_in_text_overlays_and_lossy_compression_are_noted() -> None:
    dataset = film(BurnedInAnnotation="YES", LossyImageCompression="01")
    dataset.add_new(0x60000010, "US", 48)
    notes = " ".join(read_case(dicom_bytes(dataset), name="x").facts["notes"])
    assert "burned" in notes
    assert "Overlays" in notes
    assert "Lossy" in notes


def test_a_simulated_film_says_so() -> None:
    assert case_of(ImageType=["DERIVED", "SECONDARY", "SIMULATED"]).facts["simulated"] is True
    assert "simulated" not in case_of(ImageType=["ORIGINAL", "PRIMARY"]).facts


def test_a_case_survives_pickling() -> None:
    case = case_of()
    again = pickle.loads(pickle.dumps(case))
    assert again.digest == case.digest
    assert dict(again.facts) == dict(case.facts)
    np.testing.assert_array_equal(again.pixels, case.pixels)
