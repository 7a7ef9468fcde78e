"""The findings of a volume: a button a label with its millilitres, a table of all that was measured, and the regions themselves."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from components import findings
from components.findings import Finding
from components.prose import table
from xai_core.case import Case
from xai_core.models import Model, Prediction
from xai_core.volume_findings import VolumeFinding, volume_findings

HEAD = ("Label", "ml", "largest", "parts", "max")
NOTHING = "Nothing is predicted over the threshold of any label."
KEPT = "volume-found"
MOST_ROWS = 12


def found(model: Model, case: Case, told: Prediction) -> list[VolumeFinding]:
    """What was found, measured once a case and model of this session: the regions stay the same arrays."""
    state, name = st.session_state, (case.digest, model.weights_digest)
    if state.get(KEPT, (None,))[0] != name:
        state[KEPT] = (name, volume_findings(model, case, told))
    measured: list[VolumeFinding] = state[KEPT][1]
    return measured


def rows(measured: Sequence[VolumeFinding]) -> list[Finding]:
    """What was found as rows to choose from, the largest first, in the card's order where equal."""
    ordered = sorted(measured, key=lambda one: (-(one.ml or 0.0), -one.probability))
    return [
        Finding(one.label, one.probability, one.threshold, one.parts > 0, 0, _ml(one.ml) if one.parts else "none")
        for one in ordered
    ]


def draw(
    shown: Sequence[Finding], measured: Sequence[VolumeFinding], chosen: str, choose: Callable[[str], None]
) -> None:
    """The buttons (the chosen one and the largest ``MOST_ROWS``) and the table."""
    first = list(shown[:MOST_ROWS])
    findings.table([*first, *(row for row in shown[MOST_ROWS:] if row.label == chosen)], chosen, choose)
    held = [one for one in measured if one.parts]
    if not held:
        st.info(NOTHING, icon=":material/info:")
    with st.expander("Measured on this volume's grid", key="volume-measured"):
        table(
            HEAD,
            [
                (one.label, _ml(one.ml), _ml(one.largest_ml), str(one.parts), f"{100 * one.probability:.0f} %")
                for one in held or measured
            ],
        )
        st.caption("max: the greatest probability anywhere; parts touch over faces, edges or corners.")


def _ml(amount: float | None) -> str:
    return "?" if amount is None else f"{amount:.3g} ml" if amount < 1000 else f"{amount:.0f} ml"
