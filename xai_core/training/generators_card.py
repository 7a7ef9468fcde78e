"""What ``adversarial-generators`` is worth on people it never saw, and the card that says what it shows and what not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import nn

from xai_core.models import load_model
from xai_core.models.card import Card
from xai_core.models.companions import MANIFEST
from xai_core.preprocess import prepare
from xai_core.training.classroom import INPUT
from xai_core.training.crops import Crops
from xai_core.training.film_batches import plain_images
from xai_core.training.films import film_root, films_table, read_grey
from xai_core.training.judge import Judge, Outcome, outcome
from xai_core.training.loop import Journal
from xai_core.training.lungs_card import film_case
from xai_core.training.publishing import packed, rows_of, shelve, spelled
from xai_core.training.scores import auroc, measured

NAME = "adversarial-generators"
MODEL = "cxr-resnet18"
LABEL = "Pneumonia"
LEAST = 10
"""Fewest films for which a figure is worth giving."""
NEAR = 1.0
"""Calibrated logits from the threshold within which the network is in doubt."""
GROUPS = {"kermany": "Children", "nih": "Adults (NIH)", "covid": "COVID films"}
FIGURES = {
    "turned": "turned by g_adversarial",
    "kept": "kept by g_similar",
    "moved": "mean of abs(g_similar(x) - x)",
    "apart": "mean of the map",
    "inside": "mass of the map inside the lungs",
    "field": "(area of the lungs)",
}
LESIONS = {
    "auroc": "AUROC of the map inside the lungs against the lesion",
    "mass": "mass of the map inside the lungs that lies in the lesion",
    "area": "(area of the lungs that lies in the lesion: chance)",
    "pointing": "maximum inside the lungs lies in the lesion",
}


def publish(
    pair: nn.Module,
    judge: Judge,
    crops: Crops,
    served: Card,
    digest: str,
    data: Path,
    out: Path,
    journal: Journal,
    options: dict[str, Any],
) -> Path:
    """Measure the half-precision weights on held-out people and write weights, their table and card into ``out``."""
    sha256, size = packed(pair, out / f"{NAME}.safetensors")
    pair.load_state_dict({k: v.half().to(v.dtype) for k, v in pair.state_dict().items()})
    pair = pair.float().eval()
    journal.write(1.0, f"{NAME}: measuring on held-out people")
    films = held_out(pair, judge, crops)
    metrics: dict[str, Any] = {}
    for group, chosen in groups_of(films):
        for figure in FIGURES:
            values = chosen[figure].to_numpy(float)
            metrics[f"{figure}_{group}"] = _mean(values[~np.isnan(values)], chosen["patient"][~np.isnan(values)])
    for place, chosen in (("near", films[films["margin"] < NEAR]), ("far", films[films["margin"] >= NEAR])):
        if len(chosen) >= LEAST:
            metrics[f"turned_{place}"] = _mean(chosen["turned"].to_numpy(float), chosen["patient"])
    lesions = on_lesions(pair, judge, data)
    for kind, chosen in lesions.groupby("kind", sort=False):
        if len(chosen) >= LEAST:
            for figure in LESIONS:
                metrics[f"lesion_{figure}_{kind}"] = _mean(chosen[figure].to_numpy(float), chosen["patient"])
    journal.write(1.0, f"{NAME}: {metrics}")
    table = {
        "title": f"Similar and adversarial films for {LABEL} of {served.name}",
        "summary": "Two generators for the explainer adversarial-generators; no model of its own.",
        "architecture": "generator-pair",
        "modality": "CXR",
        "task": "generation",
        "labels": ["similar", "adversarial"],
        "channels": ["film"],
        "licence": "CC BY 4.0",
        "training_data": list(served.training_data),
        "sha256": sha256,
        "bytes": size,
        "serves": {"model": served.name, "sha256": digest, "label": LABEL},
        "input": {
            "size": list(INPUT.size), "channels": 1, "low": INPUT.low, "high": INPUT.high, "intensity": INPUT.intensity,
            "crop": INPUT.crop, "margin": INPUT.margin, "blur": INPUT.blur,
        },
        "metrics": metrics,
    }  # fmt: skip
    return shelve(out, NAME, table, _text(metrics, size, served.name, options), MANIFEST)


def held_out(pair: nn.Module, judge: Judge, crops: Crops, most: int | None = None) -> pd.DataFrame:
    """One row a held-out film: group, patient, what was said, and ``FIGURES``."""
    rows = np.flatnonzero((crops.table["part"] == "test").to_numpy())[:most]
    pixels = INPUT.size[0]
    found: list[pd.DataFrame] = []
    for part in np.array_split(rows, max(1, len(rows) // 64)):
        made = outcome(pair, judge, plain_images(crops.films[part], crops.lungs[part], pixels))
        lungs = np.stack(
            [cv2.resize(field, (pixels, pixels), interpolation=cv2.INTER_AREA) for field in crops.lungs[part]]
        )
        table = crops.table.iloc[part]
        found.append(_rows(made, lungs > 127, table))
    return pd.concat(found, ignore_index=True)


def groups_of(films: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Held-out films by where they come from and by what the network said of them; small groups are left out."""
    for source in GROUPS:
        for answer, is_yes in (("yes", True), ("no", False)):
            chosen = films[films["source"].str.startswith(source) & (films["said"] == is_yes)]
            if len(chosen) >= LEAST:
                yield f"{source}_{answer}", chosen


