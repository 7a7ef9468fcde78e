"""The card of ``film-quality`` in words and tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xai_core.quality.age import ADULT, CHILD
from xai_core.training.publishing import rows_of, spelled

SOURCES = {
    "kermany": "Children (Kermany, official test part)",
    "nih": "Adults (NIH, held-out patients)",
    "covid_hannover": "COVID, Hannover (held-out patients)",
    "covid_ieee8023": "COVID collection (held out or never trained on)",
    "covid_figure1": "COVID, Figure 1 (never trained on)",
    "covid_actualmed": "COVID, ActualMed (never trained on)",
    "nlm_montgomery": "Montgomery (never trained on)",
    "nlm_shenzhen": "Shenzhen (never trained on)",
}
CHECKS = {
    "false": "unusual or worse",
    "false_bad": "taken for something else (a red warning)",
    "false_has_grey_levels": "few grey levels",
    "false_keeps_both_ends": "clipped",
    "false_is_fine_enough": "low resolution",
    "false_bears_marks": "marks",
}
WRONG = {
    "a_quarter": "turned by a quarter (either way, half of them mirrored)",
    "upside_down": "upside down (half of them mirrored)",
    "inverted": "grey values turned over",
}
FAULTS = {
    "dark": "grey values scaled by 0.12",
    "clipped": "cut at the 15th and 85th percentile",
    "blurred": "shrunk to a quarter and enlarged again",
}
AGES = {
    "child_kermany": "children of one to five years (Kermany, held out)",
    "child_6_12": "NIH, 6 to 11 years (held out)",
    "child_12_18": "NIH, 12 to 17 years (held out)",
    "adult_nih": "NIH, 18 years and more (held out)",
    "adult_foreign": "films of adults of sources never trained on",
}


def card_text(metrics: Mapping[str, Any], size: int, options: Mapping[str, Any]) -> str:
    """The card from its figures."""
    sources = {name: title for name, title in SOURCES.items() if f"false_{name}" in metrics}
    alarms = [["Held-out upright frontal films", "films (patients)", *CHECKS.values()]]
    for name, title in sources.items():
        first = metrics[f"false_{name}"]
        counts = f"{first['films']} ({first['patients']})"
        alarms.append([title, counts, *(spelled(metrics[f"{check}_{name}"]) for check in CHECKS)])
    wrong = [["Held-out films laid wrong", "films", "warned of", "named rightly"]]
    wrong += [
        [
            title,
            str(metrics[f"found_{name}"]["films"]),
            *(spelled(metrics[f"{figure}_{name}"]) for figure in ("found", "named")),
        ]
        for name, title in WRONG.items()
        if f"found_{name}" in metrics
    ]
    faults = [["Held-out films spoilt", "films", "warned of"]]
    faults += [
        [title, str(metrics[f"found_{name}"]["films"]), spelled(metrics[f"found_{name}"])]
        for name, title in FAULTS.items()
        if f"found_{name}" in metrics
    ]
    kinds = [["No upright frontal chest film, or spoilt (none taught)", "images", "warned of", "of it red"]]
    for key in metrics:
        name = key.removeprefix("negative_")
        if key.startswith("negative_") and not key.startswith("negative_bad_"):
            kinds.append(
                [
                    name.replace("_", " "),
                    str(metrics[key]["films"]),
                    spelled(metrics[key]),
                    spelled(metrics[f"negative_bad_{name}"]),
                ]
            )
    aged = [
        [
            "Held-out films",
            "films",
            f"looks like a small child's (over {CHILD})",
            f"looks like an adult's (under {ADULT})",
        ]
    ]
    aged += [
        [
            title,
            str(metrics[f"looks_child_{name}"]["films"]),
            *(spelled(metrics[f"looks_{who}_{name}"]) for who in ("child", "adult")),
        ]
        for name, title in AGES.items()
        if f"looks_child_{name}" in metrics
    ]
    settings = ", ".join(f"`{key}={value}`" for key, value in options.items())
    return f"""# film-quality: what known chest films look like

Statistics ({size / 1e3:.0f} kB), no network: where the films that teach the models lie in the deepest maps of `cxr-lungs`, and within which
limits their grey values are. From them a film is said to be like known films, unusual, turned, inverted, or no upright frontal chest film,
before anything is explained. They go with the weights of `cxr-lungs` they were taken with. Research and teaching only: not a medical device.

## False alarms

The limit of "unusual" is set so that 2 % of known films of each group lie further out, the limit of "no chest film" at 0.2 % (both from folds of
patients), those of grey values at 1 % a side. On films of people who set no limit:

{rows_of(alarms)}

A source that looks unlike the ones that teach the models is called unusual more often: that is what the word says, and no fault of the film.

## What is caught

{rows_of(wrong)}

{rows_of(faults)}

{rows_of(kinds)}

Lateral films are of the COVID collection, brain slices of `brain2d`; no such image set any limit. Three photographs, six films of other parts of the
body, one blank and one noise say that it works, not how often.

## Child or adult

{rows_of(aged)}

The guess tells children of one to five years of one hospital from adults of others, so it also tells hospitals apart. Children of six
to seventeen years mostly look like adults to it. Where the file states an age, that counts and nothing is guessed.

## What it does not say

- **Mirrored or not**: lungs found on a mirrored film are as good; half of the turned films above were mirrored. The letter of the side tells.
- **What else a picture is.** Lateral films, other parts of the body and slices of brains are often said to be turned or inverted frontal films: the
  warning is right, its word is not. Not every one is warned of (table above).
- **Whether a patient is like those of training in anything else**: sex, build, disease, devices.
- **Letters**: bright thin shapes around the lungs are counted, wires and clips among them; most films have some. What is dark, large, or outside
  that part is not counted, and no text is read: a name burned into the picture is not found.
- **That a film is good.** Nothing said means that no check found anything.

## Made from

Recipe: `python -m xai_core train film-quality --data DIR` with {settings}. Only films that may train shipped weights set limits:
Kermany, Zhang, Goldbaum, *Mendeley Data* rscbjbr9sj v2 (CC BY 4.0); NIH ChestX-ray (Wang et al., CVPR 2017), provided by the NIH Clinical
Center, with thanks; COVID-19 image data collection (Cohen et al. 2020; films of open licences); Hannover Medical School (Winther et al., DOI
10.6084/m9.figshare.12275009, CC BY 3.0). Measured with but not made from: Montgomery and Shenzhen sets (US National Library of Medicine), other
films of the COVID collections, brain slices of Cheng et al. (figshare 1512427) and of Br35H, images of scikit-image.
"""
