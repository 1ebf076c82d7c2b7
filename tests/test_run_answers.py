import io
import warnings

import numpy as np
import pytest
from PIL import Image

from budwood.core.errors import FewPhotosWarning, ImageError, PictureError, RunError
from budwood.evaluation.label_coverage import observe_label_sets
from budwood.evaluation.risk_control import choose_label_rule, missed_in_calibration
from budwood.run import Run, load

pytestmark = pytest.mark.usefixtures("shared_cache")


@pytest.fixture
def run(session_run) -> Run:
    return load(session_run)


def test_predict__paths_bytes_pil_and_arrays_agree(run, session_colours):
    path = session_colours / "red" / "red 03.jpg"
    image = Image.open(path)
    pixels, content = np.asarray(image), path.read_bytes()
    pictures = [path, str(path), content, image, pixels, pixels.astype(np.float64), bytearray(content)]
    pictures.append(io.BytesIO(content))
    shares = [list(prediction.probabilities.values()) for prediction in run.predict(pictures)]
    for other in shares[1:]:
        np.testing.assert_allclose(other, shares[0], atol=1e-6)
    assert run.predict(path)[0].label == "red"
    assert run.predict(np.asarray(image))[0].name == "image 0"


def test_predict__goes_on_past_a_bad_picture_and_keeps_the_order(run, session_colours, tmp_path):
    bad = tmp_path / "bad.jpg"
    bad.write_text("text")
    good = sorted((session_colours / "blue").iterdir())[:3]
    predictions = run.predict([good[0], bad, tmp_path / "absent.jpg", *good[1:]])
    assert [prediction.error is None for prediction in predictions] == [True, False, False, True, True]
    assert predictions[0].name == str(good[0])
    assert predictions[1].label is None and "error" in predictions[1].to_json()
    with pytest.raises(ImageError, match=r"bad\.jpg"):
        run.predict_proba([good[0], bad])


def test_predict__an_upload_is_one_picture_and_what_is_none_is_raised(run, session_colours):
    path = session_colours / "red" / "red 03.jpg"
    expected = run.predict(path.read_bytes())
    with path.open("rb") as file:
        assert run.predict(file) == expected
    assert run.predict(io.BytesIO(path.read_bytes())) == expected
    wrong = np.asarray(Image.open(path)).transpose(2, 0, 1)
    for ask in (run.predict, run.predict_proba, run.explain, run.stream, run.predictor.predict):
        with pytest.raises(PictureError, match="has its channels first"):
            ask(wrong)
    with pytest.raises(PictureError, match="picture 1: None is no picture"):
        run.ood_scores(session_colours, [path, None])


def test_stream__is_predict_one_by_one(run, session_colours):
    pictures = sorted(session_colours.rglob("*.jpg"))[::5]
    options = {"acceptance": 0.9, "coverage": 0.8, "precision": 0.5}
    found = run.stream((picture for picture in pictures), **options)
    assert next(found).name == str(pictures[0])
    assert list(found) == run.predict(pictures, **options)[1:]
    with pytest.raises(RunError, match="sets and per_class are of a coverage"):
        run.stream(pictures, per_class=True)


def test_predict__does_not_depend_on_the_others(run, session_colours):
    pictures = sorted(session_colours.rglob("*.jpg"))[:7]
    together = run.predict_proba(pictures)
    alone = np.concatenate([run.predict_proba(picture) for picture in pictures])
    np.testing.assert_array_equal(together, alone)


def test_predict__exif_rotated_copy_is_the_same(run, session_colours):
    image = Image.open(session_colours / "green" / "green 01.jpg")
    upright, rotated = io.BytesIO(), io.BytesIO()
    image.save(upright, "png")
    exif = Image.Exif()
    exif[0x0112] = 6
    image.transpose(Image.Transpose.ROTATE_90).save(rotated, "png", exif=exif)
    first, second = run.predict_proba([upright.getvalue(), rotated.getvalue()])
    np.testing.assert_array_equal(first, second)


def test_predict__nothing(run):
    assert run.predict([]) == []
    assert run.predict_proba([]).shape == (0, 3)


def test_top__most_probable_first(run, session_colours):
    top = run.predict(session_colours / "red" / "red 00.jpg")[0].top(2)
    assert len(top) == 2 and top[0][1] >= top[1][1]


