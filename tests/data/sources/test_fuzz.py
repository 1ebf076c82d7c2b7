"""Mutations of every table and archive: each is read, or refused in words; nothing crashes, hangs, or fills memory."""

import contextlib
import multiprocessing
import os
import random
import resource
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from budwood.core.errors import BudwoodError
from budwood.data.sources import read_source
from tests.data.sources import forms

FEW, MANY = 60, 5_000
"""Mutations of each form in the fast tier and in the slow one."""
SECONDS, BYTES = 2.0, 500_000_000
"""What one of them may take beyond what the process has when it begins."""

MADE = {
    "csv": (forms.make_delimited, "photos.csv"),
    "tsv": (lambda folder: forms.make_delimited(folder, "\t", "photos.tsv"), "photos.tsv"),
    "json lines": (forms.make_jsonl, "photos.jsonl"),
    "json": (forms.make_json, "photos.json"),
    "coco": (forms.make_coco, "annotations/instances_default.json"),
    "cvat": (forms.make_cvat, "annotations.xml"),
    "label studio": (forms.make_label_studio, "project-1.json"),
    "datumaro": (forms.make_datumaro, "annotations/default.json"),
    "parquet with paths": (forms.make_parquet, "photos.parquet"),
    "parquet with pictures": (lambda folder: forms.make_parquet(folder, inside=True), "photos.parquet"),
    "arrow": (forms.make_saved, "data-00000-of-00001.arrow"),
    "arrow, its state": (forms.make_saved, "state.json"),
    "zip": (forms.make_zip, "photos.zip"),
    "tar": (forms.make_tar, "photos.tar"),
    "tgz": (lambda folder: forms.make_tar(folder, "photos.tgz", "w:gz"), "photos.tgz"),
    "webdataset": (forms.make_webdataset, "train-0000.tar"),
}
"""What makes each form, and its file that is changed."""

ODD = (
    b"",
    b"\0",
    b"\xff",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"-1",
    b"1e999",
    b'"',
    b",",
    b"\n",
    b"{",
    b"[",
    b"]",
)
WORDS = (
    b"../",
    b"/",
    b"null",
    b"true",
    b"NaN",
    b"path",
    b"label",
    b"999999999999",
    b"<!ENTITY a 'b'>",
    b"\xed\xa0\x80",
)


def mutated(content: bytes, rng: random.Random) -> bytes:
    """One to eight changes: bytes, numbers and words put in, parts taken out, doubled, moved or cut off."""
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 3, 8))):
        place = rng.randrange(len(changed) + 1)
        length = rng.choice((1, 1, 2, 4, 8, 40, 300))
        kind = rng.randrange(8)
        if kind == 0 and changed:
            changed[place % len(changed)] ^= 1 << rng.randrange(8)
        elif kind == 1 and changed:
            changed[place % len(changed)] = rng.randrange(256)
        elif kind == 2:
            changed[place : place + rng.choice((0, length))] = rng.choice(ODD + WORDS)
        elif kind == 3:
            del changed[place : place + length]
        elif kind == 4:
            changed[place:place] = changed[place : place + length] * rng.choice((1, 2, 50))
        elif kind == 5:
            other = rng.randrange(len(changed) + 1)
            changed[place:place] = changed[other : other + length]
        elif kind == 6:
            changed[place : place + 8] = rng.randrange(1 << 64).to_bytes(8, "little")
        else:
            del changed[place:]
    return bytes(changed)


def read_all(folder: Path, source: str, target: Path, seeds: Iterator[int], results) -> None:
    """Reads one mutation after the other, and tells of each when it begins and when it ends."""
    os.environ["BUDWOOD_CACHE"] = str(folder / "cache")
    whole = target.read_bytes()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for seed in seeds:
        results.send(("begin", seed))
        target.write_bytes(mutated(whole, random.Random(seed)))
        shutil.rmtree(folder / "cache", ignore_errors=True)
        began = time.perf_counter()
        try:
            for photo in read_source(source).photos:
                read_picture(photo.image)
            outcome = "read"
        except BudwoodError as error:
            outcome = "refused" if str(error).strip() else "refused without a word"
        except BaseException as error:
            outcome = f"{type(error).__name__}: {error}"
        seconds = time.perf_counter() - began
        results.send(
            ("end", seed, outcome, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
        )
    target.write_bytes(whole)


def read_picture(image: object) -> None:
    with contextlib.suppress(OSError):  # of which `content_of` makes an ImageError
        image.read()


def run(form: str, folder: Path, number: int) -> dict[str, int]:
    """Reads so many mutations in a process of its own; raises AssertionError for one that is not read or refused."""
    make, name = MADE[form]
    source = make(folder)
    receiving, sending = multiprocessing.Pipe(duplex=False)
    context = multiprocessing.get_context("fork")
    process = context.Process(
        target=read_all, args=(folder, str(source), folder / name, iter(range(number)), sending)
    )
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    process.start()
    sending.close()
    counts: dict[str, int] = {}
    seed, wrong = -1, []
    try:
        while True:
            if not receiving.poll(20 * SECONDS):
                wrong.append(f"seed {seed} hangs")
                break
            kind, seed, *rest = receiving.recv()
            if kind == "begin":
                continue
            outcome, seconds, most = rest
            counts[outcome] = counts.get(outcome, 0) + 1
            if outcome not in ("read", "refused"):
                wrong.append(f"seed {seed}: {outcome}")
            if seconds > SECONDS:
                wrong.append(f"seed {seed}: {seconds:.1f} s")
            if most > before + BYTES:
                wrong.append(f"seed {seed}: {(most - before) / 1e6:,.0f} MB")
                break
    except EOFError:
        pass
    finally:
        if process.is_alive() and wrong:
            os.kill(process.pid, signal.SIGKILL)
        process.join()
    if process.exitcode and not wrong:
        wrong.append(f"seed {seed} ended the process with {process.exitcode}")
    assert not wrong, "\n".join(wrong[:20])
    assert sum(counts.values()) == number
    return counts


@pytest.mark.parametrize("form", MADE)
def test_mutations__are_read_or_refused(tmp_path, form):
    counts = run(form, tmp_path, FEW)
    assert counts["refused"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("form", MADE)
def test_mutations__very_many(tmp_path, form):
    print(form, run(form, tmp_path, MANY))
