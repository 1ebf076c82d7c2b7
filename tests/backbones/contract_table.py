"""Writes docs/development/contract.md: the contract of the backbones as it was last run, backbone × check.

pytest tests/backbones/test_backbone.py tests/backbones/test_applications.py --junitxml=contract.xml
python tests/backbones/contract_table.py docs/development/contract.md contract.xml
"""

import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from budwood.backbones.registry import BACKBONES

CHECKS = {
    "pixels in": (
        "Raw 0-255 pixels in, a feature map out",
        ["build__takes_raw_pixels_and_gives_a_feature_map"],
    ),
    "preprocessing": (
        "What the network sees equals what its own module's preprocessing gives; wrong ones are noticed",
        ["build__preprocesses_as_the_network_was_trained", "build__wrong_preprocessing_would_be_noticed"],
    ),
    "plain layers": (
        "One flat model of Keras's own layers, with BatchNorm or without as is known",
        ["build__is_flat_and_of_plain_keras_layers", "build__has_batch_norm_or_none"],
    ),
    "save, load": (
        "Saved and loaded in safe mode it yields the same",
        ["build__saved_and_loaded_in_safe_mode_gives_the_same"],
    ),
    "OpenVINO": ("The inference engine agrees with Keras", ["build__inference_engine_agrees"]),
    "cuts": (
        "Cut at any boundary and composed again, with BatchNorm statistics that are not trivial, equals the whole; "
        "a place inside a branch is no boundary",
        ["build__cut_anywhere_and_composed_equals_the_whole", "build__a_boundary_inside_a_branch_is_none"],
    ),
    "Grad-CAM": (
        "The maps of Grad-CAM are those that a linear head has in closed form",
        ["build__grad_cam_is_what_a_linear_head_weighs"],
    ),
    "blocks": (
        "Layers have the network's own names; blocks hold each once, in order, and end where the model can be cut",
        [
            "layers__are_the_networks_own",
            "layers__are_named_alike_whatever_was_built_before",
            "blocks__hold_every_layer_once_in_order",
            "blocks__end_where_the_model_can_be_cut",
        ],
    ),
    "seed": (
        "Random weights and dropout follow the seed alone",
        ["build__random_weights_follow_the_seed_alone", "build__dropout_follows_the_seed_alone"],
    ),
    "depth": (
        "Stochastic depth as asked; rates that are no chance are refused",
        ["build__stochastic_depth_as_asked", "build__refuses_rates_that_are_no_chance"],
    ),
    "sizes": (
        "Other sizes than its own work, too small ones are refused",
        ["build__takes_sizes_other_than_its_own", "build__refuses_sizes_too_small"],
    ),
    "weights": (
        "Its own saved weights come back; a missing file is told; it says where its weights come from",
        ["build__own_saved_weights_come_back", "build__missing_file_is_told", "where__says_a_place"],
    ),
    "as Keras": (
        'From raw pixels up it yields what Keras\'s own graph for the name "imagenet" yields with the same weights',
        ["build__is_what_keras_builds_for_its_own_weights"],
    ),
}
"""Of each column what it means, and the tests that it stands for."""

PASSED, FAILED, NONE = "✓", "**failed**", "-"


def outcomes(reports: Sequence[Path]) -> dict[tuple[str, str], set[str]]:
    """What became of the tests of JUnit reports, by test and backbone; of a test in several, the last one counts."""
    of_case = {}
    for report in reports:
        for case in ElementTree.parse(report).iter("testcase"):
            kinds = {child.tag for child in case}
            outcome = FAILED if kinds & {"failure", "error"} else NONE if "skipped" in kinds else PASSED
            of_case[case.get("name", "")] = outcome
    found = defaultdict(set)
    for name, outcome in of_case.items():
        test, _, parameters = name.removesuffix("]").partition("[")
        backbone = next((part for part in parameters.split("-") if part in BACKBONES), "")
        found[test.removeprefix("test_"), backbone].add(outcome)
    return found


def table(found: dict[tuple[str, str], set[str]]) -> str:
    """As Markdown. A check that was skipped, or is of other backbones only, has a dash."""
    lines = ["| backbone | " + " | ".join(CHECKS) + " |", "|---|" + ":-:|" * len(CHECKS)]
    for name in BACKBONES:
        cells = []
        for _, tests in CHECKS.values():
            seen = set().union(*(found.get((test, name), set()) for test in tests))
            cells.append(FAILED if FAILED in seen else PASSED if PASSED in seen else NONE)
        lines.append(f"| `{name}` | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main(page: str, *reports: str) -> None:
    """Replaces what the page says of the checks, and its table."""
    found = outcomes([Path(report) for report in reports])
    known = {test for _, tests in CHECKS.values() for test in tests}
    if missing := known - {test for test, _ in found}:
        sys.exit(f"the reports lack the tests {', '.join(sorted(missing))}")
    meanings = "\n".join(f"- **{check}**: {meaning}." for check, (meaning, _) in CHECKS.items())
    text = Path(page).read_text(encoding="utf-8")
    head, _, _ = text.partition("\n- **")
    Path(page).write_text(f"{head}\n{meanings}\n\n{table(found)}\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
