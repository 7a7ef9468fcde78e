"""The methods page: every explainer's own text, parameters and place, and an example on demand."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

import xai_core as xc
from components import method
from components.prose import prose
from components.shell import escaped, literal
from tests.pages.conftest import ROOT
from xai_core.explainers.registry import grouped

INFOS = xc.explainers()


@pytest.fixture(scope="module")
def page() -> AppTest:
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120)
    return app.switch_page("pages/methods.py").run()


def show(app: AppTest, name: str) -> AppTest:
    app.button(key=f"method-{name}").click().run()
    assert not app.exception, app.exception
    return app


def words(app: AppTest) -> str:
    return "\n".join(part.value for part in app.markdown)


def test_methods_are_listed_by_kind(page: AppTest) -> None:
    listed = [button.key for button in page.sidebar.button]
    assert listed == [f"method-{info.name}" for members in grouped(INFOS.values()).values() for info in members]


@pytest.mark.parametrize("name", sorted(INFOS))
def test_a_method_shows_its_text_place_and_parameters(page: AppTest, name: str) -> None:
    info = INFOS[name]
    show(page, name)
    assert page.subheader[0].value == escaped(info.title)
    shown = words(page)
    assert prose(info.text) in shown
    for parameter in info.parameters:
        row = next(line for line in shown.splitlines() if line.startswith(f"| {escaped(parameter.name)} |"))
        assert escaped(parameter.help) in row
        assert escaped(parameter.range) in row
    facts = page.main.caption[0].value
    for fact in (info.group, info.source, f"about {info.cost:g} forward passes"):
        assert escaped(fact) in facts


def test_the_example_is_computed_when_asked_for_and_kept(page: AppTest) -> None:
    show(page, "grad-cam")
    assert not page.get("image")
    page.button(key="example").click().run()
    job = page.session_state["examples"]["grad-cam"]
    assert job.wait(120)
    page.run()
    assert len(page.get("image")) == 2
    ((_, target),) = job.panes
    assert target == xc.sample_cases()[method.EXAMPLE].target
    show(page, "rap")
    assert not page.get("image")
    show(page, "grad-cam")
    assert len(page.get("image")) == 2
    assert page.session_state["examples"]["grad-cam"] is job


def test_a_long_example_can_be_cancelled_and_asked_for_again(page: AppTest) -> None:
    show(page, "rise")
    page.button(key="example").click().run()
    job = page.session_state["examples"]["rise"]
    if not job.done:
        page.button(key="cancel-example").click().run()
        assert job.is_cancelled
        assert page.button(key="example")
    assert not page.exception


def test_what_cannot_be_explained_is_a_sentence(page: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    show(page, "fem")
    monkeypatch.setattr(method, "_film", lambda: method.films.packaged("simulated-normal"))
    monkeypatch.setattr(type(INFOS["fem"]), "checked", _refused)
    page.button(key="example").click().run()
    assert page.session_state["examples"]["fem"].wait(60)
    page.run()
    assert page.warning[0].value == escaped("This is not possible. Choose another.")


def _refused(info: xc.ExplainerInfo, given: object) -> dict[str, object]:
    raise xc.LightboxError("This is not possible.", "Choose another.")


def test_formulas_are_shown_letter_by_letter() -> None:
    text = "Cost: a * b * c, `x*y` and **really** so.\n\n    R = sum_j a_i * w_ij\n      + 1\n\n_no_ <b>"
    assert prose(text) == (
        f"**{literal('Cost:')}** {literal('a * b * c, ')}`x*y`{literal(' and ')}**really**{literal(' so.')}"
        "\n\n```text\nR = sum_j a_i * w_ij\n  + 1\n```\n\n" + literal("_no_ <b>")
    )