def on_lesions(pair: nn.Module, judge: Judge, data: Path, most: int | None = None) -> pd.DataFrame:
    """``LESIONS`` on held-out films in which people drew a lesion and the network says yes: RSNA's boxes, COVID outlines."""
    model = load_model(MODEL, "cpu")
    root = film_root(data)
    found = []
    for kind, path, patient, mask in _drawn(data, root, most):
        case = film_case(read_grey(root / path), path)  # outlines are kept by digest
        field = model.lungs(case)
        if field is None:
            continue
        prepared = prepare(case, INPUT, field)
        made = outcome(pair, judge, prepared.tensor)
        inside = prepared.grid.to_input(field.mask[None].astype(np.float32))[0] > 0.5
        lesion = prepared.grid.to_input(mask[None].astype(np.float32))[0] > 0.5
        found.append((kind, patient, bool(made.said[0]), *_against(made.maps[0], inside, lesion)))
    table = pd.DataFrame(found, columns=["kind", "patient", "said", *LESIONS]).dropna()
    return table[table["said"]]


def _rows(made: Outcome, lungs: NDArray[np.bool_], table: pd.DataFrame) -> pd.DataFrame:
    mass = made.maps.sum((1, 2))
    within = (made.maps * lungs).sum((1, 2))
    return pd.DataFrame(
        {
            "source": table["source"].to_numpy(),
            "patient": (table["source"] + "/" + table["patient"]).to_numpy(),
            "said": made.said,
            "margin": made.margin,
            "turned": made.turned,
            "kept": made.kept,
            "moved": made.moved,
            "apart": made.apart,
            "inside": np.divide(within, mass, out=np.full(len(mass), np.nan), where=mass > 0),
            "field": lungs.mean((1, 2)),
        }
    )


def _drawn(data: Path, root: Path, most: int | None) -> Iterator[tuple[str, str, str, NDArray[np.bool_]]]:
    """Held-out films with a lesion: kind, path, patient and mask on the film's grid."""
    films = films_table(data)
    films = films[films["part"] == "test"]
    patients = dict(zip(films["path"], films["patient"], strict=True))
    boxes = pd.read_csv(root / "boxes.csv", dtype=str).fillna("")
    boxes = boxes[(boxes["source"] == "RSNA 2018") & boxes["path"].isin(patients)]
    for path, drawn in list(boxes.groupby("path"))[:most]:
        mask = np.zeros(read_grey(root / str(path)).shape, bool)
        for x, y, w, h in drawn[["x", "y", "w", "h"]].astype(float).to_numpy() * (mask.shape[::-1] * 2):
            mask[round(y) : round(y + h), round(x) : round(x + w)] = True
        yield "rsna", str(path), patients[str(path)], mask
    masks = pd.read_csv(root / "masks.csv", dtype=str).fillna("")
    masks = masks[(masks["kind"] == "lesion_covid") & masks["film"].isin(patients)]
    for path, drawn in list(masks.groupby("film"))[:most]:
        outlines = [read_grey(root / outline) > 127 for outline in drawn["path"]]
        yield "covid", str(path), patients[str(path)], np.any(outlines, axis=0)


def _against(found: NDArray[np.float32], inside: NDArray[np.bool_], lesion: NDArray[np.bool_]) -> tuple[float, ...]:
    """``LESIONS`` of one map; nan where the lesion fills or misses the lungs."""
    values, truth = found[inside], lesion[inside]
    if not truth.any() or truth.all() or not values.any():
        return (float("nan"),) * len(LESIONS)
    return (
        auroc(truth, values),
        float(values[truth].sum() / values.sum()),
        float(truth.mean()),
        float(truth[values.argmax()]),
    )


def _mean(values: NDArray[np.float64], patients: pd.Series) -> dict[str, Any]:
    return measured(lambda rows: float(values[rows].mean()), patients.to_numpy())


