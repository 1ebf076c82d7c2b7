"""Predictions as a table: CSV with the probability of every class, or JSON Lines with an object for each picture."""

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from budwood.core.errors import BudwoodError
from budwood.core.files import write_csv, write_text
from budwood.inference.prediction import Prediction

ENDINGS = (".csv", ".jsonl")
_COLUMNS = ("name", "predicted", "probability", "confident", "none_of_these", "distance", "error")
_TREE = ("path", "answer", "answer_depth", "answer_probability")
"""Of a run with a tree of labels."""
_SET = "prediction_set"
_SHARE = "p:"
_OURS = (b"name,predicted,", b'{"name":')
# A spreadsheet takes what begins so for a formula.
_FORMULA = re.compile(r"[=+@\t\r-]")


def refuse_bad_table(path: Path) -> None:
    """Raise BudwoodError where a table of predictions cannot be written, or would replace another file."""
    if path.is_dir() or not path.parent.is_dir():
        raise BudwoodError(f"cannot write the table {path}. Give a file in a folder that exists")
    if path.exists() and path.stat().st_size:
        with open(path, "rb") as file:
            if not file.read(32).startswith(_OURS):
                raise BudwoodError(f"{path} is there, and no table of predictions. Give another name")


def write_predictions(
    predictions: Iterable[Prediction], classes: Sequence[str], path: Path, top: int = 1
) -> None:
    """Write predictions as the ending of the file says; a picture that cannot be read has the reason in `error`.

    Args:
        predictions: in the order of the rows.
        classes: of the run, for the columns.
        path: ends in .csv or .jsonl.
        top: in JSON Lines, the number of classes of each.
    """
    if path.suffix.lower() == ".jsonl":
        lines = (json.dumps(one.to_json(top), ensure_ascii=False) + "\n" for one in predictions)
        write_text(path, "".join(lines))
        return
    rows = list(predictions)
    tree = _TREE if any(one.path for one in rows) else ()
    sets = (_SET,) if any(one.prediction_set is not None for one in rows) else ()
    header = [*_COLUMNS, *tree, *sets, *(f"{_SHARE}{label}" for label in classes)]
    write_csv(path, header, (_row(one, classes, len(tree), len(sets)) for one in rows))


def _row(one: Prediction, classes: Sequence[str], tree: int, sets: int) -> list[str]:
    name = f"./{one.name}" if _FORMULA.match(one.name) else one.name
    if one.label is None:
        return [name, *[""] * (len(_COLUMNS) - 2), one.error or "", *[""] * (tree + sets + len(classes))]
    flags = [str(int(flag)) for flag in (one.confident, one.out_of_distribution)]
    shares = [_number(one.probabilities[label]) for label in classes]
    above = _of_tree(one) if tree else []
    # A list of JSON, for a name of a class may hold any separator.
    held = [json.dumps(one.prediction_set or (), ensure_ascii=False)] if sets else []
    return [
        name,
        one.label,
        _number(one.probability),
        *flags,
        _number(one.distance),
        "",
        *above,
        *held,
        *shares,
    ]


def _of_tree(one: Prediction) -> list[str]:
    path = " > ".join(node for node, _ in one.path)
    if one.answer is None or one.answer.label is None:
        return [path, "", "", ""]
    return [path, one.answer.label, str(one.answer.depth), _number(one.answer.probability)]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"
