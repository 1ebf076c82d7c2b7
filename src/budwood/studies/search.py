"""A search: which configuration of a space comes next, what each one came to, and which are given up early.

Optuna proposes and prunes. Its study is built anew from `search.json` for every question, and its sampler is seeded by
the number of the configuration: one at a time, a search that was killed and goes on asks for what it would have asked.

STUDY/search.json    the space, and of every configuration its point, the validation loss of each training, its state
STUDY/best.toml      the recipe of the best one
"""

import random
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from budwood.config.recipe import Recipe
from budwood.core.errors import BudwoodError, RunError
from budwood.core.files import read_json, write_json, write_text
from budwood.core.text import shown
from budwood.data.check import Check
from budwood.data.split import divide
from budwood.runs.directory import differences
from budwood.runs.files import read_run
from budwood.studies import linear_trial as light
from budwood.studies.executor import Pool, Todo
from budwood.studies.plan import Trial, folder_name, plan
from budwood.studies.prepare import compute_features, prepare
from budwood.studies.progress_table import Board
from budwood.studies.space import Range, Space
from budwood.studies.trial import Place

SEARCH, BEST = "search.json", "best.toml"
STARTUP = 5
"""Complete configurations before one is given up early."""
WORST = 75
"""Percentile of the complete configurations, on the same splits, above whose loss one is given up. On few validation
photos the median was too strict: it gave up a configuration that had lost on the first split alone."""
PROPOSALS = 20
"""How often Optuna may propose what is known already, before one of the others is drawn."""
ENOUGH_FOR_IMPORTANCE = 10
"""Complete configurations before anything is said of what mattered."""


