"""What each modality is worth beside a raw map's shares: a table by modality, and whether map and network agree on the ranking."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from xai_core.case import Case, Region
from xai_core.explain import explain
from xai_core.filter_study.sweep import STUDY
from xai_core.metrics import measure
from xai_core.metrics.modalities import insides
from xai_core.modalities import shares
from xai_core.models import Model

LOST, SHARE, INSIDE = "logit lost without it", "share of the map", "of its positive part in the ground truth"


@dataclass(frozen=True)
class ModalityAccount:
    """``table``: a row a modality; ``msfi`` and ``agreement`` (Kendall's tau-b) as the metrics give them, ``nan`` with a reason."""

    table: pd.DataFrame
    msfi: float
    agreement: float
    reason: str = ""


def modality_account(
    model: Model, case: Case, region: Region, explainer: str = STUDY, fill: str = "grey"
) -> ModalityAccount:
    """Ablation of the lesion's logit (the last label's) against the raw map of ``explainer``, on one case."""
    found = explain(model, case, explainer=explainer, target=model.card.labels[-1])
    agreement = measure(found, "modality-agreement", model=model, case=case, fill=fill)
    inside = found.grid.to_input(region.mask[None].astype(np.float32))[0] >= 0.5
    columns = {
        LOST: [agreement.by_channel.get(name, float("nan")) for name in model.card.channels],
        SHARE: shares(found.raw),
        INSIDE: insides(found.raw, inside),
    }
    frame = pd.DataFrame(columns, index=list(model.card.channels))
    frame.index.name = "modality"
    importance = measure(found, "msfi", region=region, model=model, case=case, fill=fill)
    return ModalityAccount(frame, importance.value, agreement.value, agreement.reason or importance.reason)
