"""A model of a few lines, and functions that do what ``explain_all`` and ``second_looks`` promise (progress, cancel)."""

import threading
import time
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from xai_core.case import Case, Geometry, digest_of
from xai_core.errors import Cancelled
from xai_core.explain import Explanation
from xai_core.grid import Grid
from xai_core.models import Prediction
from xai_core.trust import Badge, Finding

FAST, SLOW = "grad-cam", "occlusion"
LABELS = ("Healthy", "Pneumonia")


def film(seed=0, patient=None):
    pixels = np.random.default_rng(seed).integers(0, 4096, size=(1, 40, 30), dtype=np.uint16)
    return Case("film", ("film",), pixels, Geometry(), {}, digest_of(pixels, "film"), MappingProxyType(patient or {}))


@dataclass
class StandInModel:
    """Counts how many threads are inside it at once."""

    weights_digest: str = "feed"
    device: str = "cpu"
    inside: int = 0
    most_inside: int = 0
    predictions: int = 0

    def __enter__(self):
        self.inside += 1
        self.most_inside = max(self.most_inside, self.inside)
        time.sleep(0.002)

    def __exit__(self, *_):
        self.inside -= 1

    def predict(self, case):
        with self:
            self.predictions += 1
        return Prediction(LABELS, np.zeros(2), np.full(2, 0.5), ())


class Compute:
    """Stands in for ``explain_all``: ten steps a map, a gate to hold it, faults by name."""

    def __init__(self, steps=4):
        self.steps, self.made, self.calls, self.faults = steps, [], [], {}
        self.gate, self.begun = threading.Event(), threading.Event()
        self.gate.set()

    def __call__(self, model, case, explainers, targets, parameters=None, progress=None, cancel=None):
        self.calls.append((tuple(explainers), tuple(targets)))
        found = {}
        for name in explainers:
            for target in targets:
                self.begun.set()
                for step in range(self.steps):
                    with model:
                        pass
                    progress(name, target, step / self.steps, None)
                    while not self.gate.wait(0.005):
                        progress(name, target, step / self.steps, None)
                        if cancel.is_set():
                            raise Cancelled
                    if cancel.is_set():
                        raise Cancelled
                if name in self.faults:
                    raise self.faults[name]
                found[name, target] = explained(case, name, target, parameters[name])
                self.made.append((case.digest, name, target))
                progress(name, target, 1.0, found[name, target])
        return found


def explained(case, name, target, parameters):
    raw = np.random.default_rng(len(name)).normal(size=(1, 8, 6)).astype(np.float32)
    grid = Grid((5.0, 5.0), (2.0, 2.0), (40, 30), (8, 6))
    return Explanation(
        explainer=name, target=target, model="fake", case_digest=case.digest, map=grid.to_case(raw), raw=raw,
        shown=raw[0].copy(), grid=grid, account={"seed": 1.0, "error": 1e-7},
        badge=Badge((Finding("good", "Closed", "The books close.", "books_close"),), (), {"error": 1e-7}), seconds=0.1,
        parameters=dict(parameters), provenance={"device": "cpu"}, is_signed=True, unit="logit",
    )  # fmt: skip


def finished(job):
    assert job.wait(20)
    return job


class Look:
    """Stands in for ``second_looks``: one more sentence a map, a gate to hold it, faults by name."""

    def __init__(self):
        self.made, self.faults = [], {}
        self.gate, self.begun = threading.Event(), threading.Event()
        self.gate.set()

    def __call__(self, known, model, case, explainers, targets, parameters=None, progress=None, cancel=None):
        found = {}
        for key in [(name, target) for name in explainers for target in targets]:
            self.begun.set()
            progress(*key, 0.1, None)
            while not self.gate.wait(0.005):
                progress(*key, 0.2, None)
                if cancel.is_set():
                    raise Cancelled
            if key[0] in self.faults:
                raise self.faults[key[0]]
            with model:
                self.made.append(key)
            badge = known[key].badge.joined([Finding("caution", "Blind", "It stays.", "random_last_layer")], {})
            found[key] = replace(known[key], badge=badge, checks="full")
            progress(*key, 1.0, found[key])
        return found
