"""Several machines on one shared store, each a process with a cache of its own before one server of S3: nothing is
computed twice, and whatever is killed or stands still, the features are the same."""

import json
import random
import signal
import subprocess
import sys
import textwrap
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from budwood.features.store.store import FeatureStore
from tests.servers import environment, wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="processes cannot be stopped here"),
]
NUMBER = 600

SERVER = """
    import logging, sys, time, urllib.request
    from moto.server import ThreadedMotoServer
    from tests.servers import one_put_at_a_time

    one_put_at_a_time()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    port = server.get_host_and_port()[1]
    urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{port}/lab", method="PUT"))
    print(port, flush=True)
    time.sleep(1000)
"""
# The rows depend on the content alone; what is computed is counted in a file, a byte a view.
DRIVER = """
    import hashlib, json, sys, time
    from pathlib import Path
    import numpy as np
    from budwood.data.augment import PLAIN, Renderer
    from budwood.data.manifest import Photo
    from budwood.features.extract import extract
    from budwood.features.store import shared_claims, table
    from budwood.features.store.store import FeatureStore

    shared_claims.EXPIRY, shared_claims.RENEWAL, table.FLUSH_SECONDS = 3.0, 0.5, 0.3
    cache, number, seconds = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    counted = open(sys.argv[4], "ab", 0)

    class Slow:
        def run(self, views):
            for view in views:
                time.sleep(seconds)
                counted.write(b"x")
                yield np.repeat(view.mean(axis=(0, 1)), 4).astype(np.float32)

    def photo(index):
        pixels = np.random.default_rng(index).integers(0, 256, (8, 8, 3), np.uint8)
        return Photo(pixels, name=str(index), label="a", sha256=hashlib.sha256(str(index).encode()).hexdigest())

    with FeatureStore(cache).open("fp", (12,)) as opened:
        renderer = Renderer(32, "crop", PLAIN, 0)
        found = extract([photo(index) for index in range(number)], Slow, opened, renderer=renderer)
        print(json.dumps({"computed": found.num_computed, "notes": [note.text for note in opened.notes]}))
"""


@contextmanager
def server():
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(SERVER)],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield process, int(process.stdout.readline())
    finally:
        process.send_signal(signal.SIGCONT)
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """The process of a server, the environment that leads to it, and a folder."""
    with server() as (process, port):
        for name, value in {**environment(port), "BUDWOOD_STORE": "s3://lab/features"}.items():
            monkeypatch.setenv(name, value)
        yield process


def drive(folder: Path, machine: str, seconds=0.004, number=NUMBER):
    arguments = [str(folder / machine), str(number), str(seconds), str(folder / "counted")]
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(DRIVER), *arguments], stdout=subprocess.PIPE, text=True
    )


def counted(folder):
    """How many views were computed, in all."""
    file = folder / "counted"
    return file.stat().st_size if file.exists() else 0


def ended(process):
    out, _ = process.communicate(timeout=180)
    assert process.returncode == 0
    return json.loads(out)


def rows_of(folder):
    """What a machine that has nothing gets from the store, by key."""
    from hashlib import sha256

    from budwood.data.augment import PLAIN, Renderer

    renderer = Renderer(32, "crop", PLAIN, 0)
    keys = [renderer.key(sha256(str(index).encode()).hexdigest(), 0) for index in range(NUMBER)]
    with FeatureStore(folder / f"fresh{random.random()}").open("fp", (12,)) as table:
        assert table.missing(keys) == []
        assert table.notes == []
        return table.gather(keys)


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """The same on one machine, without a shared store."""
    folder = tmp_path_factory.mktemp("alone")
    with pytest.MonkeyPatch.context() as alone:
        (folder / "nfs").mkdir()
        alone.setenv("BUDWOOD_STORE", str(folder / "nfs"))
        ended(drive(folder, "alone", seconds=0.0))
        return rows_of(folder)


def test_two_drivers__compute_no_photo_twice(lab, tmp_path, expected):
    drivers = [drive(tmp_path, name) for name in ("a", "b")]
    found = [ended(driver) for driver in drivers]
    assert sum(one["computed"] for one in found) == NUMBER
    assert min(one["computed"] for one in found) > 0
    assert [one["notes"] for one in found] == [[], []]
    assert np.array_equal(rows_of(tmp_path), expected)
    assert ended(drive(tmp_path, "c"))["computed"] == 0


def test_server__that_stands_still_for_ten_seconds(lab, tmp_path, expected):
    driver = drive(tmp_path, "a", seconds=0.01)
    wait_until(lambda: counted(tmp_path) > 100, seconds=60)
    assert driver.poll() is None
    lab.send_signal(signal.SIGSTOP)
    time.sleep(10.0)
    lab.send_signal(signal.SIGCONT)
    found = ended(driver)
    assert found == {"computed": NUMBER, "notes": []}
    assert np.array_equal(rows_of(tmp_path), expected)


def test_drivers__that_are_killed_twenty_times(lab, tmp_path, expected):
    kills = 20
    for number in range(kills):
        driver = drive(tmp_path, f"machine{number % 2}", seconds=0.02)
        enough = counted(tmp_path) + random.Random(number).randint(1, 25)
        wait_until(lambda driver=driver, enough=enough: counted(tmp_path) >= enough, seconds=60)
        driver.kill()
        driver.communicate()
    ended(drive(tmp_path, "last"))
    assert np.array_equal(rows_of(tmp_path), expected)
    again = counted(tmp_path) - NUMBER
    # What each killed one had computed and not yet stored: a third of a second, and what was on its way.
    assert 0 <= again <= kills * 40, again
