"""Mutated pictures: each is decoded or refused in words, never a crash, a hang, or much memory."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.data.decoder.fuzz import SEEDS, available

TOOL = Path(__file__).with_name("fuzz.py")
FORMATS = [
    pytest.param(
        name, marks=pytest.mark.skipif(name not in available(), reason=f"{name} cannot be written here")
    )
    for name in SEEDS
]


def refuse_bad(format: str, number: int, seed: int) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, str(TOOL), format, str(number), str(seed)],
        capture_output=True,
        text=True,
        env=environment,
        timeout=1200,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    print(found)
    assert found["decoded"] + found["refused"] == number, found["unexpected"][:5]
    assert found["decoded"] and found["refused"]
    assert found["seconds"] < 2, f"mutation {found['slowest']} takes {found['seconds']} s"
    assert found["megabytes"] < 500


@pytest.mark.skipif(sys.platform == "win32", reason="measures memory by getrusage")
@pytest.mark.parametrize("format", FORMATS)
def test_decode__mutations(format):
    refuse_bad(format, 150, seed=1)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="measures memory by getrusage")
@pytest.mark.parametrize("format", FORMATS)
def test_decode__many_mutations(format):
    refuse_bad(format, 5000, seed=2)
