import dataclasses
from pathlib import Path

import keras
import pytest

from budwood.backbones.registry import BACKBONES, get_backbone
from budwood.core.errors import BackboneError, MissingWeightsError


def test_get_backbone__names_are_those_of_the_entries():
    assert all(get_backbone(name).name == name for name in BACKBONES)


def test_get_backbone__unknown_name_gets_the_nearest():
    with pytest.raises(BackboneError, match=r"no backbone `mobilnet_v2`\. Did you mean mobilenet_v2\?"):
        get_backbone("mobilnet_v2")


def test_backbones__facts_are_plausible():
    for backbone in BACKBONES.values():
        assert backbone.min_size <= backbone.size
        assert backbone.imagenet_top1 is None or 50 < backbone.imagenet_top1 < 100
        assert backbone.best_for and backbone.input_range


def test_registry__every_backbone_is_on_the_page_with_its_size():
    page = (Path(__file__).parents[2] / "docs" / "reference" / "backbones.md").read_text(encoding="utf-8")
    for name, backbone in BACKBONES.items():
        row = f"| `{name}` | {backbone.parameters / 1e6:.1f} M | {backbone.size} px |"
        assert row in page, f"docs/reference/backbones.md needs a row that begins with {row}"


def test_build__without_weights_or_a_network_names_the_backbones_whose_weights_are_here(
    monkeypatch, tmp_path
):
    def get_file(*given, **options):
        raise OSError("no network")

    monkeypatch.setattr(keras.utils, "get_file", get_file)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.delenv("BUDWOOD_WEIGHTS", raising=False)
    with pytest.raises(MissingWeightsError) as error:
        get_backbone("mobilenet_v2").build()
    named = str(error.value).rpartition("here: ")[2].rstrip(".").split(", ")
    assert "efficientnet_lite0" in named and "mobilenet_v2" not in named


def test_build__where_no_weights_are_here_names_none(monkeypatch, tmp_path):
    monkeypatch.setattr(keras.utils, "get_file", lambda *given, **options: 1 / 0)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.delenv("BUDWOOD_WEIGHTS", raising=False)
    backbone = dataclasses.replace(get_backbone("mobilenet_v2"), known=tuple)
    with pytest.raises(MissingWeightsError, match=r"--weights FILE`\.$"):
        backbone.build()
