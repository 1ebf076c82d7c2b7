"""What a million photos take on one machine: seconds and memory, printed as they are measured.

    python -m benchmarks.scale probe [--photos 10000 100000] [--features 1280] [--classes 100]
    python -m benchmarks.scale photos [--photos 10000 100000]
    python -m benchmarks.scale cost PHOTOS

`cost` measures what a photo costs in each stage, and says what a million to a thousand million would.

The whole: `--photos 1000000`, with 2.6 GB of disk for the probe and 5 GB for the photos. Beside other work read the
processor seconds.
"""

import argparse
from pathlib import Path

from benchmarks import scale_cost, scale_photos, scale_probe


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parts = parser.add_subparsers(required=True)
    probe = parts.add_parser("probe", help="the linear probe over shards, on features whose truth is known")
    probe.add_argument("--features", type=int, default=1280)
    probe.add_argument("--classes", type=int, default=100)
    probe.add_argument("--strength", type=float, help="chosen on a sample by default")
    probe.set_defaults(measure=scale_probe.measure, shown=scale_probe.COLUMNS)
    photos = parts.add_parser(
        "photos", help="check, split, tables and report of small photos that are made up"
    )
    photos.set_defaults(measure=scale_photos.measure, shown=scale_photos.COLUMNS)
    for part in (probe, photos):
        part.add_argument("--photos", type=int, nargs="+", default=[10_000, 100_000])
        part.add_argument(
            "--folder", type=Path, help="where the data are made, and kept; by default a temporary one"
        )
    cost = parts.add_parser("cost", help="what a photo costs in each stage, and many photos")
    cost.add_argument("data", help="photos of the kind that is meant")
    cost.add_argument("--number", type=int, default=1000, help="of them that are measured")
    cost.add_argument("--classes", type=int, default=100)
    cost.add_argument("--cores", type=int, default=64)
    cost.add_argument("--memory", type=float, default=24.0, help="GB of the machine that drives")
    cost.add_argument("--core-hour", type=float, default=0.04)
    cost.add_argument("--gigabyte-month", type=float, default=0.023)
    cost.add_argument("--thousand-puts", type=float, default=0.005)
    cost.add_argument("--thousand-gets", type=float, default=0.0004)
    cost.set_defaults(
        measure=lambda number, given: scale_cost.measure(given), shown=scale_cost.COLUMNS, photos=[0]
    )
    arguments = parser.parse_args()
    print(" | ".join(arguments.shown), flush=True)
    for number in arguments.photos:
        for row in arguments.measure(number, arguments):
            print(" | ".join(str(cell) for cell in row), flush=True)


if __name__ == "__main__":
    main()
