"""Builds the site with Zensical, warnings as errors."""

import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

import tomli_w

from tools.docs.stage import ROOT, stage


def build(work: Path, *, prefix: Sequence[str] = ()) -> list[str]:
    """Gathers the pages in a folder of their own, and builds them.

    Args:
        work: folder for the pages, in its `docs/`, which is replaced, and the site, in its `site/`.
        prefix: what the command is run by, such as something that takes the network from it.

    Returns:
        What is wrong, a line each: of links and anchors by Zensical, of docstrings by Griffe.
    """
    stage(work / "docs")
    write_config(work)
    return run_zensical(work, prefix)


def write_config(work: Path) -> None:
    """zensical.toml beside the pages. Paths in it that lead to the code are relative to where it came from."""
    config = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))
    handler = config["project"]["plugins"]["mkdocstrings"]["handlers"]["python"]
    handler["paths"] = [str(ROOT / path) for path in handler["paths"]]
    handler["options"]["extensions"] = [str(ROOT / path) for path in handler["options"]["extensions"]]
    (work / "zensical.toml").write_text(tomli_w.dumps(config), encoding="utf-8")


def run_zensical(work: Path, prefix: Sequence[str] = ()) -> list[str]:
    """Build what lies in a folder with its zensical.toml; return what is wrong."""
    command = [*prefix, sys.executable, "-m", "zensical", "build", "--strict", "--clean"]
    done = subprocess.run(command, cwd=work, check=False, capture_output=True, text=True)
    lines = (done.stdout + done.stderr).splitlines()
    complaints = [line for line in lines if line.startswith("griffe: ")]
    return (lines if done.returncode else []) + complaints
