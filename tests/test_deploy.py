"""The files of deploy/ hold for the command line that there is, and pass the checks of their own field."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

from budwood.cli.commands import app
from budwood.storage.place import is_address

DEPLOY = Path(__file__).parents[1] / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
UNIT = (DEPLOY / "budwood.service").read_text()


def parsed(words: list[str], name: str = "serve") -> dict:
    command = get_command(app).commands[name]
    return command.make_context(name, words).params


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


def test_ray_job__computes_features_as_the_command_line_has_it():
    job = yaml.safe_load((DEPLOY / "ray-job.yaml").read_text())["spec"]
    program, command, *words = shlex.split(job["entrypoint"])
    assert (program, command) == ("budwood", "features")
    found = parsed(words, command)
    assert is_address(str(found["data"])) and found["cluster"] == "auto"
    cluster = job["rayClusterSpec"]
    assert cluster["authOptions"] == {"mode": "token"}
    constraints = (DEPLOY.parent / "constraints.txt").read_text().splitlines()
    assert f"ray=={cluster['rayVersion']}" in constraints


def test_slurm__runs_a_study_as_the_command_line_has_it():
    script = (DEPLOY / "ray.slurm").read_text()
    line = re.search(r"^    budwood (.*)$", script, re.MULTILINE)[1]
    command, *words = shlex.split(line)
    found = parsed(words, command)
    assert (command, found["cluster"], found["recipes"]) == ("study", "auto", "frozen-linear,quick")
    assert "RAY_AUTH_MODE=token" in script and "--include-dashboard=false" in script
    if shutil.which("bash"):
        subprocess.run(["bash", "-n", DEPLOY / "ray.slurm"], check=True)
