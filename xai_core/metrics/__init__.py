"""Metrics of maps: one family a file, each saying what it needs, in which direction it counts, and where it comes from."""

from xai_core.metrics.asked import measure
from xai_core.metrics.registry import Direction, Measured, MetricInfo, metrics

__all__ = ["Direction", "Measured", "MetricInfo", "measure", "metrics"]
