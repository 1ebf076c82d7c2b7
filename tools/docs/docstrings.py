"""A Griffe extension: docstrings as this package writes them, made into what mkdocstrings knows how to show."""

import re
from functools import cache
from typing import Any

import griffe

EXAMPLE = re.compile(r"^>>> .*(?:\n(?!\s*$).*)*", re.MULTILINE)
FOR_TESTS = re.compile(r" *# doctest: .*")
SHARED = re.compile(r"^( +)(\w+(?:, \w+)+): (.*(?:\n\1 +.*)*)", re.MULTILINE)
EXAMPLE_AGAIN = re.compile(r"\n```\n\n```pycon\n")


class HouseStyle(griffe.Extension):
    """Examples in the middle of a text, and arguments that share a line."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        if obj.docstring:
            obj.docstring.value = for_mkdocstrings(obj.docstring.value)


def for_mkdocstrings(text: str) -> str:
    """Return an example as a block of code; of `a, b: what both are` a line for each.

    >>> print(for_mkdocstrings("One.\\n\\n>>> 1\\n1"))
    One.
    <BLANKLINE>
    ```pycon
    >>> 1
    1
    ```
    """
    text = EXAMPLE.sub(lambda found: f"```pycon\n{FOR_TESTS.sub('', found[0])}\n```", text)
    text = EXAMPLE_AGAIN.sub("\n", text)
    return SHARED.sub(
        lambda found: "\n".join(f"{found[1]}{name}: {found[3]}" for name in found[2].split(", ")), text
    )


@cache
def read_package() -> griffe.Module:
    """Return what Griffe reads of the code: as a whole and once, for asked for one module it reads all others too."""
    return griffe.load("budwood", extensions=griffe.load_extensions(HouseStyle()), docstring_parser="google")
