"""What makes photos belong together, as `data.group` says it."""

import re
from dataclasses import dataclass
from typing import Literal

GroupKind = Literal["auto", "none", "parent", "near-duplicates", "column", "pattern", "burst"]

_EXPECTED = 'Give "auto", "none", "parent", "near-duplicates", "column:NAME", "pattern:REGEX" or "burst:60s"'
_SECONDS = {"": 1, "s": 1, "min": 60, "m": 60, "h": 3600}


@dataclass(frozen=True)
class GroupRule:
    """`data.group`, read."""

    kind: GroupKind
    argument: str = ""
    """The column's name, or the regular expression."""
    seconds: float = 0.0
    """The longest pause between two photos of a burst, in seconds."""

    @classmethod
    def read(cls, text: str) -> "GroupRule":
        r"""Return what a text asks for. Raise ValueError where it asks for nothing that there is.

        >>> GroupRule.read("burst:2min")
        GroupRule(kind='burst', argument='2min', seconds=120.0)
        >>> GroupRule.read(r"pattern:person(\d+)").argument
        'person(\\d+)'
        """
        kind, colon, argument = text.partition(":")
        match kind:
            case "auto" | "none" | "parent" | "near-duplicates" if not colon:
                return cls(kind)
            case "column" if argument:
                return cls("column", argument)
            case "pattern" if argument:
                try:
                    re.compile(argument)
                except re.error as error:
                    raise ValueError(
                        f"{argument!r} is not a regular expression: {error}. An example is 'pattern:person(\\d+)'"
                    ) from error
                return cls("pattern", argument)
            case "burst":
                found = re.fullmatch(r"(\d+(?:\.\d+)?) ?(s|m|min|h|)", argument)
                if found is None or not float(found[1]):
                    raise ValueError(f'{text!r} names no time. An example is "burst:60s", or "burst:2min"')
                return cls("burst", argument, float(found[1]) * _SECONDS[found[2]])
        raise ValueError(f"{text!r} is no way to group photos. {_EXPECTED}")
