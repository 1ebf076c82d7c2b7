import re

import pytest

from budwood.core import files
from budwood.data.taxonomy import Taxonomy
from budwood.report.card import write_card

yaml = pytest.importorskip("yaml")


@pytest.fixture
def card(make_run):
    """The card of a made-up run: its metadata, and the text below."""

    def card(*arguments, **options):
        run = make_run(*arguments, **options)
        (run.folder / "model").mkdir(exist_ok=True)
        _, head, text = write_card(run.folder).read_text(encoding="utf-8").split("---\n", 2)
        return run, yaml.safe_load(head), text

    return card


def test_write_card__metadata_are_those_of_the_run(card):
    run, head, text = card()
    metrics = files.read_json(run.folder / "metrics.json")["test"]
    (result,) = head["model-index"][0]["results"]
    assert head["library_name"] == "keras" and head["pipeline_tag"] == "image-classification"
    assert result["dataset"] == {"name": "flower_photos", "type": "imagefolder", "split": "test"}
    assert result["metrics"][0]["value"] == pytest.approx(metrics["accuracy"], abs=1e-4)
    assert f"{100 * metrics['accuracy']:.1f} % are classified correctly" in text
    assert files.sha256_of(run.folder / "split.csv") in text
    counts = {row["split"] for row in files.read_csv(run.folder / "split.csv")}
    assert all(f" {split} |" in text for split in counts)


def test_write_card__without_a_test_split_it_says_so(card):
    _, head, text = card(test=False)
    assert head["model-index"][0]["results"][0]["dataset"]["split"] == "validation"
    assert "No test was asked for" in text


def test_write_card__says_why_a_figure_has_no_interval(make_run):
    run = make_run()
    metrics = files.read_json(run.folder / "metrics.json")
    metrics["test"] |= {"macro_f1_ci95": None, "no_interval": {"macro_f1": "few-photos-a-class"}}
    files.write_json(run.folder / "metrics.json", metrics)
    (run.folder / "model").mkdir(exist_ok=True)
    (row,) = [line for line in write_card(run.folder).read_text("utf-8").splitlines() if "Macro F1" in line]
    assert row.endswith("| no interval: too few photos a class |")


@pytest.mark.parametrize(
    "evil", ["<script>alert(1)</script>", "a|b", "# big", "[x](http://y)", 'q"\n---\nr: 1']
)
def test_write_card__no_class_name_is_markup(card, evil):
    _, head, text = card([evil, "other"])
    assert set(head) == {"library_name", "pipeline_tag", "tags", "metrics", "model-index"}
    assert "<script" not in re.sub(r"\\.", "", text) and "](http" not in re.sub(r"\\.", "", text)
    rows = [line for line in text.splitlines() if line.startswith("| ") and " | 32 |" in line]
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 5 for row in rows) and rows


def test_write_card__many_classes(card):
    _, _, text = card([f"class {i}" for i in range(150)], per_class=10)
    assert "and 130 others" in text and "150 kinds of pictures" in text


def test_write_card__tells_the_tree(card):
    assert "tree of labels" not in card()[2]
    tree = {"owl": "", "barn": "owl", "elf": "owl", "wren": "", "a|b": ""}
    _, _, text = card(["a|b", "barn", "elf", "wren"], per_class=200, taxonomy=Taxonomy(tree))
    part = text.split("### On the tree of labels")[1].split("## Limits")[0]
    assert "| depth 1 | 3 |" in part and "| classes | 4 |" in part and "mistakes" in part
    rows = [line for line in part.splitlines() if re.match(r"\| 9\d %", line)]
    assert [row.split(" | ")[1] for row in rows] == ["a class", "depth 1", "no answer"] * 3
    assert all(row.count("|") == 7 for row in rows) and "in 90 of 100 choices" in part
