"""Runs of every kind that a checklist may be filled from, as the writer of real ones leaves them."""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from budwood.core import files
from budwood.data.taxonomy import Taxonomy
from budwood.report.checklists.facts import Facts
from budwood.report.summary import read_contents
from tests.report.conftest import build_run
from tests.report.label_run import build_label_run

MACHINE = {"system": "Linux 6.1 x86_64", "processor": "Fast CPU", "cores": 2, "memory": 17179869184}
TREE = Taxonomy(
    {
        **{"composites": "", "roses": "", "tulips": ""},
        **dict.fromkeys(("daisy", "dandelion", "sunflowers"), "composites"),
    }
)
KINDS: dict[str, dict[str, Any]] = {
    "linear": {},
    "trained head": {"fit": "gradient"},
    "fine-tuned": {"finetuned": True, "per_class": 300},
    "without a test": {"test": False},
    "in groups": {"groups": 7, "per_class": 200},
    "in few groups": {"groups": 1},
    "fine-tuned in few groups": {"groups": 1, "finetuned": True},
    "many classes": {"classes": [f"class {number}" for number in range(30)], "per_class": 10},
    "on a tree": {"taxonomy": TREE, "per_class": 200},
    "linear trial": {"saved": False},
    "of an older version": {"machine": False},
}


def edit(folder: Path, name: str, **changes: Any) -> None:
    """Change keys of a JSON file of a run; a dotted key goes down, and None takes a key away."""
    content = files.read_json(folder / name)
    for dotted, value in changes.items():
        *above, last = dotted.split("__")
        part = content
        for key in above:
            part = part[key]
        part.pop(last, None)
        if value is not None:
            part[last] = value
    files.write_json(folder / name, content)


def set_recipe(folder: Path, *settings: str) -> None:
    """Lay settings over the recipe of a run."""
    from budwood.config.recipe import Recipe
    from budwood.runs.writing import write_recipe

    write_recipe(folder, Recipe.load(folder / "recipe.toml").with_settings(settings))


def set_rows(folder: Path, change: Callable[[dict[str, str]], dict[str, str]]) -> None:
    """Change the rows of split.csv, and note its new hash."""
    rows = [change(row) for row in files.read_csv(folder / "split.csv")]
    files.write_csv(folder / "split.csv", list(rows[0]), [list(row.values()) for row in rows])
    edit(folder, "run.json", split__sha256=files.sha256_of(folder / "split.csv"))


@pytest.fixture(scope="session")
def built(tmp_path_factory) -> Callable[..., Path]:
    """A function that writes a run directory, once for all tests that want the same, and none may change."""
    known: dict[str, Path] = {}

    def build(*, saved: bool, machine: bool, **options: Any) -> Path:
        key = repr((saved, machine, sorted(options.items())))
        if key not in known:
            known[key] = write(tmp_path_factory.mktemp("made") / "run", saved, machine, options)
        return known[key]

    def write(folder: Path, saved: bool, machine: bool, options: dict[str, Any]) -> Path:
        run = build_run(folder, **options)
        set_rows(folder, lambda row: row | {"sha256": hashlib.sha256(row["name"].encode()).hexdigest()})
        edit(folder, "run.json", saved=saved, machine=MACHINE if machine else None)
        counts = {label: {"": options.get("per_class", 40)} for label in run.classes}
        edit(folder, "check.json", understood__classes=counts)
        edit(folder, "check.json", found=sum(sum(one.values()) for one in counts.values()) + 1)
        if saved:
            (folder / "model").mkdir()
            (folder / "model" / "README.md").write_text("")
            files.write_json(
                folder / "model" / "model.json",
                {
                    "classes": run.classes,
                    "input": {"size": 224, "resize": "crop"},
                    "backbone": "efficientnet_lite0",
                    "boundary": "pooling",
                    "temperature": 1.6,
                    "versions": {},
                    "fingerprints": {"frozen": "a", "model": "b" * 64, "reference": "c" * 64},
                },
            )
        return folder

    return build


@pytest.fixture
def made(built, tmp_path) -> Callable[..., Path]:
    """A function that gives such a directory of a test's own."""

    def made(*, saved: bool = True, machine: bool = True, **options: Any) -> Path:
        return shutil.copytree(built(saved=saved, machine=machine, **options), tmp_path / "run")

    return made


@pytest.fixture
def facts(built) -> Callable[..., Facts]:
    """A function that gives what such a run shows."""
    return lambda saved=True, machine=True, **options: Facts(
        read_contents(built(saved=saved, machine=machine, **options))
    )


@pytest.fixture(scope="session")
def built_with_labels(tmp_path_factory) -> Path:
    """A run with several labels a photo, a linear trial without a model, which no test may change."""
    folder = tmp_path_factory.mktemp("labelled") / "run"
    build_label_run(folder, pictures=False)
    edit(folder, "run.json", machine=MACHINE)
    return folder


@pytest.fixture
def labelled(built_with_labels, tmp_path) -> Path:
    """Such a run of a test's own."""
    return shutil.copytree(built_with_labels, tmp_path / "labelled")
