import base64
import io

import numpy as np
import pytest
from PIL import Image

from budwood.config.recipe import Augment, Recipe
from budwood.core import files
from budwood.data.augment import Renderer
from budwood.report.page import write_report
from budwood.report.pictures import jpeg
from budwood.report.samples import show_samples, show_views
from budwood.report.summary import read_contents
from budwood.report.thumbnails import LARGE, Thumbnails


def test_show_samples__counts_and_draws_training_photos_only(make_run):
    run = make_run()
    contents = read_contents(run.folder)
    thumbnails = Thumbnails(run.photos)
    found = show_samples(contents, thumbnails)
    assert found.rows[0] == ("daisy", [32, 4, 4], 40)
    assert found.totals == [160, 20, 20]
    training = {photo.name for photo in contents.photos if photo.split == "train"}
    names = [file for _, files_ in found.strips for file in files_]
    assert len(names) == len(set(names)) == thumbnails.wanted == 30
    assert set(names) <= training


def augmented(run, **augment):
    recipe = Recipe.load(run.folder / "recipe.toml").model_copy(update={"augment": Augment(**augment)})
    files.write_text(run.folder / "recipe.toml", recipe.to_toml())
    return run


@pytest.mark.parametrize(("views", "numbers"), [("per-epoch", [1, 2, 3, 4]), (3, [1, 2]), (20, [1, 2, 3, 4])])
def test_show_views__are_those_of_the_renderer_of_training(make_run, views, numbers):
    run = augmented(make_run(fit="gradient"), views=views, horizontal_flip=True, rotation=0.1)
    contents = read_contents(run.folder)
    found = show_views(contents, Thumbnails(run.photos))
    assert found.numbers == numbers and "turned by up to 36 degrees" in found.words
    assert len(found.rows) == 3 and len({photo.label for photo, *_ in found.rows}) == 3
    recipe = Recipe.load(run.folder / "recipe.toml")
    renderer = Renderer(recipe.data.size, recipe.data.resize, recipe.augment, recipe.seed)
    for photo, label, shown in found.rows:
        assert label == photo.label
        uris = [uri for uri, _ in shown]
        assert photo.split == "train"
        image = run.photos[photo.name]
        drawn = [jpeg(renderer.render(image, photo.sha256, number), LARGE) for number in (0, *numbers)]
        assert uris == drawn and len(set(uris)) == len(uris)
        picture = Image.open(io.BytesIO(base64.b64decode(uris[0].partition(",")[2])))
        assert picture.size == (LARGE, LARGE)


def test_show_views__none_where_training_drew_none(make_run):
    run = make_run(fit="gradient")
    assert show_views(read_contents(run.folder), Thumbnails(run.photos)) is None
    augmented(run, views=1, mixup=0.2)
    assert show_views(read_contents(run.folder), Thumbnails(run.photos)) is None


def test_show_views__a_linear_fit_alone_saw_none(make_run):
    run = augmented(make_run(), views=4, rotation=0.1)
    assert show_views(read_contents(run.folder), Thumbnails(run.photos)) is None


def test_show_views__without_photos_or_with_broken_ones(make_run):
    run = make_run(finetuned=True)
    contents = read_contents(run.folder)
    assert show_views(contents, Thumbnails({})) is None
    assert show_views(contents, Thumbnails(dict.fromkeys(run.photos, b"no picture"))) is None
    some = {name: image if name.startswith("roses") else b"" for name, image in run.photos.items()}
    assert all(photo.label == "roses" for photo, *_ in show_views(contents, Thumbnails(some)).rows)
    assert isinstance(some["roses/0000.jpg"], np.ndarray)


def test_show_views__those_of_an_earlier_report_are_kept(make_run):
    run = make_run(fit="gradient", finetuned=True)
    first = write_report(run.folder, run.photos).read_text(encoding="utf-8")
    assert "<h3>Augmentation</h3>" in first
    assert write_report(run.folder).read_text(encoding="utf-8") == first
