import itertools
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from budwood.core import files
from budwood.core.errors import RunError
from budwood.evaluation.task import TASKS, SingleLabel
from budwood.report.page import SECTIONS, write_report

NASTY = [
    "<script>alert(1)</script>",
    "\"double\" & 'single'",
    "two\nlines",
    "日本語",
    "x" * 200,
    "caf\udce9",
    "a,b;c",
    "{{ 7 * 7 }}",
]
VOID = {"meta", "link", "img", "br", "input", "line", "polyline", "polygon", "circle", "path"}


class Page(HTMLParser):
    """What the tests ask about a page: its elements, its text, and whether every element is closed."""

    def __init__(self, path: Path):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.scripts: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))
        self.text = re.sub(r"\s+", " ", " ".join(self.words))
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        inside = self.open[-1] if self.open else ""
        (self.scripts if inside == "script" else self.words if inside != "style" else []).append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    def of_class(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for _, attributes in self.tags if name in (attributes.get("class") or "").split()]


def test_write_report__needs_nothing_else(make_run):
    run = make_run()
    path = write_report(run.folder, run.photos)
    page = Page(path)
    assert path == run.folder / "report.html"
    addresses = [a.get(key) for _, a in page.tags for key in ("src", "href") if a.get(key) is not None]
    assert len(addresses) > 30
    assert all(address.startswith(("data:", "#")) for address in addresses)
    html = path.read_text(encoding="utf-8")
    assert "url(" not in html and "@import" not in html and "http" not in html.replace("http-equiv", "")
    named = [attributes["id"] for _, attributes in page.tags if attributes.get("id")]
    anchors = {a["href"].removeprefix("#") for a in page.all("a")}
    assert len(named) == len(set(named)) and anchors <= set(named)
    assert {a["id"] for a in page.all("section")} <= anchors


def test_write_report__pictures_and_charts_have_words(make_run):
    run = make_run()
    page = Page(write_report(run.folder, run.photos))
    assert len(page.all("img")) > 5 * 6
    assert all(image["alt"] for image in page.all("img"))
    _reliability, *charts = page.of_class("chart")
    assert len(charts) == 2
    assert "chosen: 0.001" in charts[0]["aria-label"]


def test_write_report__opens_with_the_verdict(make_run):
    run = make_run()
    scores = files.read_json(run.folder / "metrics.json")["test"]
    page = Page(write_report(run.folder, run.photos))
    low, high = scores["accuracy_ci95"]
    assert (
        f"On {scores['n']} test photos never used for training, {100 * scores['accuracy']:.1f} % are classified "
        f"correctly (95 % interval {100 * low:.1f} % to {100 * high:.1f} %)."
    ) in page.text
    assert "No test was asked for" not in page.text


def test_write_report__without_test_says_so(make_run):
    run = make_run(test=False)
    page = Page(write_report(run.folder, run.photos))
    assert "On 20 validation photos" in page.text
    assert "No test was asked for (--no-test)" in page.text
    assert "test photo" not in page.text


@pytest.mark.parametrize("names", [NASTY, NASTY * 5], ids=["table", "heat map"])
def test_write_report__nasty_names_are_only_text(make_run, names):
    classes = [name if i < len(NASTY) else f"{name}{i}" for i, name in enumerate(names)]
    run = make_run(classes, per_class=20)
    html = write_report(run.folder, run.photos).read_text(encoding="utf-8")
    page = Page(run.folder / "report.html")
    assert len(page.all("script")) == len(page.scripts) == 1
    assert "alert" not in page.scripts[0]
    assert not [key for _, attributes in page.tags for key in attributes if key.startswith("on")]
    for shown in ("<script>alert(1)</script>", "two\\nlines", "日本語", "caf\\udce9", "{{ 7 * 7 }}"):
        assert shown in page.text
    assert "x" * 60 not in page.text
    assert html.count("<script>") == 1


