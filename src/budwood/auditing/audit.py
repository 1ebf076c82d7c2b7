"""One audit from data to a folder with its page: what `budwood.audit` and the command do."""

import os
import shlex
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from budwood.auditing.clean import Cleaned, clean, refuse_output, write_cleaned
from budwood.auditing.decisions import Decision, read_decisions
from budwood.auditing.engine import AuditSettings, run_audit
from budwood.auditing.questions import questions_of, write_questions
from budwood.auditing.report.page import PAGE, write_audit_page
from budwood.auditing.result import Audit
from budwood.auditing.settle import settle
from budwood.config.recipe import Recipe
from budwood.core.errors import DataError
from budwood.core.files import lies_in, write_json
from budwood.core.progress import choose_progress
from budwood.core.progress.base import Progress
from budwood.data.decoder.levels import as_range
from budwood.data.sources import read_source, source_name
from budwood.report.reading import understood_as_lines
from budwood.storage.place import as_written

JSON, DECISIONS = "audit.json", "decisions.csv"


@dataclass(frozen=True)
class AuditFiles:
    """Paths of the files that an audit reads and writes beside the data."""

    output: Path | None = None
    """Folder of the page, audit.json and the table of decisions; None writes none of them."""
    fix: Path | None = None
    """Table of the photos without what is wrong beyond doubt; None writes none."""
    decisions: Path | None = None
    """Table of decisions that is followed."""
    overwrite: bool = False
    """Write over `fix` where it exists."""
    json: Path | None = None
    """Another file for the findings, as audit.json has them."""

    def refuse_unwritable(self, source: str) -> None:
        """Raise DataError where something cannot be written; before an audit, for it may take long."""
        if self.output is not None and self.output.exists() and not self.output.is_dir():
            raise DataError(f"{self.output} is a file. Give a folder for the page")
        if self.output is not None and lies_in(self.output, source):
            raise DataError(
                f"{self.output} lies in the data, and what is written there would be a part of them. Give another "
                "folder for the page, such as -o audit beside the data"
            )
        for wanted in (self.output and self.output / JSON, self.fix, self.json):
            if wanted is None:
                continue
            there = next(path for path in wanted.absolute().parents if path.exists())
            if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
                raise DataError(
                    f"cannot write {wanted}: {there} is no folder that can be written. Give another"
                )
        if self.json is None:
            return
        if self.json.is_dir():
            raise DataError(f"{self.json} is a folder. Give a file for --json")
        others = (Path(source) if source else None, self.decisions, self.fix)
        if any(one is not None and one.absolute() == self.json.absolute() for one in others):
            raise DataError(f"{self.json} is read, or written by --fix. Give another file for --json")


def audit(
    data: object,
    output: str | os.PathLike | None = None,
    *,
    recipe: str | os.PathLike | Recipe = "frozen-linear",
    settings: Iterable[str] = (),
    network: bool = True,
    decisions: str | os.PathLike | None = None,
    fix: str | os.PathLike | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Audit:
    """Look for what is wrong with labelled photos, before anything is trained on them. No photo is changed.

    Args:
        data: what `train` takes.
        output: a folder for audit.html, audit.json and decisions.csv; by default nothing is written.
        recipe: the name of a shipped recipe, a TOML file, or a Recipe: its [data] says how to read, its backbone gives
            the features.
        settings: `"section.key=value"` laid over the recipe, values in TOML.
        network: whether to ask a network; labels, outliers and classes that look alike need it.
        decisions: a decisions.csv that was filled in, which is followed.
        fix: a table to write of the photos without what is wrong beyond doubt, and as was decided.
        overwrite: write over `fix` where it exists.
        progress: what to tell meanwhile.

    Returns:
        The findings: `audit.findings`, `audit.of("wrong_label")`, `audit.errors`.

    Raises:
        RecipeError, DataError, StoreError: all of them BudwoodError.

    >>> found = audit("photos", "audit")                   # doctest: +SKIP
    >>> [one.photo.path for one in found.of("wrong_label")]    # doctest: +SKIP
    ['roses/17.jpg']
    """
    loaded = recipe if isinstance(recipe, Recipe) else Recipe.load(recipe)
    paths = [None if one is None else Path(one) for one in (output, fix, decisions)]
    found, _ = audit_into(
        data,
        AuditSettings(loaded.with_settings(settings), network),
        AuditFiles(paths[0], paths[1], paths[2], overwrite),
        progress or choose_progress(),
    )
    return found


def audit_into(
    data: object, settings: AuditSettings, files: AuditFiles, progress: Progress
) -> tuple[Audit, Cleaned | None]:
    """Audit photos and write what is asked for; return the findings, and what is left where `fix` is asked for.

    What can be refused is refused before any photo is read.
    """
    source = as_written(os.fspath(data)) if isinstance(data, str | os.PathLike) else ""
    answers: tuple[Decision, ...] = read_decisions(files.decisions) if files.decisions else ()
    files.refuse_unwritable(source)
    manifest = read_source(data, settings.recipe.data, progress=progress)
    if files.fix is not None:
        reads = [files.decisions] if files.decisions else []
        refuse_output(files.fix, manifest.photos, source, reads, files.overwrite)
    for line in understood_as_lines(manifest.understood()):
        progress.say(line)
    settled = settle(manifest, answers)
    everything = replace(run_audit(settled.manifest, settings, progress), source=source_name(data))
    found = settled.judge(everything) if files.decisions else everything
    if files.output is not None:
        _write(found, files.output, settings, progress)
        given = files.decisions
        own = files.output / DECISIONS
        if own.exists() and (given is None or not own.samefile(given)) and (num := len(read_decisions(own))):
            progress.say(f"{own} holds {num:,} decisions that are not followed: give --decisions {own}")
    if files.json is not None:
        try:
            files.json.parent.mkdir(parents=True, exist_ok=True)
            write_json(files.json, found.to_json())
        except OSError as error:
            raise DataError(f"cannot write {files.json} ({error.strerror or error})") from error
    cleaned = None
    if files.fix is not None:
        cleaned = clean(everything, settled)
        write_cleaned(
            cleaned,
            files.fix,
            source=source,
            reads=[files.decisions] if files.decisions else [],
            overwrite=files.overwrite,
            progress=progress,
        )
    return found, cleaned


def _write(found: Audit, folder: Path, settings: AuditSettings, progress: Progress) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / JSON, found.to_json())
        write_questions(folder / DECISIONS, questions_of(found))
        with progress.stage("page", unit="pages"):
            levels = as_range(settings.recipe.data.levels)
            write_audit_page(found, folder, levels=levels)
    except OSError as error:
        raise DataError(f"cannot write into {folder} ({error.strerror or error})") from error


def next_command(source: str, files: AuditFiles) -> str:
    """Return the command that follows decisions."""
    table = files.decisions or (files.output / DECISIONS if files.output else Path(DECISIONS))
    folder = f" -o {shlex.quote(str(files.output))}" if files.output else ""
    data = shlex.quote(as_written(source))
    return f"budwood audit {data}{folder} --decisions {shlex.quote(str(table))} --fix photos.csv"


__all__ = ["PAGE", "AuditFiles", "audit", "audit_into", "next_command"]
