import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageFilter, ImageOps

from budwood.auditing import engine
from budwood.auditing.engine import AuditSettings, run_audit
from budwood.auditing.result import Audit
from budwood.core.progress.base import SILENT
from budwood.data.sources import read_source
from budwood.features.extract import Extraction
from tests.auditing.conftest import scene, scenes_of

OFFLINE = AuditSettings(network=False)


def kinds(audit):
    return sorted(one.kind for one in audit.findings)


class Means:
    """Stands for the features of a network: noise around a colour, so that what is right is known."""

    shape = (12,)

    def __init__(self, photos, seen):
        self.by_name = {}
        for place, photo in enumerate(photos):
            # On a sphere around the middle: none is farther than the others.
            noise = np.random.default_rng(place).normal(size=12)
            middle = np.full(12, 2.0)
            middle[["blue", "green", "red"].index(seen.get(photo.name, photo.label))] = 12
            self.by_name[photo.name] = (middle + 3 * noise / np.linalg.norm(noise)).astype(np.float32)

    def array(self, photos):
        return np.array([self.by_name[photo.name] for photo in photos])


@pytest.fixture
def seen(monkeypatch):
    """What the network takes photos for, where it is not their label."""
    from contextlib import contextmanager

    taken: dict[str, str] = {}

    @contextmanager
    def features(recipe, photos, progress):
        yield Means(photos, taken), Extraction(num_computed=len(photos))

    monkeypatch.setattr(engine, "audited_features", features)
    return taken


def test_run_audit__clean_photos_have_no_finding(photos, seen):
    audit = run_audit(photos)

    assert [one for one in audit.findings if one.kind != "few_photos"] == []
    assert audit.counts.found == audit.counts.usable == audit.counts.groups == 72
    assert audit.counts.classes == {label: {"": 24} for label in ("blue", "green", "red")}
    assert audit.network.computed == 72 and audit.network.accuracy > 0.95
    assert Audit.from_json(audit.to_json()) == replace(audit, photos=())


def test_run_audit__without_a_network(photos):
    audit = run_audit(photos, OFFLINE)

    assert audit.network is None and audit.no_network == ""


