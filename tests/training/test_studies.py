"""The studies' recipes: their labels, their splits by patient, their tables against scikit-learn, and a run of each."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

import xai_core as xc
from xai_core.training import recipes
from xai_core.training.chexpert import LABELS as CHEXPERT
from xai_core.training.chexpert import chexpert_table, targets_of
from xai_core.training.covid_study import LABELS, TREE, labels_of, study_exam, study_films
from xai_core.training.exam import Exam, f1_table, micro_f1
from xai_core.training.rsna_study import rsna_exam

SMALL = {"networks": "resnet18", "epochs": 1, "size": 32, "batch": 8}


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ("COVID-19;ARDS", {"COVID-19", "Viral", "Pneumonia", "ARDS"}),
        ("Pneumocystis", {"Pneumocystis", "Fungal", "Pneumonia"}),
        ("Mycoplasma_Bacterial_Pneumonia", {"Bacterial", "Pneumonia"}),
        ("Influenza", {"Viral", "Pneumonia"}),
        ("No_Finding", {"Healthy"}),
        ("normal", {"Healthy"}),
        ("", set()),
        ("Lipoid", set()),
    ],
)
def test_words_say_a_label_and_all_above_it(words: str, named: set[str]) -> None:
    assert labels_of(words) == named


def test_the_tree_has_no_loop_and_names_its_own_labels() -> None:
    for label in LABELS:
        seen = set()
        while label:
            assert label not in seen
            seen.add(label)
            label = TREE[label]


def test_the_study_s_films_hold_its_pathologies_and_no_lateral_view(shared: Path) -> None:
    films = study_films(shared, 50)
    assert (films["source"] == "kermany").sum() == 50
    assert "L" not in set(films["view"])
    found = set().union(*(labels_of(words) for words in films["labels"]))
    assert found == set(LABELS)


def test_folds_keep_patients_together(shared: Path) -> None:
    exam = rsna_exam(shared)
    folds = pd.Series(exam.fold_of(10)).groupby(exam.patients).nunique()
    assert folds.max() == 1
    assert set(np.unique(exam.targets)) == {0.0, 1.0}


def exam_of(films: int = 40, labels: int = 3, seed: int = 0) -> tuple[Exam, np.ndarray]:
    dice = np.random.default_rng(seed)
    targets = (dice.uniform(size=(films, labels)) < 0.4).astype(np.float32)
    exam = Exam(
        dice.integers(0, 255, (films, 256, 256)).astype(np.uint8),
        targets,
        np.ones_like(targets),
        np.arange(films).astype(str),
        tuple(f"label {k}" for k in range(labels)),
    )
    return exam, dice.uniform(size=targets.shape)


def test_the_table_s_figures_are_those_of_scikit_learn() -> None:
    exam, share = exam_of()
    folds = [np.arange(0, 20), np.arange(20, 40)]
    expected = [f1_score(exam.targets[f] > 0.5, share[f] >= 0.5, average="micro") for f in folds]
    mean, sd = micro_f1(exam, share, folds)
    assert (mean, sd) == pytest.approx((np.mean(expected), np.std(expected)))
    table = f1_table(exam, {"a net": share}, folds)
    assert f"{np.mean(expected):.3f} ({np.std(expected):.3f})" in table
    by_label = [f1_score(exam.targets[f, 1] > 0.5, share[f, 1] >= 0.5) for f in folds]
    line = next(line for line in table.splitlines() if "label 1" in line)
    assert f"{np.mean(by_label):.3f} ({np.std(by_label):.3f})" in line


def test_what_is_not_known_of_a_film_counts_nowhere() -> None:
    exam, share = exam_of()
    exam.weights[:10] = 0
    rows = [np.arange(40)]
    expected = f1_score(exam.targets[10:] > 0.5, share[10:] >= 0.5, average="micro")
    assert micro_f1(exam, share, rows)[0] == pytest.approx(expected)


@pytest.fixture
def chexpert(tmp_path: Path) -> Path:
    """Twelve films in CheXpert's layout, named from the folder above as its CSV has it."""
    dice = np.random.default_rng(0)
    for part, count in (("train", 12), ("valid", 8)):
        rows = []
        for number in range(count):
            place = f"{part}/patient{number:05d}/study1/view{1 + number % 2}_frontal.jpg"
            (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(tmp_path / place), dice.integers(0, 255, (40, 48)).astype(np.uint8))
            said = {label: [1.0, 0.0, -1.0, None][(number + k) % 4] for k, label in enumerate(CHEXPERT)}
            view = "Lateral" if number == 3 else "Frontal"
            rows.append({"Path": f"CheXpert-v1.0-small/{place}", "Frontal/Lateral": view, "AP/PA": "AP", **said})
        pd.DataFrame(rows).to_csv(tmp_path / f"{part}.csv", index=False)
    return tmp_path


def test_uncertain_labels_are_ignored_or_negative_and_unmentioned_ones_negative(chexpert: Path) -> None:
    table = chexpert_table(chexpert, "train")
    assert len(table) == 11
    assert table["patient"].iloc[0] == "patient00000"
    targets, weights = targets_of(table, "ignore")
    assert targets[0, :4].tolist() == [1, 0, 0, 0]
    assert weights[0, :4].tolist() == [1, 1, 0, 1]
    assert targets_of(table, "negative")[1].min() == 1
    with pytest.raises(xc.LightboxError, match="cannot count as 'positive'"):
        targets_of(table, "positive")


def test_chexpert_runs_from_its_csv_to_a_table(chexpert: Path, tmp_path: Path) -> None:
    path = recipes()["chexpert"].run(chexpert, tmp_path / "out", **SMALL)
    assert "| resnet18 | Cardiomegaly |" in path.read_text()


def test_a_folder_that_is_not_chexpert_is_refused(tmp_path: Path) -> None:
    with pytest.raises(xc.LightboxError, match=r"No train\.csv"):
        chexpert_table(tmp_path, "train")
    (tmp_path / "train.csv").write_text("Path,Sex\na,b\n")
    with pytest.raises(xc.LightboxError, match="no column"):
        chexpert_table(tmp_path, "train")


def test_a_fold_of_the_covid_study_runs_to_its_tables_and_goes_on_after_a_stop(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = study_exam(shared, 10)
    few = Exam(whole.films[::8], whole.targets[::8], whole.weights[::8], whole.patients[::8], whole.labels)
    monkeypatch.setattr("xai_core.training.covid_study.study_exam", lambda data, healthy: few)
    run = recipes()["covid-study"].run
    path = run(shared, tmp_path, folds=2, **SMALL)
    text = path.read_text()
    assert "| ensemble |" in text
    assert "| resnet18 | COVID-19 |" in text
    before = (tmp_path / "resnet18.fold-0.npz").stat().st_mtime_ns
    assert run(shared, tmp_path, folds=2, resume=True, **SMALL).read_text() == text
    assert (tmp_path / "resnet18.fold-0.npz").stat().st_mtime_ns == before
