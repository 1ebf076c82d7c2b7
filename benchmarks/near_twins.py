"""How many planted copies of photos are found, by kind of copy, on photos that no limit was chosen on.

python -m benchmarks.near_twins DATA [DATA ...] [--copies 300] [--seed 1] [--json result.json]

Copies of some photos are looked for among all photos, as a training looks for them: by the perceptual hash, and what
it does not know by the features of `frozen-linear` and an overlay of both. The limits were chosen on copies of photos
that `random.Random(0)` draws; these are not planted again. Real data hold near twins too: they are looked for among all
photos, listed, to be looked at, and a copy that is found as one of its photo's near twin is counted apart. Expected:
recall and precision of 99 % or more.
"""

import argparse
import json
import os
import random
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.stats import binomtest

from benchmarks.planted_copies import KINDS
from budwood.core.progress.base import SILENT
from budwood.data.check import check
from budwood.data.images import digest
from budwood.data.inspection import inspect
from budwood.data.kin import find_kin
from budwood.data.manifest import Photo
from budwood.data.sources import read_source
from budwood.features.twins import Twin, find_twins, find_twins_among
from budwood.pipeline.prepare import prepare_networks
from budwood.pipeline.request import read_recipe

CHOSEN_ON = (400, 1_000)
"""Photos of a data set in the measurements by which the limits were chosen."""


def measured(data: Path, copies: int, seed: int) -> dict:
    checked = check(read_source(data), for_training=False)
    known, hashes = list(checked.photos), {photo.sha256: one.hash for photo, one in checked.inspected}
    tuned = {photo.name for number in CHOSEN_ON for photo in _drawn(known, number, 0)}
    others = [photo for photo in known if photo.name not in tuned]
    chosen = _drawn(others, copies, seed)
    planted = {kind: list(_planted(chosen, kind, seed)) for kind in KINDS}
    of_all = [*known, *(photo for some in planted.values() for photo in some)]
    with prepare_networks(read_recipe("frozen-linear", ())).open_features(SILENT) as features:
        features.exact.compute(of_all)
        vectors = dict(
            zip((one.name for one in of_all), features.exact.array(of_all).astype(np.float32), strict=True)
        )
    rows = lambda photos: np.stack([vectors[photo.name] for photo in photos])  # noqa: E731
    among = find_twins_among(known, rows(known))
    natural = {frozenset((one.photo, one.known)) for one in among.twins}
    alike: dict[str, list[str]] = {}
    for photo in known:
        alike.setdefault(photo.kin.near, []).append(photo.name)
    natural |= {frozenset(pair) for names in alike.values() for pair in combinations(names, 2)}
    kinds = {}
    for kind, some in planted.items():
        by_hash = _found_by_hash(known, some, hashes)
        found = find_twins(some, rows(some), known, rows(known)).twins
        kinds[kind] = _counted(some, by_hash, found, natural)
    return {
        "data": data.name,
        "photos": len(known),
        "held_out": len(others),
        "kinds": kinds,
        "natural": [_words(one) for one in sorted(among.twins, key=lambda one: one.similarity)],
        "compared": among.compared,
        "passed_over": among.passed_over,
    }


def _drawn(photos: Sequence[Photo], number: int, seed: int) -> list[Photo]:
    return random.Random(seed).sample(list(photos), min(number, len(photos)))


def _planted(photos: Sequence[Photo], kind: str, seed: int) -> Iterator[Photo]:
    chance = random.Random(f"{seed} {kind}")
    for photo in photos:
        assert isinstance(photo.image, os.PathLike), "of a folder"
        with Image.open(photo.image) as opened:
            content = KINDS[kind](opened.convert("RGB"), chance)
        seen = inspect(content)
        yield Photo(
            content,
            f"{kind}|{photo.name}",
            photo.label,
            sha256=digest(content),
            width=seen.width,
            height=seen.height,
            metadata={"hash": seen.hash.hex()},
        )


def _found_by_hash(known: Sequence[Photo], planted: Sequence[Photo], hashes: dict[str, bytes]) -> set[str]:
    """Return the copies that the check joins with their photo."""
    of_known = [hashes[photo.sha256] for photo in known]
    of_planted = [bytes.fromhex(photo.metadata["hash"]) for photo in planted]
    every = [*known, *planted]
    kin = find_kin(every, [*of_known, *of_planted], lambda photo: photo.sha256)
    near = {photo.name: one.near for photo, one in zip(every, kin, strict=True)}
    return {one.name for one in planted if near[one.name] and near[one.name] == near[_source(one.name)]}


def _counted(
    planted: Sequence[Photo], by_hash: set[str], found: Sequence[Twin], natural: set[frozenset[str]]
) -> dict:
    own = {one.photo for one in found if _source(one.photo) == one.known}
    of_twin = {one.photo for one in found if frozenset((_source(one.photo), one.known)) in natural}
    right = own | of_twin
    wrong = [one for one in found if one.photo not in right]
    return {
        "by_hash": _share(len(by_hash), len(planted)),
        "by_features": _share(len(right), len(planted)),
        "recall": _share(len(by_hash | right), len(planted)),
        "of_a_twin": len(of_twin),
        "precision": _share(len(right), len(right) + len(wrong)),
        "missed": sorted({one.name for one in planted} - by_hash - right),
        "missed_by_features": sorted({one.name for one in planted} - right),
        "lowest": round(min((one.similarity for one in found if one.photo in right), default=0.0), 3),
        "wrong": [_words(one) for one in wrong],
    }


def _source(name: str) -> str:
    """Return the name of the photo of which a planted one is a copy."""
    return name.split("|", 1)[1]


def _share(some: int, number: int) -> tuple[int, int, float, float]:
    interval = binomtest(some, number).proportion_ci(0.95, "exact")
    return some, number, round(interval.low, 4), round(interval.high, 4)


def _words(one: Twin) -> tuple[str, str, float]:
    return one.photo, one.known, round(one.similarity, 3)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path, nargs="+")
    parser.add_argument("--copies", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    results = [measured(data, arguments.copies, arguments.seed) for data in arguments.data]
    for one in results:
        print(json.dumps(one, indent=1))
    if arguments.json:
        arguments.json.write_text(json.dumps(results))


if __name__ == "__main__":
    main()
