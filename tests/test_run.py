import json
import pickle
import shutil

import pytest

from budwood.core.errors import DataError, RunError, StoreError
from budwood.run import Run, load
from tests.metrics import assert_same_metrics

pytestmark = pytest.mark.usefixtures("shared_cache")


@pytest.fixture
def run(session_run) -> Run:
    return load(session_run)


def test_evaluate__unseen_leaves_out_what_was_learned_from(run, session_colours):
    assert_same_metrics(run.evaluate(session_colours), run.metrics["test"])
    assert run.evaluate(session_colours, split="all")["n"] == 42
    assert_same_metrics(run.evaluate(session_colours, split="validation"), run.metrics["validation"])


def test_evaluate__nothing_left_and_unknown_class(run, session_colours, tmp_path):
    copied = [row for row in run.splits if row["split"] == "train"]
    for row in copied:
        target = tmp_path / "seen" / row["name"]
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(session_colours / row["name"], target)
    with pytest.raises(DataError, match="no photo of .* belongs to `unseen`"):
        run.evaluate(tmp_path / "seen")
    (tmp_path / "seen" / "red").rename(tmp_path / "seen" / "violet")
    with pytest.raises(DataError, match="does not know the class violet"):
        run.evaluate(tmp_path / "seen")
    with pytest.raises(DataError, match="no split `tset`"):
        run.evaluate(session_colours, split="tset")


def test_load__not_a_run_and_damaged(session_run, tmp_path):
    with pytest.raises(RunError, match=r"no run\.json"):
        load(tmp_path)
    copy = shutil.copytree(session_run, tmp_path / "copy")
    content = bytearray((copy / "model" / "model.keras").read_bytes())
    content[len(content) // 2] ^= 1
    (copy / "model" / "model.keras").write_bytes(content)
    with pytest.raises(RunError, match="damaged"):
        _ = load(copy).model
    (copy / "metrics.json").write_text("{")
    with pytest.raises(RunError, match=r"metrics\.json is not the file that was written"):
        _ = load(copy).metrics


def test_evaluate__damaged_split_is_refused(session_run, session_colours, tmp_path):
    copy = shutil.copytree(session_run, tmp_path / "copy")
    split = copy / "split.csv"
    split.write_bytes(split.read_bytes()[:200])
    with pytest.raises(RunError, match=r"split\.csv .*damaged"):
        load(copy).evaluate(session_colours)


@pytest.mark.parametrize("file", ["run.json", "metrics.json", "model/model.json"])
def test_load__json_of_another_shape(file, session_run, tmp_path):
    copy = shutil.copytree(session_run, tmp_path / "copy")
    (copy / file).write_text("[]")
    with pytest.raises(RunError, match="Copy the run again|copy the run again"):
        run = load(copy)
        _ = run.metrics, run.classes, run.model


def test_evaluate__a_read_only_cache_is_refused_before_the_model_is_read(
    session_run, session_colours, tmp_path, monkeypatch
):
    def slow(*arguments):
        raise AssertionError("too early")

    (tmp_path / "file").touch()
    monkeypatch.setenv("BUDWOOD_CACHE", str(tmp_path / "file" / "cache"))
    monkeypatch.setattr("budwood.run_answers.load_predictor", slow)
    with pytest.raises(StoreError, match="Set BUDWOOD_CACHE"):
        load(session_run).evaluate(session_colours)
    with pytest.raises(StoreError, match="Set BUDWOOD_CACHE"):
        load(session_run).ood_scores(session_colours, [])


def test_evaluate__by_and_at_a_prevalence_are_typed_too(run, session_colours):
    asked = {"by": "label", "prevalence": {"red": 0.2, "green": 0.2, "blue": 0.6}, "split": "all"}
    typed = run.evaluation(session_colours, **asked)
    assert run.evaluate(session_colours, **asked) == typed.to_json()
    assert sum(one.n for one in typed.by[0].subgroups) == typed.prevalence.n == 42
    recalls = {one.label: one.recall for one in typed.figures.per_class}
    assert {one.value: one.accuracy for one in typed.by[0].subgroups} == recalls
    assert typed.prevalence.own.accuracy == pytest.approx(
        0.2 * recalls["red"] + 0.2 * recalls["green"] + 0.6 * recalls["blue"]
    )


def test_run__is_handed_to_another_process(run, session_colours):
    """As joblib and multiprocessing do it: there it makes an engine of its own."""
    picture = session_colours / "red" / "red 03.jpg"
    again = pickle.loads(pickle.dumps(run))
    assert again.predict(picture)[0].label == picture.parent.name
    assert again.folder.is_absolute() and again.info == run.info


def test_run__handed_on_it_is_not_another_that_took_its_place(session_run, tmp_path):
    copy = shutil.copytree(session_run, tmp_path / "run")
    handed = pickle.dumps(load(copy))
    info = json.loads((copy / "run.json").read_text())
    (copy / "run.json").write_text(json.dumps(info | {"finished": "2030-01-01T00:00:00+00:00"}))
    with pytest.raises(RunError, match="was replaced by another"):
        pickle.loads(handed)
