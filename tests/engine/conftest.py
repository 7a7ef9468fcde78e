"""Engines on the stand-ins, each with a cache of its own."""

import pytest

from tests.engine.standins import Compute, Look, StandInModel
from xai_core.engine import Engine


@pytest.fixture
def model():
    return StandInModel()


@pytest.fixture
def compute():
    return Compute()


@pytest.fixture
def engine(tmp_path, model, compute):
    return Engine(tmp_path / "cache", load=lambda name, device: model, compute=compute)


@pytest.fixture
def look():
    return Look()


@pytest.fixture
def looking(tmp_path, model, compute, look):
    return Engine(tmp_path / "cache", load=lambda name, device: model, compute=compute, look=look)
