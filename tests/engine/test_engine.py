"""The engine: computed once for all who ask, cheapest first, cancelled at a word, one failure one pane, nothing leaked.

Real threads and a model of a few lines; the explainers are stood in for by a function that does what ``explain_all``
promises (progress, cancel), so that each test decides when it moves on.
"""

import json
import logging
import threading
import time
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
import pytest
import torch

from xai_core.case import Case, Geometry, digest_of
from xai_core.engine import Engine, device_in_words
from xai_core.errors import Cancelled, MemoryLimitError, ModelError, ParameterError
from xai_core.explain import Explanation
from xai_core.explainers import registry
from xai_core.explainers.registry import explainers
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


@pytest.fixture
def model():
    return StandInModel()


@pytest.fixture
def compute():
    return Compute()


@pytest.fixture
def engine(tmp_path, model, compute):
    return Engine(tmp_path / "cache", load=lambda name, device: model, compute=compute)


def finished(job):
    assert job.wait(20)
    return job


def test_every_pane_becomes_ready_in_the_order_asked(engine):
    job = finished(engine.submit(film(), "m", [SLOW, FAST], LABELS))
    assert list(job.panes) == [(SLOW, "Healthy"), (SLOW, "Pneumonia"), (FAST, "Healthy"), (FAST, "Pneumonia")]
    assert {pane.state for pane in job.panes.values()} == {"ready"}
    assert job.share == 1.0
    assert all(pane.explanation.target == target for (_, target), pane in job.panes.items())


def test_the_cheapest_is_computed_first(engine, compute):
    names = [SLOW, "lrp-epsilon-plus", FAST]
    finished(engine.submit(film(), "m", names, ["Pneumonia"]))
    cheapest_first = sorted(names, key=lambda name: explainers()[name].cost)
    assert [name for _, name, _ in compute.made] == cheapest_first
    assert compute.made[-1][1] == SLOW


def test_maps_of_one_film_share_one_call(engine, compute):
    finished(engine.submit(film(), "m", [FAST, SLOW], LABELS))
    assert len(compute.calls) == 1


def test_a_second_request_is_ready_at_once_and_costs_a_sliver(engine, compute):
    case = film()
    finished(engine.submit(case, "m", [FAST, SLOW], ["Pneumonia"]))
    before = time.thread_time()
    again = engine.submit(case, "m", [FAST, SLOW], ["Pneumonia"])
    cost = time.thread_time() - before
    assert again.done
    assert len(compute.made) == 2
    assert cost < 0.05


def test_an_explainer_whose_file_has_changed_is_computed_again(engine, compute, monkeypatch):
    case = film()
    finished(engine.submit(case, "m", [FAST], ["Pneumonia"]))
    monkeypatch.setitem(registry._REGISTRY, FAST, replace(explainers()[FAST], revision="of another file"))
    finished(engine.submit(case, "m", [FAST], ["Pneumonia"]))
    assert len(compute.made) == 2


def test_results_outlive_the_engine(engine, compute, tmp_path, model):
    case = film()
    first = finished(engine.submit(case, "m", [FAST], ["Pneumonia"], {FAST: {}})).panes[FAST, "Pneumonia"].explanation
    deadline = time.monotonic() + 5
    while not engine.results.store.size_bytes and time.monotonic() < deadline:
        time.sleep(0.01)
    other = Engine(tmp_path / "cache", load=lambda name, device: model, compute=compute)
    second = other.submit(case, "m", [FAST], ["Pneumonia"])
    assert second.done
    kept = second.panes[FAST, "Pneumonia"].explanation
    np.testing.assert_array_equal(kept.map, first.map)
    assert (kept.grid, kept.badge, kept.parameters, kept.account) == (
        first.grid, first.badge, first.parameters, first.account,
    )  # fmt: skip
    assert len(compute.made) == 1


@pytest.mark.parametrize("change", ["case", "target", "parameter", "weights"])
def test_another_question_is_not_answered_from_the_cache(engine, compute, model, change):
    finished(engine.submit(film(), "m", [SLOW], ["Pneumonia"]))
    case = film(1) if change == "case" else film()
    if change == "weights":
        model.weights_digest = "beef"
    chosen = {SLOW: {"fill": "black"}} if change == "parameter" else {}
    finished(engine.submit(case, "m", [SLOW], ["Healthy" if change == "target" else "Pneumonia"], chosen))
    assert len(compute.made) == 2


