"""The Python reference: pages of directives from which mkdocstrings writes what the docstrings say."""

import ast
from pathlib import Path

import budwood

HOUSE = Path(budwood.__file__).parent
PUBLIC = """<!-- Written by `make docs`: change the code, or tools/docs. -->
# Python

What `import budwood` offers. Everything is loaded on first use: the import itself takes no TensorFlow.
The [first steps](first-steps.md#in-python) show it at work.
"""
ROOMS = """# Rooms

For who changes Budwood: every module with its docstrings, room by room. [Architecture](../architecture.md) says why
they are where they are, and which may import which.

| room | what lies there |
|---|---|
"""
FOLDERS = {
    "backbones": "Pretrained networks: the contract, the registry, the families, their weights.",
    "cli": "The commands: each reads its arguments, calls one function, prints.",
    "data": "Pictures: sources, the check, the split, the one decoder, drawn views.",
    "evaluation": "Metrics, intervals and tests, calibration, verdicts, abstention, strangers.",
    "features": "A model cut in two, the engines that run the lower part, and the store.",
    "report": "`report.html`, the model card, sheets of pictures, and words for all of them.",
    "studies": "Many trainings, one process each, and what they come to.",
    "training": "The linear fit, the loop of gradient steps, and all that they need.",
}


def python_page() -> str:
    """The public names, verbs first."""
    names = sorted(budwood.__all__, key=lambda name: (name[0].isupper(), name))
    return "\n".join([PUBLIC, *[_directive(f"budwood.{name}") for name in names]])


def room_pages() -> dict[str, str]:
    """A page for every room, and one that lists them."""
    pages, index = {}, ROOMS
    for room, modules in rooms().items():
        title = f"budwood.{room}"
        pages[f"rooms/{room}.md"] = "\n".join([f"# {title}", "", *map(_directive, modules)])
        index += f"| [`{title}`]({room}.md) | {FOLDERS.get(room) or _summary(HOUSE / f'{room}.py')} |\n"
    return pages | {"rooms/index.md": index}


def rooms() -> dict[str, list[str]]:
    """The modules of every room: a file of the house, or a folder with the files in it."""
    found: dict[str, list[str]] = {}
    for file in sorted(HOUSE.rglob("*.py")):
        parts = file.relative_to(HOUSE).with_suffix("").parts
        if file.stat().st_size and parts[0] != "__init__":
            name = ".".join(("budwood", *parts)).removesuffix(".__init__")
            found.setdefault(parts[0], []).append(name)
    return found


def _directive(name: str) -> str:
    return f"::: {name}\n    options:\n      heading_level: 2\n"


def _summary(file: Path) -> str:
    docstring = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return docstring.partition("\n\n")[0].replace("\n", " ").replace("|", r"\|")
