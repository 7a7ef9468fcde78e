"""Cards as TOML, as the manifest and folders of one's own hold them. The standard library reads TOML and cannot write it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

from xai_core.models.card import Card
from xai_core.preprocess import InputSpec


def table_of(card: Card) -> dict[str, Any]:
    """What a card says beyond its defaults, without its name and whether it is shipped: the folder tells both."""
    said: dict[str, Any] = {}
    for entry in fields(Card):
        value = getattr(card, entry.name)
        if entry.name not in ("name", "shipped", "input") and value != _default(entry):
            said[entry.name] = value
    said["input"] = {
        entry.name: getattr(card.input, entry.name)
        for entry in fields(card.input)
        if getattr(card.input, entry.name) != _default(entry)
    }
    return said


def spelled_size(spec: InputSpec) -> str:
    """What a person reads of an input: "1 x 224 x 224", or of a volume "4 x free x free x free at 1.5 x 1.5 x 1.5 mm"."""
    size = " x ".join(str(side) if side else "free" for side in (spec.channels, *spec.size))
    return size if spec.spacing_mm is None else f"{size} at {' x '.join(f'{step:g}' for step in spec.spacing_mm)} mm"


def toml_table(name: str, table: Mapping[str, Any]) -> str:
    """One table with its sub-tables as TOML, scalars first, as the format asks; an empty name: the file's own table."""
    lines = [f"[{name}]"] if name else []
    lines += [f"{_key(key)} = {_value(value)}" for key, value in table.items() if not isinstance(value, Mapping)]
    for key, value in table.items():
        if isinstance(value, Mapping):
            lines.append(f"\n[{name}.{_key(key)}]" if name else f"\n[{_key(key)}]")
            lines += [f"{_key(inner)} = {_value(entry)}" for inner, entry in value.items()]
    return "\n".join(lines) + "\n\n"


def _default(entry: Any) -> Any:
    return entry.default_factory() if entry.default_factory is not MISSING else entry.default


def _key(key: str) -> str:
    return key if key.replace("_", "").replace("-", "").isalnum() and key.isascii() else _text(key)


def _text(value: str) -> str:
    named = {"\\": "\\\\", '"': '\\"', "\n": "\\n"}
    letters = (named.get(c) or (c if c.isprintable() else f"\\u{ord(c):04x}" if ord(c) < 65536 else "?") for c in value)
    return f'"{"".join(letters)}"'


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(k)} = {_value(v)}" for k, v in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_value(entry) for entry in value) + "]"
    return repr(float(f"{value:.9g}")) if isinstance(value, float) else str(value)
