from dataclasses import replace

import pytest

from budwood.auditing.findings import CrossSplit, Shown
from budwood.auditing.report.page import verdict, worst_as_lines, write_audit_page
from budwood.core.errors import DataError
from tests.auditing.conftest import audit_of


def crossed(number):
    photos = (Shown(f"train/{number}.jpg", "red", "train"), Shown(f"test/{number}.jpg", "red", "test"))
    return CrossSplit(photos=photos, by="bytes", similarity=1.0, left_out=(photos[0].path,))


def test_verdict__counts_each_severity(manifest, findings):
    assert (
        verdict(audit_of(manifest, findings)) == "1 error, 5 warnings and 3 notes in 42 photos of 3 classes."
    )
    assert verdict(audit_of(manifest)) == "Nothing odd was found in 42 photos of 3 classes."


def test_worst_as_lines__errors_by_kind(manifest, findings):
    lines = worst_as_lines(audit_of(manifest, [*findings, crossed(1), crossed(2)]))
    assert len(lines) == 2
    assert lines[0].startswith("1 ") and lines[1].startswith("2 ")
    assert all(line.endswith(".") for line in lines)


def test_write_audit_page__names_findings_and_hides_no_markup(manifest, findings, network, tmp_path):
    audit = replace(audit_of(manifest, findings, network=network), source="my <photos>")
    page = write_audit_page(audit, tmp_path)
    text = page.read_text(encoding="utf-8")
    assert "my &lt;photos&gt;" in text and "my <photos>" not in text
    for path in ("blue/blue 02.jpg", "red/red 01.jpg", "green/green 05.jpg"):
        assert path in text
    assert "mobilenet_v2" in text
    assert "https://" not in text.replace("https://www.w3.org", "")


def test_write_audit_page__cannot_be_written(manifest, tmp_path):
    with pytest.raises(DataError, match=r"cannot write .*audit\.html"):
        write_audit_page(audit_of(manifest), tmp_path / "nowhere" / "deep")
