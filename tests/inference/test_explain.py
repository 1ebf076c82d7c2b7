"""`budwood explain` and `Run.explain`, on real runs."""

import io
import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from budwood.core.errors import RunError
from budwood.core.files import read_csv
from budwood.core.label_text import of_text
from budwood.core.progress.base import SILENT
from budwood.data.images import view
from budwood.evaluation.ood import Reference
from budwood.inference.artifact import REFERENCE
from budwood.inference.explain import Explanation
from budwood.inference.grad_cam import GradCam
from budwood.inference.occlusion import importance, occlude
from budwood.network.compose import logits_layer, pooling_layers
from budwood.pipeline.entry import train
from budwood.report.sheets.explanations import draw_explanations
from budwood.run import Run, load
from tests.changed_runs import forget_reference

pytestmark = pytest.mark.usefixtures("tiny_backbones", "shared_cache")


@pytest.fixture
def run(tiny_run) -> Run:
    return load(tiny_run)


@pytest.fixture
def copied(tiny_run, tmp_path) -> Path:
    return Path(shutil.copytree(tiny_run, tmp_path / "copied"))


def of_split(run: Run, split: str) -> list[str]:
    return [row["name"] for row in run.splits if row["split"] == split]


def test_explain__says_what_predict_says(session_run, session_colours):
    run = load(session_run)
    paths = [session_colours / name for name in of_split(run, "test")]
    predicted = run.predict(paths)
    for path, said, found in zip(paths, predicted, run.explain(paths), strict=True):
        assert found.prediction == said
        assert found.target == said.label and found.true == path.parent.name
        np.testing.assert_array_equal(found.picture, view(path, 64))
        assert found.grad_cam.shape == found.occlusion.shape == (64, 64)
        assert found.grad_cam.min() >= 0 and np.isfinite(found.occlusion).all()
        assert 0 <= found.hidden_probability <= 1 and 0 <= found.farther_than <= 1


@pytest.mark.parametrize("bf16", [False, True])
def test_explain__maps_are_those_of_each_picture_and_the_class(tiny_run, session_colours, bf16, monkeypatch):
    """Where they lie is what test_grad_cam.py and test_occlusion.py test."""
    if not bf16:
        monkeypatch.setattr("budwood.features.engines.openvino.has_bf16", lambda: False)
    run = load(tiny_run)
    paths = [session_colours / color / f"{color} 00.jpg" for color in ("red", "blue")]
    found = run.explain(paths, target="green")
    pictures, green = np.stack([view(path, 64) for path in paths]), run.classes.index("green")
    cam = GradCam(run.model, pooled=pooling_layers(run.model), logits=logits_layer(run.model))
    for one, cam_map, picture in zip(found, cam.maps(pictures, np.array([green] * 2)), pictures, strict=True):
        np.testing.assert_allclose(one.grad_cam, cam_map, atol=1e-3 * cam_map.max())
        hidden = np.stack(list(occlude(picture))).astype(np.float32)
        shares = np.asarray(run.model(hidden, training=False))
        occluded = importance(shares, green, 64)
        # Hidden pictures are seen in bf16 where the processor has it, which rounds features by up to 6 %.
        error = 0.15 if bf16 else 1e-3
        assert np.linalg.norm(one.occlusion - occluded) <= error * np.linalg.norm(occluded)
        assert one.hidden_probability == pytest.approx(shares[1:, green].min(), abs=0.15 * error)
    assert np.abs(found[0].grad_cam - found[1].grad_cam).max() > 0.1 * found[0].grad_cam.max()


def test_explain__similar_photos_are_training_photos_of_the_colour(session_run, session_colours, tmp_path):
    run = load(session_run)
    shutil.copy(session_colours / of_split(run, "test")[0], tmp_path / "moved.jpg")
    (found,) = run.explain(tmp_path / "moved.jpg")
    assert len(found.similar) == 6
    assert {one.name for one in found.similar} <= set(of_split(run, "train"))
    assert [one.similarity for one in found.similar] == sorted(
        (one.similarity for one in found.similar), reverse=True
    )
    assert found.similar[0].label == found.true
    thumbnail = np.asarray(Image.open(io.BytesIO(found.similar[0].thumbnail)), float)
    # Of a JPEG at low quality the mean colour is kept.
    np.testing.assert_allclose(
        thumbnail.mean(axis=(0, 1)),
        view(session_colours / found.similar[0].name, 96).mean(axis=(0, 1)),
        atol=4,
    )


