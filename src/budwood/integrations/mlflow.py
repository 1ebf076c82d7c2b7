"""Finished runs into MLflow: a reader of run directories, of which the training knows nothing.

>>> log_to_mlflow("runs/first", "mlflow")                                # doctest: +SKIP
1
"""

import hashlib
import json
import logging
import math
import os
import shlex
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from budwood.config.recipe import Recipe
from budwood.core.errors import BudwoodError, RunError
from budwood.core.files import JsonObject, sha256_of
from budwood.core.tensorflow import load_keras
from budwood.core.text import shown
from budwood.runs.files import RunFiles, read_run
from budwood.studies.records import StudyFolder

DATABASE, ARTIFACTS = "mlflow.db", "mlartifacts"
IDENTITY = "budwood.run"
"""Tag by which a run that has been logged is known again."""
FILES = (
    *("recipe.toml", "metrics.json", "run.json", "history.csv", "split.csv", "predictions.csv", "check.json"),
    "report.html",
)
EPOCH = {
    "loss": "train/loss",
    "accuracy": "train/accuracy",
    "val_loss": "validation/loss",
    "val_accuracy": "validation/accuracy",
    "label_accuracy": "train/label_accuracy",
    "val_label_accuracy": "validation/label_accuracy",
    "mean_average_precision": "train/mean_average_precision",
    "val_mean_average_precision": "validation/mean_average_precision",
    "learning_rate": "learning_rate",
}
"""What of `history.csv` is logged by epoch, and under which name."""
FIGURES = ("accuracy", "loss", "ece", "macro_f1", "balanced_accuracy")
LABEL_FIGURES = (
    *("mean_average_precision", "macro_f1", "micro_f1", "exact_match", "hamming_loss", "loss", "ece"),
)
"""Where a photo has several labels."""
LONGEST = 6_000
"""Characters that MLflow takes for the value of a parameter."""


def log_run(
    folder: str | os.PathLike,
    uri: str | os.PathLike,
    experiment: str | None = None,
    *,
    tags: Mapping[str, str] | None = None,
) -> str:
    """Log a complete run directory as one run of MLflow: parameters, metrics, tags, files, and the model
    where it is.

    A run that the experiment has already is not logged again.

    Args:
        folder: the run.
        uri: a directory, in which a SQLite database and the files are kept; or any tracking URI of MLflow.
        experiment: its name in MLflow; by default that of the data.
        tags: more of them.

    Returns:
        The id of the run in MLflow.

    Raises:
        RunError: there is no complete run; MLflow is not installed, or failed.
    """
    folder = Path(folder)
    files = read_run(folder).require_complete()
    found_data = files.info.data.root_name if files.info.data else ""
    name = shown(experiment or found_data or "budwood")
    # Whatever is damaged is said before MLflow is asked for anything.
    tags_of_run, params, figures = _tags(files), _parameters(files.recipe), list(_metrics(files))
    identity, place = _identity(folder), tracking_uri(uri)
    with _mlflow(place, folder) as client:
        number = _experiment(client, name, place)
        found = client.search_runs(
            [number], f"tags.`{IDENTITY}` = '{identity}' and attributes.status = 'FINISHED'", max_results=1
        )
        if found:
            return str(found[0].info.run_id)
        known = tags_of_run | {key: shown(value) for key, value in (tags or {}).items()}
        run = client.create_run(number, run_name=shown(folder.resolve().name), tags=known)
        try:
            _log(client, run.info.run_id, files, params, figures)
            # Last, so that one that was broken off is not taken for it.
            client.set_tag(run.info.run_id, IDENTITY, identity)
        except BaseException:
            with suppress(Exception):
                client.set_terminated(run.info.run_id, status="FAILED")
            raise
        client.set_terminated(run.info.run_id)
        return str(run.info.run_id)


def check_tracking(uri: str | os.PathLike) -> None:
    """Raise RunError where MLflow is not installed, or nothing can be logged there: said before a
    training."""
    with _mlflow(tracking_uri(uri)) as client:
        client.search_experiments(max_results=1)


def log_to_mlflow(folder: str | os.PathLike, uri: str | os.PathLike, experiment: str | None = None) -> int:
    """Log a run, or every complete trial of a study, in an experiment with the name of the study.

    Returns:
        How many runs.

    Raises:
        RunError: as `log_run`.
    """
    folder = Path(folder)
    if not (folder / "study.json").is_file():
        log_run(folder, uri, experiment)
        return 1
    done = 0
    study = StudyFolder(folder)
    for name in study.read().trials:
        trial = study.trial(name)
        record = trial.read()
        if record is not None and record.state == "complete":
            tags = {"budwood.configuration": record.configuration, "budwood.replicate": record.replicate}
            log_run(trial.run, uri, experiment or folder.resolve().name, tags=tags)
            done += 1
    return done


def tracking_uri(uri: str | os.PathLike) -> str:
    """Return a directory, which is made, as MLflow's URI of the database in it; any other URI as it is.

    >>> tracking_uri("http://localhost:5000")
    'http://localhost:5000'
    """
    text = os.fspath(uri)
    if "://" in text or text.startswith(("file:", "databricks")):
        return text
    try:
        Path(text).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(
            f"cannot make the directory {text} for MLflow: {error.strerror}. Give one in a folder that you may write, "
            "or a URI such as http://localhost:5000"
        ) from error
    return f"sqlite:///{(Path(text).absolute() / DATABASE).as_posix()}"


