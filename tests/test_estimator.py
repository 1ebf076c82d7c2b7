import io
import os
import pickle
import re
import subprocess
import sys

import joblib
import numpy as np
import pytest
import scipy.special
from joblib.externals.loky import get_reusable_executor
from PIL import Image
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.validation import check_is_fitted, validate_data

from budwood import estimator
from budwood.core.errors import BackboneError, DataError, ImageError, RecipeError
from budwood.core.progress.base import SILENT
from budwood.data.images import ValueRange
from budwood.estimator import TransferClassifier
from budwood.evaluation.thresholds import choose_thresholds
from budwood.features import extractor as frozen
from budwood.features.store.store import FeatureStore

pytestmark = pytest.mark.usefixtures("shared_cache", "tiny_backbones")

SMALL = {"backbone": "tiny", "size": 64, "l2_strength": 0.01, "folds": 2}


class OfTables(TransferClassifier):
    """Draws each row of a table as a picture of stripes: scikit-learn's checks batches tables of numbers."""

    def fit(self, X, y):  # noqa: N803
        X, y = validate_data(self, X, y, multi_output=np.ndim(y) == 2 and np.shape(y)[1] > 1)  # noqa: N806
        return super().fit(_drawn(X), y)

    def _logits(self, X):  # noqa: N803
        check_is_fitted(self)
        return super()._logits(_drawn(validate_data(self, X, reset=False)))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        tags.input_tags.three_d_array = tags.input_tags.string = False
        return tags


def _drawn(table):
    stripes = np.linspace(0, table.shape[1], 64, endpoint=False).astype(int)
    grey = (128 + 127 * np.tanh(np.asarray(table, dtype=float) / 3)).astype(np.uint8)[:, stripes]
    return np.broadcast_to(grey[:, None, :, None], (len(table), 64, 64, 3)).copy()


def _not_under_beartype(estimator):
    reason = "the types in signatures are enforced in these tests, and only here"
    return {
        "check_do_not_raise_errors_in_init_or_set_params": reason,
        "check_classifier_data_not_an_array": reason,
    }


@parametrize_with_checks([OfTables(**SMALL)], expected_failed_checks=_not_under_beartype)
def test_classifier__passes_sklearns_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    "check",
    [
        estimator_checks.check_estimator_cloneable,
        estimator_checks.check_estimator_tags_renamed,
        estimator_checks.check_valid_tag_types,
        estimator_checks.check_estimator_repr,
        estimator_checks.check_no_attributes_set_in_init,
        estimator_checks.check_mixin_order,
        estimator_checks.check_parameters_default_constructible,
        estimator_checks.check_get_params_invariance,
        estimator_checks.check_set_params,
    ],
)
def test_classifier__itself_passes_the_checks_that_feed_nothing(check):
    check("TransferClassifier", TransferClassifier(**SMALL))


@pytest.fixture(scope="module")
def photos(session_colours):
    paths = sorted(session_colours.rglob("*.jpg"))
    return paths, [path.parent.name for path in paths]


@pytest.fixture
def computed(monkeypatch):
    """How many pictures each call sends through the feature extractor."""
    counts = []
    real = frozen.extract

    def counted(*arguments, **options):
        extraction = real(*arguments, **options)
        counts.append(extraction.num_computed)
        return extraction

    monkeypatch.setattr(frozen, "extract", counted)
    return counts


def test_fit__paths_bytes_pil_and_arrays_agree(photos):
    paths, labels = photos
    images = [Image.open(path).convert("RGB") for path in paths]
    pixels = [np.asarray(image) for image in images]
    expected = TransferClassifier(**SMALL).fit(paths, labels).predict_proba(paths)
    assert expected.shape == (42, 3)
    np.testing.assert_allclose(expected.sum(axis=1), 1, rtol=1e-5)
    for pictures in (
        [str(path) for path in paths],
        np.array([str(path) for path in paths]),
        [path.read_bytes() for path in paths],
        images,
        pixels,
        np.stack(pixels),
    ):
        found = TransferClassifier(**SMALL).fit(pictures, labels).predict_proba(paths)
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_fit__arrays_of_different_sizes(photos):
    paths, labels = photos
    pixels = [np.asarray(Image.open(path))[: 40 + index % 8] for index, path in enumerate(paths)]
    assert TransferClassifier(**SMALL).fit(pixels, labels).score(pixels, labels) == 1


