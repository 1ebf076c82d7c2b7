from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.covariance import LedoitWolf
from sklearn.neighbors import NearestNeighbors

from budwood.core.errors import RunError
from budwood.evaluation.ood import METHODS, NEIGHBOURS, Reference, measure_ood


def draw(rng, n, classes=(0, 1, 2), features=16):
    """Features of `n` photos: a direction for each class, and noise."""
    labels = rng.choice(classes, n)
    centres = np.random.default_rng(99).normal(size=(6, features))
    return (centres[labels] + 0.4 * rng.normal(size=(n, features))).astype(np.float32), labels


@pytest.fixture
def reference() -> Reference:
    rng = np.random.default_rng(0)
    learned, labels = draw(rng, 200)
    return Reference(learned, labels, draw(rng, 120)[0])


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_distance__knn_is_scikit_learns(reference):
    pictures = draw(np.random.default_rng(1), 20)[0]
    found = NearestNeighbors(n_neighbors=NEIGHBOURS, metric="cosine").fit(reference.learned)
    expected = found.kneighbors(pictures)[0][:, -1]
    np.testing.assert_allclose(reference.distance(pictures, "knn"), expected, atol=1e-5)


def test_distance__mahalanobis_is_scikit_learns(reference):
    pictures = unit(draw(np.random.default_rng(2), 20)[0]).astype(np.float64)
    rows = unit(reference.learned).astype(np.float64)
    means = np.stack([rows[reference.labels == number].mean(axis=0) for number in range(3)])
    fitted = LedoitWolf(assume_centered=True).fit(rows - means[reference.labels])
    expected = np.min([fitted.mahalanobis(pictures - mean) for mean in means], axis=0)
    np.testing.assert_allclose(reference.distance(pictures, "mahalanobis"), expected, rtol=1e-3)


@pytest.mark.parametrize("method", METHODS)
def test_distance__tells_classes_that_were_never_shown(reference, method):
    rng = np.random.default_rng(3)
    known, others = draw(rng, 300)[0], draw(rng, 300, classes=(3, 4, 5))[0]
    figures = measure_ood(
        reference.distance(known, method),
        reference.distance(others, method),
        reference.threshold(0.95, method),
    )
    assert figures.auroc > 0.98 and figures.known_accepted > 0.88 and figures.ood_accepted < 0.1
    # More of the same is not told from itself.
    same = measure_ood(reference.distance(known, method), reference.distance(draw(rng, 300)[0], method), 1.0)
    assert same.auroc == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize("method", METHODS)
