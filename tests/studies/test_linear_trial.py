"""A linear trial on features that are made up, its figures against scikit-learn."""

import csv
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, average_precision_score, log_loss

from budwood.config.recipe import Recipe
from budwood.core.errors import DataError, RunError
from budwood.data.augment import Renderer
from budwood.data.label_sets import with_labels
from budwood.data.manifest import Photo
from budwood.features.fingerprint_cache import features_key
from budwood.features.store.store import FeatureStore
from budwood.runs.files import read_run
from budwood.runs.schema import CheckReport
from budwood.runs.writing import SHARE
from budwood.studies.linear_trial import fit_and_evaluate, is_linear
from budwood.studies.records import PhotoTable, StoredFeatures, StudyFolder
from budwood.studies.spec import TrialSpec

RECIPE = Recipe.from_dict(
    {
        "backbone": {"name": "mobilenet_v2"},
        "frozen": {"fit": "linear", "l2_strengths": [0.01, 0.1]},
        "evaluate": {"resamples": 100},
    }
)
CLASSES = ("a", "b", "c")
FEATURES, SIZE = 6, 32


@pytest.fixture
def study(tmp_path):
    (tmp_path / "trials").mkdir()
    photos = tuple(
        Photo(b"", f"{number:03}.jpg", CLASSES[number % 3], sha256=f"{number:064x}") for number in range(150)
    )
    found = StudyFolder(tmp_path)
    found.write_photos(
        PhotoTable(CLASSES, photos, CheckReport(problems=(), found=150, kept=150, unreadable=0))
    )
    rng = np.random.default_rng(0)
    renderer = Renderer(SIZE, RECIPE.data.resize)
    with FeatureStore().open("f" * 64, (FEATURES,)) as table:
        for number, photo in enumerate(photos):
            table.add(
                renderer.key(photo.sha256, 0),
                (rng.normal(size=FEATURES) + 2.5 * np.eye(3, FEATURES)[number % 3]).astype(np.float32),
            )
    known = StoredFeatures(
        fingerprint="f" * 64, features=FEATURES, size=SIZE, failed={"000.jpg": "it is cut"}
    )
    found.write_features({features_key(RECIPE): known})
    return found


def spec(study, recipe=RECIPE):
    return TrialSpec(study.path, "photos", "one", "linear", recipe)


