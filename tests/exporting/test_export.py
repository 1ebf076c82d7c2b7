"""Every format: written, run in its own runtime, and answering as the run does."""

import errno
import json
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import venv

import numpy as np
import pytest
from PIL import Image

from budwood.core.errors import DataError, RunError
from budwood.core.files import read_json, sha256_of
from budwood.data.images import view
from budwood.exporting import formats
from budwood.exporting.checking import Source, SplitPhotos
from budwood.exporting.export import FewerBits, export_model, prepare, refuse_bad_place
from budwood.exporting.formats.format import Format
from budwood.exporting.network import Network
from budwood.run import load

pytestmark = pytest.mark.usefixtures("shared_cache", "tiny_backbones")


NO_PHOTOS = SplitPhotos("train", [], [])


# The page for the browser has tests of its own: it needs a runtime that is no Python package.
@pytest.fixture(params=[name for name in formats.FORMATS if name != "web"])
def form(request) -> Format:
    for module in {"onnx": ["tf2onnx", "onnx", "onnxruntime"], "litert": ["ai_edge_litert"]}.get(
        request.param, []
    ):
        pytest.importorskip(module)
    return formats.find_format(request.param)


@pytest.mark.parametrize("kind", ["tiny_run", "tiny_label_run"])
def test_export__answers_as_the_run_and_as_its_own_lines_say(
    form, kind, request, tmp_path, capsys, monkeypatch
):
    run = load(request.getfixturevalue(kind))
    found = run.export(form.name, tmp_path / "out", data=_photos(request, kind))
    parity = found.parity
    assert parity.photos == run.metrics["test"]["n"] == parity.same_answers and parity.split == "test"
    assert parity.largest_difference <= 1e-3 and parity.difference == 0
    assert parity.distance.same_side == parity.photos and parity.distance.largest_difference <= 1e-3
    right = "accuracy" if kind == "tiny_run" else "exact_match"
    assert parity.run_correct == pytest.approx(run.metrics["test"][right])
    contract = read_json(tmp_path / "out" / "contract.json")
    assert contract["distance"]["threshold"] == pytest.approx(run.predictor.ood.threshold(0.98))
    assert contract["classes"] == run.classes and contract["model_sha256"] == run.model_sha256
    assert contract["thresholds"] == (list(run.thresholds.values()) if run.thresholds else None)
    assert contract["files"] == {name: sha256_of(tmp_path / "out" / name) for name in contract["files"]}
    assert read_json(tmp_path / "out" / "parity.json")["photos"] == parity.photos

    # What the README says to give a picture prints what the run answers.
    picture = tmp_path / "odd.jpg"
    original = next(path for path in request.getfixturevalue("session_colours").rglob("*.jpg"))
    # A damaged profile of colours is passed over.
    Image.open(original).save(picture, quality=95, icc_profile=b"abc" * 50)
    monkeypatch.setattr(sys, "argv", ["predict.py", str(picture)])
    capsys.readouterr()
    runpy.run_path(str(tmp_path / "out" / "predict.py"))
    printed = {
        label: float(share) for share, label in re.findall(r"(?m)^(0.+|1.+)  (\w+)", capsys.readouterr().out)
    }
    assert printed == pytest.approx(run.predict(picture)[0].probabilities, abs=2e-3)
    code = (tmp_path / "out" / "predict.py").read_text()
    assert "budwood" not in code and code.strip() in (tmp_path / "out" / "README.md").read_text()


def _photos(request, kind):
    return request.getfixturevalue("session_colours" if kind == "tiny_run" else "labels_table")


@pytest.mark.slow
def test_load__takes_any_number_of_pictures(form, tiny_run, session_colours, tmp_path):
    run = load(tiny_run)
    run.export(form.name, tmp_path / "out", data=session_colours)
    runtime = form.load(tmp_path / "out")
    pictures = [view(path, 64) for path in sorted(session_colours.rglob("*.jpg"))[:5]]
    stacked = np.stack(pictures).astype(np.float32)
    together = runtime(stacked)
    assert {name: some.shape for name, some in together.items()} == {
        "probabilities": (5, len(run.classes)),
        "distance": (5, 1),
    }
    for name, some in together.items():
        assert some.dtype == np.float32
        alone = np.concatenate([runtime(stacked[at : at + 1])[name] for at in range(5)])
        assert alone == pytest.approx(some, abs=1e-6) and runtime(stacked)[name] == pytest.approx(
            some, abs=1e-6
        )


