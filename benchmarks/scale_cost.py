"""What each stage costs a photo, measured on photos of the user's own, and from that what many more of them would cost.

Processor time is that of one core. Requests are counted where they are made, at a store in a folder; what they cost in
time depends on the storage (`python -m benchmarks.shared_store`). Prices are arguments.
"""

import math
import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from benchmarks import scale_probe
from benchmarks.scale_measure import measured, own_memory

COLUMNS = ("stage", "a photo", "measured on")
NUMBERS = (1_000_000, 10_000_000, 100_000_000, 1_000_000_000)
BACKBONE, SIZE = "efficientnet_lite0", 224
STORED = 20_000
"""Rows that are put into the store and fetched from it."""
BOOKED = 200_000
"""Photos whose rows are held, to see how many bytes one takes."""
PROBED, PASSES = 50_000, 70
"""Rows of the probe, and the passes over all rows that a fit takes at one strength (68 of 200,000, 100 classes)."""
PRICED = {"put": "put", "put_if_absent": "put", "get": "get", "get_range": "get", "head": "get"}
"""Requests, by the price that they have."""
MEMORY = 0.75
"""Share of the memory of a machine that the driver may take."""


@dataclass
class Costs:
    """Of one photo."""

    check: float = 0.0
    decode: float = 0.0
    forward: float = 0.0
    put: float = 0.0
    fetch: float = 0.0
    probe: float = 0.0
    """Seconds of a core; the probe's are of all its passes."""
    photo_bytes: float = 0.0
    row_bytes: float = 0.0
    driver_bytes: float = 0.0
    requests: Counter = field(default_factory=Counter)
    """By what they are priced as: "put" (and list), "get"."""


def measure(arguments) -> Iterator[list]:
    """Measure each stage, and yield a row for each; then the tables."""
    from budwood.core.tensorflow import load_keras

    load_keras()
    costs = Costs()
    with tempfile.TemporaryDirectory() as temporary:
        os.environ |= {"BUDWOOD_CACHE": f"{temporary}/cache", "BUDWOOD_THREADS": "1"}
        os.environ.pop("BUDWOOD_STORE", None)
        photos = read_some(arguments.data, arguments.number)
        yield from of_pictures(costs, photos)
        yield from of_store(costs, Path(temporary))
        yield from of_driver(costs)
        yield from of_probe(costs, arguments)
    yield from tables(costs, arguments)


def read_some(data: str, number: int) -> list:
    from budwood.data.sources import read_source

    photos = read_source(data).photos
    chosen = np.linspace(0, len(photos) - 1, min(number, len(photos))).round().astype(int)
    return [photos[place] for place in chosen]


def of_pictures(costs: Costs, photos: list) -> Iterator[list]:
    """Check, decode and forward, each over all photos."""
    from budwood.backbones.registry import get_backbone
    from budwood.data.check import inspect_photos
    from budwood.data.decoded import Decoded
    from budwood.data.images import view
    from budwood.features.extractor import FeatureExtractor, with_pooling

    told = f"{len(photos):,} photos"
    with Decoded() as decoded, _processor() as took:
        inspect_photos(photos, decoded)
    costs.check = took.seconds / len(photos)
    yield ["check: hash, header, near copies", _ms(costs.check), told]
    with _processor() as took:
        views = [view(photo.image, SIZE, "crop") for photo in photos]
    costs.decode = took.seconds / len(photos)
    costs.photo_bytes = float(np.mean([os.path.getsize(str(photo.image)) for photo in photos]))
    yield ["decode", _ms(costs.decode), f"{told} of {costs.photo_bytes / 1000:,.0f} kB"]
    model = with_pooling(get_backbone(BACKBONE).build(SIZE, weights="random"), "avg")
    part = FeatureExtractor(model, size=SIZE, resize="crop").part
    list(part.run(views[:20]))  # converts and compiles
    with _processor() as took:
        list(part.run(views))
    costs.forward = took.seconds / len(photos)
    yield ["forward", _ms(costs.forward), f"{told}, {BACKBONE} at {SIZE}, f32"]


def of_store(costs: Costs, folder: Path) -> Iterator[list]:
    """Put rows into a shared store, and fetch them on another machine."""
    from budwood.data.augment import PLAIN, Renderer
    from budwood.data.manifest import Photo
    from budwood.features.extract import extract
    from budwood.features.store.store import FeatureStore
    from budwood.storage.objects import Storage

    place = folder / "store"
    place.mkdir()
    os.environ["BUDWOOD_STORE"] = place.as_uri()
    # Photos that take no time to decode, through all that surrounds the network.
    photos = [
        Photo(np.full((8, 8, 3), n % 256, np.uint8), name=str(n), label="a", sha256=f"{n:064x}")
        for n in range(STORED)
    ]
    row = np.random.default_rng(0).normal(size=1280).astype(np.float32)
    runner = SimpleNamespace(run=lambda views: (row + view[0, 0, 0] for view in views))
    renderer = Renderer(32, "crop", PLAIN, 0)

    def through(machine: str) -> float:
        store = FeatureStore(folder / machine)
        with _processor() as took, store.open("benchmark", (1280,), "float16") as table:
            extract(photos, lambda: runner, table, renderer=renderer)
            table.gather([renderer.key(photo.sha256, 0) for photo in photos])
        return took.seconds / STORED

    with _counted(Storage) as requests:
        costs.put = through("one")
        costs.row_bytes = sum(file.stat().st_size for file in place.rglob("*") if file.is_file()) / STORED
        put = Counter(requests)
        costs.fetch = through("two")
    del os.environ["BUDWOOD_STORE"]
    costs.requests = Counter({name: number / STORED for name, number in requests.items()})
    told = f"{STORED:,} rows of 1280 in float16"
    yield ["put into the store", f"{_ms(costs.put)}, {costs.row_bytes:,.0f} B", f"{told}, {_words(put)}"]
    fetched = Counter(requests) - put
    yield ["fetch on another machine", _ms(costs.fetch), f"{told}, {_words(fetched)}"]


