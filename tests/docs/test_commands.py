"""Every command that a page shows is one: its options exist, and so do the recipes, keys and backbones it names."""

import inspect
import re
import shlex
from pathlib import Path

import pytest
import typer

from budwood.backbones.registry import get_backbone
from budwood.cli.commands import app
from budwood.config.loading import shipped_recipes
from budwood.config.recipe import Recipe, name_and_size
from tests.docs.blocks import ROOT, blocks_of, commands_of
from tools.docs.commands import commands as commands_of_app

# Not the changes, which name options without what goes before them.
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
STAND_INS = {"N": "1", "EPOCH": "1"}
SPAN = re.compile(r"`(budwood [^`\n]+)`")
PROGRAM = typer.main.get_command(app)
NAMES = {name for name, _ in commands_of_app(app)}


def shown_on(page: Path) -> list[list[str]]:
    """The words of each command after `budwood`, of blocks and of spans in the text."""
    in_blocks = [
        words for block in blocks_of(page) if block.language == "shell" for words in commands_of(block.text)
    ]
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    in_text = [shlex.split(span.replace("\\|", "|")) for span in SPAN.findall(text)]
    return [words[1:] for words in in_blocks + in_text if words[0] == "budwood" and words[1] != "COMMAND"]


def parse(words: list[str]) -> dict:
    """The values of a command's parameters. Raises what Typer raises of a wrong command."""
    command, rest = PROGRAM, words
    while getattr(command, "commands", None):
        command, rest = command.commands[rest[0]], rest[1:]
    return command.make_context(words[0], list(rest)).params


def refuse_unknown(words: list[str]) -> None:
    """Raises where a command, or what it names, is not there. Of one without arguments the name counts."""
    if " ".join(words) in NAMES or words[0].startswith("--"):
        return
    values = parse([STAND_INS.get(word, word) for word in words])
    shipped = [name for name in (values.get("recipe") or values.get("recipes") or "").split(",") if name]
    known = [name for name in shipped if name in shipped_recipes()]
    assert all(name in known or name.endswith(".toml") or name.isupper() for name in shipped), words
    for name in known:
        Recipe.load(name).with_settings(values.get("settings") or [])
    given = values.get("backbone") or values.get("backbones") or []
    for name in ",".join([given] if isinstance(given, str) else given).replace("+", ",").split(","):
        if name and not name.isupper():
            get_backbone(name_and_size(name)[0])


@pytest.mark.parametrize("page", [page for page in PAGES if shown_on(page)], ids=lambda page: page.name)
def test_page__its_commands_are_commands(page):
    wrong = []
    for words in shown_on(page):
        try:
            refuse_unknown(words)
        except Exception as error:
            wrong.append(f"budwood {shlex.join(words)}: {type(error).__name__} {error}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("nothing photos", "nothing"),
        ("train photos --recipes auto", "--recipes"),
        ("train photos --recipe flowers-nothing", "flowers-nothing"),
        ("train photos --set finetune.epoch=3", "Did you mean finetune.epochs"),
        ("train photos --backbone efficientnet_light0", "Did you mean efficientnet_lite0"),
        ("evaluate runs/first", "data"),
    ],
)
def test_refuse_unknown__refuses(command, why):
    # Typer keeps to itself what it raises.
    with pytest.raises(Exception, match=why):
        refuse_unknown(shlex.split(command))


def test_refuse_unknown__a_name_alone_and_stand_ins_for_numbers_pass():
    for command in (
        "train",
        "cache clear",
        "train photos --split-seed N",
        "evaluate RUN DATA --checkpoint EPOCH",
    ):
        refuse_unknown(shlex.split(command))


def test_shown_on__finds_blocks_and_spans(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("Run `budwood doctor` or\n\n```shell\nbudwood check \\\n  photos  # all\nls\n```\n")
    assert shown_on(page) == [["check", "photos"], ["doctor"]]


def test_commands__are_those_of_the_app():
    assert {"train", "cache info", "cache clear"} <= NAMES
    assert all(inspect.getdoc(function) for _, function in commands_of_app(app))
