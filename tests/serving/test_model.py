"""A run that answers: its rules, its picture of a picture, and what is said of it."""

import pytest

from budwood.core import forks
from budwood.core.errors import ImageError, RunError
from budwood.inference.rules import PLAIN, Asked
from budwood.run import load
from budwood.serving import model
from budwood.serving.model import ServedModel, current_fingerprint


@pytest.fixture(scope="module")
def served(tiny_run) -> ServedModel:
    return ServedModel("colours", load(tiny_run))


def test_rules__are_kept_as_many_as_allowed(served, monkeypatch):
    monkeypatch.setattr(model, "MOST_RULES", 2)
    first = served.rules(Asked(coverage=0.8))
    assert served.rules(Asked(coverage=0.8)) is first and first.sets is not None
    for coverage in (0.7, 0.6):
        served.rules(Asked(coverage=coverage))
    assert len(served._rules) == 2 and served.rules(Asked(coverage=0.8)) is not first


def test_rules__what_the_photos_do_not_promise(served):
    with pytest.raises(RunError, match=r"0\.9999"):
        served.rules(Asked(coverage=0.9999))
    # What is refused is not kept.
    assert Asked(coverage=0.9999) not in served._rules


def test_rules__lock_is_free_in_a_forked_process(served):
    assert isinstance(served._lock, forks.Lock)


def test_answer__as_the_run_does(served, red):
    found, (expected,) = (
        served.answer("a", red, served.rules(PLAIN)),
        load(served.folder).predict(red, names=["a"]),
    )
    assert found == expected
    with pytest.raises(ImageError):
        served.see(b"text")


def test_is_replaced(served, tmp_path):
    assert not served.is_replaced() and current_fingerprint(served.folder) == served.fingerprint
    assert current_fingerprint(tmp_path) is None
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.json").write_text("[]")
    assert current_fingerprint(tmp_path) is None


def test_info__the_figures_are_those_of_the_run(served):
    info, figures = served.info, load(served.folder).files.metrics.figures_of("test")
    assert (info.measured.photos, info.measured.accuracy) == (figures.n, figures.accuracy)
    assert info.classes == ["blue", "green", "red"] and info.thresholds is None
