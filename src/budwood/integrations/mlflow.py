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

from budwood._version import __version__
from budwood.config.recipe import Recipe
from budwood.core.errors import BudwoodError, RunError
from budwood.core.files import read_json, sha256_of
from budwood.core.tensorflow import load_keras
from budwood.core.text import shown
from budwood.runs.files import read_history

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
    "learning_rate": "learning_rate",
}
"""What of `history.csv` is logged by epoch, and under which name."""
FIGURES = ("accuracy", "loss", "ece", "macro_f1", "balanced_accuracy")
LONGEST = 6_000
"""Characters that MLflow takes for the value of a parameter."""


def log_run(
    folder: str | os.PathLike,
    uri: str | os.PathLike,
    experiment: str | None = None,
    *,
    tags: Mapping[str, str] | None = None,
) -> str:
    """Logs a complete run directory as one run of MLflow: parameters, metrics, tags, files, and the model where it is.

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
    try:
        info = read_json(folder / "run.json")
        metrics, recipe = read_json(folder / "metrics.json"), Recipe.load(folder / "recipe.toml")
        history = read_history(folder)
    except (OSError, ValueError, BudwoodError) as error:
        raise RunError(
            f"{folder} is no complete run. Give the directory that `budwood train -o` or `budwood study -o` wrote"
        ) from error
    name = shown(experiment or info.get("data", {}).get("root_name") or "budwood")
    identity, place = _identity(folder), tracking_uri(uri)
    with _mlflow(place, folder) as client:
        number = _experiment(client, name, place)
        found = client.search_runs(
            [number], f"tags.`{IDENTITY}` = '{identity}' and attributes.status = 'FINISHED'", max_results=1
        )
        if found:
            return str(found[0].info.run_id)
        known = _tags(info, metrics, folder) | {key: shown(value) for key, value in (tags or {}).items()}
        run = client.create_run(number, run_name=shown(folder.resolve().name), tags=known)
        try:
            _log(client, run.info.run_id, folder, recipe, metrics, history)
            # Last, so that one that was broken off is not taken for it.
            client.set_tag(run.info.run_id, IDENTITY, identity)
        except BaseException:
            with suppress(Exception):
                client.set_terminated(run.info.run_id, status="FAILED")
            raise
        client.set_terminated(run.info.run_id)
        return str(run.info.run_id)


def check_tracking(uri: str | os.PathLike) -> None:
    """Raises RunError where MLflow is not installed, or nothing can be logged there: said before a training."""
    with _mlflow(tracking_uri(uri)) as client:
        client.search_experiments(max_results=1)


def log_to_mlflow(folder: str | os.PathLike, uri: str | os.PathLike, experiment: str | None = None) -> int:
    """Logs a run, or every complete trial of a study, in an experiment with the name of the study.

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
    for name in read_json(folder / "study.json")["trials"]:
        spec = folder / "trials" / f"{name}.json"
        trial = read_json(spec) if spec.is_file() else {}
        if trial.get("state") == "complete":
            tags = {"budwood.configuration": trial["configuration"], "budwood.replicate": trial["replicate"]}
            log_run(folder / "trials" / name, uri, experiment or folder.resolve().name, tags=tags)
            done += 1
    return done


def tracking_uri(uri: str | os.PathLike) -> str:
    """A directory, which is made, as MLflow's URI of the database in it; any other URI as it is.

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
    folder: Path,
    recipe: Recipe,
    metrics: Mapping[str, Any],
    history: Sequence[Mapping[str, Any]],
) -> None:
    from mlflow.entities import Metric, Param

    now = int((folder / "metrics.json").stat().st_mtime * 1000)
    params = [Param(key, value) for key, value in _parameters(recipe).items()]
    found = [Metric(key, value, now, step) for key, value, step in _metrics(metrics, history)]
    # MLflow takes a hundred parameters and a thousand metrics at a time.
    for start in range(0, len(params), 100):
        client.log_batch(run, params=params[start : start + 100])
    for start in range(0, len(found), 1000):
        client.log_batch(run, metrics=found[start : start + 1000])
    for name in FILES:
        if (folder / name).is_file():
            client.log_artifact(run, str(folder / name))
    if (folder / "model" / "model.keras").is_file():
        with tempfile.TemporaryDirectory() as aside:
            client.log_artifacts(run, str(_keras_model(folder, Path(aside) / "model")), "model")


def _keras_model(run: Path, folder: Path) -> Path:
    """The model of a run as MLflow's Keras flavour has it, with the very file that was measured."""
    load_keras()
    import mlflow.keras
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    info = read_json(run / "model" / "model.json")
    size, versions = info["input"]["size"], info["versions"]
    mlflow.keras.save_model(
        _Saved(run / "model" / "model.keras"),
        str(folder),
        signature=ModelSignature(
            inputs=Schema([TensorSpec(np.dtype("float32"), (-1, size, size, 3))]),
            outputs=Schema([TensorSpec(np.dtype("float32"), (-1, len(info["classes"])))]),
        ),
        # MLflow would find them by loading the model in a process of its own.
        pip_requirements=[
            f"{name}=={version}"
            for name, version in versions.items()
            if name.startswith(("keras", "tensorflow"))
        ],
    )
    shutil.copy(run / "model" / "model.json", folder)
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
    found: dict[str, Any] = {}
    for section, values in recipe.model_dump(mode="json", exclude_none=True).items():
        if isinstance(values, dict):
            found |= {f"{section}.{key}": value for key, value in values.items()}
        else:
            found[section] = values
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in found.items()}
    return {key: shown(text)[:LONGEST] for key, text in texts.items()}


def _metrics(
    metrics: Mapping[str, Any], history: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[str, float, int]]:
    """Name, value and step: every epoch's, then what was measured at the end, with the ends of its interval."""
    last = max((row["epoch"] for row in history), default=0)
    for row in history:
        for key, value in row.items():
            if key in EPOCH:
                yield EPOCH[key], value, row["epoch"]
    for split in ("validation", "test"):
        measured = metrics[split] or {}
        for key in FIGURES:
            low, high = measured.get(f"{key}_ci95") or (None, None)
            for name, value in ((key, measured.get(key)), (f"{key}_low", low), (f"{key}_high", high)):
                if value is not None and math.isfinite(value):
                    yield f"final/{split}_{name}", float(value), last


def _tags(info: Mapping[str, Any], metrics: Mapping[str, Any], folder: Path) -> dict[str, str]:
    """What tells a run apart from others, in MLflow's list of runs."""
    model = folder / "model" / "model.json"
    verdict = metrics["verdict"]["words"]
    found = {
        "mlflow.note.content": verdict,
        "budwood.verdict": verdict,
        "budwood.version": info.get("budwood", __version__),
        "budwood.data": info.get("data", {}).get("root_name"),
        "budwood.features": info.get("features", {}).get("fingerprint"),
        "budwood.split": info.get("split", {}).get("sha256") or sha256_of(folder / "split.csv"),
        "budwood.model": read_json(model)["fingerprints"]["model"] if model.is_file() else None,
    }
    return {key: shown(str(value)) for key, value in found.items() if value}


def _identity(folder: Path) -> str:
    """Of one training: another one has other seconds in its metrics, if nothing else."""
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
    """MLflow's client; whatever fails in the block is a RunError."""
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
