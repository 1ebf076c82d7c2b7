"""What checklists ask of a run, counted once."""

from collections import Counter, defaultdict
from functools import cached_property

from budwood.backbones.registry import get_backbone
from budwood.config.recipe import name_and_size
from budwood.core import text as words
from budwood.data.manifest import PARTS
from budwood.report.key_facts import labels_of
from budwood.report.summary import Contents
from budwood.runs.figures import SplitMetrics

LISTED = 12
"""Classes up to which each is named."""


class Facts:
    """What a run directory shows, as answers need it."""

    def __init__(self, contents: Contents):
        self.contents = contents
        self.info, self.recipe, self.check = contents.info, contents.recipe, contents.check
        self.metrics, self.photos = contents.metrics, contents.photos
        self.split = contents.evaluated_split
        self.figures = contents.figures

    @cached_property
    def sizes(self) -> dict[str, int]:
        """Photos of each split that there is, in the order train, validation, test, calibration."""
        counts = Counter(photo.split for photo in self.photos)
        return {split: counts[split] for split in PARTS if counts[split]}

    @cached_property
    def of_class(self) -> dict[str, Counter[str]]:
        """Photos of each class by split; of several labels, a photo under each of them."""
        found: dict[str, Counter[str]] = {label: Counter() for label in self.contents.classes}
        for photo in self.photos:
            for label in labels_of(self.contents, photo):
                found.setdefault(label, Counter())[photo.split] += 1
        return found

    @cached_property
    def groups(self) -> Counter[str]:
        """Photos of each group that is named; photos that stand alone are in none."""
        return Counter(photo.group for photo in self.photos if photo.group)

    @cached_property
    def groups_in_two_splits(self) -> int:
        """Groups of which photos are in more than one split."""
        return _in_two_splits([(photo.group, photo.split) for photo in self.photos])

    @cached_property
    def files_in_two_splits(self) -> int:
        """Files, by their bytes, that are in more than one split."""
        return _in_two_splits([(photo.sha256, photo.split) for photo in self.photos])

    @property
    def one_label(self) -> bool:
        """Whether each photo has one class."""
        return not self.contents.multi_label

    @property
    def scores(self) -> SplitMetrics:
        """The figures of the split that is reported, where each photo has one class."""
        return self.contents.scores

    @property
    def lead(self) -> str:
        """The key of the figure that stands for the others."""
        if self.one_label:
            return "accuracy"
        known = self.contents.label_scores.mean_average_precision is not None
        return "mean_average_precision" if known else "exact_match"

    @property
    def strengths(self) -> list[float]:
        """L2 strengths that were tried, by label where each has its own; none where one was given."""
        path = self.contents.files.linear_path
        points = [*path.path, *(point for one in path.labels for point in one.path)] if path else []
        return sorted({point.l2_strength for point in points})

    @property
    def linear(self) -> bool:
        """Whether the head is a linear probe."""
        return self.contents.chosen is not None

    @property
    def phases_compared(self) -> bool:
        """Whether the head alone and the fine-tuned network were measured on the same photos."""
        return self.metrics.verdict.difference is not None

    @property
    def given_splits(self) -> list[str]:
        """Splits that the source brought."""
        return [split for split in self.check.understood.splits if split]

    @property
    def steps(self) -> list[str]:
        """The phases that gradient steps trained, by their sections of the recipe."""
        tuned = ["finetune"] if "finetune" in self.contents.phases else []
        first = [] if self.linear or "frozen" not in self.contents.phases else ["frozen"]
        return first + tuned

    @property
    def measured(self) -> str:
        """The photos of the figures, in words."""
        return words.count(self.figures.n, f"{self.split} photo")

    @property
    def backbones(self) -> list[str]:
        """The networks with their sizes, as the recipe names them."""
        name = self.recipe.backbone.name
        return [name] if isinstance(name, str) else name

    @property
    def side(self) -> int:
        """The side of the model's input in pixels; a linear trial's recipe leaves it to the network."""
        asked = self.recipe.data.size
        own = [size or get_backbone(name).size for name, size in map(name_and_size, self.backbones)]
        return max(own) if asked == "auto" else asked

    @property
    def calibrated_by(self) -> tuple[str, str]:
        """What was fitted to calibrate the probabilities, in words, and its place in the run."""
        temperature = self.metrics.calibration.temperature
        if temperature is None:
            return "a scale and a shift for each label", "metrics.json: calibration.scaling"
        return f"one temperature, {temperature:.2f},", "metrics.json: calibration.temperature"

    def key(self, key: str) -> str:
        """Return the place of a figure of the split that is reported."""
        return f"metrics.json: {self.split}.{key}"


def _in_two_splits(pairs: list[tuple[str, str]]) -> int:
    splits: dict[str, set[str]] = defaultdict(set)
    for name, split in pairs:
        if name:
            splits[name].add(split)
    return sum(len(found) > 1 for found in splits.values())