def test_run_audit__planted_faults_are_each_found(photos, a_photo):
    shutil.copy(a_photo("red"), photos / "green" / "zz-two-labels.jpg")
    shutil.copy(a_photo("blue", 3), photos / "blue" / "zz-twice.jpg")
    Image.open(a_photo("blue", 4)).save(photos / "blue" / "zz-again.jpg", quality=60)
    (photos / "red" / "zz-cut.jpg").write_bytes(a_photo("red").read_bytes()[:1500])
    Image.new("RGB", (200, 200), (128, 128, 128)).save(photos / "red" / "zz-blank.png")
    Image.eval(scene((40, 60, 200), 90), lambda level: level // 20).save(photos / "blue" / "zz-dark.png")
    Image.eval(scene((40, 60, 200), 91), lambda level: 240 + level // 17).save(
        photos / "blue" / "zz-bright.png"
    )
    scene((200, 50, 40), 92).filter(ImageFilter.GaussianBlur(4)).save(photos / "red" / "zz-blurred.jpg")
    scene((40, 160, 60), 93, side=24).save(photos / "green" / "zz-tiny.png")
    (photos / "red" / "note.heic").write_bytes(b"no picture")

    audit = run_audit(photos, OFFLINE)

    expected = ["blank", "blurred", "conflict", "dark", "duplicate", "duplicate", "not_read", "overexposed"]
    assert audit.of("not_read")[0].files.place == "red" and audit.of("other") == []
    assert sorted({*kinds(audit)} - {"few_photos"}) == sorted({*expected, "tiny", "unreadable"})
    for kind in ("blank", "blurred", "dark", "overexposed", "tiny"):
        (found,) = audit.of(kind)
        assert found.photo.path.split("/zz-")[1].split(".")[0] == kind.replace("overexposed", "bright")
    (conflict,) = audit.errors
    assert {one.label for one in conflict.photos} == {"red", "green"} and conflict.by == "bytes"
    assert set(conflict.left_out) == {one.path for one in conflict.photos}
    assert [one.by for one in audit.of("duplicate")] == ["bytes", "hash"]
    (cut,) = audit.of("unreadable")
    assert (cut.photo.path, cut.fault) == ("red/zz-cut.jpg", "truncated")


def test_run_audit__copies_and_groups_across_given_splits(photos, a_photo):
    Image.open(a_photo("blue")).save(photos / "blue" / "zz.jpg", quality=50)
    manifest = read_source(photos)
    first = {
        f"{label}/{a_photo(label, number).name}" for label in ("blue", "green", "red") for number in range(8)
    }
    plant = {f"red/{a_photo('red', number).name}" for number in (7, 8)}
    given = [
        replace(
            photo,
            split="test" if photo.name in first else "train",
            group="plant" if photo.name in plant else None,
        )
        for photo in manifest.photos
    ]

    audit = run_audit(replace(manifest, photos=tuple(given)), OFFLINE)

    (copy,) = audit.of("cross_split")
    assert {one.path for one in copy.photos} == {f"blue/{a_photo('blue').name}", "blue/zz.jpg"}
    assert (copy.by, copy.severity) == ("hash", "error") and copy.similarity > 0.995
    (group,) = audit.of("split_group")
    assert (group.group, group.splits, group.num_photos) == ("plant", ("train", "test"), 2)


def test_run_audit__a_mirrored_copy_in_another_split_is_found_by_pixels(photos, seen, a_photo, monkeypatch):
    ImageOps.mirror(Image.open(a_photo("red"))).save(photos / "red" / "zz.jpg", quality=80)
    manifest = read_source(photos)
    tested = f"red/{a_photo('red').name}"
    given = [replace(photo, split="test" if photo.name == tested else "train") for photo in manifest.photos]
    # Noise stands for features here; those of the copy are like those of the photo.
    own = Means.array
    same = {"red/zz.jpg": tested}
    monkeypatch.setattr(
        Means,
        "array",
        lambda self, some: own(self, [replace(one, name=same.get(one.name, one.name)) for one in some]),
    )

    audit = run_audit(replace(manifest, photos=tuple(given)))

    (copy,) = audit.of("cross_split")
    assert [(one.path, one.split) for one in copy.photos] == [(tested, "test"), ("red/zz.jpg", "train")]
    assert (copy.by, copy.severity, copy.left_out) == ("features", "error", ()) and copy.similarity > 0.75


def test_run_audit__planted_wrong_labels_come_first(photos, seen, a_photo):
    wrong = {
        f"{label}/{a_photo(label, 5).name}": other for label, other in (("red", "blue"), ("blue", "green"))
    }
    seen |= wrong

    audit = run_audit(photos)

    found = {one.photo.path: one.suggested for one in audit.of("wrong_label")}
    assert found == wrong
    assert [one.rank for one in audit.of("wrong_label")] == [1, 2]
    assert all(one.margin > 0.5 for one in audit.of("wrong_label"))


def test_run_audit__the_same_twice(photos, seen, a_photo):
    seen[f"red/{a_photo('red').name}"] = "blue"

    assert run_audit(photos) == run_audit(photos)


def test_run_audit__one_class_has_no_labels_to_look_at(photos, seen):
    manifest = read_source(photos)
    blue = tuple(photo for photo in manifest.photos if photo.label == "blue")

    audit = run_audit(replace(manifest, photos=blue, classes=("blue",)), progress=SILENT)

    assert audit.network is None and "two classes" in audit.no_network
    assert [one.problem for one in audit.errors] == ["refused"]


def test_run_audit__unequal_classes_and_what_balanced_weights_would_be(photos):
    for file in sorted((photos / "red").iterdir())[6:]:
        file.unlink()

    (found,) = run_audit(photos, OFFLINE).of("imbalance")

    assert (found.largest, found.smallest, found.num_largest, found.num_smallest) == ("blue", "red", 24, 6)
    assert found.majority_share == pytest.approx(24 / 54)
    assert found.weights == {"blue": 0.75, "green": 0.75, "red": 3.0}


def test_run_audit__file_names_that_hint_at_groups(tmp_path, photos):
    for label in ("blue", "green", "red"):
        for number, file in enumerate(sorted((photos / label).iterdir())):
            file.rename(file.with_name(f"{label}-patient{number // 3}-{number}a.jpg"))

    (hint,) = run_audit(photos, OFFLINE).of("group_hint")

    assert hint.option.startswith("pattern:patient") and hint.num_photos == 72


def test_run_audit__photos_with_several_labels(photos, seen, a_photo):
    shutil.copy(a_photo("red"), photos / "red" / "zz-other-labels.jpg")
    shutil.copy(a_photo("green"), photos / "green" / "zz-unknown.jpg")
    Image.open(a_photo("blue")).save(photos / "blue" / "zz-again.jpg", quality=60)
    manifest = read_source(photos)
    named = {
        "red/zz-other-labels.jpg": ("red;warm", ""),
        "green/zz-unknown.jpg": ("green", "warm"),
        f"blue/{a_photo('blue', 5).name}": ("red", ""),
        "blue/zz-again.jpg": ("blue;warm", ""),
    }
    warm = {f"red/{a_photo('red', number).name}": ("red;warm", "") for number in range(4, 16)}
    # What the network takes for red, the table says to be blue.
    seen |= {photo.name: photo.name.split("/")[0] for photo in manifest.photos}

    audit = run_audit(
        scenes_of(manifest, {photo.name: (photo.label, "") for photo in manifest.photos} | warm | named)
    )

    equal, again = audit.of("label_conflict")
    assert (equal.by, again.by) == ("bytes", "hash") and audit.of("conflict") == []
    assert {one.label for one in equal.photos} == {"red", "red;warm"} and len(equal.left_out) == 2
    assert {one.label for one in again.photos} == {"blue", "blue;warm"} and again.left_out == ()
    (copy,) = audit.of("duplicate")
    assert copy.photos[0].label == "green" and copy.photos[1].label == "green;?warm"
    wrong = {(one.kind, one.photo.path, one.label) for one in audit.of("missing_label", "extra_label")}
    place = f"blue/{a_photo('blue', 5).name}"
    assert {("missing_label", place, "blue"), ("extra_label", place, "red")} <= wrong
    assert audit.counts.classes["warm"] == {"": 13} and audit.several
    assert audit.network.exact_match > 0.7 and set(audit.network.strengths) == {
        "blue",
        "green",
        "red",
        "warm",
    }
    assert Audit.from_json(audit.to_json()) == replace(audit, photos=())
    assert not {"imbalance", "wrong_label", "alike_classes"} & {one.kind for one in audit.findings}


def test_run_audit__one_label_has_nothing_to_tell_it_from(photos, seen):
    manifest = read_source(photos)
    one = scenes_of(manifest, {photo.name: ("blue", "") for photo in manifest.photos})

    audit = run_audit(replace(one, classes=("blue",)))

    assert audit.no_network == "labels are not looked at: two labels are needed"
    assert {one.problem for one in audit.errors} == {"refused", "always"}
