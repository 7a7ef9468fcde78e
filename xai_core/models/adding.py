"""From somebody's file of weights to a folder of one's own: looked at, tried, written.

``looked_at`` finds layout, card and fit without touching the disk; ``trial`` runs one forward pass; ``added`` writes ``card.toml`` and the
weights into the folder of models under a safe name. The command line and the page "Add a model" both stand on this.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn

from xai_core.errors import LightboxError, ModelError
from xai_core.models import exported, scripted
from xai_core.models.architectures import build
from xai_core.models.card import Card
from xai_core.models.card_text import table_of, toml_table
from xai_core.models.checkpoints import Checkpoint, read_checkpoint
from xai_core.models.fitting import Fit, filled, fit
from xai_core.models.loaders import Converted, loader_named, recognised
from xai_core.models.places import models_folder, safe_name
from xai_core.models.shelf import OPENERS, card_of, manifest_cards, own_folders

PROGRAMS = {scripted.ARCHITECTURE: ".pt", exported.ARCHITECTURE: ".pt2"}
"""What is kept as a file and run as it is, by the name of its architecture."""
BLACK_BOX = "It is a program: only black-box explainers (occlusion, RISE, LIME, Kernel SHAP) can explain it."
NO_CARD = "It says nothing of how well it does: try it on films whose finding you know."


@dataclass(frozen=True)
class Found:
    """What a file turned out to be: its ``loader`` (or the kind of program), ``card``, how the keys ``fit``, the ``module`` where
    they do, the bytes to keep and the ending of their file, and sentences for the person."""

    loader: str
    card: Card
    fit: Fit
    module: nn.Module
    content: bytes = field(repr=False)
    suffix: str = ".safetensors"
    messages: tuple[str, ...] = ()


def looked_at(
    source: Path | bytes,
    file: str = "",
    *,
    architecture: str = "",
    labels: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
    name: str = "",
    more: Mapping[str, Any] | None = None,
) -> Found:
    """What ``source`` is and whether it works as ``architecture`` (a loader's name or a kind of program; empty: as its keys
    say) with ``labels`` (empty: those of the layout).

    ``more``: keys of the card that go before what the loader says. Raises :class:`ModelError` for what does not fit, with the
    first differences, or both numbers where the labels are too few or too many.
    """
    file = file or (source.name if isinstance(source, Path) else "weights")
    own = safe_name(name or Path(file).name.split(".")[0])
    if architecture in PROGRAMS:
        return _program(source, architecture, own, file, labels, more or {})
    stream = source if isinstance(source, Path) else io.BytesIO(source)
    found = read_checkpoint(stream, file, _facts_beside(source))
    chosen = loader_named(architecture) if architecture else recognised(found)
    converted = chosen(found, settings)
    card = _card(converted, own, file, chosen.name, labels, more or {})
    module = filled(card, converted.state)
    matched = fit(module, converted.state)
    content = save({key: value.detach().clone().contiguous() for key, value in converted.state.items()})
    return Found(chosen.name, _sized(card, content), matched, module, content, messages=(NO_CARD,))


def differences(
    source: Path | bytes, file: str, architecture: str, settings: Mapping[str, Any] | None = None
) -> tuple[Checkpoint, Fit | None, str]:
    """For a file that does not fit: its tensors, how they compare with ``architecture`` where that can be said, and the loader
    that would know it, if any. For the page, which shows what was found."""
    found = read_checkpoint(source if isinstance(source, Path) else io.BytesIO(source), file, _facts_beside(source))
    try:
        suggested = recognised(found).name
    except ModelError:
        suggested = ""
    try:
        converted = loader_named(architecture or suggested)(found, settings)
        labels = tuple(f"label {number + 1}" for number in range(converted.outputs))
        card = _card(converted, "trial", file, architecture, labels, {})
        return found, fit(build(card), converted.state), suggested
    except LightboxError:
        return found, None, suggested


def trial(found: Found) -> tuple[int, ...]:
    """The shape of the output for one input of noise within the card's bounds, the batch left out.

    Raises :class:`ModelError` where the network does not run on such an input, or answers with another number of labels or with
    values that are no numbers. Volumes are tried on a corner of 32 voxels a side.
    """
    spec = found.card.input
    size = spec.size if len(spec.size) == 2 or found.suffix != ".safetensors" else (32,) * len(spec.size)
    low, high = spec.bounds
    noise = torch.rand((1, spec.channels, *size), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        try:
            answer = found.module(low + (high - low) * noise)
        except (RuntimeError, ValueError, IndexError) as problem:
            raise ModelError(
                f"The network does not run on an input of {spec.channels} x {' x '.join(map(str, size))}: "
                f"{str(problem).strip().splitlines()[0][:200]}.",
                "Give the size and the channels that it was trained with.",
            ) from None
    if not isinstance(answer, Tensor) or answer.ndim < 2 or answer.shape[1] != len(found.card.labels):
        outputs = answer.shape[1] if isinstance(answer, Tensor) and answer.ndim > 1 else 0
        raise ModelError(
            f"The network has {outputs} outputs, its card names {len(found.card.labels)} labels.",
            f"Name {outputs} labels, in the order of the network's outputs.",
        )
    if not bool(torch.isfinite(answer).all()):
        raise ModelError("The network answers with values that are no numbers.", "Check the file and the input.")
    return tuple(answer.shape[1:])


def added(found: Found, folder: Path | None = None) -> Path:
    """Write the model into a folder of its own and give that folder; raises :class:`ModelError` where the name is taken or the
    disk refuses. Nothing half-written is left behind."""
    place = folder or models_folder()
    name = found.card.name
    card = manifest_cards().get(name)
    if name in own_folders(place) or (card is not None and card.shipped):
        raise ModelError(f"There is a model '{name}' already.", "Choose another name, or remove its folder first.")
    try:
        place.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=".adding-", dir=place))
    except OSError as problem:
        raise ModelError(
            f"The folder of models cannot be written: {problem.strerror}.", "Set LIGHTBOX_MODELS."
        ) from None
    try:
        (part / f"{name}{found.suffix}").write_bytes(found.content)
        (part / "card.toml").write_text(toml_table("", table_of(found.card)), "utf-8")
        os.chmod(part, 0o755)  # noqa: PTH101
        part.rename(place / name)
    except OSError as problem:
        shutil.rmtree(part, ignore_errors=True)
        raise ModelError(
            f"The model cannot be written: {problem.strerror}.", "Free some space, or set LIGHTBOX_MODELS."
        ) from None
    return place / name


def _program(
    source: Path | bytes, architecture: str, name: str, file: str, labels: Sequence[str], more: Mapping[str, Any]
) -> Found:
    if isinstance(source, Path) and not source.is_file():
        raise ModelError(f"There is no file '{file}'.", "Name another file.")
    content = source if isinstance(source, bytes) else source.read_bytes()
    if not labels:
        raise ModelError(
            "A program does not tell what its outputs mean.", "Name its labels in the order of its outputs."
        )
    table = {
        "architecture": architecture,
        "labels": list(labels),
        "summary": BLACK_BOX,
        **more,
        "input": {"size": [224, 224], "intensity": "file-range", **more.get("input", {})},
    }
    suffix = PROGRAMS[architecture]
    card = _sized(card_of({**table, "name": name, "title": more.get("title", Path(file).stem)}), content)
    module = OPENERS[suffix](card, content)
    count = len(module.state_dict())
    return Found(architecture, card, Fit(count), module, content, suffix, (BLACK_BOX, NO_CARD))


def _card(
    converted: Converted, name: str, file: str, loader: str, labels: Sequence[str], more: Mapping[str, Any]
) -> Card:
    table = dict(converted.table)
    chosen = tuple(labels) or tuple(table.get("labels", ()))
    if len(chosen) != converted.outputs:
        told = f"{len(chosen)} labels are named" if chosen else "no labels are named"
        raise ModelError(
            f"The network in '{file}' has {converted.outputs} outputs, and {told}.",
            f"Name {converted.outputs} labels, in the order of the network's outputs.",
        )
    if chosen != tuple(table.get("labels", ())):
        table.pop("thresholds", None)
    table["input"] = {**table["input"], **more.get("input", {})}
    channels = table["input"].get("channels", 1)
    is_grey = channels == 1 or table["input"].get("repeat")
    names = ("film",) if is_grey else tuple(f"channel {number + 1}" for number in range(channels))
    given = {"title": name, "channels": names, "loader": loader, "file": file, **table, **more, "input": table["input"]}
    return card_of({**given, "labels": chosen, "name": name, "shipped": False})


def _sized(card: Card, content: bytes) -> Card:
    return replace(card, sha256=hashlib.sha256(content).hexdigest(), bytes=len(content), url="")


def _facts_beside(source: Path | bytes) -> dict[str, Any]:
    """What a JSON file of the same name beside ``source`` says; nothing where there is none."""
    beside = source.with_suffix(".json") if isinstance(source, Path) else None
    if beside is None or not beside.is_file() or beside.stat().st_size > 1_000_000:
        return {}
    try:
        facts = json.loads(beside.read_text("utf-8"))
    except (ValueError, OSError):
        return {}
    return facts if isinstance(facts, dict) else {}
