"""How far off forecasts are: `python -m benchmarks.forecasts STUDY...`, studies over numbers of photos.

They are of accuracy, or where a photo has several labels of mean average precision.

Of each study the smaller sizes are fitted and the larger ones forecast, with an asymptote and without.
The studies of the figures in the pages, each some minutes on two cores:

budwood study flower_photos --recipes frozen-linear --sizes 25,50,100,200,400,800,1600,all --seeds 10 -o flowers \
    --set 'data.split=[0.65,0.05,0.3]' --set evaluate.resamples=100
budwood study cats_and_dogs --recipes frozen-linear --sizes 10,20,40,80,160,320,640,1280,all --seeds 10 -o pets \
    --set 'data.split=[0.65,0.05,0.3]' --set evaluate.resamples=100
budwood study oxford_flowers12 --recipes frozen-linear --sizes 24,48,96,192,384,all --seeds 10 -o flowers12 \
    --set evaluate.resamples=100
budwood study birds525 --recipes frozen-linear --sizes 525,750,1050,all --seeds 3 -o birds \
    --set 'frozen.l2_strengths=[0.003]' --set evaluate.resamples=100
budwood study natural_scenes/labels.csv --recipes frozen-linear --sizes 40,80,160,320,640,all --seeds 8 -o scenes \
    --set 'data.split=[0.65,0.05,0.3]' --set evaluate.resamples=100
"""

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np

from budwood.studies import forecast as forecaster
from budwood.studies.results import read_results

TIMES = (2, 4, 8)


def accuracies(folder: Path) -> dict[int, list[float]]:
    """Test figures of the trials by number of training photos."""
    found = defaultdict(list)
    for trial in read_results(folder).trials:
        if trial.test is not None and trial.train_photos is not None:
            found[trial.configuration].append((trial.train_photos, trial.test))
    sizes = {
        round(np.mean([photos for photos, _ in some])): [test for _, test in some] for some in found.values()
    }
    return dict(sorted(sizes.items()))


def hindcasts(known: dict[int, list[float]]) -> list[tuple[int, float, float, bool | None]]:
    """Times the photos, error promised less error found in points, its log ratio, whether the interval held it."""
    numbers = list(known)
    rows: list[tuple[int, float, float, bool | None]] = []
    means = np.array([1 - np.mean(some) for some in known.values()])
    for fitted in range(forecaster.FEWEST, len(numbers)):
        found = forecaster.forecast({number: known[number] for number in numbers[:fitted]}, measured=1000)
        for place in range(fitted, len(numbers)):
            ratio = numbers[place] / numbers[fitted - 1]
            times = 2 ** round(np.log2(ratio))
            if ratio < 1.4 or times > max(TIMES):
                continue
            told = forecaster._continue(
                numbers[:fitted], means[None, :fitted], np.array([float(numbers[place])])
            )[0, 0]
            truth = float(means[place])
            at = (
                None
                if found is None
                else next((one for one in found.expected if one.photos == times * numbers[fitted - 1]), None)
            )
            held = None if at is None else at.low - 1e-9 <= 1 - truth <= at.high + 1e-9
            rows.append((max(times, 2), 100 * (told - truth), np.log(told / max(truth, 1e-4)), held))
    return rows


def show(title: str, rows: list) -> None:
    """Print one line for each distance."""
    for times in TIMES:
        some = [row for row in rows if row[0] == times]
        if not some:
            continue
        gaps, logs = np.array([row[1] for row in some]), np.array([row[2] for row in some])
        held = [row[3] for row in some if row[3] is not None]
        intervals = f"{sum(held)} of {len(held)} intervals held" if held else "no interval"
        print(
            f"{title:<24} {times} times: {len(some):3} forecasts, off by {np.median(np.abs(gaps)):.2f} points in the "
            f"median, {np.quantile(np.abs(gaps), 0.9):.2f} at most in 9 of 10; bias {np.median(gaps):+.2f}; log error "
            f"{logs.std():.2f}; {intervals}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("studies", nargs="+", type=Path)
    known = {folder.name: accuracies(folder) for folder in parser.parse_args().studies}
    asymptotes = forecaster._ASYMPTOTES
    for form, chosen in (("with asymptote", asymptotes), ("without", asymptotes[:1])):
        forecaster._ASYMPTOTES = chosen
        rows = {name: hindcasts(some) for name, some in known.items()}
        for name, some in rows.items():
            show(f"{name}, {form}", some)
        show(f"all, {form}", [row for some in rows.values() for row in some])


if __name__ == "__main__":
    main()
