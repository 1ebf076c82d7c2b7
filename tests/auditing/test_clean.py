"""`budwood.auditing.clean`: what `--fix` leaves out, and why."""

from dataclasses import replace

import pytest

from budwood.auditing.clean import clean, refuse_output, write_cleaned
from budwood.auditing.decisions import Decision
from budwood.auditing.findings import CrossSplit
from budwood.auditing.settle import settle
from budwood.config.recipe import Recipe
from budwood.core.errors import DataError
from budwood.data.sources import read_source
from tests.auditing.conftest import audit_of, scenes_of, shown_of

UNDECIDED = {
    "unreadable": ("red/red 01.jpg",),
    "conflict": ("blue/blue 00.jpg", "red/red 00.jpg"),
    "duplicate": ("green/green 05.jpg", "green/green 06.jpg"),
}


@pytest.fixture
def cleaned(manifest, findings):
    def by(*decisions, found=findings):
        settled = settle(manifest, decisions)
        return clean(audit_of(settled.manifest, found), settled)

    return by


def test_clean__leaves_out_what_is_wrong_beyond_doubt(cleaned):
    found = cleaned()
    assert found.left_out == UNDECIDED and found.found == 42 and len(found.manifest.photos) == 37
    assert found.undecided == 2 and found.lost_classes == ()
    lines = "\n".join(found.as_lines())
    assert lines.startswith("37 of 42 photos kept\n")
    assert "left out, cannot be read: 1 (red/red 01.jpg)" in lines
    assert "unchanged, for nobody decided: 2 likely wrong labels" in lines


def test_clean__says_how_many_pictures_that_are_alike_it_left_as_they_are(cleaned, manifest):
    pair = tuple(shown_of(manifest, name) for name in ("green/green 07.jpg", "green/green 08.jpg"))
    alike = (CrossSplit(photos=pair, by="hash", similarity=0.99, left_out=()),)
    said = "unchanged, for nobody decided: 1 picture that is alike in several splits"

    assert said in "\n".join(cleaned(found=alike).as_lines())
    answer = Decision(pair[0].path, "different", other=pair[1].path)
    assert cleaned(answer, found=alike).alike == 0
    # Of what is left out, nothing is left to decide.
    assert cleaned(found=(replace(alike[0], left_out=(pair[0].path,)),)).alike == 0


def test_clean__follows_decisions(cleaned):
    found = cleaned(
        Decision("blue/blue 00.jpg", "keep"),
        Decision("blue/blue 02.jpg", "relabel", label="green"),
        Decision("green/green 02.jpg", "drop"),
        Decision("green/green 07.jpg", "same", "green/green 08.jpg"),
        Decision("green/green 05.jpg", "keep", finding="duplicate"),
    )
    assert found.left_out == {
        "dropped": ("green/green 02.jpg",),
        "unreadable": ("red/red 01.jpg",),
        "conflict": ("red/red 00.jpg",),
    }
    labels = {photo.name: photo.label for photo in found.manifest.photos}
    assert labels["blue/blue 02.jpg"] == "green" and "blue/blue 00.jpg" in labels
    assert (found.joined, dict(found.relabelled)) == (1, {"blue/blue 02.jpg": "blue"})


def test_clean__leaves_out_pictures_saved_again_under_two_labels_unless_they_are_different(cleaned, findings):
    again = replace(findings[0], by="hash", left_out=())
    assert cleaned(found=[again]).left_out == {"conflict": UNDECIDED["conflict"]}
    different = Decision("blue/blue 00.jpg", "different", "red/red 00.jpg")
    assert cleaned(different, found=[again]).left_out == {}
    assert cleaned(different).left_out["conflict"] == UNDECIDED["conflict"]


def test_clean__leaves_out_the_copies_that_a_training_does_without(cleaned, manifest):
    photos = tuple(shown_of(manifest, f"red/red 0{n}.jpg") for n in range(2))
    leak = CrossSplit(photos=photos, by="bytes", similarity=1.0, left_out=("red/red 01.jpg",))
    assert cleaned(found=[leak]).left_out == {"cross_split": ("red/red 01.jpg",)}


