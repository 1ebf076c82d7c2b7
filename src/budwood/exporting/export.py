"""Write a trained model in another format, check it in its own runtime, and only then put it in its place."""

import shutil
import tempfile
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from budwood.core.errors import RunError
from budwood.core.files import read_json, sha256_of, write_json, write_text
from budwood.core.progress.base import SILENT, Progress
from budwood.core.system import versions
from budwood.core.tensorflow import usual_keras
from budwood.evaluation.ood import ACCEPTANCE, Reference
from budwood.exporting import model_server, phone
from budwood.exporting.checking import (
    BATCHES,
    Source,
    SplitPhotos,
    answers_of,
    files_of,
    measure_speed,
    own_runtime,
    squares,
)
from budwood.exporting.contract import Contract
from budwood.exporting.formats import find_format
from budwood.exporting.formats.format import Format, Runtime, closed_after, refuse_missing_modules
from budwood.exporting.formats.web_page import InBrowser, WebPage
from budwood.exporting.int8 import find_int8
from budwood.exporting.network import knows_others
from budwood.exporting.page_check import check_page
from budwood.exporting.parity import (
    LARGEST_DIFFERENCE,
    Answered,
    PageParity,
    Parity,
    compare,
    compare_default,
    compare_distances,
    compare_labels,
)
from budwood.exporting.quantization import (
    CALIBRATED_ON,
    Kind,
    find_kind,
    most_lost,
    refuse_few_photos,
)
from budwood.exporting.readme import python_lines, render_readme
from budwood.exporting.web_runtime import runtime_files
from budwood.runs.replacing import exchange

ROOM = 1_000_000
"""Free bytes below which a disk counts as full."""


@dataclass(frozen=True)
class FewerBits:
    """A quantisation, and the photos that it takes the ranges of values from."""

    kind: Kind
    training: SplitPhotos


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
    server: bool = False,
    runtime: str | Path | None = None,
    progress: Progress = SILENT,
) -> tuple[Format, Kind | None]:
    """Return a format and a quantisation by their names, once nothing stands in the way of writing them.

    `server` asks for the layout of model servers; `runtime` says where the page for the browser finds ONNX Runtime
    Web; `progress` is told of a download.

    Raises:
        RunError: no such format or quantisation, packages that are missing, or something else in the folder.
    """
    form = find_format(name)
    asked = None if kind is None else find_kind(kind)
    if asked is not None and asked not in form.kinds:
        known = f"{form.name} knows {' and '.join(form.kinds)}" if form.kinds else f"{form.name} knows none"
        raise RunError(f"{form.title} has no quantisation {asked}: {known}")
    if server:
        model_server.refuse_unknown(form)
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
    server: bool = False,
    progress: Progress = SILENT,
) -> Exported:
    """Write a model into a folder in another format, once it has answered as the run's own model does.

    Args:
        source: the model, and what to compare with.
        form: the format.
        folder: an earlier export there is replaced.
        fewer_bits: a quantisation; by default the export has full precision.
        server: in the layout that model servers take.
        progress: told of the photos.

    Raises:
        RunError: the exporter or the runtime fails, the answers differ, or too few photos are given.
    """
    if not source.test.pictures:
        raise RunError("an export is checked on photos that the run did not learn from, and none is here")
    if fewer_bits is not None:
        _refuse_missing(source.test, fewer_bits.kind)
        if fewer_bits.kind == "int8":
            refuse_few_photos(len(fewer_bits.training.pictures))
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (
        usual_keras() if form.from_keras else nullcontext(),
        tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as name,
    ):
        plain, aside = Path(name) / "plain", Path(name) / folder.name
        for empty in (plain, aside):
            empty.mkdir()
        try:
            parity = _write(source, form, plain, aside, fewer_bits, progress)
        except (RunError, MemoryError, OSError):
            raise
        except Exception as error:
            # Compiled writers do not say that it was the disk.
            if shutil.disk_usage(folder.parent).free < ROOM:
                raise RunError(
                    f"the disk of {folder.parent.absolute()} is full. Nothing was written; free space, or give another "
                    "folder"
                ) from error
            # Exporters and runtimes meet layers that they do not know.
            first = str(error).strip().split("\n")[0]
            raise RunError(f"{form.title} cannot take this model: {type(error).__name__}: {first}") from error
        golden = None
        if server:
            with closed_after(form.load(aside)) as runtime:
                golden = model_server.golden_answers(source.test, source.predictor.input, runtime)
            model_server.move_model(aside)
        contract = Contract.of(
            source.info,
            exported_as=form.name,
            threshold=parity.distance.export_threshold if parity.distance else None,
            files={file.relative_to(aside).as_posix(): sha256_of(file) for file in files_of(aside)},
            versions=versions(),
        )
        write_json(aside / "contract.json", contract.model_dump(mode="json"))
        write_json(aside / "parity.json", parity.model_dump(mode="json"))
        below = f'"{model_server.VERSION}" / ' if server else ""
        write_text(aside / "predict.py", python_lines(form, contract, below))
        readme = render_readme(form, contract, parity, below)
        if golden is not None:
            write_json(aside / "golden.json", golden)
            model_server.write_configuration(aside, folder.name, contract)
            readme += model_server.readme_lines(folder.name)
        if form.name == "litert":
            readme += phone.readme_lines(contract)
        write_text(aside / "README.md", readme)
        _put(aside, folder)
    return Exported(folder, contract, parity)


