"""What an explanation costs, as CPU time in units of the network's own forward pass: ``make bench``.

One process, ``time.process_time``, every competitor in every round, median over rounds of the ratio to the
forward passes right before and after, so that a change of the machine's pace cancels. Beside our explainers stand
zennit (with the canonizer it needs) and captum on the same network; where they fail, the table says so.
Run ``.venv/bin/python -m tests.benchmarks.bench --help``.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import gc
import json
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from tests.networks import BIG, smooth, whole

SIDE = {"resnet18": 224, "vgg16": 224, "densenet121": 224, "inception_v3": 299}
GRAD_CAM_LAYER = {
    "resnet18": "layer4",
    "vgg16": "features.29",
    "densenet121": "features.norm5",
    "inception_v3": "Mixed_7c",
}
MOST = {
    ("resnet18", "lrp-epsilon-plus"): 3.3,
    ("densenet121", "lrp-epsilon-plus"): 3.3,
    ("vgg16", "lrp-epsilon-plus"): 3.1,
    **{(name, "lrp-epsilon-plus, shared recording"): 2.2 for name in BIG},
    **{(name, "grad-cam"): 1.2 for name in BIG},
}
AHEAD_OF_ZENNIT = {"resnet18": 2.5, "vgg16": 1.8}
DEFAULTS = ("lrp-epsilon-plus", "rap", "grad-cam", "occlusion")
DEFAULTS_SECONDS = 6.0


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of the table: ``figure`` in ``unit``, ``target`` the most (for "times faster": the least) allowed."""

    network: str
    what: str
    figure: float | None
    unit: str
    target: float | None = None
    note: str = ""

    @property
    def passed(self) -> bool | None:
        if self.target is None:
            return None
        if self.figure is None:
            return False
        return self.figure >= self.target if self.unit == "times faster" else self.figure <= self.target


Prepare = Callable[[], Callable[[], object]]
"""Set-up that is not timed; returns what is timed."""


def _ours(module: nn.Module, x: Tensor, name: str) -> dict[str, Prepare]:
    import xai_core as xc

    def scratch(explainer: str, **parameters: object) -> Prepare:
        return lambda: lambda: xc.attribute(module, x, explainer=explainer, **parameters)

    def shared() -> Callable[[], object]:
        recording = xc.record(module, x)
        return lambda: xc.attribute(recording, explainer="lrp-epsilon-plus")

    return {
        "record": lambda: lambda: xc.record(module, x),
        "lrp-epsilon-plus": scratch("lrp-epsilon-plus"),
        "lrp-epsilon-plus, shared recording": shared,
        "gradient": scratch("gradient"),
        "grad-cam": scratch("grad-cam", target_layer=GRAD_CAM_LAYER[name]),
        "rap": scratch("rap"),
    }


def _peers(module: nn.Module, x: Tensor, name: str) -> dict[str, Prepare]:
    from captum.attr import LRP, LayerAttribution, LayerGradCam, Saliency
    from zennit.attribution import Gradient
    from zennit.canonizers import SequentialMergeBatchNorm
    from zennit.composites import EpsilonPlus
    from zennit.torchvision import ResNetCanonizer

    canonizers = {"resnet18": [ResNetCanonizer()], "vgg16": []}.get(name, [SequentialMergeBatchNorm()])

    def zennit_on(network: nn.Module) -> object:
        with Gradient(model=network, composite=EpsilonPlus(canonizers=canonizers)) as attributor:
            return attributor(x.clone().requires_grad_(), lambda out: out * (out == out.max()))

    def captum_lrp(network: nn.Module) -> object:
        return LRP(network).attribute(x.clone().requires_grad_(), target=0)

    def captum_grad_cam(network: nn.Module) -> object:
        layer = network.get_submodule(GRAD_CAM_LAYER[name])
        maps = LayerGradCam(network, layer).attribute(x, target=0, relu_attributions=True)
        return LayerAttribution.interpolate(maps, tuple(x.shape[2:]), "bilinear")

    def captum_gradient(network: nn.Module) -> object:
        return Saliency(network).attribute(x.clone().requires_grad_(), target=0, abs=False)

    def on_a_copy(run: Callable[[nn.Module], object]) -> Prepare:
        network = copy.deepcopy(module)  # peers leave hooks, folded weights and grown .grad behind
        return lambda: lambda: run(network)

    return {
        "zennit EpsilonPlus": on_a_copy(zennit_on),
        "captum LRP": on_a_copy(captum_lrp),
        "captum LayerGradCam": on_a_copy(captum_grad_cam),
        "captum Saliency": on_a_copy(captum_gradient),
    }


