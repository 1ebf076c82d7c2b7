import numpy as np
import pytest
from PIL import Image

from budwood.inference.explain import Explanation, Similar
from budwood.inference.prediction import Prediction
from budwood.report.sheets import canvas
from budwood.report.sheets.explanations import name_sheets, over, write_explanations

NASTY = ["<script>", "two\nlines", "x" * 300, "caf\udce9", "日本語", ""]


def explained(labels: list[str], **changes) -> Explanation:
    shares = dict(zip(labels, np.linspace(1, 0, len(labels)) * 2 / len(labels), strict=True))
    said = Prediction("photo.jpg", labels[0], shares[labels[0]], shares, distance=0.4)
    ramp = np.tile(np.linspace(-1, 1, 32, dtype=np.float32), (32, 1))
    similar = (Similar("a.jpg", labels[0], 0.9, b""),)
    values = {
        "picture": np.full((32, 32, 3), 128, np.uint8),
        "grad_cam": np.maximum(ramp, 0),
        "occlusion": ramp,
    }
    values |= {"hidden_probability": 0.1, "farther_than": 0.5, "similar": similar, "true": labels[-1]}
    values |= {"prediction": said, "target": labels[0]}
    return Explanation(**(values | changes))


@pytest.mark.parametrize("labels", [NASTY, ["a", "b"], [str(number) for number in range(1000)]])
def test_write_explanations__any_names(tmp_path, labels):
    write_explanations([explained(labels), explained(labels[::-1])], tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.format == "PNG" and sheet.height > 2 * 300


def test_write_explanations__nothing_speaks_for_it(tmp_path):
    nothing = np.zeros((32, 32), np.float32)
    write_explanations(
        [explained(["a", "b"], grad_cam=nothing, occlusion=nothing, similar=(), farther_than=None)],
        tmp_path / "sheet.png",
    )
    assert (tmp_path / "sheet.png").stat().st_size > 1000


@pytest.mark.parametrize("true", ["sea;sun", "sea;?sun", "", None])
def test_write_explanations__several_labels(tmp_path, true):
    said = Prediction("photo.jpg", "sea", 0.9, {"sea": 0.9, "sun": 0.4}, labels=("sea",))
    similar = tuple(
        Similar("a.jpg", ";".join(labels), 0.9, b"", labels)
        for labels in ((), ("sea",), ("sea", "sun"), ("a" * 60, "b", "c", "d"))
    )
    found = explained(["sea", "sun"], prediction=said, similar=similar, true=true)
    assert found.right is (None if true is None else true == "sea;?sun")
    write_explanations([found], tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        pixels = np.asarray(sheet).astype(int)
    right = [int(canvas.WRONG[i : i + 2], 16) for i in (1, 3, 5)]
    assert bool((np.abs(pixels - right).max(-1) < 12).any()) is (found.right is False)


def test_over__is_lightest_where_the_map_is_highest():
    picture = np.full((32, 32, 3), 120, np.uint8)
    drawn = over(picture, np.tile(np.linspace(0, 1, 32, dtype=np.float32), (32, 1)))
    light = drawn.astype(int).sum(axis=-1)[0]
    assert (np.diff(light) >= -2).all() and light[-1] > 1.5 * light[0]
    cold = over(picture, np.full((32, 32), -1, np.float32))[0, 0].astype(int)
    assert cold[2] > cold[0] + 30


def test_name_sheets__no_two_alike(tmp_path):
    names = [path.name for path in name_sheets(["a.jpg", "b/a.png", "a-2.jpg", ".jpg"], tmp_path)]
    assert names == ["a.png", "a-2.png", "a-2-2.png", ".jpg.png"]


def test_write_explanations__writes_what_lies_above(tmp_path):
    def inked(path):
        said = Prediction("photo.jpg", "a", 0.9, {"a": 0.9, "b": 0.1}, path=path)
        write_explanations([explained(["a", "b"], prediction=said)], tmp_path / "sheet.png")
        with Image.open(tmp_path / "sheet.png") as sheet:
            return int((np.asarray(sheet).astype(int).sum(axis=-1) < 500).sum())

    assert inked((("owls", 0.95), ("a", 0.9))) > inked((("a", 0.9),)) == inked(())
