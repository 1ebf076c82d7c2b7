"""Write a trained model in another format, check it in its own runtime, and only then put it in its place."""

import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from budwood.core.errors import RunError
from budwood.core.files import read_json, sha256_of, write_json, write_text
from budwood.core.progress.base import SILENT, Progress
from budwood.core.system import num_cores, versions
from budwood.data.images import ImageLike, view
from budwood.evaluation.task import Task
from budwood.exporting.contract import Contract
from budwood.exporting.formats import find_format
from budwood.exporting.formats.format import Format, Runtime, closed_after, refuse_missing_modules
from budwood.exporting.formats.web_page import InBrowser, WebPage
from budwood.exporting.page_check import check_page
from budwood.exporting.parity import LARGEST_DIFFERENCE, PageParity, Parity, Speed, compare
from budwood.exporting.quantization import (
    CALIBRATED_ON,
    Kind,
    Quantization,
    find_kind,
    most_lost,
    refuse_few_photos,
)
from budwood.exporting.readme import python_lines, render_readme
from budwood.exporting.web_runtime import runtime_files
from budwood.inference.artifact import Artifact
from budwood.inference.predictor import InputContract, Predictor

BATCHES = (1, 7)
"""Numbers of pictures at once that every export is tried with: one, and one that no exporter has fixed."""
TIMED = 30
"""Pictures, one at a time, that the speed is measured on."""


@dataclass(frozen=True)
class SplitPhotos:
    """Photos of one split of a run."""

    split: str
    pictures: Sequence[ImageLike]
    labels: Sequence[str]
    """What is true of each."""


@dataclass(frozen=True)
class FewerBits:
    """A quantisation, and the photos that it takes the ranges of values from."""

    kind: Kind
    training: Sequence[ImageLike]


@dataclass(frozen=True)
class Source:
    """A trained model, and what its exports are compared with."""

    artifact: Artifact
    predictor: Predictor
    """Of the same model."""
    task: Task
    """With the thresholds of the run."""
    test: SplitPhotos
    """Photos that the model did not learn from."""


@dataclass(frozen=True)
class Exported:
    """A model that was exported and checked."""

    folder: Path
    contract: Contract
    parity: Parity


def prepare(
    name: str,
    kind: str | None,
    folder: Path,
    *,
    overwrite: bool,
    runtime: str | Path | None = None,
    progress: Progress = SILENT,
) -> tuple[Format, Kind | None]:
    """Return a format and a quantisation by their names, once nothing stands in the way of writing them.

    `runtime` says where the page for the browser finds ONNX Runtime Web; `progress` is told of a download.

    Raises:
        RunError: no such format or quantisation, packages that are missing, or something else in the folder.
    """
    form = find_format(name)
    asked = None if kind is None else find_kind(kind)
    if asked is not None and asked not in form.kinds:
        known = f"{form.name} knows {' and '.join(form.kinds)}" if form.kinds else f"{form.name} knows none"
        raise RunError(f"{form.title} has no quantisation {asked}: {known}")
    refuse_missing_modules(form, asked)
    refuse_bad_place(folder, overwrite=overwrite)
    if isinstance(form, WebPage):
        form = replace(form, runtime=runtime_files(runtime, progress))
    elif runtime is not None:
        raise RunError(f"{form.title} takes no --runtime: the page for the browser does, --format web")
    return form, asked


def refuse_bad_place(folder: Path, *, overwrite: bool) -> None:
    """Raise RunError where an export cannot be put: something else is there, or an export and `overwrite` is not
    given."""
    if not folder.exists():
        return
    if not _is_export(folder):
        raise RunError(f"{folder} is there and is no export. Give -o a folder that is not there")
    if not overwrite:
        raise RunError(f"{folder} has an export already. Give --overwrite to replace it, or another folder")