def _refuse_missing(test: SplitPhotos, kind: Kind) -> None:
    """Raise RunError where photos that have to say what fewer bits cost were not found."""
    if test.missing:
        found = len(test.pictures)
        raise RunError(
            f"what {kind} costs is measured on all {found + test.missing:,} {test.split} photos of the run, and "
            f"{test.missing:,} of them were not found. Say where they all are: --photos DATA"
        )


def _write(
    source: Source,
    form: Format,
    plain: Path,
    aside: Path,
    fewer_bits: FewerBits | None,
    progress: Progress,
) -> Parity:
    """Write a model into the folder `aside` and return how it answers. Raise RunError where it may not."""
    reference = _reference(source) if form.tells_others else None
    network = source.network(reference)
    check = _Check(source, form, None if reference is None else reference.threshold(ACCEPTANCE), progress)
    progress.say(f"export: writing {form.title}")
    form.write(network, plain)
    if fewer_bits is None:
        plain.replace(aside)
        return _refuse(form, check.parity(aside))
    progress.say(f"export: {fewer_bits.kind}")
    if fewer_bits.kind == "float16":
        form.halve(network, plain, aside)
        return _refuse(form, check.parity(aside, "float16", plain))
    few = fewer_bits.training.some(CALIBRATED_ON).pictures
    quantizer = form.quantizer(network, plain, list(squares(few, source.predictor.input)))
    found = find_int8(quantizer, form, source, fewer_bits.training, plain.parent, progress)
    # Chosen by other photos: those of the test are asked once.
    parity = check.parity(found.folder, "int8", plain, found.threshold)
    parity = _refuse(form, parity.model_copy(update={"fallback": found.fallback}))
    found.folder.replace(aside)
    return parity