def test_explain__several_labels_a_photo(tiny_label_run, session_colours, tmp_path):
    """The most probable label by default, the log-odds of the one that is asked for, and similar photos with all of
    theirs."""
    run = load(tiny_label_run)
    texts = {row["name"]: row["label"] for row in run.splits}
    red, blue = (session_colours / colour / f"{colour} 00.jpg" for colour in ("red", "blue"))
    shutil.copy(red, tmp_path / "red.jpg")
    (tmp_path / "blue").mkdir()
    Image.open(blue).rotate(180).save(tmp_path / "blue" / "new.png")
    found = run.explain([red, blue, tmp_path / "red.jpg", tmp_path / "blue" / "new.png"])
    for one in found:
        assert one.target == max(one.prediction.probabilities, key=one.prediction.probabilities.get)
        assert len(one.similar) == 6
        for similar in one.similar:
            assert similar.label == texts[similar.name]
            assert similar.labels == of_text(texts[similar.name])[0]
    assert [one.true for one in found] == ["red;warm", "blue;?warm", "red;warm", None]
    said = [set(one.prediction.labels) for one in found]
    # Whether a picture of the second is warm is not known.
    assert found[0].right is (said[0] == {"red", "warm"}) and found[1].right is (
        said[1] - {"warm"} == {"blue"}
    )
    assert found[1].right and found[3].right is None
    asked = run.explain(red, target="blue")[0]
    assert asked.target == "blue" and asked.prediction == found[0].prediction
    # Of a label of its own the odds are p to 1 - p, whatever the others are.
    artifact = run._artifact
    rows = np.stack(list(run._occlusion_runner.run(occlude(view(red, 64)))))
    shares = artifact.probabilities(rows)[:, run.classes.index("blue")].astype(float)
    odds = np.log(shares) - np.log(1 - shares)
    corner = asked.occlusion[0, 0]
    assert corner == pytest.approx(odds[0] - odds[1], abs=2e-3)


@pytest.mark.slow
def test_explain__several_labels_as_json_and_sheet(tiny_label_run, session_colours, tmp_path, call):
    picture = session_colours / "red" / "red 01.jpg"
    status, out, _ = call("explain", tiny_label_run, picture, "-o", tmp_path / "why.png", "--json")
    (found,) = json.loads(out)
    assert status == 0 and (tmp_path / "why.png").exists()
    assert found["true_labels"] == ["red", "warm"] and found["explained"] in found["labels"]
    assert all(isinstance(one["labels"], list) for one in found["similar"])
    status, out, err = call("explain", tiny_label_run, picture, "-o", tmp_path / "why.png", "--class", "blue")
    assert status == 0 and re.search(r"\texplained: blue \d+\.\d%\tlike red and warm 0\.\d\d", out)
    status, _, err = call("explain", tiny_label_run, picture, "-o", tmp_path / "why.png", "--class", "green")
    assert status == 1 and "does not know the class green" in err


def test_predict__several_labels_in_every_form(tiny_label_run, session_colours, tmp_path, call):
    picture = session_colours / "red" / "red 01.jpg"
    status, out, _ = call("predict", tiny_label_run, picture, "-o", tmp_path / "p.csv", "--json")
    (found,) = json.loads(out)
    assert status == 0 and found["label"] == "red;warm" and found["labels"] == ["red", "warm"]
    assert list(found["probabilities"]) == load(tiny_label_run).classes
    (row,) = read_csv(tmp_path / "p.csv")
    assert row["predicted"] == "red;warm"
    for label, share in found["probabilities"].items():
        assert float(row[f"p:{label}"]) == pytest.approx(share, rel=1e-5)
    assert call("predict", tiny_label_run, picture, "-o", tmp_path / "p.jsonl", "-q")[0] == 0
    assert json.loads((tmp_path / "p.jsonl").read_text()) == found
    # Its folder is called red, which is one of its labels alone.
    assert call("predict", tiny_label_run, picture, "-o", tmp_path / "p.png", "-q")[0] == 0
    with Image.open(tmp_path / "p.png") as sheet:
        assert sheet.height == 28 + 240 + 10 + 3 * 24 + 28


def test_explain__no_photo_is_similar_to_itself(run, session_colours, tmp_path):
    name = of_split(run, "train")[0]
    shutil.copy(session_colours / name, tmp_path / "another name.jpg")
    (found,) = run.explain(tmp_path / "another name.jpg")
    assert name not in {one.name for one in found.similar} and len(found.similar) == 6
    assert found.true == name.partition("/")[0]


