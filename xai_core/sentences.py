"""The two sentences that never leave: on every page, in the viewer, and in every report."""

from __future__ import annotations

PURPOSE = "Research and teaching only: not for diagnosis."
MEANING = "A map shows what moved this model, not what is wrong with the patient."
