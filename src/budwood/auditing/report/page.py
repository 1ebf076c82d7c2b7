"""audit.html: what an audit found, with the photos, in one file that needs no network."""

from collections.abc import Sequence
from pathlib import Path

from budwood._version import __version__
from budwood.auditing.findings import SEVERITIES
from budwood.auditing.kind_words import counted, severity_words
from budwood.auditing.report.sections import (
    IN_SIGHT,
    choose_samples,
    count_classes,
    list_findings,
    usable_share,
)
from budwood.auditing.result import Audit, LabelsNetwork
from budwood.auditing.words import DOUBTS, decided_as_lines, label_words
from budwood.core.errors import DataError
from budwood.core.files import write_text
from budwood.core.label_text import labels_in_words
from budwood.core.text import count, listing, percent, shorten, shown
from budwood.data.images import ValueRange
from budwood.report.headline import Headline, HeadlineNote
from budwood.report.page import environment
from budwood.report.reading import passed_over_as_lines, reading_as_lines
from budwood.report.thumbnails import Thumbnails

PAGE = "audit.html"


def write_audit_page(audit: Audit, folder: Path, *, levels: ValueRange | None = None) -> Path:
    """Write `audit.html` into a folder, whole or not at all, and return it.

    Args:
        audit: with the photos, which are shown.
        folder: where it goes.
        levels: the values that are black and white in pictures of more than 8 bits.

    Raises:
        DataError: it cannot be written.
    """
    thumbnails = Thumbnails({photo.name: photo.image for photo in audit.photos}, "whole", levels=levels)
    kinds = list_findings(audit, thumbnails)
    samples = choose_samples(audit, thumbnails)
    thumbnails.decode()
    titles = [(one.kind, f"{one.title} ({one.total:,})") for one in kinds]
    titles += [("classes", "Labels" if audit.several else "Classes")]
    titles += [("samples", "Samples")] if samples else []
    read = [*reading_as_lines(audit.understood), *passed_over_as_lines(audit.understood.passed_over)]
    titles += [("read", "What was read")] if read else []
    html = (
        environment(Path(__file__).parent / "templates")
        .get_template("audit.html.jinja")
        .render(
            headline=_headline(audit, titles, thumbnails),
            budwood=__version__,
            fingerprint="",
            thumbnails=thumbnails,
            kinds=kinds,
            several=audit.several,
            noun="label" if audit.several else "class",
            of=" labelled " if audit.several else " of class ",
            doubts=DOUBTS,
            label_words=lambda label: label_words(label, audit.several),
            in_sight=IN_SIGHT,
            classes=count_classes(audit),
            samples=samples,
            read=read,
        )
    )
    path = folder / PAGE
    try:
        write_text(path, html.encode("utf-8", "backslashreplace").decode("utf-8"))
    except OSError as error:
        raise DataError(f"cannot write {path} ({error.strerror or error})") from error
    return path


def _headline(audit: Audit, titles: Sequence[tuple[str, str]], thumbnails: Thumbnails) -> Headline:
    return Headline(
        kind="audit",
        name=audit.source,
        about=[count(audit.counts.found, "photo")],
        sentence=verdict(audit),
        accuracy=None,
        interval=None,
        caption="",
        notes=[
            *(HeadlineNote(line, True) for line in worst_as_lines(audit)),
            *(HeadlineNote(line) for line in decided_as_lines(audit)),
            *([HeadlineNote(audit.no_network)] if audit.no_network else []),
        ],
        facts=_facts(audit),
        sections=titles,
    )


def verdict(audit: Audit) -> str:
    """Return the sentence at the top: how much was found."""
    parts = [
        severity_words(severity, number)
        for severity in SEVERITIES
        if (number := sum(one.severity == severity for one in audit.findings))
    ]
    found = f"{listing(parts)} in" if parts else "Nothing odd was found in"
    photos, number = count(audit.counts.found, "photo"), len(audit.counts.classes)
    if audit.several:
        return f"{found} {photos} with {count(number, 'label')}."
    return f"{found} {photos} of {count(number, 'class', 'classes')}."


def majority_words(audit: Audit) -> str:
    """Return how often the largest class alone would be right, to stand beside an accuracy."""
    sizes = {name: sum(counts.values()) for name, counts in audit.counts.classes.items()}
    largest = max(sizes, key=sizes.__getitem__)
    share = percent(sizes[largest] / max(sum(sizes.values()), 1))
    return f"always answering {shorten(shown(largest))} is right on {share}"


def commonest_words(network: LabelsNetwork) -> str:
    """Return how often the labels that most photos have together would be right, to stand beside an exact match."""
    labels = shorten(shown(labels_in_words(network.commonest)))
    return f"always answering {labels} is right on {percent(network.share_of_commonest)}"


def worst_as_lines(audit: Audit) -> list[str]:
    """Return how many errors of each kind there are."""
    kinds = dict.fromkeys(one.kind for one in audit.errors)
    return [
        f"{counted(kind, len([one for one in audit.errors if one.kind == kind]), audit.several)}."
        for kind in kinds
    ]


def _facts(audit: Audit) -> list[tuple[str, str, str]]:
    counts, network = audit.counts, audit.network
    facts = [
        (
            "Photos",
            f"{counts.found:,}",
            f"{counts.usable:,} usable"
            + (f", in {counts.groups:,} groups" if counts.groups < counts.usable else ""),
        ),
        ("Labels" if audit.several else "Classes", f"{len(counts.classes):,}", usable_share(audit)),
    ]
    if network is not None:
        between = (
            f"95 % interval {percent(network.interval[0])} to {percent(network.interval[1])}; "
            if network.interval
            else ""
        )
        if isinstance(network, LabelsNetwork):
            title, share, beside = "Exact match out of fold", network.exact_match, commonest_words(network)
        else:
            title, share, beside = "Accuracy out of fold", network.accuracy, majority_words(audit)
        facts.append(
            (title, percent(share), f"{between}{network.folds} folds on {network.backbone}; {beside}")
        )
        if isinstance(network, LabelsNetwork) and network.not_asked:
            names = listing([shorten(shown(label)) for label in network.not_asked[:5]])
            facts.append(
                ("Labels not looked at", f"{len(network.not_asked):,}", f"too few photos with them: {names}")
            )
        facts.append(("Features", f"{network.computed:,} computed", f"{network.stored:,} found in the cache"))
    return facts
