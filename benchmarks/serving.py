"""`budwood serve` under load, against decoding and inference alone, and against a plain server of FastAPI and Keras.

    make bench-serve                                   a few minutes, on a linear probe of tf_flowers
    python -m benchmarks.serving RUN --overload 600    a run of one's own, ten minutes at 120 % of what it can do

The generator of load runs beside the server on the same cores; how much of them it took stands beside each rate, and
the rate that is left without it is told by processor time: milliseconds of all cores for a picture, which other work
on the machine hardly changes.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.against_keras import FOLDER, find_material
from benchmarks.http_load import Load, closed_loop, open_loop, request
from benchmarks.processes import python
from budwood.core.threads import num_cores

PHOTOS = 200
HERE = [sys.executable, "-m"]


@dataclass
class Serving:
    """A server in a process of its own."""

    process: subprocess.Popen
    port: int
    first_answer: float
    """Seconds from its start."""

    @property
    def seconds_of_cpu(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def megabytes(self) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1000

    @property
    def has_tensorflow(self) -> bool:
        return "-packages/tensorflow/" in Path(f"/proc/{self.process.pid}/maps").read_text()


@contextmanager
def serving(command: Sequence[str], port: int, first: bytes) -> Iterator[Serving]:
    """Starts a server and asks it until it answers."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    while not closed_loop(port, [first], 1, 0.001).statuses[200]:
        if process.poll() is not None or time.perf_counter() - began > 120:
            raise SystemExit(f"{' '.join(command)} does not answer")
        time.sleep(0.02)
    try:
        yield Serving(process, port, time.perf_counter() - began)
    finally:
        process.terminate()
        process.wait()


