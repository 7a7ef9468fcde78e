"""Generated tables in the README: each between ``<!-- NAME:begin -->`` and ``<!-- NAME:end -->``."""

from __future__ import annotations

import re
from pathlib import Path

README = Path(__file__).resolve().parents[1] / "README.md"


def placed(text: str, name: str, block: str, heading: str = "") -> str:
    """``text`` with ``block`` between the markers of ``name``; without markers, a section under ``heading`` at its end."""
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    marked = f"{begin}\n{block}\n{end}"
    if begin not in text or end not in text:
        return f"{text.rstrip()}\n\n## {heading or name}\n\n{marked}\n"
    return re.sub(f"{begin}.*?{end}", lambda _: marked, text, count=1, flags=re.DOTALL)


def put(path: Path, name: str, block: str, heading: str = "") -> None:
    """Replace the block ``name`` in the file at ``path``."""
    path.write_text(placed(path.read_text(encoding="utf-8"), name, block, heading), encoding="utf-8")
