"""`budwood serve`: what is refused before anything slow."""

import pytest

import budwood.cli.commands  # noqa: F401  (commands are listed in the order in which they are imported)
from budwood.cli.serve import _key
from budwood.core.errors import BudwoodError
from budwood.serving.serve import bind
from tests.cli.command_line import one_line


@pytest.fixture(autouse=True)
def own_pixels(monkeypatch):
    """The command sets it for its process, which is that of the tests here."""
    monkeypatch.setenv("BUDWOOD_MAX_PIXELS", "50000000")


def test_serve__refuses_in_one_line(call, tmp_path):
    with bind("127.0.0.1", 0) as taken:
        taken.listen()
        port = str(taken.getsockname()[1])
        for arguments, words in (
            ([str(tmp_path), "--port", port], "address already in use"),
            ([str(tmp_path / "none"), "--port", "0"], "none"),
            ([str(tmp_path / "x"), str(tmp_path / "y" / "x"), "--port", "0"], "two runs are named x"),
            ([str(tmp_path), "--rate", "0"], "rate of 0"),
            ([str(tmp_path), "--timeout", "inf"], "--timeout inf is no bound"),
            ([str(tmp_path), "--max-upload", "inf"], "--max-upload inf is no bound"),
            ([str(tmp_path), "--host", "two..dots"], "no name of a host"),
            ([str(tmp_path), "--api-key-file", str(tmp_path / "key")], "cannot read the key"),
        ):
            status, out, err = call("serve", *arguments)
            assert status == 1 and not out and one_line(err) and words in err


def test_key(tmp_path, monkeypatch):
    file = tmp_path / "key"
    file.write_text(" 0123456789abcdef\n")
    assert _key(file) == "0123456789abcdef"
    monkeypatch.delenv("BUDWOOD_API_KEY", raising=False)
    assert _key(None) is None
    monkeypatch.setenv("BUDWOOD_API_KEY", "from the environment")
    assert _key(None) == "from the environment"
    for weak in ("short", "", "ä" * 20):
        monkeypatch.setenv("BUDWOOD_API_KEY", weak)
        with pytest.raises(BudwoodError, match="too easy to guess"):
            _key(None)