def test_write_cleaned__is_read_again_with_the_same_names(cleaned, colours, tmp_path):
    found = cleaned(Decision("green/green 07.jpg", "same", "green/green 08.jpg"))
    written = write_cleaned(found, tmp_path / "photos.csv", source=str(colours))
    again = read_source(written, Recipe().data)
    labels = [(photo.name, photo.label) for photo in again.photos]
    assert labels == [(photo.name, photo.label) for photo in found.manifest.photos]
    groups = [photo.group for photo in again.photos if photo.group and photo.group.startswith("same as")]
    assert len(groups) == 2


def test_refuse_output__spares_what_was_read(manifest, colours, tmp_path):
    def refused(output, *reads, source=str(colours), overwrite=True):
        with pytest.raises(DataError) as error:
            refuse_output(output, manifest.photos, source, reads, overwrite)
        return str(error.value)

    table = tmp_path / "photos.csv"
    refuse_output(table, manifest.photos, str(colours), (), False)
    refuse_output(table, manifest.photos, "tfds:mnist", (), False)
    table.write_text("x")
    refuse_output(table, manifest.photos, "tfds:mnist", (tmp_path / "absent.csv",), True)
    assert "is there already" in refused(table, overwrite=False)
    assert "is what was read" in refused(table, source=str(table))
    assert "is what was read" in refused(table, table)
    assert "has another ending" in refused(colours / "red" / "red 00.jpg")
    folder = tmp_path / "folder.csv"
    folder.mkdir()
    assert "is a folder" in refused(folder)
    photo = colours / "red" / "photo.csv"
    (colours / "red" / "red 00.jpg").rename(photo)
    odd = replace(manifest.photos[0], image=type(manifest.photos[0].image)(photo))
    with pytest.raises(DataError, match="is a photo of the data"):
        refuse_output(photo, [odd], str(colours), (), True)


def test_clean__of_photos_with_several_labels(scenes, doubts, tmp_path, colours):
    decisions = [Decision("red/red 03.jpg", "keep", finding="extra_label", label="warm")]
    settled = settle(scenes, decisions)
    found = clean(audit_of(settled.manifest, doubts), settled)
    assert found.left_out == {"conflict": ("red/red 01.jpg", "red/red 02.jpg")} and found.undecided == 1
    lines = "\n".join(found.as_lines())
    assert "left out, the same picture has other labels: 2 (red/red 01.jpg, red/red 02.jpg)" in lines
    assert "unchanged, for nobody decided: 1 label in doubt" in lines and "multi-label" not in lines
    kept = settle(scenes, [Decision("red/red 01.jpg", "keep", finding="label_conflict")])
    assert clean(audit_of(kept.manifest, doubts[:1]), kept).left_out == {"conflict": ("red/red 02.jpg",)}

    written = write_cleaned(found, tmp_path / "photos.csv", source=str(colours))
    again = read_source(written, Recipe().data)
    assert {photo.name: (photo.labels, photo.unknown) for photo in again.photos} == {
        photo.name: (photo.labels, photo.unknown) for photo in found.manifest.photos
    }


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl"])
def test_write_cleaned__is_read_as_several_labels_where_no_photo_has_two(manifest, tmp_path, colours, ending):
    names = [photo.name for photo in manifest.photos]
    plain = {photo.name: (photo.label, "") for photo in manifest.photos} | {names[0]: ("", "")}
    settled = settle(scenes_of(manifest, plain), [])
    found = clean(audit_of(settled.manifest), settled)
    written = write_cleaned(found, tmp_path / f"photos.{ending}", source=str(colours))
    again = read_source(written, Recipe().data)
    assert again.multi_label
    assert {photo.name: (photo.labels, photo.unknown) for photo in again.photos} == {
        photo.name: (photo.labels, photo.unknown) for photo in found.manifest.photos
    }
    assert () in [photo.labels for photo in again.photos]
