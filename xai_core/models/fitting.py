"""Whether weights fit a network: keys matched, and the first differences in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from xai_core.errors import ModelError
from xai_core.models.architectures import build
from xai_core.models.card import Card

SHOWN = 3
"""How many differences of a kind are named."""
_COUNTER = "num_batches_tracked"
"""Counts of training steps in batch norms; checkpoints older than PyTorch 0.4 have none, and nothing reads them here."""


@dataclass(frozen=True)
class Fit:
    """``matched`` keys fit; ``missing`` ones the network needs, ``unexpected`` ones it has no place for, and ``shapes``: keys
    of another shape as (key, the network's, the file's)."""

    matched: int
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    shapes: tuple[tuple[str, tuple[int, ...], tuple[int, ...]], ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether every key found its place."""
        return not (self.missing or self.unexpected or self.shapes)

    @property
    def differences(self) -> str:
        """The first differences of each kind, as parts of a sentence; empty where it fits."""
        unlike = tuple(f"{key}: {_size(found)} instead of {_size(wanted)}" for key, wanted, found in self.shapes)
        parts = [
            _listed(len(self.missing), "lacking", self.missing),
            _listed(len(self.unexpected), "unknown", self.unexpected),
            _listed(len(self.shapes), "of another shape", unlike),
        ]
        return "; ".join(part for part in parts if part)


def fit(module: nn.Module, state: Mapping[str, Tensor]) -> Fit:
    """Compare the keys and shapes of ``state`` with those of ``module``."""
    wanted = module.state_dict()
    missing = tuple(key for key in wanted if key not in state and not key.endswith(_COUNTER))
    unexpected = tuple(key for key in state if key not in wanted)
    both = [key for key in wanted if key in state]
    unlike = [key for key in both if wanted[key].shape != state[key].shape]
    shapes = tuple((key, tuple(wanted[key].shape), tuple(state[key].shape)) for key in unlike)
    return Fit(len(both) - len(unlike), missing, unexpected, shapes)


def filled(card: Card, state: Mapping[str, Tensor]) -> nn.Module:
    """The card's network in eval mode with ``state`` in float32. Raises :class:`ModelError` with the first differences;
    where only the number of outputs differs, with both numbers."""
    module = build(card)
    found = fit(module, state)
    if outputs := outputs_instead(card, found):
        raise ModelError(
            f"The weights of '{card.name}' have {outputs} outputs, its card names {len(card.labels)} labels.",
            f"Name {outputs} labels, in the order of the network's outputs.",
        )
    if not found.is_whole:
        raise ModelError(
            f"The weights of '{card.name}' do not fit its architecture '{card.architecture}': {found.matched} keys fit; "
            f"{found.differences}.",
            "Name the architecture the weights were trained for.",
        )
    widened = {key: value.float() if value.is_floating_point() else value for key, value in state.items()}
    if not all(bool(torch.isfinite(value).all()) for value in widened.values()):
        raise ModelError(f"The weights of '{card.name}' hold values that are no numbers.", "Fetch or train them again.")
    module.load_state_dict(widened, strict=False)
    return module.eval().requires_grad_(False)


def outputs_instead(card: Card, found: Fit) -> int:
    """The number of outputs of the file, where it is not that of the card's labels and nothing else differs; else 0."""
    counts = set()
    for _, wanted, given in found.shapes:
        is_head = len(wanted) == len(given) and wanted[0] == len(card.labels) and wanted[1:] == given[1:]
        counts.add(given[0] if is_head else 0)
    is_only = not (found.missing or found.unexpected) and len(counts) == 1
    return counts.pop() if is_only else 0


def _listed(count: int, kind: str, names: tuple[str, ...]) -> str:
    if not count:
        return ""
    more = ", ..." if count > SHOWN else ""
    return f"{count} {kind} ({', '.join(names[:SHOWN])}{more})"


def _size(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "one value"
