"""What `runs.writing` writes, `runs.files` reads."""

import numpy as np
import pytest

from budwood.core.files import read_csv, sha256_of
from budwood.data.manifest import Photo
from budwood.runs import writing
from budwood.runs.schema import RunInfo

PHOTOS = [Photo(b"", "b/ü, 1.jpg", "b", "test"), Photo(b"", "a/2.jpg", "a", "test")]


def test_write_predictions__a_row_for_each_photo(tmp_path):
    with pytest.raises(ValueError, match="zip"):
        writing.write_predictions(tmp_path, ["a", "b"], PHOTOS, np.array([[0.25, 0.75]]))
    assert not list(tmp_path.iterdir())


def test_write_split__returns_the_hash_of_what_it_wrote(tmp_path):
    told = writing.write_split(tmp_path, PHOTOS)
    assert told.sha256 == sha256_of(tmp_path / "split.csv")
    assert [row["name"] for row in read_csv(tmp_path / "split.csv")] == ["b/ü, 1.jpg", "a/2.jpg"]


def test_checksums__of_what_is_there_and_vouched_for(tmp_path):
    for name in ("metrics.json", "recipe.toml", "report.html", "run.json"):
        (tmp_path / name).write_text(name)
    found = writing.checksums(tmp_path)
    assert found == {name: sha256_of(tmp_path / name) for name in ("recipe.toml", "metrics.json")}


def test_mark_unsaved__once(tmp_path):
    info = RunInfo(budwood="1", command="", started="", task="single-label")
    writing.write_info(tmp_path, info)
    writing.mark_unsaved(tmp_path)
    assert writing.read_info(tmp_path) == info.model_copy(update={"saved": False})
    before = (tmp_path / "run.json").stat().st_ino
    writing.mark_unsaved(tmp_path)
    assert (tmp_path / "run.json").stat().st_ino == before
