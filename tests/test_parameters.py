"""A parameter says in words what may be given."""

from __future__ import annotations

import pytest

import xai_core as xc
from xai_core.errors import ParameterError
from xai_core.parameters import Parameter

WORDS = {
    "0.5 to 2": Parameter("p", "float", 1.0, "", 0.5, 2),
    "from 0": Parameter("p", "float", 1.0, "", 0),
    "up to 3": Parameter("p", "float", 1.0, "", None, 3),
    "any number": Parameter("p", "float", 1.0, ""),
    "whole, 1 to 9": Parameter("p", "int", 1, "", 1, 9),
    "on, off": Parameter("p", "bool", True, ""),
    "a, b": Parameter("p", "choice", "a", "", choices=("a", "b")),
    "two numbers, 0 to 1": Parameter("p", "pair", (0, 1), "", 0, 1),
    "text": Parameter("p", "text", "", ""),
}


@pytest.mark.parametrize("words", WORDS)
def test_the_range_in_words(words: str) -> None:
    assert WORDS[words].range == words


def test_declared_limits_are_the_limits_that_hold() -> None:
    for info in xc.explainers().values():
        for parameter in info.parameters:
            if parameter.kind in ("float", "int") and parameter.low is not None and parameter.high is not None:
                low, high = parameter.range.removeprefix("whole, ").split(" to ")
                assert parameter.check(float(high)) == pytest.approx(float(parameter.high), rel=1e-5)
                for outside in (parameter.low - 1, parameter.high + 1):
                    with pytest.raises(ParameterError):
                        parameter.check(outside)
                assert float(low) == pytest.approx(parameter.low)