def test_predict__says_once_that_few_photos_show_what_is_none_of_the_classes(session_run, session_colours):
    run, picture = load(session_run), session_colours / "red" / "red 00.jpg"
    with pytest.warns(FewPhotosWarning, match="none of these: only .* photos .*would do") as said:
        run.predict(picture)
        run.predict(picture)
    assert len(said) == 1
    quiet = load(session_run)
    with warnings.catch_warnings():
        warnings.simplefilter("error", FewPhotosWarning)
        quiet.predict_proba(picture)
        quiet.predict(picture, acceptance=1.0)
        quiet.warn_no_more()
        quiet.predict(picture)


def test_predict__sets_hold_the_true_class(run, session_colours):
    paths = sorted((session_colours / "red").iterdir())[:3]
    plain, with_sets = run.predict(paths), run.predict(paths, coverage=0.8)
    assert all(one.prediction_set is None for one in plain)
    assert {one.prediction_set for one in run.predict(paths, coverage=0.8, sets="adaptive")} == {("red",)}
    rule = run.prediction_sets(0.8).rule
    for one, before in zip(with_sets, plain, strict=True):
        shares = np.array([list(before.probabilities.values())])
        assert set(one.prediction_set) == {
            run.classes[place] for place in np.flatnonzero(rule.sets(shares)[0])
        }


def test_prediction_sets__are_those_of_the_training(run):
    chosen = run.prediction_sets(0.8)
    rows = [row for row in run.files.predictions if row.split == "validation"]
    assert (chosen.calibrated_on, chosen.n, chosen.groups) == ("validation", len(rows), None)
    # Of 4 validation photos ceil(5 * 0.8) = 4: the least probable true class.
    assert chosen.rule.thresholds[0] == 1 - min(row.true_probability for row in rows)
    assert chosen.test.n == run.metrics["test"]["n"]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"coverage": 0.99}, "needs 99 photos to calibrate it, and there are 4. Give 0.8 or less"),
        ({"coverage": 0.9, "per_class": True}, "needs 9 photos of each .* has 1"),
        ({"coverage": 1.0}, "cannot be promised but by sets of everything"),
        ({"coverage": 90.0}, "a coverage of 90 cannot be promised"),
        ({"coverage": 0.8, "sets": "aps"}, "no sets 'aps'"),
        ({"sets": "adaptive"}, "of a coverage. Give one, such as coverage=0.9"),
        ({"per_class": True}, "of a coverage. Give one"),
    ],
)
def test_predict__refuses_what_its_photos_cannot_promise(run, session_colours, asked, words):
    with pytest.raises(RunError, match=words):
        run.predict(session_colours / "red" / "red 03.jpg", **asked)


def test_prediction_sets__of_several_labels_hold_a_share_of_them(tiny_label_run, session_colours):
    run = load(tiny_label_run)
    chosen, held = run.prediction_sets(0.5), run.files.scored_labels
    assert (chosen.calibrated_on, chosen.n) == ("validation", len(held["validation"].targets))
    rule = choose_label_rule(held["validation"].targets, held["validation"].probabilities, run.classes, 0.5)
    assert chosen.rule.thresholds.tolist() == rule.thresholds.tolist()
    assert chosen.test == observe_label_sets(
        rule,
        missed_in_calibration(held["validation"].targets, rule.sets(held["validation"].probabilities)),
        held["test"],
    )
    assert run.files.metrics.label_sets.n == chosen.n and run.files.metrics.sets is None
    found = run.predict(session_colours / "red" / "red 03.jpg", coverage=0.5)[0]
    assert set(found.prediction_set) == {
        label for label, share in found.probabilities.items() if float(f"{share:.6g}") >= rule.thresholds[0]
    }
    with pytest.raises(
        RunError, match="kind of sets lac .* is for runs with one class a photo, and .* several"
    ):
        run.prediction_sets(0.5, sets="lac")
    with pytest.raises(RunError, match="on a tree of labels .* is for runs with one class a photo"):
        run.climb(0.9)
    with pytest.raises(RunError, match="of 0.99 needs 99 photos with labels to calibrate it"):
        run.predict(session_colours / "red" / "red 03.jpg", coverage=0.99)
