import logging
import sys
import types

import IPython.display
import pytest

from budwood.core import tensorflow
from budwood.core.progress import choose_progress, live
from budwood.core.progress.live import (
    KEPT,
    MOST_LINES,
    Live,
)
from budwood.core.system import in_notebook


@pytest.fixture
def displays(monkeypatch) -> list[tuple[dict, dict]]:
    """What is sent to the notebook: bundle and options, in order."""
    sent: list[tuple[dict, dict]] = []
    monkeypatch.setattr(IPython.display, "display", lambda bundle, **options: sent.append((bundle, options)))
    return sent


@pytest.fixture
def kernel(monkeypatch) -> None:
    """This process seems to be an IPython kernel."""
    shell = types.SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))


def test_in_notebook__a_kernel_alone(kernel):
    assert in_notebook()
    assert isinstance(choose_progress(), Live)


@pytest.mark.parametrize(
    "module",
    [
        None,
        types.SimpleNamespace(),
        types.SimpleNamespace(get_ipython=lambda: None),
        types.SimpleNamespace(get_ipython=lambda: types.SimpleNamespace(colors="Linux")),
    ],
    ids=["not loaded", "half loaded", "no shell", "in a terminal"],
)
def test_in_notebook__elsewhere(module, monkeypatch):
    monkeypatch.setitem(sys.modules, "IPython", module)
    assert not in_notebook()
    assert not isinstance(choose_progress(), Live)


def test_live__is_one_display_that_ends_with_a_line_a_stage(displays):
    progress = Live()
    progress.interval = 0.0
    with progress.stage("check", total=4) as stage:
        stage.advance(1)
        stage.advance(2)
    progress.say("a line")
    with progress.stage("fit", unit="fits"):
        pass
    assert len({options["display_id"] for _, options in displays}) == 1
    assert [options["update"] for _, options in displays] == [False] + [True] * (len(displays) - 1)
    assert all(options["raw"] and set(bundle) == {"text/plain", "text/html"} for bundle, options in displays)
    assert '<progress style="' in displays[0][0]["text/html"]
    assert 'value="3" max="4"' in displays[2][0]["text/html"]
    assert displays[2][0]["text/plain"].startswith("check: 3 of 4 photos")
    last = displays[-1][0]
    first, said, second = last["text/plain"].splitlines()
    assert first.startswith("check: done in ") and first.endswith(" (3 photos)")
    assert said == "a line" and second.startswith("fit: done in ")
    assert "<progress" not in last["text/html"] and said in last["text/html"]


def test_live__shows_the_step_of_the_whole_above_the_stage(displays):
    progress = Live()
    progress.interval = 0.0
    progress.announce(["check", "features"])
    with progress.step("features"), progress.stage("views", total=4) as stage:
        stage.advance()
    first, second, *_ = [bundle["text/plain"].splitlines() for bundle, _ in displays]
    assert first[0].startswith("step 2 of 2: features, ") and first[0].endswith(" elapsed")
    assert second[1] == "features: views"
    assert displays[-1][0]["text/plain"].startswith("features: views: done in ")
    assert "step" not in displays[-1][0]["text/html"]


def test_live__is_not_flooded(displays, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(live.time, "monotonic", lambda: now[0])
    progress = Live()
    with progress.stage("features", total=1000) as stage:
        for _ in range(1000):
            now[0] += 1 / 1024
            stage.advance()
    # One to begin with, one each quarter of the second that it took, one to end.
    assert len(displays) == 5
    assert displays[-1][0]["text/plain"] == "features: done in 1.0 s (1,000 photos)"


def test_live__shows_that_a_stage_was_stopped(displays):
    progress = Live()
    with pytest.raises(KeyboardInterrupt), progress.stage("features", total=3) as stage:
        stage.advance()
        raise KeyboardInterrupt
    assert displays[-1][0]["text/plain"].startswith("features: stopped after ")
    assert "<progress" not in displays[-1][0]["text/html"]


def test_live__folds_many_lines_and_forgets_the_first(displays):
    progress = Live()
    for number in range(KEPT + 50):
        progress.say(f"line {number}")
    bundle = displays[-1][0]
    assert f"lines before: {KEPT + 50 - MOST_LINES}" in bundle["text/html"]
    assert bundle["text/plain"].splitlines()[0] == "line 50"
    assert bundle["text/html"].count("<div>") == MOST_LINES


def test_live__escapes_what_is_said(displays):
    progress = Live()
    progress.say("<script>alert(1)</script> \udcff")
    with progress.stage("<b>"):
        pass
    for bundle, _ in displays:
        assert "<script" not in bundle["text/html"] and "<b>" not in bundle["text/html"]
        bundle["text/html"].encode(), bundle["text/plain"].encode()


def test_expect_many_models__hides_that_warning_alone(caplog):
    logger = logging.getLogger("tensorflow")
    before = list(logger.filters)
    tensorflow.expect_many_models()
    tensorflow.expect_many_models()
    try:
        assert len(logger.filters) == len(before) + 1
        retraced = "5 out of the last 16 calls to <function %s> triggered tf.function retracing."
        logger.warning(retraced, "TensorFlowTrainer._make_function")
        logger.warning(retraced, "my_own")
        logger.warning("something else of TensorFlowTrainer")
    finally:
        logger.filters[:] = before
    assert [record.getMessage()[:4] for record in caplog.records] == ["5 ou", "some"]


def test_hushed__keeps_what_python_says(capfd):
    import os

    with tensorflow.hushed():
        os.write(2, b"chatter")
    os.write(2, b"heard")
    assert capfd.readouterr().err == "heard"
