"""Writing a file whole or not at all: aside first, then renamed into place."""

import csv
import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

JsonObject = dict[str, object]
"""An object of a JSON file."""


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a path to write to; it takes the place of `path` when the block ends, and is removed when it
    fails."""
    handle, name = tempfile.mkstemp(prefix=".", suffix=f".part{path.suffix}", dir=path.parent)
    os.close(handle)
    aside = Path(name)
    try:
        yield aside
        # mkstemp makes private files; a run is handed on, so it gets the usual permissions.
        aside.chmod(0o666 & ~_umask())
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    with whole_file(path) as aside:
        # Undecodable bytes of file names survive as surrogates; write them back as the bytes they were.
        aside.write_bytes(text.encode("utf-8", "surrogateescape"))


def write_json(path: Path, value: Any) -> None:
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def write_json_lines(path: Path, values: Iterable[Any]) -> None:
    """Write JSON values, one a line; one by one, as `write_csv` does."""
    with (
        whole_file(path) as aside,
        aside.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file,
    ):
        for value in values:
            file.write(json.dumps(value, ensure_ascii=False) + "\n")


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]], delimiter: str = ",") -> None:
    with (
        whole_file(path) as aside,
        # As `write_text` does; row by row, for a table of a million photos in memory is gigabytes.
        aside.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file,
    ):
        writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def read_csv(path: Path) -> list[dict[str, str]]:
    return list(csv_rows(path))


def csv_rows(path: Path) -> Iterator[dict[str, str]]:
    """Yield the rows of a table one by one, each as a dict by column."""
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        yield from csv.DictReader(file)


def read_json(path: Path) -> Any:
    return json.loads(path.read_bytes().decode("utf-8", "surrogateescape"))


def json_lines(path: Path) -> Iterator[Any]:
    """Yield the values of a file of `write_json_lines`, one by one."""
    with path.open(encoding="utf-8", errors="surrogateescape", newline="\n") as file:
        yield from map(json.loads, file)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def lies_in(path: Path, data: str) -> bool:
    """Return whether a path is a folder that data are read from, or lies in it.

    >>> lies_in(Path("/photos/audit"), "/"), lies_in(Path("audit"), "")
    (True, False)
    """
    folder = Path(data)
    return bool(data) and folder.is_dir() and path.resolve().is_relative_to(folder.resolve())


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
