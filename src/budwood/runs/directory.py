"""The run directory while it is being written: its state, its stages, and what happens when something fails."""

import errno
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypedDict, Unpack

from budwood._version import __version__
from budwood.core.errors import RunError
from budwood.core.files import read_json
from budwood.core.locks import lock
from budwood.core.notes import Note, NoteKind
from budwood.core.progress.base import SILENT, Progress, step
from budwood.core.system import machine
from budwood.core.tensorflow import accelerators
from budwood.evaluation.task import SINGLE_LABEL, Task
from budwood.runs.info import read_info
from budwood.runs.replacing import bring_back, place_beside, put_in_place, remove
from budwood.runs.resume import changes_of_request
from budwood.runs.schema import (
    BudgetInfo,
    DataInfo,
    FeaturesInfo,
    InputRangeInfo,
    MachineInfo,
    Request,
    RunInfo,
    SplitInfo,
    Stage,
    TeacherInfo,
    ViewsInfo,
    Warned,
)
from budwood.runs.writing import checksums, write_info

OUR_FILES = [
    "run.json",
    "recipe.toml",
    "split.csv",
    "taxonomy.csv",
    "check.json",
    "history.csv",
    "layers.csv",
    "linear_path.json",
    "metrics.json",
    "predictions.csv",
    "model",
    "report.html",
    "logs",
    "checkpoints",
]
RESUMED = ("checkpoints", "logs", "recipe.toml", "taxonomy.csv")
"""Files that resuming keeps: a run may be resumed with its own recipe, which names the table."""
FULL_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class Recorded(TypedDict, total=False):
    """The fields of `RunInfo` that the steps of a training know; the others the directory knows by itself."""

    data: DataInfo
    versions: dict[str, str]
    split: SplitInfo
    features: FeaturesInfo
    distill: TeacherInfo
    input_range: InputRangeInfo | dict[str, InputRangeInfo] | None
    views: ViewsInfo | dict[str, ViewsInfo]
    base: str
    from_: str
    budget: BudgetInfo


