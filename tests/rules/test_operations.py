"""What elementwise operations, moves, pools and norms do with relevance (semantics, section 4), one small network for each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import xai_core as xc
from tests.networks import randomised, smooth
from tests.oracles.linear import affine_of, dense_share
from tests.oracles.operations import max_pool_proportional
from tests.oracles.test_oracles import deviation
from tests.oracles.walk import composite, scale_and_shift

X = smooth(2, 3, 6, 8, seed=5, dtype=torch.float64)


class Around(nn.Module):
    """``body`` between the input and a fully connected head of three labels."""

    def __init__(self, body: Callable[[Tensor], Tensor], x: Tensor = X, seed: int = 4) -> None:
        super().__init__()
        self.body = body
        with torch.no_grad():
            count = self.call(x).shape[1]
        self.head = randomised(nn.Linear(count, 3), seed).double()
        self.eval()

    def call(self, x: Tensor) -> Tensor:
        return self.body(x).flatten(1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.call(x))


def above(module: Around, x: Tensor, how: str, target: int = 1, **parameters: Any) -> Tensor:
    """The relevance the head hands to the flattened body, one row a sample."""
    table = composite(how, **parameters)
    with torch.no_grad():
        hidden = module.call(x)
        logits = module.head(hidden)
    R = torch.zeros_like(logits)
    R[:, target] = logits[:, target]
    shares = [dense_share(affine_of(module.head), table.dense, h, r) for h, r in zip(hidden, R, strict=True)]
    return torch.stack([share.relevance for share in shares])


def explained(module: nn.Module, how: str, x: Tensor = X, **parameters: object) -> xc.Attribution:
    return xc.attribute(module, x, explainer=how, target=1, **parameters)


PASSING = {
    "relu": torch.relu,
    "functional relu": F.relu,
    "relu6": F.relu6,
    "leaky relu": lambda x: F.leaky_relu(x, 0.2),
    "elu": F.elu,
    "silu": F.silu,
    "gelu": F.gelu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "softplus": F.softplus,
    "hardswish": F.hardswish,
    "prelu": nn.PReLU().double(),
    "dropout": nn.Dropout(0.5).eval(),
    "identity": nn.Identity(),
    "clone": lambda x: x.clone(),
    "detach": lambda x: x.detach(),
    "contiguous": lambda x: x.contiguous(memory_format=torch.channels_last),
    "cast": lambda x: x.float().double(),
    "scale": lambda x: x * 3.0,
    "division": lambda x: x / 4.0,
    "in-place relu": lambda x: x.clone().relu_(),
}


@pytest.mark.parametrize("how", ["lrp-z", "lrp-epsilon-plus", "lrp-gamma"])
@pytest.mark.parametrize("operation", PASSING)
def test_elementwise_operations_pass_relevance_unchanged(operation: str, how: str) -> None:
    module = Around(PASSING[operation])
    tolerance = 1e-6 if operation == "cast" else 1e-9  # relevance takes the cast too
    assert deviation(explained(module, how).relevance, above(module, X, how).reshape(X.shape)) < tolerance


MOVING: dict[str, Callable[[Tensor], Tensor]] = {
    "reshape": lambda x: x.reshape(x.shape[0], 6, -1),
    "view": lambda x: x.view(x.shape[0], 2, -1),
    "permute": lambda x: x.permute(0, 2, 3, 1),
    "transpose": lambda x: x.transpose(2, 3),
    "squeeze": lambda x: x.unsqueeze(1).squeeze(1),
    "slice": lambda x: x[:, 1:, 2:5, ::2],
    "select": lambda x: x[:, 2],
    "index": lambda x: x[:, [2, 0, 0]],
    "pad": lambda x: F.pad(x, (1, 2, 0, 1)),
    "constant pad": lambda x: F.pad(x, (1, 2, 0, 1), value=0.5),
    "crop": lambda x: F.pad(x, (-1, -1, 0, -2)),
    "narrow": lambda x: x.narrow(2, 1, 4),
    "chunk": lambda x: x.chunk(2, 3)[1],
    "split and swap": lambda x: torch.cat(list(reversed(x.split([1, 2], 1))), 1),
    "stack": lambda x: torch.stack([x[:, 0], x[:, 2]], 1),
    "flip": lambda x: x.flip(3),
    "roll": lambda x: torch.roll(x, 1, 3),
    "expand": lambda x: x[:, :1].expand(-1, 3, -1, -1),
    "repeat": lambda x: x.repeat(1, 2, 1, 1),
    "channel shuffle": lambda x: F.channel_shuffle(torch.cat([x, x[:, :1]], 1), 2),
    "pixel shuffle": lambda x: F.pixel_unshuffle(x, 2),
    "unbind": lambda x: x.unbind(1)[1],
}


@pytest.mark.parametrize("operation", MOVING)
def test_moved_values_take_their_relevance_back_the_way_they_came(operation: str) -> None:
    module = Around(MOVING[operation])
    R = above(module, X, "lrp-epsilon-plus")
    u = X.clone().requires_grad_()
    expected = torch.autograd.grad(module.call(u), u, R)[0]
    found = explained(module, "lrp-epsilon-plus")
    assert deviation(found.relevance, expected) < 1e-9
    stopped = R.sum(1) - expected.flatten(1).sum(1)  # what lay on padded values
    torch.testing.assert_close(found.account["stopped"], stopped, rtol=1e-9, atol=1e-9)


def test_concatenation_is_cut_at_the_seam() -> None:
    module = Around(lambda x: torch.cat([2.0 * x[:, 1:], x], 1))
    R = above(module, X, "lrp-epsilon-plus").reshape(2, 5, 6, 8)
    expected = R[:, 2:].clone()
    expected[:, 1:] += R[:, :2]
    assert deviation(explained(module, "lrp-epsilon-plus").relevance, expected) < 1e-9


POOLS: dict[str, Callable[[Tensor], Tensor]] = {
    "plain": lambda x: F.max_pool2d(x, 2),
    "overlapping": lambda x: F.max_pool2d(x, 3, 2, 1),
    "ceil": lambda x: F.max_pool2d(x, 3, 2, ceil_mode=True),
    "dilated": lambda x: F.max_pool2d(x, 2, 1, dilation=2),
    "adaptive": lambda x: F.adaptive_max_pool2d(x, (2, 3)),
    "amax": lambda x: x.amax((2, 3)),
    "one-dimensional": lambda x: F.max_pool1d(x[:, :, 0], 2),
    "three-dimensional": lambda x: F.max_pool3d(x[:, None], 2),
}


@pytest.mark.parametrize("pool", POOLS)
def test_max_pooling_gives_all_to_the_winner(pool: str) -> None:
    module = Around(POOLS[pool])
    u = X.clone().requires_grad_()
    expected = torch.autograd.grad(module.call(u), u, above(module, X, "lrp-epsilon-plus"))[0]
    assert deviation(explained(module, "lrp-epsilon-plus").relevance, expected) < 1e-9


def test_the_first_of_equal_values_wins_alone() -> None:
    module = Around(lambda x: F.max_pool2d(x, 2), torch.ones(1, 1, 2, 2, dtype=torch.float64))
    x = torch.ones(1, 1, 2, 2, dtype=torch.float64)
    found = xc.attribute(module, x, explainer="lrp-epsilon-plus", target=0).relevance
    assert int((found != 0).sum()) == 1


@pytest.mark.parametrize(("kernel", "stride", "padding"), [(2, 2, 0), (3, 2, 1), (3, 1, 1)])
def test_proportional_max_pooling(kernel: int, stride: int, padding: int) -> None:
    module = Around(lambda x: F.max_pool2d(x, kernel, stride, padding))
    R = above(module, X, "lrp-epsilon-plus")
    shape = F.max_pool2d(X, kernel, stride, padding).shape
    shares = [max_pool_proportional(a, r, kernel, stride, padding) for a, r in zip(X, R.reshape(shape), strict=True)]
    found = explained(module, "lrp-epsilon-plus", pooling="proportional")
    assert deviation(found.relevance, torch.stack([share[0] for share in shares])) < 1e-9
    stopped = torch.tensor([share[1] for share in shares], dtype=torch.float64)
    torch.testing.assert_close(found.account["stopped"], stopped, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("how", ["lrp-gamma", "lrp-alpha-2-beta-1", "lrp-epsilon-plus", "lrp-flat", "lrp-w-square"])
def test_batch_norm_alone_passes_unchanged(how: str) -> None:
    norm = randomised(nn.BatchNorm2d(3), 5).double()
    module = Around(lambda x: torch.relu(norm(x)))
    assert deviation(explained(module, how).relevance, above(module, X, how).reshape(X.shape)) < 1e-9


@pytest.mark.parametrize("how", ["lrp-z", "lrp-epsilon"])
def test_batch_norm_alone_is_a_diagonal_layer(how: str) -> None:
    norm = randomised(nn.BatchNorm2d(3), 5).double()
    module = Around(lambda x: torch.relu(norm(x)))
    scale, shift = (part.reshape(1, 3, 1, 1) for part in scale_and_shift(norm))
    R = above(module, X, how).reshape(X.shape)
    z = scale * X + shift
    rms = z.flatten(1).square().mean(1).sqrt().reshape(-1, 1, 1, 1)
    d = {"lrp-z": torch.tensor(1e-12), "lrp-epsilon": 0.25 * rms}[how]
    expected = scale * X * R / (z + d * torch.where(z >= 0, 1.0, -1.0))
    assert deviation(explained(module, how).relevance, expected) < 1e-9


@pytest.mark.parametrize("how", ["lrp-z", "lrp-gamma", "lrp-alpha-2-beta-1", "lrp-epsilon-plus", "lrp-w-square"])
@pytest.mark.parametrize("eps", [1e-5, 0.1])
def test_batch_norm_behind_a_convolution_is_folded_with_its_eps(how: str, eps: float) -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4, eps=eps), nn.ReLU(), nn.Flatten())
    module = randomised(nn.Sequential(*module, nn.Linear(4 * 48, 3)), 9).double()
    folded = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), *module[2:]).double().eval()
    scale, shift = scale_and_shift(module[1])
    folded[0].weight.data = module[0].weight.data * scale.reshape(-1, 1, 1, 1)
    folded[0].bias.data = module[0].bias.data * scale + shift
    found, expected = explained(module, how), explained(folded, how)
    assert deviation(found.relevance, expected.relevance) < 1e-9
    torch.testing.assert_close(found.account["bias"], expected.account["bias"], rtol=1e-8, atol=1e-9)


def test_layer_norm_is_a_diagonal_layer_with_constant_statistics() -> None:
    norm = randomised(nn.LayerNorm([3, 6, 8]), 5).double()
    module = Around(lambda x: norm(x))
    R = above(module, X, "lrp-z").reshape(X.shape)
    spread = (X.flatten(1).var(1, unbiased=False) + norm.eps).sqrt().reshape(-1, 1, 1, 1)
    z = norm(X).detach()
    s = R / (z + 1e-12 * torch.where(z >= 0, 1.0, -1.0))
    assert deviation(explained(module, "lrp-z").relevance, X * norm.weight.detach() / spread * s) < 1e-9


def test_an_operation_without_a_rule_is_named_with_its_place() -> None:
    class Odd(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.cumsum(x, 1)

    module = nn.Sequential()
    module.add_module("body", nn.Sequential())
    module.body.add_module("odd", Odd())
    module.add_module("flat", nn.Flatten())
    module.add_module("head", nn.Linear(3 * 48, 2))
    module = module.double().eval()
    for explainer in ("lrp-epsilon-plus", "rap"):
        with pytest.raises(xc.errors.UnsupportedOperationError) as caught:
            xc.attribute(module, X, explainer=explainer, target=0)
        assert "cumsum" in caught.value.operation
        assert caught.value.module_path == "body.odd"
        assert "cumsum" in str(caught.value)
        assert "body.odd" in str(caught.value)
        for alternative in caught.value.alternatives:
            assert alternative in xc.explainers()
        assert "occlusion" in caught.value.alternatives


def books_close(found: xc.Attribution) -> None:
    account = found.account
    total = account["amplification"] * account["seed"].abs()
    limit = 1e-9 * torch.maximum(torch.ones_like(total), torch.maximum(account["seed"].abs(), 1e-3 * total))
    assert bool((account["error"].abs() <= limit).all()), account


NORMS = {
    "instance": lambda: nn.InstanceNorm2d(3, affine=True),
    "instance with statistics": lambda: nn.InstanceNorm2d(3, affine=True, track_running_stats=True),
    "group": lambda: nn.GroupNorm(3, 3),
    "layer": lambda: nn.LayerNorm([3, 6, 8]),
    "batch without weights": lambda: nn.BatchNorm2d(3, affine=False),
}


@pytest.mark.parametrize("how", ["lrp-z", "lrp-epsilon", "lrp-epsilon-plus", "rap"])
@pytest.mark.parametrize("norm", NORMS)
def test_the_books_of_every_norm_close_sample_by_sample(norm: str, how: str) -> None:
    layer = randomised(NORMS[norm](), 5).double()
    found = explained(Around(lambda x: torch.relu(layer(x))), how)
    books_close(found)
    alone = explained(Around(lambda x: torch.relu(layer(x))), how, X[:1])
    assert float(found.account["bias"][0]) == pytest.approx(alone.account["bias"], rel=1e-8, abs=1e-9)


CONSTANT = {
    "zeros": lambda x: x + torch.zeros_like(x),
    "mask": lambda x: x * (x > 0),
    "written into zeros": lambda x: _interleaved(x),
    "circular padding": lambda x: F.pad(x, (1, 1, 1, 1), mode="circular"),
    "reflected padding": lambda x: F.pad(x, (1, 1, 1, 1), mode="reflect"),
    "softmax attention": lambda x: F.scaled_dot_product_attention(*[x.flatten(2)] * 3),
    "product with itself transposed": lambda x: x.flatten(2) @ x.flatten(2).transpose(1, 2),
}


def _interleaved(x: Tensor) -> Tensor:
    out = torch.zeros_like(x)
    out[:, :, ::2] = x[:, :, ::2]
    out[:, :, 1::2] = torch.relu(x[:, :, 1::2])
    return out


@pytest.mark.parametrize("how", ["lrp-z", "lrp-epsilon-plus", "rap"])
@pytest.mark.parametrize("operation", CONSTANT)
def test_constants_gates_and_attention_keep_the_books(operation: str, how: str) -> None:
    books_close(explained(Around(CONSTANT[operation]), how))
