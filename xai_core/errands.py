"""Errands: long work on a model that brings something other than a map, with progress, time left and cancel like a job's.

The engine runs them beside its maps: one thread an errand, in turn with all else that the model is asked for; what one has
brought is kept in memory for whoever asks the same.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from typing import Any, Generic, Protocol, TypeVar

from xai_core.errors import Cancelled, LightboxError
from xai_core.jobs import Flight, PaneState
from xai_core.models import Model
from xai_core.results import Memory
from xai_core.turn import Haste, Turn


class Brought(Protocol):
    """What an errand brings: it says how many bytes it takes, for the cache."""

    @property
    def size_bytes(self) -> int: ...


Result = TypeVar("Result", bound=Brought)
Work = Callable[[Model, Callable[[float], None], threading.Event], Result]
"""``work(model, progress, cancel)``: tells ``progress`` its share (0..1) and stops with ``Cancelled`` once ``cancel`` is set."""


class Errand(Generic[Result]):
    """One person's wait for one piece of work; ``result`` is there when it is done and has no ``error``."""

    def __init__(self, title: str, model_name: str, expected_seconds: float | None = None) -> None:
        self.title = title
        self.model_name = model_name
        self.cancelled = threading.Event()
        self.result: Result | None = None
        self._flight = Flight(title, "", expected_seconds)

    @property
    def state(self) -> PaneState:
        """How it stands: share, time left, and the error where it failed or was cancelled."""
        state = self._flight.state
        if self.cancelled.is_set() and state.state == "loading":
            return PaneState("error", error=Cancelled())
        return state

    @property
    def done(self) -> bool:
        """Whether nothing more will come."""
        return self.state.state != "loading"

    def cancel(self) -> None:
        """Stop waiting, and stop the work at its next step."""
        if not self.done:
            self.cancelled.set()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until the work ends; False when ``seconds`` passed before."""
        return self._flight.wait(seconds)

    def advance(self, share: float) -> None:
        """Say that ``share`` (0..1) is done."""
        self._flight.advance(share)

    def land(self, result: Result) -> None:
        """Here is what it brought."""
        self.result = result
        self._flight.finish()

    def fail(self, error: LightboxError) -> None:
        """Nothing will come of it."""
        self._flight.fail(error)


class Errands:
    """The errands of one engine. ``memory_bytes``: what is kept of what they brought; ``tell`` makes a person's sentence of a fault,
    given what failed and on which model."""

    def __init__(self, memory_bytes: int, tell: Callable[[BaseException, str, str], LightboxError]) -> None:
        self._brought: Memory[Any] = Memory(memory_bytes)
        self._tell = tell
        self._seconds: dict[str, float] = {}
        self._under_way: dict[threading.Thread, Errand[Any]] = {}
        self._lock = threading.Lock()

    def start(
        self, title: str, model_name: str, model: Model, turn: Turn, key: Hashable, work: Work[Result]
    ) -> Errand[Result]:
        """Start ``work`` in a thread of its own, unless what it brings is known."""
        whole = (model.weights_digest, title, key)
        made: Errand[Result] = Errand(title, model_name, self._seconds.get(f"{model.weights_digest} {title}"))
        if (known := self._brought.get(whole)) is not None:
            made.land(known)
            return made
        worker = threading.Thread(target=self._run, args=(made, model, turn, whole, work), name=title, daemon=True)
        with self._lock:
            self._under_way[worker] = made
        worker.start()
        return made

    def cancelled(self) -> list[threading.Thread]:
        """Cancel all that is under way; the threads that are still to end."""
        with self._lock:
            under_way = dict(self._under_way)
        for errand in under_way.values():
            errand.cancel()
        return list(under_way)

    def _run(self, errand: Errand[Any], model: Model, turn: Turn, key: Hashable, work: Work[Any]) -> None:
        """The body of an errand's thread: whatever happens, it ends."""

        def progress(share: float) -> None:
            errand.advance(share)
            turn.step_aside(Haste.ORDINARY)

        try:
            with turn.held(Haste.ORDINARY):
                brought = self._brought.get(key)  # another session may have brought it while this one waited
                if brought is None:
                    begun = time.monotonic()
                    brought = work(model, progress, errand.cancelled)
                    self._seconds[f"{model.weights_digest} {errand.title}"] = time.monotonic() - begun
                    self._brought.put(key, brought, brought.size_bytes)
            errand.land(brought)
        except Exception as problem:
            errand.fail(self._tell(problem, errand.title, errand.model_name))
        finally:
            with self._lock:
                self._under_way.pop(threading.current_thread(), None)
