import signal
import subprocess
import sys
import textwrap

import pytest

from budwood.features.store.claims import Claim


def taken(folder, missing, most=10) -> Claim:
    claim = Claim(folder, missing, most)
    claim.take()
    return claim


def test_claim__takes_the_first_that_nobody_else_computes(tmp_path):
    first = taken(tmp_path, ["a", "b", "c", "d"], 2)
    second = taken(tmp_path, ["d", "b", "a", "c"])
    assert (first.keys, second.keys) == (["a", "b"], ["d", "c"])
    assert taken(tmp_path, ["a", "b"]).keys == []


def test_claim__ends_with_its_release_and_leaves_nothing(tmp_path):
    first = taken(tmp_path, ["a"])
    first.release()
    second = taken(tmp_path, ["a"])
    assert second.keys == ["a"]
    second.release()
    nothing = taken(tmp_path, [])
    nothing.release()
    assert [path.name for path in (tmp_path / "claims").iterdir()] in (["claims.lock"], [])


def test_claim__of_a_killed_process_ends_with_it(tmp_path):
    code = """
        import sys, time
        from pathlib import Path
        from budwood.features.store.claims import Claim
        claim = Claim(Path(sys.argv[1]), ["a", "b"], 10)
        claim.take()
        print("taken", flush=True)
        time.sleep(60)
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "taken\n"
        assert taken(tmp_path, ["a", "b"]).keys == []
        other.send_signal(signal.SIGKILL)
    assert taken(tmp_path, ["a", "b"]).keys == ["a", "b"]


def test_claim__a_folder_that_cannot_be_made_is_an_error_of_the_system(tmp_path):
    (tmp_path / "claims").write_text("")
    with pytest.raises(OSError):
        taken(tmp_path, ["a"])