class Search:
    """The configurations of a search, in the order in which they were asked for.

    A configuration is a dict with `number`, `name`, `point`, `state` ("running", "complete", "pruned" or "failed"),
    `losses` (validation log loss of each training, in the order of the replicates), `seconds` of all of them and `why`.

    Args:
        folder: of the study.
        space: what is chosen from.
        seeds, folds: see `studies.plan.plan`: a configuration is trained once for each seed, or for each of its folds.
    """

    def __init__(self, folder: Path, space: Space, *, seeds: Sequence[int] = range(5), folds: int = 0):
        self.folder, self.space = folder, space
        self.replicates = len(seeds) * (folds or 1)
        self.fresh_seed = max(seeds) + 1
        self.asked = {**space.to_json(), "seeds": list(seeds), "folds": folds}
        self.configurations: list[dict[str, Any]] = []
        self.importance: dict[str, float] = {}
        """Of each dimension its share of the variance between complete configurations, once the search is over."""

    def go_on(self) -> None:
        """Takes what `search.json` knows; failed configurations are tried again.

        Raises RunError where it was begun with another space.
        """
        if not (self.folder / SEARCH).is_file():
            return
        before = read_json(self.folder / SEARCH)
        if changes := differences(before["asked"], self.asked):
            raise RunError(
                f"the search in {self.folder} was begun with something else: {'; '.join(changes[:3])}. Give the same "
                "command as before with --resume, or --overwrite to start anew"
            )
        self.configurations = before["configurations"]
        for one in self.configurations:
            if one["state"] in ("running", "failed"):
                # What of it is complete lies in its trials.
                one.update(state="running", losses=[], seconds=0.0, why=None)

    def propose(self) -> dict[str, Any] | None:
        """The next configuration, under way from now on; None where there is no other one."""
        point = self._new_point()
        if point is None:
            return None
        found = {"number": len(self.configurations), "name": _words(point), "point": point}
        found |= {"state": "running", "losses": [], "seconds": 0.0, "why": None}
        self.configurations.append(found)
        return found

    def report(self, one: dict[str, Any], loss: float, seconds: float) -> None:
        """A training of a configuration is complete: takes its validation loss, and says how the whole stands."""
        one["losses"].append(loss)
        one["seconds"] = round(one["seconds"] + seconds, 3)
        if len(one["losses"]) == self.replicates:
            one["state"] = "complete"
        elif self._should_prune(one):
            done, others = len(one["losses"]), self._running_means(len(one["losses"]))
            one.update(
                state="pruned",
                why=f"validation loss {np.mean(one['losses']):.3f} after {done} of {self.replicates} trainings; three "
                f"quarters of {len(others)} others had {np.percentile(others, WORST):.3f} there, or less",
            )
        self.save()

    def fail(self, one: dict[str, Any], why: str) -> None:
        one.update(state="failed", why=why)
        self.save()

    def save(self) -> None:
        write_json(
            self.folder / SEARCH,
            {
                "asked": self.asked,
                "replicates": self.replicates,
                "fresh_seed": self.fresh_seed,
                "importance": self.importance,
                "configurations": self.configurations,
            },
        )

    def finish(self) -> None:
        """Nothing more is asked for now: writes down what mattered, and the recipe of the best configuration."""
        self.importance = self._importance()
        self.save()
        (self.folder / BEST).unlink(missing_ok=True)
        if self.best is not None:
            write_text(self.folder / BEST, self._best_recipe(self.best))

    @property
    def best(self) -> dict[str, Any] | None:
        """The complete configuration with the lowest mean validation loss."""
        complete = [one for one in self.configurations if one["state"] == "complete"]
        return min(complete, key=lambda one: (np.mean(one["losses"]), one["name"]), default=None)

    def _importance(self) -> dict[str, float]:
        """Of each dimension its share of the variance between complete configurations (fANOVA, Hutter et al. 2014).

        Empty where there are fewer than ten of them.
        """
        complete = [one for one in self.configurations if one["state"] == "complete"]
        if len(complete) < ENOUGH_FOR_IMPORTANCE or len({np.mean(one["losses"]) for one in complete}) == 1:
            return {}
        optuna = import_optuna()
        with _quiet(optuna):
            evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
            found = optuna.importance.get_param_importances(self._study(optuna), evaluator=evaluator)
        return {name: round(float(share), 3) for name, share in found.items()}

    def _best_recipe(self, best: Mapping[str, Any]) -> str:
        complete = sum(one["state"] == "complete" for one in self.configurations)
        recipe = self.space.configuration(best["point"]).recipe
        settings = ["evaluate.test=true", "data.folds=0", "data.fold=0", f"split_seed={self.fresh_seed}"]
        return (
            f"# The best of {complete} complete configurations of a search, by validation loss: "
            f"{np.mean(best['losses']):.3f}.\n"
            f"# {' '.join(best['name'].split())}\n"
            f"# split_seed is none of those of the search.\n{recipe.with_settings(settings).to_toml()}"
        )

    def _new_point(self) -> dict[str, Any] | None:
        optuna = import_optuna()
        known = [one["point"] for one in self.configurations]
        number = len(known)
        if number >= self.space.size:
            return None
        with _quiet(optuna):
            study = self._study(optuna, seed=number)
            for _ in range(PROPOSALS):
                trial = study.ask(self._distributions(optuna))
                point = {name: self._rounded(name, value) for name, value in trial.params.items()}
                if point not in known:
                    return point
                study.tell(trial, state=optuna.trial.TrialState.FAIL)
        if self.space.size == float("inf"):
            return None
        return random.Random(number).choice([point for point in self.space.points() if point not in known])

    def _rounded(self, name: str, value: Any) -> Any:
        return self.space.ranges[name].rounded(value) if name in self.space.ranges else value

    def _should_prune(self, one: dict[str, Any]) -> bool:
        optuna = import_optuna()
        with _quiet(optuna):
            study = self._study(optuna)
            return bool(study.pruner.prune(study, self._trial(optuna, one)))

    def _running_means(self, trainings: int) -> list[float]:
        """Of every complete configuration, over its first trainings."""
        return [
            float(np.mean(one["losses"][:trainings]))
            for one in self.configurations
            if one["state"] == "complete"
        ]

    def _study(self, optuna: Any, seed: int = 0) -> Any:
        """Optuna's study, in memory, of all that is known."""
        study = optuna.create_study(
            sampler=optuna.samplers.TPESampler(seed=seed, constant_liar=True),
            pruner=optuna.pruners.PercentilePruner(WORST, n_startup_trials=STARTUP),
        )
        study.add_trials([self._trial(optuna, one) for one in self.configurations])
        return study

    def _trial(self, optuna: Any, one: Mapping[str, Any]) -> Any:
        """One configuration as Optuna knows it."""
        states, losses = optuna.trial.TrialState, one["losses"]
        state = {
            "running": states.RUNNING,
            "complete": states.COMPLETE,
            "pruned": states.PRUNED,
            "failed": states.FAIL,
        }[one["state"]]
        return optuna.trial.create_trial(
            state=state,
            params=one["point"],
            distributions=self._distributions(optuna),
            value=float(np.mean(losses)) if state == states.COMPLETE else None,
            intermediate_values={done: float(np.mean(losses[: done + 1])) for done in range(len(losses))},
        )

    def _distributions(self, optuna: Any) -> dict[str, Any]:
        return {name: _distribution(optuna, one) for name, one in self.space.dimensions.items()}


def _distribution(optuna: Any, one: Sequence[str] | Range) -> Any:
    if not isinstance(one, Range):
        return optuna.distributions.CategoricalDistribution(one)
    kind = optuna.distributions.IntDistribution if one.whole else optuna.distributions.FloatDistribution
    return kind(one.low, one.high, log=one.log)


def _words(point: Mapping[str, Any]) -> str:
    """A name for a point whose values may not go together."""
    return ", ".join(f"{name}={value}" for name, value in point.items())


