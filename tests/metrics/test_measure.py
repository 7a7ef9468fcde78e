"""``xc.measure`` over all that is registered: needs, options, ranges, and what is refused in a sentence."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import xai_core as xc
from tests.lesions import lesion
from tests.networks import UNet, randomised
from tests.volumes import volume, volume_model
from xai_core.case import Region
from xai_core.models import Ensemble

METRICS = xc.metrics()
GIVEN = {"region": lesion(), "case": volume()}


@pytest.fixture(scope="module")
def model() -> xc.Model:
    return volume_model(randomised(UNet(3, channels=2), 3))


@pytest.fixture(scope="module")
def explanation(model: xc.Model) -> xc.Explanation:
    return xc.explain(model, GIVEN["case"], explainer="lrp-study-unet")


@pytest.mark.parametrize("name", sorted(METRICS))
def test_values_lie_in_the_range_that_is_declared(name: str, model: xc.Model, explanation: xc.Explanation) -> None:
    info = METRICS[name]
    found = xc.measure(explanation, name, model=model, **GIVEN)
    assert found.metric == name
    if np.isnan(found.value):
        assert found.reason.endswith(".")
    else:
        assert info.range[0] <= float(found) <= info.range[1]
    assert set(found.by_channel) <= set(model.card.channels)


@pytest.mark.parametrize("name", sorted(METRICS))
def test_what_is_needed_and_not_given_is_named(name: str, model: xc.Model, explanation: xc.Explanation) -> None:
    given = {**GIVEN, "model": model}
    for need in METRICS[name].needs:
        less = {key: value for key, value in given.items() if key != need}
        with pytest.raises(xc.LightboxError, match=f"needs a {need}"):
            xc.measure(explanation, name, **less)


@pytest.mark.parametrize("name", [name for name, info in sorted(METRICS.items()) if "region" in info.needs])
def test_an_empty_region_has_no_value(name: str, model: xc.Model, explanation: xc.Explanation) -> None:
    """Mass and importance inside nothing are zero; what divides by the region is not defined, and says why."""
    empty = Region(np.zeros(explanation.map.shape[1:], bool))
    found = xc.measure(explanation, name, region=empty, model=model, case=GIVEN["case"])
    assert found.value == 0.0 or (np.isnan(found.value) and found.reason)


def test_a_map_of_zeros_never_counts_as_a_hit(model: xc.Model, explanation: xc.Explanation) -> None:
    zero = replace(explanation, map=np.zeros_like(explanation.map), raw=np.zeros_like(explanation.raw))
    for name in ("mass-inside", "pointing-game", "modality-agreement"):
        found = xc.measure(zero, name, model=model, **GIVEN)
        assert np.isnan(found.value)
        assert found.reason
    for name in ("dice", "iou", "truth-inclusivity"):
        assert xc.measure(zero, name, model=model, **GIVEN).value == 0.0


@pytest.mark.parametrize(
    ("metric", "more", "words"),
    [
        ("no-such", {}, "no metric"),
        ("dice", {"sharpness": 2}, "no parameter 'sharpness'"),
        ("dice", {"threshold": 2.0}, "threshold = 2.0 is not possible"),
        ("dice", {"region": Region(np.ones((2, 2, 2), bool))}, "region has the shape"),
        ("input-inclusivity", {"case": volume(seed=5)}, "another case"),
    ],
)
def test_a_bad_question_is_a_sentence(
    metric: str, more: dict[str, object], words: str, model: xc.Model, explanation: xc.Explanation
) -> None:
    with pytest.raises(xc.LightboxError, match=words):
        xc.measure(explanation, metric, **{"model": model, **GIVEN, **more})


def test_an_ensemble_is_measured_member_by_member(model: xc.Model, explanation: xc.Explanation) -> None:
    whole = Ensemble(**vars(model), members=(model,))
    with pytest.raises(xc.LightboxError, match="members of an ensemble"):
        xc.measure(explanation, "input-inclusivity", model=whole, case=GIVEN["case"])


def test_a_metric_is_registered_once() -> None:
    from xai_core.metrics.registry import metric

    with pytest.raises(ValueError, match="twice"):
        metric(name="dice", title="", family="", direction="higher", range=(0, 1), needs=(), summary="", source="")(
            lambda asked, options: None
        )
