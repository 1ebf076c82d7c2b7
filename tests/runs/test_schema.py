import pytest
from pydantic import ValidationError

from budwood.runs.schema import CheckReport, PredictionRow, RunInfo, SplitInfo, Stage, Warned

INFO = RunInfo(task="single-label", budwood="0.1.0", command="budwood train photos", started="now")


def test_run_info__leaves_out_what_there_is_not():
    written = INFO.to_json()
    assert {"error", "split", "data", "from", "files", "views"}.isdisjoint(written)
    assert {"format", "state", "task", "stages", "requested", "warnings"} <= set(written)
    assert RunInfo.model_validate(written) == INFO


def test_run_info__from_is_written_by_its_name():
    more = INFO.model_copy(update={"from_": "earlier"})
    assert more.to_json()["from"] == "earlier"
    assert RunInfo.model_validate(more.to_json()).from_ == "earlier"


@pytest.mark.parametrize(
    ("given", "again"),
    [
        ("budwood train photos -o run", "budwood train photos -o run"),
        ("budwood train photos -o run --resume", "budwood train photos -o run --overwrite"),
        (
            "budwood train 'my photos' -o run --resume --overwrite",
            "budwood train 'my photos' -o run --overwrite",
        ),
        ("budwood train --resume-not photos", "budwood train --resume-not photos"),
    ],
)
def test_command_anew__begins_anew(given, again):
    assert INFO.model_copy(update={"command": given}).command_anew == again


def test_seconds__of_all_stages():
    assert INFO.seconds == 0
    stages = (Stage(name="check", seconds=1.5), Stage(name="head", seconds=2.25))
    assert INFO.model_copy(update={"stages": stages}).seconds == 3.75


def test_sha256_of__each_file():
    info = INFO.model_copy(update={"split": SplitInfo(sha256="s"), "files": {"metrics.json": "m"}})
    assert [info.sha256_of(name) for name in ("split.csv", "metrics.json", "history.csv")] == ["s", "m", None]
    assert INFO.sha256_of("split.csv") is None


def test_warnings_of__some_kinds_or_all():
    warned = (
        Warned(kind="data", text="one"),
        Warned(kind="engine", text="two"),
        Warned(kind="data", text="three"),
    )
    info = INFO.model_copy(update={"warnings": warned})
    assert info.warnings_of("data") == ["one", "three"]
    assert info.warnings_of("split") == []
    assert info.warnings_of() == ["one", "two", "three"]
    assert info.warnings_of("engine", "data") == ["one", "two", "three"]


def test_run_info__a_note_of_no_known_kind_is_refused():
    with pytest.raises(ValidationError):
        Warned(kind="gossip", text="x")


def test_check_report__what_was_found_and_not_used():
    report = CheckReport(problems=(), found=10, kept=7, unreadable=1)
    assert report.unused == 3
    assert CheckReport.model_validate(report.to_json()) == report


def test_prediction_row__is_right_where_the_labels_are_equal():
    assert PredictionRow("x", "test", "a", "a", 0.4, 0.4).correct
    assert not PredictionRow("x", "test", "a", "A", 0.4, 0.4).correct