def test_defaults_said_aloud_are_the_same_question(engine, compute):
    finished(engine.submit(film(), "m", [SLOW], ["Pneumonia"]))
    assert engine.submit(film(), "m", [SLOW], ["Pneumonia"], {SLOW: {"fill": "grey"}}).done


def test_two_sessions_asking_the_same_compute_it_once(engine, compute):
    jobs, case = [], film()
    threads = [
        threading.Thread(target=lambda: jobs.append(finished(engine.submit(case, "m", [FAST, SLOW], ["Pneumonia"]))))
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(jobs) == 6
    assert len(compute.made) == 2
    assert len({id(job.panes[SLOW, "Pneumonia"].explanation) for job in jobs}) == 1


def test_a_model_is_loaded_once_and_used_by_one_thread_at_a_time(tmp_path, compute):
    loaded = []

    def load(name, device):
        time.sleep(0.05)
        loaded.append(StandInModel())
        return loaded[-1]

    engine = Engine(tmp_path, load=load, compute=compute)

    def session(seed):
        engine.predict("m", film(seed))
        finished(engine.submit(film(seed), "m", [FAST, SLOW], LABELS))

    threads = [threading.Thread(target=session, args=(seed,)) for seed in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(loaded) == 1
    assert loaded[0].most_inside == 1


def test_cancel_stops_the_work_and_says_so(engine, compute):
    compute.gate.clear()
    job = engine.submit(film(), "m", [FAST, SLOW], ["Pneumonia"])
    assert compute.begun.wait(5)
    job.cancel()
    assert job.done
    assert all(isinstance(pane.error, Cancelled) for pane in job.panes.values())
    compute.gate.set()
    finished(engine.submit(film(1), "m", [FAST], ["Pneumonia"]))
    assert film().digest not in {digest for digest, _, _ in compute.made}


def test_after_cancel_the_same_can_be_asked_again(engine, compute):
    compute.gate.clear()
    engine.submit(film(), "m", [SLOW], ["Pneumonia"]).cancel()
    again = engine.submit(film(), "m", [SLOW], ["Pneumonia"])
    compute.gate.set()
    assert finished(again).panes[SLOW, "Pneumonia"].state == "ready"


def test_what_another_session_waits_for_is_not_cancelled(engine, compute):
    compute.gate.clear()
    mine, theirs = (engine.submit(film(), "m", [SLOW], ["Pneumonia"]) for _ in range(2))
    mine.cancel()
    compute.gate.set()
    assert finished(theirs).panes[SLOW, "Pneumonia"].state == "ready"
    assert isinstance(mine.panes[SLOW, "Pneumonia"].error, Cancelled) or mine.panes[SLOW, "Pneumonia"].state == "ready"


def test_progress_and_time_left_are_said(engine, compute):
    compute.gate.clear()
    job = engine.submit(film(), "m", [FAST, SLOW], ["Pneumonia"])
    assert compute.begun.wait(5)
    assert not job.done
    assert job.panes[FAST, "Pneumonia"].state == "loading"
    compute.gate.set()
    finished(job)
    compute.gate.clear()
    second = engine.submit(film(1), "m", [FAST, SLOW], ["Pneumonia"])
    assert second.panes[SLOW, "Pneumonia"].seconds_left == pytest.approx(0.1)
    compute.gate.set()
    finished(second)


def test_a_prediction_does_not_wait_for_a_long_explanation(engine, compute):
    compute.gate.clear()
    job = engine.submit(film(), "m", [SLOW], ["Pneumonia"])
    assert compute.begun.wait(5)
    answers = []
    other = threading.Thread(target=lambda: answers.append(engine.predict("m", film(1))))
    other.start()
    other.join(10)
    assert len(answers) == 1
    assert not job.done
    compute.gate.set()
    finished(job)


def test_a_prediction_is_made_once(engine, model):
    for _ in range(3):
        engine.predict("m", film())
    assert model.predictions == 1


def test_one_failing_pane_leaves_the_others_alone(engine, compute, caplog):
    compute.faults[FAST] = IndexError("value 1234 of patient DOE^JANE")
    with caplog.at_level(logging.DEBUG):
        panes = finished(engine.submit(film(), "m", [FAST, SLOW, "rap"], ["Pneumonia"])).panes
    failed = panes[FAST, "Pneumonia"]
    assert failed.state == "error"
    assert failed.error.sentence
    assert failed.error.remedy
    assert "IndexError" in caplog.text
    assert "test_engine.py" in caplog.text
    assert "DOE" not in caplog.text + str(failed.error)
    assert panes[SLOW, "Pneumonia"].state == panes["rap", "Pneumonia"].state == "ready"


@pytest.mark.parametrize("fault", [MemoryLimitError("No room.", "Take less."), MemoryError(), torch.OutOfMemoryError()])
def test_no_memory_becomes_that_panes_error(engine, compute, fault):
    compute.faults[SLOW] = fault
    panes = finished(engine.submit(film(), "m", [FAST, SLOW], ["Pneumonia"])).panes
    assert isinstance(panes[SLOW, "Pneumonia"].error, MemoryLimitError)
    assert panes[FAST, "Pneumonia"].state == "ready"


def test_a_failure_is_not_remembered(engine, compute):
    compute.faults[FAST] = RuntimeError("once")
    finished(engine.submit(film(), "m", [FAST], ["Pneumonia"]))
    compute.faults.clear()
    assert finished(engine.submit(film(), "m", [FAST], ["Pneumonia"])).panes[FAST, "Pneumonia"].state == "ready"


def test_unknown_explainers_and_wrong_parameters_are_pane_errors(engine):
    panes = finished(
        engine.submit(film(), "m", [FAST, SLOW, "no-such"], ["Pneumonia"], {SLOW: {"fill": "purple"}})
    ).panes
    assert isinstance(panes["no-such", "Pneumonia"].error, ParameterError)
    assert isinstance(panes[SLOW, "Pneumonia"].error, ParameterError)
    assert panes[FAST, "Pneumonia"].state == "ready"


def test_a_model_that_cannot_be_loaded_is_a_sentence_and_can_be_tried_again(tmp_path, model, compute):
    tries = []

    def load(name, device):
        tries.append(name)
        if len(tries) == 1:
            raise ModelError("The weights are damaged.", "Fetch them again.")
        return model

    engine = Engine(tmp_path, load=load, compute=compute)
    with pytest.raises(ModelError):
        engine.predict("m", film())
    assert engine.predict("m", film()).labels == LABELS


def test_memory_lets_go_of_the_least_recent_but_disk_keeps_it(tmp_path, model, compute):
    engine = Engine(tmp_path, memory_bytes=6000, load=lambda name, device: model, compute=compute)
    for seed in range(3):
        finished(engine.submit(film(seed), "m", [FAST], ["Pneumonia"]))
    assert engine.results.memory.size_bytes <= 6000
    time.sleep(0.2)
    assert finished(engine.submit(film(0), "m", [FAST], ["Pneumonia"])).panes[FAST, "Pneumonia"].state == "ready"
    assert len(compute.made) == 3


def test_a_damaged_entry_is_computed_again(engine, compute, tmp_path, model):
    finished(engine.submit(film(), "m", [FAST], ["Pneumonia"]))
    time.sleep(0.2)
    for blob in (tmp_path / "cache").rglob("*.safetensors"):
        blob.write_bytes(blob.read_bytes()[:100])
    other = Engine(tmp_path / "cache", load=lambda name, device: model, compute=compute)
    assert finished(other.submit(film(), "m", [FAST], ["Pneumonia"])).panes[FAST, "Pneumonia"].state == "ready"
    assert len(compute.made) == 2


def test_no_patient_reaches_the_disk_or_the_log(engine, tmp_path, caplog):
    case = film(patient={"name": "DOE^JANE", "id": "PAT-4711", "birth_date": "19700101"})
    with caplog.at_level(logging.DEBUG):
        engine.predict("m", case)
        finished(engine.submit(case, "m", [FAST, SLOW], LABELS))
        time.sleep(0.2)
    written = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert len(written) > 4
    for secret in case.patient.values():
        assert secret not in caplog.text
        assert not any(secret.encode() in path.read_bytes() for path in written)
        assert not any(secret in str(path) for path in written)


def test_maps_are_shared_and_so_cannot_be_written_to(engine):
    panes = finished(engine.submit(film(), "m", [FAST], ["Pneumonia"])).panes
    with pytest.raises(ValueError):
        panes[FAST, "Pneumonia"].explanation.map[:] = 0


def test_the_device_is_said_in_words(model):
    assert device_in_words(model).startswith("CPU, ")


def test_parameters_survive_json(engine):
    pane = finished(engine.submit(film(), "m", ["rap"], ["Pneumonia"])).panes["rap", "Pneumonia"]
    assert json.dumps(dict(pane.explanation.parameters))


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


@pytest.fixture
def look():
    return Look()


@pytest.fixture
def looking(tmp_path, model, compute, look):
    return Engine(tmp_path / "cache", load=lambda name, device: model, compute=compute, look=look)


def maps_of(engine, case, names=(FAST, SLOW)):
    panes = finished(engine.submit(case, "m", list(names), ["Pneumonia"])).panes
    return [pane.explanation for pane in panes.values()]


def test_a_second_look_brings_the_same_map_with_a_fuller_badge(looking):
    first = maps_of(looking, film())
    panes = finished(looking.look_again(film(), "m", first)).panes
    for one in first:
        again = panes[one.explainer, one.target].explanation
        assert again.raw is one.raw
        assert (again.checks, again.badge.word) == ("full", "Blind")


def test_what_was_looked_at_twice_is_kept_so(looking, look, tmp_path, model, compute):
    first = maps_of(looking, film(), [FAST])
    second = finished(looking.look_again(film(), "m", first)).panes[FAST, "Pneumonia"].explanation
    (known,) = maps_of(looking, film(), [FAST])
    assert known is second
    assert looking.look_again(film(), "m", first).done
    assert looking.look_again(film(), "m", [known]).done
    assert len(look.made) == 1
    looking.results.keep("ab", second)
    other = Engine(tmp_path / "cache", load=lambda name, device: model, compute=compute, look=look)
    assert other.results.get("ab").badge == second.badge
    assert other.results.get("ab").checks == "full"


def test_a_second_look_asked_for_twice_is_taken_once(looking, look):
    first = maps_of(looking, film(), [FAST])
    look.gate.clear()
    jobs = [looking.look_again(film(), "m", first) for _ in range(3)]
    look.gate.set()
    assert all(finished(job).panes[FAST, "Pneumonia"].state == "ready" for job in jobs)
    assert len(look.made) == 1


def test_maps_go_before_second_looks(looking, look):
    first = maps_of(looking, film(), [FAST])
    look.gate.clear()
    looks = looking.look_again(film(), "m", first)
    assert look.begun.wait(5)
    assert len(maps_of(looking, film(1))) == 2
    assert not looks.done
    look.gate.set()
    finished(looks)


def test_second_looks_can_be_cancelled_and_asked_for_again(looking, look):
    first = maps_of(looking, film(), [FAST])
    look.gate.clear()
    looks = looking.look_again(film(), "m", first)
    assert look.begun.wait(5)
    looks.cancel()
    look.gate.set()
    again = finished(looking.look_again(film(), "m", first)).panes[FAST, "Pneumonia"]
    assert again.explanation.checks == "full"


def test_closing_ends_what_is_under_way(looking, look, compute):
    first = maps_of(looking, film(), [FAST])
    look.gate.clear()
    looks = looking.look_again(film(), "m", first)
    compute.gate.clear()
    maps = looking.submit(film(1), "m", [FAST], ["Pneumonia"])
    assert look.begun.wait(5)
    looking.close()
    assert not looking._workers
    assert all(isinstance(pane.error, Cancelled) for job in (looks, maps) for pane in job.panes.values())


def test_a_second_look_that_fails_leaves_the_others_and_the_map(looking, look):
    look.faults[FAST] = IndexError("value 1234")
    first = maps_of(looking, film())
    panes = finished(looking.look_again(film(), "m", first)).panes
    assert panes[FAST, "Pneumonia"].error.remedy
    assert panes[SLOW, "Pneumonia"].explanation.checks == "full"
    assert maps_of(looking, film(), [FAST])[0].checks == "quick"
