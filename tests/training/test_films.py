"""Who is in which part, and what each source can know: patients never cross, nobody teaches what he cannot see."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import xai_core as xc
from xai_core.training.films import films_table
from xai_core.training.targets import FINDINGS, LABELS, targets_of


@pytest.fixture(scope="module")
def films(shared: Path) -> pd.DataFrame:
    return films_table(shared)


def test_no_patient_is_in_two_parts(films: pd.DataFrame) -> None:
    assert films.groupby(["source", "patient"])["part"].nunique().max() == 1


def test_films_that_may_not_train_shipped_weights_are_only_tested_on(films: pd.DataFrame) -> None:
    assert set(films.loc[films["train_ok"] != "yes", "part"]) == {"test"}


def test_the_official_test_part_of_kermany_is_held_out(films: pd.DataFrame) -> None:
    official = films[(films["source"] == "kermany") & (films["split"] == "test")]
    assert set(official["part"]) == {"test"}
    assert len(official) == 454


def row(source: str, labels: str, read: str = "") -> pd.DataFrame:
    return pd.DataFrame([{"source": source, "labels": labels, "rsna_class": read}])


def known(table: pd.DataFrame, labels: tuple[str, ...] = LABELS) -> dict[str, float]:
    targets, weights = targets_of(table, labels)
    return {name: float(t) for name, t, w in zip(labels, targets[0], weights[0], strict=True) if w > 0}


def test_children_say_nothing_of_lung_opacity() -> None:
    ill = known(row("kermany", "pneumonia;viral"))
    assert "Lung Opacity" not in ill
    assert (ill["Pneumonia"], ill["Viral"], ill["Bacterial"], ill["Healthy"]) == (1, 1, 0, 0)


def test_readers_outweigh_words() -> None:
    table = pd.concat([row("nih", "Pneumonia", "Lung Opacity"), row("nih", "Pneumonia")])
    weights = targets_of(table)[1][:, LABELS.index("Lung Opacity")]
    assert weights[0] > 5 * weights[1] > 0


def test_words_of_reports_teach_the_findings_of_nih_alone() -> None:
    labels = (*LABELS, *FINDINGS)
    told = known(row("nih", "Effusion;Pleural_Thickening"), labels)
    assert [name for name in FINDINGS if told[name] == 1] == ["Effusion", "Pleural Thickening"]
    assert not set(FINDINGS) & set(known(row("kermany", "normal"), labels))


def test_a_virus_lies_under_pneumonia_and_covid_under_the_virus() -> None:
    told = known(row("covid_ieee8023", "COVID-19"))
    assert all(told[name] == 1 for name in ("Pneumonia", "Viral", "COVID-19"))


def test_a_folder_without_films_is_refused(tmp_path: Path) -> None:
    with pytest.raises(xc.LightboxError, match="No films"):
        films_table(tmp_path)


def test_every_word_of_nih_is_a_finding_or_known_otherwise(films: pd.DataFrame) -> None:
    words = {
        word.replace("_", " ") for labels in films.loc[films["source"] == "nih", "labels"] for word in labels.split(";")
    }
    assert words - set(FINDINGS) <= {"No Finding", "Pneumonia", "Hernia"}
    assert np.all([finding in words for finding in FINDINGS])
