import numpy as np

from budwood.auditing import outliers
from budwood.auditing.outliers import find_outliers, neighbour_distances
from budwood.data.manifest import Photo


def made(n=200, planted=6, seed=0):
    """Two classes on a sphere around their middles, and photos at random elsewhere."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    noise = rng.normal(size=(n, 30))
    middles = np.zeros((2, 30))
    middles[0, 0] = middles[1, 1] = 10
    rows = middles[labels] + 5 + 3 * noise / np.linalg.norm(noise, axis=1, keepdims=True)
    rows[:planted] = 5 + rng.normal(size=(planted, 30)) * 4
    return (
        rows.astype(np.float32),
        labels,
        [Photo(b"", str(place), "ab"[labels[place]]) for place in range(n)],
    )


def find(rows, labels, photos):
    return find_outliers(lambda places: rows[list(places)], labels, photos)


def test_find_outliers__planted_photos_come_first():
    rows, labels, photos = made()

    found = find(rows, labels, photos)

    assert {one.photo.path for one in found[:6]} == {str(place) for place in range(6)}
    assert [one.rank for one in found] == list(range(1, len(found) + 1))
    assert all(one.distance > one.limit for one in found)


def test_find_outliers__hardly_any_where_all_are_alike_and_none_of_few_photos():
    rows, labels, photos = made(planted=0)

    assert len(find(rows, labels, photos)) <= 2
    assert find(rows[:20], labels[:20], photos[:20]) == []


def test_find_outliers__lists_three_in_a_hundred_at_most(monkeypatch):
    # What no data of sense have: distances that trail off evenly.
    distances = np.linspace(0.1, 0.9999, 1000) ** 0.2
    monkeypatch.setattr(outliers, "neighbour_distances", lambda *_: distances)
    monkeypatch.setattr(outliers, "UNUSUAL", 0.5)
    rows, labels, photos = made(n=1000)
    found = find(rows, labels, photos)
    assert len(found) == 30 and found[0].photo.path == "999" and found[0].limit < found[-1].distance


def test_neighbour_distances__compared_with_some_that_the_seed_draws(monkeypatch):
    rows, labels, _ = made(n=600)
    monkeypatch.setattr(outliers, "COMPARED_WITH", 300)
    get = lambda places: rows[list(places)]  # noqa: E731

    found = neighbour_distances(get, labels, 0)

    np.testing.assert_array_equal(found, neighbour_distances(get, labels, 0))
    assert set(np.argsort(-found)[:6]) == set(range(6))


def test_find_outliers__by_targets_of_several_labels():
    rows, labels, photos = made()
    targets = np.eye(labels.max() + 1, dtype=np.float32)[labels]
    found = find(rows, targets, photos)
    assert {one.photo.path for one in found[:6]} == {str(place) for place in range(6)}
    # With one label each least squares give the means of the classes.
    np.testing.assert_allclose(
        outliers._around_labels(rows, targets), outliers._around_classes(rows, labels), atol=1e-4
    )
    targets[3:9, 0] = np.nan
    assert np.isfinite(neighbour_distances(lambda places: rows[list(places)], targets)).all()
