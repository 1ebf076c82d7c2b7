import shutil
import subprocess
import sys

import pytest
from PIL import Image

from budwood.core.errors import RunError
from budwood.run_record import RunRecord

pytestmark = pytest.mark.usefixtures("shared_cache")


@pytest.fixture
def run(session_run) -> RunRecord:
    return RunRecord(session_run)


def test_splits__are_rows_of_text_with_the_pixels_as_numbers(run, session_colours):
    row = run.splits[0]
    with Image.open(session_colours / row["name"]) as picture:
        assert (row["width"], row["height"]) == picture.size
    assert all(type(row[key]) is str for key in ("name", "label", "split", "sha256", "group"))


def test_summary__says_the_result(run):
    text = run.summary()
    assert f"{run.metrics['test']['n']} test photos" in text and "report.html" in text


def test_write_report__damaged_predictions(session_run, session_colours, tmp_path):
    copy = shutil.copytree(session_run, tmp_path / "copy")
    predictions = copy / "predictions.csv"
    predictions.write_bytes(predictions.read_bytes()[:100])
    with pytest.raises(RunError):
        RunRecord(copy).write_report(session_colours)


def test_record__loads_no_keras(session_run):
    code = (
        f"import sys; from budwood.run_record import RunRecord; RunRecord({str(session_run)!r}).summary(); "
    )
    found = subprocess.run(
        [sys.executable, "-c", code + "print('keras' in sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.strip() == "False"


def test_own_photos__of_several_labels_are_read_as_such(tiny_label_run, session_run):
    assert RunRecord(tiny_label_run)._own_photos.settings.task == "multi-label"
    assert RunRecord(session_run)._own_photos.settings == RunRecord(session_run).recipe.data
