"""Predictions as a table, written one after the other: CSV and Parquet with the probability of every class, or JSON
Lines with an object for each picture."""

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from budwood.core.errors import BudwoodError
from budwood.core.files import whole_file
from budwood.inference.prediction import Prediction

_COLUMNS = ("name", "predicted", "probability", "confident", "none_of_these", "distance", "error")
_TREE = ("path", "answer", "answer_depth", "answer_probability")
"""Further columns of a run with a tree of labels."""
_SET = "prediction_set"
_SHARE = "p:"
_OURS = (b"name,predicted,", b'{"name":')
_MARK = b"budwood predictions"
"""In the metadata of a Parquet file."""
_ROWS_AT_ONCE = 1024
# A spreadsheet takes what begins so for a formula.
_FORMULA = re.compile(r"[=+@\t\r-]")


@dataclass(frozen=True)
class PredictionColumns:
    """What is said of each picture of a table."""

    classes: tuple[str, ...]
    """The classes of the run, in the order of the columns."""
    tree: bool = False
    """Whether the run has a tree of labels."""
    sets: bool = False
    """Whether there are prediction sets."""
    top: int = 1
    """In JSON Lines, the number of classes of each picture."""


@dataclass(frozen=True)
class Written:
    """What went into a table."""

    rows: int = 0
    errors: int = 0
    """Pictures that could not be read."""

    def __add__(self, other: "Written") -> "Written":
        return Written(self.rows + other.rows, self.errors + other.errors)


def refuse_bad_table(path: Path) -> None:
    """Raise BudwoodError where a table of predictions cannot be written, or would replace another file."""
    if path.is_dir() or not path.parent.is_dir():
        raise BudwoodError(f"cannot write the table {path}. Give a file in a folder that exists")
    if path.suffix.lower() == ".parquet":
        need_pyarrow()
    if path.exists() and path.stat().st_size and not _is_ours(path):
        raise BudwoodError(f"{path} is there, and no table of predictions. Give another name")


def need_pyarrow() -> Any:
    """Return the module that writes Parquet. Raise BudwoodError where it is not installed."""
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise BudwoodError(
            "a Parquet table needs pyarrow, which is not installed: pip install 'budwood[parquet]'; or give a file "
            "that ends in .csv or .jsonl"
        ) from error
    return pyarrow


def write_predictions(predictions: Iterable[Prediction], columns: PredictionColumns, path: Path) -> Written:
    """Write predictions as they come, as the ending of the file says; the file appears whole or not at all.

    A picture that cannot be read has the reason in `error`.

    Args:
        predictions: in the order of the rows; no list of them is made.
        columns: what is said of each.
        path: ends in .csv, .parquet or .jsonl.
    """
    rows = errors = 0
    with whole_file(path) as aside, FORMATS[path.suffix.lower()[1:]](aside, columns) as write:
        for one in predictions:
            write(one)
            rows += 1
            errors += one.error is not None
    return Written(rows, errors)


@contextmanager
def _csv(path: Path, columns: PredictionColumns) -> Iterator[Callable[[Prediction], None]]:
    # Undecodable bytes of file names survive as surrogates; they are written as the bytes they were.
    with path.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_header(columns))
        yield lambda one: writer.writerow(_csv_row(one, columns))


@contextmanager
def _json_lines(path: Path, columns: PredictionColumns) -> Iterator[Callable[[Prediction], None]]:
    with path.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:

        def write(one: Prediction) -> None:
            file.write(json.dumps(one.to_json(columns.top), ensure_ascii=False) + "\n")

        yield write


@contextmanager
def _parquet(path: Path, columns: PredictionColumns) -> Iterator[Callable[[Prediction], None]]:
    pyarrow = need_pyarrow()
    schema = _schema(pyarrow, columns)
    waiting: list[dict[str, object]] = []
    with pyarrow.parquet.ParquetWriter(path, schema, compression="zstd") as writer:

        def flush() -> None:
            writer.write_table(pyarrow.Table.from_pylist(waiting, schema))
            waiting.clear()

        def write(one: Prediction) -> None:
            waiting.append(_values(one, columns))
            if len(waiting) == _ROWS_AT_ONCE:
                flush()

        yield write
        # A table without rows has its columns all the same.
        flush()


FORMATS = {"csv": _csv, "parquet": _parquet, "jsonl": _json_lines}
"""What writes a file, by the ending of its name."""
ENDINGS = tuple(f".{form}" for form in FORMATS)


def _header(columns: PredictionColumns) -> list[str]:
    return [
        *_COLUMNS,
        *(_TREE if columns.tree else ()),
        *([_SET] if columns.sets else ()),
        *(f"{_SHARE}{label}" for label in columns.classes),
    ]


def _values(one: Prediction, columns: PredictionColumns) -> dict[str, object]:
    """Return what is said of a picture by the names of the columns; nothing but its error where it was not read."""
    if one.label is None:
        return {"name": _text(one.name), "error": _text(one.error or "")}
    values: dict[str, object] = {
        "name": _text(one.name),
        "predicted": one.label,
        "probability": one.probability,
        "confident": one.confident,
        "none_of_these": one.out_of_distribution,
        "distance": one.distance,
    }
    if columns.tree:
        values["path"] = [node for node, _ in one.path]
        if one.answer is not None and one.answer.label is not None:
            values["answer"] = one.answer.label
            values["answer_depth"] = one.answer.depth
            values["answer_probability"] = one.answer.probability
    if columns.sets:
        values[_SET] = list(one.prediction_set or ())
    return values | {f"{_SHARE}{label}": one.probabilities[label] for label in columns.classes}


def _schema(pyarrow: Any, columns: PredictionColumns) -> Any:
    text, number, texts = pyarrow.string(), pyarrow.float32(), pyarrow.list_(pyarrow.string())
    kinds = {
        "confident": pyarrow.bool_(),
        "none_of_these": pyarrow.bool_(),
        "probability": number,
        "distance": number,
        "path": texts,
        "answer_depth": pyarrow.int32(),
        "answer_probability": number,
        _SET: texts,
    }
    fields = [
        (name, number if name.startswith(_SHARE) else kinds.get(name, text)) for name in _header(columns)
    ]
    return pyarrow.schema(fields, metadata={_MARK: b"1"})


def _csv_row(one: Prediction, columns: PredictionColumns) -> list[str]:
    values = _values(one, columns)
    values["name"] = f"./{one.name}" if _FORMULA.match(one.name) else one.name
    values["error"] = one.error or ""
    if "path" in values:
        values["path"] = " > ".join(node for node, _ in one.path)
    if _SET in values:
        # A list of JSON, for a name of a class may hold any separator.
        values[_SET] = json.dumps(values[_SET], ensure_ascii=False)
    return [_cell(values.get(name)) for name in _header(columns)]


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(int(value))
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _text(name: str) -> str:
    """Return a name that is text in every file: bytes that are none are written as escapes."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _is_ours(path: Path) -> bool:
    if path.suffix.lower() == ".parquet":
        pyarrow = need_pyarrow()
        try:
            return _MARK in (pyarrow.parquet.read_schema(path).metadata or {})
        except (pyarrow.ArrowException, OSError):
            return False
    with path.open("rb") as file:
        return file.read(32).startswith(_OURS)
