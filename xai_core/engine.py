"""One engine a server: models loaded once, results cached, jobs in worker threads with progress and cancel.

A job asks for panes (explainer, target) of one case and one model. What is known already (memory, then disk) is ready
at once; what another session is computing is waited for, not computed twice; the rest is computed cheapest first,
under one lock a model, and handed over pane by pane. Maps that are there can be looked at a second time (``look_again``),
after everything else has had its turn. A failing pane carries one sentence and a remedy and leaves the
others alone. Results are kept by digests of the case, the weights, the program and all parameters; no patient data
and no name of a file reaches the cache or the log.
"""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch

from xai_core.case import Case, Region
from xai_core.errors import Cancelled, LightboxError, MemoryLimitError, ParameterError
from xai_core.explain import Explanation, explain_all
from xai_core.explainers.registry import ExplainerInfo
from xai_core.explainers.registry import explainers as registered
from xai_core.jobs import Flight, Job, PaneKey
from xai_core.models import Model, Prediction, load_model
from xai_core.quality import Quality, quality
from xai_core.results import Memory, Results, request_key
from xai_core.second_looks import second_looks
from xai_core.store import ResultStore
from xai_core.turn import Haste, Turn

log = logging.getLogger(__name__)
Compute = Callable[..., Mapping[PaneKey, Explanation]]
_QUALITY_BYTES = 4096
"""About what the words and numbers of one film take."""


