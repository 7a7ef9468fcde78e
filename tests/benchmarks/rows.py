"""What is measured and what is asked of it: every part of the benchmark as rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import xai_core as xc
from tests.benchmarks import ours, peers
from tests.benchmarks.memory import extra_mib
from tests.benchmarks.networks import NETWORKS, UNET
from tests.benchmarks.table import Row
from tests.benchmarks.timing import ratios
from tests.networks import BIG

MOST: dict[str, dict[str, float]] = {
    "lrp-epsilon-plus": {"resnet18": 3.3, "densenet121": 3.3, "vgg16": 3.1},
    "lrp-epsilon-plus, shared recording": dict.fromkeys(BIG, 2.2),
    "grad-cam": dict.fromkeys(BIG, 1.2),
    "gradient": dict.fromkeys(BIG, 2.0),
    "guided-backprop": dict.fromkeys(BIG, 2.0),
    "deeplift": dict.fromkeys(BIG, 4.0),
}
"""The most forward passes that an explainer may cost."""
UNET_MOST, UNET_MOST_MIB = 4.0, 1200.0
FILM_MOST_SECONDS = 6.0
FILM_EXPLAINERS = ("lrp-epsilon-plus", "rap", "grad-cam", "occlusion")


@dataclass(frozen=True)
class Race:
    """``ours`` has to be ``least`` times as fast as the best of the peers whose names start with ``theirs``."""

    ours: str
    theirs: str
    least: Mapping[str, float]


_AHEAD = dict.fromkeys(("resnet18", "vgg16"), 3.0)
RACES = (
    Race("lrp-epsilon-plus", "zennit EpsilonPlus", {"resnet18": 2.5, "vgg16": 1.8}),
    Race("lrp-gamma", "zennit Gamma", _AHEAD),
    Race("lrp-alpha-2-beta-1", "zennit AlphaBeta", _AHEAD),
    Race("lrp-epsilon-gamma-box", "zennit EpsilonGammaBox", _AHEAD),
    Race("gradient", "captum Saliency", {}),
    Race("guided-backprop", "captum GuidedBackprop", {}),
    Race("deeplift", "captum DeepLift", {}),
    Race("integrated-gradients", "captum IntegratedGradients", dict.fromkeys(BIG, 1.3)),
    Race("smoothgrad", "captum NoiseTunnel", dict.fromkeys(BIG, 1.3)),
    Race("occlusion", "captum Occlusion", dict.fromkeys(BIG, 2.0)),
)
LEAN: tuple[tuple[str, str, float, str], ...] = (
    ("deeplift", "captum DeepLift", 0.5, "vgg16"),
    *(
        (own, peer, 1.0, network)
        for network in ("resnet18", "vgg16")
        for own, peer in (
            ("integrated-gradients", "captum IntegratedGradients, 1 at once"),
            ("smoothgrad", "captum NoiseTunnel, 1 at once"),
        )
    ),
)
"""Ours, a peer, the most memory in units of the peer's, and the network."""


@dataclass(frozen=True)
class Settings:
    networks: Sequence[str]
    rounds: int
    threads: int
    with_peers: bool


def walk_rows(given: Settings) -> Iterator[list[Row]]:
    """Explainers of a few forward passes."""
    for name in given.networks:
        module, x = NETWORKS[name]()
        timed = ours.few(module, x, name) | (peers.few(module, x, name) if given.with_peers else {})
        yield judged(name, ratios(module, x, timed, given.rounds))


def many_rows(given: Settings) -> Iterator[list[Row]]:
    """Explainers of many forward passes, one round."""
    for name in (name for name in given.networks if name in ("resnet18", "vgg16")):
        module, x = NETWORKS[name]()
        timed = ours.many(module, x) | (peers.many(module, x) if given.with_peers else {})
        yield judged(name, ratios(module, x, timed, 1, warms=False))


def judged(network: str, figures: Mapping[str, float | str]) -> list[Row]:
    """Figures as rows, and one row a race that was run."""
    rows = [
        Row(network, what, None, "x forward", MOST.get(what, {}).get(network), figure)
        if isinstance(figure, str)
        else Row(network, what, figure, "x forward", MOST.get(what, {}).get(network))
        for what, figure in figures.items()
    ]
    for race in RACES:
        own = figures.get(race.ours)
        others = [figure for what, figure in figures.items() if what.startswith(race.theirs)]
        known = [figure for figure in others if not isinstance(figure, str)]
        if isinstance(own, float) and known:
            what = f"{race.ours} ahead of {race.theirs}"
            rows.append(Row(network, what, min(known) / own, "times faster", race.least.get(network)))
    return rows


def memory_rows(given: Settings) -> Iterator[list[Row]]:
    """Greatest memory beyond the network and one forward pass."""
    for own, peer, share, network in LEAN:
        if network not in given.networks:
            continue
        theirs = extra_mib(peer, network, given.threads) if given.with_peers else None
        row = Row(
            network, own, extra_mib(own, network, given.threads), "MiB", None if theirs is None else share * theirs
        )
        yield [row] if theirs is None else [row, Row(network, peer, theirs, "MiB")]


def volume_rows(given: Settings) -> Iterator[list[Row]]:
    """LRP on a 3-D U-Net."""
    module, x = NETWORKS[UNET]()
    name = "lrp-epsilon-plus"
    figures = ratios(module, x, {name: ours.explained(module, x, name)}, min(given.rounds, 2), warms=False)
    (figure,) = figures.values()
    note, spent = (figure, None) if isinstance(figure, str) else ("", figure)
    yield [
        Row(UNET, name, spent, "x forward", UNET_MOST, note),
        Row(UNET, name, extra_mib(name, UNET, given.threads), "MiB", UNET_MOST_MIB),
    ]


def film_rows(given: Settings) -> Iterator[list[Row]]:
    """Wall seconds of the four default explainers on a packaged film with ``cxr-resnet18``, if it is shipped."""
    try:
        model = xc.load_model("cxr-resnet18")
    except xc.LightboxError as error:
        yield [Row("cxr-resnet18", "the four defaults", None, "s wall", None, f"not measured: {str(error)[:80]}")]
        return
    case = xc.read_case(next(iter(xc.sample_cases().values())).path)
    xc.explain(model, case, explainer="gradient")  # warm: first use of a kernel is not what is measured
    settings = {"occlusion": ours.MANY["occlusion"]}
    begin = time.perf_counter()
    xc.explain_all(model, case, explainers=list(FILM_EXPLAINERS), targets=[None], parameters=settings)
    together = time.perf_counter() - begin
    rows = []
    for explainer in FILM_EXPLAINERS:
        begin = time.perf_counter()
        xc.explain(model, case, explainer=explainer, **settings.get(explainer, {}))
        rows.append(Row("cxr-resnet18", explainer, time.perf_counter() - begin, "s wall"))
    yield [*rows, Row("cxr-resnet18", "the four defaults together", together, "s wall", FILM_MOST_SECONDS)]


PARTS: dict[str, Callable[[Settings], Iterator[list[Row]]]] = {
    "walks": walk_rows,
    "many": many_rows,
    "memory": memory_rows,
    "volume": volume_rows,
    "film": film_rows,
}
