import numpy as np
import pytest
from scipy.special import log_softmax, softmax
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from budwood.config.recipe import Recipe
from budwood.core.errors import DataError
from budwood.training import cross_validation
from budwood.training import linear_probe as linear
from budwood.training.cross_validation import assign_folds
from budwood.training.linear_probe import fit_as_asked, fit_linear, fit_seconds, resolve_fit
from budwood.training.strength_path import FIRST, best


def scales(x):
    """Roots of standard deviations, those of features that hardly move raised to a twentieth of the median, as
    multiples of their mean's root."""
    deviations = StandardScaler().fit(x.astype(np.float64)).scale_
    return np.sqrt(np.maximum(deviations, np.median(deviations) / 20) * deviations.mean())


def pareto_scaled(x):
    return (x - x.mean(axis=0, dtype=np.float64)) / scales(x)


def photos(n=300, features=20, num_classes=4, seed=0, spread=0.5):
    """Class means on uneven scales."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % num_classes
    centres = rng.normal(size=(num_classes, features)) * spread
    x = (centres[labels] + rng.normal(size=(n, features))) * np.geomspace(0.01, 100, features) + 3
    return x.astype(np.float32), labels


def probabilities(fit, x):
    return softmax(x @ fit.kernel + fit.bias, axis=1)


@pytest.mark.parametrize("num_classes", [2, 3, 7])
@pytest.mark.parametrize("strength", [1.0, 0.01])
def test_fit_linear__equals_scikit_learn(num_classes, strength):
    x, y = photos(num_classes=num_classes)
    fit = fit_linear(x, y, num_classes, strengths=[strength])
    scaled = pareto_scaled(x)
    # Of two classes scikit-learn penalises the difference alone, half as much.
    penalty = strength / 2 if num_classes == 2 else strength
    exact = LogisticRegression(C=1 / (penalty * len(y)), tol=1e-9, max_iter=5000).fit(scaled, y)
    np.testing.assert_allclose(probabilities(fit, x), exact.predict_proba(scaled), atol=1e-4)


@pytest.mark.parametrize("num_classes", [2, 3])
def test_fit_linear__weights_are_those_of_scikit_learn(num_classes):
    x, y = photos(num_classes=num_classes)
    weights = np.where(y == 1, 3.0, 0.5)
    weights /= weights.mean()
    fit = fit_linear(x, y, num_classes, strengths=[0.05], weights=weights)
    scaled = pareto_scaled(x)
    penalty = 0.05 / 2 if num_classes == 2 else 0.05
    exact = LogisticRegression(C=1 / (penalty * len(y)), tol=1e-9, max_iter=5000)
    expected = exact.fit(scaled, y, sample_weight=weights).predict_proba(scaled)
    np.testing.assert_allclose(probabilities(fit, x), expected, atol=1e-4)
    assert np.abs(expected - probabilities(fit_linear(x, y, num_classes, strengths=[0.05]), x)).max() > 0.05


def test_fit_as_asked__photos_count_by_their_own_weights_and_those_of_their_classes():
    x, y = photos(num_classes=3)
    own = np.linspace(0.5, 2, len(y))
    recipe = Recipe.from_dict(
        {"frozen": {"l2_strengths": [0.05]}, "loss": {"class_weights": {"0": 2.0, "1": 1.0}}}
    )
    product = own * np.array([2.0, 1.0, 1.0])[y]
    expected = fit_linear(x, y, 3, strengths=[0.05], weights=product / product.mean())
    found = fit_as_asked(recipe, x, y, ["0", "1", "2"], weights=own)
    np.testing.assert_allclose(found.kernel, expected.kernel, atol=1e-6)
    alone = fit_as_asked(recipe, x, y, ["0", "1", "2"])
    assert np.abs(alone.kernel - found.kernel).max() > 1e-4


def test_fit_linear__weights_count_where_the_strength_is_chosen():
    """Photos without weight decide nothing, whatever their labels."""
    x, y = photos(num_classes=3)
    weights = np.where(np.arange(len(y)) % 2, 2.0, 0.0)
    spoilt = np.where(weights == 0, (y + 1) % 3, y)

    def loss(labels, weights):
        return fit_linear(x, labels, 3, strengths=[1.0, 0.1], weights=weights, folds=3).path[1].loss

    assert loss(spoilt, weights) == pytest.approx(loss(y, weights), rel=0.2)
    assert loss(spoilt, None) > 1.3 * loss(y, None)


@pytest.mark.parametrize("num_classes", [2, 5])
def test_fit_linear__minimises_the_stated_loss(num_classes):
    x, y = photos(num_classes=num_classes)
    strength = 0.05
    fit = fit_linear(x, y, num_classes, strengths=[strength])
    mean, scale = x.mean(axis=0, dtype=np.float64), scales(x)
    kernel, bias = fit.kernel * scale[:, None], fit.bias + mean @ fit.kernel

    def objective(kernel, bias):
        losses = -log_softmax((x - mean) / scale @ kernel + bias, axis=1)[np.arange(len(y)), y]
        return losses.mean() + strength / 2 * (kernel**2).sum()

    reached, rng = objective(kernel, bias), np.random.default_rng(0)
    for _ in range(20):
        step = rng.normal(size=kernel.shape) * 0.02
        assert objective(kernel + step, bias) > reached
        assert objective(kernel, bias + rng.normal(size=bias.shape) * 0.05) > reached
    for factor in (0.97, 1.03):
        assert objective(kernel * factor, bias) > reached


def test_fit_linear__path_equals_separate_cross_validation():
    x, y = photos()
    fit = fit_linear(x, y, 4, strengths=[0.1, 0.01], folds=4, seed=5)
    fold_of = assign_folds(y, 4, 5)
    scaled = pareto_scaled(x)
    for point in fit.path:
        losses = np.zeros(len(y))
        for fold in range(4):
            held_out, rest = fold_of == fold, fold_of != fold
            model = LogisticRegression(C=1 / (point.strength * rest.sum()), tol=1e-7, max_iter=5000)
            logs = model.fit(scaled[rest], y[rest]).predict_log_proba(scaled[held_out])
            losses[held_out] = -logs[np.arange(held_out.sum()), y[held_out]]
        assert point.loss == pytest.approx(losses.mean(), rel=0.01)
        assert point.loss_se == pytest.approx(losses.std() / np.sqrt(len(y)), rel=0.05)


def test_fit_linear__twice_is_identical():
    x, y = photos()
    first, again = fit_linear(x, y, 4), fit_linear(x, y, 4)
    np.testing.assert_array_equal(first.kernel, again.kernel)
    np.testing.assert_array_equal(first.bias, again.bias)
    assert first.path == again.path


def test_fit_linear__does_not_depend_on_the_number_of_cores(monkeypatch):
    x, y = photos()
    first = fit_linear(x, y, 4)
    monkeypatch.setattr(cross_validation, "num_cores", lambda: 1)
    np.testing.assert_array_equal(first.kernel, fit_linear(x, y, 4).kernel)


def test_fit_linear__auto_path_brackets_the_best():
    x, y = photos(spread=0.15)
    fit = fit_linear(x, y, 4)
    strengths = [point.strength for point in fit.path]
    assert strengths == sorted(strengths, reverse=True)
    assert strengths[0] > fit.strength > strengths[-1]
    assert fit.strength == best(fit.path).strength


def test_fit_linear__auto_path_grows_where_the_best_is_at_an_end():
    x, y = photos(n=80, spread=0.0)  # Nothing to learn: the strongest penalty is the best.
    fit = fit_linear(x, y, 4)
    assert fit.path[0].strength > FIRST * 10
    x, y = photos(n=400, spread=20.0)  # No doubt at all: the weakest is.
    fit = fit_linear(x, y, 4)
    assert fit.path[-1].strength < FIRST / 1000


def test_fit_linear__given_strengths_are_all_tried():
    x, y = photos(n=60)
    fit = fit_linear(x, y, 4, strengths=[0.001, 10.0, 0.1, 0.1])
    assert [point.strength for point in fit.path] == [10.0, 0.1, 0.001]


def test_fit_linear__constant_features_do_nothing():
    x, y = photos(features=5)
    with_constant = np.concatenate([x, np.full((len(x), 2), 7, np.float32)], axis=1)
    fit, same = fit_linear(x, y, 4), fit_linear(with_constant, y, 4)
    assert np.isfinite(same.kernel).all()
    np.testing.assert_allclose(probabilities(fit, x), probabilities(same, with_constant), atol=1e-3)


def test_fit_linear__one_photo_of_a_class_is_learnt():
    x, y = photos(n=41, features=30)
    x, y = (x / x.std(axis=0)).astype(np.float32), np.where(np.arange(41) == 40, 4, y)
    fit = fit_linear(x, y, 5)
    assert probabilities(fit, x)[40].argmax() == 4


def test_fit_linear__one_photo_of_every_class_leaves_no_path():
    x, _ = photos(n=3)
    fit = fit_linear(x, np.arange(3), 3)
    assert fit.path == []
    assert fit.strength == linear.UNTUNED_STRENGTH
    assert (probabilities(fit, x).argmax(axis=1) == np.arange(3)).all()


def test_fit_linear__number_of_classes_bounds_the_threads(monkeypatch):
    """Each thread has arrays of features * classes of its own; what is fitted is the same."""
    x, y = photos(num_classes=4)
    first, tried = fit_linear(x, y, 4), []
    monkeypatch.setattr(cross_validation, "MAX_BYTES", 2 * 4 * cross_validation.STATES * 20 * 4)
    pool = linear.ThreadPoolExecutor
    monkeypatch.setattr(cross_validation, "num_cores", lambda: 8)
    monkeypatch.setattr(linear, "ThreadPoolExecutor", lambda threads: tried.append(threads) or pool(threads))
    np.testing.assert_array_equal(fit_linear(x, y, 4).kernel, first.kernel)
    assert tried == [2]


def test_fit_linear__many_classes_of_few_photos_equal_scikit_learn():
    """More features than photos, and three photos a class."""
    x, y = photos(n=120, features=200, num_classes=40, seed=0)
    fit = fit_linear(x, y, 40, strengths=[0.01])
    scaled = pareto_scaled(x)
    exact = LogisticRegression(C=1 / (0.01 * len(y)), tol=1e-9, max_iter=5000).fit(scaled, y)
    np.testing.assert_allclose(probabilities(fit, x), exact.predict_proba(scaled), atol=1e-4)
    new, _ = photos(n=40, features=200, num_classes=40, seed=10)
    scaled = (new - x.mean(axis=0, dtype=np.float64)) / scales(x)
    np.testing.assert_allclose(probabilities(fit, new), exact.predict_proba(scaled), atol=1e-3)


def test_fit_linear__says_how_far_it_is(recorded_stages):
    fit = fit_linear(*photos(n=40), 4, strengths=[1.0, 0.1], folds=3, progress=recorded_stages)
    assert recorded_stages.stages == {"head": len(fit.path) * 3 + 1}


def test_fit_linear__class_without_a_photo_is_refused():
    x, y = photos()
    with pytest.raises(DataError, match="no photo of class number 4"):
        fit_linear(x, y, 5)


def test_fit_linear__one_class_is_refused():
    x, y = photos()
    with pytest.raises(DataError, match="1 class"):
        fit_linear(x, np.zeros_like(y), 1)


def test_fit_linear__feature_that_is_not_finite_is_refused():
    x, y = photos()
    x[3, 3] = np.nan
    with pytest.raises(DataError, match="not finite"):
        fit_linear(x, y, 4)


def test_fit_linear__flower_features_are_told_apart(test_data):
    """Coloured pixels of real photos, no network: far above chance, and the path has its best inside."""
    from PIL import Image

    folder = test_data / "datasets" / "oxford_flowers12" / "train"
    classes = sorted(path.name for path in folder.iterdir() if path.is_dir())
    files = [
        (path, number) for number, name in enumerate(classes) for path in sorted((folder / name).iterdir())
    ]
    x = np.stack(
        [np.asarray(Image.open(path).convert("RGB").resize((8, 8)), np.float32).ravel() for path, _ in files]
    )
    fit = fit_linear(x, np.array([number for _, number in files]), len(classes))
    chosen = best(fit.path)
    assert chosen.accuracy > 3 / len(classes)
    assert chosen not in (fit.path[0], fit.path[-1])


def test_fit_linear__one_strength_is_taken_without_cross_validation():
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 3
    features = rng.normal(np.eye(8)[labels], 1).astype(np.float32)
    alone = linear.fit_linear(features, labels, 3, strengths=[0.03])
    among = linear.fit_linear(features, labels, 3, strengths=[0.03, 0.0300001])
    assert alone.path == [] and alone.strength == 0.03
    np.testing.assert_allclose(alone.kernel, among.kernel, atol=1e-4)


def test_fit_linear__feature_that_hardly_moves_does_not_explode():
    rng = np.random.default_rng(0)
    labels = np.arange(30) % 3
    features = rng.normal(np.eye(8)[labels] * 3, 1).astype(np.float32)
    # Nearly constant on the training photos, by chance a little larger in one class; far away on a new photo.
    features[:, 7] = 1e-4 * (labels == 0)
    fit = linear.fit_linear(features, labels, 3)
    new = features[:1].copy()
    new[0, 7] = 3.0
    assert np.abs((new - features[:1]) @ fit.kernel).max() < 30


@pytest.mark.parametrize(
    ("values", "sizes", "fit"),
    [
        ({}, (2936, 1280, 5), "linear"),
        ({"head": {"dropout": 0.2}}, (2936, 1280, 5), "gradient"),
        ({"head": {"hidden": [8]}}, (2936, 1280, 5), "gradient"),
        ({"frozen": {"fit": "gradient"}}, (2936, 1280, 5), "gradient"),
        ({"loss": {"label_smoothing": 0.1}}, (2936, 1280, 5), "gradient"),
        ({"loss": {"focal": 2.0}}, (2936, 1280, 5), "gradient"),
        ({"loss": {"class_weights": "balanced"}}, (2936, 1280, 5), "linear"),
        ({"augment": {"mixup": 0.2}}, (2936, 1280, 5), "gradient"),
        ({"augment": {"views": 3}}, (2936, 1280, 5), "linear"),
        ({"distill": {"run": "r"}}, (2936, 1280, 5), "gradient"),
        ({"frozen": {"fit": "linear"}}, (58_000, 1280, 400), "linear"),
        ({}, (58_000, 1280, 400), "linear"),
        ({"frozen": {"fit": "linear"}}, (9_000_000, 1280, 400), "gradient"),
        ({}, (9_000_000, 1280, 400), "gradient"),
    ],
)
def test_resolve_fit(values, sizes, fit):
    recipe, reason = resolve_fit(Recipe.from_dict(values), *sizes)
    assert recipe.frozen.fit == fit
    assert (reason is not None) == (sizes[0] > 3000)


def test_resolve_fit__says_that_rows_are_read_in_blocks():
    _, reason = resolve_fit(Recipe(), 1_000_000, 1280, 100)
    assert "block by block" in reason and "100,000 of the photos" in reason


def test_resolve_fit__several_labels_have_no_shards():
    recipe, reason = resolve_fit(Recipe(), 58_000, 1280, 400, multi_label=True)
    assert recipe.frozen.fit == "gradient" and "gradient steps instead" in reason


def test_fit_seconds__over_shards_grows_by_the_passes(monkeypatch):
    """A product of a hundred rows takes a second here, whatever the machine."""
    monkeypatch.setattr(linear.time, "perf_counter", iter(range(100)).__next__)
    monkeypatch.setattr(linear, "num_cores", lambda: 2)
    seconds = [fit_seconds(n, 1280, 100, Recipe()) for n in (1_000_000, 3_000_000)]
    assert pytest.approx(seconds[1] - seconds[0]) == linear.SHARDED_PASSES * 2.7 / 2 * 2_000_000 / 512


NEED_GRADIENT_STEPS = {
    "head": {"hidden": [8], "batch_norm": True, "dropout": 0.2},
    "loss": {"label_smoothing": 0.1, "focal": 2.0, "asymmetric": 4.0, "clip": 0.05},
    "distill": {"run": "r"},
}
GO_WITH_A_LINEAR_FIT = {
    "head": {"pooling", "l2", "logits"},
    "loss": {"class_weights"},
    "distill": {"temperature", "weight"},
}


@pytest.mark.parametrize("section", NEED_GRADIENT_STEPS)
def test_resolve_fit__no_key_is_forgotten(section):
    keys = set(getattr(Recipe(), section).model_dump())
    assert keys == NEED_GRADIENT_STEPS[section].keys() | GO_WITH_A_LINEAR_FIT[section]
    for key, value in NEED_GRADIENT_STEPS[section].items():
        recipe, _ = resolve_fit(Recipe.from_dict({section: {key: value}}), 2936, 1280, 5)
        assert recipe.frozen.fit == "gradient", key


def test_fit_linear__twins_do_not_choose_the_strength():
    rng = np.random.default_rng(0)
    scenes = rng.normal(size=(60, 40)).astype(np.float32)
    x = np.repeat(scenes, 5, axis=0) + rng.normal(scale=0.01, size=(300, 40)).astype(np.float32)
    y = np.repeat(rng.integers(0, 2, 60), 5)
    groups = [f"scene {i // 5}" for i in range(300)]
    apart, together = (fit_linear(x, y, 2, groups=some) for some in (None, groups))
    assert best(apart.path).accuracy > 0.9 > 0.7 > best(together.path).accuracy
    assert together.strength > apart.strength


def test_fit_seconds__grows_with_the_classes():
    few, many = (linear.fit_seconds(500, 640, classes, Recipe()) for classes in (5, 500))
    assert 0 < few < many < 600
