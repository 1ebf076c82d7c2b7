import re

import pytest

from budwood.core import files
from budwood.core.errors import RunError
from budwood.data.taxonomy import Taxonomy
from budwood.report import notebook
from budwood.report.notebook import (
    MOST_IN_TABLE,
    WEAKEST,
    Shown,
    Tile,
    show_comparison,
    show_curves,
    show_data,
    show_layers,
    show_pictures,
    show_run,
)
from budwood.runs.schema import ListedLayer


def test_show_run__says_the_verdict_and_whether_fine_tuning_helped(make_run):
    run = make_run(finetuned=True)
    html = show_run(run.folder).html
    metrics = files.read_json(run.folder / "metrics.json")
    assert f"On {metrics['test']['n']} test photos never used for training" in html
    assert metrics["verdict"]["words"].split(":")[0] in html
    assert "The fine-tuned model was kept" in html and "Fine-tuning (kept)" in html
    assert str(run.folder / "report.html") in html
    assert html.count("<table") == 2 and "Validation loss" in html
    assert "1 photo left out: truncated" in html
    assert repr(show_run(run.folder)).startswith("On ")


def test_show_run__counts_what_is_confused(make_run):
    run = make_run()
    html = show_run(run.folder).html
    confusion = files.read_json(run.folder / "metrics.json")["test"]["confusion"]
    cells = re.findall(r'<td class="[rwz][^"]*">(\d+|·)</td>', html)
    assert cells == [str(n or "·") for row in confusion for n in row]
    assert "Fine-tuning" not in html


def test_show_run__many_classes_stay_small(make_run):
    run = make_run([f"class {number:03}" for number in range(120)], per_class=20)
    html = show_run(run.folder).html
    assert "Confusion matrix of 120 classes as a picture" in html
    assert html.count('<th scope="row"') == WEAKEST
    assert len(html) < 60_000
    few = make_run([f"class {number:03}" for number in range(MOST_IN_TABLE)])
    assert show_run(few.folder).html.count('<th scope="row"') == MOST_IN_TABLE


def test_show_run__validation_alone_is_said_to_flatter(make_run):
    html = show_run(make_run(test=False).folder).html
    assert "No test was asked for" in html and "validation photos" in html


def test_show_run__escapes_and_runs_nothing(make_run):
    run = make_run(['<script>alert("x")</script>', "a & b", "lone \udcff"])
    html = show_run(run.folder).html
    assert "<script" not in html and "&lt;script&gt;" in html and "a &amp; b" in html
    assert not re.search(r"<[^>]* on\w+=", html)
    html.encode()


def test_show_run__stands_on_any_paper(make_run):
    html = show_run(make_run(finetuned=True).folder).html
    # The colour of text and the paper belong to the notebook.
    assert set(re.findall(r"(?<![-\w])color: ?([^;}]+)", html)) == {"inherit"}
    opaque = re.findall(r"\n([^\n{]+){[^}]*background: rgb\(", html)
    assert [rule.strip() for rule in opaque] == [".budwood .mark", ".budwood .bar b"]
    assert "prefers-color-scheme" not in html and "url(" not in html and "http" not in html


def test_show_run__damaged_run(make_run):
    run = make_run()
    (run.folder / "metrics.json").unlink()
    with pytest.raises(RunError, match="metrics.json"):
        show_run(run.folder)


def test_show_curves__a_line_where_fine_tuning_starts(make_run):
    run = make_run(fit="gradient", finetuned=True)
    shown = show_curves([run.folder])
    assert shown.html.count("<svg") == 2 and "fine-tuning starts" in shown.html
    lines = repr(shown).splitlines()
    assert lines[0] == "run" and len(lines) == 1 + 24
    assert lines[1].startswith("  frozen epoch 1: loss ") and lines[-1].startswith("  finetune epoch 24: ")
    assert show_curves([run.folder, run.folder]).html.count("<svg") == 4


def test_show_curves__without_fine_tuning(make_run):
    html = show_curves([make_run(fit="gradient").folder]).html
    assert html.count("<svg") == 2 and "fine-tuning" not in html


def test_show_layers__top_first_and_bounded():
    layers = [
        ListedLayer(f"layer {number}", "Dense", "8", 72, number > 6, "trainable") for number in range(10)
    ]
    shown = show_layers(layers, 4)
    assert repr(shown).splitlines()[0] == "3 of 10 layers were trained (*), the top one first"
    assert [line[:9] for line in repr(shown).splitlines()[1:]] == [
        "* layer 9",
        "* layer 8",
        "* layer 7",
        "  layer 6",
    ]
    assert "and 6 layers below" in shown.html and shown.html.count(">yes<") == 3


def test_show_data__counts_and_problems():
    classes = {"daisy": {"train": 3, "test": 1}, "<b>": {"train": 1, "test": 1}}
    problems = [(f"{number}.jpg", "empty_class", "nothing") for number in range(7)]
    shown = show_data("6 photos", classes, problems)
    assert "empty class: 7" in shown.html and "and 2 more" in shown.html and "<b>" not in shown.html
    assert repr(shown).splitlines()[:3] == ["6 photos", "daisy: 4", "<b>: 2"]


def test_show_comparison__bars_lie_where_the_figures_do():
    runs = [
        {"run": "a", "backbone": "x", "accuracy": 0.9, "interval": [0.8, 1.0]},
        {"run": "b", "backbone": ["x", "y"], "accuracy": 0.6, "interval": [0.5, 0.7]},
    ]
    comparison = {"split": "validation", "runs": runs, "pairs": [{"words": "Cannot tell."}], "method": "M"}
    shown = show_comparison(comparison, "text")
    # From 45 % to 100 %: the interval of b begins a tenth of the span inside.
    assert re.findall(r"left:([\d.]+)%;width:([\d.]+)%", shown.html) == [("63.6", "36.4"), ("9.1", "36.4")]
    assert "x, y" in shown.html and "Cannot tell." in shown.html and "also chose the epoch" in shown.html
    assert repr(shown) == "text"


def test_show_pictures__right_wrong_and_unknown():
    tiles = [Tile("data:,", "a", "right", True), Tile("data:,", "b", "truly c", False), Tile(None, "<i>")]
    html = show_pictures(tiles).html
    assert html.count('class="mark"') == 1 and html.count('class="mark wrong"') == 1
    assert html.count("<img") == 2 and html.count('class="none"') == 1 and "<i>" not in html


def test_shown__can_be_sent_whatever_it_holds():
    shown = Shown("a \udcff", "b \udcff")
    assert shown._repr_html_().encode() == b"a \\udcff" and repr(shown).encode() == b"b \\udcff"


def test_template__holds_no_script():
    text = (files.Path(notebook.__file__).parent / "templates" / "notebook.html.jinja").read_text(
        encoding="utf-8"
    )
    assert "<script" not in text


def test_show_run__tells_the_levels_of_a_tree(make_run):
    assert "tree of labels" not in show_run(make_run().folder).html
    tree = Taxonomy({"owl": "", "barn": "owl", "elf": "owl", "wren": ""})
    run = make_run(["barn", "elf", "wren"], taxonomy=tree)
    html = show_run(run.folder).html
    assert "each level of the tree of labels" in html and "of the same branch" in html
    assert re.search(r'<th scope="row">depth 1</th><td class="number">2</td>', html)
