"""One server for the tests that do not change it."""

import pytest

from tests.serving.running import running


@pytest.fixture(scope="session")
def server(tiny_run, session_cache):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BUDWOOD_CACHE", str(session_cache))
        with running({"colours": tiny_run, "again": tiny_run}) as found:
            yield found


@pytest.fixture(scope="session")
def red(session_colours) -> bytes:
    """An encoded picture of the class "red"."""
    return (session_colours / "red" / "red 00.jpg").read_bytes()
