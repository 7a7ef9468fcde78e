"""What is kept on disk comes back the same, stays within its limit, and never brings anything down."""

import sqlite3

import numpy as np
import pytest

from xai_core.store import ResultStore, cache_folder


@pytest.fixture
def store(tmp_path):
    store = ResultStore(tmp_path / "cache")
    yield store
    store.close()


def arrays(size=16, seed=0):
    return {"map": np.random.default_rng(seed).normal(size=(1, size, size)).astype(np.float32)}


def blob_of(store, key):
    return next(store.folder.rglob(f"{key}.safetensors"))


def test_a_result_comes_back_to_the_bit(store):
    store.put("ab12", arrays(), {"seconds": 1.5, "badge": {"sentences": ["closed"]}})
    found, facts = store.get("ab12")
    np.testing.assert_array_equal(found["map"], arrays()["map"])
    assert facts == {"seconds": 1.5, "badge": {"sentences": ["closed"]}}


def test_a_result_outlives_the_process(store):
    store.put("ab12", arrays(), {})
    assert ResultStore(store.folder).get("ab12") is not None


def test_an_unknown_key_is_absent(store):
    assert store.get("00ff") is None


@pytest.mark.parametrize("damage", ["truncated", "flipped", "missing", "empty"])
def test_a_damaged_blob_counts_as_absent_and_is_dropped(store, damage):
    store.put("ab12", arrays(), {})
    blob = blob_of(store, "ab12")
    content = bytearray(blob.read_bytes())
    if damage == "missing":
        blob.unlink()
    else:
        content[-5] ^= 0xFF
        blob.write_bytes({"truncated": content[:50], "flipped": content, "empty": b""}[damage])
    assert store.get("ab12") is None
    assert store.size_bytes == 0
    assert not list(store.folder.rglob("*.safetensors"))
    store.put("ab12", arrays(), {})
    assert store.get("ab12") is not None


def test_a_damaged_index_is_made_anew(store):
    store.put("ab12", arrays(), {})
    store.close()
    for path in store.folder.glob("results.sqlite*"):
        path.write_bytes(b"this is not a database" * 100)
    fresh = ResultStore(store.folder)
    assert fresh.get("ab12") is None
    fresh.put("cd34", arrays(), {})
    assert fresh.get("cd34") is not None


def test_the_least_recently_used_go_beyond_the_limit(tmp_path):
    one = sum(array.nbytes for array in arrays().values())
    store = ResultStore(tmp_path, limit_bytes=int(one * 3.7))
    for key in ("a1", "b2", "c3"):
        store.put(key, arrays(), {})
    assert store.get("a1") is not None
    store.put("d4", arrays(), {})
    assert store.get("b2") is None
    assert all(store.get(key) is not None for key in ("a1", "c3", "d4"))
    assert store.size_bytes <= store.limit_bytes


def test_a_result_larger_than_the_limit_is_not_kept(tmp_path):
    store = ResultStore(tmp_path, limit_bytes=100)
    store.put("ab12", arrays(), {})
    assert store.get("ab12") is None


def test_an_unusable_folder_keeps_nothing_and_raises_nothing(tmp_path):
    (tmp_path / "file").write_text("in the way")
    store = ResultStore(tmp_path / "file" / "cache")
    store.put("ab12", arrays(), {})
    assert store.get("ab12") is None
    assert not store.is_usable


def test_a_key_can_never_be_a_path(store):
    with pytest.raises(ValueError):
        store.put("../../outside", arrays(), {})


def test_the_environment_chooses_the_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("LIGHTBOX_CACHE", str(tmp_path / "here"))
    assert cache_folder() == tmp_path / "here"
    assert ResultStore().folder == tmp_path / "here"


def test_the_index_is_written_ahead_and_only_the_owner_reads_it(store):
    store.put("ab12", arrays(), {})
    with sqlite3.connect(store.folder / "results.sqlite") as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert (store.folder / "results").stat().st_mode & 0o077 == 0
