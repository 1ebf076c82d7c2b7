"""A folder of four files, and in it a table that is read."""

from pathlib import Path

import pytest

from tests.data.sources.tables import PICTURES


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A folder with four files in it, and in which the test is."""
    for name in PICTURES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"a picture")
    monkeypatch.chdir(tmp_path)
    return tmp_path
