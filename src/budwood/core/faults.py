"""What is wrong with a file that was read, in a few words."""

import json

from pydantic import ValidationError


def fault(error: Exception) -> str:
    """Say in a few words what is wrong with the content of a file."""
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        # Of a key that may hold one of several kinds, the kind is no part of the place.
        where = ".".join(str(part) for part in first["loc"] if not str(part).endswith("Metrics")) or "it"
        if first["type"] == "missing":
            return f"it lacks {where}"
        if first["type"] == "extra_forbidden":
            return f"it has the unknown key {where}"
        return f"{where}: {first['msg'][:1].lower()}{first['msg'][1:]}"
    if isinstance(error, KeyError):
        return f"it lacks {error.args[0]}"
    if isinstance(error, json.JSONDecodeError):
        return f"it is no JSON ({error})"
    return str(error.strerror if isinstance(error, OSError) else error)
