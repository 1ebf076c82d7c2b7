"""Code blocks of a page, and what runs them as a reader would: in order, in one folder and one namespace.

What a reader does not see stands in comments of the page: `<!-- slow -->` above a block that takes longer than a few
seconds, `<!-- not run: WHY -->` above one that cannot run here, `<!-- output -->` above what the block before it
prints, and `<!-- before: COMMAND -->` for what the page takes as given.
"""

import contextlib
import doctest
import io
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from glob import glob
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
RUN = ("python", "shell")
FENCE = re.compile(
    r"^(?:<!-- (?P<mark>[^>]*?) -->\n)?```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
BEFORE = re.compile(r"^<!-- before: (.*) -->$", re.MULTILINE)
SHELL_WORDS = re.compile(r"[|&;<>$`]")


@dataclass(frozen=True)
class Block:
    """A block of code of a page."""

    line: int
    language: str
    text: str
    mark: str = ""
    given: bool = False

    @property
    def runs(self) -> bool:
        return self.language in RUN and not self.mark.startswith("not run")


def blocks_of(page: Path) -> list[Block]:
    """The blocks of a page in order, first what it takes as given."""
    text = page.read_text(encoding="utf-8")
    given = [
        Block(text[: found.start()].count("\n") + 1, "shell", found[1] + "\n", given=True)
        for found in BEFORE.finditer(text)
    ]
    return given + [
        Block(
            text[: found.start("text")].count("\n") + 1, found["language"], found["text"], found["mark"] or ""
        )
        for found in FENCE.finditer(text)
    ]


def run_blocks(page: Path, blocks: list[Block], names: dict[str, Any], kept: Path | None = None) -> None:
    """Runs blocks in the current folder; raises AssertionError, or what the code raises, with page and line.

    A training that several pages take as given is done once, where there is a folder to keep it in: each page's photos
    are the same.
    """
    printed = ""
    for block in blocks:
        place = f"{page.name}:{block.line}"
        if block.mark == "output":
            check_output(place, block.text, printed)
        elif block.runs:
            try:
                if block.language == "python":
                    printed = run_python(block.text, place, names)
                elif kept is not None and block.given and block.text.startswith("budwood train "):
                    train_once(block.text, kept)
                else:
                    printed = run_shell(block.text)
            except BaseException as error:
                error.add_note(f"in the block at {place}")
                raise


def check_output(place: str, wanted: str, printed: str) -> None:
    """Raises AssertionError where a block printed something else; `...` stands for anything."""
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    assert doctest.OutputChecker().check_output(wanted, printed, flags), (
        f"{place} shows\n{wanted}\nand the block above it prints\n{printed}"
    )


def run_python(text: str, place: str, names: dict[str, Any]) -> str:
    """What the code prints."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(text, place, "exec"), names)
    return printed.getvalue()


def run_shell(text: str) -> str:
    """What commands print. `budwood` runs in this process, which has TensorFlow loaded; all else in a shell."""
    commands = commands_of(text)
    if not all(words[:1] == ["budwood"] for words in commands) or SHELL_WORDS.search(text):
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", text], capture_output=True, text=True)
        assert done.returncode == 0, f"exit status {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout
    return "".join(run_budwood(words[1:]) for words in commands)


def train_once(text: str, kept: Path) -> None:
    """Runs a training, or copies the run that it left before."""
    (words,) = commands_of(text)
    output = Path(words[words.index("-o") + 1])
    before = kept / re.sub(r"\W+", "-", text)
    if not before.exists():
        run_shell(text)
        shutil.copytree(output, before)
    else:
        shutil.copytree(before, output)


def commands_of(text: str) -> list[list[str]]:
    """The words of every command of a shell block."""
    lines = text.replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def run_budwood(words: list[str]) -> str:
    """What the command prints on standard output. Raises AssertionError where its exit status is not 0."""
    from budwood import cli

    expanded = [found for word in words for found in (sorted(glob(word)) or [word])]
    printed, complaints = io.StringIO(), io.StringIO()
    before, sys.argv = sys.argv, ["budwood", *expanded]
    status: Any = 0
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(complaints):
            cli.main()
    except SystemExit as stop:
        status = stop.code or 0
    finally:
        sys.argv = before
    assert status == 0, f"exit status {status} of budwood {shlex.join(words)}\n{complaints.getvalue()}"
    return printed.getvalue()
