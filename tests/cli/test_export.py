"""`budwood export`."""

import json

import pytest

from tests.cli.command_line import one_line

pytestmark = pytest.mark.usefixtures("shared_cache")


def test_export__says_what_was_compared(call, session_run, session_colours, tmp_path):
    arguments = ["export", session_run, "--format", "keras", "--photos", session_colours, "-o"]
    status, out, _ = call(*arguments, tmp_path / "a")
    assert status == 0 and "test photos got the same answer" in out
    assert out.splitlines()[-1].startswith(str(tmp_path / "a"))
    status, out, _ = call(*arguments, tmp_path / "b", "--json")
    assert status == 0 and json.loads(out)["same_answers"] == json.loads(out)["photos"]


def test_export__refusals_are_one_line(call, session_run, tmp_path):
    status, _, err = call("export", session_run, "--format", "onnxx", "-o", tmp_path / "a")
    assert status == 1 and one_line(err) and "Did you mean onnx?" in err
    status, _, err = call("export", session_run, "--format", "keras", "-o", session_run)
    assert status == 1 and one_line(err) and "is there and is no export" in err
