"""Check, split, tables, a study's trial and its report, on small photos that are made up, each step timed by itself.

One photo in a hundred is a copy of another, and one in a hundred is another saved again at another quality: both must
be found. The features of the trial are a few numbers a photo, so that what is timed is the bookkeeping.
"""

import io
import os
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.scale_measure import measured
from budwood.config.data import Data
from budwood.config.recipe import Recipe
from budwood.core.system import num_cores
from budwood.data.augment import Renderer
from budwood.data.check import check
from budwood.data.manifest import Manifest
from budwood.data.manifest_files import write_manifest
from budwood.data.sources import read_source
from budwood.data.split import divide
from budwood.features.fingerprint_cache import features_key
from budwood.features.store.store import FeatureStore
from budwood.report.page import write_report
from budwood.runs.files import read_run
from budwood.runs.schema import CheckReport
from budwood.runs.writing import write_split
from budwood.studies.linear_trial import fit_and_evaluate
from budwood.studies.records import PhotoTable, StoredFeatures, StudyFolder
from budwood.studies.spec import TrialSpec

COLUMNS = ("photos", "step", "seconds", "processor", "memory without mapped files", "and")
CLASSES, OF_FOLDER, SIDE = 100, 1000, 32
FEATURES = 16
RECIPE = Recipe.from_dict(
    {"backbone": {"name": "mobilenet_v2"}, "frozen": {"fit": "linear", "l2_strengths": [0.01]}}
)


def measure(photos: int, arguments) -> Iterator[list]:
    """Take one number of photos through every step, and yield a row for each."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = (arguments.folder or Path(temporary)) / f"photos-{photos}"
        kept = folder / "data"
        if not kept.exists():
            make(kept, photos)
        shutil.rmtree(folder / "cache", ignore_errors=True)
        os.environ["BUDWOOD_CACHE"] = str(folder / "cache")
        for name, cells, found in Steps(folder, kept).all():
            yield [f"{photos:,}", name, *cells, found]


class Steps:
    """The steps, one after the other: each works on what the one before found."""

    def __init__(self, folder: Path, data: Path):
        self.folder, self.data = folder, data

    def all(self) -> Iterator[tuple[str, list[str], str]]:
        with self._step("list the photos") as row:
            source = self.list_photos()
            row.found = f"{len(source.photos):,} photos"
        yield row.done
        with self._step("check") as row:
            checked = check(source)
            row.found = _problems(checked)
        yield row.done
        with self._step("check again") as row:
            again = check(source)
            row.found = "the same" if again.photos == checked.photos else "OTHERS"
        yield row.done
        del again
        with self._step("write check.json") as row:
            report = CheckReport.model_validate(checked.to_json())
            row.found = f"{len(report.problems):,} problems"
        yield row.done
        with self._step("split") as row:
            photos = divide(checked.photos, RECIPE)
            row.found = ", ".join(f"{sum(p.split == s for p in photos):,} {s}" for s in ("train", "test"))
        yield row.done
        with self._step("write split.csv") as row:
            write_split(self.folder, photos)
            row.found = _size(self.folder / "split.csv")
        yield row.done
        for ending in ("csv", "parquet"):
            table = self.folder / f"photos.{ending}"
            with self._step(f"write a manifest, {ending}") as row:
                write_manifest(source, table, source=str(self.data), overwrite=True)
                row.found = _size(table)
            yield row.done
            with self._step(f"read a manifest, {ending}") as row:
                row.found = f"{len(read_source(str(table), Data()).photos):,} photos"
            yield row.done
        del source, photos
        study = StudyFolder(self.folder)
        with self._step("write the photos of a study") as row:
            study.write_photos(PhotoTable(checked.classes, checked.photos, report))
            row.found = _size(study.photo_file)
        yield row.done
        with self._step("store features") as row:
            store_features(study, checked)
        yield row.done
        del checked, report
        with self._step("a linear trial") as row:
            (self.folder / "trials").mkdir(exist_ok=True)
            spec = TrialSpec(self.folder, str(self.data), "one", "linear", RECIPE)
            fit_and_evaluate(spec)
            run = read_run(spec.folder.run)
            found = run.metrics.of("test")
            assert found is not None, "the trial measures test photos"
            row.found = f"{found.accuracy:.1%} of {found.n:,} right, {_size(run.folder / 'predictions.csv')}"
        yield row.done
        with self._step("read split.csv") as row:
            row.found = f"{len(run.split):,} rows"
        yield row.done
        del run
        with self._step("report") as row:
            row.found = _size(write_report(spec.folder.run, None))
        yield row.done

    def list_photos(self) -> Manifest:
        return read_source(str(self.data), Data())

    @contextmanager
    def _step(self, name: str):
        row = _Row()
        with measured() as what:
            yield row
        row.done = (name, what.cells, row.found)


class _Row:
    found = ""
    done: tuple[str, list[str], str]


def store_features(study: StudyFolder, checked) -> None:
    """Put made-up features into the store: near the centre of the photo's class."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(len(checked.classes), FEATURES)) * 1.5
    number = {label: place for place, label in enumerate(checked.classes)}
    renderer, seen = Renderer(SIDE, RECIPE.data.resize), set()
    with FeatureStore().open("f" * 64, (FEATURES,)) as table:
        for photo in checked.photos:
            if photo.sha256 not in seen:
                seen.add(photo.sha256)
                row = centres[number[photo.label]] + rng.normal(size=FEATURES)
                table.add(renderer.key(photo.sha256, 0), row.astype(np.float32))
    known = StoredFeatures(fingerprint="f" * 64, features=FEATURES, size=SIDE)
    study.write_features({features_key(RECIPE): known})