def _log(
    client: Any,
    run: str,
    files: RunFiles,
    params: Mapping[str, str],
    figures: Sequence[tuple[str, float, int]],
) -> None:
    from mlflow.entities import Metric, Param

    folder = files.folder
    now = int((folder / "metrics.json").stat().st_mtime * 1000)
    entries = [Param(key, value) for key, value in params.items()]
    found = [Metric(key, value, now, step) for key, value, step in figures]
    # MLflow takes a hundred parameters and a thousand metrics at a time.
    for start in range(0, len(entries), 100):
        client.log_batch(run, params=entries[start : start + 100])
    for start in range(0, len(found), 1000):
        client.log_batch(run, metrics=found[start : start + 1000])
    for name in FILES:
        if (folder / name).is_file():
            client.log_artifact(run, str(folder / name))
    if files.info.saved:
        with tempfile.TemporaryDirectory() as aside:
            client.log_artifacts(run, str(_keras_model(files, Path(aside) / "model")), "model")


def _keras_model(files: RunFiles, folder: Path) -> Path:
    """Return the model of a run as MLflow's Keras flavour has it, with the very file that was measured."""
    load_keras()
    import mlflow.keras
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    info, size = files.model, files.model.input.size
    mlflow.keras.save_model(
        _Saved(files.model_file),
        str(folder),
        signature=ModelSignature(
            inputs=Schema([TensorSpec(np.dtype("float32"), (-1, size, size, 3))]),
            outputs=Schema([TensorSpec(np.dtype("float32"), (-1, len(info.classes)))]),
        ),
        # MLflow would find them by loading the model in a process of its own.
        pip_requirements=[
            f"{name}=={version}"
            for name, version in info.versions.items()
            if name.startswith(("keras", "tensorflow"))
        ],
    )
    shutil.copy(files.folder / "model" / "model.json", folder)
    return folder


class _Saved:
    """A file that is saved already, with the one method that MLflow asks of a model: loaded and saved again it would
    have another hash."""

    def __init__(self, file: Path):
        self.file = file

    def save(self, path: str) -> None:
        shutil.copy(self.file, path)


def _parameters(recipe: Recipe) -> dict[str, str]:
    """`section.key` and value of the recipe."""
    found: JsonObject = {}
    for section, values in recipe.model_dump(mode="json", exclude_none=True).items():
        if isinstance(values, dict):
            found |= {f"{section}.{key}": value for key, value in values.items()}
        else:
            found[section] = values
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in found.items()}
    return {key: shown(text)[:LONGEST] for key, text in texts.items()}


def _metrics(files: RunFiles) -> Iterator[tuple[str, float, int]]:
    """Name, value and step: every epoch's, then what was measured at the end, with the ends of its interval."""
    last = max((row["epoch"] for row in files.history), default=0)
    for row in files.history:
        for key, logged in EPOCH.items():
            if key in row:
                yield logged, row[key], row["epoch"]  # type: ignore[literal-required]
    for split in ("validation", "test"):
        measured = files.metrics.figures_of(split)
        if measured is None:
            continue
        for key in LABEL_FIGURES if files.multi_label else FIGURES:
            figure, interval = measured.figure(key)
            low, high = interval or (None, None)
            for name, value in ((key, figure), (f"{key}_low", low), (f"{key}_high", high)):
                if value is not None and math.isfinite(value):
                    yield f"final/{split}_{name}", float(value), last


def _tags(files: RunFiles) -> dict[str, str]:
    """Return what tells a run apart from others, in MLflow's list of runs."""
    info, verdict = files.info, files.metrics.verdict.words
    found = {
        "mlflow.note.content": verdict,
        "budwood.verdict": verdict,
        "budwood.version": info.budwood,
        "budwood.data": info.data.root_name if info.data else None,
        "budwood.features": info.features.fingerprint if info.features else None,
        "budwood.split": info.split.sha256 if info.split else None,
        "budwood.model": files.model.sha256 if info.saved else None,
    }
    return {key: shown(str(value)) for key, value in found.items() if value}


def _identity(folder: Path) -> str:
    """Return a hash of one training: another has other seconds in its metrics, if nothing else."""
    hashes = [sha256_of(folder / name) for name in ("metrics.json", "recipe.toml", "split.csv")]
    return hashlib.sha256("".join(hashes).encode()).hexdigest()


def _experiment(client: Any, name: str, uri: str) -> str:
    found = client.get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    # MLflow would keep the files below the folder that the command was given in.
    _, local, database = uri.partition("sqlite:///")
    place = (Path(database).absolute().parent / ARTIFACTS).as_uri() if local else None
    return str(client.create_experiment(name, artifact_location=place))


@contextmanager
def _mlflow(uri: str, folder: Path | None = None) -> Iterator[Any]:
    """Give MLflow's client; whatever fails in the block is a RunError."""
    # Read when it is imported: it would send events to its makers.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    # By default it tries for minutes to reach a server that is not there.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    again = f" Log it again: budwood mlflow {shlex.quote(str(folder))} {shlex.quote(uri)}" if folder else ""
    with warnings.catch_warnings(), _quiet():
        # Its own and those of its database, about themselves.
        warnings.simplefilter("ignore")
        try:
            from mlflow import MlflowClient
        except ImportError as error:
            raise RunError(
                f"`{uri}` needs MLflow, which is not installed: pip install 'budwood[mlflow]'"
            ) from error
        try:
            yield MlflowClient(tracking_uri=uri)
        except BudwoodError:
            raise
        except Exception as error:
            first = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise RunError(f"MLflow at {uri} failed: {first}.{again}") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """MLflow tells of its tables as it makes them, on the terminal."""
    before = logging.root.manager.disable
    logging.disable(max(before, logging.INFO))
    try:
        yield
    finally:
        logging.disable(before)
