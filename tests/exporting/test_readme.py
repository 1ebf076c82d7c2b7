import json
import runpy

import numpy as np
import pytest
from PIL import Image

from budwood.core.files import write_json
from budwood.data.decoder.resize import to_square
from budwood.data.images import view
from budwood.exporting.contract import Contract
from budwood.exporting.formats.keras_file import KerasFile
from budwood.exporting.readme import _SQUARES, python_lines
from budwood.inference.model_info import ModelInfo, ModelInput


@pytest.mark.parametrize("resize", list(_SQUARES))
@pytest.mark.parametrize("shape", [(40, 61), (200, 90), (64, 64), (300, 7)])
def test_squares__are_those_of_the_training(resize, shape):
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    names = {"picture": Image.fromarray(pixels), "Image": Image, "SIZE": 64}
    exec(_SQUARES[resize], names)
    own = np.asarray(to_square(Image.fromarray(pixels), 64, resize), np.int16)
    assert (np.asarray(names["square"], np.int16) == own).all()


INFO = ModelInfo(
    classes=("../../etc/passwd", "<b>bold</b>", "🌷", "two\nlines", "caf\udce9"),
    input=ModelInput(size=16, resize="pad", levels=(0, 4095)),
    backbone="tiny",
    boundary="pooling",
    temperature=1.0,
    versions={},
    fingerprints={"model": "0" * 64},
)


class Fixed(KerasFile):
    """Answers the same for every picture."""

    name = "fixed"
    code = (
        'answers = {"probabilities": np.array([[0.1, 0.2, 0.3, 0.25, 0.15]]), "distance": np.array([[0.7]])}'
    )


@pytest.fixture
def program(tmp_path):
    contract = Contract.of(INFO, exported_as="fixed", threshold=0.5, files={}, versions={})
    write_json(tmp_path / "contract.json", contract.model_dump(mode="json"))
    (tmp_path / "predict.py").write_text(python_lines(Fixed(), contract), encoding="utf-8")
    return tmp_path / "predict.py"


def run(program, picture, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["predict.py", str(picture)])
    names = runpy.run_path(str(program))
    return names, capsys.readouterr().out


def test_python_lines__print_any_names_of_classes(program, tmp_path, monkeypatch, capsys):
    Image.new("RGB", (40, 20)).save(tmp_path / "a.png")
    _, out = run(program, tmp_path / "a.png", monkeypatch, capsys)
    assert out.splitlines() == [
        "none of these (distance 0.700, at most 0.500 expected)",
        "0.3000  🌷",
        "0.2500  'two\\nlines'",
        "0.2000  <b>bold</b>",
        "0.1500  'caf\\udce9'",
        "0.1000  ../../etc/passwd",
    ]


def test_python_lines__refuse_the_contract_of_another_version(program, tmp_path, monkeypatch, capsys):
    contract = json.loads((tmp_path / "contract.json").read_bytes().decode("utf-8", "replace"))
    (tmp_path / "contract.json").write_text(json.dumps(contract | {"format": 2}))
    with pytest.raises(SystemExit, match="of another export than this program: export the model again"):
        run(program, tmp_path / "a.png", monkeypatch, capsys)


def test_python_lines__refuse_pictures_of_more_than_8_bits(program, tmp_path, monkeypatch, capsys):
    Image.fromarray(np.full((20, 20), 3000, np.uint16)).save(tmp_path / "a.png")
    with pytest.raises(SystemExit, match="more than 8 bits a channel.* see levels in contract.json"):
        run(program, tmp_path / "a.png", monkeypatch, capsys)


@pytest.mark.parametrize("content", [b"text", None])
def test_python_lines__say_where_there_is_no_picture(content, program, tmp_path, monkeypatch, capsys):
    if content is not None:
        (tmp_path / "notes.jpg").write_bytes(content)
    with pytest.raises(SystemExit, match="no picture can be read there: .*notes"):
        run(program, tmp_path / "notes.jpg", monkeypatch, capsys)


@pytest.mark.parametrize("kind", ["large JPEG", "turned", "transparent", "grey", "palette"])
def test_python_lines__see_what_the_training_saw(kind, program, tmp_path, monkeypatch, capsys):
    rng = np.random.default_rng(1)
    pixels = np.asarray(Image.fromarray(rng.integers(0, 256, (9, 12, 4), np.uint8)).resize((160, 120)))
    picture, file, options = Image.fromarray(pixels[..., :3]), tmp_path / "a.png", {}
    if kind == "large JPEG":
        file = tmp_path / "a.jpg"
    elif kind == "turned":
        file, options["exif"] = tmp_path / "a.jpg", Image.Exif()
        options["exif"][0x0112] = 6
    elif kind == "transparent":
        picture = Image.fromarray(pixels)
    else:
        picture = picture.convert({"grey": "L", "palette": "P"}[kind])
    picture.save(file, **options)
    names, _ = run(program, file, monkeypatch, capsys)
    seen = view(file, 16, "pad").astype(np.float32)
    assert np.abs(names["pixels"][0] - seen).max() <= 1