def export_model(
    source: Source,
    form: Format,
    folder: Path,
    *,
    fewer_bits: FewerBits | None = None,
    progress: Progress = SILENT,
) -> Exported:
    """Write a model into a folder in another format, once it has answered as the run's own model does.

    Args:
        source: the model, and what to compare with.
        form: the format.
        folder: an earlier export there is replaced.
        fewer_bits: a quantisation; by default the export has full precision.
        progress: told of the photos.

    Raises:
        RunError: the exporter or the runtime fails, the answers differ, or too few photos are given.
    """
    if not source.test.pictures:
        raise RunError("an export is checked on photos that the run did not learn from, and none is here")
    if fewer_bits is not None and fewer_bits.kind == "int8":
        refuse_few_photos(len(fewer_bits.training))
    targets = source.task.encode(source.test.labels, source.artifact.classes)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as name:
        plain, aside = Path(name) / "plain", Path(name) / folder.name
        for empty in (plain, aside):
            empty.mkdir()
        try:
            progress.say(f"export: writing {form.title}")
            form.write(source.artifact.model, plain)
            if fewer_bits is None:
                plain.replace(aside)
            else:
                progress.say(f"export: {fewer_bits.kind}")
                how = _quantization(source, fewer_bits)
                form.quantize(source.artifact.model, plain, aside, how)
            names = form.names(aside)
            with closed_after(form.load(aside)) as runtime:
                own, exported = _answers(source, runtime, progress)
                speed = None
                if fewer_bits is not None:
                    with closed_after(form.load(plain)) as before:
                        speed = _speed(source, before, runtime, plain, aside)
                parity = compare(
                    source.task,
                    tuple(source.artifact.classes),
                    targets,
                    own,
                    exported,
                    split=source.test.split,
                    batches=BATCHES,
                    precision="f32" if fewer_bits is None else fewer_bits.kind,
                    speed=speed,
                )
                _refuse(form, parity)
                page = _check_page(source, runtime, own, targets, progress)
                parity = parity.model_copy(update={"page": page})
        except (RunError, MemoryError, OSError):
            raise
        except Exception as error:
            # Exporters and runtimes meet layers that they do not know.
            first = str(error).strip().split("\n")[0]
            raise RunError(f"{form.title} cannot take this model: {type(error).__name__}: {first}") from error
        contract = Contract.of(
            source.artifact.info,
            exported_as=form.name,
            names=names,
            files={file.relative_to(aside).as_posix(): sha256_of(file) for file in _files(aside)},
            versions=versions(),
        )
        write_json(aside / "contract.json", contract.model_dump(mode="json"))
        write_json(aside / "parity.json", parity.model_dump(mode="json"))
        write_text(aside / "predict.py", python_lines(form, contract))
        write_text(aside / "README.md", render_readme(form, contract, parity))
        _put(aside, folder)
    return Exported(folder, contract, parity)


def _refuse(form: Format, parity: Parity) -> None:
    if parity.holds:
        return
    if parity.precision != "f32":
        low, high = (100 * end for end in parity.difference_ci95)
        raise RunError(
            f"{form.title} with {parity.precision} loses more than {100 * most_lost(parity.photos):.2g} points: of "
            f"{parity.photos:,} {parity.split} photos {100 * parity.export_correct:.1f} % are right, "
            f"{100 * parity.run_correct:.1f} % in the run (difference {100 * parity.difference:.1f} points, 95 % "
            f"interval {low:.1f} to {high:.1f}). Nothing was written; leave out --quantize, or take another format"
        )
    raise RunError(
        f"the model as {form.title} does not answer as the run does: {parity.same_answers:,} of "
        f"{parity.photos:,} photos get the same answer, and a probability differs by "
        f"{parity.largest_difference:.2g} (at most {LARGEST_DIFFERENCE:g} is expected). Nothing was written"
    )


