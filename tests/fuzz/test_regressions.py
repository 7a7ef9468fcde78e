"""Networks that once broke a promise, as ``python -m tests.fuzz`` printed them, and the checks themselves."""

from __future__ import annotations

import pytest

from tests.fuzz import checks
from tests.fuzz.checks import problems
from tests.fuzz.program import Program

FOUND = {
    "a part set to a constant": """
        # seed 90, input (1, 3, 10), float64
        m.linear3 = nn.Linear(3, 5)
        v2 = F.avg_pool1d(x, (3,), ceil_mode=True)
        v9 = v2 * 1.5
        v2[:, :, 0].fill_(0.2)
        v10 = v2 + v9
        v12 = m.linear3(v10.mean((2,)))
        return torch.softmax(v12, 1)""",
    "a part zeroed": """
        # seed 3, input (2, 3, 6, 5), float64
        m.conv0 = nn.Conv2d(3, 4, 3)
        m.linear1 = nn.Linear(4, 3)
        v1 = m.conv0(x)
        v1[:, :2].zero_()
        v1[:, 3] = 0
        return m.linear1(v1.amax((2, 3)))""",
    "a detached value": """
        # seed 171, input (1, 2, 8, 7), float64
        m.conv0 = nn.Conv2d(2, 3, 3)
        m.linear1 = nn.Linear(3, 3)
        v1 = m.conv0(x)
        v2 = v1.detach() + v1
        return m.linear1(v2.mean((2, 3)))""",
    "a gradient in an order that batch norm's backward of torch 2.15 misreads": """
        # seed 20177, input (3, 4, 5, 4), float64
        m.instancenorm2d0 = nn.InstanceNorm2d(8)
        m.multiheadattention1 = nn.MultiheadAttention(8, 1, batch_first=True)
        m.linear2 = nn.Linear(160, 3)
        v2 = torch.cat([x, x], 1)
        v3 = m.instancenorm2d0(v2)
        v4 = v3.flatten(2).transpose(1, 2)
        v5 = m.multiheadattention1(v4, v4, v4, need_weights=True)[0]
        return m.linear2(v5.reshape(x.shape[0], -1))""",
    "memory written that an expanded value shares": """
        # seed 31261, input (1, 1, 2, 4, 5), float64, not negative
        m.conv0 = nn.Conv3d(2, 3, 1)
        v0 = x * 1.5
        v1 = v0[:, None].expand(x.shape[0], 2, 1, 2, 4, 5).reshape(x.shape[0], 2, 2, 4, 5)
        v0[:, :1, ..., :1].mul_(0.2)
        v0[:, :1, ..., 1:2] = torch.sigmoid(v0[:, :1, ..., 2:3])
        return m.conv0(v1)""",
    "memory written that an unfolded value shares": """
        # seed 4, input (2, 2, 7), float64
        m.linear0 = nn.Linear(30, 3)
        v0 = x * 1.5
        v1 = v0.unfold(2, 3, 1)
        v0[:, :, 2:4] += torch.tanh(v0[:, :, 4:6])
        return m.linear0(v1.flatten(1))""",
    "a box without width": """
        # seed 191, input (3, 1, 5, 5, 2), float32
        m.linear0 = nn.Linear(2, 6)
        m.linear1 = nn.Linear(6, 4)
        v2 = torch.cat([x, x], 1)
        v3 = v2.mean((2, 3, 4))
        v4 = F.relu(m.linear0(v3))
        v5 = m.linear1(v4)
        return torch.log_softmax(v5, 1)""",
}


@pytest.mark.parametrize("name", FOUND)
def test_a_network_that_once_broke_a_promise(name: str) -> None:
    assert problems(Program.parse(FOUND[name])) == []


def test_the_checks_see_a_rule_that_loses_relevance(monkeypatch: pytest.MonkeyPatch) -> None:
    from xai_core.rules.context import RELEVANCE_RULES

    rule = RELEVANCE_RULES["mean"]
    monkeypatch.setitem(RELEVANCE_RULES, "mean", lambda c, s, r: [(v, 0.99 * share) for v, share in rule(c, s, r)])
    found = problems(Program.parse(FOUND["a part set to a constant"]))
    assert any("the books do not close" in sentence for sentence in found)


def test_the_checks_see_a_wrong_derivative(monkeypatch: pytest.MonkeyPatch) -> None:
    from xai_core.rules import derivative

    rule = derivative._DERIVATIVES["convolution"]
    wrong = lambda recording, step, grad: [(v, g * (1 + 1e-6)) for v, g in rule(recording, step, grad)]  # noqa: E731
    monkeypatch.setitem(derivative._DERIVATIVES, "convolution", wrong)
    found = problems(Program.parse(FOUND["a part zeroed"]))
    assert any("gradient differs" in sentence for sentence in found)


def test_the_checks_see_a_module_that_was_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    attribute = checks.xc.attribute

    def careless(module: object, *given: object, **options: object) -> object:
        module.linear1.weight.requires_grad_(False)
        return attribute(module, *given, **options)

    monkeypatch.setattr(checks.xc, "attribute", careless)
    found = problems(Program.parse(FOUND["a part zeroed"]))
    assert any("the module was changed" in sentence for sentence in found)
