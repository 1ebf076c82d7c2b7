import gc

import pytest

import budwood.core.garbage as module
from budwood.core.garbage import freeze_imports, uncollected


@pytest.fixture
def nothing_frozen(monkeypatch):
    monkeypatch.setattr(module, "_freezes", [False])
    frozen = gc.get_freeze_count()
    gc.unfreeze()
    yield
    gc.unfreeze()
    if frozen:
        gc.freeze()


@pytest.mark.usefixtures("nothing_frozen")
def test_uncollected__leaves_the_collector_as_it_was():
    assert gc.isenabled()
    with pytest.raises(ZeroDivisionError), uncollected():
        assert not gc.isenabled()
        raise ZeroDivisionError
    assert gc.isenabled()
    with uncollected():
        with uncollected():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0


@pytest.mark.usefixtures("nothing_frozen")
def test_freeze_imports__what_is_there_is_passed_over():
    freeze_imports()
    with uncollected():
        loaded = [[] for _ in range(1_000)]
    assert gc.get_freeze_count() >= len(loaded)
    assert all(gc.is_tracked(one) for one in loaded)
    assert gc.isenabled()


@pytest.mark.usefixtures("nothing_frozen")
def test_freeze_imports__as_the_command_asks_for_it(monkeypatch, capsys):
    from budwood.cli import main

    monkeypatch.setattr("sys.argv", ["budwood", "--version"])
    with pytest.raises(SystemExit):
        main()
    assert module._freezes == [True]
