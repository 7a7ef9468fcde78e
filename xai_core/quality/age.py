"""The check of age: whether the labels of the model were taught on patients like this one.

What the file says comes first. What the film looks like is a guess between the two groups that taught the models, children of one to
five years and adults: between them nothing is known, and the groups also differ in where their films were taken.
"""

from __future__ import annotations

from xai_core.quality.film import Seen, check
from xai_core.quality.verdict import InputFinding

OLDEST_CHILD, YOUNGEST_ADULT = 6.0, 18.0
"""Years: the children's films are of one to five years, and the adults' of eighteen and more."""
CHILD, ADULT = 0.9, 0.1
"""Probability of the children's group from which on, and up to which, a film is said to look so."""
PLAIN = {"children": "a small child's", "adults": "an adult's"}


@check
def was_taught_on_such_patients(film: Seen) -> InputFinding | None:
    years = film.case.facts.get("age_years")
    if years is None:
        group = "children" if film.judged.child > CHILD else "adults" if film.judged.child < ADULT else ""
        told = f"This looks like {PLAIN.get(group, '')} film"
    else:
        group = "children" if years < OLDEST_CHILD else "adults" if years >= YOUNGEST_ADULT else ""
        told = f"The file says {float(years):.3g} years"
        if not group:
            return InputFinding(
                "caution",
                "age between",
                f"{told}: the models were taught on children of one to five years and on adults, and hardly between.",
                remedy="Believe less.",
            )
    labels = tuple(label for label, taught in film.card.taught_on.items() if group and taught != group)
    if not labels:
        return None
    others = next(iter(film.card.taught_on[label] for label in labels))
    return InputFinding(
        "caution",
        f"taught on {others}",
        f"{told}; {_listed(labels)} {'was' if len(labels) == 1 else 'were'} taught on {others} only.",
        remedy="Do not ask it of this film." if len(labels) == 1 else "Do not ask them of this film.",
        labels=labels,
    )


def _listed(labels: tuple[str, ...]) -> str:
    return labels[0] if len(labels) == 1 else f"{', '.join(labels[:-1])} and {labels[-1]}"
