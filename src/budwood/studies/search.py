"""A search: which configuration of a grid comes next, what each one came to, and which are pruned.

Optuna proposes and prunes. Its study is built anew from `search.json` for every question, and its sampler is seeded by
the number of the configuration: one at a time, a search that was killed and goes on asks for what it would have asked.

STUDY/search.json    the grid, and of every configuration its point, the validation loss of each training, its state
STUDY/best.toml      the recipe of the best one
"""

import random
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from budwood.core.errors import RunError
from budwood.core.files import JsonObject, read_json, write_json, write_text
from budwood.runs.resume import differences
from budwood.studies.grid import Grid, Point, Range
from budwood.studies.records import FORMAT

SEARCH, BEST = "search.json", "best.toml"
STARTUP = 5
"""Complete configurations before one is pruned."""
WORST = 75
"""Percentile of the complete configurations, on the same splits, above whose loss one is pruned. On few validation
photos the median was too strict: it pruned a configuration that had lost on the first split alone."""
PROPOSALS = 20
"""How often Optuna may propose what is known already, before one of the others is drawn."""
ENOUGH_FOR_IMPORTANCE = 10
"""Complete configurations before anything is said of what mattered."""


@dataclass
class Tried:
    """A configuration of a search."""

    number: int
    name: str
    point: Point
    """Of each dimension the value."""
    state: Literal["running", "complete", "pruned", "failed"] = "running"
    losses: list[float] = field(default_factory=list)
    """Validation log loss of each training, in the order of the replicates."""
    seconds: float = 0.0
    """Of all of them."""
    why: str | None = None
    """Of one that was pruned or failed."""

    @property
    def loss(self) -> float:
        """Return the mean loss."""
        return float(np.mean(self.losses))


@dataclass(frozen=True)
class SearchRecord:
    """The content of search.json."""

    asked: JsonObject
    """The grid, seeds and folds."""
    replicates: int
    """Trainings of one configuration."""
    fresh_seed: int
    """A split that the search does not have."""
    importance: dict[str, float]
    configurations: list[Tried]


def read_search(folder: Path) -> SearchRecord:
    """Return the content of search.json. Raise RunError where it cannot be read."""
    try:
        values = read_json(folder / SEARCH)
        values.pop("format", None)
        tried = [Tried(**one) for one in values.pop("configurations")]
        return SearchRecord(**values, configurations=tried)
    except (OSError, ValueError, TypeError, AttributeError, KeyError) as error:
        raise RunError(
            f"{folder / SEARCH} cannot be read ({type(error).__name__}: {error}). Copy the study again, or give "
            "--overwrite to start anew"
        ) from error


