"""Every explainer says what it computes, tells, cannot tell, costs and where it fails, in the docstrings beside its code."""

from __future__ import annotations

import inspect
import re
import sys

import pytest

import xai_core as xc
from xai_core.composites import COMPOSITES
from xai_core.explainers import lrp
from xai_core.explainers.registry import GROUPS, grouped
from xai_core.explainers.texts import cleaned, text_of
from xai_core.rules.linear import PLUS, AlphaBeta, Box, Epsilon, Flat, Gamma, Study, WeightSquare, Z

INFOS = xc.explainers()
FORMULA = re.compile(r"\S = .*(\bsum\b|\bmean\b|[*/^(|]|_\w)")
LITERATURE = re.compile(r"\b(19|20)\d\d\b|arXiv")


@pytest.mark.parametrize("name", sorted(INFOS))
def test_an_explainer_says_what_a_reader_must_know(name: str) -> None:
    text = INFOS[name].text
    assert 600 < len(text) < 8000
    assert any(FORMULA.search(line) for line in text.splitlines()), "no formula"
    assert re.search(r"\bcosts?\b", text, re.IGNORECASE)
    assert re.search(r"\b(fail(s|ures)?|cannot)\b", text, re.IGNORECASE)
    assert LITERATURE.search(text)
    assert "``" not in text
    assert not re.search(r":[a-z]+:`", text)


@pytest.mark.parametrize("name", sorted(set(INFOS) - set(COMPOSITES)))
def test_the_text_is_the_docstring_of_module_and_function(name: str) -> None:
    info = INFOS[name]
    module = sys.modules[info.run.__module__]
    words = " ".join(info.text.split())
    for docstring in (module.__doc__, info.run.__doc__):
        first = inspect.cleandoc(docstring).splitlines()[0].replace("``", "`")
        assert first in words


@pytest.mark.parametrize("name", sorted(COMPOSITES))
def test_the_text_of_a_composite_holds_its_rows_and_their_rules(name: str) -> None:
    made, text = COMPOSITES[name], INFOS[name].text
    assert made.summary in text
    for place, rule in made.rows({parameter.name: parameter.default for parameter in made.parameters}):
        assert re.search(rf"^    {place} +{re.escape(str(rule))}$", text, re.MULTILINE)
        assert cleaned(type(rule).__doc__).splitlines()[0] in text
    assert inspect.cleandoc(lrp.__doc__).splitlines()[0] in text


def test_sphinx_marks_are_taken_off() -> None:
    given = """Raises :class:`~xai_core.errors.TargetError` or :func:`text_of` for ``x``.

        Indented by the function, not by the text.
    """
    assert cleaned(given) == "Raises `TargetError` or `text_of` for `x`.\n\nIndented by the function, not by the text."


def test_a_function_without_docstring_has_the_text_of_its_module() -> None:
    def run() -> None: ...

    assert text_of(run) == cleaned(__doc__)


def test_kinds_hold_every_explainer_once_and_stand_in_the_order_of_the_survey() -> None:
    groups = grouped(INFOS.values())
    assert sorted(info.name for members in groups.values() for info in members) == sorted(INFOS)
    assert list(groups) == [title for title in GROUPS.values() if title in groups]
    assert {info.taxonomy[2] for info in INFOS.values()} <= {"local", "global"}


RULES = {
    "z: each product's share of the sum": Z,
    "epsilon 0.25 of the layer's typical output: each product's share, small sums damped, without bias": Epsilon(
        0.25, True, False
    ),
    "plus: positive products, without bias": PLUS,
    "alpha 2 beta 1: 2 x positive products less 1 x negative ones, biases by their sign": AlphaBeta(2, 1),
    "gamma 0.5: what has the output's sign counts 1.5-fold": Gamma(0.5),
    "flat: every input alike": Flat(),
    "w-square: by squared weights, whatever the inputs hold": WeightSquare(),
    "study: positive weights against signed inputs, without bias": Study(),
    "box: by distance from the least possible value (-1) and from the greatest (2.5)": Box(-1, 2.5),
}


@pytest.mark.parametrize("words", RULES)
def test_a_rule_says_in_words_what_it_does(words: str) -> None:
    assert str(RULES[words]) == words
