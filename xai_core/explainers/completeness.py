"""Whether a map adds up: sum(map) = f(x) - f(baseline), and by how much it does not."""

from __future__ import annotations

from torch import Tensor

from xai_core.rules.books import total

COMPLETENESS_ERROR = "completeness_error"


def completeness(relevance: Tensor, difference: Tensor) -> dict[str, float | str]:
    """Facts for the badge: ``map_sum``, ``difference`` (f(x) - f(baseline)) and ``completeness_error`` = |sum - difference| /
    max(|difference|, 1e-3 * sum|map|), of the sample where it is worst. ``relevance`` (N, C, *space), ``difference`` (N,).
    """
    samples = relevance.shape[0]
    sums, wanted = total(relevance, samples), difference.double()
    floor = (1e-3 * total(relevance.abs(), samples)).clamp_min(1e-12)
    error = (sums - wanted).abs() / wanted.abs().maximum(floor)
    worst = int(error.argmax())
    return {
        "map_sum": float(sums[worst]),
        "difference": float(wanted[worst]),
        COMPLETENESS_ERROR: float(error[worst]),
    }
