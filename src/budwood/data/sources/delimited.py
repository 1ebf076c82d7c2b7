"""Tables as text: CSV and TSV with a row of names, and JSON Lines or a JSON list with an object for each photo."""

import csv
import io
import itertools
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from budwood.config.data import Data
from budwood.core.errors import DataError
from budwood.core.text import count, shown
from budwood.data.manifest import Manifest
from budwood.data.sources.columns import choose_columns, fits
from budwood.data.sources.find import Finder
from budwood.data.sources.label_values import LabelForm
from budwood.data.sources.object_tree import ObjectTree, local_copy
from budwood.data.sources.table import Row, Table, read_table, split_names
from budwood.data.sources.tree import DiskTree, Tree
from budwood.storage.place import read_place

DELIMITERS = ",;\t|"
TEXT_ENDINGS = {".csv": "csv", ".tsv": "tsv", ".tab": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl"}
"""Endings of tables that are text, and what each is."""

_BOMS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
_LARGEST_IN_ARCHIVE = 200_000_000
_LARGEST_JSON = 500_000_000


def read_text_table(tree: Tree, name: str, settings: Data, kind: str) -> Manifest:
    """Return the manifest of a CSV, TSV or JSON Lines file. Raise DataError where it cannot be read rightly."""
    with open_text_table(tree, name, settings, kind) as (header, rows):
        return table_of(tree, name, settings, kind, header, rows)


@contextmanager
def open_text_table(
    tree: Tree, name: str, settings: Data, kind: str
) -> Iterator[tuple[list[str], Iterator[Row]]]:
    """Yield the names of the columns and the rows of a CSV, TSV or JSON Lines file."""
    title = title_of(tree, name)
    with open_file(tree, name, title) as file:
        if kind == "jsonl":
            yield _json_lines(file, title)
        else:
            yield _delimited(decoded(file, title), title, kind, settings)


def read_json_table(tree: Tree, name: str, settings: Data, records: Sequence[object]) -> Manifest:
    """Return the manifest of a JSON list of objects."""
    title = title_of(tree, name)
    items = [(f"item {number}", record) for number, record in enumerate(records, 1)]
    header, rows = _header(iter(items), title), _records(iter(items), title)
    return table_of(tree, name, settings, "json", header, rows)


def table_of(
    tree: Tree, name: str, settings: Data, kind: str, header: Sequence[str], rows: Iterator[Row]
) -> Manifest:
    """Return the manifest of rows that name pictures below the folder of the table, or below `data.root`."""
    title = title_of(tree, name)
    return read_table(
        Table(
            title,
            kind,
            choose_columns(header, settings.columns, title, label_columns=settings.label_columns),
            rows,
            finder_of(tree, name.rpartition("/")[0], title, settings),
            form=LabelForm.of(settings),
            split_names=split_names(settings.split_folders),
        )
    )


def finder_of(tree: Tree, base: str, title: str, settings: Data, beside: tuple[str, ...] = ()) -> Finder:
    """Return what looks up the pictures of a table. Raise DataError where `data.root` is no folder."""
    allowed = tuple(read_place(one) for one in settings.allow_uri)
    if isinstance(tree, ObjectTree):
        # What lies beside the table is meant by whoever gives the table.
        allowed = (tree.place.below(base), *allowed)
    if not settings.root:
        return Finder(tree, base, title, beside, allowed)
    if isinstance(tree, DiskTree):
        for root in (os.path.join(tree.root, base, settings.root), settings.root):
            if os.path.isdir(root):
                return Finder(DiskTree(root), "", title, allowed=allowed)
        raise DataError(
            f"data.root = {settings.root!r} is no folder, neither beside {title} nor here. Give the folder below which "
            "the pictures of the table lie"
        )
    inside = "/".join(part for part in (*base.split("/"), *settings.root.split("/")) if part not in ("", "."))
    return Finder(tree, inside, title, allowed=allowed)


def title_of(tree: Tree, name: str) -> str:
    """Return what messages call a file of a tree."""
    if tree.title == ".":
        return name
    return os.path.join(tree.title, name) if isinstance(tree, DiskTree) else f"{tree.title}/{name}"


def open_file(tree: Tree, name: str, title: str, most: int = _LARGEST_IN_ARCHIVE) -> io.BufferedIOBase:
    """Open a file of a tree. Raise DataError where it cannot be read, or lies in an archive and is beyond measure."""
    try:
        if isinstance(tree, DiskTree):
            return open(tree.path(name), "rb")
        if isinstance(tree, ObjectTree):
            return open(local_copy(tree.place, name), "rb")
        image = tree.image(name)
        if getattr(image, "size", 0) > most:
            raise DataError(
                f"{title} is of more than {most:,} bytes. Unpack the archive, and give the folder"
            )
        return io.BytesIO(image.read())
    except OSError as error:
        raise DataError(f"cannot read {title} ({error.strerror or error})") from error


def decoded(file: io.BufferedIOBase, title: str) -> Iterator[str]:
    """Yield the lines of a file as text. Raise DataError where it is not UTF-8."""
    number = offset = 0
    for number, line in enumerate(file, 1):
        if number == 1:
            if encoding := _BOMS.get(line[:2]):
                raise DataError(
                    f"{title} is {encoding}, and tables are read as UTF-8. Save it as 'CSV UTF-8', or: iconv -f "
                    f"{encoding} -t UTF-8 {title} > utf8.csv"
                )
            line = line.removeprefix(b"\xef\xbb\xbf")
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError as error:
            around = line[max(0, error.start - 12) : error.start + 12].decode("cp1252", "replace")
            raise DataError(
                f"{title}, line {number}: byte {offset + error.start:,} ({line[error.start]:#04x}) is not UTF-8, which "
                f"tables are read as. If {shown(around)!r} is right, it is Windows-1252: iconv -f WINDOWS-1252 -t "
                f"UTF-8 {title} > utf8.csv"
            ) from error
        if "\0" in text:
            raise DataError(
                f"{title}, line {number}: it holds a zero byte, so it is no text. Expected a table"
            )
        offset += len(line)
        yield text


def parse_json(text: str | bytes, title: str, where: str = "") -> object:
    """Return what a JSON text says. Raise DataError where it is none, or names a key twice."""
    place = f"{title}, {where}" if where else title
    try:
        return json.loads(text, object_pairs_hook=lambda pairs: _each_once(pairs, place))
    except DataError:
        raise
    except UnicodeDecodeError as error:
        raise DataError(
            f"{place}: byte {error.start:,} is not UTF-8, which JSON is written in. Save it again as UTF-8"
        ) from error
    except RecursionError as error:
        raise DataError(f"{place}: its brackets are nested too deeply. Expected a table") from error
    except ValueError as error:
        raise DataError(f"{place}: it is no JSON ({error})") from error


def read_json(tree: Tree, name: str) -> object:
    """Return what a JSON file of a tree says."""
    title = title_of(tree, name)
    with open_file(tree, name, title, _LARGEST_JSON) as file:
        content = file.read(_LARGEST_JSON + 1)
    if len(content) > _LARGEST_JSON:
        raise DataError(
            f"{title} is of more than {_LARGEST_JSON:,} bytes. Give it as JSON Lines, which are streamed"
        )
    if content[:2] in _BOMS:
        raise DataError(f"{title} is UTF-16, and JSON is read as UTF-8. Save it again as UTF-8")
    return parse_json(content.removeprefix(b"\xef\xbb\xbf"), title)


def _each_once(pairs: list[tuple[str, object]], place: str) -> dict[str, object]:
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"{place}: the key {shown(twice[:40])!r} is there twice. Expected each once")
    return values