def of_driver(costs: Costs) -> Iterator[list]:
    """Hold the rows of photos as a training does after its check, and divide them."""
    # In a process of its own: this one has memory to spare that it does not give back.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        costs.driver_bytes = pool.submit(_held).result()
    yield ["memory of the driver", f"{costs.driver_bytes:,.0f} B", f"{BOOKED:,} rows, checked and divided"]


def _held() -> float:
    from budwood.config.recipe import Recipe
    from budwood.data.manifest import Kin, Photo
    from budwood.data.split import divide

    before = own_memory()
    photos = [
        Photo(
            Path(f"/photos/class {n % 100:02}/{n:09}.jpg"),
            name=f"class {n % 100:02}/{n:09}.jpg",
            label=f"class {n % 100:02}",
            sha256=f"{n:064x}",
            kin=Kin(f"{n:032x}", f"{n:016x}", f"{n:016x}"),
        )
        for n in range(BOOKED)
    ]
    with measured() as peak:
        divide(photos, Recipe())
    return (peak.peak - before) / BOOKED


def of_probe(costs: Costs, arguments) -> Iterator[list]:
    """Fit a linear probe, and take its time a row and pass."""
    asked = SimpleNamespace(features=1280, classes=arguments.classes, folder=None, strength=1e-4)
    rows = [row for row in scale_probe.measure(PROBED, asked) if row[1] == "passes"]
    passes = sum(int(row[-1].split()[0]) for row in rows)
    seconds = sum(float(row[3].split()[0]) for row in rows)
    costs.probe = PASSES * seconds / passes / PROBED
    told = f"{PROBED:,} rows x 1280 x {arguments.classes}, {passes} passes; {PASSES} are counted"
    yield ["linear probe", _ms(costs.probe), told]


def tables(costs: Costs, prices) -> Iterator[list]:
    """What numbers of photos take, and what is the first not to hold."""
    yield []
    yield ["photos", *(f"{number:,}" for number in NUMBERS)]
    per_core = {
        "check": costs.check,
        "decode and forward": costs.decode + costs.forward,
        "put and fetch": costs.put + costs.fetch,
        "linear probe": costs.probe,
    }
    for name, seconds in per_core.items():
        yield [f"core-hours: {name}", *(f"{number * seconds / 3600:,.1f}" for number in NUMBERS)]
    whole = sum(per_core.values())
    yield [
        f"days on {prices.cores} cores",
        *(f"{n * whole / 86400 / prices.cores:,.2f}" for n in NUMBERS),
    ]
    yield ["features, TB", *(f"{number * costs.row_bytes / 1e12:,.3f}" for number in NUMBERS)]
    yield ["photos, TB", *(f"{number * costs.photo_bytes / 1e12:,.2f}" for number in NUMBERS)]
    gets = 1 + costs.requests["get"]
    yield ["requests: put and list", *(f"{number * costs.requests['put']:,.0f}" for number in NUMBERS)]
    yield ["requests: get, a photo each too", *(f"{number * gets:,.0f}" for number in NUMBERS)]
    yield ["memory of the driver, GB", *(f"{number * costs.driver_bytes / 1e9:,.1f}" for number in NUMBERS)]
    money = [
        n * whole / 3600 * prices.core_hour
        + n * (costs.requests["put"] * prices.thousand_puts + gets * prices.thousand_gets) / 1000
        for n in NUMBERS
    ]
    yield ["money, computing and requests", *(f"{some:,.2f}" for some in money)]
    stored = [n * (costs.row_bytes + costs.photo_bytes) / 1e9 * prices.gigabyte_month for n in NUMBERS]
    yield ["money, storage a month", *(f"{some:,.2f}" for some in stored)]
    most = MEMORY * prices.memory * 1e9 / costs.driver_bytes
    yield []
    yield [
        f"first to break: the driver, which holds a row for each photo: beyond {most:,.0f} photos in {prices.memory:g} "
        f"GB. Then divide the photos into tables of at most so many, compute their features one after the other into "
        "one store, and train on a sample, or on a machine with more memory"
    ]
    at = 86400 * prices.cores / whole
    yield [
        f"one day of {prices.cores} cores is enough for {at:,.0f} photos; check and features run on a cluster"
    ]


@contextmanager
def _processor() -> Iterator[SimpleNamespace]:
    """Take the seconds of the processor that a block takes, in all threads."""
    took, began = SimpleNamespace(seconds=0.0), time.process_time()
    yield took
    took.seconds = time.process_time() - began


@contextmanager
def _counted(storage: Any) -> Iterator[Counter]:
    """Count the requests that a block makes, by what they are priced as."""
    found: Counter = Counter()

    def counting(call, kind: str):
        def counted(*given, **options):
            found[kind] += 1
            return call(*given, **options)

        return counted

    def listing(call):
        def listed(*given, **options):
            objects = 0
            for one in call(*given, **options):
                objects += 1
                yield one
            # A thousand objects a request.
            found["put"] += max(1, math.ceil(objects / 1000))

        return listed

    own = {name: getattr(storage, name) for name in (*PRICED, "list")}
    for name, kind in PRICED.items():
        setattr(storage, name, counting(own[name], kind))
    storage.list = listing(own["list"])
    try:
        yield found
    finally:
        for name, call in own.items():
            setattr(storage, name, call)


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.3f} ms"


def _words(requests: Counter) -> str:
    return ", ".join(f"{number:,} {name}" for name, number in sorted(requests.items())) or "no request"
