"""What processes on the nodes of a cluster do.

Whatever is heavy is imported once they have been told how many threads to start.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from budwood.backbones.registry import get_backbone
from budwood.config.recipe import Recipe
from budwood.core.errors import ClusterError
from budwood.core.progress.base import SILENT
from budwood.core.tensorflow import load_keras
from budwood.data.manifest import Photo
from budwood.features.extract import Extraction


@dataclass(frozen=True)
class Extractors:
    """What a worker builds: the networks of a training."""

    recipe: Recipe
    """Resolved."""
    sizes: tuple[int, ...]
    boundaries: Mapping[str, str]
    run: Path | None
    """Whose networks are taken; None for those of the recipe."""
    fingerprint: str
    """As the driver has it."""


class FeatureWorker:
    """Computes the features of photos into the store."""

    def __init__(self, what: Extractors):
        load_keras()
        from budwood.network.compose import take_apart
        from budwood.pipeline.features import build_backbones, open_features
        from budwood.run import Run

        backbones = [get_backbone(name) for name in what.recipe.backbone.names]
        if what.run is None:
            networks = build_backbones(what.recipe, backbones, what.sizes)
        else:
            networks, _ = take_apart(Run(what.run).raw_model(), backbones)
        # Open as long as this process lives: what ends with it is its lease.
        self._open = ExitStack()
        self._features = self._open.enter_context(
            open_features(networks, what.recipe, SILENT, what.boundaries, fetch=False)
        )
        found = self._features.exact.fingerprint
        if found != what.fingerprint:
            raise ClusterError(
                f"a node of the cluster builds another network ({found}) than this machine ({what.fingerprint}). "
                "Give every node the same weights and the same version of Budwood"
            )

    def do(self, piece: Sequence[Photo]) -> Extraction:
        found = self._features.compute(piece)
        self._features.flush()
        return found
