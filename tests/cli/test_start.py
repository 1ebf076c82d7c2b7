"""A command that is ended, or has no streams, before anything was imported."""

import subprocess
import sys
import time

import pytest

from budwood import cli
from budwood.cli.start import begun
from tests.cli.command_line import one_line
from tests.cli.test_errors import ENDINGS


@ENDINGS
def test_main__ended_while_commands_are_imported_is_one_sentence(signal, status, word):
    code = """
import os, signal, sys
from budwood.cli import main

class Interrupting:
    def find_spec(self, name, *given):
        if name == "budwood.cli.commands":
            os.kill(os.getpid(), signal.NUMBER)

sys.meta_path.insert(0, Interrupting())
main()
""".replace("NUMBER", signal)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (status, "")
    assert one_line(done.stderr) and word in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="no descriptors to close there")
def test_main__started_without_standard_streams(tmp_path):
    written = tmp_path / "written"
    code = f"""
import os, sys
from pathlib import Path
from budwood.cli.start import open_missing_streams
assert sys.stderr is None and sys.stdout is None
open_missing_streams()
with open({str(written)!r}, "w") as file:
    os.write(2, b"complaint of compiled code")
    print("to nobody")
    print("nor this", file=sys.stderr, flush=True)
    file.write("ours")
"""
    line = [sys.executable, "-c", code]
    assert subprocess.run(["sh", "-c", 'exec "$0" "$@" <&- >&- 2>&-', *line]).returncode == 0
    assert written.read_text() == "ours"
    for arguments, status in ((["recipes"], 0), (["recipes", "show", "none"], 1)):
        line = [sys.executable, "-m", "budwood", *arguments]
        assert subprocess.run(["sh", "-c", 'exec "$0" "$@" 2>&- >&-', *line]).returncode == status
    # Open, but to be read alone: what is written there fails.
    closed = subprocess.run(["sh", "-c", 'exec "$0" "$@" 2</dev/null', *line], stdout=subprocess.PIPE)
    assert (closed.returncode, closed.stdout) == (1, b"")
    found = subprocess.run(["sh", "-c", 'exec "$0" "$@" 2>&-', *line], stdout=subprocess.PIPE, check=False)
    assert found.stdout == b""


def test_main__each_command_of_a_process_begins_when_it_is_given(monkeypatch, capsys):
    """A training of some minutes counts its own, not those of the process."""
    monkeypatch.setattr(sys, "argv", ["budwood", "--version"])
    before = time.monotonic()
    with pytest.raises(SystemExit):
        cli.main()
    assert before <= begun() <= time.monotonic()