def _delimited(
    lines: Iterator[str], title: str, kind: str, settings: Data
) -> tuple[list[str], Iterator[Row]]:
    first = next(lines, "")
    if re.fullmatch(r"sep=.\s*", first):  # Excel's own way to name the delimiter
        first = next(lines, "")
    if not first.strip():
        raise DataError(f"{title} is empty. Expected a first row that names the columns, such as path,label")
    delimiter = "\t" if kind == "tsv" else _delimiter(first, title, settings)
    # "path, label" puts a blank after each comma, which is none of the values.
    skip = all(part.startswith(" ") for part in first.split(delimiter)[1:]) and delimiter in first
    reader = csv.reader(
        itertools.chain([first], lines), delimiter=delimiter, skipinitialspace=skip, strict=True
    )
    header = [name.strip() for name in _next_row(reader, title, 1) or []]
    while header and not header[-1]:
        header.pop()
    if "" in header or len(set(header)) < len(header):
        twice = next((name for name in header if header.count(name) > 1), "")
        what = f"is there twice: {twice!r}" if twice else "has no name"
        raise DataError(f"{title}: a column {what}. Give each column a name of its own in the first row")
    return header, _rows(reader, header, title)


def _rows(reader: Iterator[list[str]], header: Sequence[str], title: str) -> Iterator[Row]:
    number = 1
    while True:
        number += 1
        fields = _next_row(reader, title, number)
        if fields is None:
            return
        if not any(field.strip() for field in fields):
            continue
        surplus = fields[len(header) :]
        if len(fields) < len(header) or any(surplus):
            raise DataError(
                f"{title}, row {number}: {count(len(fields), 'field')}, and the first row names "
                f"{count(len(header), 'column')}. A field that holds the delimiter has to stand in quotes"
            )
        yield Row(f"row {number}", dict(zip(header, fields, strict=False)))


