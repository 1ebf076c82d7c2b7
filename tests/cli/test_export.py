"""`budwood export`."""

import json
from types import SimpleNamespace

import pytest

from budwood.exporting.parity import Parity, Speed
from budwood.run import Run
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


@pytest.mark.parametrize(("milliseconds", "warned"), [(25.8, True), (4.9, False)])
def test_export__warns_of_int8_that_is_slower(milliseconds, warned, call, session_run, tmp_path, monkeypatch):
    speed = Speed(f32_milliseconds=9.7, milliseconds=milliseconds, f32_megabytes=16.1, megabytes=6.5)
    parity = Parity(
        photos=367,
        split="test",
        batches=(1, 7),
        precision="int8",
        same_answers=362,
        largest_difference=0.3,
        mean_difference=0.01,
        run_loss=0.28,
        export_loss=0.28,
        run_ece=0.02,
        export_ece=0.02,
        run_correct=0.91,
        export_correct=0.91,
        difference=0.0,
        difference_ci95=(-0.01, 0.01),
        speed=speed,
    )
    contract = SimpleNamespace(exported_as="onnx")
    found = SimpleNamespace(folder=tmp_path / "out", parity=parity, contract=contract)
    monkeypatch.setattr(Run, "export", lambda *asked, **how: found)
    for more in ([], ["--json"], ["--quiet"]):
        status, out, err = call(
            "export", session_run, "--format", "onnx", "--quantize", "int8", "-o", tmp_path, *more
        )
        assert (
            status == 0 and ("int8 is slower than full precision on this machine: 25.8 ms" in err) == warned
        )
        assert (
            more == ["--json"] or f"{milliseconds} ms a picture on this machine, at full precision 9.7" in out
        )