def test_fit_and_evaluate__figures_are_those_of_its_predictions(study):
    fit_and_evaluate(spec(study))
    run = read_run(study.trial("one").run)
    with (run.folder / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert "000.jpg" not in {row["name"] for row in rows}
    for split in ("validation", "test"):
        some = [row for row in rows if row["split"] == split]
        labels = [row["true"] for row in some]
        shares = np.array([[float(row[f"{SHARE}{name}"]) for name in CLASSES] for row in some])
        figures = run.metrics.of(split)
        assert figures.n == len(some) > 5
        assert figures.accuracy == pytest.approx(accuracy_score(labels, [row["predicted"] for row in some]))
        assert figures.loss == pytest.approx(
            log_loss(labels, shares / shares.sum(1, keepdims=True)), abs=1e-4
        )
        assert figures.accuracy > 0.6
    (epoch,) = run.history
    assert epoch["val_loss"] == pytest.approx(run.metrics.validation.loss, abs=1e-6)
    assert epoch["val_accuracy"] == pytest.approx(run.metrics.validation.accuracy)
    assert run.info.state == "complete" and not run.info.saved
    assert not (run.folder / "model").exists()


def test_fit_and_evaluate__twice_is_the_same(study):
    fit_and_evaluate(spec(study))
    first = (study.trial("one").run / "predictions.csv").read_bytes()
    fit_and_evaluate(spec(study))
    assert (study.trial("one").run / "predictions.csv").read_bytes() == first


def test_fit_and_evaluate__photos_count_by_their_weights(study):
    fit_and_evaluate(spec(study))
    plain = read_run(study.trial("one").run).metrics.validation.loss
    table = study.read_photos()
    # Every third class alone counts.
    photos = tuple(replace(photo, weight=9.0 if photo.label == "c" else 0.1) for photo in table.photos)
    study.write_photos(replace(table, photos=photos))
    fit_and_evaluate(spec(study))
    run = read_run(study.trial("one").run)
    assert run.metrics.validation.loss > plain + 0.1
    assert [row.predicted for row in run.predictions].count("c") > 15


def test_fit_and_evaluate__features_that_nobody_computed(study):
    study.write_features({})
    with pytest.raises(RunError, match="were not computed"):
        fit_and_evaluate(spec(study))


@pytest.mark.parametrize(
    ("settings", "answer"),
    [
        ([], True),
        (["frozen.epochs=0", "finetune.epochs=1"], False),
        (["evaluate.flip=true"], False),
        (['distill.run="r"', 'frozen.fit="gradient"'], False),
        (['frozen.fit="auto"'], True),
        (['frozen.fit="auto"', "augment.views=2"], None),
    ],
)
def test_is_linear__one_probe_and_nothing_else(settings, answer):
    found = is_linear(RECIPE.with_settings(settings), 100, 3)
    assert found is answer or answer is None


def test_fit_and_evaluate__several_labels(study):
    table = study.read_photos()
    # Every photo has its class, every second one is odd too, and of some that is unknown.
    photos = tuple(
        with_labels(
            photo,
            [photo.label, *(["odd"] if number % 2 else [])],
            unknown=[] if number % 2 or number % 5 else ["odd"],
        )
        for number, photo in enumerate(table.photos)
    )
    labels = (*CLASSES, "odd")
    study.write_photos(PhotoTable(labels, photos, table.check, "multi-label"))
    fit_and_evaluate(spec(study))
    run = read_run(study.trial("one").run)
    assert (run.info.task, run.info.state, run.classes) == ("multi-label", "complete", labels)
    figures, said = run.metrics.figures_of("test"), run.label_predictions.of("test")
    precisions = []
    for place in range(len(labels)):
        known = ~np.isnan(said.targets[:, place])
        precisions.append(
            average_precision_score(said.targets[known, place], said.probabilities[known, place])
        )
    assert figures.mean_average_precision == pytest.approx(np.mean(precisions))
    assert np.mean(precisions[:3]) > 0.85 > precisions[3]
    right = said.task.correct(said.probabilities, said.targets)
    assert figures.exact_match == pytest.approx(right.mean())
    assert [one.label for one in run.linear_path.labels] == list(labels)
    (epoch,) = run.history
    assert epoch["val_mean_average_precision"] == pytest.approx(
        run.metrics.validation.mean_average_precision, abs=1e-9
    )
    assert epoch["val_loss"] == pytest.approx(run.metrics.validation.loss, abs=1e-6)


def test_fit_and_evaluate__on_a_tree_of_labels(study, tmp_path):
    table = tmp_path / "tree.csv"
    table.write_text("label,parent\nall,\nab,all\na,ab\nb,ab\nc,all\nno photos,all\n")
    fit_and_evaluate(spec(study, RECIPE.with_settings([f"data.taxonomy={table}"])))
    table.unlink()
    run = read_run(study.trial("one").run)
    assert [level.nodes for level in run.metrics.test.taxonomy.levels] == [2, 3]
    assert run.tree.taxonomy.path("a") == ("ab", "a") and len(run.metrics.climbs) == 3
    assert run.recipe.data.taxonomy == "taxonomy.csv"


def test_fit_and_evaluate__on_a_tree_of_other_labels(study, tmp_path):
    (tmp_path / "tree.csv").write_text("label,parent\nall,\nab,all\na,ab\nb,ab\n")
    with pytest.raises(DataError, match=r"tree.csv has no row for 'c'"):
        fit_and_evaluate(spec(study, RECIPE.with_settings([f"data.taxonomy={tmp_path / 'tree.csv'}"])))