def bare(run: str, photos: Sequence[str]) -> dict[str, float]:
    """Decoding and inference alone, in this process: a second on all cores, and one after another."""
    from threadpoolctl import threadpool_limits

    from budwood.data.images import view
    from budwood.run import load

    threadpool_limits(1)
    predictor = load(run).predictor
    asked, contents = predictor.input, [Path(photo).read_bytes() for photo in photos]

    def one(content: bytes) -> float:
        began = time.perf_counter()
        predictor.score(view(content, asked.size, asked.resize, asked.levels, only_clear=True))
        return time.perf_counter() - began

    one(contents[0])
    alone = sorted(one(content) for content in contents)
    with ThreadPoolExecutor(num_cores() + 1) as pool:
        began, cpu = time.perf_counter(), time.process_time()
        list(pool.map(one, contents * 2))
        seconds, busy = time.perf_counter() - began, time.process_time() - cpu
    pictures = 2 * len(contents)
    return {
        "rate": pictures / seconds,
        "milliseconds_of_cpu": 1000 * busy / pictures,
        "p50": 1000 * alone[len(alone) // 2],
    }


def measured(name: str, server: Serving, ask) -> Load:
    before = server.seconds_of_cpu
    load = ask()
    cpu = server.seconds_of_cpu - before
    answered = max(1, load.statuses[200])
    print(
        f"{name}: {load.rate:.1f} a second, p50 {load.percentile(50):.1f} ms, p99 {load.percentile(99):.1f} ms; "
        f"{1000 * cpu / answered:.2f} ms of processor time each, {1000 * load.seconds_of_cpu / answered:.2f} of the "
        f"generator; {dict(load.statuses)}, lost {load.lost}; {server.megabytes:.0f} MB",
        flush=True,
    )
    return load


def _range(shares: Sequence[float]) -> str:
    low, middle, high = sorted(shares)[0], sorted(shares)[len(shares) // 2], sorted(shares)[-1]
    return f"{middle:.0%} ({low:.0%} to {high:.0%})"


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("run", nargs="?")
    options.add_argument("--photos", help="folder of photos to ask about")
    options.add_argument("--seconds", type=float, default=10)
    options.add_argument("--rounds", type=int, default=9, help="of the bare rate and the server in turn")
    options.add_argument("--overload", type=float, default=20, help="seconds at 120 %% of what it can do")
    options.add_argument(
        "--connections", type=int, default=0, help="at a time under full load; 2 a core by default"
    )
    options.add_argument("--port", type=int, default=8765)
    options.add_argument("--no-plain", action="store_true", help="leave out the plain server")
    options.add_argument("--bare", nargs="+", help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.bare:
        print(json.dumps(bare(given.run, given.bare)))
        return
    run, folder = given.run, given.photos
    if run is None or folder is None:
        data, _ = find_material()
        folder = folder or str(data)
    if run is None:
        FOLDER.mkdir(exist_ok=True)
        run = str(FOLDER / "served")
        python("budwood.cli", "train", data, "-o", run, "--recipe", "frozen-linear", "--overwrite", "--quiet")
    found = sorted(map(str, Path(folder).rglob("*.jpg")))
    photos = found[:: max(1, len(found) // PHOTOS)][:PHOTOS]
    port, path = given.port, "/v1/predict"
    several = given.connections or 2 * num_cores()
    good = [request(path, Path(photo).read_bytes(), port) for photo in photos]
    bad = [
        request(path, content, port) for content in (b"text", Path(photos[0]).read_bytes()[:2000], b"\x89PNG")
    ]

    def bare_now() -> dict[str, float]:
        command = [*HERE, "benchmarks.serving", run, "--bare", *photos]
        return json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)

    command = [*HERE, "budwood.cli", "serve", run, "--port", str(port), "--quiet"]
    with serving(command, port, good[0]) as server:
        tensorflow = "with" if server.has_tensorflow else "without"
        print(
            f"start to first answer {server.first_answer:.2f} s, {server.seconds_of_cpu:.2f} s of processor time, "
            f"{tensorflow} TensorFlow, {server.megabytes:.0f} MB"
        )
        closed_loop(port, good, several, 2)
        measured("one at a time", server, lambda: closed_loop(port, good, 1, given.seconds))
        full = measured(
            f"{several} at a time", server, lambda: closed_loop(port, good, several, given.seconds)
        )
        rates, shares, waits = [], [], []
        after = bare_now()
        for _ in range(given.rounds):
            # In turn, and compared with the bare rates before and after: what else runs on the machine changes from
            # minute to minute.
            before = after
            wait = closed_loop(port, good, 1, given.seconds).percentile(50)
            cpu = server.seconds_of_cpu
            again = closed_loop(port, good, several, given.seconds)
            each = 1000 * (server.seconds_of_cpu - cpu) / max(1, again.statuses[200])
            after = bare_now()
            alone = {name: (before[name] + after[name]) / 2 for name in after}
            waits.append(wait / alone["p50"])
            rates.append(again.rate / alone["rate"])
            shares.append(alone["milliseconds_of_cpu"] / each)
            print(
                f"  bare {alone['rate']:.1f} a second, {alone['milliseconds_of_cpu']:.2f} ms of processor time, p50 "
                f"{alone['p50']:.1f} ms; served {again.rate:.1f} a second, {each:.2f} ms",
                flush=True,
            )
        measured("half of that", server, lambda: open_loop(port, good, full.rate / 2, given.seconds))
        tenth = [bad[number % 3] if number % 10 == 9 else one for number, one in enumerate(good)]
        measured("every tenth body bad", server, lambda: closed_loop(port, tenth, several, given.seconds))
        megabytes = server.megabytes
        load = measured(
            f"120 % for {given.overload:g} s",
            server,
            lambda: open_loop(port, good, 1.2 * full.rate, given.overload),
        )
        print(
            f"  memory {megabytes:.0f} to {server.megabytes:.0f} MB; {load.without_retry_after} answers with 503 do "
            "not say when to come again"
        )
        threading.Timer(2, lambda: server.process.send_signal(signal.SIGTERM)).start()
        last = closed_loop(port, good, several, 6)
        status = server.process.wait(30)
        print(f"SIGTERM under load: {last.statuses[200]} answered, {last.lost} lost, exit status {status}")
    print(
        f"of {given.rounds} rounds in turn, the server keeps {_range(rates)} of the bare rate beside the generator, "
        f"{_range(shares)} by processor time; p50 of one request is {_range(waits)} of that of decoding and inference"
    )
    if given.no_plain:
        return
    model = Path(run) / "model"
    size = json.loads((model / "model.json").read_text())["input"]["size"]
    plain = [*HERE, "benchmarks.plain_server", str(model / "model.keras"), str(size), str(port)]
    with serving(plain, port, good[0]) as server:
        print(f"plain server: start to first answer {server.first_answer:.2f} s, {server.megabytes:.0f} MB")
        closed_loop(port, good, several, 2)
        slow = measured(
            f"plain, {several} at a time", server, lambda: closed_loop(port, good, several, given.seconds)
        )
    print(f"budwood serve answers {full.rate / slow.rate:.1f} times as many pictures a second")


if __name__ == "__main__":
    main()
