"""Brings the pages together: those of docs/, those that lie elsewhere, and those written from the code.

Pages of docs/ link as on a code host, so that both can be read. Where a link leads out of docs/, to a file that is no
page of the site, it is turned to a page that shows that file.
"""

import re
import shutil
from pathlib import Path, PurePosixPath
from posixpath import normpath, relpath

from tools.docs.commands import commands_page
from tools.docs.figures import filled, quoting_pages
from tools.docs.modules import module_pages
from tools.docs.python_reference import python_page
from tools.docs.recipe_keys import recipe_keys_page
from tools.docs.recipes import recipes_page

ROOT = Path(__file__).resolve().parents[2]
FROM_CODE = {
    "reference/commands.md": commands_page,
    "reference/python.md": python_page,
    "reference/recipe-keys.md": recipe_keys_page,
    "reference/recipes.md": recipes_page,
}
"""Pages of docs/ that are written from the code; a test holds them up to date."""
MOVED = {"CHANGELOG.md": "changes.md", "CONTRIBUTING.md": "contributing.md"}
"""Pages that lie beside docs/, and their names in the site."""
LINK = re.compile(r"(\]\()([^()\s#]+)((?:#[^()\s]*)?\))")
FENCED = re.compile(r"^(?P<fence> *(?:```|~~~)).*?^(?P=fence)|<!--.*?-->", re.DOTALL | re.MULTILINE)
NAME = re.compile(r"(?<!`)`[^`\s]*-[^`\s]*`(?![`{])")
"""A name of one word with a hyphen, in code."""
LONGEST = 28
"""Characters of a name that fits into every line."""
LANGUAGES = {".py": "python", ".toml": "toml"}


def write_from_code() -> None:
    """Bring the pages that are written from the code, and the figures that pages quote, up to date."""
    for name, page in FROM_CODE.items():
        (ROOT / "docs" / name).write_text(page(), encoding="utf-8")
    for page in quoting_pages():
        page.write_text(filled(page.read_text(encoding="utf-8")), encoding="utf-8")


def stage(folder: Path) -> list[str]:
    """Write every page and picture of the site into a new folder; return the names of the pages."""
    shutil.rmtree(folder, ignore_errors=True)
    pages = {
        **{
            f"docs/{file.relative_to(ROOT / 'docs').as_posix()}": None
            for file in (ROOT / "docs").rglob("*.md")
        },
        **dict.fromkeys(MOVED),
    }
    written: dict[str, str] = {}
    shown: set[str] = set()
    for page in pages:
        text = (ROOT / page).read_text(encoding="utf-8")
        written[_place(page)] = whole_names(
            LINK.sub(lambda link, page=page: _turned(link, page, shown), text)
        )
    written |= module_pages()
    written |= {_source_page(file): _source(file) for file in shown}
    for name, text in written.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    for part in ("images", "assets"):
        shutil.copytree(ROOT / "docs" / part, folder / part)
    return sorted(written)


def whole_names(text: str) -> str:
    """Return a page whose short names with hyphens have a class that keeps them in one line.

    >>> whole_names("`--split-seed` and `--set`")
    '`--split-seed`{.whole} and `--set`{.whole}'
    """
    parts, end = [], 0
    for block in FENCED.finditer(text):
        parts += [NAME.sub(_whole, text[end : block.start()]), block[0]]
        end = block.end()
    return "".join([*parts, NAME.sub(_whole, text[end:])])


def _whole(name: re.Match) -> str:
    return f"{name[0]}{{.whole}}" if len(name[0]) <= LONGEST + 2 else name[0]


def _place(path: str) -> str:
    """Return where a page of the project stands in the site."""
    return MOVED.get(path, path.removeprefix("docs/"))


def _turned(link: re.Match, page: str, shown: set[str]) -> str:
    before, target, after = link.groups()
    if "://" in target or target.startswith("mailto:"):
        return link[0]
    path = normpath(PurePosixPath(page).parent / target)
    if path in MOVED or (path.startswith("docs/") and not path.endswith(".toml")):
        place = _place(path)
    elif (ROOT / path).is_file():
        shown.add(path)
        place = _source_page(path)
    else:
        return link[0]
    return f"{before}{relpath(place, PurePosixPath(_place(page)).parent)}{after}"


def _source_page(path: str) -> str:
    return f"source/{path}.md"


def _source(path: str) -> str:
    text = (ROOT / path).read_text(encoding="utf-8").rstrip()
    language = LANGUAGES.get(Path(path).suffix, "text")
    return f"---\nsearch:\n  exclude: true\n---\n# {path}\n\n````{language}\n{text}\n````\n"
