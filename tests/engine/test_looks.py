"""Second looks by the engine: the same map with a fuller badge, after all maps, once for all who ask."""

from tests.engine.standins import FAST, SLOW, film, finished
from xai_core.engine import Engine
from xai_core.errors import Cancelled


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
