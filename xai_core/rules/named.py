"""Linear rules by name, with their parameters declared: what a composite written as data may say (semantics, section 3).

``rule_named("gamma", {"gamma": 0.1})`` is ``Gamma(0.1)``; a name, a parameter or a value that does not exist is an error
that says which ones do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from xai_core.errors import ParameterError
from xai_core.parameters import Parameter
from xai_core.rules.linear import PLUS, AlphaBeta, Box, Epsilon, Flat, Gamma, LinearRule, Study, WeightSquare, Z


@dataclass(frozen=True)
class NamedRule:
    """``make`` takes the declared parameters by name."""

    make: Callable[..., LinearRule]
    parameters: tuple[Parameter, ...] = ()


def _alpha_beta(alpha: float, beta: float, bias_split: Any) -> LinearRule:
    if abs(alpha - beta - 1) > 1e-9:
        raise ParameterError(
            f"alpha = {alpha:g} and beta = {beta:g} do not share out the whole.",
            "Choose them so that alpha - beta = 1.",
        )
    return AlphaBeta(alpha, beta, bias_split)


_EPSILON = Parameter("epsilon", "float", 1e-6, "Absorbs relevance of outputs near zero.", 0, 100)
_RELATIVE = Parameter("relative", "bool", False, "Epsilon counts in units of each layer's root mean square output.")

RULES: Mapping[str, NamedRule] = {
    "z": NamedRule(lambda: Z),
    "epsilon": NamedRule(
        Epsilon, (_EPSILON, _RELATIVE, Parameter("bias", "bool", True, "Biases take their share of relevance."))
    ),
    "epsilon-no-bias": NamedRule(
        lambda epsilon, relative: Epsilon(epsilon, relative, bias=False),
        (_EPSILON, _RELATIVE),
    ),
    "gamma": NamedRule(Gamma, (Parameter("gamma", "float", 0.25, "How much positive weights are favoured.", 0, 1000),)),
    "alpha-beta": NamedRule(
        _alpha_beta,
        (
            Parameter("alpha", "float", 1.0, "Weight of what speaks for the target.", 1, 100),
            Parameter("beta", "float", 0.0, "Weight of what speaks against it: alpha - 1.", 0, 99),
            Parameter(
                "bias_split",
                "choice",
                "signed",
                "How biases count in the positive and the negative half.",
                choices=("signed", "whole", "none"),
            ),
        ),
    ),
    "plus": NamedRule(lambda: PLUS),
    "flat": NamedRule(Flat),
    "w-square": NamedRule(WeightSquare),
    "box": NamedRule(
        Box,
        (
            Parameter("low", "float", None, "Least value an input sample can take; none: the model card's.", -1e9, 1e9),
            Parameter(
                "high", "float", None, "Greatest value an input sample can take; none: the model card's.", -1e9, 1e9
            ),
        ),
    ),
    "study": NamedRule(Study),
}


def rule_named(name: str, given: Mapping[str, Any] | None = None) -> LinearRule:
    """The rule ``name`` with parameters by name, the others at their defaults; raises :class:`ParameterError`."""
    named = RULES.get(name)
    if named is None:
        raise ParameterError(f"There is no rule '{name}'.", f"The rules: {', '.join(RULES)}.")
    known = {parameter.name: parameter for parameter in named.parameters}
    unknown = next((entry for entry in given or {} if entry not in known), None)
    if unknown is not None:
        raise ParameterError(
            f"Rule {name} has no parameter '{unknown}'.", f"Its parameters: {', '.join(known) or 'none'}."
        )
    values = {entry: parameter.check((given or {}).get(entry, parameter.default)) for entry, parameter in known.items()}
    return named.make(**values)
