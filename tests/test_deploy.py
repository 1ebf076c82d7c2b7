"""The files of deploy/ hold for the command line that there is, and pass the checks of their own field."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from typer.main import get_command

from budwood.cli.commands import app

DEPLOY = Path(__file__).parents[1] / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
UNIT = (DEPLOY / "budwood.service").read_text()


def parsed(words: list[str]) -> dict:
    command = get_command(app).commands["serve"]
    return command.make_context("serve", words).params


def test_dockerfile__serves_as_the_command_line_has_it():
    entry = re.search(r"^ENTRYPOINT \[(.*)\]$", DOCKERFILE, re.MULTILINE)[1]
    given = re.search(r"^CMD \[(.*)\]$", DOCKERFILE, re.MULTILINE)[1]
    program, command, *words = (word.strip(' "') for word in f"{entry}, {given}".split(","))
    assert (program, command) == ("budwood", "serve")
    found = parsed(words)
    assert (found["host"], found["port"], list(found["runs"])) == ("0.0.0.0", 8000, ["/runs/model"])
    assert "127.0.0.1:8000/healthz" in DOCKERFILE


def test_dockerfile__copies_what_there_is_and_nothing_ignored():
    root = DEPLOY.parent
    copied = [
        name
        for line in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.MULTILINE)
        for name in line.split()[:-1]
    ]
    assert copied and all((root / name).exists() for name in copied)
    kept = {line[1:] for line in (DEPLOY / "Dockerfile.dockerignore").read_text().split() if line[0] == "!"}
    assert kept == set(copied)


@pytest.mark.skipif(shutil.which("hadolint") is None, reason="hadolint is not installed")
def test_dockerfile__passes_hadolint():
    done = subprocess.run(["hadolint", DEPLOY / "Dockerfile"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_unit__serves_as_the_command_line_has_it():
    program, command, *words = shlex.split(re.search(r"^ExecStart=(.*)$", UNIT, re.MULTILINE)[1])
    assert (Path(program).name, command) == ("budwood", "serve")
    found = parsed(words)
    assert (found["host"], found["port"], list(found["runs"])) == ("127.0.0.1", 8000, ["/srv/budwood/model"])


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_unit__passes_systemds_own_check(tmp_path):
    file = tmp_path / "budwood.service"
    # The check wants the program to be there.
    file.write_text(UNIT.replace("/opt/budwood/bin/budwood", "/bin/true"))
    done = subprocess.run(["systemd-analyze", "verify", file], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
