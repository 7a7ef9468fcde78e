"""Every explainer on every network: ``python -m tests.matrix`` (or ``make matrix``)."""
