"""Who goes first: whoever is in more of a hurry, however long the others have waited."""

from __future__ import annotations

import threading
import time

from xai_core.turn import Haste, Turn


def waiting(turn: Turn, haste: Haste, order: list[Haste]) -> threading.Thread:
    def work() -> None:
        with turn.held(haste):
            order.append(haste)

    thread = threading.Thread(target=work)
    before = sum(turn._waiting.values())
    thread.start()
    while sum(turn._waiting.values()) == before:
        time.sleep(0.001)
    return thread


def test_the_most_urgent_goes_first() -> None:
    turn, order = Turn(), []
    with turn.held(Haste.PATIENT):
        threads = [waiting(turn, haste, order) for haste in (Haste.PATIENT, Haste.ORDINARY, Haste.URGENT)]
    for thread in threads:
        thread.join(5)
    assert order == [Haste.URGENT, Haste.ORDINARY, Haste.PATIENT]


def test_a_holder_steps_aside_for_those_in_more_of_a_hurry_only() -> None:
    turn, order = Turn(), []
    with turn.held(Haste.ORDINARY):
        threads = [waiting(turn, haste, order) for haste in (Haste.PATIENT, Haste.ORDINARY, Haste.URGENT)]
        turn.step_aside(Haste.ORDINARY)
        assert order == [Haste.URGENT]
        turn.step_aside(Haste.ORDINARY)
        assert order == [Haste.URGENT]
    for thread in threads:
        thread.join(5)
    assert sorted(order) == sorted(Haste)


def test_the_turn_is_given_back_by_an_error() -> None:
    turn = Turn()
    try:
        with turn.held(Haste.ORDINARY):
            raise ValueError
    except ValueError:
        pass
    with turn.held(Haste.PATIENT):
        pass
