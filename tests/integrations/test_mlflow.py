import os
import shutil
import socket
import subprocess
import sys

import numpy as np
import pytest

import budwood
from budwood.core.errors import RunError
from budwood.core.files import read_json, sha256_of
from budwood.core.progress.base import SILENT
from budwood.integrations.mlflow import check_tracking, log_run, log_to_mlflow, tracking_uri
from budwood.studies.study import study

mlflow = pytest.importorskip("mlflow")
pytestmark = [
    pytest.mark.usefixtures("shared_cache", "tiny_backbones"),
    # MLflow's own, of its database, where a test asks it.
    pytest.mark.filterwarnings("ignore"),
]


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory):
    """A store without experiments: making its tables takes seconds."""
    folder = tmp_path_factory.mktemp("mlflow") / "store"
    check_tracking(folder)
    return folder


@pytest.fixture
def store(empty_store, tmp_path, monkeypatch):
    connect = socket.socket.connect

    def refuse(self, address):
        # Processes of one machine talk through files.
        assert self.family == socket.AF_UNIX, f"a connection to {address} was opened"
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", refuse)
    return shutil.copytree(empty_store, tmp_path / "store")


def runs_in(store, experiment):
    client = mlflow.MlflowClient(tracking_uri=tracking_uri(store))
    found = client.get_experiment_by_name(experiment)
    return client, client.search_runs([found.experiment_id])


def test_log_run__parameters_metrics_tags_files(tiny_run, store):
    run = log_run(tiny_run, store, "flowers", tags={"who": "me"})
    client, (found,) = runs_in(store, "flowers")
    assert (found.info.run_id, found.info.run_name, found.info.status) == (run, tiny_run.name, "FINISHED")
    assert found.data.params["data.size"] == "64" and found.data.params["backbone.name"] == "tiny"
    metrics = read_json(tiny_run / "metrics.json")
    for split in ("validation", "test"):
        for key in ("accuracy", "loss", "ece"):
            assert found.data.metrics[f"final/{split}_{key}"] == metrics[split][key]
            # Of so few photos the calibration error has no interval.
            low = (metrics[split][f"{key}_ci95"] or [None])[0]
            assert found.data.metrics.get(f"final/{split}_{key}_low") == low and (low is None) == (
                key == "ece"
            )
    (epoch,) = client.get_metric_history(run, "validation/accuracy")
    assert epoch.step == 1
    assert found.data.tags["budwood.verdict"] == metrics["verdict"]["words"]
    assert found.data.tags["who"] == "me"
    files = {file.path for file in client.list_artifacts(run)}
    assert files >= {"recipe.toml", "metrics.json", "history.csv", "report.html", "model"}
    assert (store / "mlartifacts" / run).is_dir()
    # Once.
    assert log_run(tiny_run, store, "flowers") == run
    assert len(runs_in(store, "flowers")[1]) == 1


def test_log_run__several_labels(tiny_label_run, store):
    log_run(tiny_label_run, store, "scenes")
    _, (found,) = runs_in(store, "scenes")
    metrics = read_json(tiny_label_run / "metrics.json")
    for key in ("mean_average_precision", "macro_f1", "exact_match", "hamming_loss", "loss"):
        assert found.data.metrics[f"final/test_{key}"] == metrics["test"][key]
    assert "validation/mean_average_precision" in found.data.metrics
    assert "final/test_accuracy" not in found.data.metrics


@pytest.mark.slow
def test_log_run__the_model_is_the_file_that_was_measured(tiny_run, store, tmp_path):
    run = log_run(tiny_run, store)
    client, _ = runs_in(store, "colours")
    model = client.download_artifacts(run, "model", str(tmp_path))
    file = tiny_run / "model" / "model.keras"
    assert sha256_of(file) == sha256_of(tmp_path / "model" / "data" / "model.keras")
    import mlflow.pyfunc

    shares = mlflow.pyfunc.load_model(model).predict(np.zeros((2, 64, 64, 3), np.float32))
    expected = budwood.load(tiny_run).model.predict(np.zeros((2, 64, 64, 3), np.float32), verbose=0)
    np.testing.assert_allclose(shares, expected, rtol=1e-5)


def test_log_to_mlflow__every_complete_trial_of_a_study(known_features, session_colours, store, tmp_path):
    folder = tmp_path / "grid"
    settings = ["data.size=64", "evaluate.resamples=200"]
    study(
        session_colours, folder, recipes=["frozen-linear"], seeds=[0, 1], settings=settings, progress=SILENT
    )
    assert log_to_mlflow(folder, store) == 2
    _, found = runs_in(store, "grid")
    assert {run.data.tags["budwood.replicate"] for run in found} == {"split 0", "split 1"}
    assert all(run.data.tags["budwood.configuration"] == "frozen-linear" for run in found)


def test_log_run__what_cannot_be_logged(tiny_run, store, tmp_path, monkeypatch):
    with pytest.raises(RunError, match="is not a run"):
        log_run(tmp_path, store)
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot make the directory"):
        log_run(tiny_run, tmp_path / "file" / "store")
    with pytest.raises(RunError, match=r"Log it again: budwood mlflow \S+ nowhere://at"):
        log_run(tiny_run, "nowhere://at")
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(RunError, match=r"pip install 'budwood\[mlflow\]'"):
        check_tracking(store)


def test_log_run__that_breaks_off_is_no_finished_run(tiny_run, store, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(mlflow.MlflowClient, "log_artifact", lambda *arguments: 1 / 0)
        with pytest.raises(RunError, match="division by zero"):
            log_run(tiny_run, store, "flowers")
    log_run(tiny_run, store, "flowers")
    assert sorted(run.info.status for run in runs_in(store, "flowers")[1]) == ["FAILED", "FINISHED"]


CALLS_HOME = """
import sys, time

def hook(event, arguments):
    if event.startswith(("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto")):
        print(event, arguments, flush=True)

sys.addaudithook(hook)
from budwood.integrations.mlflow import log_run
log_run(sys.argv[1], sys.argv[2])
time.sleep(0.5)
print("logged")
"""


@pytest.mark.slow
def test_log_run__never_calls_home(session_run, store):
    private = ("CI", "PYTEST_CURRENT_TEST", "MLFLOW_DISABLE_TELEMETRY", "GITHUB_ACTIONS", "TF_BUILD")
    environment = {name: value for name, value in os.environ.items() if name not in private}
    done = subprocess.run(
        [sys.executable, "-c", CALLS_HOME, str(session_run), str(store)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("logged\n", 0), done.stderr


@pytest.mark.slow
def test_cli__train_and_log_again(call, session_colours, store, tmp_path):
    small = ["--recipe", "frozen-linear", "--backbone", "tiny", "--set", "data.size=64"]
    small += ["--set", "evaluate.resamples=200", "--quiet"]
    status, out, err = call("train", session_colours, "-o", tmp_path / "run", *small, "--mlflow", store)
    assert (status, out, err) == (0, "", "")
    assert len(runs_in(store, "colours")[1]) == 1
    status, out, err = call("mlflow", tmp_path / "run", store, "--experiment", "more")
    assert (status, out, err) == (0, "", f"mlflow  1 run in {store}\n")
    assert len(runs_in(store, "more")[1]) == 1
    # Nothing is trained where nothing could be logged.
    status, out, err = call(
        "train", session_colours, "-o", tmp_path / "no", *small, "--mlflow", "nowhere://at"
    )
    assert status == 1 and err.startswith("budwood: error: MLflow at nowhere://at") and err.count("\n") == 1
    assert not (tmp_path / "no").exists()