class Engine:
    """Models, results and jobs of one server, shared by all its sessions; every method may be called from any thread.

    ``cache_dir``: folder of results on disk (default: ``$LIGHTBOX_CACHE`` or the user's cache folder).
    ``memory_bytes``, ``disk_bytes``: limits of the two caches. ``device``: "auto", "cpu", "cuda", "mps".
    ``load``, ``compute`` and ``look`` are :func:`xai_core.load_model`, :func:`xai_core.explain_all` and
    :func:`xai_core.second_looks.second_looks`; a test gives its own.
    """

    def __init__(
        self,
        cache_dir: Path | None = None,
        memory_bytes: int = 512 << 20,
        disk_bytes: int = 2 << 30,
        *,
        device: str = "auto",
        load: Callable[[str, str], Model] = load_model,
        compute: Compute = explain_all,
        look: Compute = second_looks,
    ) -> None:
        self.results = Results(ResultStore(cache_dir, disk_bytes), memory_bytes)
        self._predictions: Memory[Prediction] = Memory(memory_bytes // 4)
        self._qualities: Memory[Quality] = Memory(memory_bytes // 64)
        self._device = device
        self._load = load
        self._compute = compute
        self._look = look
        self._lock = threading.Lock()
        self._slots: dict[str, _Slot] = {}
        self._under_way: dict[tuple[Haste, str], Flight] = {}
        self._batches: dict[Flight, _Batch] = {}
        self._workers: set[threading.Thread] = set()
        self._seconds: dict[tuple[str, str], float] = {}

    def model(self, name: str) -> Model:
        """The model ``name`` (a card's name or a folder), loaded once; raises :class:`ModelError`."""
        with self._lock:
            slot = self._slots.setdefault(name, _Slot())
        with slot.loading:
            if slot.model is None:
                slot.model = self._load(name, self._device)
            return slot.model

    def predict(self, name: str, case: Case) -> Prediction:
        """What the model says of ``case``; goes before explanations that are being computed."""
        model = self.model(name)
        key = (case.digest, model.weights_digest)
        known = self._predictions.get(key)
        if known is not None:
            return known
        with self._slots[name].turn.held(Haste.URGENT):
            known = self._predictions.get(key)
            if known is None:
                known = model.predict(case)
                self._predictions.put(key, known, known.logits.nbytes + known.probabilities.nbytes)
        return known

    def quality(self, name: str, case: Case) -> Quality:
        """Whether ``case`` looks like the films that the model knows (:func:`xai_core.quality.quality`); goes before explanations too."""
        model = self.model(name)
        told = tuple(case.facts.get(fact) for fact in ("age_years", "view", "body_part"))
        key = (case.digest, model.weights_digest, told)
        known = self._qualities.get(key)
        if known is None:
            with self._slots[name].turn.held(Haste.URGENT):
                known = quality(case, model)
            self._qualities.put(key, known, _QUALITY_BYTES)
        return known

    def submit(
        self,
        case: Case,
        model_name: str,
        explainers: Sequence[str],
        targets: Sequence[str],
        parameters: Mapping[str, Mapping[str, Any]] | None = None,
        region: Region | None = None,
    ) -> Job:
        """Start what is not known yet and return at once (after the model is loaded, which happens once).

        ``region``: where a segmentation's logits are added up (None: where the label is predicted).
        An unknown explainer or a wrong parameter is that pane's error, never an exception of this call.
        """
        model = self.model(model_name)
        given = parameters or {}
        flights: dict[PaneKey, Flight] = {}
        batch = _Batch(case, model_name, model, _with_region(self._compute, region), region=region)
        for name in dict.fromkeys(explainers):
            try:
                checked = _checked(name, given.get(name, {}))
            except LightboxError as error:
                flights.update({(name, target): _failed(name, target, error) for target in targets})
                continue
            batch.parameters[name] = checked
            for target in targets:
                flights[name, target] = self._flight(batch, name, target, checked)
        return self._started(batch, flights)

    def look_again(
        self, case: Case, model_name: str, explanations: Sequence[Explanation], region: Region | None = None
    ) -> Job:
        """Look a second time at maps of ``case`` that are there (:mod:`xai_core.second_looks`), once a map, whoever asks;
        ``region``: the one they were made with.

        A pane's explanation is then the same map with a fuller badge, which also takes its place among the results.
        """
        kept = [explanation for explanation in explanations if explanation.explainer in registered()]
        known = {(explanation.explainer, explanation.target): explanation for explanation in kept}
        look = _with_region(partial(self._look, known), region)
        batch = _Batch(case, model_name, self.model(model_name), look, Haste.PATIENT, region)
        flights: dict[PaneKey, Flight] = {}
        for (name, target), explanation in known.items():
            batch.parameters[name] = explanation.parameters
            if explanation.checks == "full":
                flights[name, target] = Flight(name, target)
                flights[name, target].land(explanation)
            else:
                flights[name, target] = self._flight(batch, name, target, explanation.parameters)
        return self._started(batch, flights)

    def close(self, seconds: float = 10.0) -> None:
        """Cancel all that is under way and wait for it to end: torch aborts a process that ends while a thread of it computes."""
        with self._lock:
            workers = list(self._workers)
            for batch in self._batches.values():
                batch.cancel.set()
        end = time.monotonic() + seconds
        for worker in workers:
            worker.join(max(0.0, end - time.monotonic()))

    def _started(self, batch: _Batch, flights: Mapping[PaneKey, Flight]) -> Job:
        batch.flights.sort(key=lambda flight: registered()[flight.explainer].cost)
        if batch.flights:
            worker = threading.Thread(target=self._work, args=(batch,), name=f"job-{batch.model_name}", daemon=True)
            with self._lock:
                self._workers.add(worker)
            worker.start()
        return Job(batch.case.digest, batch.model_name, flights, self._release, batch.region)

    def _flight(self, batch: _Batch, name: str, target: str, checked: Mapping[str, Any]) -> Flight:
        """The flight that brings this map: landed, another job's, or a new one of ``batch``."""
        model = batch.model
        explainer = f"{name} {registered()[name].revision}".strip()
        key = request_key(
            batch.case.digest, model.weights_digest, model.device, explainer, target, checked, batch.region
        )
        known = batch.wanted(self.results.get(key))
        with self._lock:
            known = known or batch.wanted(self.results.memory.get(key))
            if known is None and (batch.haste, key) in self._under_way:
                flight = self._under_way[batch.haste, key]
            else:
                flight = Flight(name, target, self._seconds.get((model.weights_digest, name)))
                if known is None:
                    self._under_way[batch.haste, key] = flight
                    self._batches[flight] = batch
                    batch.flights.append(flight)
                    batch.keys[flight] = key
            flight.holders += 1
        if known is not None:
            flight.land(known)
        return flight

    def _release(self, flight: Flight) -> None:
        """One job lets go of ``flight``; a batch that nobody waits for is cancelled and makes room for a new one."""
        with self._lock:
            flight.holders -= 1
            batch = self._batches.get(flight)
            if batch is None or any(other.holders > 0 and not other.is_ended for other in batch.flights):
                return
            batch.cancel.set()
            self._forget(batch)

    def _forget(self, batch: _Batch) -> None:
        for flight in batch.flights:
            self._batches.pop(flight, None)
            if self._under_way.get((batch.haste, batch.keys[flight])) is flight:
                del self._under_way[batch.haste, batch.keys[flight]]

    def _work(self, batch: _Batch) -> None:
        """The body of a worker thread: whatever happens, every flight of ``batch`` ends."""
        error: LightboxError = Cancelled()
        try:
            with self._slots[batch.model_name].turn.held(batch.haste):
                for names, targets in batch.calls():
                    self._call(batch, names, targets)
            error = LightboxError("This map did not come.", "Ask for it again.")
        except Exception as problem:
            error = told(problem, "a job", batch.model_name)
        finally:
            for flight in batch.flights:
                flight.fail(Cancelled() if batch.cancel.is_set() else error)
            with self._lock:
                self._forget(batch)
                self._workers.discard(threading.current_thread())

    def _call(self, batch: _Batch, names: Sequence[str], targets: Sequence[str]) -> None:
        """Compute ``names`` x ``targets`` in one go; where that fails, one by one: one failure costs one pane."""
        try:
            self._explain(batch, names, targets)
        except Exception as problem:
            if batch.cancel.is_set():
                raise
            open_flights = [f for f in batch.flights if not f.is_ended and f.explainer in names and f.target in targets]
            if len(open_flights) == 1:
                open_flights[0].fail(told(problem, open_flights[0].explainer, batch.model_name))
                return
            for flight in open_flights:
                self._call(batch, [flight.explainer], [flight.target])

    def _explain(self, batch: _Batch, names: Sequence[str], targets: Sequence[str]) -> None:
        turn = self._slots[batch.model_name].turn
        flights = {(flight.explainer, flight.target): flight for flight in batch.flights}

        def progress(name: str, target: str, share: float, explanation: Explanation | None) -> None:
            flight = flights.get((name, target))
            if flight is not None and explanation is not None:
                self._land(batch, flight, explanation)
            elif flight is not None:
                flight.advance(share)
            turn.step_aside(batch.haste)

        chosen = {name: batch.parameters[name] for name in names}
        found = batch.compute(
            batch.model,
            batch.case,
            explainers=list(names),
            targets=list(targets),
            parameters=chosen,
            progress=progress,
            cancel=batch.cancel,
        )
        for key, explanation in found.items():
            if key in flights and not flights[key].is_ended:
                self._land(batch, flights[key], explanation)

    def _land(self, batch: _Batch, flight: Flight, explanation: Explanation) -> None:
        if flight.is_ended:
            return
        self._seconds[batch.model.weights_digest, flight.explainer] = explanation.seconds
        self.results.hold(batch.keys[flight], explanation)
        flight.land(explanation)
        self.results.keep(batch.keys[flight], explanation)


def told(problem: BaseException, what: str, model_name: str) -> LightboxError:
    """``problem`` as one sentence and a remedy; what is our own fault also gets a line in the log, without its message
    (which may quote data)."""
    if isinstance(problem, LightboxError):
        return problem
    if isinstance(problem, MemoryError | torch.OutOfMemoryError) or "out of memory" in str(problem):
        return MemoryLimitError(
            f"{what} needs more memory than there is.", "Choose larger steps, or close other films and programs."
        )
    frames = traceback.extract_tb(problem.__traceback__)
    where = " < ".join(f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in reversed(frames[-4:]))
    log.error("%s failed on %s: %s at %s", what, model_name, type(problem).__name__, where)
    return LightboxError(
        f"{what} failed on this film because of a fault of the program ({type(problem).__name__}).",
        "Choose another explainer, and report the line that the log now holds.",
    )


def device_in_words(model: Model) -> str:
    """Where the model computes, as a person says it: "CPU, 2 threads", "NVIDIA H200", "Apple GPU"."""
    kind = model.device.split(":")[0]
    if kind == "cuda":
        return str(torch.cuda.get_device_name(model.device))
    if kind == "mps":
        return "Apple GPU"
    return f"CPU, {torch.get_num_threads()} threads" if kind == "cpu" else kind


@dataclass
class _Slot:
    """One model: loaded once, used by one thread at a time."""

    loading: threading.Lock = field(default_factory=threading.Lock)
    turn: Turn = field(default_factory=Turn)
    model: Model | None = None


@dataclass(eq=False)
class _Batch:
    """What one worker thread has to compute, and how: ``compute`` is asked like :func:`xai_core.explain_all`."""

    case: Case
    model_name: str
    model: Model
    compute: Compute
    haste: Haste = Haste.ORDINARY
    region: Region | None = None
    parameters: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    flights: list[Flight] = field(default_factory=list)
    keys: dict[Flight, str] = field(default_factory=dict)
    cancel: threading.Event = field(default_factory=threading.Event)

    def wanted(self, known: Explanation | None) -> Explanation | None:
        """``known``, if it is all that this batch would bring."""
        is_second = self.haste is Haste.PATIENT
        return known if known is not None and (known.checks == "full" or not is_second) else None

    def calls(self) -> list[tuple[list[str], list[str]]]:
        """(explainers, targets) such that targets lacking the same maps share one call and so one forward pass."""
        lacking: dict[str, list[str]] = {}
        for flight in self.flights:
            lacking.setdefault(flight.target, []).append(flight.explainer)
        shared: dict[tuple[str, ...], list[str]] = {}
        for target, names in lacking.items():
            shared.setdefault(tuple(names), []).append(target)
        return [(list(names), targets) for names, targets in shared.items()]


def _with_region(compute: Compute, region: Region | None) -> Compute:
    return compute if region is None else partial(compute, region=region)


def _checked(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    info: ExplainerInfo | None = registered().get(name)
    if info is None:
        raise ParameterError(f"There is no explainer '{name}'.", f"Choose one of: {', '.join(registered())}.")
    return info.checked(given)


def _failed(name: str, target: str, error: LightboxError) -> Flight:
    flight = Flight(name, target)
    flight.fail(error)
    return flight
