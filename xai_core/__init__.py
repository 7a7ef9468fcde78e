"""Lightbox's core: read a case, load a model, explain what moved it, and say how far to believe the map.

Research and teaching only: not a medical device.
"""

from xai_core.case import Case, Geometry, Region
from xai_core.errors import LightboxError, UnsupportedOperationError
from xai_core.explain import Explanation, attribute, explain, explain_all
from xai_core.explainers.lrp import load_composite
from xai_core.explainers.registry import ExplainerInfo, explainers
from xai_core.explainers.request import Attribution
from xai_core.metrics import Measured, MetricInfo, measure, metrics
from xai_core.models import Card, Model, Prediction, load_model, models
from xai_core.parameters import Parameter
from xai_core.quality import Quality, quality
from xai_core.readers import read_case, read_region
from xai_core.record import Recording, record
from xai_core.samples import SampleCase, sample_cases
from xai_core.second_looks import second_look
from xai_core.trust import Badge, Finding

__version__ = "0.1.0"
__all__ = [
    "Attribution",
    "Badge",
    "Card",
    "Case",
    "ExplainerInfo",
    "Explanation",
    "Finding",
    "Geometry",
    "LightboxError",
    "Measured",
    "MetricInfo",
    "Model",
    "Parameter",
    "Prediction",
    "Quality",
    "Recording",
    "Region",
    "SampleCase",
    "UnsupportedOperationError",
    "attribute",
    "explain",
    "explain_all",
    "explainers",
    "load_composite",
    "load_model",
    "measure",
    "metrics",
    "models",
    "quality",
    "read_case",
    "read_region",
    "record",
    "sample_cases",
    "second_look",
]
