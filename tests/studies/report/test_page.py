import html.parser
import re
import subprocess
import sys

import numpy as np
import pytest

from budwood.config.recipe import Recipe
from budwood.core.errors import RunError
from budwood.studies.records import TrialFolder, TrialRecord
from budwood.studies.report.page import write_study_report
from budwood.studies.results import read_results
from tests.studies.made import configuration, fill, fill_search, rights
from tests.studies.made_labels import MadeLabels
from tests.studies.made_labels import fill as fill_labels

NASTY = [
    "<script>alert(1)</script>",
    "a \"quoted\" & 'odd' name",
    "two\nlines\u202e",
    "n" * 3_000,
    "caf\udce9",
]


class Text(html.parser.HTMLParser):
    """The tags of a page, and its text without styles and scripts."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.texts, self.skip = [], [], False
        self.feed(page)
        self.text = " ".join(" ".join(self.texts).replace("\u00a0", " ").split())

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.skip = tag in ("style", "script")

    def handle_endtag(self, tag):
        self.skip = False

    def handle_data(self, data):
        if not self.skip:
            self.texts.append(data)


def page_of(made):
    path = write_study_report(made.folder)
    assert path == made.folder / "report.html"
    return Text(path.read_text(encoding="utf-8"))


def section(made, name):
    source = (made.folder / "report.html").read_text(encoding="utf-8")
    found = re.search(rf'<section id="{name}">.*?</section>', source, re.DOTALL)
    return found[0].replace("\u00a0", " ") if found else None


def test_write_study_report__says_first_what_is_best_and_how_sure(made):
    fill(made, {"good": 0.9, "bad": 0.6, "alike": 0.9})
    made.info |= {"command": "budwood study photos -o s --overwrite", "versions": {"numpy": "9.9"}}
    made.save()
    page, results = page_of(made), read_results(made.folder)
    title = next(text for text in page.texts if "lowest validation loss" in text)
    assert title.startswith(f"{results.best} has the lowest validation loss: ")
    assert title.endswith("it is better than 1 of the 2 others and cannot be told from 1.")
    for pair in results.pairs:
        assert pair.words in page.text
    assert "budwood study photos -o s --resume" in page.text and "9.9" in page.text
    # Nothing is asked of a network, and no other script can run.
    assert not [value for _, all_ in page.tags for key, value in all_.items() if key == "src"]
    policy = next(all_["content"] for tag, all_ in page.tags if tag == "meta" and "http-equiv" in all_)
    assert policy.startswith("default-src 'none'")


def test_write_study_report__models_stand_side_by_side_with_every_trial(made):
    fill(made, {"good": 0.9, "bad": 0.6})
    page_of(made)
    found = section(made, "models")
    assert found.count('class="one"') == 12 and found.count('class="full"') == 2
    begins = re.search(r"The axis begins at (\d+ %), not at 0", found)[1]
    assert re.search(rf'<text x="0.00%"[^>]*>{begins}</text>', found)
    one = read_results(made.folder).summaries[0].test
    assert f'aria-label="{100 * one.mean:.1f} %, 95 % interval {100 * one.low:.1f} %' in found


@pytest.mark.slow
def test_write_study_report__pairs_with_their_test(made):
    fill(made, {"good": 0.9, "bad": 0.6, "alike": 0.9})
    page_of(made)
    found = section(made, "pairs")
    best = read_results(made.folder).best
    assert "p is adjusted for their number (Holm)" in found and "Nadeau and Bengio 2003" in found
    assert f"How many points of accuracy {best} is ahead of the others" in found
    assert found.count('class="hollow"') == 1 and "the best is better" in found
    table = found.partition("<tbody>")[2].partition("</tbody>")[0]
    assert table.count("<tr>") == 3 and "cannot tell" in table and "1 is better" in table


def test_write_study_report__what_failed_and_what_is_missing(made):
    fill(made, {"a": 0.9, "b": 0.8}, replicates=3)
    made.info["command"] = "budwood study photos -o s"
    made.add("b", "split 3", [], error="no space left")
    made.add("never", "split 0", [], error="always fails")
    made.trials.append("b-split-4")
    record = TrialRecord(configuration="b", replicate="split 4", recipe=Recipe())
    TrialFolder(made.folder, "b-split-4").write(record)
    made.save()
    page = page_of(made)
    assert "2 trials failed and are in none of the figures" in page.text
    assert "budwood study photos -o s --resume" in section(made, "reproducibility")
    assert "1 trial is not done yet" in page.text
    assert "no space left" in section(made, "failures") and "always fails" in section(made, "failures")
    assert "3 of 5" in section(made, "configurations") and "Rings: trials are missing" in section(
        made, "models"
    )
    assert "not done" in section(made, "trials")


@pytest.mark.slow
def test_write_study_report__of_a_search(made):
    made.has_test = False
    fill_search(made)
    page = page_of(made)
    best = read_results(made.folder).best
    assert "is the best of 12 configurations of quick by validation loss" in page.text
    assert "12 configurations: 9 complete, 3 pruned, 0 failed." in page.text
    assert "which flatters it there" in page.text
    assert section(made, "pairs") is None
    found = section(made, "search")
    assert "# the best" in found and "--seeds 3-7" in found and "best.toml" in found
    assert "90 %" in found and found.count('class="cross"') == 3 * 3
    assert "three quarters had less" in section(made, "failures")
    # The trials that were left out of what was given up are not missing.
    assert "not done" not in page.text
    assert best in section(made, "configurations") and "In all of them: quick." in section(
        made, "configurations"
    )


@pytest.mark.slow
def test_write_study_report__by_number_of_photos(made):
    rng = np.random.default_rng(0)
    for number in range(3):
        for name in ("a", "b"):
            for size, share in ((50, 0.7), (100, 0.8), (None, 0.87)):
                made.add(
                    f"{name}, {size} photos" if size else name,
                    f"split {number}",
                    rights(share, rng, 400),
                    train=size or 200,
                    size=size,
                )
    page_of(made)
    found = section(made, "photos")
    # Three numbers, and what is expected of twice the last.
    assert (
        found.count("<svg") == 2 and found.count('class="full"') == 6 and found.count('class="hollow"') == 2
    )
    assert found.count('class="one"') == 18
    for curve in read_results(made.folder).curves:
        assert curve.words in found
    assert "Photos: how many it learned from." in section(made, "configurations")


def test_write_study_report__one_configuration_alone(made):
    fill(made, {"only": 0.85})
    page = page_of(made)
    assert next(text for text in page.texts if "test photos are right" in text).startswith("only: ")
    assert section(made, "pairs") is None and section(made, "time") is None
    assert section(made, "models").count('class="full"') == 1


def test_write_study_report__one_trial_each(made):
    fill(made, {"a": 0.9, "b": 0.6}, replicates=1)
    page = page_of(made)
    assert "One trial each says nothing of how much another split would change." in page.text
    # The figure of the only trial is the mean.
    assert section(made, "models").count('class="one"') == 0
    assert "; the other one is worse." in page.text


def test_write_study_report__nothing_complete(made):
    made.add("a", "split 0", [], error="no space left")
    page = page_of(made)
    assert "No trial is complete, so there is nothing to compare yet." in page.text
    assert section(made, "models") is None and "no space left" in section(made, "failures")


def test_write_study_report__nothing_begun(made):
    made.trials = ["a-split-0"]
    made.configurations = [configuration("a")]
    made.save()
    page = page_of(made)
    assert "No trial is complete" in page.text and "1 trial is not done yet" in page.text


def test_write_study_report__nobody_has_all_trials(made):
    fill(made, {"a": 0.9}, replicates=2)
    made.add("a", "split 5", [], error="x")
    assert "No configuration has all its trials yet" in page_of(made).text


def test_write_study_report__names_are_text_and_not_too_long(made):
    rng = np.random.default_rng(0)
    for number in range(2):
        for name in NASTY:
            made.add(name, f"split {number}", rights(0.8, rng))
    made.add(NASTY[0], "split 2", [], error="</td><script>alert(2)</script>\n" + "x" * 5_000)
    page = page_of(made)
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert "<script>alert(1)</script>" in page.text and "two\\nlines\\u202e" in page.text
    assert "caf\\udce9" in page.text
    assert max(len(word) for word in page.text.split()) < 700


@pytest.mark.slow
def test_write_study_report__of_very_many_charts_the_best(made):
    rng = np.random.default_rng(0)
    made.has_test = False
    for at in range(40):
        made.add(
            f"quick, finetune.epochs={at}",
            "split 0",
            rights(0.5 + at / 100, rng),
            loss=1 - at / 100,
            seconds=1 + at,
        )
    page_of(made)
    models = section(made, "models")
    assert "The best 20 of 40 by validation loss" in models and models.count('class="full"') == 20
    assert section(made, "configurations").count('<th scope="row"') == 40
    # In every name, and so in none of the chart.
    assert "In all of them: quick." in models and '<span title="epochs=39">' in models
    assert "300 of 780 pairs" in section(made, "pairs")
    # The best has its number; of the others on the edge those that do not stand in one another's way.
    time = section(made, "time")
    assert "without a number in the chart" in time and 'y="' in time and ">1</text>" in time
    assert 2 <= time.count('<text class="marked"') <= 14


def test_write_study_report__accuracy_against_time_marks_the_edge(made):
    rng = np.random.default_rng(0)
    for name, share, seconds in (("fast", 0.7, 2.0), ("slow", 0.95, 200.0), ("bad", 0.5, 50.0)):
        for number in range(2):
            made.add(name, f"split {number}", rights(share, rng), seconds=seconds, loss=1 - share)
    page_of(made)
    found = section(made, "time")
    assert found.count('class="full"') == 2 and found.count('class="hollow"') == 1
    legend = re.findall(r'<th scope="row"[^>]*>(\w+)( <small>on the line</small>)?', found)
    assert [(name, bool(on)) for name, on in legend] == [("slow", True), ("fast", True), ("bad", False)]
    assert re.search(r'<polyline class="dotted"', found)


def test_write_study_report__no_study(tmp_path):
    with pytest.raises(RunError, match="is no study"):
        write_study_report(tmp_path)


def test_write_study_report__damaged(made):
    fill(made, {"a": 0.9}, replicates=1)
    (made.folder / "trials" / "a-split-0" / "metrics.json").write_text("{}")
    with pytest.raises(RunError, match=r"metrics\.json: it lacks validation"):
        write_study_report(made.folder)


def test_write_study_report__loads_no_tensorflow(made):
    fill(made, {"a": 0.9}, replicates=1)
    code = (
        "import sys; from budwood import cli; sys.argv = ['budwood', 'report', sys.argv[1]]\n"
        "try: cli.main()\n"
        "finally: assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(made.folder)], capture_output=True, text=True, check=True)
    assert (made.folder / "report.html").stat().st_size > 10_000


def test_write_study_report__several_labels_are_said_by_their_figure(tmp_path):
    made = MadeLabels(tmp_path / "study")
    fill_labels(made, {"good": 2.4, "bad": 1.4}, replicates=3)
    page, results = page_of(made), read_results(made.folder)
    title = next(text for text in page.texts if "lowest validation loss" in text)
    mean = f"{100 * results.summaries[0].test.mean:.1f} %"
    assert title.startswith("good has the lowest validation loss: mean average precision ")
    assert mean in title.replace("\u00a0", " ") and "on test photos" in title
    assert "Mean average precision and time" in page.text and "macro F1" in page.text
    assert "How many points of mean average precision good is ahead" in page.text
    # Every number has its name: nothing is called accuracy, or said to be right.
    assert "accura" not in page.text.lower() and "are right" not in page.text
    labels = [all_["aria-label"] for _, all_ in page.tags if "aria-label" in all_]
    assert not [one for one in labels if "accura" in one.lower()]
    assert f"{100 * results.summaries[0].beside.exact_match.mean:.1f} %" in page.text


def test_write_study_report__without_an_interval_none_is_drawn(tmp_path):
    made = MadeLabels(tmp_path / "study")
    rng = np.random.default_rng(0)
    targets = np.zeros((40, 3), bool)
    targets[:2] = True
    made.add("a", "split 0", targets, rng.random((40, 3)))
    page = page_of(made)
    assert "no interval is known" in page.text and "(no interval)" in page.text
    assert 'class="reach"' not in section(made, "models") and 'class="full"' in section(made, "models")
