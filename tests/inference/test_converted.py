"""The converted graph beside a model: found, made anew, and kept elsewhere where it cannot be written."""

import json
import shutil
import stat

import pytest

from budwood.inference import converted
from budwood.inference.converted import find, is_there
from budwood.inference.openvino_predictor import OpenVinoPredictor
from tests.inference.asked import asked

pytest.importorskip("openvino")


@pytest.mark.usefixtures("shared_cache")
@pytest.mark.parametrize(
    "damage", ["lose all", "empty folder", "lose model.bin", "flip model.bin", "cut model.xml", "other model"]
)
def test_load__a_graph_that_is_lost_or_damaged_is_made_again_with_a_word(model, tiny_run, photo, damage):
    expected = asked(tiny_run / "model", photo)[1]
    folder = model / "openvino"
    how, name = damage.split(" ")
    if damage == "lose all":
        shutil.rmtree(folder)
    elif how == "empty":
        for file in folder.iterdir():
            file.unlink()
    elif how == "lose":
        (folder / name).unlink()
    elif how == "other":
        info = json.loads((folder / "graph.json").read_text())
        (folder / "graph.json").write_text(json.dumps({**info, "model": "0" * 64}))
    else:
        content = bytearray((folder / name).read_bytes())
        content[len(content) // 2] ^= 1
        (folder / name).write_bytes(content if how == "flip" else content[:99])
    predictor, found, said = asked(model, photo)
    assert isinstance(predictor, OpenVinoPredictor) and len(said) == 1
    assert ("is missing" if how == "empty" or name == "all" else "is damaged") in said[0]
    assert found == pytest.approx(expected, abs=1e-6)
    assert asked(model, photo)[2] == []


@pytest.mark.usefixtures("shared_cache")
def test_load__where_the_run_cannot_be_written_the_cache_keeps_the_graph(
    model, photo, monkeypatch, own_cache
):
    monkeypatch.setenv("BUDWOOD_CACHE", str(own_cache))
    shutil.rmtree(model / "openvino")
    # A file in its way, for root may write into any folder.
    (model / "openvino").write_text("")
    model.chmod(stat.S_IRUSR | stat.S_IXUSR)
    real = converted._put
    monkeypatch.setattr(converted, "_put", lambda source, place: place.parent == model or real(source, place))
    try:
        assert len(asked(model, photo)[2]) == 1
        assert asked(model, photo)[2] == []
        assert not (model / "openvino").is_dir()
    finally:
        model.chmod(0o755)


@pytest.mark.usefixtures("shared_cache")
def test_load__where_nothing_can_be_written_it_still_answers(model, tiny_run, photo, monkeypatch):
    expected = asked(tiny_run / "model", photo)[1]
    shutil.rmtree(model / "openvino")
    real = converted._put
    monkeypatch.setattr(
        converted, "_put", lambda source, place: "budwood-graph-" in str(place) and real(source, place)
    )
    _, found, said = asked(model, photo)
    assert len(said) == 2 and "Set BUDWOOD_CACHE to a folder that you may write" in said[1]
    assert found == pytest.approx(expected, abs=1e-6)


def test_find__nothing_beside_no_model(tmp_path):
    assert find(tmp_path, "0" * 64) is None
    assert not is_there(tmp_path)
    (tmp_path / "openvino").mkdir()
    assert not is_there(tmp_path)
    (tmp_path / "openvino" / "model.xml").write_text("half")
    assert is_there(tmp_path)
    assert find(tmp_path, "0" * 64) is None
