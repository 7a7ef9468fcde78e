"""Every error a person can meet: one sentence that says what is wrong, one that says what to do.

All derive from :class:`LightboxError`, so that a page, the command line and a script can show
``str(error)`` and go on. Errors that are our own fault are ordinary Python exceptions.
"""

from __future__ import annotations

from collections.abc import Sequence


class LightboxError(Exception):
    """A problem a person can understand and mend.

    ``sentence`` says what is wrong, ``remedy`` what to do; ``str(error)`` is both.
    """

    def __init__(self, sentence: str, remedy: str = "") -> None:
        self.sentence = sentence
        self.remedy = remedy
        super().__init__(f"{sentence} {remedy}".strip())


class ReadError(LightboxError):
    """A file cannot be read as the case that was asked for."""


class RegionError(LightboxError):
    """A mask or box cannot be laid on its case."""


class ModelError(LightboxError):
    """A model, its card or its weights cannot be used."""


class TargetError(LightboxError):
    """The label, index or region to explain does not exist or is empty."""


class ParameterError(LightboxError):
    """A parameter is unknown, of the wrong kind, or out of its declared range."""


class CompositeError(LightboxError):
    """A file that should hold a composite (a table from place to rule) does not."""


class ModuleStateError(LightboxError):
    """A module cannot be recorded as it stands: train mode, another device, NaN, scripted."""


class ForwardError(ModuleStateError, RuntimeError):
    """The network's own forward pass fails on this input."""


class UnsupportedOperationError(LightboxError):
    """A network holds an operation for which an explainer has no rule.

    Attributes: ``operation`` (the ATen name), ``module_path`` (dotted path inside the network),
    ``alternatives`` (explainers that do work on this network). ``sentence`` takes the place of the usual one.
    """

    def __init__(
        self, operation: str, module_path: str, explainer: str, alternatives: Sequence[str] = (), sentence: str = ""
    ) -> None:
        self.operation = operation
        self.module_path = module_path
        self.alternatives = tuple(alternatives)
        where = f" in '{module_path}'" if module_path else ""
        remedy = f"Use one of: {', '.join(alternatives)}." if alternatives else "Use an explainer of another family."
        super().__init__(sentence or f"{explainer} has no rule for the operation {operation}{where}.", remedy)


class NoRectifierError(UnsupportedOperationError):
    """Guided backpropagation and deconvnet have nothing to act on: the network holds no ReLU.

    ``operation`` and ``module_path`` name the first activation that it holds instead, or are empty.
    """

    def __init__(self, explainer: str, operation: str, module_path: str, alternatives: Sequence[str]) -> None:
        super().__init__(operation, module_path, explainer, alternatives)
        found = f"its activation is {operation}" if operation else "it has no activation at all"
        sentence = f"{explainer} changes how ReLUs pass the gradient back, and this network has none: {found}."
        LightboxError.__init__(self, sentence, self.remedy)


class UnboundedError(LightboxError):
    """A rule's relevance grew beyond the range of the numbers it is computed in, so that no map is left."""


class MemoryLimitError(LightboxError):
    """Even the smallest chunk does not fit into memory."""


class Cancelled(LightboxError):
    """The person asked to stop."""

    def __init__(self) -> None:
        super().__init__("The computation was cancelled.", "Start it again when you want the result.")
