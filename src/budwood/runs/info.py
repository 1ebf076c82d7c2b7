"""Read run.json, what a run says of itself; refuse what is no run, or one that this version does not know."""

from collections.abc import Sequence
from pathlib import Path

from budwood.core.errors import RunError
from budwood.core.faults import fault
from budwood.core.files import read_json
from budwood.evaluation.task import TASKS
from budwood.runs.replacing import PREVIOUS
from budwood.runs.schema import FORMAT, RunInfo

AGAIN = "Copy the run again, or train again"
SHOWN_CHANGES = 3


def read_info(folder: Path) -> RunInfo:
    """Return the content of a folder's `run.json`.

    Raise RunError where there is none, or it is damaged, of another format or of an unknown task.
    """
    file = folder / "run.json"
    if not file.is_file():
        raise RunError(_no_run(folder))
    try:
        found = read_json(file)
        if not isinstance(found, dict):
            raise ValueError("it should be a JSON object")
        _refuse_other_format(folder, found.get("format"))
        info = RunInfo.model_validate(found)
    except (OSError, ValueError) as error:
        raise RunError(f"cannot read {file}: {fault(error)}. {AGAIN}") from error
    _refuse_unknown_task(folder, info.task)
    return info


def _refuse_unknown_task(folder: Path, name: str) -> None:
    """Raise RunError where this version does not know the task of a run."""
    if name not in TASKS:
        raise RunError(
            f"the run in {folder} is of the task {name!r}, and this Budwood knows {', '.join(TASKS)}. "
            "Install a newer Budwood"
        )


def _no_run(folder: Path) -> str:
    """Return why a folder is not a run, and which one to give in its place."""
    if (folder / PREVIOUS / "run.json").is_file():
        return (
            f"{folder} was being replaced when the training was killed: its run is in {folder / PREVIOUS}. Use that, "
            "or train again with --overwrite"
        )
    if not (folder / "study.json").is_file():
        return f"{folder} is not a run: it has no run.json. Give the directory that `budwood train -o` wrote"
    trials = [file.parent for file in sorted(folder.glob("trials/*/run.json"))]
    models = [trial for trial in trials if (trial / "model" / "model.json").is_file()]
    if models:
        return f"{folder} is not a run but a study. Give one of its trials, such as {models[0]}" + _others(
            models
        )
    if trials:
        return (
            f"{folder} is not a run but a study. Its trials are runs, such as {trials[0]}{_others(trials)}, but none "
            "keeps a model: train with the recipe.toml of one of them, or run the study with --keep-models"
        )
    return f"{folder} is not a run but a study, and none of its trials is complete"


def _others(folders: Sequence[Path]) -> str:
    names = [folder.name for folder in folders[1:]]
    more = f" and {len(names) - SHOWN_CHANGES} more" if len(names) > SHOWN_CHANGES else ""
    return f" (or {', '.join(names[:SHOWN_CHANGES])}{more})" if names else ""


def _refuse_other_format(folder: Path, number: object) -> None:
    if number == FORMAT:
        return
    if isinstance(number, int) and number > FORMAT:
        raise RunError(
            f"the run in {folder} is of format {number}, and this Budwood reads format {FORMAT}. "
            "Install a newer Budwood"
        )
    known = "no format number" if number is None else f"the unknown format {number!r}"
    raise RunError(
        f"the run in {folder} has {known}, and this Budwood reads format {FORMAT}. Train it again, or use the "
        "Budwood that wrote it"
    )
