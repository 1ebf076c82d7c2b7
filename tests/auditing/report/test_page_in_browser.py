"""The page of an audit as a browser shows it."""

from dataclasses import replace

import pytest

from budwood.auditing.findings import AlikeClasses, NotRead, Shown, WrongLabel
from budwood.auditing.report.page import write_audit_page
from budwood.auditing.report.sections import IN_SIGHT
from budwood.auditing.result import Decided, LabelsNetwork
from budwood.data.understood import PassedOver
from tests.auditing.conftest import audit_of, shown_of
from tests.browser import DESKTOP, PHONE, opened

WORST = '<script>alert("x")</script> & \u202e'


@pytest.fixture
def page(manifest, findings, network, tmp_path):
    """A page with a finding of every shape."""
    photos = [shown_of(manifest, photo.name) for photo in manifest.photos]
    more = [
        AlikeClasses(
            first="blue", second=WORST, first_as_second=3, second_as_first=2, num_first=14, num_second=14,
            share=0.2, interval=(0.1, 0.3), examples=tuple(photos[:4]),
        ),
        NotRead(files=PassedOver("format", "red", 30, "red/a.heic", ".heic")),
        *(
            WrongLabel(photo=photo, suggested=WORST, of_label=0.0, of_suggested=1.0, rank=rank)
            for rank, photo in enumerate([*photos[: IN_SIGHT + 3], Shown("gone.jpg", WORST)], 3)
        ),
    ]  # fmt: skip
    decided = Decided(dropped=1, relabelled=0, joined=2, answered={"blank": 1}, changed=("a.jpg",))
    found = audit_of(manifest, [*findings, *more], network=network, decided=decided)
    return write_audit_page(replace(found, source=WORST), tmp_path)


@pytest.mark.parametrize(("size", "dark"), [(PHONE, False), (DESKTOP, True)], ids=["phone", "desktop"])
def test_page__opens_without_complaint_or_network(page, browser, size, dark):
    with opened(browser, page, size=size, dark=dark) as found:
        assert (
            found.page.locator("h1").inner_text().startswith("1 error, 33 warnings and 5 notes in 42 photos")
        )
        assert (found.complaints, found.requests, found.overflows()) == ([], [], [])
        links = found.page.locator("nav a")
        anchors = [links.nth(place).get_attribute("href") for place in range(links.count())]
        assert anchors[:2] == ["#conflict", "#unreadable"] and anchors[-3:] == [
            "#classes",
            "#samples",
            "#read",
        ]
        assert all(found.page.locator(anchor).count() == 1 for anchor in anchors)
        assert found.page.locator("#conflict figure").count() == 2
        wrong = found.page.locator("#wrong_label")
        assert wrong.locator("> ol > li").count() == IN_SIGHT
        assert not wrong.locator("details li").first.is_visible()
        wrong.locator("summary").click()
        assert wrong.locator("details li").last.is_visible() and wrong.locator(".gone").count() == 1
        assert wrong.locator("details li").count() == 6
        assert "a.jpg changed since it was decided" in found.page.locator(".notes").inner_text()


def test_page__is_bounded(manifest, network, tmp_path, monkeypatch):
    monkeypatch.setattr("budwood.auditing.report.sections.BUDGET", 10)
    photo = shown_of(manifest, manifest.photos[0].name)
    many = [
        WrongLabel(photo=photo, suggested="red", of_label=0.0, of_suggested=1.0, rank=rank)
        for rank in range(500)
    ]
    text = write_audit_page(audit_of(manifest, many), tmp_path).read_text()
    assert text.count("looks like red") == 10 and "no room here for 490 more" in text


def test_page__of_photos_with_several_labels(scenes, doubts, browser, tmp_path):
    network = LabelsNetwork(
        backbone="mobilenet_v2", computed=42, stored=0, exact_match=0.75, interval=(0.6, 0.86), num_photos=40, folds=5,
        strengths={"red": 0.1}, not_asked=("warm",), commonest="", share_of_commonest=0.3,
    )  # fmt: skip
    strange = replace(doubts[1], label=WORST, rank=2)
    page = write_audit_page(audit_of(scenes, [*doubts, strange], network=network), tmp_path)
    with opened(browser, page, size=PHONE, dark=True) as found:
        assert (found.complaints, found.requests, found.overflows()) == ([], [], [])
        assert found.page.locator("h1").inner_text().endswith("in 42 photos with 4 labels.")
        missing = found.page.locator("#missing_label li")
        assert "warm is missing?" in missing.first.inner_text() and "97" in missing.first.inner_text()
        assert WORST[:8] in missing.last.inner_text()
        assert "warm is too much?" in found.page.locator("#extra_label").inner_text()
        assert "red (unknown: warm)" in found.page.locator("#unknown_label figcaption").inner_text()
        assert "'blue' on red 02.jpg, not on red 01.jpg" in found.page.locator("#label_conflict").inner_text()
        table = found.page.locator("#classes")
        assert table.locator("h2").inner_text() == "Labels" and table.locator("tfoot").inner_text().split() == [
            "all", "photos", "42"
        ]  # fmt: skip
        facts = found.page.locator("main, body").first.inner_text()
        assert (
            "always answering none of the labels is right on 30.0" in facts
            and "too few photos with them" in facts
        )
