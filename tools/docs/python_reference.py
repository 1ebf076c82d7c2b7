"""The public names of `budwood` with what their docstrings say, as Markdown that reads in a clone and in the site."""

import inspect
import pydoc
import re
from typing import Any

import griffe

import budwood
from tools.docs.docstrings import read_package

INTRO = """<!-- Written by `make docs`: change the code, or tools/docs. -->
# Python

What `import budwood` offers. Everything is loaded on first use: the import itself takes no TensorFlow.
[First steps](../guide/first-steps.md#in-python) shows it at work; `from budwood import show` is for notebooks
([examples](../../examples/README.md)).

| name | |
|---|---|
"""
SECTION = griffe.DocstringSectionKind
NAMED = {
    SECTION.parameters: "Arguments",
    SECTION.other_parameters: "Arguments",
    SECTION.attributes: "Attributes",
}
LONG = 88


def python_page() -> str:
    """Return the page in Markdown: a table of all names, functions first, then a section for each."""
    public = [name for name in budwood.__all__ if not name.startswith("_")]
    names = sorted(public, key=lambda name: (name[0].isupper(), name))
    found = {name: documented(getattr(budwood, name)) for name in names}
    rows = [f"| [`{name}`](#budwood.{name}) | {_first_line(one)} |" for name, one in found.items()]
    sections = [_section(f"budwood.{name}", name, one, level=2) for name, one in found.items()]
    return INTRO + "\n".join(rows) + "\n\n" + "\n".join(sections)


def documented(value: Any) -> griffe.Object:
    """Return what Griffe reads of a class or function, from the module that defines it."""
    place = f"{inspect.getmodule(value).__name__}.{value.__qualname__}"
    return read_package()[place.removeprefix("budwood.")]


def _first_line(one: griffe.Object) -> str:
    text = one.docstring.value if one.docstring else ""
    return " ".join(text.partition("\n\n")[0].split()).replace("|", r"\|")


def _section(anchor: str, name: str, one: griffe.Object, level: int) -> str:
    lines = [f'<a id="{anchor}"></a>', "", f"{'#' * level} {name}", "", *_signature(one), *_docstring(one)]
    if one.is_class:
        for member in _members(one):
            if not member.name.startswith("_") and member.docstring and not member.is_alias:
                lines.append(_section(f"{anchor}.{member.name}", f"{name}.{member.name}", member, level + 1))
    return "\n".join(lines)


def _members(one: griffe.Object) -> list[griffe.Object]:
    """Return the members of a class, after those that it has from classes of Budwood above it."""
    above = [base for base in pydoc.locate(one.path).__bases__ if base.__module__.startswith("budwood.")]
    return [*(member for base in above for member in _members(documented(base))), *one.members.values()]


def _signature(one: griffe.Object) -> list[str]:
    if one.is_attribute:
        return [f"`{one.name}: {one.annotation}`", ""] if one.annotation else []
    call = one.members["__init__"] if one.is_class and "__init__" in one.members else one
    parameters = list(getattr(call, "parameters", []))
    if one.is_class and not parameters:
        return []
    gives = f" -> {call.returns}" if one.is_function and call.returns else ""
    written = _parameters([each for each in parameters if each.name not in ("self", "cls")])
    flat = f"{one.name}({', '.join(written)}){gives}"
    if len(flat) > LONG:
        flat = "\n".join([f"{one.name}(", *[f"    {each}," for each in written], f"){gives}"])
    return ["```py", flat, "```", ""]


def _parameters(parameters: list[griffe.Parameter]) -> list[str]:
    written, star = [], False
    for each in parameters:
        kind = each.kind
        star = star or kind is griffe.ParameterKind.var_positional
        if kind is griffe.ParameterKind.keyword_only and not star:
            written, star = [*written, "*"], True
        stars = {griffe.ParameterKind.var_positional: "*", griffe.ParameterKind.var_keyword: "**"}.get(
            kind, ""
        )
        text = f"{stars}{each.name}" + (f": {each.annotation}" if each.annotation else "")
        written.append(text if each.default is None or stars else f"{text} = {each.default}")
    return written


def _docstring(one: griffe.Object) -> list[str]:
    if not one.docstring:
        return []
    lines: list[str] = []
    for section in one.docstring.parse("google", warnings=False):
        lines += [*_written(section), ""]
    return lines


def _written(section: griffe.DocstringSection) -> list[str]:
    if section.kind is SECTION.text:
        return [section.value]
    if section.kind in NAMED:
        rows = [f"| `{item.name}` | {_cell(item.description)} |" for item in section.value]
        return [f"| {NAMED[section.kind]} | |", "|---|---|", *rows]
    if section.kind in (SECTION.raises, SECTION.warns):
        verb = "Raises" if section.kind is SECTION.raises else "Warns"
        rows = [f"| `{item.annotation}` | {_cell(item.description)} |" for item in section.value]
        return [f"| {verb} | |", "|---|---|", *rows]
    if section.kind in (SECTION.returns, SECTION.yields):
        verb = "Returns" if section.kind is SECTION.returns else "Yields"
        return [f"{verb}: {' '.join(item.description.split())}" for item in section.value]
    if section.kind is SECTION.examples:
        return [
            f"```pycon\n{text}\n```" if kind is SECTION.examples else text for kind, text in section.value
        ]
    if section.kind is SECTION.admonition:
        return [f"**{section.title}.** {section.value.description}"]
    raise TypeError(f"a docstring's section of kind {section.kind} has no form here")


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", r"\|").strip()