def _next_row(reader: Iterator[list[str]], title: str, number: int) -> list[str] | None:
    try:
        return next(reader, None)
    except csv.Error as error:
        raise DataError(f"{title}, row {number}: it cannot be read as a row ({error})") from error


def _delimiter(first: str, title: str, settings: Data) -> str:
    """Return the delimiter by which the first row names the columns that are needed."""
    used = [one for one in DELIMITERS if one in first]
    fitting = [one for one in used if fits([name.strip() for name in _split(first, one)], settings.columns)]
    if len(fitting) == 1:
        return fitting[0]
    if len(fitting) > 1:
        named = " and ".join(repr(one) for one in fitting)
        raise DataError(f"{title}: its first row can be divided by {named}. Expected one delimiter")
    return max(used or [","], key=first.count)


def _split(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return []


def _json_lines(file: io.BufferedIOBase, title: str) -> tuple[list[str], Iterator[Row]]:
    def records() -> Iterator[tuple[str, object]]:
        file.seek(0)
        for number, line in enumerate(decoded(file, title), 1):
            if line.strip():
                yield f"line {number}", parse_json(line, title, f"line {number}")

    # Twice: what the last object alone has is a column too.
    return _header(records(), title), _records(records(), title)


def _header(items: Iterator[tuple[str, object]], title: str) -> list[str]:
    """Return every key, in the order in which they first come."""
    header: dict[str, None] = {}
    for where, record in items:
        header.update(dict.fromkeys(_object(record, title, where)))
    if not header:
        raise DataError(
            f'{title} is empty. Expected an object for each photo, such as {{"path": ..., "label": ...}}'
        )
    return list(header)


def _records(items: Iterator[tuple[str, object]], title: str) -> Iterator[Row]:
    return (Row(where, _object(record, title, where)) for where, record in items)


def _object(record: object, title: str, where: str) -> Mapping[str, object]:
    if not isinstance(record, dict):
        raise DataError(
            f"{title}, {where}: it is of type {type(record).__name__}. Expected an object for each photo, such as "
            '{"path": ..., "label": ...}'
        )
    return record
