"""The record with which a study begins: a new one, or that of a study which is gone on with."""

import hashlib
import json
import os
from collections.abc import Sequence

from budwood._version import __version__
from budwood.core.errors import RunError
from budwood.core.system import versions
from budwood.data.manifest import Photo
from budwood.data.sources import source_name
from budwood.runs.directory import now
from budwood.studies.plan import StudyPlan
from budwood.studies.records import ANSWERS, StudyFolder, StudyRecord


def new_record(plan: StudyPlan, command: str) -> StudyRecord:
    """Return the record of a study of which nothing has been computed."""
    photos = plan.checked.photos
    record = StudyRecord(
        budwood=__version__,
        command=command,
        started=now(),
        versions=versions(),
        data=source_name(plan.request.data),
        source=os.fspath(plan.request.data),
        test_is_given=any(photo.split == "test" for photo in photos),
        task=plan.task,
        photos=_identity(photos),
        replicate_kind=plan.replicate_kind,
        search=plan.request.search,
        configurations=[],
        trials=[],
    )
    if plan.request.search is not None:
        return record
    configurations = {trial.configuration.name: trial.configuration for trial in plan.trials}
    return record.adding(list(configurations.values()), [trial.name for trial in plan.trials])


def _identity(photos: Sequence[Photo]) -> str:
    rows = sorted(
        (p.name, p.label, p.split or "", p.sha256, *([p.weight] if p.weight != 1 else [])) for p in photos
    )
    return hashlib.sha256(json.dumps(rows).encode("utf-8", "surrogateescape")).hexdigest()


def go_on_from(folder: StudyFolder, record: StudyRecord) -> StudyRecord:
    """Return the record with the configurations and trials that the study knows already.

    Raise RunError where it was begun with other photos, or with replicates of another kind.
    """
    if not folder.file.is_file():
        return record
    before = folder.read()
    if before.photos != record.photos:
        raise RunError(
            f"the study in {folder.path} was begun with other photos, so its trials cannot stand beside new ones. "
            "Put the photos back, or give --overwrite or another directory"
        )
    if before.task != record.task:
        raise RunError(
            f"the study in {folder.path} was begun with {ANSWERS[before.task]}, and these photos have "
            f"{ANSWERS[record.task]}. Ask for the same (data.task), or give --overwrite or another directory"
        )
    if before.replicate_kind != record.replicate_kind:
        raise RunError(
            f"the study in {folder.path} has a {before.replicate_kind} for each trial, and this one would have a "
            f"{record.replicate_kind}. Ask for the same, or give --overwrite or another directory"
        )
    searched = before.search is not None
    if searched != (record.search is not None):
        raise RunError(
            f"{folder.path} holds a study {'with' if searched else 'without'} --search, and this one is "
            f"{'without' if searched else 'with'}. Ask for the same, or give another directory"
        )
    commands = [*before.earlier_commands, before.command]
    update = {
        "earlier_commands": [one for one in commands if one and one != record.command],
        "started": before.started or record.started,
        "configurations": before.configurations,
        "trials": before.trials,
    }
    return record.model_copy(update=update).adding(record.configurations, record.trials)
