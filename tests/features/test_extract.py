"""Extraction: each image once, a bad photo never stops the rest, Ctrl-C loses nothing."""

import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from budwood.config.recipe import Augment
from budwood.core.errors import ImageError, StoreError
from budwood.data import images
from budwood.data.augment import Renderer
from budwood.data.images import digest, view
from budwood.data.manifest import Photo
from budwood.features import extract as features
from budwood.features.extract import Extraction, extract, keys_of, stream_views
from budwood.features.store.store import FeatureStore
from tests.progress import KeptStages

SIZE = 8
PLAIN = Renderer(SIZE, "crop")
DRAWN = Renderer(SIZE, "crop", Augment(rotation=0.2, brightness=40))


class MeanColour:
    """Stands for a feature extractor; counts what it is given."""

    shape = (3,)

    def __init__(self, stop_after: int = 10**9):
        self.num_made = self.num_views = 0
        self.stop_after = stop_after

    def __call__(self) -> "MeanColour":
        self.num_made += 1
        return self

    def run(self, views) -> Iterator[np.ndarray]:
        for pixels in views:
            if self.num_views == self.stop_after:
                raise KeyboardInterrupt
            self.num_views += 1
            yield mean_colour(pixels)


def mean_colour(pixels: np.ndarray) -> np.ndarray:
    return pixels.mean((0, 1), dtype=np.float32)


@pytest.fixture
def photos(tmp_path) -> list[Photo]:
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    made = []
    for number in range(40):
        file = folder / f"{number}.png"
        Image.fromarray(rng.integers(0, 256, (12, 10, 3), dtype=np.uint8)).save(file)
        made.append(Photo(image=file, name=file.name, label="a", sha256=digest(file)))
    return made


@pytest.fixture
def table(tmp_path):
    with FeatureStore(tmp_path / "features").open("fp", (3,)) as table:
        yield table


def key(photo: Photo) -> str:
    return keys_of([photo], PLAIN)[0]


def run(photos, frozen, table, renderer=PLAIN, **options) -> Extraction:
    return extract(photos, frozen, table, renderer=renderer, **options)


def test_extract__puts_each_photos_features_under_its_key(photos, table):
    frozen, progress = MeanColour(), KeptStages()
    result = run(photos, frozen, table, progress=progress)
    assert (result.num_computed, result.num_found, result.failed) == (40, 0, {})
    assert progress.stages == [["features", 40, 40]]
    expected = np.stack([mean_colour(view(photo.image, SIZE)) for photo in photos])
    assert np.array_equal(table.gather([key(photo) for photo in photos]), expected)


def test_extract__computes_nothing_twice(photos, table):
    run(photos[:39], MeanColour(), table)
    again = MeanColour()
    result = run(photos[:39], again, table)
    assert (result.num_computed, result.num_found, again.num_made) == (0, 39, 0)
    result = run(photos, again, table)
    assert (result.num_computed, result.num_found, again.num_views) == (1, 39, 1)


def test_extract__copies_are_computed_once(photos, table):
    copy = Photo(image=photos[0].image, name="copy.png", label="b", sha256=photos[0].sha256)
    frozen = MeanColour()
    result = run([*photos, copy], frozen, table)
    assert (result.num_computed, frozen.num_views) == (40, 40)
    assert np.array_equal(*table.gather([key(photos[0]), key(copy)]))


def test_extract__goes_on_past_bad_photos(photos, table, tmp_path):
    cut = tmp_path / "cut.png"
    cut.write_bytes(Path(photos[0].image).read_bytes()[:-200])
    bad = [
        Photo(image=cut, name="cut.png", label="a", sha256=digest(cut)),
        Photo(image=cut, name="cut again.png", label="a", sha256=digest(cut)),
        Photo(image=tmp_path / "gone.png", name="gone.png", label="a", sha256="0" * 64),
        Photo(image=tmp_path / "gone.png", name="never checked.png", label="a"),
        Photo(image=photos[0].image, name="changed.png", label="a", sha256="1" * 64),
    ]
    progress = KeptStages()
    result = run([*bad, *photos], MeanColour(), table, progress=progress)
    assert result.num_computed == 40
    assert result.failed.keys() == {photo.name for photo in bad}
    assert "changed since" in result.failed["changed.png"]
    assert all(result.failed.values())
    assert progress.stages == [["features", 43, 43]]
    assert table.missing([key(photo) for photo in photos]) == []
    assert table.missing([key(bad[4])]) == [key(bad[4])]


