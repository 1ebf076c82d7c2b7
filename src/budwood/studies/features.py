"""The features that the linear trials of a study stand on, computed once by a process that has Keras.

python -m budwood.studies.features DATA STUDY     for the recipes in features-wanted.json
"""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path

from budwood.config.recipe import Recipe
from budwood.core.errors import BudwoodError
from budwood.core.files import read_json, write_json
from budwood.core.processes import die_with_parent, hear_interrupts
from budwood.core.tensorflow import load_keras, usual_keras
from budwood.data.augment import Renderer
from budwood.data.decoder.levels import as_range
from budwood.features import fingerprint_cache
from budwood.features.fingerprint_cache import KnownFeatures, features_key
from budwood.features.store.store import FeatureStore
from budwood.studies.processes import environment, run_to_its_end
from budwood.studies.records import StoredFeatures, StudyFolder

WANTED, FAILURE = "features-wanted.json", "features-error.json"


def provide_features(data: str, study: StudyFolder, recipes: Sequence[Recipe]) -> str | None:
    """Have the features of linear trials in the store; return why there are none, if so.

    Where one is missing they are computed by a process that has Keras.
    """
    by_key = {features_key(recipe): recipe for recipe in recipes}
    known = study.read_features()
    for key, recipe in by_key.items():
        if key not in known and (found := fingerprint_cache.read(recipe)) is not None:
            known[key] = StoredFeatures(**asdict(found))
    if all(missing_photos(study, known, recipe) == 0 for recipe in by_key.values()):
        study.write_features(known)
        return None
    wanted = [recipe.model_dump(mode="json", exclude_none=True) for recipe in by_key.values()]
    write_json(study.path / WANTED, wanted)
    failure = study.path / FAILURE
    failure.unlink(missing_ok=True)
    status = run_to_its_end(
        [sys.executable, "-m", "budwood.studies.features", data, os.fspath(study.path)],
        env=environment(os.environ),
        stdout=subprocess.DEVNULL,
    )
    if status == 0:
        return None
    with suppress(OSError, ValueError, LookupError, TypeError):
        return str(read_json(failure)["error"])
    return f"the process that computes features ended with status {status}"


def missing_photos(study: StudyFolder, known: Mapping[str, StoredFeatures], recipe: Recipe) -> int | None:
    """Return of how many photos the store lacks the features; None where no fingerprint is known."""
    found = known.get(features_key(recipe))
    if found is None:
        return None
    renderer = Renderer(found.size, recipe.data.resize, levels=as_range(recipe.data.levels))
    photos = study.read_photos().photos
    keys = [renderer.key(photo.sha256, 0) for photo in photos if photo.name not in found.failed]
    with FeatureStore().open(found.fingerprint, (found.features,)) as table:
        return len(table.missing(keys))


@usual_keras()
def compute(data: str, study: StudyFolder) -> None:
    """Put into the store what is missing there, and write down where it lies."""
    from budwood.core.progress import choose_progress
    from budwood.data.sources import read_source
    from budwood.pipeline.prepare import prepare_networks

    wanted = [Recipe.from_dict(values) for values in read_json(study.path / WANTED)]
    images = {photo.name: photo.image for photo in read_source(data, wanted[0].data).photos}
    photos = [replace(photo, image=images[photo.name]) for photo in study.read_photos().photos]
    # What was computed for other trials stays known: those of a search are asked for one after another.
    found = study.read_features()
    for asked in wanted:
        with prepare_networks(asked).open_features(choose_progress()) as features:
            extraction = features.exact.compute(photos)
            part = features.exact.parts[0]
            where = KnownFeatures(part.fingerprint, part.shape[0], part.size)
            found[features_key(asked)] = StoredFeatures(
                **asdict(where), computed=extraction.num_computed, failed=extraction.failed
            )
            fingerprint_cache.write(asked, where)
        study.write_features(found)


def main() -> None:
    data, folder = sys.argv[1:]
    die_with_parent()
    try:
        hear_interrupts()
        load_keras()
        compute(data, StudyFolder(Path(folder)))
    except BudwoodError as error:
        write_json(Path(folder) / FAILURE, {"error": str(error)})
        sys.exit(3)
    except KeyboardInterrupt:
        # Who started it was interrupted too, and says so.
        sys.exit(130)


if __name__ == "__main__":
    main()
