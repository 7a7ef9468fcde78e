"""Networks that go with one shipped model and are no models themselves: what an explainer needs beside its network.

``weights/companions.toml`` holds one table a companion, with a card's keys and the table ``serves``: the model, the SHA-256 of
its weights, and the label. :func:`xai_core.models.models` does not list them.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from torch import nn

from xai_core.explainers.request import Companion
from xai_core.models import generators  # noqa: F401 - registers the architecture
from xai_core.models.card import Card
from xai_core.models.places import SHELF
from xai_core.models.shelf import card_of, furnished, toml_of

MANIFEST = "companions.toml"


def companion_of(name: str, served: Card, weights_digest: str, device: str = "cpu") -> Companion | None:
    """The companion ``name`` where it was trained for the weights of this digest, else None; raises :class:`ModelError`
    where its own weights are absent, damaged or changed."""
    serves = _tables().get(name, {}).get("serves", {})
    if not serves or serves["sha256"] != weights_digest:
        return None
    label = str(serves["label"])
    network = _network(name, device)
    return Companion(network, served.labels.index(label), label, served.decision_logit(label), served.input.size)


def companion_card(name: str) -> Card:
    """The card of a companion, which is no model's."""
    table = {key: value for key, value in _tables()[name].items() if key != "serves"}
    return card_of({"name": name, "shipped": True, **table})


def companions(shelf: Path = SHELF) -> tuple[str, ...]:
    """Names of all companions on the shelf."""
    return tuple(_tables(shelf))


def _tables(shelf: Path = SHELF) -> dict[str, Any]:
    path = shelf / MANIFEST
    return toml_of(path) if path.is_file() else {}


@functools.cache
def _network(name: str, device: str) -> nn.Module:
    return furnished(companion_card(name), SHELF / f"{name}.safetensors")[0].to(device)