def make(folder: Path, photos: int) -> None:
    """Write so many small JPEGs, in folders of a thousand."""
    with ProcessPoolExecutor(num_cores()) as pool:
        numbers = range(0, photos, OF_FOLDER)
        list(pool.map(_make_folder, [folder] * len(numbers), numbers, [photos] * len(numbers)))


def _make_folder(folder: Path, first: int, photos: int) -> None:
    rng = np.random.default_rng(first)
    number = min(OF_FOLDER, photos - first)
    # As in photographs the amplitude of a wave is as its length.
    waves = np.arange(12)
    lengths = np.maximum(1, np.hypot(waves[:, None], waves[None]))[..., None]
    cosines = np.cos(np.pi * waves[:, None] * (np.arange(SIDE) + 0.5) / SIDE)
    amplitudes = rng.normal(size=(number, 12, 12, 3)) * 45 / lengths
    levels = np.einsum("ai,nabc,bj->nijc", cosines, amplitudes, cosines, optimize=True)
    pictures = np.clip(levels + 128, 0, 255).astype(np.uint8)
    for place, pixels in enumerate(pictures):
        turn, label = divmod(first + place, CLASSES)
        at = folder / f"class {label:02}" / f"part {turn // OF_FOLDER}"
        at.mkdir(parents=True, exist_ok=True)
        # Of every tenth class each tenth photo is a copy of the one before it, and each tenth that one saved again.
        again, quality = {4: (1, 85), 7: (1, 70)}.get(turn % 10, (0, 85)) if label % 10 == 0 else (0, 85)
        content = io.BytesIO()
        Image.fromarray(pictures[place - CLASSES] if again else pixels).save(content, "JPEG", quality=quality)
        (at / f"{first + place:07}.jpg").write_bytes(content.getvalue())


def _problems(checked) -> str:
    kinds = [problem.kind for problem in checked.problems]
    return ", ".join(f"{kinds.count(kind):,} {kind}" for kind in sorted(set(kinds))) or "no problem"


def _size(file: Path) -> str:
    return f"{file.stat().st_size / 1e6:,.1f} MB"
