"""Predictions on two nodes of one core each."""

import pytest

from budwood.cluster.predictions import predict_on
from budwood.cluster.workers import PartToDo, PredictionWorker, Predictors
from budwood.core.files import read_csv, read_json
from budwood.core.progress.base import SILENT
from budwood.inference.prediction_files import PredictionColumns
from budwood.inference.prediction_parts import STATE, plan_parts, write_parts
from budwood.inference.rules import Asked
from budwood.run import load
from tests.conftest import write_colours
from tests.nodes import Killer, killing, node_to_lose
from tests.progress import KeptLines

OPTIONS = {"precision": None, "acceptance": None, "coverage": 0.8, "sets": None, "per_class": False}

pytestmark = pytest.mark.usefixtures("shared_cache")


@pytest.fixture
def pictures(session_colours, tmp_path):
    (tmp_path / "none.jpg").write_bytes(b"no picture")
    found = [*sorted(session_colours.rglob("*.jpg")), tmp_path / "none.jpg"]
    return [(path.name, path) for path in found]


def asked(run, folder, pictures, rows=None):
    columns = PredictionColumns(tuple(load(run).classes), sets=True)
    return Predictors(
        run,
        Asked(**OPTIONS),
        folder,
        plan_parts(run, "m" * 64, "csv", dict(pictures), OPTIONS, rows),
        columns,
    )


def written_here(what, pictures):
    run = load(what.run)

    def predict(places):
        names, found = zip(*(pictures[place] for place in places), strict=True)
        return run.stream(found, names=names, progress=SILENT, **OPTIONS)

    return write_parts(what.folder, what.parts, what.columns, predict)


def test_prediction_worker__writes_the_part_that_one_machine_writes(
    tiny_run, tiny_backbones, tmp_path, pictures
):
    here, there = (asked(tiny_run, tmp_path / name, pictures, 20) for name in ("here", "there"))
    written_here(here, pictures)
    there.folder.mkdir()
    done = PredictionWorker(there).do(PartToDo(2, pictures[40:]))
    assert done.part == read_json_part(here, 2) and list(done.errors) == ["none.jpg"]
    name = "part-00002.csv"
    assert (there.folder / name).read_bytes() == (here.folder / name).read_bytes()


def rows_of(folder):
    """What the tables of a folder say, however it is divided into them."""
    return [row for file in sorted(folder.glob("part-*.csv")) for row in read_csv(file)]


def read_json_part(what, number):
    return type(what.parts).model_validate(read_json(what.folder / STATE)).parts[number]


@pytest.mark.slow
def test_predict_on__the_same_rows_and_goes_on(ray_nodes, session_run, tmp_path, pictures, monkeypatch):
    monkeypatch.setattr("budwood.cluster.predictions.FEWEST", 10)
    here, there = (asked(session_run, tmp_path / name, pictures) for name in ("here", "there"))
    written = written_here(here, pictures)
    told = []
    assert predict_on("auto", there, pictures, told=told.append, progress=SILENT) == written
    assert len(told) == 5 and sum(len(one.errors) for one in told) == 1
    assert rows_of(there.folder) == rows_of(here.folder) and len(rows_of(here.folder)) == 43
    (there.folder / "part-00001.csv").unlink()
    told.clear()
    assert predict_on("auto", there, pictures, told=told.append, progress=SILENT) == written
    assert [one.part.file for one in told] == ["part-00001.csv"]
    assert rows_of(there.folder) == rows_of(here.folder)
    # A folder that one machine has begun is gone on with, and is complete here.
    assert predict_on("auto", here, pictures, told=told.append, progress=SILENT) == written


@pytest.mark.slow
def test_predict_on__twenty_workers_killed__the_same_rows(ray_nodes, session_run, tmp_path, monkeypatch):
    monkeypatch.setattr("budwood.cluster.predictions.FEWEST", 10)
    photos = write_colours(tmp_path / "photos", 100)
    pictures = [(path.name, path) for path in sorted(photos.rglob("*.jpg"))]
    here = asked(session_run, tmp_path / "here", pictures, 10)
    written = written_here(here, pictures)
    told, folders = [], []
    with Killer(killing("ray::MapWorker"), 20, lambda: len(told)) as killer:
        while killer.killed < 20 and len(folders) < 6:
            there = asked(session_run, tmp_path / f"there {len(folders)}", pictures, 10)
            assert predict_on("auto", there, pictures, told=told.append, progress=SILENT) == written
            folders.append(there.folder)
    assert killer.killed == 20
    for folder in folders:
        assert rows_of(folder) == rows_of(here.folder)


@pytest.mark.slow
def test_predict_on__a_node_is_lost__the_same_rows(ray_nodes, session_run, tmp_path, monkeypatch):
    monkeypatch.setattr("budwood.cluster.predictions.FEWEST", 10)
    photos = write_colours(tmp_path / "photos", 200)
    pictures = [(path.name, path) for path in sorted(photos.rglob("*.jpg"))]
    here, there = (asked(session_run, tmp_path / name, pictures, 10) for name in ("here", "there"))
    written, told, progress = written_here(here, pictures), [], KeptLines()
    with node_to_lose(ray_nodes) as lose, Killer(lose, 1, lambda: len(told) > 4) as killer:
        assert predict_on("auto", there, pictures, told=told.append, progress=progress) == written
    assert killer.killed == 1
    assert "1 node of the cluster was lost; others did its work" in progress.lines
    assert rows_of(there.folder) == rows_of(here.folder)
