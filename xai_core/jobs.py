"""Jobs and the results they wait for: progress, time left, cancel. No threads are started here.

A *flight* is one map under way, whoever asked for it; a *job* is one session's list of flights. Two sessions that
ask for the same map hold the same flight, so a flight is abandoned only when the last job lets go of it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from xai_core.case import Region
from xai_core.errors import Cancelled, LightboxError
from xai_core.explain import Explanation

PaneKey = tuple[str, str]


@dataclass(frozen=True)
class PaneState:
    """How one pane (explainer, target) stands at this moment.

    ``share`` 0..1 is what is done of it; ``seconds_left`` an estimate, ``None`` while nothing is known.
    """

    state: Literal["loading", "ready", "error"]
    share: float = 0.0
    seconds_left: float | None = None
    explanation: Explanation | None = None
    error: LightboxError | None = None


class Flight:
    """One map under way. The worker calls ``advance``, ``land`` or ``fail``; sessions read ``state``."""

    def __init__(self, explainer: str, target: str, expected_seconds: float | None = None) -> None:
        self.explainer = explainer
        self.target = target
        self.holders = 0
        self._expected = expected_seconds
        self._started: float | None = None
        self._state = PaneState("loading", seconds_left=expected_seconds)
        self._lock = threading.Lock()
        self._ended = threading.Event()

    @property
    def is_ended(self) -> bool:
        """Whether the map is there or has failed."""
        return self._ended.is_set()

    @property
    def state(self) -> PaneState:
        """A snapshot; the time left runs on between two signs of progress."""
        with self._lock:
            state, started = self._state, self._started
        if state.state != "loading" or started is None:
            return state
        elapsed = time.monotonic() - started
        if state.share > 0.02:
            left: float | None = elapsed * (1 - state.share) / state.share
        else:
            left = None if self._expected is None else max(self._expected - elapsed, 0.0)
        return PaneState("loading", state.share, left)

    def advance(self, share: float) -> None:
        """Say that ``share`` (0..1) of the work is done."""
        with self._lock:
            if self._started is None:
                self._started = time.monotonic()
            if self._state.state == "loading":
                self._state = PaneState("loading", min(max(share, self._state.share), 1.0))

    def land(self, explanation: Explanation) -> None:
        """The map is there."""
        self._end(PaneState("ready", 1.0, 0.0, explanation=explanation))

    def fail(self, error: LightboxError) -> None:
        """The map will not come."""
        self._end(PaneState("error", error=error))

    def wait(self, seconds: float | None) -> bool:
        """Whether the flight ended within ``seconds``."""
        return self._ended.wait(seconds)

    def _end(self, state: PaneState) -> None:
        with self._lock:
            if not self._ended.is_set():
                self._state = state
                self._ended.set()


class Job:
    """What one session asked for: panes (explainer, target) of one case, one model and one ``region`` (None: the predicted
    one), in the order asked."""

    def __init__(
        self,
        case_digest: str,
        model_name: str,
        flights: Mapping[PaneKey, Flight],
        release: Callable[[Flight], None],
        region: Region | None = None,
    ) -> None:
        self.case_digest = case_digest
        self.model_name = model_name
        self.region = region
        self._flights = MappingProxyType(dict(flights))
        self._release = release
        self._cancelled = threading.Event()

    @property
    def panes(self) -> dict[PaneKey, PaneState]:
        """Every pane as it stands now."""
        stopped = self._cancelled.is_set()
        states = {key: flight.state for key, flight in self._flights.items()}
        return {
            key: PaneState("error", error=Cancelled()) if stopped and state.state == "loading" else state
            for key, state in states.items()
        }

    @property
    def done(self) -> bool:
        """Whether nothing more will come."""
        return self._cancelled.is_set() or all(flight.is_ended for flight in self._flights.values())

    @property
    def is_cancelled(self) -> bool:
        """Whether the person asked to stop."""
        return self._cancelled.is_set()

    @property
    def share(self) -> float:
        """What is done of all panes, 0..1."""
        panes = self.panes.values()
        ended = [1.0 if pane.state != "loading" else pane.share for pane in panes]
        return sum(ended) / len(ended) if ended else 1.0

    @property
    def seconds_left(self) -> float | None:
        """Estimate for all panes that are still loading; ``None`` where one of them is unknown."""
        left = [pane.seconds_left for pane in self.panes.values() if pane.state == "loading"]
        known = [seconds for seconds in left if seconds is not None]
        return sum(known) if len(known) == len(left) else None

    def cancel(self) -> None:
        """Stop waiting; what nobody else waits for is no longer computed."""
        if self.done:
            return
        self._cancelled.set()
        for flight in self._flights.values():
            self._release(flight)

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until done; False when ``seconds`` passed before."""
        end = None if seconds is None else time.monotonic() + seconds
        while not self.done:
            left = 0.05 if end is None else min(0.05, end - time.monotonic())
            if left <= 0:
                return False
            waited_for = next((flight for flight in self._flights.values() if not flight.is_ended), None)
            if waited_for is not None:
                waited_for.wait(left)
        return True
