import json
import sys
from functools import partial

import numpy as np
import pytest

from budwood.config.recipe import Recipe
from budwood.core.errors import RecipeError, RunError
from budwood.core.files import read_csv, read_json
from budwood.core.progress.base import SILENT
from budwood.studies import search as module
from budwood.studies.executor import LocalExecutor
from budwood.studies.grid import read_grid
from budwood.studies.progress_table import ProgressTable
from budwood.studies.search import Search
from budwood.studies.study import study
from tests.studies.executors import die_on_four_folds

pytest.importorskip("optuna")
pytestmark = pytest.mark.usefixtures("shared_cache")

SMALL = ["data.size=64", "evaluate.resamples=200"]
BAD = 1e6
"""A strength at which nothing is learned."""


def small_search(data, folder, number=3, **options):
    options = {
        "grid": [f"frozen.l2_strengths=[[0.1], [0.01], [{BAD}], [1.0]]"],
        "recipes": ["frozen-linear"],
        "seeds": [0, 1],
        "jobs": 1,
        **options,
    }
    return study(data, folder, search=number, settings=SMALL, progress=SILENT, **options)


def points(folder):
    return [one["point"] for one in read_json(folder / "search.json")["configurations"]]


def rate_grid():
    return read_grid(["quick"], grid=["finetune.learning_rate=1e-5..1e-1", "frozen.folds=3..8"])


def play(search, number):
    """Configurations whose loss is the distance of their rate from 1e-3, worse on every further split."""
    for _ in range(number):
        one = search.propose()
        while one.state == "running":
            distance = abs(np.log10(one.point["finetune.learning_rate"]) + 3)
            search.report(one, float(distance + 0.01 * len(one.losses)), 1.0)
    return search


def test_search__is_seeded_and_goes_on_as_if_it_had_not_stopped(tmp_path):
    at_once = play(Search(tmp_path, rate_grid(), seeds=[0, 1, 2]), 14)
    stopped = play(Search(tmp_path, rate_grid(), seeds=[0, 1, 2]), 6)
    again = Search(tmp_path, rate_grid(), seeds=[0, 1, 2])
    again.go_on()
    assert again.configurations == stopped.configurations
    assert play(again, 8).configurations == at_once.configurations
    assert len({json.dumps(one.point) for one in at_once.configurations}) == 14


def test_search__learns_and_prunes(tmp_path):
    search = play(Search(tmp_path, rate_grid(), seeds=[0, 1, 2]), 25)
    states = [one.state for one in search.configurations]
    assert states[:5] == ["complete"] * 5 and 0 < states.count("pruned") < 20
    pruned = next(one for one in search.configurations if one.state == "pruned")
    assert len(pruned.losses) < 3 and "three quarters of" in pruned.why
    assert search.best.losses[0] < 0.3
    search.finish()
    assert max(search.importance, key=search.importance.get) == "finetune.learning_rate"
    assert sum(search.importance.values()) == pytest.approx(1, abs=0.01)


def test_search__asks_for_each_configuration_once(tmp_path):
    search = Search(tmp_path, read_grid(["quick"], grid=["frozen.folds=3..8"]), seeds=[0])
    while (one := search.propose()) is not None:
        search.report(one, 1.0, 1.0)
    assert sorted(one.point["frozen.folds"] for one in search.configurations) == [3, 4, 5, 6, 7, 8]


def test_study__search(session_colours, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "STARTUP", 2)
    found = small_search(session_colours, tmp_path / "s", number=9)
    pruned = f"frozen-linear, frozen.l2_strengths=[{BAD}]"
    assert "after 1 of 2 trainings" in found.pruned[pruned]
    assert {one.name: one.complete for one in found.summaries}[pruned] == 1
    assert found.best is not None and found.best not in found.pruned and not found.failures
    assert not found.pairs and not found.curves
    assert read_json(tmp_path / "s" / "results.json") == found.to_json()
    page = (tmp_path / "s" / "report.html").read_text(encoding="utf-8")
    assert "The course of the search" in page and "after 1 of 2 trainings" in page and 'class="cross"' in page
    recipe = Recipe.load(tmp_path / "s" / "best.toml")
    assert recipe.evaluate.test and recipe.split_seed == 2 and recipe.data.size == 64
    words = found.as_text()
    number = len(found.pruned)
    assert f"4 configurations: {4 - number} complete, {number} pruned, 0 failed." in words
    assert f"budwood train {session_colours} --recipe {tmp_path / 's' / 'best.toml'}" in words
    assert "kept out of it" in words and f"Pruned: {pruned}" in words