def test_export__that_answers_otherwise_is_refused_and_leaves_nothing(tiny_run, session_colours, tmp_path):
    class Wrong(type(formats.find_format("keras"))):
        def load(self, folder):
            right = super().load(folder)
            return lambda pixels: {name: some[:, ::-1] for name, some in right(pixels).items()}

    run = load(tiny_run)
    with pytest.raises(RunError, match="does not answer as the run does: .* Nothing was written"):
        _export(run, Wrong(), session_colours, tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_export__a_model_of_one_batch_size_is_refused(tiny_run, session_colours, tmp_path):
    class OneAtATime(type(formats.find_format("keras"))):
        def load(self, folder):
            right = super().load(folder)
            return lambda pixels: right(np.repeat(pixels[:1], len(pixels), axis=0))

    with pytest.raises(RunError, match="answers otherwise for one picture at a time"):
        _export(load(tiny_run), OneAtATime(), session_colours, tmp_path / "out")


def test_export__a_layer_that_a_runtime_does_not_know(tiny_run, session_colours, tmp_path):
    class Unknown(type(formats.find_format("keras"))):
        title = "Some"

        def write(self, model, folder):
            raise ValueError("no such operation: Foo\nand more")

    with pytest.raises(RunError, match="Some cannot take this model: ValueError: no such operation: Foo$"):
        _export(load(tiny_run), Unknown(), session_colours, tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_export__without_photos_or_of_a_missing_package(tiny_run, session_colours, tmp_path, monkeypatch):
    run = load(tiny_run)
    with pytest.raises(DataError, match="holds none of the run's photos"):
        (tmp_path / "a").mkdir()
        shutil.copytree(session_colours / "red", tmp_path / "a" / "green")
        shutil.copytree(session_colours / "red", tmp_path / "a" / "blue")
        run.export("keras", tmp_path / "out", data=tmp_path / "a")
    monkeypatch.setattr("budwood.exporting.formats.format.find_spec", lambda name: None)
    with pytest.raises(
        RunError, match=r"needs tensorflow and tf2onnx and onnx and onnxruntime, .*'budwood\[onnx\]'"
    ):
        run.export("onnx", tmp_path / "out", data=session_colours)


def test_export__says_which_photos_it_did_not_find(tiny_run, session_colours, tmp_path, capsys):
    shutil.copytree(session_colours, tmp_path / "some")
    run = load(tiny_run)
    lost = next(row.name for row in run.files.split if row.split == "test")
    (tmp_path / "some" / lost).unlink()
    found = run.export("keras", tmp_path / "out", data=tmp_path / "some")
    of = run.metrics["test"]["n"]
    assert (found.parity.photos, found.parity.missing) == (of - 1, 1)
    readme = " ".join((tmp_path / "out" / "README.md").read_text().split())
    assert f"The run has {of} test photos; 1 of them were not found" in readme
    with pytest.raises(RunError, match=f"measured on all {of} test photos of the run, and 1 of them"):
        run.export("openvino", tmp_path / "fewer", data=tmp_path / "some", quantize="int8")
    assert not (tmp_path / "fewer").exists()


def test_export__names_a_full_disk_where_a_compiled_writer_does_not(
    tiny_run, session_colours, tmp_path, monkeypatch
):
    class Full(type(formats.find_format("keras"))):
        def write(self, network, folder):
            raise RuntimeError("basic_ios::clear: iostream error")

    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage._replace(free=4096))
    with pytest.raises(RunError, match=f"the disk of {tmp_path} is full. Nothing was written"):
        _export(load(tiny_run), Full(), session_colours, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_refuse_bad_place__replaces_exports_alone_and_when_told(tiny_run, session_colours, tmp_path):
    run = load(tiny_run)
    run.export("keras", tmp_path / "out", data=session_colours)
    with pytest.raises(RunError, match="has an export already. Give --overwrite"):
        run.export("keras", tmp_path / "out", data=session_colours)
    (tmp_path / "out" / "left over").touch()
    run.export("keras", tmp_path / "out", data=session_colours, overwrite=True)
    assert not (tmp_path / "out" / "left over").exists() and [one.name for one in tmp_path.iterdir()] == [
        "out"
    ]
    (tmp_path / "photos").mkdir()
    with pytest.raises(RunError, match="is there and is no export"):
        refuse_bad_place(tmp_path / "photos", overwrite=True)


def test_find_format__names_the_nearest():
    with pytest.raises(RunError, match=r"no format 'onx'. Did you mean onnx\?.*openvino, onnx, litert"):
        formats.find_format("onx")


def _export(run, form, colours, folder):
    held = run._own_photos.images(colours)
    rows = [row for row in run.files.split if row.split == "test"]
    photos = SplitPhotos("test", [held[row.name] for row in rows], [row.label for row in rows])
    return export_model(source_of(run, photos), form, folder)


def source_of(run, photos):
    def network(reference):
        return Network(lambda: run._artifact, reference, run.predictor.file)

    return Source(run.files.model, network, run.predictor, run.files.task, photos, photos)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("openvino", "float16"),
        pytest.param("openvino", "int8", marks=pytest.mark.slow),
        # A second conversion of the network each: 12 s.
        pytest.param("litert", "float16", marks=pytest.mark.slow),
        pytest.param("litert", "int8", marks=pytest.mark.slow),
        ("onnx", "int8"),
    ],
)
def test_export__with_fewer_bits_is_smaller_and_says_what_it_costs(
    name, kind, tiny_run, session_colours, tmp_path
):
    for module in {"litert": ["ai_edge_litert"], "onnx": ["tf2onnx", "onnxruntime"]}.get(name, []):
        pytest.importorskip(module)
    if kind == "int8" and name != "litert":
        pytest.importorskip("nncf")
    run = load(tiny_run)
    try:
        found = run.export(name, tmp_path / "out", quantize=kind, data=session_colours)
    except RunError as error:
        if (name, kind) == ("openvino", "int8") and "one picture at a time" in str(error):
            pytest.skip(
                "OpenVINO's int8 of so small a network depends on the size of the batch on this processor"
            )
        raise
    parity, speed = found.parity, found.parity.speed
    assert parity.precision == kind and parity.holds and parity.largest_difference > 0
    assert parity.difference == pytest.approx(parity.export_correct - parity.run_correct)
    assert min(speed.megabytes, speed.f32_megabytes, speed.milliseconds, speed.f32_milliseconds) > 0
    assert f"with {kind}" in (tmp_path / "out" / "README.md").read_text()
    answers = formats.find_format(name).load(tmp_path / "out")
    assert answers(np.zeros((2, 64, 64, 3), np.float32))["probabilities"].shape == (2, len(run.classes))


