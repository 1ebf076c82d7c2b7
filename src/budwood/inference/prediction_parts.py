"""Predictions in a folder of parts, each of which appears whole: what was interrupted goes on after the last of them.

Beside the parts lies `_predictions.json`, which says of which model, pictures and options they are; others are refused.
"""

import hashlib
import math
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from itertools import chain, islice
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from budwood.core.errors import BudwoodError, StoreError
from budwood.core.files import read_json, sha256_of, write_json
from budwood.core.locks import lock
from budwood.core.text import count
from budwood.inference.prediction import Prediction
from budwood.inference.prediction_files import (
    FORMATS,
    PredictionColumns,
    Written,
    need_pyarrow,
    write_predictions,
)

STATE = "_predictions.json"
ROWS = 5000
"""Predictions in one part. A process that is killed loses no more than these."""

Options = Mapping[str, bool | int | float | str | None]


class Part(BaseModel):
    """One file of the folder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str
    sha256: str
    rows: int
    errors: int


class Parts(BaseModel):
    """The content of `_predictions.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run: str
    """The run's folder when the parts were begun."""
    model: str
    """SHA-256 of the run's model.json, which names those of the model and of what tells other things from its
    classes."""
    options: dict[str, bool | int | float | str | None]
    format: str
    num_pictures: int
    pictures: str
    """SHA-256 of the names, places, sizes and times of change of all pictures, in order."""
    rows_per_part: int
    parts: tuple[Part, ...] = ()

    @property
    def num_parts(self) -> int:
        return math.ceil(self.num_pictures / self.rows_per_part)

    @property
    def written(self) -> Written:
        return sum((Written(part.rows, part.errors) for part in self.parts), Written())


def plan_parts(
    run: Path,
    model_sha256: str,
    form: str,
    pictures: Iterable[str],
    options: Options,
    rows: int | None = None,
) -> Parts:
    """Return what a folder of parts would say before the first of them is written.

    Args:
        run: the folder of the run.
        model_sha256: of its model.json.
        form: "csv", "parquet" or "jsonl".
        pictures: what tells each from others, in order.
        options: what decides the rows beside the model and the pictures.
        rows: of one part.
    """
    digest, number = hashlib.sha256(), 0
    for picture in pictures:
        number += 1
        digest.update(picture.encode("utf-8", "surrogateescape") + b"\0")
    return Parts(
        run=str(run),
        model=model_sha256,
        options=dict(options),
        format=form,
        num_pictures=number,
        pictures=digest.hexdigest(),
        rows_per_part=ROWS if rows is None else rows,
    )


def refuse_bad_parts(folder: Path, form: str) -> None:
    """Raise BudwoodError where parts cannot be written: before anything slow."""
    if form not in FORMATS:
        raise BudwoodError(f"there is no format {form!r} of predictions. Give {', '.join(FORMATS)}")
    if form == "parquet":
        need_pyarrow()
    if folder.is_file() or (folder.suffix.lower()[1:] in FORMATS and not folder.exists()):
        raise BudwoodError(
            f"{folder} is a file, and --format writes a folder of parts. Leave out --format for one file, or give a "
            "folder"
        )
    if not folder.parent.is_dir():
        raise BudwoodError(f"cannot make the folder {folder}. Give one in a folder that exists")


def write_parts(
    folder: Path,
    planned: Parts,
    columns: PredictionColumns,
    predict: Callable[[Sequence[int]], Iterator[Prediction]],
) -> Written:
    """Write the parts that are not there yet, one after the other, and return what all of them hold.

    Args:
        folder: made where it does not exist.
        planned: as `plan_parts` gives it.
        columns: what is said of each picture.
        predict: given numbers of pictures, returns their predictions in that order.

    Raises:
        BudwoodError: something else is in the folder, or parts of another model, of other pictures or options.
    """

    def write(parts: Parts, numbers: Sequence[int]) -> Iterator[Part]:
        places = [places_of(number, parts) for number in numbers]
        with closing(_generator(predict(list(chain.from_iterable(places))))) as predictions:
            for number, of_part in zip(numbers, places, strict=True):
                yield write_part(folder, number, parts, islice(predictions, len(of_part)), columns)
            # What tells of them says that it is done.
            deque(predictions, maxlen=0)

    return have_parts(folder, planned, write)


def have_parts(
    folder: Path, planned: Parts, write: Callable[[Parts, Sequence[int]], Iterator[Part]]
) -> Written:
    """Have the parts written that are not there yet, and return what all of them hold. Raises as `write_parts` does.

    Args:
        folder: made where it does not exist.
        planned: as `plan_parts` gives it.
        write: given what the folder says and numbers of parts, returns each once it is written, in any order.
    """
    folder.mkdir(exist_ok=True)
    with ExitStack() as held:
        # Where there is no cache there are no locks.
        with suppress(StoreError):
            held.enter_context(lock(folder, "prediction"))
        found = _read(folder, planned)
        for left in folder.glob(f".*.part.{found.format}"):
            left.unlink()
        known = {part.file: part for part in found.parts}
        numbers = [
            number
            for number in range(found.num_parts)
            if not _is_whole(folder, known.get(_name(number, found)))
        ]
        if not found.parts:
            write_json(folder / STATE, found.model_dump(mode="json"))
        if not numbers:
            return found.written
        with closing(_generator(write(found, numbers))) as written:
            for part in written:
                known[part.file] = part
                found = found.model_copy(update={"parts": tuple(known[name] for name in sorted(known))})
                write_json(folder / STATE, found.model_dump(mode="json"))
    return found.written


def write_part(
    folder: Path, number: int, parts: Parts, predictions: Iterable[Prediction], columns: PredictionColumns
) -> Part:
    """Write one part, which appears whole."""
    path = folder / _name(number, parts)
    written = write_predictions(predictions, columns, path)
    return Part(file=path.name, sha256=sha256_of(path), rows=written.rows, errors=written.errors)


def parts_in(folder: Path) -> int:
    """Return how many parts a folder of predictions consists of."""
    return Parts.model_validate(read_json(folder / STATE)).num_parts


def parts_left(folder: Path, planned: Parts) -> str:
    """Return what to say where the writing of parts was interrupted."""
    if not (folder / STATE).exists():
        return "nothing was written yet: give the same command again"
    whole = _read(folder, planned).written.rows
    return f"{whole:,} of {count(planned.num_pictures, 'photo')} are in {folder}: the same command goes on from there"


T = TypeVar("T")


def _generator(some: Iterator[T]) -> Generator[T, None, None]:
    yield from some


def places_of(number: int, parts: Parts) -> range:
    """Return the numbers of the pictures of a part."""
    first = number * parts.rows_per_part
    return range(first, min(first + parts.rows_per_part, parts.num_pictures))


def _name(number: int, parts: Parts) -> str:
    return f"part-{number:05d}.{parts.format}"


def _is_whole(folder: Path, part: Part | None) -> bool:
    if part is None or not (folder / part.file).is_file():
        return False
    return sha256_of(folder / part.file) == part.sha256


def _read(folder: Path, planned: Parts) -> Parts:
    """Return what the folder says, with the number of rows that it was begun with. Raise BudwoodError where that is
    something else than what is asked for now."""
    if not (folder / STATE).exists():
        others = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
        if others:
            raise BudwoodError(
                f"{folder} holds {others[0]!r} and no {STATE}, so it is no folder of predictions. Give another one"
            )
        return planned
    try:
        found = Parts.model_validate(read_json(folder / STATE))
    except (ValidationError, ValueError) as error:
        raise BudwoodError(f"{folder / STATE} is damaged. Give another folder, or remove this one") from error
    differs = [
        text
        for text, one, other in (
            (f"the model of {found.run} (now {planned.run})", found.model, planned.model),
            (f"the format {found.format} (now {planned.format})", found.format, planned.format),
            *(
                (
                    f"{name} {found.options.get(name)} (now {planned.options.get(name)})",
                    found.options.get(name),
                    value,
                )
                for name, value in planned.options.items()
            ),
            (
                f"{count(found.num_pictures, 'photo')} (now {planned.num_pictures:,}"
                f"{', others, or changed since' if found.num_pictures == planned.num_pictures else ''})",
                found.pictures,
                planned.pictures,
            ),
        )
        if one != other
    ]
    if differs:
        raise BudwoodError(
            f"{folder} holds predictions of {differs[0]}. Give another folder, or the same command as before"
        )
    return found
