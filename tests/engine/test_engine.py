"""The engine: computed once for all who ask, cheapest first, cancelled at a word, one failure one pane, nothing leaked.

Real threads and a model of a few lines; the explainers are stood in for by a function that does what ``explain_all``
promises (progress, cancel), so that each test decides when it moves on.
"""

import json
import logging
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.engine.standins import FAST, LABELS, SLOW, StandInModel, film, finished
from xai_core.engine import Engine, device_in_words
from xai_core.errors import Cancelled, MemoryLimitError, ModelError, ParameterError
from xai_core.explainers import registry
from xai_core.explainers.registry import explainers


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
    assert "standins.py" in caplog.text
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
