"""Tokens and attention: layers on the last axis, linear in the value, softmax a constant gate."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import xai_core as xc
from tests.networks import randomised, smooth
from tests.oracles.linear import Rule, dense_share, rule
from tests.oracles.test_oracles import deviation
from tests.oracles.walk import Affine
from tests.rules.test_operations import Around, X, above, books_close, explained


class Tokens(nn.Module):
    """A fully connected layer at every position: ATen turns it into one product over samples times positions."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.conv = nn.Conv2d(2, 4, 1)
        self.inner = nn.Linear(4, 5, bias=kind != "matmul")
        self.head = nn.Linear(5 * 12, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.conv(x))
        if self.kind == "as a convolution":
            x = F.conv2d(x, self.inner.weight[:, :, None, None], self.inner.bias)
            return self.head(x.permute(0, 2, 3, 1).flatten(1))
        x = x.permute(0, 2, 3, 1)
        if self.kind == "einsum":
            x = torch.einsum("nhwc,kc->nhwk", x, self.inner.weight) + self.inner.bias
        elif self.kind == "matmul":
            x = x @ self.inner.weight.T
        elif self.kind == "tokens":
            x = self.inner(x.flatten(1, 2))
        else:
            x = self.inner(x)
        return self.head(x.flatten(1))


@pytest.mark.parametrize("how", ["lrp-z", "lrp-epsilon", "lrp-gamma", "lrp-alpha-1-beta-0", "lrp-flat", "rap"])
@pytest.mark.parametrize("kind", ["linear", "tokens", "matmul"])
def test_a_fully_connected_layer_on_tokens_is_a_convolution_of_size_one(kind: str, how: str) -> None:
    x = smooth(2, 2, 3, 4, seed=8, dtype=torch.float64)
    module, twin = (randomised(Tokens(k), 3).double() for k in (kind, "as a convolution"))
    if kind == "matmul":
        weights = {key: value for key, value in module.state_dict().items() if key != "inner.bias"}
        twin.load_state_dict(weights | {"inner.bias": torch.zeros(5)})
    found, expected = (xc.attribute(m, x, explainer=how, target=[0, 2]) for m in (module, twin))
    assert deviation(found.relevance, expected.relevance) < 1e-9
    for key in ("seed", "map", "bias", "stabiliser", "stopped", "error"):
        torch.testing.assert_close(found.account[key], expected.account[key], rtol=1e-8, atol=1e-9)


def test_attention_goes_to_the_values() -> None:
    """Softmax is a constant gate; the product is linear in the value, so one position's share is by weight and value."""

    def body(x: Tensor) -> Tensor:
        tokens = x.flatten(2).transpose(1, 2)
        return torch.softmax(tokens @ tokens.transpose(1, 2), -1) @ tokens

    module = Around(body)
    R = above(module, X, "lrp-z").reshape(2, 48, 3)
    tokens = X.flatten(2).transpose(1, 2)
    weights = torch.softmax(tokens @ tokens.transpose(1, 2), -1)
    expected = tokens * (weights.transpose(1, 2) @ (R / (weights @ tokens)))
    found = explained(module, "lrp-z").relevance.flatten(2).transpose(1, 2)
    assert deviation(found, expected) < 1e-4  # its own stabiliser


ATTENTION: dict[str, tuple[dict[str, Any], Rule]] = {
    "lrp-epsilon-plus": ({}, rule("plus")),
    "lrp-gamma": ({"gamma": 0.5}, rule("gamma", gamma=0.5)),
    "lrp-alpha-2-beta-1": ({}, rule("alpha-beta", alpha=2.0, beta=1.0)),
    "lrp-epsilon": ({"epsilon": 0.3, "relative": False}, rule("epsilon", epsilon=0.3)),
}


@pytest.mark.parametrize("spelling", ["matmul", "fused", "transposed"])
@pytest.mark.parametrize("how", ATTENTION)
def test_attention_is_linear_in_the_value_by_the_composites_rule(how: str, spelling: str) -> None:
    """Sums over tokens of signed values: epsilon there would grow at every level of a transformer."""

    def weights(tokens: Tensor) -> Tensor:
        return torch.softmax(tokens @ tokens.transpose(1, 2), -1)

    def body(x: Tensor) -> Tensor:
        tokens = x.flatten(2).transpose(1, 2)
        if spelling == "fused":
            return F.scaled_dot_product_attention(tokens, tokens, tokens, scale=1.0)
        if spelling == "transposed":
            return (tokens.transpose(1, 2) @ weights(tokens).transpose(1, 2)).transpose(1, 2)
        return weights(tokens) @ tokens

    parameters, wanted = ATTENTION[how]
    module = Around(body).double()
    x = X.double()
    R = above(module, x, how, **parameters).reshape(x.shape[0], -1, x.shape[1])
    found = xc.attribute(module, x, explainer=how, target=1, **parameters).relevance
    for n in range(x.shape[0]):
        tokens = x[n].flatten(1).T
        mixing = weights(tokens[None])[0].detach()
        affine = Affine(lambda u, w: w @ u, mixing)
        expected = dense_share(affine, wanted, tokens, R[n].double()).relevance
        assert deviation(found[n].flatten(1).T, expected) < 1e-9


def test_a_matrix_product_of_a_gate_and_a_constant_stops_the_relevance() -> None:
    constant = smooth(1, 1, 144, seed=4, dtype=torch.float64).reshape(1, 48, 3).expand(2, 48, 3)

    def body(x: Tensor) -> Tensor:
        tokens = x.flatten(2).transpose(1, 2)
        return torch.softmax(tokens @ tokens.transpose(1, 2), -1) @ constant

    found = explained(Around(body), "lrp-epsilon-plus")
    books_close(found)
    assert float(found.relevance.abs().max()) == 0.0