def test_explain__another_class(run, session_colours):
    path = session_colours / of_split(run, "test")[0]
    ours, theirs = run.explain(path)[0], run.explain(path, target="green")[0]
    assert ours.prediction.label == "blue" and theirs.target == "green" and theirs.prediction.label == "blue"
    assert np.abs(ours.occlusion - theirs.occlusion).max() > 0.1
    with pytest.raises(RunError, match=r"does not know the class gren\. Did you mean green\?"):
        run.explain(path, target="gren")


def test_explain__what_cannot_be_read_is_said_in_its_place(run, session_colours, tmp_path):
    (tmp_path / "empty.jpg").write_bytes(b"")
    good = session_colours / of_split(run, "test")[0]
    bad, found = run.explain([tmp_path / "empty.jpg", good])
    assert bad.target is None and bad.picture is None and "empty" in bad.prediction.error
    assert found.target == "blue"
    assert Image.open(io.BytesIO(draw_explanations([bad]))).format == "PNG"
    assert run.explain([]) == []


def test_explain__arrays_have_no_true_class(run):
    (found,) = run.explain(np.full((80, 60, 3), (200, 50, 40), np.uint8))
    assert found.true is None and found.target in run.classes and len(found.similar) == 6


@pytest.mark.slow
def test_explain__a_run_of_an_earlier_version(copied, session_colours):
    forget_reference(copied)
    known = Reference.load(copied / "model" / REFERENCE)
    np.savez(
        copied / "model" / REFERENCE, learned=known.learned, labels=known.labels, held_out=known.held_out
    )
    path = session_colours / of_split(load(copied), "test")[0]
    (found,) = load(copied).explain(path)
    assert found.similar == () and found.farther_than is not None
    (copied / "model" / REFERENCE).unlink()
    (found,) = load(copied).explain(path)
    assert found.similar == () and found.farther_than is None and found.grad_cam.shape == (64, 64)


@pytest.mark.slow
def test_explain__needs_no_photo_but_the_one_explained(tiny_run, session_colours, tmp_path, call):
    """A run that was moved to another machine, without the photos that it learned from."""
    moved = shutil.copytree(tiny_run, tmp_path / "elsewhere" / "run")
    shutil.copy(session_colours / of_split(load(moved), "test")[0], tmp_path / "new.jpg")
    status, out, err = call("explain", moved, tmp_path / "new.jpg", "-o", tmp_path / "sheet.png")
    assert status == 0 and "sheet" in err
    assert out.startswith(f"{tmp_path / 'new.jpg'}\tblue ") and re.search(r"\tlike (red|blue) 0\.\d\d, ", out)
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.format == "PNG" and sheet.width > 1400


def test_explain__as_json(tiny_run, session_colours, tmp_path, call):
    status, out, err = call(
        "explain", tiny_run, session_colours / "red", "-o", tmp_path / "sheet.png", "--json", "--top", 2
    )
    found = json.loads(out)
    assert (status, err) == (0, "") and len(found) == 14
    assert {one["explained"] for one in found} <= {"red", "green", "blue"}
    assert all(one["true"] == "red" and len(one["top"]) == 2 and len(one["similar"]) == 6 for one in found)


def test_explain__json_needs_no_sheet(tiny_run, session_colours, call):
    picture = session_colours / "red" / "red 00.jpg"
    status, out, _ = call("explain", tiny_run, picture, "--json")
    assert status == 0 and json.loads(out)[0]["sheet"] is None
    status, out, err = call("explain", tiny_run, picture)
    assert (status, out) == (1, "") and "-o why.png" in err


def test_explain__no_sheet_of_nothing(tiny_run, tmp_path, call):
    (tmp_path / "notes.txt").write_text("no picture")
    status, out, err = call("explain", tiny_run, tmp_path / "notes.txt", "-o", tmp_path / "sheet.png")
    assert (status, out) == (1, "") and "notes.txt: not a picture" in err and "sheet " not in err
    assert not (tmp_path / "sheet.png").exists()


def test_explain__a_sheet_for_each_picture(tiny_run, session_colours, tmp_path, call):
    (tmp_path / "pictures").mkdir()
    (tmp_path / "sheets").mkdir()
    shutil.copy(session_colours / "red" / "red 00.jpg", tmp_path / "pictures" / "a.jpg")
    (tmp_path / "pictures" / "b.jpg").write_text("no picture")
    status, out, err = call("explain", tiny_run, tmp_path / "pictures", "-o", tmp_path / "sheets")
    assert status == 1 and "b.jpg: not a picture" in err and out.count("\n") == 1
    assert [path.name for path in (tmp_path / "sheets").iterdir()] == ["a.png"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "sheet.jpg"], "another ending. Give sheet.png"),
        (["-o", "nowhere/sheet.png"], "Give a file in a folder that exists"),
        (["-o", "sheet.png", "--class", "violets"], "the run does not know the class violets"),
        (["-o", "sheet.png", "--acceptance", "2"], "an acceptance of 2 is no share"),
    ],
)
def test_explain__what_cannot_be_done(
    tiny_run, session_colours, tmp_path, call, monkeypatch, arguments, message
):
    monkeypatch.chdir(tmp_path)
    status, out, err = call("explain", tiny_run, session_colours / "red" / "red 00.jpg", *arguments)
    assert (status, out) == (1, "") and message in err and err.count("\n") == 1