def _quantization(source: Source, fewer_bits: FewerBits) -> Quantization:
    """Return what a format is asked for, with the photos decoded."""
    few = fewer_bits.training[:: max(1, len(fewer_bits.training) // CALIBRATED_ON)][:CALIBRATED_ON]
    sample = _squares(few, source.predictor.input) if fewer_bits.kind == "int8" else []
    return Quantization(fewer_bits.kind, sample)


def _squares(
    pictures: Sequence[ImageLike], wanted: InputContract
) -> list[Float32[np.ndarray, "1 size size 3"]]:
    with ThreadPoolExecutor(num_cores()) as pool:
        return [
            square.astype(np.float32)[None] for square in pool.map(lambda one: _view(one, wanted), pictures)
        ]


def _view(picture: ImageLike, wanted: InputContract) -> np.ndarray:
    return view(picture, wanted.size, wanted.resize, wanted.levels)


def _answers(source: Source, runtime: Runtime, progress: Progress) -> tuple[np.ndarray, np.ndarray]:
    """Return the probabilities of the run's model and of the exported one, of the same squares."""
    own, exported = [], []
    pictures = source.test.pictures
    with progress.stage("check", total=len(pictures)) as stage, ThreadPoolExecutor(num_cores()) as pool:
        views = pool.map(lambda picture: _view(picture, source.predictor.input), pictures)
        for number, batch in enumerate(_batches(views, BATCHES[-1])):
            stacked = np.stack(batch).astype(np.float32)
            own += [scores.probabilities for scores in source.predictor.scores(batch)]
            found = runtime(stacked)
            if number == 0:
                alone = np.concatenate([runtime(stacked[at : at + 1]) for at in range(len(batch))])
                if np.abs(alone - found).max() > LARGEST_DIFFERENCE:
                    raise RunError(
                        "the exported model answers otherwise for one picture at a time than for several"
                    )
            exported.append(found)
            stage.advance(len(batch))
    return np.stack(own), np.concatenate(exported)


def _check_page(
    source: Source, runtime: Runtime, own: np.ndarray, targets: np.ndarray, progress: Progress
) -> PageParity | None:
    """Return what the page answers where it runs in a browser."""
    if not isinstance(runtime, InBrowser):
        return None
    return check_page(
        runtime.browser,
        source.test.pictures,
        targets,
        own,
        task=source.task,
        classes=tuple(source.artifact.classes),
        input=source.predictor.input,
        progress=progress,
    )


def _speed(source: Source, before: Runtime, after: Runtime, plain: Path, aside: Path) -> Speed:
    squares = _squares(source.test.pictures[:TIMED], source.predictor.input)
    # In turn, so that a machine that is shared or warms up favours neither.
    seconds: tuple[list[float], list[float]] = ([], [])
    for square in squares:
        for runtime, found in zip((before, after), seconds, strict=True):
            started = time.perf_counter()
            runtime(square)
            found.append(time.perf_counter() - started)
    milliseconds = [1000 * float(np.median(some)) for some in seconds]
    megabytes = [sum(file.stat().st_size for file in _files(one)) / 1e6 for one in (plain, aside)]
    return Speed(
        f32_milliseconds=round(milliseconds[0], 2),
        milliseconds=round(milliseconds[1], 2),
        f32_megabytes=round(megabytes[0], 2),
        megabytes=round(megabytes[1], 2),
    )


def _batches(views: Iterator[np.ndarray], most: int) -> Iterator[list[np.ndarray]]:
    batch: list[np.ndarray] = []
    for one in views:
        batch.append(one)
        if len(batch) == most:
            yield batch
            batch = []
    if batch:
        yield batch


def _files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.is_file())


def _is_export(folder: Path) -> bool:
    try:
        content: Mapping[str, object] = read_json(folder / "contract.json")
        return "exported_as" in content
    except (OSError, ValueError):
        return False


def _put(aside: Path, folder: Path) -> None:
    """Let a whole folder take the place of another; an earlier export is there until then."""
    if folder.exists():
        earlier = aside.parent / "earlier"
        folder.rename(earlier)
        aside.rename(folder)
        shutil.rmtree(earlier, ignore_errors=True)
    else:
        aside.rename(folder)
