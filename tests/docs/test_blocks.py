"""Every block of code of the pages runs."""

import dataclasses
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from budwood.backbones.registry import BACKBONES
from budwood.config.recipe import Recipe
from tests.conftest import COLOURS, write_colours
from tests.docs.blocks import ROOT, Block, blocks_of, check_output, run_blocks, run_shell
from tests.tiny import TINY

README = ROOT / "README.md"
PAGES = sorted([README, ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
WITH_CODE = [page for page in PAGES if any(block.runs for block in blocks_of(page))]
# Their blocks take 4 to 17 s, those of the others 3 or less; 13 in the first steps, which have to work.
LONG = [
    *(
        "development/adding-a-backbone.md",
        "guide/explaining.md",
        "guide/exporting.md",
        "guide/fine-tuning.md",
    ),
    *("guide/scikit-learn.md", "guide/sources.md"),
]


@pytest.fixture(scope="module")
def kept(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("kept")


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def is_slow(page: Path, block: Block) -> bool:
    # Blocks of the README train with the default recipe.
    return block.mark == "slow" or page in (README, *(ROOT / "docs" / name for name in LONG))


@pytest.fixture
def desk(tmp_path, monkeypatch, shared_cache) -> Path:
    """Where a reader works: photos to learn from, others to predict and to measure on, and some of nothing."""
    write_colours(tmp_path / "photos")
    rng = np.random.default_rng(1)
    for name, colour in COLOURS.items():
        for number in range(3):
            picture = Image.fromarray(rng.normal(colour, 60, size=(48, 64, 3)).clip(0, 255).astype(np.uint8))
            for folder in (tmp_path / "new", tmp_path / "labelled" / name):
                folder.mkdir(parents=True, exist_ok=True)
                picture.save(folder / f"{name}-{number}.jpg")
    (tmp_path / "other").mkdir()
    for number in range(4):
        stripes = np.tile(rng.integers(0, 256, (48, 1, 1), dtype=np.uint8), (1, 64, 3))
        Image.fromarray(stripes).save(tmp_path / "other" / f"stripes-{number}.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


@pytest.fixture
def small_default(monkeypatch) -> None:
    """A network of a few layers by the default one's name: it answers sooner, and the pages cannot tell."""
    default = Recipe().backbone.name
    monkeypatch.setitem(BACKBONES, default, dataclasses.replace(TINY, name=default))


def names_for(page: Path) -> dict:
    """What a page's Python takes as given."""
    if page != README:
        return {"__name__": "__main__"}
    paths = sorted(Path("photos").rglob("*.jpg"))
    for name, path in zip(("a.jpg", "b.jpg"), Path("new").iterdir(), strict=False):
        path.rename(name)
    Path("labelled").rename("other_photos")
    return {"__name__": "__main__", "paths": paths, "labels": [path.parent.name for path in paths]}


@pytest.mark.parametrize(
    "page",
    [page for page in WITH_CODE if not all(is_slow(page, one) for one in blocks_of(page))],
    ids=name_of,
)
def test_page__its_quick_blocks_run(page, desk, kept, small_default):
    blocks = [block for block in blocks_of(page) if not is_slow(page, block)]
    run_blocks(page, blocks, names_for(page), kept)


@pytest.mark.slow
@pytest.mark.parametrize("page", WITH_CODE, ids=name_of)
def test_page__all_its_blocks_run(page, desk):
    run_blocks(page, blocks_of(page), names_for(page))


def test_blocks_of__marks_languages_and_what_is_given(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "<!-- before: budwood doctor -->\n# A page\n\n```python\n1 + 1\n```\n\n<!-- not run: hours -->\n"
        "```shell\nbudwood train photos\n```\n<!-- output -->\n```text\n2\n```\n"
    )
    given, python, shell, output = blocks_of(page)
    assert (given.text, given.runs, given.given) == ("budwood doctor\n", True, True)
    assert (python.line, python.text, python.runs, python.given) == (5, "1 + 1\n", True, False)
    assert (shell.mark, shell.runs) == ("not run: hours", False)
    assert (output.mark, output.runs) == ("output", False)


def test_run_blocks__says_where_it_failed(tmp_path):
    with pytest.raises(ZeroDivisionError) as failure:
        run_blocks(tmp_path / "page.md", [Block(7, "python", "1 / 0\n")], {})
    assert failure.value.__notes__ == ["in the block at page.md:7"]


def test_check_output__shows_both():
    check_output("page.md:3", "a ... c\n", "a b c\n")
    with pytest.raises(AssertionError, match=r"page.md:3 shows\n2\n\nand the block above it prints\n3"):
        check_output("page.md:3", "2\n", "3\n")


def test_run_shell__refuses_what_fails():
    assert run_shell("printf one | tr o a\n") == "ane"
    with pytest.raises(AssertionError, match="exit status 3"):
        run_shell("true\nexit 3\n")
    with pytest.raises(AssertionError, match="exit status 1 of budwood recipes show nothing"):
        run_shell("budwood recipes show nothing\n")