@dataclass
class _Check:
    """Compares a written model with that of the run, which answers once for all tries."""

    source: Source
    form: Format
    threshold: float | None
    """Of the distance; None where it is no output."""
    progress: Progress
    _own: Answered | None = None

    def parity(
        self,
        folder: Path,
        precision: Literal["f32", "float16", "int8"] = "f32",
        plain: Path | None = None,
        threshold: float | None = None,
    ) -> Parity:
        """Return how the model in a folder answers.

        Args:
            folder: of the model.
            precision: of it.
            plain: the folder of the same model at full precision, where it has fewer bits.
            threshold: of its distance, where that is another one than the run's.
        """
        source = self.source
        classes = tuple(source.info.classes)
        targets = source.task.encode(source.test.labels, classes)
        more: dict[str, object] = {}
        with closed_after(self.form.load(folder)) as runtime:
            default = self.form.load_as_delivered(folder)
            asked = [runtime, *([] if default is None else [default[1]])]
            if self._own is None:
                asked.append(own_runtime(source.predictor))
            exported, *rest = answers_of(source.predictor.input, source.test, asked, self.progress)
            own = self._own = self._own or rest.pop()
            parity = compare(
                source.task,
                classes,
                targets,
                own,
                exported,
                split=source.test.split,
                batches=BATCHES,
                precision=precision,
            ).model_copy(update={"missing": source.test.missing})
            name, told_nothing = ("f32", exported) if default is None else (default[0], rest[0])
            more["runtime_default"] = compare_default(source.task, classes, own, told_nothing, name)
            if self.threshold is not None:
                assert own.distances is not None and exported.distances is not None
                more["distance"] = compare_distances(
                    own.distances, exported.distances, self.threshold, threshold or self.threshold
                )
            if plain is not None:
                with closed_after(self.form.load(plain)) as before:
                    pictures, wanted = source.test.pictures, source.predictor.input
                    more["speed"] = measure_speed(pictures, wanted, (before, runtime), (plain, folder))
                if source.task.thresholds is not None:
                    more["labels"] = compare_labels(classes, source.task.thresholds, targets, own, exported)
            parity = parity.model_copy(update=more)
            if not parity.holds:
                return parity
            page = _check_page(source, runtime, own, targets, self.progress)
        return parity.model_copy(update={"page": page})


def _check_page(
    source: Source, runtime: Runtime, own: Answered, targets: np.ndarray, progress: Progress
) -> PageParity | None:
    """Return what the page answers where it runs in a browser."""
    if not isinstance(runtime, InBrowser):
        return None
    return check_page(
        runtime.browser,
        source.test.pictures,
        targets,
        own.probabilities,
        task=source.task,
        classes=tuple(source.info.classes),
        input=source.predictor.input,
        progress=progress,
    )


def _reference(source: Source) -> Reference | None:
    ood = source.predictor.ood
    return ood.reference if ood is not None and knows_others(ood.reference) else None


def _refuse(form: Format, parity: Parity) -> Parity:
    if parity.holds:
        return parity
    if parity.precision != "f32":
        low, high = (100 * end for end in parity.difference_ci95)
        raise RunError(
            f"{form.title} with {parity.precision} loses more than {100 * most_lost(parity.photos):.2g} points: of "
            f"{parity.photos:,} {parity.split} photos {100 * parity.export_correct:.1f} % are right, "
            f"{100 * parity.run_correct:.1f} % in the run (difference {100 * parity.difference:.1f} points, 95 % "
            f"interval {low:.1f} to {high:.1f}){_tried(parity)}. Nothing was written; leave out --quantize, or take "
            "another format"
        )
    far = parity.distance.largest_difference if parity.distance else 0.0
    raise RunError(
        f"the model as {form.title} does not answer as the run does: {parity.same_answers:,} of "
        f"{parity.photos:,} photos get the same answer, a probability differs by {parity.largest_difference:.2g} and a "
        f"distance by {far:.2g} of its threshold (at most {LARGEST_DIFFERENCE:g} is expected). Nothing was written"
    )


def _tried(parity: Parity) -> str:
    fallback = parity.fallback
    if fallback is None or not fallback.left_at_f32:
        return ""
    return f", with {len(fallback.left_at_f32)} of {fallback.layers} layers at full precision"


def _is_export(folder: Path) -> bool:
    try:
        content: Mapping[str, object] = read_json(folder / "contract.json")
        return "exported_as" in content
    except (OSError, ValueError):
        return False


def _put(aside: Path, folder: Path) -> None:
    """Let a whole folder take the place of another; an earlier export is there until then."""
    if folder.exists():
        shutil.rmtree(exchange(aside, folder), ignore_errors=True)
    else:
        aside.rename(folder)
