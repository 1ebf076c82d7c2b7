import dataclasses

import pytest

from budwood.config.recipe import Recipe
from budwood.core.errors import RunError
from budwood.core.files import sha256_of, write_json
from budwood.data.manifest import Photo
from budwood.data.taxonomy_table import read_taxonomy
from budwood.runs.resume import as_asked, changes_of_request, refuse_other_photos
from budwood.runs.schema import Request
from budwood.runs.writing import with_own_table, write_recipe, write_split, write_taxonomy

PHOTOS = [Photo(b"", f"a/{number}.jpg", "a", "train", sha256=str(number)) for number in range(6)]


@pytest.fixture
def begun(tmp_path, monkeypatch):
    """A folder in which a phase had begun; what its checkpoint says of the photos can be changed."""
    write_split(tmp_path, PHOTOS)
    write_json(tmp_path / "check.json", {"problems": [{"path": "a/bad.jpg"}]})
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "frozen-last.npz").touch()
    identity = {"photos": sha256_of(tmp_path / "split.csv")}
    monkeypatch.setattr("budwood.training.checkpoints.identity_of", lambda file: identity)
    return tmp_path, identity


def changed(number, **keys):
    return [dataclasses.replace(photo, **keys) if at == number else photo for at, photo in enumerate(PHOTOS)]


@pytest.mark.parametrize(
    ("photos", "words"),
    [
        (PHOTOS[1:], "begun with other photos: a/0.jpg is gone. Put"),
        ([*PHOTOS, Photo(b"", "a/9.jpg", "a", "train")], "photos: a/9.jpg is new. Put"),
        (changed(2, sha256="x"), "photos: a/2.jpg is another picture. Put"),
        (changed(2, label="b"), "photos: a/2.jpg is of another label. Put"),
        (changed(3, split="test"), "photos: a/3.jpg is of another split. Put"),
        (PHOTOS[5:], "a/0.jpg is gone; a/1.jpg is gone; a/2.jpg is gone and 2 more. Put"),
        # Others change their split with what goes: that is not said.
        (changed(3, split="test")[1:], "photos: a/0.jpg is gone. Put"),
    ],
)
def test_refuse_other_photos__says_which(begun, photos, words):
    folder, _ = begun
    with pytest.raises(RunError) as caught:
        refuse_other_photos(folder, photos)
    assert words in str(caught.value)


def test_refuse_other_photos__the_same_in_another_order_and_one_that_failed_before(begun):
    folder, _ = begun
    refuse_other_photos(folder, [Photo(b"", "a/bad.jpg", "a", "train"), *reversed(PHOTOS)])


def test_refuse_other_photos__nothing_to_compare_with(begun):
    folder, identity = begun
    identity["photos"] = "of another table"
    refuse_other_photos(folder, [])
    del identity["photos"]
    refuse_other_photos(folder, [])
    (folder / "checkpoints" / "frozen-last.npz").unlink()
    refuse_other_photos(folder, [])


def asked(recipe, **more):
    return Request(data="photos", recipe=as_asked(recipe), **more)


def test_changes_of_request__what_was_asked_for_or_the_recipe_that_the_run_keeps(tmp_path):
    before = asked(Recipe.load("auto").with_settings(["budget.minutes=3"]))
    plan = Recipe.load("best").with_settings(
        ["data.range=[0, 4095]", "frozen.fit=linear", "finetune.epochs=6"]
    )
    assert changes_of_request(tmp_path, before, before) == []
    assert "recipe.finetune.epochs was 10 and is now 6" in changes_of_request(tmp_path, before, asked(plan))
    write_recipe(tmp_path, plan)
    kept = Recipe.load(tmp_path / "recipe.toml")
    assert changes_of_request(tmp_path, before, asked(kept)) == []
    assert changes_of_request(tmp_path, before, before) == []
    other = asked(kept.with_settings(["finetune.epochs=7"]))
    assert "recipe.finetune.epochs was 10 and is now 7" in changes_of_request(tmp_path, before, other)
    # Nor is its recipe enough for other photos or another teacher.
    assert changes_of_request(tmp_path, before, asked(kept, teacher="0")) != []
    (tmp_path / "recipe.toml").write_text("not a recipe")
    assert changes_of_request(tmp_path, before, asked(kept)) != []


def test_changes_of_request__a_table_of_labels_by_its_rows(tmp_path):
    (tmp_path / "elsewhere.csv").write_text(
        "label,parent\nanimals,\ncats,animals\ndogs,animals\nfish,animals\n"
    )
    (tmp_path / "run").mkdir()
    given = Recipe.load("auto").with_settings([f"data.taxonomy={tmp_path / 'elsewhere.csv'}"])
    before = asked(given, taxonomy=read_taxonomy(given.data.taxonomy).sha256)
    write_taxonomy(tmp_path / "run", read_taxonomy(given.data.taxonomy).only(["cats", "dogs"]))
    write_recipe(tmp_path / "run", with_own_table(given))
    kept = Recipe.load(tmp_path / "run" / "recipe.toml")
    own = read_taxonomy(kept.data.taxonomy).sha256
    assert own != before.taxonomy
    assert changes_of_request(tmp_path / "run", before, asked(kept, taxonomy=own)) == []
    # The same rows in another place are the same table, other rows are not.
    moved = given.with_settings(["data.taxonomy=moved.csv"])
    assert changes_of_request(tmp_path / "run", before, asked(moved, taxonomy=before.taxonomy)) == []
    assert changes_of_request(tmp_path / "run", before, asked(given, taxonomy="0")) != []
