"""An audit as lines of a terminal: the most severe first, two examples of each kind, and what fixes it."""

from budwood.auditing.findings import SEVERITIES
from budwood.auditing.kind_words import counted, words_of
from budwood.auditing.report.page import commonest_words, majority_words, verdict
from budwood.auditing.result import Audit, LabelsNetwork
from budwood.auditing.words import decided_as_lines, line
from budwood.core.text import NO_BREAK, percent

EXAMPLES = 2


def audit_as_text(audit: Audit) -> str:
    """Return the findings of an audit for a terminal."""
    lines = [verdict(audit)]
    for severity in SEVERITIES:
        found = [one for one in audit.findings if one.severity == severity]
        for kind in dict.fromkeys(one.kind for one in found):
            some = [one for one in found if one.kind == kind]
            lines += ["", f"{severity}: {counted(kind, len(some), audit.several)}"]
            lines += [f"    {line(one, several=audit.several)}" for one in some[:EXAMPLES]]
            if len(some) > EXAMPLES:
                lines.append(f"    and {len(some) - EXAMPLES:,} more")
            lines.append(f"  {words_of(kind, audit.several).fix}")
    end = list(decided_as_lines(audit))
    network = audit.network
    if isinstance(network, LabelsNetwork):
        end.append(
            f"Out of fold every label of {percent(network.exact_match)} of {network.num_photos:,} photos is answered "
            f"as given ({network.folds} folds, {network.backbone}); {commonest_words(network)}."
        )
    elif network is not None:
        end.append(
            f"Out of fold {percent(network.accuracy)} of {network.num_photos:,} photos are classified as labelled "
            f"({network.folds} folds, {network.backbone}); {majority_words(audit)}."
        )
    if audit.no_network:
        end.append(audit.no_network)
    return "\n".join([*lines, *([""] if end else []), *end]).replace(NO_BREAK, " ")
