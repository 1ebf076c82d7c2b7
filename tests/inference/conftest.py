import shutil

import pytest


@pytest.fixture
def model(tiny_backbones, tiny_run, tmp_path):
    """The folder of a model that may be changed."""
    return shutil.copytree(tiny_run / "model", tmp_path / "model")


@pytest.fixture
def photo(session_colours):
    return session_colours / "red" / "red 00.jpg"


@pytest.fixture
def photos(session_colours):
    return [
        session_colours / label / f"{label} 0{n}.jpg" for n in range(3) for label in ("red", "green", "blue")
    ]
