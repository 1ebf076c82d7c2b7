"""Pairs compared here and in other processes: the same answers, whatever becomes of the others."""

import io
import pickle
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image, ImageOps

import budwood.features.overlays as module
from budwood.core import threads
from budwood.data.image_ref import ImageBytes, ImageFile
from budwood.data.overlay import grey, overlay
from budwood.features.overlays import overlays


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Six pictures, and a mirror image of each."""
    folder = tmp_path_factory.mktemp("pictures")
    chance = np.random.default_rng(0)
    for place, noise in enumerate(chance.integers(0, 255, (6, 12, 16, 3)).astype(np.uint8)):
        image = Image.fromarray(noise).resize((96, 72), Image.Resampling.BICUBIC)
        image.save(folder / f"{place}.png")
        ImageOps.mirror(image).save(folder / f"{place} mirrored.png")
    return folder


@pytest.fixture
def pairs(files):
    """Each with the mirror image of itself and of the next, and one that is gone."""
    some = [
        (ImageFile(files, f"{one}.png"), ImageFile(files, f"{(one + more) % 6} mirrored.png"))
        for one in range(6)
        for more in (0, 1)
    ]
    return [*some[:9], (ImageFile(files, "gone.png"), some[0][1]), *some[9:]]


@pytest.fixture
def few_suffice(monkeypatch):
    """Processes for a handful of pairs, on three cores."""
    monkeypatch.setattr(module, "A_PROCESS", 4)
    monkeypatch.setattr(module, "_AHEAD", 1)
    monkeypatch.setenv(threads.SETTING, "3")


@pytest.fixture
def started(monkeypatch):
    """The processes that were started, which all run as they do."""
    every = []
    begin = module._Process.__init__

    def remembered(self, share):
        begin(self, share)
        every.append(self._process)

    monkeypatch.setattr(module._Process, "__init__", remembered)
    return every


def one_by_one(pairs):
    return [None if "gone" in one.name else overlay(grey(one), grey(other)) for one, other in pairs]


@pytest.mark.usefixtures("few_suffice")
def test_overlays__in_several_processes_as_one_by_one(pairs, started):
    found = overlays(pairs)
    assert found == one_by_one(pairs)
    assert [seen is not None and seen.is_copy for seen in found] == [True, False] * 4 + [
        True,
        False,
        False,
        True,
        False,
    ]
    assert [process.returncode for process in started] == [0, 0]


def test_overlays__few_pairs_start_no_process(pairs, started, monkeypatch):
    monkeypatch.setenv(threads.SETTING, "3")
    assert overlays(pairs) == one_by_one(pairs)
    assert overlays([]) == []
    assert not started


@pytest.mark.usefixtures("few_suffice")
def test_overlays__pictures_in_memory_are_compared_here(pairs, started):
    held = [
        (ImageBytes(one.read(), one.name), ImageBytes(other.read(), other.name))
        for one, other in pairs
        if "gone" not in one.name
    ]
    assert overlays(held) == one_by_one(held)
    assert not started


@pytest.mark.usefixtures("few_suffice")
@pytest.mark.parametrize("instead", ["import sys; sys.exit(3)", "import os; os.kill(os.getpid(), 9)"])
def test_overlays__a_process_that_fails_is_done_without(pairs, started, monkeypatch, tmp_path, instead):
    program = tmp_path / "fails"
    program.write_text(f"#!{sys.executable}\n{instead}\n")
    program.chmod(0o755)
    monkeypatch.setattr(module.sys, "executable", str(program))
    assert overlays(pairs) == one_by_one(pairs)
    assert len(started) == 2 and all(process.returncode for process in started)


@pytest.mark.usefixtures("few_suffice")
@pytest.mark.parametrize("executable", ["/nowhere/python", "", None])
def test_overlays__where_no_process_can_be_started(pairs, started, monkeypatch, executable):
    monkeypatch.setattr(module.sys, "executable", executable)
    assert overlays(pairs) == one_by_one(pairs)
    assert not started


@pytest.mark.usefixtures("few_suffice")
def test_overlays__no_process_is_left_behind(pairs, started, monkeypatch):
    def interrupted(*given):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "_compared", interrupted)
    with pytest.raises(KeyboardInterrupt):
        overlays(pairs)
    assert len(started) == 2 and all(process.returncode is not None for process in started)


@pytest.mark.parametrize(("number", "processes"), [(0, 1), (7, 1), (300, 2), (301, 2), (4_000, 7), (10, 8)])
def test_divided__into_contiguous_shares_the_first_the_longest(number, processes):
    pairs = [(f"{place}", "other") for place in range(number)]
    shares = module._divided(pairs, processes)
    assert [pair for share in shares for pair in share] == pairs
    assert len(shares) == processes
    assert len({len(share) for share in shares[1:]}) <= 1
    assert all(len(shares[0]) >= len(share) for share in shares)


def test_main__from_standard_input_to_standard_output(pairs, monkeypatch):
    done = []
    output = io.BytesIO()
    share = module._Share(pairs, None, 7)
    monkeypatch.setattr(module.os, "getppid", lambda: 7)
    monkeypatch.setattr(module, "die_with_parent", lambda: done.append("bound"))
    monkeypatch.setattr(module.signal, "signal", lambda *given: done.append(given[0]))
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(pickle.dumps(share))))
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(buffer=output))
    module.main()
    assert pickle.loads(output.getvalue()) == one_by_one(pairs)
    assert done == ["bound", module.signal.SIGINT]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere another process may stand between the two")
def test_main__the_process_that_asked_is_gone(pairs, monkeypatch):
    share = module._Share(pairs, None, 7)
    monkeypatch.setattr(module.os, "getppid", lambda: 1)
    monkeypatch.setattr(module, "die_with_parent", lambda: None)
    monkeypatch.setattr(module.signal, "signal", lambda *given: None)
    monkeypatch.setattr(module, "_compared", lambda *given: pytest.fail("nobody waits for it"))
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(pickle.dumps(share))))
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(buffer=(output := io.BytesIO())))
    with pytest.raises(SystemExit):
        module.main()
    assert output.getvalue() == b""
