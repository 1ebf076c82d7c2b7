"""What the requests of one server share, and two servers do not."""

from contextlib import closing

import pytest

from budwood.serving.errors import RequestError
from budwood.serving.limits import Limits
from budwood.serving.models import Models
from budwood.serving.state import Server


def test_server__each_has_its_own_engine_and_counts():
    narrow, wide = Server(Models({}), Limits(memory=10)), Server(Models({}))
    with closing(narrow.engine), closing(wide.engine):
        for server in (narrow, wide):
            server.engine.hold(8)
        with pytest.raises(RequestError, match="as many bytes as it can"):
            narrow.engine.hold(8)
        wide.engine.hold(8)
        narrow.metrics.held.set(1)
        assert b"budwood_body_bytes 0.0" in wide.metrics.as_text()
