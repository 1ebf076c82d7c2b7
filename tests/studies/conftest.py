import pytest

from tests.studies.made import Made


@pytest.fixture
def made(tmp_path):
    return Made(tmp_path / "study")