def test_export__fewer_bits_that_cost_too_much_are_refused(tiny_run, session_colours, tmp_path):
    class Worse(type(formats.find_format("openvino"))):
        def load(self, folder):
            right = super().load(folder)
            if folder.name != "out":
                return right
            return lambda pixels: {name: np.roll(some, 1, axis=1) for name, some in right(pixels).items()}

    run = load(tiny_run)
    held = run._own_photos.images(session_colours)
    rows = [row for row in run.files.split if row.split == "test"]
    photos = SplitPhotos("test", [held[row.name] for row in rows], [row.label for row in rows])
    source = source_of(run, photos)
    with pytest.raises(
        RunError,
        match="OpenVINO with float16 loses more than 20 points: of 5 test photos.* Nothing was written",
    ):
        export_model(source, Worse(), tmp_path / "out", fewer_bits=FewerBits("float16", NO_PHOTOS))
    assert not list(tmp_path.iterdir())
    with pytest.raises(RunError, match="and 0 are at hand. 20 are needed"):
        export_model(source, Worse(), tmp_path / "out", fewer_bits=FewerBits("int8", NO_PHOTOS))


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("openvino", "int4", "no quantisation 'int4'. Did you mean int8"),
        ("keras", "int8", "Keras has no quantisation int8: keras knows none"),
        ("onnx", "float16", "ONNX has no quantisation float16: onnx knows int8"),
    ],
)
def test_prepare__quantisations_that_there_are_not(name, kind, said, tmp_path):
    with pytest.raises(RunError, match=said):
        prepare(name, kind, tmp_path / "out", overwrite=False)