def test_fit__again_computes_nothing(photos, computed, own_cache, monkeypatch):
    monkeypatch.setenv("BUDWOOD_CACHE", str(own_cache))
    paths, labels = photos
    first = TransferClassifier(**SMALL).fit(paths, labels)
    second = TransferClassifier(**SMALL).fit(paths, labels)
    assert computed == [42, 0]
    np.testing.assert_array_equal(second.coef_, first.coef_)


@pytest.mark.parametrize("labels", [[7, 3], ["b", "a"], np.array([True, False])], ids=["int", "str", "bool"])
def test_predict__gives_the_labels_of_fit(photos, labels):
    paths = photos[0][:28]
    y = np.repeat(np.asarray(labels), 14)
    model = TransferClassifier(**SMALL).fit(paths, y)
    np.testing.assert_array_equal(model.classes_, np.unique(y))
    np.testing.assert_array_equal(model.predict(paths), y)
    assert model.decision_function(paths).shape == (28,)
    assert model.predict_proba(paths).shape == (28, 2)


def test_fit__chooses_the_strength(photos):
    model = TransferClassifier("tiny", size=64, folds=3).fit(*photos)
    assert model.l2_strength_ > 0 and model.score(*photos) == 1


def test_fit__groups_are_held_out_together_where_the_strength_is_chosen(photos, monkeypatch):
    paths, labels = photos
    asked = []
    real = estimator.fit_as_asked
    monkeypatch.setattr(
        estimator,
        "fit_as_asked",
        lambda *a, groups, **k: asked.append(groups) or real(*a, groups=groups, **k),
    )
    groups = [number // 2 for number in range(len(paths))]
    TransferClassifier("tiny", size=64, folds=2).fit(paths, labels, groups=groups)
    assert asked == [[f"group {group}" for group in groups]]
    with pytest.raises(ValueError, match="one group per picture: got 1 for"):
        TransferClassifier(**SMALL).fit(paths, labels, groups=[1])


@pytest.mark.parametrize("given", ["balanced", {"red": 3, "blue": 0.5}])
def test_fit__class_weight_is_a_weight_of_each_picture_of_the_class(photos, given):
    paths, labels = photos[0][:30], photos[1][:30]
    counts = {name: labels.count(name) for name in set(labels)}
    of = {name: 1 / counts[name] for name in counts} if given == "balanced" else {"green": 1, **given}
    weighted = TransferClassifier(**SMALL, class_weight=given).fit(paths, labels)
    by_hand = TransferClassifier(**SMALL).fit(
        paths, labels, sample_weight=np.array([of[name] for name in labels])
    )
    plain = TransferClassifier(**SMALL).fit(paths, labels)
    np.testing.assert_allclose(weighted.coef_, by_hand.coef_, atol=1e-5)
    assert np.abs(weighted.coef_ - plain.coef_).max() > 1e-3


def test_fit__class_weight_goes_by_the_labels_as_they_are(photos):
    paths = photos[0]
    numbers = np.array([7 if name == "red" else 3 for name in photos[1]])
    weighted = TransferClassifier(**SMALL, class_weight={7: 5}).fit(paths, numbers)
    by_hand = TransferClassifier(**SMALL).fit(paths, numbers, sample_weight=np.where(numbers == 7, 5, 1))
    np.testing.assert_allclose(weighted.coef_, by_hand.coef_, atol=1e-5)


def test_fit__class_weight_of_several_labels(several):
    paths, targets = several
    plain = TransferClassifier(**SMALL).fit(paths, targets)
    weighted = TransferClassifier(**SMALL, class_weight={"label 1": 20}).fit(paths, targets)
    changed = np.abs(weighted.coef_ - plain.coef_).max(axis=0)
    assert changed[1] > 1e-3
    assert changed[[0, 2]].max() == 0
    assert (weighted.predict_proba(paths)[:, 1] > plain.predict_proba(paths)[:, 1]).mean() > 0.9


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("even", "class_weight is 'even'. Expected 'balanced', a dict by label, or None"),
        ({"rod": 2}, "class_weight names a class 'rod' that y does not have. Did you mean red?"),
        ({"red": -1}, "class_weight is -1 of 'red'. Expected a number from 0 up"),
        ({"red": float("nan")}, "class_weight is nan of 'red'. Expected a number from 0 up"),
        ({"red": 0, "green": 0, "blue": 0}, "class_weight is 0 of every class"),
    ],
)
def test_fit__refuses_a_bad_class_weight_before_the_pictures_are_looked_at(photos, computed, given, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        TransferClassifier(**SMALL, class_weight=given).fit(*photos)
    assert computed == []


def test_fit__sample_weight_counts_in_what_is_learned(photos):
    paths, labels = photos
    label = labels[0]
    weights = [0.0 if one == label else 1.0 for one in labels]
    model = TransferClassifier(**SMALL).fit(paths, labels, sample_weight=weights)
    assert label in model.classes_ and label not in model.predict(paths)
    for wrong, words in ([1.0], "one number per picture"), ([-1.0] * len(paths), "from 0 up"):
        with pytest.raises(ValueError, match=words):
            TransferClassifier(**SMALL).fit(paths, labels, sample_weight=wrong)


def test_grid_search__over_l2_strength_and_pooling(photos, computed):
    grid = {"l2_strength": [1e-3, 1.0], "pooling": ["avg", "max"]}
    search = GridSearchCV(TransferClassifier("tiny", size=64, folds=2), grid, cv=2, error_score="raise")
    search.fit(*photos)
    assert set(search.best_params_) == {"l2_strength", "pooling"} and search.best_score_ > 0.8
    assert sum(computed) <= 2 * 42  # each picture once for each pooling


@pytest.mark.slow
def test_grid_search__of_several_processes_computes_each_picture_once(photos, tmp_path, monkeypatch):
    monkeypatch.setenv("BUDWOOD_CACHE", str(tmp_path))
    # The workers know no backbone that only a test has.
    model = TransferClassifier(weights="random", size=64, folds=2)
    search = GridSearchCV(
        model, {"l2_strength": [0.01, 0.1]}, n_jobs=2, cv=3, error_score="raise", refit=False
    )
    try:
        search.fit(*photos)
    finally:
        get_reusable_executor().shutdown()
    stored = FeatureStore().info()["fingerprints"]
    assert [found["rows"] for found in stored] == [42]


def test_cross_val_score__binary_auc(photos):
    paths, labels = photos
    scores = cross_val_score(
        TransferClassifier(**SMALL),
        paths[:28],
        [int(label == "blue") for label in labels[:28]],
        cv=2,
        scoring="roc_auc",
    )
    np.testing.assert_array_equal(scores, 1)


def test_pipeline__last_step(photos):
    paths, labels = photos
    pixels = np.stack([np.asarray(Image.open(path)) for path in paths])
    steps = make_pipeline(FunctionTransformer(lambda x: x[:, ::-1]), TransferClassifier(**SMALL))
    assert steps.fit(pixels, labels).score(pixels, labels) == 1


def test_clone_and_pickle__same_predictions(photos):
    paths, labels = photos
    model = TransferClassifier(**SMALL).fit(paths, labels)
    expected = model.predict_proba(paths)
    memory = io.BytesIO()
    joblib.dump(model, memory)
    assert len(memory.getvalue()) < 100_000  # the head, not the backbone
    memory.seek(0)
    np.testing.assert_array_equal(joblib.load(memory).predict_proba(paths), expected)
    np.testing.assert_array_equal(clone(model).fit(paths, labels).predict_proba(paths), expected)
    assert pickle.loads(pickle.dumps(model)).get_params() == model.get_params()


@pytest.mark.slow
def test_cross_val_score__two_processes(photos):
    model = TransferClassifier(size=64, l2_strength=0.01, folds=2)
    scores = cross_val_score(model, *photos, cv=2, n_jobs=2)
    np.testing.assert_array_equal(scores, cross_val_score(model, *photos, cv=2))


@pytest.mark.slow
def test_fit__weights_file_that_changed_is_read_again(photos, tmp_path, test_data):
    source = next(path for path in (test_data / "weights").rglob("*") if "mobilenet_v2" in path.name)
    copy = tmp_path / source.name
    copy.write_bytes(source.read_bytes())
    options = {**SMALL, "backbone": "mobilenet_v2", "weights": copy}
    before = TransferClassifier(**options).fit(*photos)
    copy.write_bytes(b"damaged")
    os.utime(copy, ns=(1, 1))
    with pytest.raises(Exception, match=copy.name):
        before.predict(photos[0][:1])


@pytest.mark.parametrize(
    ("pictures", "labels", "error", "words"),
    [
        ("photo.jpg", ["a"], ValueError, r"a sequence of pictures.*\[picture\]"),
        ([], [], ValueError, "minimum of 1 picture"),
        ((number for number in (3, 4)), ["a", "b"], ValueError, "picture 0: an int is no picture"),
        (np.zeros((4, 20)), [0, 1, 0, 1], ValueError, r"a single one was given, of shape \(4, 20\)"),
        (["absent.jpg", "absent.png"], ["a", "b"], ImageError, "absent.jpg"),
        (np.zeros((2, 8, 8, 3), np.uint8), ["a"], ValueError, "one label per picture"),
        (np.zeros((2, 8, 8, 3), np.uint8), ["a", "a"], ValueError, "at least two classes"),
        (np.zeros((3, 8, 8, 3), np.uint8), [0.1, 0.2, 0.3], ValueError, "Unknown label type"),
    ],
)
def test_fit__wrong_input(pictures, labels, error, words):
    with pytest.raises(error, match=words):
        TransferClassifier(**SMALL).fit(pictures, labels)


def test_fit__wrong_backbone(photos):
    with pytest.raises(BackboneError, match="mobilenet_v2"):
        TransferClassifier("mobilnet_v2").fit(*photos)


@pytest.mark.parametrize("wrong", ["foo", -1, 0, float("nan"), float("inf"), None, [1, 2]])
def test_fit__l2_strength_that_is_none(wrong):
    pixels = np.zeros((4, 8, 8, 3), np.uint8)
    expected = r"^l2_strength = .*: expected \"auto\" or a number from 1e-12 to 1e\+06, such as 0.03$"
    with pytest.raises(RecipeError, match=expected):
        TransferClassifier("tiny", size=64).set_params(l2_strength=wrong).fit(pixels, [0, 0, 1, 1])


def test_fit__on_what_a_training_prepares(photos, tmp_path):
    """The features of a training and of the estimator are the same rows of the store."""
    from budwood.config.recipe import Recipe
    from budwood.pipeline.prepare import prepare_networks

    prepared = prepare_networks(Recipe.from_dict({"backbone": {"name": "tiny"}, "data": {"size": 64}}))
    with prepared.open_features(SILENT) as features:
        assert TransferClassifier(**SMALL).fit(*photos)._known.fingerprint == features.exact.fingerprint


@pytest.mark.parametrize(
    "wrong",
    [
        {"pooling": "sum"},
        {"folds": 1},
        {"precision": "f8"},
        {"resize": "x"},
    ],
)
def test_fit__parameter_out_of_range(wrong):
    pixels = np.zeros((4, 8, 8, 3), np.uint8)
    with pytest.raises(RecipeError):
        TransferClassifier("tiny", size=64).set_params(**wrong).fit(pixels, [0, 0, 1, 1])


UNPICKLED = """
import pickle, sys
from pathlib import Path
model = pickle.loads(Path(sys.argv[1]).read_bytes())
print(model.predict([sys.argv[2]])[0], sorted({"tensorflow", "keras"} & set(sys.modules)))
"""


def test_predict__a_fitted_one_needs_no_tensorflow_in_another_process(photos, tmp_path):
    """Neither where the features are kept nor, of a new picture, where the converted graph is."""
    paths, labels = photos
    first = paths[0]
    model = TransferClassifier(**SMALL).fit(paths, labels)
    (tmp_path / "fitted.pickle").write_bytes(pickle.dumps(model))
    expected = model.predict([first])[0]
    new = tmp_path / "new.png"
    Image.open(first).rotate(180).save(new)
    for picture in (first, new):
        done = subprocess.run(
            [sys.executable, "-c", UNPICKLED, tmp_path / "fitted.pickle", picture],
            capture_output=True,
            text=True,
        )
        assert done.stdout.strip() == f"{expected} []", done.stderr


def test_predict__where_the_graph_is_gone_the_network_is_built_again(photos, shared_cache, monkeypatch):
    paths, labels = photos
    model = pickle.loads(pickle.dumps(TransferClassifier(**SMALL).fit(paths, labels)))
    expected = model.predict_proba(paths[:2])
    monkeypatch.setattr(estimator, "_built", set())
    monkeypatch.setattr(estimator.Engine, "kept", lambda *known: None)
    estimator._known_features.cache_clear()
    with Image.open(paths[0]) as image:
        found = model.predict_proba([paths[0], image.convert("RGB")])
    np.testing.assert_allclose(found[0], expected[0], atol=1e-6)
    np.testing.assert_allclose(found[1], expected[0], atol=1e-2)


def test_predict__of_other_parameters_is_by_another_network(photos):
    paths, labels = photos
    model = TransferClassifier(**SMALL).fit(paths, labels)
    remembered = model._known.fingerprint
    model.set_params(pooling="max")
    assert model._frozen().fingerprint != remembered


def test_fit__decides_once_what_is_white_in_pictures_of_12_bits(tmp_path):
    rng = np.random.default_rng(0)
    deep, shallow, y = [], [], [0, 1] * 6
    for index, label in enumerate(y):
        waves = 1500 + 900 * np.sin(np.arange(64) * (0.3 + 0.4 * label) + index)
        values = (waves + 99 * rng.random((64, 64))).astype(np.uint16)
        Image.fromarray(values).save(tmp_path / f"{index}.png")
        deep.append(tmp_path / f"{index}.png")
        shallow.append(np.round(values * (255 / 4095)).astype(np.uint8))
    fitted = TransferClassifier(**SMALL).fit(deep, y)
    assert fitted.levels_ == ValueRange(0.0, 4095.0)
    assert TransferClassifier(**SMALL).fit(shallow, y).levels_ is None
    np.testing.assert_allclose(fitted.predict_proba(deep), fitted.predict_proba(shallow), atol=0.03)
    kept = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(kept.predict_proba(deep), fitted.predict_proba(deep))


@pytest.fixture(scope="module")
def several(photos):
    """Warm where there is red or green, deep where there is blue: each photo has one, two or none."""
    colours = np.array(photos[1])
    third = np.arange(len(colours)) % 3 == 0
    targets = np.stack([np.isin(colours, ["red", "green"]), (colours == "blue") | (colours == "red")], axis=1)
    return photos[0], np.column_stack([targets, (colours == "green") & ~third]).astype(int)


def test_fit__several_labels_as_scikit_learn_has_them(several):
    """Against a logistic regression a label on the same features, scaled alike, of the same strength."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier

    from budwood.training.cross_validation import moments

    paths, y = several
    model = TransferClassifier(**SMALL).fit(paths, y)
    assert model.multilabel_ and model.n_outputs_ == 3
    assert model.label_names_.tolist() == ["label 0", "label 1", "label 2"]
    np.testing.assert_array_equal(model.classes_, [0, 1, 2])
    assert model.l2_strength_.tolist() == [0.01] * 3
    features = model._features(paths)
    # Features that hardly move count as if they moved more; by that alone it would be 0.011 off.
    mean, scale = moments(features)
    features = (features - mean) / scale
    alone = LogisticRegression(C=1 / (0.01 * len(paths)), tol=1e-8, max_iter=5000)
    other = OneVsRestClassifier(alone).fit(features, y)
    np.testing.assert_allclose(model.predict_proba(paths), other.predict_proba(features), atol=5e-5)
    np.testing.assert_array_equal(model.predict(paths), model.predict_proba(paths) >= model.thresholds_)
    assert model.predict(paths).dtype.kind == "i" and model.decision_function(paths).shape == y.shape
    assert model.score(paths, y) == (model.predict(paths) == y).all(axis=1).mean()


def test_fit__thresholds_are_chosen_on_pictures_that_were_held_out(several, monkeypatch):
    paths, y = several
    asked, real = [], estimator.fit_labels_as_asked

    def fit(*arguments, **settings):
        asked.append(real(*arguments, **settings))
        return asked[-1]

    monkeypatch.setattr(estimator, "fit_labels_as_asked", fit)
    model = TransferClassifier(**SMALL).fit(paths, y)
    held_out = scipy.special.expit(asked[0].held_out)
    # One strength was given, and pictures were held out all the same.
    assert not np.isnan(held_out).any() and asked[0].path == ((),) * 3
    names = model.label_names_.tolist()
    assert model.thresholds_.tolist() == list(choose_thresholds(y * 1.0, held_out, names).values)
    assert len(set(model.thresholds_)) == 3
    plain = TransferClassifier(**SMALL, thresholds=None).fit(paths, y)
    assert np.isnan(asked[1].held_out).all() and plain.thresholds_.tolist() == [0.5] * 3
    np.testing.assert_allclose(plain.predict_proba(paths), model.predict_proba(paths), atol=1e-6)
    precise = TransferClassifier(**SMALL, thresholds=0.7).fit(paths, y)
    expected = choose_thresholds(y * 1.0, held_out, names, goal=0.7).values
    assert precise.thresholds_.tolist() == list(expected)
    # One that was pickled before there were thresholds splits at 0.5.
    del plain.thresholds_
    np.testing.assert_array_equal(plain.predict(paths), plain.predict_proba(paths) >= 0.5)
    with pytest.raises(RecipeError, match="thresholds"):
        TransferClassifier(**SMALL, thresholds="best").fit(paths, y)


def test_fit__several_labels_have_names(several):
    import pandas as pd

    paths, y = several
    expected = TransferClassifier(**SMALL).fit(paths, y).predict_proba(paths)
    names = ["warm", "deep", "odd"]
    frame = pd.DataFrame(y, columns=names)
    texts = [[name for name, has in zip(names, row, strict=True) if has] for row in y]
    model = TransferClassifier(**SMALL).fit(paths, frame)
    np.testing.assert_array_equal(model.predict_proba(paths), expected)
    assert model.label_names_.tolist() == names
    assert model.score(paths, frame[names[::-1]]) == model.score(paths, y) == model.score(paths, texts)
    by_name = TransferClassifier(**SMALL).fit(paths, pd.Series([set(row) for row in texts]))
    assert by_name.label_names_.tolist() == sorted(names)
    order = [sorted(names).index(name) for name in names]
    np.testing.assert_allclose(by_name.predict_proba(paths)[:, order], expected, atol=1e-5)


def test_fit__unknown_labels_are_left_out(several):
    paths, y = several
    targets = y.astype(float)
    targets[::4, 0] = np.nan
    known = ~np.isnan(targets[:, 0])
    model = TransferClassifier(**SMALL).fit(paths, targets)
    alone = TransferClassifier(**SMALL).fit([p for p, one in zip(paths, known, strict=True) if one], y[known])
    found = model.predict_proba(paths)
    assert (
        np.abs(found[:, 0] - TransferClassifier(**SMALL).fit(paths, y).predict_proba(paths)[:, 0]).max()
        > 1e-4
    )
    np.testing.assert_array_equal(model.predict(paths)[:, 0], alone.predict(paths)[:, 0])
    said = model.predict(paths)
    assert model.score(paths, targets) == ((said == targets) | np.isnan(targets)).all(axis=1).mean()


@pytest.mark.parametrize("columns", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_cross_val_score__several_labels(several, columns):
    """Of two labels scikit-learn must not take the columns for the two sides of one question."""
    paths, y = several
    for scoring in ("average_precision", "f1_macro", "roc_auc", None):
        scores = cross_val_score(
            TransferClassifier(**SMALL),
            paths,
            y[:, :columns],
            cv=KFold(2, shuffle=True, random_state=0),
            scoring=scoring,
            error_score="raise",
        )
        assert scores.min() > 0.5


def test_fit__a_table_brings_its_labels(several, tmp_path, monkeypatch):
    from budwood.data.sources import read_source

    paths, y = several
    rows = [
        f"{path},{';'.join(name for name, has in zip(('warm', 'deep'), row, strict=False) if has)},g{place}"
        for place, (path, row) in enumerate(zip(paths, y.tolist(), strict=True))
    ]
    table = tmp_path / "photos.csv"
    table.write_text("\n".join(["path,labels,group", *rows]))
    asked = []
    real = estimator.fit_labels_as_asked
    monkeypatch.setattr(
        estimator,
        "fit_labels_as_asked",
        lambda *a, groups, **k: asked.append(groups) or real(*a, groups=groups, **k),
    )
    model = TransferClassifier(**SMALL).fit(table)
    assert model.label_names_.tolist() == ["deep", "warm"] and len(set(asked[0])) == len(paths)
    manifest = read_source(table)
    np.testing.assert_array_equal(model.predict(manifest), model.predict([p.image for p in manifest.photos]))
    assert model.score(table) == model.score(manifest) == model.score(paths, y[:, [1, 0]])


def test_fit__a_folder_brings_its_classes(session_colours, photos):
    model = TransferClassifier(**SMALL).fit(session_colours)
    expected = TransferClassifier(**SMALL).fit(*photos)
    assert model.score(session_colours) == expected.score(*photos) and not model.multilabel_


def test_score__one_class_where_several_labels_were_learned(several):
    paths, y = several
    model = TransferClassifier(**SMALL).fit(paths, y)
    with pytest.raises(ValueError, match="one class per picture, and this classifier learned several"):
        model.score(paths, y[:, 0])


def test_fit__a_label_that_all_have(several):
    paths, y = several
    with pytest.raises(DataError, match="the label 'label 1' is on all of the training photos"):
        TransferClassifier(**SMALL).fit(paths, np.column_stack([y[:, 0], np.ones(len(y))]))
