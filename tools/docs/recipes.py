"""Every recipe that ships, with what its file says of it."""

from budwood.config.loading import shipped_recipes

INTRO = """<!-- Written by `make docs`: change the code, or tools/docs. -->
# Recipes that ship

Each file opens with where the experiment comes from, what was reported, what was measured here and by which command.
`budwood train photos --recipe NAME` runs one, `budwood recipes copy NAME mine.toml` gives you a copy to change;
[the keys](recipe-keys.md) are explained on their own page.
"""


def recipes_page() -> str:
    """The page, in Markdown."""
    shipped = shipped_recipes()
    lines = [INTRO, "| recipe | |", "|---|---|"]
    lines += [f"| [`{name}`](#{name}) | {headline(text)} |" for name, text in shipped.items()]
    for name, text in shipped.items():
        lines += ["", f"## {name}", "", "```toml", text.rstrip(), "```"]
    return "\n".join(lines) + "\n"


def headline(text: str) -> str:
    """The first line of a recipe's file."""
    return text.splitlines()[0].removeprefix("#").strip()
