"""What is said of a source whose scheme is mistyped, such as `tdfs:cifar10`."""

import os
import re
from collections.abc import Iterable

from budwood.core.errors import DataError, did_you_mean


def refuse_unknown_scheme(source: str, known: Iterable[str]) -> None:
    """Raise DataError where a text that names nothing on disk begins with the word of no known scheme."""
    # One letter is a drive of Windows.
    found = re.match(r"([A-Za-z][A-Za-z0-9_+-]+):", source)
    known = sorted(known)
    if found is None or found[1] in known or os.path.lexists(source):
        return
    forms = " or ".join(f"{scheme}:NAME" for scheme in known)
    raise DataError(
        f"{source} does not exist, and `{found[1]}:` is no scheme of a source.{did_you_mean(found[1], known)} "
        f"Give {forms}, or a folder of photos"
    )
