"""The section for a card: means over cases, the study's statements answered by the numbers, tables, and the command that writes it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.torch import save_file
from typer.testing import CliRunner

import xai_core as xc
from tests.filter_study.test_summary import CHANNELS, swept
from tests.lesions import lesion
from tests.networks import UNet, randomised
from tests.pages.test_filter_study import CARD
from tests.volumes import volume, volume_model
from xai_core.__main__ import app
from xai_core.filter_study import RAW, STUDY_BANDS, sweep
from xai_core.filter_study.account import code_sentence, markdown, mean_sweep, published_table, section, statements
from xai_core.filter_study.modalities import LOST, SHARE, modality_account
from xai_core.metrics.modalities import ablation
from xai_core.models.networks.unet3d import UNet3d


def with_levels(raw: float, weak: float, strong: float, lit: float = 0.1):
    """A sweep in which all filters of a side reach the same."""
    level = {"weak": weak, "strong": strong}
    return swept({band: [raw if band.is_raw else level[band.side]] * 2 for band in STUDY_BANDS}, lit)


def holds(made) -> list[bool]:
    return [one.holds for one in statements(made)]


def test_statements_come_out_as_the_numbers_say() -> None:
    assert holds(with_levels(raw=0.2, weak=0.6, strong=0.1)) == [True, True, True, True]
    assert holds(with_levels(raw=0.2, weak=0.1, strong=0.3)) == [False, False, False, True]
    assert statements(swept({RAW: [np.nan, np.nan]})) == []


def test_a_map_that_is_strong_everywhere_gains_no_knowledge() -> None:
    """All filters take in everything, because everything is strong: inclusivity rises, knowledge does not."""
    made = with_levels(raw=0.2, weak=1.0, strong=0.1)
    painted = [one if one.band.is_raw else replace(one, lit=np.full(2, 1.0)) for one in made.readings]
    assert holds(replace(made, readings=tuple(painted))) == [True, True, True, False]


def test_means_leave_out_cases_in_which_a_channel_is_undefined() -> None:
    cases = [swept({RAW: [0.2, np.nan]}), swept({RAW: [0.4, 0.5]})]
    np.testing.assert_allclose(mean_sweep(cases).readings[0].truth_inclusivity, [0.3, 0.5])
    with pytest.raises(xc.LightboxError, match="different filters"):
        mean_sweep([cases[0], swept({STUDY_BANDS[1]: [0.1, 0.1]})])


def test_a_table_is_markdown_with_a_dash_where_undefined() -> None:
    frame = pd.DataFrame([[0.5, np.nan], [0.00002, -1.0]], index=["raw", "pass 0–0.1"], columns=list(CHANNELS))
    frame.index.name = "filter"
    assert markdown(frame).splitlines() == [
        "| filter | ADC | Tmax |",
        "| --- | --- | --- |",
        "| raw | 0.500 | – |",
        "| pass 0–0.1 | 2.0e-05 | -1.000 |",
    ]


def test_the_code_s_column_says_what_it_adds() -> None:
    found_model = volume_model(randomised(UNet(3, channels=2), 3))
    found = sweep(found_model, volume(), lesion(), bands=[RAW], compares_code=True)
    frame = published_table(found)
    text, code = found.readings[0], found.published[0].reading
    added = np.mean(code.truth_inclusivity) - np.mean(text.truth_inclusivity)
    assert frame.loc["raw", "ground-truth inclusivity +"] == pytest.approx(added)
    assert frame.loc["raw", "least of a modality"] == pytest.approx(found.published[0].correlation.min())
    assert code_sentence(found) == ""  # a raw map alone has no sweet spot
    both = sweep(found_model, volume(), lesion(), bands=[RAW, STUDY_BANDS[3]], compares_code=True)
    taken = [np.mean(one.reading.truth_inclusivity) for one in both.published]
    assert f"{STUDY_BANDS[3].name}: {taken[1]:.3f} of the ground truth against {taken[0]:.3f} raw" in code_sentence(
        both
    )
    text = section([found, found], "Filters", ["one", "two"])
    assert "## Filters" in text
    assert "2 case(s): one, two" in text


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "card.toml").write_text(CARD, encoding="utf-8")
    save_file(dict(randomised(UNet3d(2, 2, [2, 4]), 5).state_dict()), str(tmp_path / "net" / "weights.safetensors"))
    return tmp_path


def test_the_command_writes_the_section_and_all_numbers(folder: Path) -> None:
    asked = [
        "filter-study",
        "ljubljana-ms",
        "--model",
        str(folder / "net"),
        "--no-published",
        "--no-modalities",
        "--out",
        str(folder / "out"),
    ]
    found = CliRunner().invoke(app, asked)
    assert found.exit_code == 0, found.output
    written = (folder / "out" / "filter-study.md").read_text(encoding="utf-8")
    case = xc.read_case(xc.sample_cases()["ljubljana-ms"])
    truth = xc.read_region(xc.sample_cases()["ljubljana-ms"].regions["lesion"], case)
    expected = sweep(xc.load_model(folder / "net"), case, truth)
    assert section([expected], "Filters of the stroke study", ["ljubljana-ms"]) == written
    numbers = pd.read_csv(folder / "out" / "filter-study.csv")
    np.testing.assert_allclose(numbers["truth_inclusivity"], expected.values("truth_inclusivity").ravel())


def test_modalities_stand_beside_the_map_s_shares() -> None:
    model, case = volume_model(randomised(UNet(3, channels=2), 3)), volume()
    account = modality_account(model, case, lesion(), "lrp-epsilon-plus")
    lost = ablation(model, case, "lesion")
    np.testing.assert_allclose(account.table[LOST], list(lost.values()))
    np.testing.assert_allclose(account.table[SHARE].sum(), 1)
    raw = xc.explain(model, case, explainer="lrp-epsilon-plus", target="lesion").raw
    magnitudes = np.abs(raw).reshape(2, -1).sum(1)
    assert account.agreement == (1.0 if np.argmax(magnitudes) == np.argmax(np.abs(list(lost.values()))) else -1.0)
    made = sweep(model, case, lesion(), bands=[RAW], explainer="lrp-epsilon-plus")
    text = section([made], "Filters", ["one"], [account])
    assert "### Modalities, one" in text
    assert f"MSFI {account.msfi:.3f}. Kendall's tau-b" in text


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["film.dcm"], "No ground truth was given"),
        (["ljubljana-ms", "--region", "a.nii.gz"], "1 more --region than cases"),
    ],
)
def test_masks_that_do_not_match_the_cases_are_a_sentence(folder: Path, more: list[str], words: str) -> None:
    found = CliRunner().invoke(app, ["filter-study", *more, "--model", str(folder / "net")])
    assert isinstance(found.exception, xc.LightboxError)
    assert words in str(found.exception)