class Search:
    """The configurations of a search, in the order in which they were asked for.

    Args:
        folder: of the study.
        grid: what is chosen from.
        seeds, folds: see `studies.grid.plan_trials`: a configuration is trained once for each seed, or for each of its
            folds.
    """

    def __init__(self, folder: Path, grid: Grid, *, seeds: Sequence[int] = range(5), folds: int = 0):
        self.folder, self.grid = folder, grid
        self.seeds, self.folds = list(seeds), folds
        self.replicates = len(seeds) * (folds or 1)
        self.fresh_seed = max(seeds) + 1
        self.asked = {**grid.to_json(), "seeds": self.seeds, "folds": folds}
        self.configurations: list[Tried] = []
        self.importance: dict[str, float] = {}
        """Of each dimension its share of the variance between complete configurations, once the search is over."""

    def go_on(self) -> None:
        """Take in what `search.json` knows; failed configurations are tried again.

        Raise RunError where it was begun with another grid.
        """
        if not (self.folder / SEARCH).is_file():
            return
        before = read_search(self.folder)
        if changes := differences(before.asked, self.asked):
            raise RunError(
                f"the search in {self.folder} was begun with something else: {'; '.join(changes[:3])}. Give the same "
                "command as before with --resume, or --overwrite to start anew"
            )
        for one in before.configurations:
            # What is complete of one that was under way lies in its trials.
            again = one.state in ("running", "failed")
            self.configurations.append(Tried(one.number, one.name, one.point) if again else one)

    def propose(self) -> Tried | None:
        """Return the next configuration, under way from now on; None where there is no other one."""
        point = self._new_point()
        if point is None:
            return None
        # A name for a point whose values may not go together.
        name = ", ".join(f"{key}={value}" for key, value in point.items())
        found = Tried(len(self.configurations), name, point)
        self.configurations.append(found)
        return found

    def report(self, one: Tried, loss: float, seconds: float) -> None:
        """Take in the validation loss of a training of a configuration, and say how the whole stands."""
        one.losses.append(loss)
        one.seconds = round(one.seconds + seconds, 3)
        done, others = len(one.losses), self._running_means(len(one.losses))
        if done == self.replicates:
            one.state = "complete"
        elif self._should_prune(one):
            one.state = "pruned"
            one.why = (
                f"validation loss {one.loss:.3f} after {done} of {self.replicates} trainings; three quarters of "
                f"{len(others)} others had {np.percentile(others, WORST):.3f} there, or less"
            )
        self.save()

    def fail(self, one: Tried, why: str) -> None:
        one.state, one.why = "failed", why
        self.save()

    def save(self) -> None:
        record = SearchRecord(
            self.asked, self.replicates, self.fresh_seed, self.importance, self.configurations
        )
        write_json(self.folder / SEARCH, {"format": FORMAT, **asdict(record)})

    def finish(self) -> None:
        """Write down, when nothing more is asked for, what mattered, and the recipe of the best configuration."""
        self.importance = self._importance()
        self.save()
        (self.folder / BEST).unlink(missing_ok=True)
        if self.best is not None:
            write_text(self.folder / BEST, self._best_recipe(self.best))

    @property
    def best(self) -> Tried | None:
        """Return the complete configuration with the lowest mean validation loss."""
        return min(self._complete, key=lambda one: (one.loss, one.name), default=None)

    @property
    def _complete(self) -> list[Tried]:
        return [one for one in self.configurations if one.state == "complete"]

    def _importance(self) -> dict[str, float]:
        """Return for each dimension its share of the variance between complete configurations.

        By fANOVA (Hutter et al. 2014).

        Empty where there are fewer than ten of them.
        """
        complete = self._complete
        if len(complete) < ENOUGH_FOR_IMPORTANCE or len({one.loss for one in complete}) == 1:
            return {}
        optuna = import_optuna()
        with _quiet(optuna):
            evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
            found = optuna.importance.get_param_importances(self._study(optuna), evaluator=evaluator)
        return {name: round(float(share), 3) for name, share in found.items()}

    def _best_recipe(self, best: Tried) -> str:
        recipe = self.grid.at(best.point).recipe
        settings = ["evaluate.test=true", "data.folds=0", "data.fold=0", f"split_seed={self.fresh_seed}"]
        return (
            f"# The best of {len(self._complete)} complete configurations of a search, by validation loss: "
            f"{best.loss:.3f}.\n"
            f"# {' '.join(best.name.split())}\n"
            f"# split_seed is none of those of the search.\n{recipe.with_settings(settings).to_toml()}"
        )

    def _new_point(self) -> Point | None:
        optuna = import_optuna()
        known = [one.point for one in self.configurations]
        number = len(known)
        if number >= self.grid.size:
            return None
        with _quiet(optuna):
            study = self._study(optuna, seed=number)
            for _ in range(PROPOSALS):
                trial = study.ask(self._distributions(optuna))
                point = {name: self._rounded(name, value) for name, value in trial.params.items()}
                if point not in known:
                    return point
                study.tell(trial, state=optuna.trial.TrialState.FAIL)
        if self.grid.size == float("inf"):
            return None
        return random.Random(number).choice([point for point in self.grid.points() if point not in known])

    def _rounded(self, name: str, value: Any) -> Any:
        return self.grid.ranges[name].rounded(value) if name in self.grid.ranges else value

    def _should_prune(self, one: Tried) -> bool:
        optuna = import_optuna()
        with _quiet(optuna):
            study = self._study(optuna)
            return bool(study.pruner.prune(study, self._trial(optuna, one)))

    def _running_means(self, trainings: int) -> list[float]:
        """Return the loss of every complete configuration, over its first trainings."""
        return [float(np.mean(one.losses[:trainings])) for one in self._complete]

    def _study(self, optuna: Any, seed: int = 0) -> Any:
        """Return Optuna's study, in memory, of all that is known."""
        study = optuna.create_study(
            sampler=optuna.samplers.TPESampler(seed=seed, constant_liar=True),
            pruner=optuna.pruners.PercentilePruner(WORST, n_startup_trials=STARTUP),
        )
        study.add_trials([self._trial(optuna, one) for one in self.configurations])
        return study

    def _trial(self, optuna: Any, one: Tried) -> Any:
        """Return one configuration as Optuna knows it."""
        states, losses = optuna.trial.TrialState, one.losses
        state = {
            "running": states.RUNNING,
            "complete": states.COMPLETE,
            "pruned": states.PRUNED,
            "failed": states.FAIL,
        }[one.state]
        return optuna.trial.create_trial(
            state=state,
            params=one.point,
            distributions=self._distributions(optuna),
            value=float(np.mean(losses)) if state == states.COMPLETE else None,
            intermediate_values={done: float(np.mean(losses[: done + 1])) for done in range(len(losses))},
        )

    def _distributions(self, optuna: Any) -> dict[str, object]:
        return {name: _distribution(optuna, one) for name, one in self.grid.dimensions.items()}


def _distribution(optuna: Any, one: Sequence[str] | Range) -> Any:
    if not isinstance(one, Range):
        return optuna.distributions.CategoricalDistribution(one)
    kind = optuna.distributions.IntDistribution if one.whole else optuna.distributions.FloatDistribution
    return kind(one.low, one.high, log=one.log)


def import_optuna() -> Any:
    """Return the module `optuna`. Raise RunError where it is not installed."""
    try:
        import optuna
    except ImportError as error:
        raise RunError(
            "`--search` needs Optuna, which is not installed: pip install 'budwood[search]'"
        ) from error
    return optuna


@contextmanager
def _quiet(optuna: Any):
    """Optuna tells of every study that is made, on the terminal."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