def test_parity__is_json_without_numpy(tiny_run, session_colours, tmp_path):
    found = load(tiny_run).export("keras", tmp_path / "out", data=session_colours)
    assert json.loads(found.parity.model_dump_json())["batches"] == [1, 7]


@pytest.mark.slow
def test_export__that_cannot_take_its_place_leaves_the_earlier_one(
    tiny_run, session_colours, tmp_path, monkeypatch
):
    def refuse(new, folder):
        raise PermissionError(errno.EACCES, "in use")

    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "contract.json").write_text('{"exported_as": "earlier"}')
    monkeypatch.setattr("budwood.exporting.export.exchange", refuse)
    with pytest.raises(PermissionError):
        _export(load(tiny_run), formats.find_format("keras"), session_colours, tmp_path / "out")
    assert "earlier" in (tmp_path / "out" / "contract.json").read_text()


@pytest.mark.parametrize("stop", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("where", ["write", "load", "README"])
def test_export__that_is_stopped_leaves_nothing_and_an_earlier_one_as_it_was(
    stop, where, tiny_run, session_colours, tmp_path, monkeypatch
):
    class Stopped(type(formats.find_format("keras"))):
        def write(self, network, folder):
            (folder / "half").write_bytes(b"0" * 1000)
            if where == "write":
                raise stop
            super().write(network, folder)

        def load(self, folder):
            if where == "load":
                raise stop
            return super().load(folder)

    def fail(*contents):
        raise stop

    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "contract.json").write_text('{"exported_as": "earlier"}')
    if where == "README":
        monkeypatch.setattr("budwood.exporting.export.render_readme", fail)
    with pytest.raises(type(stop)):
        _export(load(tiny_run), Stopped(), session_colours, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["contract.json"]


def test_export__of_a_damaged_run_says_what_is_damaged(tiny_run, session_colours, tmp_path):
    shutil.copytree(tiny_run, tmp_path / "run")
    with (tmp_path / "run" / "model" / "model.keras").open("ab") as file:
        file.write(b"more")
    with pytest.raises(RunError, match="model.keras is not the file that was saved"):
        load(tmp_path / "run").export("keras", tmp_path / "out", data=session_colours)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_export__writes_nothing_into_the_home_folder(session_run, session_colours, tmp_path):
    pytest.importorskip("nncf")
    (tmp_path / "home").mkdir()
    arguments = "export", session_run, "--format", "openvino", "--quantize", "int8", "-o", tmp_path / "out"
    subprocess.run(
        [sys.executable, "-m", "budwood.cli", *map(str, arguments), "--photos", str(session_colours)],
        env={
            **os.environ,
            "HOME": str(tmp_path / "home"),
            "XDG_CACHE_HOME": str(tmp_path / "home" / "cache"),
        },
        check=True,
        capture_output=True,
    )
    assert list((tmp_path / "home").rglob("*")) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["onnx", "litert"])
def test_export__answers_where_its_runtime_alone_is_installed(name, tiny_run, session_colours, tmp_path):
    form = formats.find_format(name)
    for module in (*form.writes_with, *form.runs_with):
        pytest.importorskip(module)
    run = load(tiny_run)
    run.export(name, tmp_path / "out", data=session_colours)
    venv.create(tmp_path / "fresh", with_pip=True)
    python = tmp_path / "fresh" / ("Scripts" if os.name == "nt" else "bin") / "python"
    installed = subprocess.run(
        [python, "-m", "pip", "install", "-q", *shlex.split(form.install)], capture_output=True
    )
    if installed.returncode:
        pytest.skip(f"{form.install} cannot be installed here")
    picture = next(session_colours.rglob("*.jpg"))
    alone = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    said = subprocess.run(
        [python, "-I", tmp_path / "out" / "predict.py", picture], env=alone, check=True, capture_output=True
    )
    printed = {
        label: float(share) for share, label in re.findall(r"(?m)^([01]\.\d+)  (\w+)", said.stdout.decode())
    }
    assert printed == pytest.approx(run.predict(picture)[0].probabilities, abs=2e-3)


def test_export__to_openvino_needs_no_tensorflow(tiny_run, session_colours, tmp_path):
    code = f"""
import sys
from budwood import load

found = load({str(tiny_run)!r}).export("openvino", "out", data={str(session_colours)!r})
assert found.parity.largest_difference < 1e-6, found.parity
assert not {{"keras", "tensorflow"}} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