def ratios(module: nn.Module, x: Tensor, timed: dict[str, Prepare], rounds: int) -> dict[str, float | str]:
    """Median CPU-time ratio to the no-grad forward pass, or the error's first line, for each of ``timed``."""

    def forward() -> object:
        with torch.no_grad():
            return module(x)

    def seconds(run: Callable[[], object]) -> float:
        gc.collect()
        begin = time.process_time()
        result = run()
        spent = time.process_time() - begin
        del result
        return spent

    found: dict[str, list[float]] = {name: [] for name in timed}
    failed: dict[str, str] = {}
    for round_number in range(rounds + 1):  # the first round warms caches and is thrown away
        for name, prepare in timed.items():
            if name in failed:
                continue
            try:
                run = prepare()
                before = seconds(forward)
                spent = seconds(run)
                base = (before + seconds(forward)) / 2
            except Exception as error:
                failed[name] = f"fails: {type(error).__name__}: {str(error).splitlines()[0][:70]}"
                continue
            if round_number:
                found[name].append(spent / base)
    return {name: failed.get(name) or statistics.median(found[name]) for name in timed}


def network_rows(name: str, rounds: int, peers: bool) -> list[Row]:
    """All rows of one network of the matrix, weights random, statistics settled, at its own input size."""
    side = SIDE[name]
    module, x = whole(name, min(side, 128)), smooth(1, 3, side, side, seed=7)
    timed = _ours(module, x, name)
    if peers:
        timed |= _peers(module, x, name)
    figures = ratios(module, x, timed, rounds)
    rows = []
    for what, figure in figures.items():
        target = MOST.get((name, what))
        if isinstance(figure, str):
            rows.append(Row(name, what, None, "x forward", target, figure))
        else:
            rows.append(Row(name, what, figure, "x forward", target))
    ours, theirs = figures["lrp-epsilon-plus"], figures.get("zennit EpsilonPlus")
    if isinstance(ours, float) and isinstance(theirs, float):
        rows.append(
            Row(name, "lrp-epsilon-plus ahead of zennit", theirs / ours, "times faster", AHEAD_OF_ZENNIT.get(name))
        )
    return rows


def film_rows() -> list[Row]:
    """Wall seconds of the four default explainers on a packaged film with ``cxr-resnet18``, if it is shipped."""
    import xai_core as xc

    try:
        model = xc.load_model("cxr-resnet18")
    except xc.LightboxError as error:
        return [Row("cxr-resnet18", "the four defaults", None, "s wall", None, f"not measured: {str(error)[:80]}")]
    case = xc.read_case(next(iter(xc.sample_cases().values())).path)
    xc.explain(model, case, explainer="gradient")  # warm: first use of a kernel is not what is measured
    settings = {"occlusion": {"window": 32, "stride": 16}}
    rows = []
    begin = time.perf_counter()
    xc.explain_all(model, case, explainers=list(DEFAULTS), targets=[None], parameters=settings)
    together = time.perf_counter() - begin
    for explainer in DEFAULTS:
        begin = time.perf_counter()
        xc.explain(model, case, explainer=explainer, **settings.get(explainer, {}))
        rows.append(Row("cxr-resnet18", explainer, time.perf_counter() - begin, "s wall"))
    rows.append(Row("cxr-resnet18", "the four defaults together", together, "s wall", DEFAULTS_SECONDS))
    return rows


def table(rows: Sequence[Row]) -> str:
    lines = [f"{'network':<14}{'what':<38}{'figure':>9}  {'unit':<13}{'target':>8}  result"]
    for row in rows:
        figure = "-" if row.figure is None else f"{row.figure:.2f}"
        sign = ">=" if row.unit == "times faster" else "<="
        target = "" if row.target is None else f"{sign} {row.target:g}"
        verdict = {None: "", True: "pass", False: "FAIL"}[row.passed]
        lines.append(
            f"{row.network:<14}{row.what:<38}{figure:>9}  {row.unit:<13}{target:>8}  {verdict} {row.note}".rstrip()
        )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.bench", description=__doc__)
    parser.add_argument("--networks", nargs="*", default=list(BIG), choices=BIG, help="which of the matrix")
    parser.add_argument("--rounds", type=int, default=5, help="timed rounds (median)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="threads of torch")
    parser.add_argument("--no-peers", action="store_true", help="leave zennit and captum out")
    parser.add_argument("--no-film", action="store_true", help="leave the wall seconds on a film out")
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    given = parser.parse_args(arguments)
    torch.set_num_threads(given.threads)
    warnings.filterwarnings("ignore")
    rows: list[Row] = []
    for name in given.networks:
        fresh = network_rows(name, given.rounds, not given.no_peers)
        rows += fresh
        if not given.json:
            print(table(fresh), flush=True)
    if not given.no_film:
        fresh = film_rows()
        rows += fresh
        if not given.json:
            print(table(fresh), flush=True)
    if given.json:
        print(
            json.dumps(
                {"threads": given.threads, "torch": torch.__version__, "rows": [_as_dict(row) for row in rows]},
                indent=1,
            )
        )
    return 0 if all(row.passed is not False for row in rows) else 1


def _as_dict(row: Row) -> dict[str, object]:
    return dataclasses.asdict(row) | {"passed": row.passed}


if __name__ == "__main__":
    sys.exit(main())
