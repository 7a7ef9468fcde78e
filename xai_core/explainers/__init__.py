"""Explainers, one method or one small family a file; each registers itself (:mod:`xai_core.explainers.registry`)."""
