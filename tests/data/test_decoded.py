import sqlite3
import threading

import pytest

from budwood.data.decoded import Decoded, pair_key
from budwood.data.decoder.levels import Samples, ValueRange
from budwood.data.inspection import Inspection
from budwood.data.overlay import Overlay

ONE, TWO = "01" * 32, "02" * 32


def test_decoded__remembers_after_closing():
    with Decoded() as decoded:
        decoded.add(ONE, Inspection(640, 480))
    with Decoded() as decoded:
        assert decoded.get(ONE) == Inspection(640, 480)
        assert decoded.get(TWO) is None


def test_decoded__keeps_what_was_added_before_an_interrupt():
    with pytest.raises(KeyboardInterrupt), Decoded() as decoded:
        decoded.add(ONE, Inspection(3, 4))
        raise KeyboardInterrupt
    with Decoded() as decoded:
        assert decoded.get(ONE) == Inspection(3, 4)


@pytest.mark.parametrize("content", [b"this is no database" * 100, b"SQLite format 3\0" + b"\xff" * 5000])
def test_decoded__a_damaged_record_is_begun_anew(own_cache, content):
    (own_cache / "decoded.sqlite").write_bytes(content)
    with Decoded() as decoded:
        assert decoded.get(ONE) is None
        decoded.add(ONE, Inspection(3, 4))
    with Decoded() as decoded:
        assert decoded.get(ONE) == Inspection(3, 4)


def test_decoded__done_without_where_it_cannot_be_opened(own_cache):
    (own_cache / "decoded.sqlite").mkdir()
    with Decoded() as decoded:
        decoded.add(ONE, Inspection(3, 4))
        assert decoded.get(ONE) is None


def test_decoded__done_without_where_there_is_no_cache(own_cache, monkeypatch):
    (own_cache / "file").touch()
    monkeypatch.setenv("BUDWOOD_CACHE", str(own_cache / "file" / "cache"))
    with Decoded() as decoded:
        decoded.add(ONE, Inspection(3, 4))
        assert decoded.get(ONE) is None


def test_decoded__another_layout_is_left_alone(own_cache):
    with sqlite3.connect(own_cache / "decoded.sqlite") as connection:
        connection.execute("CREATE TABLE inspected (something TEXT)")
    connection.close()
    with Decoded() as decoded:
        decoded.add(ONE, Inspection(3, 4))
        assert decoded.get(ONE) is None
    with sqlite3.connect(own_cache / "decoded.sqlite") as connection:
        assert connection.execute("SELECT count(something) FROM inspected").fetchone() == (0,)
    connection.close()


def test_decoded__several_writers():
    def write(start: int) -> None:
        with Decoded() as decoded:
            for number in range(start, start + 50):
                decoded.add(f"{number:064x}", Inspection(number, 1))

    threads = [threading.Thread(target=write, args=(start,)) for start in (0, 50, 100, 150)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with Decoded() as decoded:
        assert all(decoded.get(f"{number:064x}") == Inspection(number, 1) for number in range(200))


def test_decoded__remembers_samples_and_pages():
    deep = Inspection(3, 4, Samples("float32", -1.5, 2.0, 1.25), pages=9, sharpness=0.25)
    with Decoded() as decoded:
        decoded.add(ONE, deep)
    with Decoded() as decoded:
        assert decoded.get(ONE) == deep


def test_decoded__writes_when_there_are_many(monkeypatch):
    monkeypatch.setattr("budwood.data.decoded._WRITTEN_AT_ONCE", 2)
    with Decoded() as decoded:
        for number in range(3):
            decoded.add(f"{number:064x}", Inspection(number, 1))
        with Decoded() as other:
            assert other.get(f"{1:064x}") == Inspection(1, 1)
            assert other.get(f"{2:064x}") is None
    with Decoded() as decoded:
        assert decoded.get(f"{2:064x}") == Inspection(2, 1)


def test_decoded__remembers_objects(own_cache):
    with Decoded() as record:
        assert record.get_object(b"1") is None
        record.add_object(b"1", "ab" * 32)
    with Decoded() as record:
        assert record.get_object(b"1") == "ab" * 32
        assert record.get_object(b"2") is None


def test_decoded__remembers_pairs():
    seen, levels = Overlay(0.75, True, 0.5), ValueRange(0.0, 4095.0)
    key = pair_key("a" * 64, "b" * 64, None)
    with Decoded() as record:
        record.add_overlay(key, seen)
    with Decoded() as record:
        assert record.get_overlay(key) == seen
        for other in (pair_key("b" * 64, "a" * 64, None), pair_key("a" * 64, "b" * 64, levels)):
            assert record.get_overlay(other) is None