def test_explain__more_pictures_than_a_sheet_takes(tiny_run, tmp_path, call):
    status, _, err = call("explain", tiny_run, *["a.jpg"] * 101, "-o", tmp_path / "sheet.png")
    assert status == 1 and "101 pictures are more than the 100 of one contact sheet" in err


SIDE, PATCH, CELL = 224, 56, 32
CUES = {"blue": (40, 60, 220), "red": (220, 50, 40)}


@dataclass
class Planted:
    """Photos of flowers of any kind, of which only a small coloured patch in a random place tells the classes."""

    folder: Path
    places: dict[str, tuple[int, int]]

    def around(self, name: str) -> np.ndarray:
        """The patch, and a cell of the last feature map around it."""
        y, x = self.places[name]
        inside = np.zeros((SIDE, SIDE), bool)
        inside[max(0, y - CELL) : y + PATCH + CELL, max(0, x - CELL) : x + PATCH + CELL] = True
        return inside


@pytest.fixture(scope="module")
def planted(test_data, tmp_path_factory) -> Planted:
    rng = np.random.default_rng(0)
    photos = sorted((test_data / "datasets" / "flower_photos").glob("*/*.jpg"))
    found = Planted(tmp_path_factory.mktemp("planted"), {})
    for label, colour in CUES.items():
        (found.folder / label).mkdir()
        for number in range(150):
            pixels = view(photos[rng.integers(len(photos))], SIDE).astype(float)
            y, x = rng.integers(0, SIDE - PATCH, 2)
            pixels[y : y + PATCH, x : x + PATCH] = colour + rng.normal(0, 12, (PATCH, PATCH, 3))
            name = f"{label}/{number:03}.png"
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(found.folder / name)
            found.places[name] = int(y), int(x)
    return found


def shares_on_the_patch(planted: Planted, run: Run) -> dict[str, np.ndarray]:
    """Of the photos that are told rightly, for both methods: the share of the map around the patch, whether its
    highest place is there, and the share of the picture that this is."""
    names = of_split(run, "test")
    explained = run.explain([planted.folder / name for name in names])
    rows: dict[str, list] = {"grad_cam": [], "occlusion": []}
    for name, one in zip(names, explained, strict=True):
        if one.prediction.label == one.true:
            for method, found in rows.items():
                values = np.maximum(getattr(one, method), 0)
                inside = planted.around(name)
                share = values[inside].sum() / max(values.sum(), 1e-9)
                found.append((share, inside.flat[values.argmax()], inside.mean()))
    return {method: np.mean(found, axis=0) for method, found in rows.items()}


def learn(planted: Planted, folder: Path, recipe: str) -> Run:
    # The split for which the shares below were measured.
    settings = [f"data.size={SIDE}", "evaluate.resamples=200", "data.split_rule=shuffled"]
    return train(planted.folder, folder, recipe=recipe, settings=settings, progress=SILENT)


@pytest.mark.slow
def test_explain__finds_a_planted_cue(planted, tmp_path):
    run = learn(planted, tmp_path / "run", "frozen-linear")
    assert run.metrics["test"]["accuracy"] > 0.7
    for share, peak, area in shares_on_the_patch(planted, run).values():
        assert area < 0.3
        assert share > 1.6 * area and peak > 2 * area


@pytest.mark.slow
def test_explain__finds_a_planted_cue_better_after_fine_tuning(planted, tmp_path):
    run = learn(planted, tmp_path / "run", "quick")
    assert run.metrics["chosen_phase"] == "finetune"
    found = shares_on_the_patch(planted, run)
    share, peak, area = found["grad_cam"]
    assert area < 0.3 and share > 0.65 and peak > 0.8
    assert found["occlusion"][0] > 1.6 * area and found["occlusion"][1] > 0.6


def test_explanation__shows_itself(run, session_colours):
    (found,) = run.explain(session_colours / "red" / "red 00.jpg")
    assert isinstance(found, Explanation) and "grad_cam" not in repr(found)
    with Image.open(io.BytesIO(draw_explanations([found]))) as picture:
        assert picture.format == "PNG"
