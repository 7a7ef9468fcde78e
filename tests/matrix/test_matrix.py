"""No cell of the matrix fails on three cheap networks, whatever is registered; the table says what the cells say."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import xai_core as xc
from tests.matrix.cells import Cell, Question, cell, cheap, fault, questions_of
from tests.matrix.memory import peak_mib
from tests.matrix.networks import NETWORKS, Network, lively, seeded
from tests.matrix.table import markdown
from tests.networks import PaddedUNet, Plain, Residual
from tests.readme import README, placed

INFOS = xc.explainers()
BEGIN, END = "<!-- matrix:begin -->", "<!-- matrix:end -->"


def network(name: str, make: type[nn.Module], shape: tuple[int, ...], **options: int) -> Network:
    with seeded(3):
        module = lively(make(**options), shape, seed=3)
    return Network(name, name, lambda: module, shape)


FEW = (
    network("residual", Residual, (1, 3, 24, 24)),
    network("plain", Plain, (1, 3, 20, 22)),
    network("padded U-Net", PaddedUNet, (1, 2, 11, 12, 13)),
)


@pytest.mark.parametrize("name", sorted(INFOS))
@pytest.mark.parametrize("column", FEW, ids=lambda column: column.name)
def test_no_cell_fails(column: Network, name: str) -> None:
    module, x = column.make(), column.input()
    found = cell(INFOS[name], column, module, x, questions_of(module, x))
    assert found.status != "FAIL", found.reason


def test_the_default_works_on_every_one_of_them() -> None:
    for column in FEW:
        module, x = column.make(), column.input()
        found = cell(INFOS["lrp-epsilon-plus"], column, module, x, questions_of(module, x))
        assert found.status == "ok"
        assert found.amplification is not None
        assert found.amplification < 30


def test_cheap_parameters_are_declared_and_within_range() -> None:
    for info in INFOS.values():
        assert info.checked(cheap(info, (24, 24))) is not None


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda r: r * float("nan"), "NaN or infinite values"),
        (lambda r: r * 0, "the map is zero everywhere"),
        (lambda r: r * 0 + 2, "constant map (2 everywhere)"),
        (lambda r: r[:, :1], "a map of (1, 1, 20, 22)"),
        (lambda r: r.double(), "a map of (1, 3, 20, 22) torch.float64"),
    ],
)
def test_a_bad_map_is_called_by_its_fault(spoil: object, reason: str) -> None:
    column, info = FEW[1], INFOS["lrp-epsilon-plus"]
    x = column.input()
    found = xc.attribute(column.make(), x, explainer=info.name)
    assert fault(info, x, found, found.relevance) == ""
    object.__setattr__(found, "relevance", spoil(found.relevance))  # type: ignore[operator]
    assert fault(info, x, found, found.relevance).startswith(reason)


def test_open_books_and_unequal_calls_are_faults() -> None:
    column, info = FEW[1], INFOS["lrp-epsilon-plus"]
    x = column.input()
    found = xc.attribute(column.make(), x, explainer=info.name)
    assert fault(info, x, found, found.relevance + 1e-3).startswith("a second call differs by")
    object.__setattr__(found, "account", {**(found.account or {}), "error": 5.0})
    assert fault(info, x, found, found.relevance).startswith("books open")


def test_an_operation_without_a_rule_is_a_refusal_that_names_it() -> None:
    class Odd(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.cumsum(x.flatten(1), 1)[:, -3:]

    column = Network("odd", "odd", lambda: Odd().eval(), (1, 3, 8, 8))
    found = cell(INFOS["lrp-epsilon-plus"], column, column.make(), column.input(), [Question(0)])
    assert (found.status, found.reason) == ("refused", "unsupported: cumsum")


def test_the_table_shows_every_cell_and_each_refusal_once() -> None:
    cells = [
        Cell("gradient", "resnet18", "ok"),
        Cell("lrp-z", "resnet18", "ok", amplification=1e4),
        Cell("gradient", "vgg16", "refused", "no | space"),
        Cell("lrp-z", "vgg16", "refused", "no | space"),
        Cell("gradient", "r3d_18", "FAIL", "NaN"),
    ]
    table = markdown(cells, INFOS)
    assert "| `gradient` | ● | ○<sup>1</sup> |" in table
    assert "| `lrp-z` | ●~ | ○<sup>1</sup> |" in table
    assert "| `gradient` | ✕<sup>2</sup> |" in table
    assert table.count("no \\| space") == 1
    assert "2. FAIL: NaN" in table
    assert table.endswith("`adversarial-generators` was made for `cxr-resnet18` alone.")


def test_writing_replaces_what_lies_between_the_markers_and_nothing_else() -> None:
    text = f"# A\n\n{BEGIN}\nold\n{END}\n\n## B\n"
    assert placed(text, "matrix", "new \\1") == f"# A\n\n{BEGIN}\nnew \\1\n{END}\n\n## B\n"
    assert placed("# A\n", "matrix", "new", "B").endswith(f"## B\n\n{BEGIN}\nnew\n{END}\n")
    assert placed(placed("# A\n", "matrix", "new"), "matrix", "newer") == placed("# A\n", "matrix", "newer")


def test_the_readme_has_a_place_for_the_table() -> None:
    text = README.read_text(encoding="utf-8")
    assert text.count(BEGIN) == text.count(END) == 1


def test_names_and_short_names_are_taken_once() -> None:
    assert len({column.short for column in NETWORKS.values()}) == len(NETWORKS)


def test_resident_memory_is_in_mebibytes() -> None:
    assert 50 < peak_mib() < 1 << 20