def import_optuna() -> Any:
    """The module `optuna`. Raises RunError where it is not installed."""
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


class Searching:
    """Trains the configurations of a search, each on one split or fold after another, several at a time."""

    def __init__(self, search: Search, number: int, checked: Check, info: dict[str, Any], pool: Pool):
        self.search, self.number, self.checked, self.info, self.pool = search, number, checked, info, pool
        self.known: dict[str, tuple[dict[str, Any], list[Trial]]] = {}
        """Of every trial its configuration, and all trials of that."""
        self.waiting = [one for one in search.configurations if one["state"] == "running"]
        left = min(number, search.space.size) - len(search.configurations) + len(self.waiting)
        self.board = Board([], pool.progress, total=max(0, int(left)) * search.replicates)

    def run(self) -> None:
        """Until so many configurations have come to an end."""
        light_ones = all(self._kind(one.recipe) == "light" for one in self.search.space.check())
        jobs = self.pool.jobs or max(1, len(self.pool.cores) // (1 if light_ones else 2))
        if self.search.space.size < self.number:
            self.pool.progress.say(
                f"there are {self.search.space.size} configurations: each of them is tried"
            )
        with self.board:
            first = [todo for _ in range(jobs) for todo in self._begin()]
            self.pool.follow(first, self.board, jobs, self._after)

    def _after(self, trial: Trial) -> list[Todo]:
        """What comes after a training: the next of its configuration, or the first of another one."""
        one, trials = self.known[trial.name]
        self._take(one, trial)
        return self._next(one, trials) or self._begin()

    def _begin(self) -> list[Todo]:
        """The first training of the next configuration; nothing where all have been asked for."""
        while (one := self._next_configuration()) is not None:
            trials = self._trials(one)
            if trials and (todo := self._next(one, trials)):
                return todo
        return []

    def _next_configuration(self) -> dict[str, Any] | None:
        if self.waiting:
            return self.waiting.pop(0)
        return self.search.propose() if len(self.search.configurations) < self.number else None

    def _trials(self, one: dict[str, Any]) -> list[Trial]:
        """The trials of a configuration; none where its values do not go together."""
        try:
            configuration = self.search.space.configuration(one["point"])
            one["name"] = configuration.name
            asked = self.search.asked
            found, _ = plan([configuration], self.checked.photos, seeds=asked["seeds"], folds=asked["folds"])
            divide(self.checked.photos, found[0].recipe)
        except BudwoodError as error:
            self.search.fail(one, str(error))
            self.pool.progress.say(f"{shown(one['name'])}: failed: {shown(str(error))}")
            return []
        trials = [
            replace(trial, name=f"{one['number']:03}-{folder_name(trial.replicate)}") for trial in found
        ]
        self.known |= {trial.name: (one, trials) for trial in trials}
        self.board.add(trials)
        self.search.save()
        self._list(one, trials)
        return trials

    def _next(self, one: dict[str, Any], trials: Sequence[Trial]) -> list[Todo]:
        """The next training of a configuration; what is complete on disk is taken as it is."""
        while one["state"] == "running":
            trial = trials[len(one["losses"])]
            kind = prepare(self.search.folder, trial, self.checked)
            if kind == "light" and (
                why := compute_features(self.pool.data, self.search.folder, [trial.recipe])
            ):
                Place(self.search.folder, trial.name).update(state="failed", error=why)
                self.board.fail(trial, why)
            elif kind is not None:
                return [(trial, kind)]
            else:
                self.board.found(trial)
            self._take(one, trial)
        return []

    def _take(self, one: dict[str, Any], trial: Trial) -> None:
        """What a training came to, into its configuration."""
        place = Place(self.search.folder, trial.name)
        found = place.read()
        if found.get("state") == "complete":
            loss = _validation_loss(place.run)
            self.search.report(one, loss, found["seconds"])
        else:
            self.search.fail(one, f"{trial.replicate}: {found.get('error')}")
        if one["state"] in ("pruned", "failed"):
            self.board.stop(trial.configuration, one["why"] if one["state"] == "pruned" else None)

    def _list(self, one: dict[str, Any], trials: Sequence[Trial]) -> None:
        """Into study.json, which names what the study consists of."""
        entry = {"name": one["name"], "photos": None}
        if entry not in self.info["configurations"]:
            self.info["configurations"].append(entry)
            self.info["trials"] += [trial.name for trial in trials]
            write_json(self.search.folder / "study.json", self.info)

    def _kind(self, recipe: Recipe) -> str:
        number = len(self.checked.photos)
        return "light" if light.is_light(recipe, number, len(self.checked.classes)) else "full"


def _validation_loss(run: Path) -> float:
    found = read_run(run).metrics.validation
    if found is None:
        raise RunError(f"{run} has no validation photos to choose by. Train it again")
    return found.loss
