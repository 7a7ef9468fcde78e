"""Errands: work that takes its turn on a model, brings its result once for all who ask, stops at a word, and fails in a sentence."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import pytest

from tests.engine.standins import StandInModel, film
from xai_core.engine import Engine
from xai_core.errors import Cancelled, ParameterError


@dataclass(frozen=True)
class Parcel:
    content: int
    size_bytes: int = 8


@pytest.fixture
def engine(tmp_path):
    made = Engine(tmp_path, load=lambda name, device: StandInModel())
    yield made
    made.close()


def test_the_same_is_brought_once_for_all_who_ask(engine):
    asked = []

    def work(model, progress, cancel):
        asked.append(model)
        return Parcel(7)

    first = [engine.errand("net", "work", "key", work) for _ in range(3)]
    assert all(one.wait(10) for one in first)
    assert [one.result for one in first] == [Parcel(7)] * 3
    assert engine.errand("net", "work", "key", work).done
    assert len(asked) == 1
    other = engine.errand("net", "work", "another", work)
    assert other.wait(10)
    assert len(asked) == 2


def test_it_tells_how_far_it_is_and_stops_when_asked(engine):
    half, stopped = threading.Event(), threading.Event()

    def work(model, progress, cancel):
        progress(0.5)
        half.set()
        assert cancel.wait(10)
        stopped.set()
        raise Cancelled

    found = engine.errand("net", "work", 1, work)
    assert half.wait(10)
    assert (found.done, found.state.share) == (False, 0.5)
    found.cancel()
    assert found.done
    assert isinstance(found.state.error, Cancelled)
    assert stopped.wait(10)
    assert found.result is None


def test_a_cancelled_errand_can_be_run_again(engine):
    found = engine.errand(
        "net", "work", 1, lambda model, progress, cancel: Parcel(1) if not cancel.wait(5) else _stop()
    )
    found.cancel()
    assert found.wait(10)
    again = engine.errand("net", "work", 1, lambda model, progress, cancel: Parcel(2))
    assert again.wait(10)
    assert again.result == Parcel(2)


def _stop():
    raise Cancelled


def test_a_prediction_goes_before_the_rest_of_an_errand(engine):
    order, waiting = [], threading.Event()

    def work(model, progress, cancel):
        order.append("first half")
        waiting.set()
        for _ in range(1000):
            progress(0.5)
            if "urgent" in order:
                break
            cancel.wait(0.01)
        order.append("second half")
        return Parcel(1)

    found = engine.errand("net", "work", 1, work)
    assert waiting.wait(10)

    engine.predict("net", film())
    order.append("urgent")
    assert found.wait(20)
    assert order == ["first half", "urgent", "second half"]


def test_faults_become_sentences(engine, caplog):
    def refused(model, progress, cancel):
        raise ParameterError("That cannot be.", "Take another.")

    def broken(model, progress, cancel):
        raise KeyError("a patient's name")

    first, second = (engine.errand("net", "work", key, work) for key, work in enumerate((refused, broken)))
    assert first.wait(10)
    assert second.wait(10)
    assert str(first.state.error) == "That cannot be. Take another."
    assert "fault of the program" in str(second.state.error)
    assert "patient" not in caplog.text


def test_closing_the_engine_ends_what_is_under_way(tmp_path):
    engine = Engine(tmp_path, load=lambda name, device: StandInModel())
    found = engine.errand("net", "work", 1, lambda model, progress, cancel: cancel.wait(30) and _stop())
    engine.close()
    assert found.done
