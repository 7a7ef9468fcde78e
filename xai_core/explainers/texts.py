"""What an explainer says of itself at length: the docstrings of its module and of its function, for the page and the command line.

There is one text, the one beside the code. It is plain: paragraphs, formulas indented by four spaces, `code`. Paragraphs that
begin with one of ``OPENERS`` say what a reader must know of every method.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

OPENERS = ("What it tells", "What it cannot tell", "Known failures", "Cost", "Peers", "Our reading", "What is returned")
_ROLE = re.compile(r":[a-z:]+:`~?(?:[\w.]*\.)?(\w+)`")


def cleaned(docstring: str | None) -> str:
    """A docstring without indentation of its own and without Sphinx's marks; empty for None."""
    plain = _ROLE.sub(r"`\1`", inspect.cleandoc(docstring or ""))
    return plain.replace("``", "`").strip()


def text_of(run: Callable[..., Any]) -> str:
    """The docstring of the function's module, then of the function, which says what it returns."""
    of_module, of_function = cleaned(getattr(run, "__globals__", {}).get("__doc__")), cleaned(run.__doc__)
    return joined(of_module, of_function and f"What is returned: {of_function}")


def joined(*parts: str) -> str:
    """Texts one under the other, those that are empty left out."""
    return "\n\n".join(part for part in parts if part)