class RunDirectory:
    """Writes `run.json`. Its `state` is "running", then "complete" or "failed".

    Args:
        folder: the run directory.
        requested: what is asked for.
        command: how to repeat it.
        progress: told of the stages.
        task: what an answer is.
        saves_model: whether the run will have a model.
        numbered: the folder is any free one: where another training takes it first, it is the next.

    Attributes:
        target: the run directory.
        folder: where the run is written, which is beside the run directory while a complete run is overwritten.
    """

    def __init__(
        self,
        folder: Path,
        requested: Request,
        command: str,
        progress: Progress = SILENT,
        *,
        task: Task = SINGLE_LABEL,
        saves_model: bool = True,
        numbered: bool = False,
    ):
        self.folder = self.target = folder
        self._numbered = numbered
        self.progress = progress
        self.info = RunInfo(
            budwood=__version__,
            command=command,
            started=now(),
            requested=requested,
            task=task.name,
            saved=saves_model,
        )

    def refuse_unless_free(self, *, overwrite: bool = False, resume: bool = False) -> None:
        """Raise RunError when the folder holds something that may not be replaced, or is in use.

        Changes nothing on disk, so that a wrong command leaves no trace.
        """
        _refuse_unless_free(self.target, self.info.requested, overwrite=overwrite, resume=resume)

    def to_resume(self, *, overwrite: bool = False, resume: bool = False) -> Path | None:
        """Return where the interrupted training lies that is to be gone on with; None where none is.

        With `overwrite` too it is one that was asked for in the same words, which may have been interrupted while it
        was to replace a complete run.
        """
        place = self._place(overwrite)
        if not resume or (overwrite and not _is_begun(place, self.info.requested)):
            return None
        return place

    @contextmanager
    def running(self, *, overwrite: bool = False, resume: bool = False) -> Iterator[None]:
        """Hold the directory for the time of a training: "complete" at its end, "failed" with the reason
        otherwise.

        A complete run that is overwritten stays where it is, to be read, until the new one is complete.
        """
        if self._numbered:
            self._take_free()
        with lock(self.target), _mend_disk_errors(self.target):
            bring_back(self.target, OUR_FILES)
            self.refuse_unless_free(overwrite=overwrite, resume=resume)
            goes_on = self.to_resume(overwrite=overwrite, resume=resume) is not None
            self.folder = self._place(overwrite)
            replaces = self.folder != self.target
            if goes_on and _state(self.folder) is not None:
                # Keep the first request and its plan on record, also where the run is resumed with its own recipe.
                before = read_info(self.folder)
                self._set(requested=before.requested, budget=before.budget and before.budget.interrupted())
            try:
                remove(self.folder, OUR_FILES, keep=RESUMED if goes_on else ())
                _make(self.folder, like=self.target if replaces else None)
                self.save()
                yield
                here = MachineInfo(**asdict(machine()), accelerators=accelerators())
                self._set(state="complete", finished=now(), files=checksums(self.folder), machine=here)
                self.save()
            except BaseException as error:
                self._fail(error)
                if replaces and not _has_checkpoints(self.folder):
                    # Nothing to go on from but features, which are in the cache.
                    shutil.rmtree(self.folder, ignore_errors=True)
                self.folder = self.target
                raise
            if replaces:
                put_in_place(self.folder, self.target, OUR_FILES)
                self.folder = self.target

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time one named piece of the training; its seconds go into run.json."""
        started = time.perf_counter()
        try:
            with step(self.progress, name):
                yield
        finally:
            seconds = round(time.perf_counter() - started, 3)
            self._set(stages=(*self.info.stages, Stage(name=name, seconds=seconds)))

    def note(self, text: str, kind: NoteKind = "general") -> None:
        """Keep a warning in run.json, and tell it to the user now."""
        self.keep(text, kind)
        self.progress.say(text)

    def keep(self, text: str, kind: NoteKind) -> None:
        """Keep a warning in run.json."""
        self._set(warnings=(*self.info.warnings, Warned(kind=kind, text=text)))

    def note_once(self, text: str, kind: NoteKind = "general") -> None:
        """Likewise, unless the run has this warning already."""
        if text not in self.info.warnings_of():
            self.note(text, kind)

    def note_all(self, notes: Iterable[Note]) -> None:
        """Keep several warnings, and tell those that were not told when they were found."""
        for note in notes:
            self.keep(note.text, note.kind)
            if not note.told:
                self.progress.say(note.text)

    def record(self, **known: Unpack[Recorded]) -> None:
        """Keep what is known of the run by now. Raises TypeError for what is no field of `Recorded`."""
        if foreign := known.keys() - Recorded.__annotations__:
            raise TypeError(f"run.json keeps no {min(foreign)} that a step may record")
        self._set(**known)

    @property
    def split_sha256(self) -> str:
        """Return the hash of `split.csv`, which has been recorded."""
        assert self.info.split is not None, "the split is recorded first"
        return self.info.split.sha256

    def _place(self, overwrite: bool) -> Path:
        """Return where the run is written."""
        replaces = overwrite and is_complete(self.target)
        return place_beside(self.target) if replaces else self.target

    def _take_free(self) -> None:
        """Make the first directory of its name that nobody has made meanwhile."""
        while True:
            try:
                self.target.mkdir(parents=True)
            except FileExistsError:
                self.target = next_free(self.target.parent, self.target.name.rpartition("-")[0])
            except OSError as error:
                raise _cannot_make(self.target, error) from error
            else:
                self.folder = self.target
                return

    def _set(self, **changes: Any) -> None:
        self.info = self.info.model_copy(update=changes)

    def _fail(self, error: BaseException) -> None:
        reason = "interrupted" if isinstance(error, KeyboardInterrupt) else f"{type(error).__name__}: {error}"
        self._set(state="failed", finished=now(), error=reason)
        # On a full disk even this may fail; "running" without a lock is then known to be dead.
        with suppress(OSError):
            self.save()

    def save(self) -> None:
        """Write `run.json` as far as it is known."""
        write_info(self.folder, self.info)


def now() -> str:
    """Return the time, as the files of a run tell it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _make(folder: Path, like: Path | None = None) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if error.errno in FULL_DISK:
            raise
        raise _cannot_make(folder, error) from error
    if like is not None:
        with suppress(OSError):
            shutil.copymode(like, folder)