def test_write_report__only_its_own_script_may_run(make_run):
    import base64
    import hashlib

    page = Page(write_report(make_run().folder))
    digest = base64.b64encode(hashlib.sha256(page.scripts[0].encode()).digest()).decode()
    (policy,) = [a["content"] for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy"]
    assert f"script-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy


def test_write_report__missing_and_unreadable_photos_become_placeholders(make_run):
    run = make_run()
    page = Page(write_report(run.folder, run.photos))
    # Photos that stand in two places are drawn as SVG.
    whole = len(page.of_class("thumb"))
    assert page.of_class("gone") == [] and "could not be read" not in page.text
    lost = dict.fromkeys(run.photos, b"this is no picture")
    lost.update(dict.fromkeys(list(lost)[::2], run.folder / "gone.jpg"))
    for photos in (lost, {"another.jpg": b""}):
        (run.folder / "report.html").unlink()
        page = Page(write_report(run.folder, photos))
        assert page.all("img") == []
        assert len(page.of_class("gone")) == whole
        assert all("picture not available" in gone["aria-label"] for gone in page.of_class("gone"))
        assert "could not be read: moved, deleted or damaged" in page.text
        assert f"budwood report {run.folder} --data DATA" in page.text


def test_write_report__keeps_the_thumbnails_of_photos_that_are_gone(make_run):
    run = make_run(per_class=100)
    first = Page(write_report(run.folder, run.photos))
    some = {name: photo for name, photo in run.photos.items() if name.startswith("roses")}
    for photos in (some, None):
        again = Page(write_report(run.folder, photos))
        assert again.all("img") == first.all("img") and again.all("image") == first.all("image")
        assert "could not be read" not in again.text
    # One that the earlier report did not have is a placeholder.
    html = (run.folder / "report.html").read_text(encoding="utf-8")
    gone = next(a["data-photo"] for a in first.all("img") if a.get("data-photo"))
    files.write_text(run.folder / "report.html", html.replace(f'data-photo="{gone}"', ""))
    page = Page(write_report(run.folder))
    assert [a["aria-label"] for a in page.of_class("gone")] == [f"picture not available: {gone}"]
    assert "1 of " in page.text and "could not be read: moved, deleted or damaged" in page.text


@pytest.mark.parametrize("photos", [None, {}])
def test_write_report__without_photos_has_no_pictures(make_run, photos):
    page = Page(write_report(make_run().folder, photos))
    assert page.all("img") == page.of_class("gone") == []
    assert "The photos were not at hand" in page.text
    assert len(page.of_class("wrong")) > 0


def test_write_report__gradient_fit_shows_curves(make_run):
    page = Page(write_report(make_run(fit="gradient").folder))
    _reliability, loss, accuracy = page.of_class("chart")
    assert "Best epoch: 9" in loss["aria-label"] and "Accuracy" in accuracy["aria-label"]


def test_write_report__five_classes_stay_small(make_run):
    run = make_run(per_class=200)
    assert write_report(run.folder, run.photos).stat().st_size < 1_500_000


def test_write_report__one_phase_has_nothing_to_compare(make_run):
    page = Page(write_report(make_run().folder))
    assert "nothing to compare" not in page.text
    assert "ine-tuning" not in page.text
    assert not [a for a in page.all("section") if a["id"] == "phases"]


@pytest.mark.parametrize("fit", ["linear", "gradient"])
def test_write_report__two_phases(make_run, fit):
    run = make_run(fit=fit, finetuned=True)
    page = Page(write_report(run.folder, run.photos))
    verdict = files.read_json(run.folder / "metrics.json")["verdict"]
    assert (
        f"{verdict['words']} The fine-tuned model was kept: its validation loss is the lower one."
        in page.text
    )
    _reliability, *charts = page.of_class("chart")
    assert len(charts) == (4 if fit == "linear" else 2)
    assert len(page.of_class("intervals")) == 1
    assert len(page.of_class("start")) == 2
    assert all("Fine-tuning starts with epoch" in chart["aria-label"] for chart in charts[-2:])
    sections_ = [a["id"] for a in page.all("section")]
    assert set(sections_) <= {a["href"].removeprefix("#") for a in page.all("a")}
    assert ("head" in sections_) == (fit == "linear")
    # One of the phases, in the table's head and its seven figures.
    assert len(page.of_class("kept")) == 8
    assert len(page.of_class("boundary")) == 1


def test_write_report__two_phases_without_test(make_run):
    run = make_run(fit="gradient", finetuned=True, test=False)
    page = Page(write_report(run.folder))
    assert "These photos also chose the epoch that was kept" in page.text
    assert "test photo" not in page.text and "Test accuracy" not in page.text


def test_write_report__nasty_layer_names_are_only_text(make_run):
    run = make_run(finetuned=True)
    layers = files.read_csv(run.folder / "layers.csv")
    layers[4]["name"] = "<script>alert(1)</script>"
    files.write_csv(run.folder / "layers.csv", list(layers[0]), (list(row.values()) for row in layers))
    page = Page(write_report(run.folder))
    assert len(page.all("script")) == 1
    assert "<script>alert(1)</script>" in page.text


@pytest.mark.parametrize("line", ["block,Conv2D", "block,Conv2D,7x7,many,1,frozen"])
def test_write_report__damaged_layers_are_an_error(make_run, line):
    run = make_run(finetuned=True)
    files.write_text(run.folder / "layers.csv", f"name,kind,shape,parameters,trained,part\n{line}\n")
    with pytest.raises(RunError, match="damaged|do not fit") as caught:
        write_report(run.folder)
    assert "\n" not in str(caught.value)


def test_write_report__one_strength_given_needs_no_chart(make_run):
    run = make_run()
    files.write_json(run.folder / "linear_path.json", {"chosen": 0.01, "path": []})
    page = Page(write_report(run.folder))
    (reliability,) = page.of_class("chart")
    assert "stated probability" in reliability["aria-label"]
    assert "strength 0.01, as given" in page.text


def test_write_report__without_a_mistake(make_run):
    run = make_run(skill=50.0)
    page = Page(write_report(run.folder, run.photos))
    assert "No test photo is misclassified." in page.text
    assert "None of the 40 held-out photos (validation and test) looks more like another class" in page.text
    assert page.of_class("wrong") == []


def test_write_report__each_cell_leads_to_its_photos(make_run):
    run = make_run(per_class=200)
    page = Page(write_report(run.folder, run.photos))
    matrix = files.read_json(run.folder / "metrics.json")["test"]["confusion"]
    cells = {f"cell-{i}-{j}" for i, row in enumerate(matrix) for j, n in enumerate(row) if n}
    assert {a["id"] for a in page.of_class("cell")} == cells
    assert cells <= {a["href"].removeprefix("#") for a in page.all("a")}
    assert len([1 for a in page.all("a") if "taken for" in (a.get("aria-label") or "")]) == len(cells) - 5
    assert re.search(r"classified correctly 6 of \d+ shown", page.text)


def test_write_report__each_photo_is_embedded_once(make_run):
    run = make_run(per_class=100)
    html = write_report(run.folder, run.photos).read_text(encoding="utf-8")
    pictures = re.findall(r"data:image/jpeg;base64,[\w+/=]+", html)
    assert len(pictures) == len(set(pictures)) > 60
    assert html.count("<use ") > 3


def test_write_report__a_loss_spike_stands_beside_the_curves(make_run):
    run = make_run(fit="gradient", finetuned=True)
    info = files.read_json(run.folder / "run.json")
    rise = "validation loss rose from 0.2 to 0.9 in the first epoch of fine-tuning, because of <this>"
    told = [{"kind": "data", "text": "1 photo left out"}, {"kind": "loss_spike", "text": rise}]
    files.write_json(run.folder / "run.json", info | {"warnings": told})
    page = Page(write_report(run.folder))
    assert page.text.count("in the first epoch of fine-tuning") == 1
    assert "A loss spike at the dashed line. Validation loss rose" in page.text and "of <this>." in page.text
    assert "1 photo left out" in page.text
    # The second phase was kept all the same.
    assert "Later epochs made up for it" in page.text


def test_write_report__headings_are_in_order(make_run):
    for run in (make_run(fit="gradient", finetuned=True), make_run([f"c{i}" for i in range(40)])):
        page = Page(write_report(run.folder, run.photos))
        levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
        assert levels[0] == 1 and levels.count(1) == 1
        assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_write_report__a_class_without_a_test_photo(make_run):
    names = {"daisy": [f"daisy/{i}.jpg" for i in range(8)], "roses": [f"roses/{i}.jpg" for i in range(40)]}
    page = Page(write_report(make_run(list(names), names=names).folder))
    assert "Of 1 class there is no test photo, so nothing is known of it." in page.text
    assert "– – – no test photo" in page.text


@pytest.mark.slow
def test_write_report__1000_classes_stay_bounded(make_run):
    run = make_run([f"species {i:04}" for i in range(1000)], per_class=10, skill=6.0)
    # Of every class one test photo, each with a picture of its own.
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    photos = {photo["name"]: noise for photo in files.read_csv(run.folder / "split.csv")}
    path = write_report(run.folder, photos)
    assert path.stat().st_size < 15_000_000
    page = Page(path)
    assert len(page.of_class("heat")) == 1
    assert 900 < len(page.of_class("cell")) <= 1000


def test_write_report__two_classes(make_run):
    page = Page(write_report(make_run(["cats", "dogs"]).folder))
    assert "Top-5" not in page.text
    assert len(page.of_class("same")) == 2


@pytest.mark.slow
def test_write_report__400_classes_show_a_heat_map(make_run):
    classes = [f"species {i:03}" for i in range(400)]
    run = make_run(classes, per_class=20)
    path = write_report(run.folder, run.photos)
    page = Page(path)
    assert path.stat().st_size < 5_000_000
    assert len(page.of_class("heat")) == 1
    assert page.of_class("matrix") == []
    assert "of 8 classes, chosen at random" in page.text
    assert all(name in page.text for name in classes)


def test_write_report__of_many_classes_the_photos_are_folded(make_run):
    page = Page(write_report(make_run([f"species {i:02}" for i in range(31)], per_class=10).folder))
    assert len(page.of_class("later")) == 31
    page = Page(write_report(make_run([f"species {i:02}" for i in range(30)], per_class=10).folder))
    assert page.of_class("later") == []


def test_write_report__is_the_same_twice(make_run):
    run = make_run()
    first = write_report(run.folder, run.photos).read_bytes()
    assert write_report(run.folder, run.photos).read_bytes() == first


@pytest.mark.parametrize(
    "name",
    ["run.json", "recipe.toml", "split.csv", "check.json", "metrics.json", "predictions.csv", "history.csv"],
)
def test_write_report__missing_file_is_named_and_the_old_report_stays(make_run, name):
    run = make_run()
    old = write_report(run.folder).read_bytes()
    (run.folder / name).unlink()
    before = sorted(path.name for path in run.folder.iterdir())
    with pytest.raises(RunError, match=f"has no {name}"):
        write_report(run.folder)
    assert (run.folder / "report.html").read_bytes() == old
    assert sorted(path.name for path in run.folder.iterdir()) == before


@pytest.mark.parametrize(
    ("name", "content"),
    [("metrics.json", "{"), ("predictions.csv", "name,split\na,test\n"), ("recipe.toml", "= 1")],
)
def test_write_report__damaged_file_is_an_error_in_one_line(make_run, name, content):
    run = make_run()
    (run.folder / name).write_text(content, encoding="utf-8")
    with pytest.raises(RunError, match=name) as caught:
        write_report(run.folder)
    assert "\n" not in str(caught.value)


def test_write_report__where_nothing_can_be_written_the_run_is_named(make_run):
    run = make_run()
    (run.folder / "report.html").mkdir()
    with pytest.raises(RunError, match="Make the directory writable, or copy it") as caught:
        write_report(run.folder)
    assert f"cannot write report.html into {run.folder}: " in str(caught.value)
    assert str(caught.value).count(run.folder.name) == 1


def test_sections__there_is_one_of_each_name_that_a_task_asks_for():
    asked = {name for task in TASKS.values() for name in task.sections}
    assert set(SECTIONS) == asked | {name for name, section in SECTIONS.items() if section.is_of_every_task}


OF_EVERY_TASK = ["head", "samples", "problems", "reproducibility"]


@pytest.mark.parametrize(
    "asked",
    [
        (),
        ("figures", "calibration"),
        ("labels",),
        ("mistakes",),
        ("confusion", "classes"),
        ("cells", "labels"),
    ],
)
def test_write_report__has_the_sections_of_the_runs_task(make_run, monkeypatch, asked):
    class Fewer(SingleLabel):
        name = "fewer"
        sections = asked

    monkeypatch.setitem(TASKS, "fewer", Fewer())
    run = make_run()
    info = files.read_json(run.folder / "run.json")
    files.write_json(run.folder / "run.json", info | {"task": "fewer"})
    page = Page(write_report(run.folder, run.photos))
    found = [section["id"] for section in page.all("section")]
    assert found == [name for name in SECTIONS if name in (*asked, *OF_EVERY_TASK)]
    named = {attributes["id"] for _, attributes in page.tags if attributes.get("id")}
    assert {a["href"].removeprefix("#") for a in page.all("a")} <= named
    if "labels" in asked:
        # Where the worst mistakes have no place of their own, their suspected labels stand here.
        assert "of them stand" not in page.text and "of them stands" not in page.text


def test_page__loads_no_keras():
    code = "import sys, budwood.report.page; print(sorted({'keras', 'tensorflow'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def _luminance(colour: str) -> float:
    digits = colour.removeprefix("#")
    digits = digits if len(digits) == 6 else "".join(2 * digit for digit in digits)
    channels = np.array([int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)])
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def _contrast(one: str, other: str) -> float:
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_style__text_is_readable_on_every_ground(scheme):
    import budwood.report.page

    style = (Path(budwood.report.page.__file__).parent / "templates" / "style.css.jinja").read_text(
        encoding="utf-8"
    )
    blocks = re.findall(r":root \{(.*?)\}", style, re.DOTALL)[:2]
    colours = dict(re.findall(r"--([\w-]+): (#\w+);", blocks[scheme]))
    grounds = [("ink", ground) for ground in ("paper", "card", "r1", "r2", "r3", "w1", "w2", "w3")]
    others = [("r4-ink", "r4"), ("w4-ink", "w4"), ("quiet", "paper"), ("quiet", "card")]
    signals = [(name, "paper") for name in ("right", "wrong", "second")]
    ratios = {pair: _contrast(colours[pair[0]], colours[pair[1]]) for pair in grounds + others + signals}
    assert {pair: ratio for pair, ratio in ratios.items() if ratio < 4.5} == {}
