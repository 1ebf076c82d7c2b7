from pathlib import Path

import pytest

from budwood.backbones.registry import BACKBONES, get_backbone
from budwood.core.errors import BackboneError


def test_get_backbone__names_are_those_of_the_entries():
    assert all(get_backbone(name).name == name for name in BACKBONES)


def test_get_backbone__unknown_name_gets_the_nearest():
    with pytest.raises(BackboneError, match=r"no backbone `mobilnet_v2`\. Did you mean mobilenet_v2\?"):
        get_backbone("mobilnet_v2")


def test_backbones__facts_are_plausible():
    for backbone in BACKBONES.values():
        assert backbone.min_size <= backbone.size
        assert 50 < backbone.imagenet_top1 < 100
        assert backbone.sweet_spot and backbone.input_range


def test_registry__every_backbone_is_on_the_page_with_its_size():
    page = (Path(__file__).parents[2] / "docs" / "reference" / "backbones.md").read_text(encoding="utf-8")
    for name, backbone in BACKBONES.items():
        assert f"| `{name}` | {backbone.parameters / 1e6:.1f} M | {backbone.size} px |" in page
