"""Every recipe that ships, with what its file says of it."""

from budwood.config.loading import read_layers, shipped_recipes

INTRO = """<!-- Written by `make docs`: change the code, or tools/docs. -->
# Recipes that ship

Each file opens with where the experiment comes from, what was reported, what was measured here and by which command.
`budwood train photos --recipe NAME` runs one, `budwood recipes copy NAME mine.toml` gives you a copy to change;
[the keys](recipe-keys.md) are explained on their own page. A recipe that `extends` another says only what differs from
it; `budwood recipes show NAME --resolved` prints the whole.
"""


def recipes_page() -> str:
    """Return the page, in Markdown."""
    shipped = shipped_recipes()
    lines = [INTRO, "| recipe | |", "|---|---|"]
    lines += [f"| [`{name}`](#{name}) | {headline(text)} |" for name, text in shipped.items()]
    for name, text in shipped.items():
        below = [layer.name for layer in read_layers(name)[-2::-1]]
        chain = (
            ["", f"Extends {', which extends '.join(f'[`{one}`](#{one})' for one in below)}."]
            if below
            else []
        )
        lines += ["", f"## {name}", *chain, "", "```toml", text.rstrip(), "```"]
    return "\n".join(lines) + "\n"


def headline(text: str) -> str:
    """Return the first line of a recipe's file."""
    return text.splitlines()[0].removeprefix("#").strip()
