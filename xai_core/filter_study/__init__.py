"""The stroke study's analysis of filters: its grid of pass and clamp filters over one recording, and what each does to a map.

Source: Tjoa et al., arXiv 1911.08136; inclusivity in :mod:`xai_core.metrics.inclusivity`, filters in semantics, section 9.
"""

from xai_core.filter_study.bands import RAW, STUDY_BANDS, Band
from xai_core.filter_study.readings import MEASURES, Reading
from xai_core.filter_study.summary import Curve, SweetSpot, curves, long_table, sweet_spot, table
from xai_core.filter_study.sweep import Sweep, sweep, sweep_network

__all__ = [
    "MEASURES",
    "RAW",
    "STUDY_BANDS",
    "Band",
    "Curve",
    "Reading",
    "Sweep",
    "SweetSpot",
    "curves",
    "long_table",
    "sweep",
    "sweep_network",
    "sweet_spot",
    "table",
]