def test_extract__takes_arrays_bytes_and_unchecked_photos(table, photos):
    pixels = np.random.default_rng(3).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
    data = Path(photos[0].image).read_bytes()
    given = [
        Photo(image=pixels, name="0", label="a"),
        Photo(image=data, name="1", label="a"),
        Photo(image=photos[0].image, name="2", label="a"),
    ]
    result = run(given, MeanColour(), table)
    assert (result.num_computed, result.failed) == (2, {})
    rows = table.gather([key(photo) for photo in given])
    assert np.array_equal(rows[0], mean_colour(pixels))
    assert np.array_equal(rows[1], rows[2])


def test_extract__interrupted_keeps_what_was_computed(photos, table):
    with pytest.raises(KeyboardInterrupt):
        run(photos, MeanColour(stop_after=25), table)
    assert len(list(table.folder.glob("*.json"))) == 1
    frozen = MeanColour()
    result = run(photos, frozen, table)
    assert (result.num_found, result.num_computed, frozen.num_views) == (25, 15, 15)


def test_extract__two_at_once_on_one_store_compute_nothing_twice(photos, tmp_path, monkeypatch):
    monkeypatch.setattr(features, "FIRST_CLAIM", 4)
    monkeypatch.setattr(features, "MOST_CLAIMED", 8)

    class Slow(MeanColour):
        def run(self, views):
            for row in super().run(views):
                time.sleep(0.005)
                yield row

    def compute(some: list[Photo]) -> tuple[Extraction, int, np.ndarray]:
        frozen = Slow()
        with FeatureStore(tmp_path / "features").open("fp", (3,)) as table:
            found = extract(some, frozen, table, renderer=PLAIN)
            return found, frozen.num_views, table.gather([key(photo) for photo in some])

    # In another order, as the folds of a cross-validation have them.
    halves = [photos[:30], photos[10:][::-1]]
    with ThreadPoolExecutor(2) as pool:
        (one, first, rows), (other, second, _) = pool.map(compute, halves)
    assert first + second == 40
    assert min(first, second) > 0
    assert (one.num_computed + one.num_found, other.num_computed + other.num_found) == (30, 30)
    assert np.array_equal(rows, [mean_colour(view(photo.image, SIZE, "crop")) for photo in photos[:30]])


def test_extract__refuses_features_that_are_not_finite(photos, table):
    class Broken(MeanColour):
        def run(self, views):
            for _ in views:
                yield np.full(3, np.nan, np.float32)

    with pytest.raises(StoreError, match="not finite"):
        run(photos, Broken(), table)


def test_extract__of_nothing_makes_no_frozen_part(table):
    frozen = MeanColour()
    result = run([], frozen, table)
    assert (result.num_computed, result.num_found, frozen.num_made) == (0, 0, 0)


def test_extract__keeps_every_view_of_a_photo_under_a_key_of_its_own(photos, table):
    asked, views = [*photos[:3], *photos[:3]], np.array([0, 0, 1, 4, 2, 1])
    frozen, progress = MeanColour(), KeptStages()
    result = run(asked, frozen, table, DRAWN, views=views, progress=progress)
    # The third photo is asked for its view 1 twice.
    assert (result.num_computed, result.num_found, frozen.num_views) == (5, 0, 5)
    assert progress.stages == [["features", 5, 5]]
    expected = [
        mean_colour(DRAWN.render(photo.image, photo.sha256, int(view)))
        for photo, view in zip(asked, views, strict=True)
    ]
    assert np.array_equal(table.gather(keys_of(asked, DRAWN, views)), expected)
    # Original views are the same whatever is drawn besides.
    result = run(photos[:3], frozen, table, PLAIN)
    assert (result.num_computed, result.num_found) == (1, 2)


