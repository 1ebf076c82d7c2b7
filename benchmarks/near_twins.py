"""How many planted copies of photos are found by their features and a look at the pixels, by kind of copy.

python -m benchmarks.near_twins DATA [DATA ...] [--photos 1000] [--copies 100] [--json result.json]

Copies of some photos are looked for among all photos: the features of `frozen-linear` name the nearest photo, and the
overlay of both decides. Then every photo is looked for among the others; what is found there is to be looked at, for
real data hold copies too. Expected: recall and precision of 99 % or more.
"""

import argparse
import json
import random
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.planted_copies import KINDS
from budwood.core.progress.base import SILENT
from budwood.data.check import check
from budwood.data.images import digest
from budwood.data.manifest import Photo
from budwood.data.sources import read_source
from budwood.features.twins import find_twins
from budwood.pipeline.prepare import prepare_networks
from budwood.pipeline.request import read_recipe


def measured(data: Path, photos: int, copies: int) -> dict:
    chance = random.Random(0)
    known = list(check(read_source(data), for_training=False).photos)
    known = chance.sample(known, min(photos, len(known)))
    planted: list[Photo] = []
    for photo in chance.sample(known, min(copies, len(known))):
        with Image.open(photo.image) as opened:
            image = opened.convert("RGB")
        for kind, make in KINDS.items():
            content = make(image, chance)
            planted.append(Photo(content, f"{kind}|{photo.name}", photo.label, sha256=digest(content)))
    with prepare_networks(read_recipe("frozen-linear", ())).open_features(SILENT) as features:
        features.exact.compute([*known, *planted])
        vectors = features.exact.array([*known, *planted]).astype(np.float32)
    base, queries = vectors[: len(known)], vectors[len(known) :]
    found = {twin.photo: twin for twin in find_twins(planted, queries, known, base).twins}
    wrong = [one for one in found.values() if one.photo.split("|", 1)[1] != one.known]
    middle = len(known) // 2
    natural = find_twins(known[:middle], base[:middle], known[middle:], base[middle:])
    return {
        "data": data.name,
        "photos": len(known),
        "recall": {
            kind: round(
                np.mean([one.name in found for one in planted if one.name.startswith(f"{kind}|")]).item(), 4
            )
            for kind in KINDS
        },
        "wrong": [(one.photo, one.known, round(one.similarity, 3)) for one in wrong],
        "natural": [(one.photo, one.known, round(one.similarity, 3)) for one in natural.twins],
        "compared": natural.compared,
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path, nargs="+")
    parser.add_argument("--photos", type=int, default=1000)
    parser.add_argument("--copies", type=int, default=100)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    results = [measured(data, arguments.photos, arguments.copies) for data in arguments.data]
    print(json.dumps(results, indent=1))
    if arguments.json:
        arguments.json.write_text(json.dumps(results))


if __name__ == "__main__":
    main()