def test_study__search_opens_no_test_photo(colours, tmp_path):
    for label in ("blue", "green", "red"):
        (colours / "train" / label).parent.mkdir(exist_ok=True)
        (colours / label).rename(colours / "train" / label)
        (colours / "test" / label).mkdir(parents=True)
        for number in range(3):
            photo = colours / "train" / label / f"{label} {number:02}.jpg"
            photo.rename(colours / "test" / label / photo.name)
    found = small_search(colours, tmp_path / "s", number=2, seeds=[0])
    assert (found.split, found.test_evaluations) == ("validation", 0)
    assert "Your test photos stayed closed" in found.as_text()
    for name in read_json(tmp_path / "s" / "study.json")["trials"]:
        run = tmp_path / "s" / "trials" / name
        assert read_json(run / "metrics.json")["test"] is None
        for table in ("predictions.csv", "split.csv"):
            assert not [row for row in read_csv(run / table) if row["name"].startswith("test")]
    assert "test/" not in (tmp_path / "s" / "photos.jsonl").read_text()


def test_study__search_on_folds(session_colours, tmp_path):
    found = small_search(session_colours, tmp_path / "s", number=1, seeds=[0], folds=3)
    assert (found.replicate_kind, found.test_evaluations, found.summaries[0].complete) == ("fold", 0, 3)
    held_out = [
        row["name"]
        for name in read_json(tmp_path / "s" / "study.json")["trials"]
        for row in read_csv(tmp_path / "s" / "trials" / name / "predictions.csv")
    ]
    assert len(held_out) == len(set(held_out)) == 42
    assert Recipe.load(tmp_path / "s" / "best.toml").data.folds == 0


@pytest.mark.slow
def test_study__search_that_was_killed_goes_on(session_colours, tmp_path, monkeypatch):
    small_search(session_colours, tmp_path / "whole", number=3)
    end, ended = ProgressTable.end, []

    def killed(self, trial, result):
        end(self, trial, result)
        ended.append(trial.name)
        if len(ended) == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ProgressTable, "end", killed)
        with pytest.raises(KeyboardInterrupt):
            small_search(session_colours, tmp_path / "s", number=2)
    folder = tmp_path / "s"
    before = {name: (folder / "trials" / name / "metrics.json").stat().st_mtime_ns for name in ended}
    found = small_search(session_colours, folder, number=3, resume=True)
    assert points(folder) == points(tmp_path / "whole")
    assert [one.complete for one in found.summaries] == [2, 2, 2]
    for name, written in before.items():
        assert (folder / "trials" / name / "metrics.json").stat().st_mtime_ns == written
    with pytest.raises(RunError, match="begun with something else: grid"):
        small_search(session_colours, folder, grid=["frozen.folds=3..5"], resume=True)
    with pytest.raises(RunError, match="a study with --search, and this one is without"):
        small_search(session_colours, folder, number=None, resume=True)
    assert read_json(folder / "study.json")["state"] == "complete"
    small_search(session_colours, folder, number=1, overwrite=True, grid=["frozen.folds=3..5"])
    assert len(points(folder)) == 1


def test_study__search_survives_a_configuration_that_fails(session_colours, tmp_path):
    options = {"grid": ["frozen.folds=3..5"], "seeds": [0]}
    dying = partial(LocalExecutor, linear=die_on_four_folds)
    found = small_search(session_colours, tmp_path / "s", executor=dying, **options)
    assert found.failures == {"frozen-linear, frozen.folds=4": "split 0: its process ended with signal 9"}
    assert [one.complete for one in found.summaries] == [1, 1, 0]
    # Tried again.
    found = small_search(session_colours, tmp_path / "s", resume=True, **options)
    assert not found.failures and [one.complete for one in found.summaries] == [1, 1, 1]


@pytest.mark.slow
def test_study__search_goes_on_where_values_do_not_go_together(session_colours, tmp_path):
    # A linear probe has no hidden layers; beside the first values of the others each is fine by itself.
    grid = ['frozen.fit=["auto", "linear"]', "head.hidden=[[], [8]]", "finetune.epochs=[0]"]
    found = small_search(
        session_colours, tmp_path / "s", number=4, seeds=[0], grid=[*grid, "frozen.epochs=[1]"]
    )
    ((name, why),) = found.failures.items()
    assert "frozen.fit=linear, head.hidden=[8]" in name and "logistic regression" in why
    assert sum(one.complete for one in found.summaries) == 3


def test_study__search_is_refused(session_colours, tmp_path, monkeypatch):
    with pytest.raises(RecipeError, match="--search 0: give how many"):
        small_search(session_colours, tmp_path / "s", number=0)
    with pytest.raises(RecipeError, match="--sizes and --search do not go together"):
        small_search(session_colours, tmp_path / "s", sizes=[10])
    with pytest.raises(RecipeError, match="a range is for a search"):
        small_search(session_colours, tmp_path / "s", number=None, grid=["frozen.folds=3..5"])
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(RunError, match=r"pip install 'budwood\[search\]'"):
        small_search(session_colours, tmp_path / "s")
    assert not (tmp_path / "s").exists()