def _cannot_make(folder: Path, error: OSError) -> RunError:
    return RunError(
        f"cannot make the directory {folder}: {error.strerror}. Give one in a folder that you may write"
    )


def next_free(parent: Path, stem: str) -> Path:
    """Return the first of parent/stem-1, parent/stem-2 ... that does not exist."""
    number = 1
    while (parent / f"{stem}-{number}").exists():
        number += 1
    return parent / f"{stem}-{number}"


@contextmanager
def _mend_disk_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in FULL_DISK:
            raise RunError(
                f"no space left while writing the run in {folder}. Free some space and run the command again "
                "with --resume: the features computed so far are kept"
            ) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR):
            raise RunError(
                f"cannot write the run in {folder}: {error}. Give a directory that you may write"
            ) from error
        raise


def _refuse_unless_free(folder: Path, requested: Request, *, overwrite: bool, resume: bool) -> None:
    if folder.exists() and not folder.is_dir():
        raise RunError(f"{folder} is a file. Give a directory that does not exist yet")
    above = next((parent for parent in folder.absolute().parents if parent.exists()), None)
    if above is not None and not above.is_dir():
        raise RunError(
            f"{folder} cannot be made: {above} is a file. Give a directory in a folder that exists"
        )
    try:
        content = sorted(path.name for path in folder.iterdir()) if folder.exists() else []
    except OSError as error:
        raise RunError(f"cannot read {folder}: {error.strerror}") from error
    if not content:
        return
    if not (overwrite or resume):
        raise RunError(
            f"{folder} is not empty. Give another directory, or --overwrite to replace the run in it, "
            "or --resume to go on with one that was interrupted"
        )
    foreign = [name for name in content if name not in OUR_FILES and not name.startswith(".")]
    if "run.json" not in content or foreign:
        what = f"it holds {foreign[0]}" if foreign else "it holds no run.json"
        raise RunError(
            f"{folder} is not a run of Budwood ({what}), so it is left as it is. Give another directory"
        )
    if resume and not overwrite:
        _refuse_other_request(folder, requested)


def _refuse_other_request(folder: Path, requested: Request) -> None:
    if _state(folder) is None:
        return
    before = read_info(folder)
    if before.state == "complete":
        if _is_begun(place_beside(folder), requested):
            raise RunError(
                f"{folder} holds a complete run, which a training was to replace when it was interrupted. Give "
                "--overwrite with --resume to go on with that training"
            )
        raise RunError(
            f"{folder} holds a complete run: there is nothing to resume. Use it, or give --overwrite"
        )
    if changes := changes_of_request(folder, before.requested, requested):
        own = f"--recipe {folder / 'recipe.toml'}"
        same = (
            f"{own} --resume"
            if before.requested.is_limited
            else f"--resume with the same command as before or {own}"
        )
        raise RunError(
            f"{folder} was begun with another recipe or other data: {'; '.join(changes[:5])}. Give {same}, or "
            "--overwrite to start anew"
        )


def _is_begun(folder: Path, requested: Request) -> bool:
    """Return whether a training that was asked for in these words has begun in a folder, and not ended."""
    if _state(folder) not in ("running", "failed"):
        return False
    try:
        return not changes_of_request(folder, read_info(folder).requested, requested)
    except RunError:
        return False


def _has_checkpoints(folder: Path) -> bool:
    return any((folder / "checkpoints").glob("*"))


def is_complete(folder: Path) -> bool:
    """Return whether a folder holds a complete run."""
    return _state(folder) == "complete"


def _state(folder: Path) -> str | None:
    try:
        return read_json(folder / "run.json").get("state")
    except (OSError, ValueError, AttributeError):
        return None