def test_distance__length_of_the_features_does_not_matter(reference, method):
    pictures = draw(np.random.default_rng(4), 5)[0]
    np.testing.assert_allclose(
        reference.distance(pictures, method), reference.distance(7 * pictures, method), rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize("method", METHODS)
def test_distance__few_photos_and_features_of_nothing(method):
    learned = np.array([[1, 0, 0], [0, 1, 0]], np.float32)
    one_each = Reference(learned, np.array([0, 1]), learned[:1])
    found = one_each.distance(np.array([[0, 0, 1], [0, 0, 0], [1, 0.1, 0]], np.float32), method)
    assert np.isfinite(found).all() and found[2] <= found[0]


def test_threshold__keeps_the_share_that_was_asked_for():
    """Simulated: the mean over many draws of held-out photos, each evaluated by many new ones."""
    rng = np.random.default_rng(5)
    kept = []
    for _ in range(60):
        learned, labels = draw(rng, 60)
        reference = Reference(learned, labels, draw(rng, 79)[0])
        kept.append((reference.distance(draw(rng, 400)[0]) <= reference.threshold(0.9)).mean())
    assert np.mean(kept) == pytest.approx(0.9, abs=0.012)


@pytest.mark.parametrize("m", [3, 8, 20])
def test_threshold__few_held_out_photos_make_it_no_stricter(m):
    rng = np.random.default_rng(8)
    kept = []
    for _ in range(200):
        learned, labels = draw(rng, 60)
        reference = Reference(learned, labels, draw(rng, m)[0])
        kept.append((reference.distance(draw(rng, 200)[0]) <= reference.threshold(0.98)).mean())
    assert 0.965 < np.mean(kept) < 0.999


def test_threshold__photos_learned_from_help_where_they_are_alike():
    """Simulated: as many known photos are kept, and the limit scatters less than with four held-out photos alone."""
    rng = np.random.default_rng(9)
    kept, limits = {}, {}
    for alike in (False, True):
        kept[alike], limits[alike] = [], []
        for _ in range(100):
            learned, labels = draw(rng, 40)
            reference = Reference(learned, labels, draw(rng, 4)[0], alike=alike)
            limits[alike].append(reference.threshold(0.98))
            kept[alike].append((reference.distance(draw(rng, 200)[0]) <= limits[alike][-1]).mean())
    assert 0.96 < np.mean(kept[True]) < 0.999
    assert np.std(limits[True]) < np.std(limits[False]) / 2
    assert np.median(limits[True]) < np.median(limits[False])


def test_threshold__held_out_photos_that_are_enough_are_asked_alone():
    rng = np.random.default_rng(9)
    (learned, labels), held_out = draw(rng, 40), draw(rng, 60)[0]
    both = [Reference(learned, labels, held_out, alike=alike) for alike in (False, True)]
    assert both[0].threshold(0.98) == both[1].threshold(0.98) and both[1].lacks() == 0


def test_lacks__counts_the_photos_learned_from_where_they_are_alike():
    (learned, labels), held_out = draw(np.random.default_rng(9), 20), draw(np.random.default_rng(10), 4)[0]
    assert Reference(learned, labels, held_out).lacks() == 45
    assert Reference(learned, labels, held_out, alike=True).lacks() == 25


def test_save__keeps_whether_photos_are_alike(tmp_path):
    (learned, labels), held_out = draw(np.random.default_rng(9), 20), draw(np.random.default_rng(10), 4)[0]
    for alike in (False, True):
        Reference(learned, labels, held_out, alike=alike).save(tmp_path / "r.npz")
        assert Reference.load(tmp_path / "r.npz").alike == alike


@given(m=st.integers(1, 60), recall=st.floats(0.01, 0.999))
def test_threshold__keeps_its_own_photos(m, recall):
    rng = np.random.default_rng(6)
    learned, labels = draw(rng, 30)
    reference = Reference(learned, labels, draw(rng, m)[0])
    distances, threshold = reference.distance(reference.held_out), reference.threshold(recall)
    assert (distances <= threshold).mean() >= recall - 1e-9
    if m >= 50 and recall < 0.97:
        assert threshold in distances


def test_threshold__one_tells_no_picture(reference):
    assert reference.threshold(1.0) == np.inf
    for bad in (0.0, 1.1, -1.0, float("nan")):
        with pytest.raises(RunError, match="up to 1"):
            reference.threshold(bad)


def test_save__comes_back_with_the_same_distances(reference, tmp_path):
    reference.save(tmp_path / "reference.npz")
    again = Reference.load(tmp_path / "reference.npz")
    pictures = draw(np.random.default_rng(7), 20)[0]
    for method in METHODS:
        before, after = reference.distance(pictures, method), again.distance(pictures, method)
        assert np.argsort(before).tolist() == np.argsort(after).tolist()
        np.testing.assert_allclose(after, before, rtol=0.02, atol=1e-3)


def test_save__keeps_names_and_thumbnails(reference, tmp_path):
    names = tuple(f"caf\udce9/{number}.jpg" for number in range(len(reference.learned)))
    thumbnails = tuple(b"\xff\xd8" * (number % 3) for number in range(len(reference.learned)))
    replace(reference, names=names, thumbnails=thumbnails).save(tmp_path / "reference.npz")
    again = Reference.load(tmp_path / "reference.npz")
    assert (again.names, again.thumbnails) == (names, thumbnails)
    places, similarities = again.nearest(again.learned[:2] * 7, 3)
    assert places[:, 0].tolist() == [0, 1] and similarities[:, 0] == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("damage", ["cut", "text", "absent", "flipped"])
def test_load__damaged_file(reference, tmp_path, damage):
    file = tmp_path / "reference.npz"
    reference.save(file)
    content = bytearray(file.read_bytes())
    if damage == "cut":
        file.write_bytes(content[: len(content) // 2])
    elif damage == "text":
        file.write_text("not an archive")
    elif damage == "absent":
        file.unlink()
    else:
        content[300] ^= 0xFF
        file.write_bytes(content)
    with pytest.raises(RunError, match="Copy the run again"):
        Reference.load(file)
