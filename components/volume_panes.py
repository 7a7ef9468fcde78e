"""Maps of a volume in the viewer: hung as the case lies, one a modality, with what was predicted and what was given beside."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from components.panes import Place, Placed
from components.viewer.packing import once
from xai_core.case import Case
from xai_core.explain import Explanation
from xai_core.hung import Hung, hung


def on_volume(case: Case, channels: Sequence[str]) -> Place:
    """How maps of a network that reads ``channels`` lie on ``case``."""
    return partial(_placed, case, tuple(channels))


def _placed(case: Case, channels: tuple[str, ...], explanation: Explanation) -> Placed:
    """Made once an explanation, so that a rerun hands the same array to the viewer and sends no pixels."""
    what = f"hung {' '.join(case.channels)} from {' '.join(channels)} {explanation.explainer}"
    found: Hung = once(explanation.raw, what, lambda: hung(explanation, case, channels))
    return found.values, found.scale, found.offset