def _text(metrics: dict[str, Any], size: int, model: str, options: dict[str, Any]) -> str:
    groups = [
        f"{source}_{answer}" for source in GROUPS for answer in ("yes", "no") if f"turned_{source}_{answer}" in metrics
    ]
    titles = [f"{GROUPS[group.split('_')[0]]}, {model} says {group.split('_')[1]}" for group in groups]
    films = [["Held-out films", *titles]]
    films.append(["films (patients)", *(f"{_of(metrics, g, 'films')} ({_of(metrics, g, 'patients')})" for g in groups)])
    films += [
        [title, *(spelled(metrics[f"{figure}_{group}"]) for group in groups)] for figure, title in FIGURES.items()
    ]
    kinds = {"rsna": "boxes of RSNA's readers, adults", "covid": "outlines of COVID lesions"}
    kinds = {kind: title for kind, title in kinds.items() if f"lesion_auroc_{kind}" in metrics}
    lesions = [[f"Held-out films with a lesion to which {model} says yes", *kinds.values()]]
    lesions.append(["films", *(str(metrics[f"lesion_auroc_{kind}"]["films"]) for kind in kinds)])
    lesions += [
        [title, *(spelled(metrics[f"lesion_{figure}_{kind}"]) for kind in kinds)] for figure, title in LESIONS.items()
    ]
    number = sum(_of(metrics, group, "films") for group in groups)
    turned = sum(round(metrics[f"turned_{group}"]["value"] * _of(metrics, group, "films")) for group in groups)
    doubt = {"near": "within one calibrated logit of the threshold", "far": "further from it"}
    places = [
        f"{title} {spelled(metrics[f'turned_{place}'])} of {_of(metrics, place, 'films')}"
        for place, title in doubt.items()
        if f"turned_{place}" in metrics
    ]
    settings = ", ".join(f"`{key}={value}`" for key, value in options.items())
    return f"""# adversarial-generators: {LABEL} of {model}, kept and turned

Two small U-Nets for the explainer of the same name (Charachon et al. 2020, arXiv 2012.07332); {size / 1e6:.1f} MB in half
precision. They were trained against the frozen `{model}` and serve it alone: other weights are refused by their SHA-256.
No model by itself, no picture of a disease. Research and teaching only: not a medical device.

## What it shows

`|g_similar(x) - g_adversarial(x)|`: where a film that keeps the network's {LABEL} and a film that turns it differ, in grey
values of the prepared film (0 to 1). "Turned" means that the network's answer at its card's threshold changes. The changes are
made on 32 x 32 places and stretched smoothly, so the map is as coarse.

## What it does not show

- **Not the reason, one way across.** Other changes would turn the answer too, and smaller ones may exist.
- **Not what a radiologist would look for.** Nothing tells the generators what pneumonia looks like, only what the network
  answers. Where the network can be fooled, they may fool it. The figures against drawn lesions below say how near they come.
- **No sign.** Painting a shadow and taking one away look alike; what the network said of the film tells which it was.
- **Both films start from the film itself** (each generator adds a change to it), so `g_similar` has nothing to do, and the map is
  what `g_adversarial` changes. In the paper the generators draw the whole film.
- **{LABEL} alone.** Other labels and other networks are refused. Where `g_adversarial` fails to turn a film, a note says so.

## Measured on held-out patients

{turned} of {number} held-out films are turned ({turned / max(number, 1):.0%}); {", ".join(places)}: where the network is in doubt, the
generator may take one answer for the other and go the wrong way. By who is on the film and what the network says of it:

{rows_of(films)}

Mean absolute differences are in grey values of the prepared film, 0 to 1. A map that knew nothing would have its mass inside the
lungs in proportion to their area (last row).

{rows_of(lesions) if kinds else "Too few drawn lesions."}

Chance is 0.5 for the AUROC, and for the mass and the maximum the share of the lungs that the lesion covers. Intervals: 95 %,
1,000 bootstraps over patients. Nobody drew lesions in children's films, on which pneumonia was mostly taught.

## Made from

Recipe: `python -m xai_core train {NAME} --data DIR` with {settings}. Loss: distance of g_similar's calibrated logit to the
film's, what g_adversarial lacks to lie one logit beyond the threshold, mean absolute differences, total variation; all films
turned, stretched, moved and made noisy alike on their way to the classifier. Same films and same held-out patients as `{model}`; see
its card for sources and credits.
"""


def _of(metrics: dict[str, Any], group: str, key: str) -> int:
    return int(metrics[f"turned_{group}"][key])
