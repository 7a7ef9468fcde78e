"""What a rule for one operation gets to work with, and the registry of those rules.

A step rule takes the context, the step and the relevance of its outputs (None where none arrived), and returns pairs
(value, relevance). ``relevance_rule`` registers it for ATen operations under LRP; RAP and the studies' codes replace entries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from xai_core.errors import UnsupportedOperationError
from xai_core.rules.books import Books
from xai_core.rules.layers import Fold
from xai_core.rules.linear import LinearRule
from xai_core.steps import NORMS, Recording, Step, Value

Shares = Iterable[tuple[Value, Tensor]]
StepRule = Callable[["Context", Step, Sequence[Tensor | None]], Shares]

RELEVANCE_RULES: dict[str, StepRule] = {}


def relevance_rule(*operations: str) -> Callable[[StepRule], StepRule]:
    """Register the decorated function as the LRP rule of these ATen operations."""

    def add(rule: StepRule) -> StepRule:
        for operation in operations:
            RELEVANCE_RULES[operation] = rule
        return rule

    return add


@dataclass
class Context:
    """One walk: the recording, the books, which linear rule each step got (``chosen``), what another rule did in its place
    (``replaced``), batch norms folded so far, and the outputs of ReLUs by the step whose only reader they are (``rectified``)."""

    recording: Recording
    books: Books
    explainer: str
    linear_rule: Callable[[Step], LinearRule]
    sum_rule: Callable[[Step], LinearRule]
    pooling: str = "winner"
    folds_norms: bool = True
    rules: Mapping[str, StepRule] = field(default_factory=lambda: RELEVANCE_RULES)
    folded: dict[int, Fold] = field(default_factory=dict)
    rectified: dict[int, Value] = field(default_factory=dict)
    chosen: dict[str, str] = field(default_factory=dict)
    alternatives: tuple[str, ...] = ()
    replaced: dict[str, list[str]] = field(default_factory=dict)

    def tensor(self, value: Value) -> Tensor:
        return self.recording.tensor(value)

    def note(self, step: Step, rule: str) -> None:
        """Say that ``rule`` shared out ``step`` in the place of the one that was asked for."""
        places = self.replaced.setdefault(rule, [])
        if (place := step.path or step.operation) not in places:
            places.append(place)

    def unsupported(self, step: Step) -> UnsupportedOperationError:
        return UnsupportedOperationError(step.operation, step.path, self.explainer, self.alternatives)

    def foldable_producer(self, step: Step) -> Step | None:
        """The convolution right below the batch norm ``step`` that it can be folded into, if there is one."""
        value = step.arguments[0]
        if not self.folds_norms or step.operation not in NORMS or not isinstance(value, Value) or value.consumers != 1:
            return None
        producer = value.producer
        return producer if producer is not None and producer.operation in ("convolution", "addmm", "mm") else None
