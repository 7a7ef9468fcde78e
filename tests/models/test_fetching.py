"""Fetching from a server that breaks off, lies, or is not there; what came by hand; and the commands on top."""

from __future__ import annotations

import hashlib
import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn
from typer.testing import CliRunner

import xai_core as xc
from tests.networks import randomised
from xai_core import __main__ as command_line
from xai_core import weights_commands
from xai_core.errors import ModelError
from xai_core.models import fetching
from xai_core.models.card import Card
from xai_core.models.fetching import fetched, installed, to_fetch
from xai_core.models.networks.small_cnns import tiny_vgg
from xai_core.models.shelf import card_of, manifest_cards

LABELS = ["normal", "pneumonia"]


class Server(http.server.ThreadingHTTPServer):
    """Serves one file and breaks off after ``limits`` bytes of an answer, one limit an answer; keeps what was asked."""

    content = b""
    limits: list[int]
    ranges: list[str | None]
    understands_ranges = True


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.server.ranges.append(asked)
        start = int(asked.split("=")[1].rstrip("-")) if asked and self.server.understands_ranges else 0
        part = self.server.content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        limit = self.server.limits.pop(0) if self.server.limits else len(part)
        self.wfile.write(part[:limit])
        self.close_connection = True

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server(weights: bytes) -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as made:
        made.content, made.limits, made.ranges = weights, [], []
        thread = threading.Thread(target=made.serve_forever, daemon=True)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def bare_card() -> Card:
    return card_of({"name": "tiny", "architecture": "tiny-vgg", "labels": LABELS, "loader": "tiny-vgg", "shipped": False,
                    "title": "Tiny, as its authors had it", "licence": "MIT", "file": "tiny.pth",
                    "input": {"size": [64, 64], "channels": 3, "repeat": True, "intensity": "file-range"}})  # fmt: skip


@pytest.fixture(scope="module")
def network() -> nn.Module:
    return randomised(tiny_vgg(bare_card()))


@pytest.fixture(scope="module")
def weights(network: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("file") / "tiny.pth"
    torch.save(network.state_dict(), path)
    return path.read_bytes()


@pytest.fixture
def card(server: Server, weights: bytes) -> Card:
    host, port = server.server_address[:2]
    return replace(
        bare_card(),
        url=f"http://{host}:{port}/tiny.pth",
        sha256=hashlib.sha256(weights).hexdigest(),
        bytes=len(weights),
    )


def test_a_transfer_that_breaks_off_goes_on_where_it_stood(card: Card, server: Server, tmp_path: Path) -> None:
    server.limits = [1000, 0, 5000]
    seen: list[int] = []
    file = fetched(card, tmp_path, lambda done, whole: seen.append(done))
    assert file.read_bytes() == server.content
    assert server.ranges == [None, "bytes=1000-", "bytes=1000-", "bytes=6000-"]
    assert seen[-1] == len(server.content)
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.pth"]


def test_a_later_fetch_goes_on_too(card: Card, server: Server, tmp_path: Path) -> None:
    (tmp_path / "tiny.pth.part").write_bytes(server.content[:2000])
    assert fetched(card, tmp_path).read_bytes() == server.content
    assert server.ranges == ["bytes=2000-"]


def test_a_server_without_ranges_begins_anew(card: Card, server: Server, tmp_path: Path) -> None:
    server.understands_ranges, server.limits = False, [3000]
    assert fetched(card, tmp_path).read_bytes() == server.content


def test_another_file_than_the_manifests_is_removed(card: Card, server: Server, tmp_path: Path) -> None:
    server.content = server.content[:-1] + b"?"
    with pytest.raises(ModelError, match="SHA-256"):
        fetched(card, tmp_path)
    assert not list(tmp_path.iterdir())


def test_what_is_there_is_not_fetched_again(card: Card, server: Server, tmp_path: Path) -> None:
    (tmp_path / "tiny.pth").write_bytes(server.content)
    assert fetched(card, tmp_path) == tmp_path / "tiny.pth"
    assert server.ranges == []


def test_without_network_the_error_says_what_to_do_by_hand(card: Card, server: Server, tmp_path: Path) -> None:
    server.shutdown()
    server.server_close()
    with pytest.raises(ModelError) as refused:
        fetched(card, tmp_path)
    for word in (card.url, str(tmp_path / "tiny.pth")):
        assert word in refused.value.remedy


def test_a_model_without_address_says_where_to_ask(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as refused:
        fetched(replace(bare_card(), where="Ask the hospital."), tmp_path)
    assert "Ask the hospital, put it at" in refused.value.remedy


def test_a_fetched_model_is_one_of_ones_own(
    card: Card, network: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIGHTBOX_MODELS", str(tmp_path / "models"))
    folder = installed(card, fetched(card, tmp_path))
    assert folder == tmp_path / "models" / "tiny"
    model = xc.load_model("tiny", "cpu")
    assert (model.card.title, model.card.licence, model.card.shipped) == (card.title, "MIT", False)
    x = torch.rand(1, 3, 64, 64)
    torch.testing.assert_close(model.module(x), network(x))
    assert "tiny" in [shown.name for shown in xc.models()]


def test_the_command_fetches_and_lists(card: Card, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIGHTBOX_DATA", str(tmp_path))
    monkeypatch.delenv("LIGHTBOX_MODELS", raising=False)
    known = {"tiny": card}
    for module in (fetching, weights_commands):
        monkeypatch.setattr(module, "manifest_cards", lambda: known)

    def run(*arguments: str) -> object:
        found = CliRunner().invoke(command_line.app, ["weights", *arguments, "--json"])
        assert found.exit_code == 0, found.output
        return json.loads(found.output)

    (before,) = run("list")
    assert (before["kind"], before["is_here"], before["where"]) == ("to fetch", False, card.url)
    fetched_row = run("fetch", "tiny")
    assert fetched_row["folder"] == str(tmp_path / "models" / "tiny")
    (after,) = run("list")
    assert (after["kind"], after["is_here"]) == ("own", True)


def test_shipped_and_unknown_names_are_told_apart() -> None:
    with pytest.raises(ModelError, match="shipped"):
        to_fetch("cxr-resnet18")
    with pytest.raises(ModelError, match="no model 'tiny'"):
        to_fetch("tiny")


def test_every_model_to_be_fetched_says_where_it_is_and_how_it_is_read() -> None:
    for card in manifest_cards().values():
        if not card.shipped:
            assert card.loader
            assert card.file
            assert card.url.startswith("https://") or card.where
            with pytest.raises(ModelError, match=f"weights fetch {card.name}"):
                xc.load_model(card.name, "cpu")
