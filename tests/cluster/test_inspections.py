"""A check on two nodes of one core each."""

import json

import pytest

from budwood.cluster import inspections as module
from tests.conftest import write_colours


@pytest.fixture
def photos(tmp_path):
    """Sound photos, one that is none, half a one, and copies under one label and under two."""
    folder = write_colours(tmp_path / "photos")
    (folder / "red" / "none.jpg").write_bytes(b"no picture")
    first = (folder / "red" / "red 00.jpg").read_bytes()
    (folder / "red" / "half.jpg").write_bytes(first[: len(first) // 2])
    (folder / "red" / "copy.jpg").write_bytes(first)
    (folder / "blue" / "twice.jpg").write_bytes((folder / "green" / "green 03.jpg").read_bytes())
    return folder


def test_inspect_on__the_report_is_that_of_one_machine_to_the_byte(
    ray_nodes, photos, call, tmp_path, monkeypatch
):
    monkeypatch.setattr(module, "PHOTOS", 16)
    there = call("check", photos, "--json", "--cluster", "auto")
    again = call("check", photos, "--json", "--cluster", "auto")
    monkeypatch.setenv("BUDWOOD_CACHE", str(tmp_path / "other"))
    here = call("check", photos, "--json")
    assert there[:2] == again[:2] == here[:2]
    kinds = {problem["kind"] for problem in json.loads(here[1])["problems"]}
    assert {"not_an_image", "truncated", "duplicate", "conflict"} <= kinds


def test_inspect_on__no_cluster_there(photos, call, monkeypatch, tmp_path):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    monkeypatch.setattr("budwood.cluster.connect.is_joined", lambda: False)
    status, _, err = call("check", photos, "--cluster", "auto")
    assert status == 1 and "found no Ray cluster" in err
