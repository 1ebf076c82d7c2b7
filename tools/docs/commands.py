"""Every command with its arguments and options, read from the Typer app."""

import inspect
from collections.abc import Callable, Iterator
from enum import EnumType
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from typer import Typer
from typer.models import ArgumentInfo, OptionInfo

INTRO = """<!-- Written by `make docs`: change the code, or tools/docs. -->
# Commands

Written from the code of `budwood` itself; `budwood COMMAND --help` prints the same.

`--debug`, on any command, shows the traceback of an error, and `budwood --version` prints the version.
Exit status is 0; 1 for what went wrong or was found wrong; 2 for a wrong command; 130 for Ctrl-C
and 143 for SIGTERM, at which a command puts things in order as at Ctrl-C.
What can be given again, such as `--set`, may stand several times.
"""
KINDS = {Path: "PATH", str: "TEXT", int: "N", float: "NUMBER"}


def commands_page() -> str:
    """Return the page, in Markdown."""
    from budwood.cli.commands import app

    found = list(commands(app))
    lines = [INTRO, "| command | does |", "|---|---|"]
    lines += [
        f"| [`budwood {name}`](#budwood-{name.replace(' ', '-')}) | {_summary(function)} |"
        for name, function in found
    ]
    return "\n".join(lines) + "\n\n" + "\n".join(_section(name, function) for name, function in found)


def commands(app: Typer, prefix: str = "") -> Iterator[tuple[str, Callable[..., Any]]]:
    """Name and function of every command, those of its groups too."""
    for command in app.registered_commands:
        if command.callback is not None:
            yield prefix + (command.name or command.callback.__name__.replace("_", "-")), command.callback
    for group in app.registered_groups:
        if group.typer_instance is not None:
            yield from commands(group.typer_instance, f"{prefix}{group.name} ")


def _summary(function: Callable[..., Any]) -> str:
    return inspect.getdoc(function).partition("\n\n")[0].replace("\n", " ")


def _section(name: str, function: Callable[..., Any]) -> str:
    arguments, options = [], []
    hints = get_type_hints(function, include_extras=True)
    for parameter in inspect.signature(function).parameters.values():
        kind, info = _taken_apart(hints[parameter.name])
        told = (info.help or "").partition(" [default: ")[2].rstrip("]")
        unsaid = parameter.default in (inspect.Parameter.empty, None, False)
        default = told if unsaid else f"`{parameter.default}`"
        text = (info.help or "").replace("|", r"\|").partition(" [default:")[0]
        if isinstance(info, ArgumentInfo):
            shown = info.metavar or _choices(kind) or parameter.name.upper()
            needed = parameter.default is inspect.Parameter.empty
            arguments.append((shown if needed or shown.startswith("[") else f"[{shown}]", text))
        else:
            options.append((_written(parameter.name, kind, info), text, default))
    usage = " ".join(["budwood", name, *[shown for shown, _ in arguments], *["[OPTIONS]"] * bool(options)])
    lines = [f"## budwood {name}", "", inspect.getdoc(function), "", "```text", usage, "```", ""]
    if arguments:
        lines += [
            "| argument | |",
            "|---|---|",
            *[f"| {_code(shown)} | {text} |" for shown, text in arguments],
            "",
        ]
    if options:
        lines += ["| option | | default |", "|---|---|---|"]
        lines += [f"| {shown} | {text} | {default} |" for shown, text, default in options] + [""]
    return "\n".join(lines)


def _taken_apart(hint: Any) -> tuple[Any, ArgumentInfo | OptionInfo]:
    """Return the type of a value, and what Typer is told of it."""
    if get_origin(hint) is not Annotated:
        raise TypeError(f"expected an annotated parameter of a command, got {hint}")
    kind, info = get_args(hint)
    while isinstance(kind, type) is False:
        kind = next(part for part in get_args(kind) if part is not type(None))
    return kind, info


def _written(name: str, kind: Any, info: OptionInfo) -> str:
    # Of an annotated option Typer keeps the first name where a default would stand.
    names = [one for one in (info.default, *(info.param_decls or ())) if isinstance(one, str)]
    names = names or [f"--{name.replace('_', '-')}"]
    value = "" if kind is bool else f" {info.metavar or _choices(kind) or KINDS[kind]}"
    return ", ".join(_code(f"{one}{value}") for one in sorted(names, key=len, reverse=True))


def _choices(kind: Any) -> str:
    return "|".join(one.value for one in kind) if isinstance(kind, EnumType) else ""


def _code(text: str) -> str:
    return f"`{text}`".replace("|", r"\|")
