"""What is no run, or one that this version does not know, is refused in one sentence."""

import json
import shutil

import pytest

from budwood.core.errors import RunError
from budwood.core.files import read_json, write_json
from budwood.runs.info import read_info
from budwood.runs.schema import FORMAT


@pytest.fixture
def run(session_run, tmp_path):
    """A copy of run.json of a real run."""
    (tmp_path / "run").mkdir()
    shutil.copy(session_run / "run.json", tmp_path / "run")
    return tmp_path / "run"


def fault(read):
    """The one sentence that a reader refuses with."""
    with pytest.raises(RunError) as caught:
        read()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_read_info__of_a_study_names_its_trials(tmp_path):
    (tmp_path / "study.json").write_text("{}")
    assert "none of its trials is complete" in fault(lambda: read_info(tmp_path))
    for name in "abcdef":
        (tmp_path / "trials" / name).mkdir(parents=True)
        (tmp_path / "trials" / name / "run.json").write_text("{}")
    told = fault(lambda: read_info(tmp_path))
    assert f"such as {tmp_path / 'trials' / 'a'} (or b, c, d and 2 more), but none keeps a model" in told
    (tmp_path / "trials" / "e" / "model").mkdir()
    (tmp_path / "trials" / "e" / "model" / "model.json").write_text("{}")
    told = fault(lambda: read_info(tmp_path))
    assert (
        told
        == f"{tmp_path} is not a run but a study. Give one of its trials, such as {tmp_path / 'trials' / 'e'}"
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "it is no JSON"),
        ("[]", "it should be a JSON object"),
        (json.dumps({"format": FORMAT}), "it lacks budwood"),
        (
            json.dumps(
                {"format": FORMAT, "budwood": "1", "command": "", "started": "", "task": "", "colour": 1}
            ),
            "it has the unknown key colour",
        ),
        (
            json.dumps(
                {"format": FORMAT, "budwood": "1", "command": "", "started": "", "task": "", "state": "odd"}
            ),
            "state: input should be 'running', 'complete' or 'failed'",
        ),
    ],
)
def test_read_info__damaged(run, content, said):
    (run / "run.json").write_text(content)
    assert f"cannot read {run / 'run.json'}: {said}" in fault(lambda: read_info(run))


def test_read_info__no_run(tmp_path):
    assert "it has no run.json" in fault(lambda: read_info(tmp_path))


def test_read_info__killed_while_it_was_replaced(tmp_path):
    (tmp_path / ".previous").mkdir()
    (tmp_path / ".previous" / "run.json").write_text("{}")
    assert f"its run is in {tmp_path / '.previous'}" in fault(lambda: read_info(tmp_path))


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (FORMAT + 1, f"is of format {FORMAT + 1}, and this Budwood reads format {FORMAT}. Install a newer"),
        ("one", "has the unknown format 'one'"),
        (None, "has no format number"),
    ],
)
def test_read_info__another_format(run, number, said):
    write_json(run / "run.json", read_json(run / "run.json") | {"format": number})
    assert said in fault(lambda: read_info(run))


def test_read_info__of_an_unknown_task(run):
    write_json(run / "run.json", read_json(run / "run.json") | {"task": "boxes"})
    assert "is of the task 'boxes', and this Budwood knows single-label, multi-label" in fault(
        lambda: read_info(run)
    )
