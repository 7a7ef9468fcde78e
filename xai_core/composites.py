"""Composites: tables from operation and position to linear rule (semantics, section 5). Data, not code.

A row says where it holds ("first": a linear layer with none below it; "convolution"; "fully-connected"; "sum"; "norm";
"name:PATTERN" on the module path) and which rule holds there; the first matching row decides. A new composite is one
decorated function that returns its rows, or a file (``xai_core.composite_files``).

A fully connected layer that acts position by position on a grid or on tokens (ConvNeXt, Swin, vision transformers) shares its
weights over positions: it is a 1 x 1 convolution in another spelling and has the rows of "convolution". Only layers on the
whole pooled vector are "fully-connected". Rule ``epsilon`` there is harmless, one or two layers deep; inside blocks it would
divide by sums near zero at every level: ConvNeXt's relevance grew to 2e11 times the logit, a transformer's to 6e31.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from xai_core.parameters import Parameter
from xai_core.rules.layers import layer_of
from xai_core.rules.linear import (
    PLUS,
    AlphaBeta,
    BiasSplit,
    Box,
    Epsilon,
    Flat,
    Gamma,
    LinearRule,
    WeightSquare,
    Z,
)
from xai_core.steps import NORMS, Recording, Step

Rows = tuple[tuple[str, LinearRule], ...]
PLACES = ("first", "convolution", "fully-connected", "norm", "sum", "any")

EPSILON = Parameter(
    "epsilon", "float", 1e-6, "Absorbs relevance of outputs near zero in fully connected layers.", 0, 100
)
GAMMA = Parameter("gamma", "float", 0.25, "How much positive weights are favoured.", 0, 1000, 0.05)
LOW = Parameter("low", "float", None, "Least value an input sample can take; empty: the model card's.", optional=True)
HIGH = Parameter(
    "high", "float", None, "Greatest value an input sample can take; empty: the model card's.", optional=True
)
BIAS_SPLIT = Parameter(
    "bias_split",
    "choice",
    "signed",
    "How biases count in the positive and the negative half.",
    choices=("signed", "whole", "none"),
)


@dataclass(frozen=True)
class Composite:
    """One table. ``rows``: function of the parameters; ``needs_positive``: refused where an activation can be negative;
    ``revision``: digest of the file it comes from, empty for one that is part of the program.
    """

    name: str
    title: str
    summary: str
    source: str
    rows: Callable[[Mapping[str, Any]], Rows]
    parameters: tuple[Parameter, ...] = ()
    needs_positive: bool = False
    cost: float = 3.0
    revision: str = ""


COMPOSITES: dict[str, Composite] = {}


def composite(
    name: str, title: str, summary: str, source: str, **options: Any
) -> Callable[[Callable[..., Rows]], Callable[..., Rows]]:
    """Register the decorated ``rows(parameters)`` as a composite."""

    def add(rows: Callable[..., Rows]) -> Callable[..., Rows]:
        COMPOSITES[name] = Composite(name, title, summary, source, rows, **options)
        return rows

    return add


@dataclass
class Assignment:
    """The rows of a composite applied to one recording: which rule each step gets; ``used``: places that had a step so far."""

    rows: Rows
    recording: Recording
    first: frozenset[int] = field(init=False)
    used: set[str] = field(default_factory=set)
    shared: frozenset[int] = field(init=False)

    def __post_init__(self) -> None:
        self.first = first_layers(self.recording)
        self.shared = position_wise(self.recording)

    def rule(self, step: Step) -> LinearRule:
        kind = "convolution" if id(step) in self.shared else kind_of(step)
        for place, rule in self.rows:
            is_named = place.startswith("name:") and fnmatchcase(step.path, place[5:])
            if place == kind or is_named or (place == "first" and id(step) in self.first):
                self.used.add(place)
                return rule
        return self.rows[-1][1]


def kind_of(step: Step) -> str:
    """The row kind of a step."""
    if step.operation == "convolution":
        return "convolution"
    if step.operation in ("addmm", "mm"):
        return "fully-connected"
    if step.operation in NORMS or step.operation.endswith("_norm"):
        return "norm"
    return "sum"


def position_wise(recording: Recording) -> frozenset[int]:
    """Fully connected steps that act on every position of a grid or sequence with the same weights, by id.

    They are those with more rows than there are samples, and those whose rows are laid out as a grid again, be it of one position.
    """
    samples = recording.x.shape[0]
    dense = [step for step in recording.steps if kind_of(step) == "fully-connected"]
    found = {id(step) for step in dense if step.outputs[0].shape[0] > samples}
    made_by = {step.outputs[0].index: step for step in dense}
    for step in recording.steps:
        if step.operation in ("view", "_unsafe_view") and step.inputs[0].index in made_by:
            rows, laid_out = step.inputs[0].shape, step.outputs[0].shape
            if len(laid_out) > 2 and laid_out[-1] == rows[-1]:
                found.add(id(made_by[step.inputs[0].index]))
    return frozenset(found)


def first_layers(recording: Recording) -> frozenset[int]:
    """Linear steps with no linear step between them and the input, by id."""
    above: set[int] = set()
    first: set[int] = set()
    for step in recording.steps:
        below = any(value.index in above for value in step.inputs)
        is_linear = layer_of(step) is not None
        if is_linear and not below:
            first.add(id(step))
        if is_linear or below:
            above.update(value.index for value in step.outputs)
    return frozenset(first)


def last_layers(recording: Recording) -> frozenset[int]:
    """Linear steps with no linear step between them and the result, by id."""
    open_values = {recording.result.index}
    last: set[int] = set()
    for step in reversed(recording.steps):
        if not any(output.index in open_values for output in step.outputs):
            continue
        if layer_of(step) is not None:
            last.add(id(step))
        else:
            open_values.update(value.index for value in step.inputs)
    return frozenset(last)


def _everywhere(rule: LinearRule) -> Rows:
    return (("any", rule),)


def _mixed(convolution: LinearRule, parameters: Mapping[str, Any], first: LinearRule | None = None) -> Rows:
    """``convolution`` for convolutions, sums and norms, ``epsilon`` for fully connected layers, ``first`` in the first layer."""
    start: Rows = () if first is None else (("first", first),)
    return (*start, ("fully-connected", Epsilon(parameters["epsilon"])), ("any", convolution))


BACH = "Bach et al. 2015, PLoS ONE 10(7)"
MONTAVON = "Montavon et al. 2019, LRP: An Overview"


@composite(
    "lrp-z", "LRP-0", "The plain ratio everywhere; grows without bound in deep residual networks.", f"{BACH}, eq. 56"
)
def _z(parameters: Mapping[str, Any]) -> Rows:
    """Every input gets the share of its product. In a network of ReLUs and max pools this is input x gradient (Ancona et al. 2018),
    with all its noise; where positive and negative shares cancel, relevance grows without bound and the badge says "unstable".
    """
    return _everywhere(Z)


@composite(
    "lrp-epsilon",
    "LRP epsilon",
    "The ratio with a share of each layer's typical output added to the denominator: fewer, clearer traces.",
    f"{BACH}, eq. 58; {MONTAVON}",
    parameters=(
        Parameter("epsilon", "float", 0.25, "Size of the stabiliser.", 0, 100, 0.05),
        Parameter("relative", "bool", True, "Epsilon counts in units of each layer's root mean square output."),
        Parameter("bias", "bool", True, "Biases take their share of relevance."),
    ),
)
def _epsilon(parameters: Mapping[str, Any]) -> Rows:
    """Sums near zero no longer blow up: what the stabiliser absorbs is lost to the map and stands in the books. The larger
    epsilon, the sparser the map and the less of the logit it carries.
    """
    return _everywhere(Epsilon(parameters["epsilon"], parameters["relative"], parameters["bias"]))


@composite(
    "lrp-gamma",
    "LRP gamma",
    "Positive weights favoured by gamma, in the signed four-quadrant form.",
    "Andéol et al. 2021",
    parameters=(GAMMA,),
    cost=7,
)
def _gamma(parameters: Mapping[str, Any]) -> Rows:
    """Between LRP-0 (gamma 0) and following products of the output's own sign alone (gamma large): noise falls, and what
    speaks against the target fades with it.
    """
    return _everywhere(Gamma(parameters["gamma"]))


@composite(
    "lrp-alpha-1-beta-0",
    "LRP alpha 1 beta 0",
    "Only what speaks for the target is followed.",
    f"{BACH}, eq. 60",
    parameters=(BIAS_SPLIT,),
)
def _alpha_1(parameters: Mapping[str, Any]) -> Rows:
    """Nothing cancels, so nothing grows, and a positive logit gives no negative relevance anywhere: what speaks against the
    target cannot be seen. Zhang et al. 2016 call the same without bias excitation backprop.
    """
    return _everywhere(AlphaBeta(1, 0, parameters["bias_split"]))


@composite(
    "lrp-alpha-2-beta-1",
    "LRP alpha 2 beta 1",
    "Twice what speaks for the target minus what speaks against it.",
    f"{BACH}, eq. 60",
    parameters=(BIAS_SPLIT,),
    cost=5,
)
def _alpha_2(parameters: Mapping[str, Any]) -> Rows:
    """Both signs in high contrast. Each layer may treble the sum of magnitudes (2 + 1), so deep networks give maps whose two
    signs are each far greater than the logit, and their difference alone adds up.
    """
    return _everywhere(AlphaBeta(2, 1, parameters["bias_split"]))


@composite(
    "lrp-flat",
    "LRP flat",
    "Every input of a layer counts alike: shows what the wiring alone does, which in a transformer is the same everywhere.",
    "Lapuschkin et al. 2019",
)
def _flat(parameters: Mapping[str, Any]) -> Rows:
    """A control more than an explanation: neither weights nor values count, so what it shows is where the layers look, and
    what the winners of max pools were.
    """
    return _everywhere(Flat())


@composite(
    "lrp-w-square",
    "LRP w-square",
    "Inputs count by their squared weights, whatever they hold.",
    "Montavon et al. 2017, eq. 12",
)
def _w_square(parameters: Mapping[str, Any]) -> Rows:
    """A control more than an explanation: the values of the image play no part but in choosing the winners of max pools."""
    return _everywhere(WeightSquare())


@composite(
    "lrp-epsilon-plus",
    "LRP epsilon plus",
    "Positive products in convolutions, epsilon in fully connected layers. Bounded on every network: the default.",
    MONTAVON,
    parameters=(EPSILON,),
)
def _epsilon_plus(parameters: Mapping[str, Any]) -> Rows:
    """Labels are told apart by the fully connected end, where both signs count; below it positive products alone carry
    relevance, so magnitudes never grow. Smooth, reliable, and slow to show what speaks against.
    """
    return _mixed(PLUS, parameters)


@composite(
    "lrp-epsilon-plus-flat",
    "LRP epsilon plus flat",
    "As epsilon plus, with the flat rule in the first layer: smooth, blind to the contrast of single pixels.",
    f"{MONTAVON}; Lapuschkin et al. 2019",
    parameters=(EPSILON,),
)
def _epsilon_plus_flat(parameters: Mapping[str, Any]) -> Rows:
    """The first layer spreads its relevance evenly over the pixels it reads: the map is smoother by that layer's kernel, and no
    longer follows the brightness of single pixels.
    """
    return _mixed(PLUS, parameters, Flat())


@composite(
    "lrp-epsilon-gamma-box",
    "LRP epsilon gamma box",
    "Gamma in convolutions, epsilon in fully connected layers, the input's own range in the first layer.",
    "Andéol et al. 2021; Montavon et al. 2017, eq. 14",
    parameters=(EPSILON, GAMMA, LOW, HIGH),
    cost=7,
)
def _epsilon_gamma_box(parameters: Mapping[str, Any]) -> Rows:
    """Gamma keeps some of both signs inside; the box at the end asks how far a pixel lies from black and from white, so that
    a black pixel can be relevant too, which no rule that multiplies by the pixel allows.
    """
    return _mixed(Gamma(parameters["gamma"]), parameters, Box(parameters["low"], parameters["high"]))


@composite(
    "lrp-epsilon-alpha-2-beta-1",
    "LRP epsilon alpha 2 beta 1",
    "Alpha 2 beta 1 in convolutions, epsilon in fully connected layers.",
    f"{BACH}; {MONTAVON}",
    parameters=(EPSILON, BIAS_SPLIT),
    cost=5,
)
def _epsilon_alpha_2(parameters: Mapping[str, Any]) -> Rows:
    """Both signs in every convolution, without the noise that alpha 2 beta 1 would bring in the fully connected end. Magnitudes
    may grow threefold with each convolution.
    """
    return _mixed(AlphaBeta(2, 1, parameters["bias_split"]), parameters)


@composite(
    "lrp-epsilon-alpha-2-beta-1-flat",
    "LRP epsilon alpha 2 beta 1 flat",
    "As epsilon alpha 2 beta 1, with the flat rule in the first layer.",
    f"{BACH}; Lapuschkin et al. 2019",
    parameters=(EPSILON, BIAS_SPLIT),
    cost=5,
)
def _epsilon_alpha_2_flat(parameters: Mapping[str, Any]) -> Rows:
    """The same with its last step smoothed: single pixels no longer show, regions of both signs do."""
    return _mixed(AlphaBeta(2, 1, parameters["bias_split"]), parameters, Flat())


@composite(
    "deep-taylor",
    "Deep Taylor",
    "Positive products in hidden layers, the input's range (or squared weights) in the first, biases ignored.",
    "Montavon et al. 2017",
    parameters=(
        Parameter(
            "first",
            "choice",
            "box",
            "Rule of the first layer: box for bounded inputs, else w-square.",
            choices=("box", "w-square"),
        ),
        LOW,
        HIGH,
    ),
    needs_positive=True,
)
def _deep_taylor(parameters: Mapping[str, Any]) -> Rows:
    """A Taylor expansion of each neuron at a root point, which for ReLUs comes down to positive products. Defined where
    activations are never negative, and refused elsewhere. No negative relevance for a positive logit.
    """
    first: LinearRule = WeightSquare()
    if parameters["first"] == "box":
        first = Box(parameters["low"], parameters["high"])
    return (("first", first), ("any", PLUS))


__all__ = [
    "COMPOSITES",
    "PLACES",
    "Assignment",
    "BiasSplit",
    "Composite",
    "composite",
    "first_layers",
    "kind_of",
    "last_layers",
]
