"""What every test shares: shapes checked at run time, a cache of its own, the real photos where they are."""

import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import pytest
from jaxtyping import install_import_hook

# Kept in a variable: the hook lasts as long as the object does.
_shapes = install_import_hook("budwood", "beartype.beartype")


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch) -> Path:
    """Every test computes into an empty cache, never into the user's."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("BUDWOOD_CACHE", str(folder))
    return folder


@pytest.fixture(scope="session")
def session_cache(tmp_path_factory) -> Path:
    """One cache for the tests that may share what is costly to compute."""
    return tmp_path_factory.mktemp("session-cache")


@pytest.fixture
def shared_cache(session_cache, own_cache, monkeypatch) -> Path:
    """The cache of the session in place of the test's own."""
    monkeypatch.setenv("BUDWOOD_CACHE", str(session_cache))
    return session_cache


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real photos and weights, from BUDWOOD_TEST_DATA."""
    folder = os.environ.get("BUDWOOD_TEST_DATA")
    if not folder or not Path(folder, "datasets").is_dir():
        pytest.skip("BUDWOOD_TEST_DATA does not name the folder of real photos and weights")
    return Path(folder).resolve()
