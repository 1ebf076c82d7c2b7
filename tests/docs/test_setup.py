"""What the Makefile installs for whom, and that the extras hold together."""

import re
import subprocess
import tomllib
from pathlib import Path

from budwood.config.recipe import Recipe
from tests.docs.blocks import ROOT

EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
    "optional-dependencies"
]


def planned(target: str, venv: Path) -> str:
    """Return the commands that make would run in a clone without an environment."""
    command = ["make", "--dry-run", f"VENV={venv}", target]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def installed(target: str, venv: Path) -> list[str]:
    return re.findall(r"--editable '\.\[(\w+)\]'", planned(target, venv))


def test_demo__installs_what_a_user_needs_and_says_how_to_go_on(tmp_path):
    assert installed("demo", tmp_path / "venv") == ["lite"]
    assert all(
        f"{tmp_path}/venv/bin/{name}" in planned("demo", tmp_path / "venv")
        for name in ("budwood", "activate")
    )
    assert "demo/run/report.html" in planned("demo", tmp_path / "venv")


def test_test__installs_the_test_tools_once(tmp_path):
    assert installed("test", tmp_path / "venv") == ["dev"]
    assert installed("check", tmp_path / "venv") == ["dev"]


def test_demo__best_finds_its_weights_after_it():
    packages = " ".join(EXTRAS["lite"])
    beyond_default = [name.partition("@")[0] for name in Recipe.load("best").backbone.name]
    beyond_default.remove("efficientnet_lite0")
    assert beyond_default and all(name.replace("_", "-") in packages for name in beyond_default)


def test_extras__all_is_every_one_for_users():
    assert EXTRAS["all"] == [f"budwood[{','.join(sorted(EXTRAS.keys() - {'all', 'dev'}))}]"]
    assert "budwood[all]" in EXTRAS["dev"]
