"""Every key of a recipe: what it takes, its default, and what it does, read from the pydantic sections."""

from typing import Any

from budwood.config.loading import value_text
from tools.docs.docstrings import read_package

INTRO = """<!-- Written by `make docs`: change the code, or tools/docs. -->
# Recipe keys

Every key of a recipe, what it takes, and its default. A recipe is a TOML file with these sections; what it does not say
is the default. `budwood recipes copy auto mine.toml` gives one to start from, [the recipes that ship](recipes.md) are
others, and `--set section.key=value` changes one key on the command line, its value in TOML.

`extends = "NAME"` at the top of a file, before the first section, starts from a recipe that ships, or from another file
by its path from this one; the file then says what differs. Sections are merged key by key, and the value of a key is
replaced whole. `budwood recipes show mine.toml --resolved` prints what it comes to.

```toml
extends = "quick"

[finetune]
epochs = 8
unfreeze = { blocks = 3 }
```

An unknown key is refused with the nearest known one. `"auto"` is filled in when the photos and the backbone are known;
`recipe.toml` of a run says what it became.
"""


def recipe_keys_page() -> str:
    """Return the page, in Markdown."""
    from budwood.config.recipe import Recipe

    schema = Recipe.model_json_schema()
    sections = {name: field for name, field in schema["properties"].items() if "$ref" in field}
    lines = [INTRO, "## At the top", "", *_table(Recipe, schema, skip=set(sections))]
    for name in sections:
        section = Recipe.model_fields[name].annotation
        lines += [f"## {name}", "", f"`[{name}]` {_one_line(section.__doc__)}", "", *_table(section, schema)]
    return "\n".join(lines)


def _table(section: type, schema: dict[str, Any], skip: frozenset | set = frozenset()) -> list[str]:
    known = schema if section.__name__ == "Recipe" else schema["$defs"][section.__name__]
    texts = documented(section)
    lines = ["| key | |", "|---|---|"]
    for key, field in known["properties"].items():
        if key not in skip:
            takes = takes_in_words(field, schema).replace("|", r"\|")
            default = f"{takes}; default {_default(section, key)}"
            lines.append(f"| `{key}` | {texts.get(key, '')}<br>{default[0].upper()}{default[1:]} |")
    return [*lines, ""]


def documented(section: type) -> dict[str, str]:
    """Return what stands in the docstring below each key of a section, inherited ones too."""
    texts: dict[str, str] = {}
    for kind in reversed(section.__mro__):
        if kind.__module__ == section.__module__:
            place = f"{kind.__module__}.{kind.__name__}"
            members = read_package()[place.removeprefix("budwood.")].members
            texts |= {key: _one_line(one.docstring.value) for key, one in members.items() if one.docstring}
    return texts


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split())


def _default(section: type, key: str) -> str:
    value = section.model_fields[key].get_default(call_default_factory=True, validated_data={})
    if hasattr(value, "model_dump"):
        value = value.model_dump(exclude_none=True)
    return "none" if value is None else f"`{value_text(value)}`"


def takes_in_words(field: dict[str, Any], schema: dict[str, Any]) -> str:
    """Return what values a key takes, from its JSON schema."""
    if "$ref" in field:
        named = schema["$defs"][field["$ref"].rpartition("/")[2]]
        forms = [
            f"`{{{key} = ...}}` with {takes_in_words(one, schema)}"
            for key, one in named["properties"].items()
        ]
        return ", ".join(forms)
    if "anyOf" in field:
        parts = [takes_in_words(one, schema) for one in field["anyOf"] if one.get("type") != "null"]
        return " or ".join(parts)
    if "enum" in field or "const" in field:
        return " or ".join(f'`"{one}"`' for one in field.get("enum", [field.get("const")]))
    kind = field.get("type")
    if kind == "array":
        low, high = field.get("minItems"), field.get("maxItems")
        number = f" of {low}" if low and low == high else " of at least one" if low else ""
        return f"a list{number}, each {takes_in_words(field['items'], schema)}"
    if kind == "object":
        return f"a table, of each name {takes_in_words(field['additionalProperties'], schema)}"
    if kind in ("integer", "number"):
        return f"{'a whole number' if kind == 'integer' else 'a number'}{_range(field)}"
    return {"boolean": "`true` or `false`", "string": "a text"}[kind]


def _range(field: dict[str, Any]) -> str:
    bounds = (
        ("minimum", "from"),
        ("exclusiveMinimum", "above"),
        ("maximum", "to"),
        ("exclusiveMaximum", "to below"),
    )
    return "".join(f" {word} {_number(field[key])}" for key, word in bounds if key in field)


def _number(value: float) -> str:
    return f"{int(value):,}" if value == int(value) else f"{value:g}"
