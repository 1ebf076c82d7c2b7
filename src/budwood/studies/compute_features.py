"""The features that the linear trials of a study stand on, computed once by a process that has Keras.

python -m budwood.studies.compute_features DATA STUDY     for the recipes in features-wanted.json
"""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from budwood.config.recipe import Recipe
from budwood.core.errors import BudwoodError
from budwood.core.files import read_json, write_json
from budwood.core.tensorflow import load_keras
from budwood.studies.fingerprint_cache import remember
from budwood.studies.linear_trial import FEATURES, features_key, read_photos
from budwood.studies.trial import die_with_parent

WANTED = "features-wanted.json"


def compute(data: str, study: Path) -> None:
    """Puts into the store what is missing there, and writes down where it lies."""
    from budwood.core.progress import choose_progress
    from budwood.data.sources import read_source
    from budwood.pipeline.features import features_of_recipe

    images = {photo.name: photo.image for photo in read_source(data).photos}
    _, listed, _ = read_photos(study)
    photos = [replace(photo, image=images[photo.name]) for photo in listed]
    # What was computed for other trials stays known: those of a search are asked for one after another.
    known = study / FEATURES
    found: dict[str, Any] = read_json(known) if known.is_file() else {}
    for values in read_json(study / WANTED):
        asked = Recipe.from_dict(values)
        with features_of_recipe(asked, choose_progress()) as features:
            exact = features.exact
            extraction = exact.compute(photos)
            part = exact.parts[0]
            found[features_key(asked)] = {
                "fingerprint": part.fingerprint,
                "features": part.shape[0],
                "size": part.size,
                "computed": extraction.num_computed,
                "failed": extraction.failed,
            }
            remember(asked, found[features_key(asked)])
        write_json(known, found)


def main() -> None:
    data, study = sys.argv[1:]
    die_with_parent()
    load_keras()
    try:
        compute(data, Path(study))
    except BudwoodError as error:
        # For the study to read.
        print(json.dumps({"error": str(error)}))
        sys.exit(3)


if __name__ == "__main__":
    main()
