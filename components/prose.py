"""Plain text and plain tables as Markdown that shows every sign as it is: formulas full of stars stay formulas."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from textwrap import dedent

import streamlit as st

from components.shell import escaped, literal
from xai_core.explainers.texts import OPENERS

_SPAN = re.compile(r"(`[^`]+`|\*\*[^*]+\*\*)")
_OPENER = re.compile(rf"({'|'.join(OPENERS)}|Rule [^:]+):")


def prose(text: str) -> str:
    """An explainer's text as Markdown: indented blocks as they stand, the opening words of its paragraphs in bold."""
    return "\n\n".join(_block(block) for block in re.split(r"\n\s*\n", text.strip("\n")) if block.strip())


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Draw a table of plain text."""
    lines = [head, ["---"] * len(head), *([escaped(cell) or " " for cell in row] for row in rows)]
    st.markdown("\n".join(f"| {' | '.join(line)} |" for line in lines))


def _block(block: str) -> str:
    if all(line.startswith("    ") for line in block.splitlines() if line.strip()):
        return f"```text\n{dedent(block)}\n```"
    plain = " ".join(block.split())
    opener = _OPENER.match(plain)
    start = f"**{literal(opener[0])}** " if opener else ""
    rest = plain[opener.end() :].lstrip() if opener else plain
    return start + "".join(part if _SPAN.fullmatch(part) else literal(part) for part in _SPAN.split(rest))
