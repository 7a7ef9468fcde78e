"""A model's card: what it is, what it eats, what it names, how well it did and where it may be wrong."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from xai_core.errors import ModelError
from xai_core.head import SCALINGS
from xai_core.preprocess import INTENSITIES, InputSpec

Modality = Literal["CXR", "MR", "digit"]
Task = Literal["classification", "segmentation", "generation"]
Activation = Literal["sigmoid", "softmax"]
CROPS = ("lungs", "study", "centre", "head", "none")
SKULLS = ("", "on", "stripped")
_NAME = re.compile(r"[^/\\\x00-\x1f\x7f]{1,80}")

__all__ = ["Card", "InputSpec", "Modality", "Task", "checked"]


@dataclass(frozen=True)
class Card:
    """One model.

    ``options``: what its architecture needs beside labels and channels. ``parents`` maps a label to the label above it;
    ``thresholds`` are on calibrated probabilities, ``temperatures`` divide logits before the sigmoid; labels in ``off`` are shown only
    when asked for; ``members``: the models whose mean this is;
    ``target_layer``: what class activation maps look at; ``target_layers``: those worth comparing, as forms offer them (of a U-Net
    the bottleneck and the decoder's blocks); ``taught_on``: "children" or "adults" for a label taught on these alone; ``skull``:
    whether the heads it knows have theirs ("on", "stripped"; "": not said). ``metrics``: figures
    on held-out patients, with intervals and n; ``calibration``: figures and points of the reliability curve by label;
    ``shortcuts``: what it may have learned wrongly, by name, with its control figures. ``sha256``: of the file of weights,
    whole, or its beginning where the publisher names no more. Where ``shipped`` is false, ``url`` and ``file`` name what
    to fetch and ``loader`` reads it (:mod:`xai_core.models.loaders`) and knows the labels where none are named; ``where`` says
    in words where to get it.
    """

    name: str
    title: str
    architecture: str
    modality: Modality
    task: Task
    labels: tuple[str, ...]
    channels: tuple[str, ...]
    shipped: bool
    input: InputSpec
    activation: Activation = "sigmoid"
    options: Mapping[str, Any] = field(default_factory=dict)
    off: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    parents: Mapping[str, str] = field(default_factory=dict)
    thresholds: Mapping[str, float] = field(default_factory=dict)
    temperatures: Mapping[str, float] = field(default_factory=dict)
    taught_on: Mapping[str, str] = field(default_factory=dict)
    skull: str = ""
    target_layer: str = ""
    target_layers: tuple[str, ...] = ()
    metrics: Mapping[str, Any] = field(default_factory=dict)
    calibration: Mapping[str, Any] = field(default_factory=dict)
    shortcuts: Mapping[str, Any] = field(default_factory=dict)
    training_data: tuple[str, ...] = ()
    licence: str = ""
    source: str = ""
    sha256: str = ""
    bytes: int = 0
    url: str = ""
    file: str = ""
    where: str = ""
    loader: str = ""
    summary: str = ""

    def decision_logit(self, label: str) -> float:
        """The logit from which on the card says yes to a label (sigmoid models)."""
        threshold = self.thresholds.get(label, 0.5)
        return self.temperatures.get(label, 1.0) * math.log(threshold / (1 - threshold))


def checked(card: Card) -> Card:
    """``card``, if it holds together; raises :class:`ModelError` for the first value that does not."""
    for check in _CHECKS:
        for sentence, remedy in check(card):
            raise ModelError(f"The card of '{card.name}' {sentence}.", remedy)
    return card


Complaint = tuple[str, str]


def _words(card: Card) -> Iterator[Complaint]:
    known = {
        "modality": (card.modality, get_args(Modality)),
        "task": (card.task, get_args(Task)),
        "activation": (card.activation, get_args(Activation)),
        "skull": (card.skull, SKULLS),
        "input.crop": (card.input.crop, CROPS),
        "input.intensity": (card.input.intensity, (*INTENSITIES, *SCALINGS)),
    }
    for key, (given, possible) in known.items():
        if given not in possible:
            yield f"has {key} = '{given}', which is not known", f"Choose one of: {', '.join(possible)}."


def _names(card: Card) -> Iterator[Complaint]:
    if not _NAME.fullmatch(card.name):
        yield "has a name that cannot be a folder's", "Use letters, digits, '-' and '_', 80 at most."
    are_known_elsewhere = bool(card.members) or (bool(card.loader) and not card.shipped)
    if not card.labels and not are_known_elsewhere:
        yield "names no labels", "List the network's outputs in 'labels'."
    if not all(isinstance(label, str) and label.strip() for label in card.labels):
        yield "has a label without letters", "Name every output of the network."
    if twice := [label for label, count in Counter(card.labels).items() if count > 1]:
        yield f"names the label '{twice[0]}' twice", "Give every output a name of its own."


def _by_label(card: Card) -> Iterator[Complaint]:
    for key in ("parents", "thresholds", "temperatures", "calibration", "off"):
        if unknown := sorted(set(getattr(card, key)) - set(card.labels)):
            yield f"has {key} for '{unknown[0]}', which is not among its labels", f"Labels: {', '.join(card.labels)}."
    for label, share in card.thresholds.items():
        if not _is_number(share) or not 0 <= share <= 1:
            yield f"has the threshold {share!r} for '{label}'", "Thresholds are probabilities, from 0 to 1."
    for label, temperature in card.temperatures.items():
        if not _is_number(temperature) or not 0 < temperature < float("inf"):
            yield f"has the temperature {temperature!r} for '{label}'", "Temperatures are above zero."


def _hierarchy(card: Card) -> Iterator[Complaint]:
    for label, parent in card.parents.items():
        if parent not in card.labels:
            yield f"puts '{label}' under '{parent}', which is not among its labels", "Name a label of the card."
        seen = {label}
        while parent in card.parents:
            if parent in seen:
                yield f"puts '{label}' under itself", "Let every line of 'parents' end at a label without parent."
                return
            seen.add(parent)
            parent = card.parents[parent]


def _input(card: Card) -> Iterator[Complaint]:
    spec = card.input
    if card.members and not spec.size:
        return  # that of its members
    least = 0 if len(spec.size) == 3 and spec.spacing_mm is not None else 1
    if len(spec.size) not in (2, 3) or any(side < least for side in spec.size):
        yield f"has the input size {list(spec.size)}", "Give [height, width] or [depth, height, width] in pixels."
    if spec.multiple < 1:
        yield f"has input.multiple = {spec.multiple}", "Give 1 or more."
    if spec.spacing_mm is not None and (len(spec.spacing_mm) != 3 or any(not step > 0 for step in spec.spacing_mm)):
        yield f"has input.spacing_mm = {list(spec.spacing_mm)}", "Give three steps above zero, in mm."
    if not spec.low < spec.high:
        yield f"has input.low = {spec.low:g} and input.high = {spec.high:g}", "Give low below high."
    if len(card.channels) != spec.channels and not (spec.repeat and len(card.channels) == 1):
        yield (
            f"names {len(card.channels)} channel(s), its input has {spec.channels}",
            "Name every channel, or set repeat = true for one grey channel that is given to all.",
        )
    for key, values in (("mean", spec.mean), ("std", spec.std)):
        if len(values) not in (0, spec.channels):
            yield f"has {len(values)} values in input.{key} for {spec.channels} channel(s)", "Give one a channel."
    if len(spec.mean) != len(spec.std) or any(not value > 0 for value in spec.std):
        yield "has a mean without a standard deviation above zero", "Give both, or neither."


def _file(card: Card) -> Iterator[Complaint]:
    if card.sha256 and not re.fullmatch(r"[0-9a-f]{8,64}", card.sha256):
        yield "has a sha256 that is none", "Give 64 hexadecimal digits in small letters, or leave it out."
    if card.bytes < 0:
        yield f"has bytes = {card.bytes}", "Give the size of the file in bytes."
    if card.url and not re.match(r"https?://", card.url):
        yield "has a url that is none", "Give an address that begins with https://."
    if card.url and (card.shipped or not card.file):
        yield "has a url, and is shipped or lacks the file's name", "Set shipped = false and name the file."


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_CHECKS: tuple[Callable[[Card], Iterator[Complaint]], ...] = (_words, _names, _by_label, _hierarchy, _input, _file)
