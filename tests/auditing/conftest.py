"""Made photos whose faults are known, and findings that are made up on pictures, so that none has to be computed."""

import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from budwood.auditing.findings import (
    AlikeClasses,
    Conflict,
    DoubtfulValue,
    Duplicate,
    FewPhotos,
    Imbalance,
    LabelsTogether,
    Outlier,
    PoorPicture,
    Shown,
    Unreadable,
    WrongLabel,
)
from budwood.auditing.result import Audit, Counts, Network
from budwood.config.recipe import Recipe
from budwood.data.images import content_of, digest
from budwood.data.label_sets import with_labels
from budwood.data.manifest import Manifest
from budwood.data.sources import read_source

COLOURS = {"blue": (40, 60, 200), "green": (40, 160, 60), "red": (200, 50, 40)}


def scene(colour, seed, side=160):
    """A picture of one colour with rectangles of all sizes: sharp, neither dark nor bright, like no other."""
    rng = np.random.default_rng([seed, *colour])
    pixels = np.clip(np.array(colour) + rng.normal(scale=12, size=3), 0, 255) * np.ones((side, side, 1))
    for _ in range(120):
        size = side / rng.uniform(2, 40)
        top, left = rng.integers(0, side, 2)
        pixels[top : int(top + size), left : int(left + size * rng.uniform(0.5, 2))] += rng.normal(scale=45)
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


@pytest.fixture
def photos(tmp_path):
    """A folder of three classes of 24 clean photos each."""
    root = tmp_path / "photos"
    for label, colour in COLOURS.items():
        (root / label).mkdir(parents=True)
        for number in range(24):
            # Hexadecimal names hint at no frames.
            name = f"{zlib.crc32(f'{label}{number}'.encode()):08x}.jpg"
            scene(colour, number).save(root / label / name, quality=92)
    return root


@pytest.fixture
def a_photo(photos):
    return lambda label, number=0: sorted((photos / label).iterdir())[number]


def shown_of(manifest: Manifest, name: str) -> Shown:
    photo = next(one for one in manifest.photos if one.name == name)
    return Shown(name, photo.label, photo.split or "")


def audit_of(manifest: Manifest, findings=(), **more) -> Audit:
    """An audit that found what it is told."""
    photos = tuple(replace(photo, sha256=digest(content_of(photo.image))) for photo in manifest.photos)
    understood = manifest.understood()
    counts = Counts(
        found=len(photos),
        readable=len(photos),
        usable=len(photos),
        groups=len(photos),
        classes=understood.classes,
    )
    return Audit(
        source="colours",
        understood=understood,
        counts=counts,
        findings=tuple(findings),
        photos=photos,
        **more,
    )


@pytest.fixture
def manifest(colours: Path) -> Manifest:
    return read_source(colours, Recipe().data)


@pytest.fixture
def findings(manifest):
    """One of each kind that can be decided."""

    def name(label: str, number: int) -> Shown:
        return shown_of(manifest, f"{label}/{label} {number:02}.jpg")

    return (
        Conflict(
            photos=(name("blue", 0), name("red", 0)),
            by="pixels",
            similarity=1.0,
            left_out=("blue/blue 00.jpg", "red/red 00.jpg"),
        ),
        Unreadable(photo=name("red", 1), fault="truncated", detail="the file ends early"),
        WrongLabel(photo=name("blue", 2), suggested="green", of_label=0.01, of_suggested=0.97, rank=1),
        WrongLabel(photo=name("green", 2), suggested="red", of_label=0.2, of_suggested=0.7, rank=2),
        Outlier(photo=name("red", 3), distance=0.8, limit=0.5, rank=1),
        FewPhotos(split="test", least=5, classes={"red": 1}, given=False),
        Duplicate(photos=(name("green", 4), name("green", 5), name("green", 6)), by="bytes", similarity=1.0),
        Duplicate(photos=(name("green", 7), name("green", 8)), by="hash", similarity=0.97),
        PoorPicture(photo=name("blue", 9), value=3.0, limit=5.0, kind="blurred"),
    )


@pytest.fixture
def network() -> Network:
    return Network(
        backbone="mobilenet_v2",
        computed=42,
        stored=0,
        accuracy=0.9,
        interval=(0.8, 0.96),
        num_photos=42,
        folds=5,
        strength=0.01,
    )


def scenes_of(manifest: Manifest, labels: dict[str, tuple[str, str]] | None = None) -> Manifest:
    """The same photos with several labels: their colour, "warm" beside red, or what is said of those that are named.

    Args:
        labels: by the photo's name what it has and what is unknown, each in one text.
    """
    warm = {"red": ("red", "warm")}
    photos = []
    for photo in manifest.photos:
        has, unknown = (labels or {}).get(photo.name, (";".join(warm.get(photo.label, (photo.label,))), ""))
        photos.append(with_labels(photo, filter(None, has.split(";")), filter(None, unknown.split(";"))))
    return replace(manifest, photos=tuple(photos), classes=(*manifest.classes, "warm"))


@pytest.fixture
def scenes(manifest) -> Manifest:
    """Photos with several labels: one of them has none, of one a label is unknown."""
    named = {"blue/blue 00.jpg": ("", ""), "red/red 00.jpg": ("red", "warm")}
    return scenes_of(manifest, named)


@pytest.fixture
def doubts(scenes):
    """A finding of each kind that only photos with several labels have."""

    def name(path: str) -> Shown:
        return shown_of(scenes, path)

    pair = (name("red/red 01.jpg"), replace(name("red/red 02.jpg"), label="blue;warm"))
    alike = {"first_as_second": 3, "second_as_first": 1, "num_first": 14, "num_second": 13, "share": 0.15}
    return (
        Conflict(photos=pair, by="bytes", similarity=1.0, left_out=(), kind="label_conflict"),
        DoubtfulValue(
            photo=name("blue/blue 01.jpg"), label="warm", probability=0.97, rank=1, kind="missing_label"
        ),
        DoubtfulValue(
            photo=name("red/red 03.jpg"), label="warm", probability=0.02, rank=1, kind="extra_label"
        ),
        DoubtfulValue(
            photo=name("red/red 00.jpg"),
            label="warm",
            probability=0.93,
            rank=1,
            kind="unknown_label",
            severity="note",
        ),
        AlikeClasses(
            first="blue",
            second="green",
            **alike,
            interval=None,
            examples=(name("blue/blue 04.jpg"),),
            kind="alike_labels",
        ),
        LabelsTogether(
            label="warm", other="red", together=13, num_label=13, num_other=13, examples=(pair[0],)
        ),
        Imbalance(
            largest="green",
            smallest="warm",
            num_largest=40,
            num_smallest=13,
            majority_share=0.9,
            weights={"green": 0.6, "warm": 2.0},
            kind="label_imbalance",
        ),
    )