def test_extract__decodes_a_photo_once_for_its_views(photos, table, monkeypatch):
    decoded = []
    whole = images._decode
    monkeypatch.setattr(
        images, "_decode", lambda image, *how: decoded.append(type(image)) or whole(image, *how)
    )
    asked = [photo for photo in photos[:4] for _ in range(6)]
    run(asked, MeanColour(), table, DRAWN, views=[1, 2, 3, 4, 5, 6] * 4)
    assert decoded.count(bytes) == 4
    expected = [
        mean_colour(DRAWN.render(photo.image, photo.sha256, view))
        for photo in photos[:4]
        for view in range(1, 7)
    ]
    assert np.array_equal(table.gather(keys_of(asked, DRAWN, [1, 2, 3, 4, 5, 6] * 4)), expected)


def test_extract__a_bad_photo_fails_once_for_all_its_views(photos, table, tmp_path):
    bad = Photo(image=tmp_path / "gone.png", name="gone.png", label="a", sha256="0" * 64)
    asked, views = [bad] * 20 + photos[:1] * 20, [*range(20), *range(20)]
    progress = KeptStages()
    result = run(asked, MeanColour(), table, DRAWN, views=views, progress=progress)
    assert (result.num_computed, list(result.failed)) == (20, ["gone.png"])
    assert progress.stages == [["features", 40, 40]]
    assert len(table.missing(keys_of(asked, DRAWN, views))) == 20


def test_stream_views__gives_what_extract_stores(photos, table):
    views = [number % 3 for number in range(40)]
    streamed = np.stack(list(stream_views(photos, views, MeanColour(), DRAWN)))
    run(photos, MeanColour(), table, DRAWN, views=views)
    assert np.array_equal(streamed, table.gather(keys_of(photos, DRAWN, views)))


def test_stream_views__raises_where_a_photo_cannot_be_decoded(photos):
    gone = Photo(image="nowhere.png", name="roses/nowhere.png", label="a", sha256="0" * 64)
    rows = stream_views([*photos[:20], gone], [1] * 21, MeanColour(), DRAWN)
    given = []
    with pytest.raises(ImageError, match="roses/nowhere.png: cannot be read"):
        given.extend(rows)
    changed = Photo(image=photos[0].image, name="changed.png", label="a", sha256="1" * 64)
    with pytest.raises(ImageError, match="changed.png: changed since") as caught:
        next(stream_views([changed], [1], MeanColour(), DRAWN))
    assert caught.value.kind == "changed"


def test_stream_views__leaves_no_thread_behind_when_closed(photos):
    before = threading.active_count()
    rows = stream_views(photos, [1] * 40, MeanColour(), DRAWN)
    next(rows)
    assert threading.active_count() > before
    rows.close()
    assert threading.active_count() == before


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_extract__ctrl_c_in_a_terminal(photos, tmp_path):
    """A real SIGINT in the middle of the real pipeline, decoding threads and all."""
    code = """
        import signal
        import sys
        from pathlib import Path
        import numpy as np
        from budwood.data.augment import Renderer
        from budwood.data.manifest import Photo
        from budwood.features.extract import extract
        from budwood.features.store.store import FeatureStore
        # Where the tests run in the background, their children would ignore it.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        class Slow:
            def run(self, views):
                for number, pixels in enumerate(views):
                    if number == 10:
                        print("under way", flush=True)
                        # In steps: a signal that comes just before a sleep does not end it.
                        import time; [time.sleep(0.1) for _ in range(600)]
                    yield pixels.mean((0, 1), dtype=np.float32)
        files = sorted(Path(sys.argv[1]).glob("*.png"))
        photos = [Photo(image=file, name=file.name, label="a") for file in files]
        with FeatureStore(Path(sys.argv[2])).open("fp", (3,)) as table:
            extract(photos, Slow, table, renderer=Renderer(8, "crop"))
    """
    folder = Path(photos[0].image).parent
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), str(folder), str(tmp_path / "features")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout.readline() == "under way\n"
        other.send_signal(signal.SIGINT)
        errors = other.communicate(timeout=30)[1]
    assert "KeyboardInterrupt" in errors
    with FeatureStore(tmp_path / "features").open("fp", (3,)) as table:
        assert len(table.missing([key(photo) for photo in photos])) == 30
