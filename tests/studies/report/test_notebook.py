import numpy as np

import budwood
from budwood.studies.report.notebook import as_html
from tests.studies.made import fill, fill_search, rights
from tests.studies.made_labels import MadeLabels
from tests.studies.made_labels import fill as fill_labels


def test_as_html__says_what_is_best_and_shows_every_trial(made):
    fill(made, {"good": 0.9, "bad": 0.6}, replicates=3)
    results = budwood.load_study(made.folder)
    found = as_html(results)
    assert "good has the lowest validation loss" in found and results.pairs[0].words in found
    assert found.count('class="one"') == 6 and found.count("<tr>") == 3
    assert "src=" not in found and "@import" not in found and "<script" not in found


def test_as_html__several_labels(tmp_path):
    made = MadeLabels(tmp_path / "study")
    fill_labels(made, {"good": 2.4, "bad": 1.4}, replicates=2)
    found = as_html(budwood.load_study(made.folder))
    assert "good has the lowest validation loss: mean average precision" in found
    assert "exact match" in found and "accura" not in found.lower()


def test_as_html__escapes_and_shortens(made):
    for name in ("<script>alert(1)</script>", "n" * 3_000, "caf\udce9"):
        made.add(name, "split 0", rights(0.8, np.random.default_rng(0)))
    found = as_html(budwood.load_study(str(made.folder)))
    assert "<script" not in found and "&lt;script&gt;" in found and "n" * 400 not in found
    assert "caf\\udce9" in found.encode().decode()


def test_as_html__of_a_search_and_of_nothing(made):
    made.has_test = False
    fill_search(made, number=14)
    assert "The first 10 of 14 configurations." in as_html(budwood.load_study(made.folder))
    made.trials = []
    made.info, made.configurations = {}, []
    made.save()
    made.add("a", "split 0", [], error="no space left")
    found = as_html(budwood.load_study(made.folder))
    assert "nothing to compare yet" in found and "Failed: 1 trial" in found


def test_as_html__stands_in_a_browser(made, open_page, tmp_path):
    fill(made, {"good": 0.9, "bad_" * 60: 0.6}, replicates=3)
    page = tmp_path / "cell.html"
    page.write_text(
        f'<!doctype html><html lang="en"><link rel="icon" href="data:,"><body style="background:#111;color:#eee">'
        f"{as_html(budwood.load_study(made.folder))}",
        encoding="utf-8",
    )
    opened = open_page(page, size=(700, 900))
    assert opened.complaints == [] and opened.requests == [] and opened.overflows() == []
    assert (
        opened.page.locator(".budwood-study .title").evaluate("(one) => getComputedStyle(one).color")
        == "rgb(238, 238, 238)"
    )
