"""Names of uploads are shown cleaned, and never are paths."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from tests.readers.test_bad_files import GREY8, refusal
from xai_core.readers import read_case
from xai_core.readers.source import shown_name

from .films import picture_bytes


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../etc/passwd.dcm", "passwd.dcm"),
        ("C:\\films\\a.dcm", "a.dcm"),
        ("a\0b\n.dcm", "ab.dcm"),
        ("..", ""),
        ("", ""),
        (None, ""),
    ],
)
def test_an_upload_name_is_shown_cleaned_and_never_opened(name: str | None, shown: str) -> None:
    assert shown_name(name) == shown
    case = read_case(picture_bytes(GREY8), name=name)
    assert case.patient.get("file", "") == shown


def test_a_very_long_name_is_shortened_and_keeps_its_ending() -> None:
    shown = shown_name("a" * 5000 + ".dcm")
    assert len(shown) <= 80
    assert shown.endswith(".dcm")


def test_a_name_is_no_path_even_where_such_a_file_exists(tmp_path: Path) -> None:
    (tmp_path / "real.png").write_bytes(picture_bytes(GREY8))
    assert "not an image" in refusal(b"\x00\x01\x02\x03" * 100, str(tmp_path / "real.png"))


def test_an_upload_that_was_read_before_is_read_from_its_start() -> None:
    stream = io.BytesIO(picture_bytes(GREY8))
    stream.read()
    stream.name = "seen.png"
    assert read_case(stream).patient["file"] == "seen.png"
