"""How long a study will take, as far as anything is known of it."""


def roughly(seconds: float) -> str:
    """Return a duration with no more figures than an estimate deserves.

    >>> roughly(8.2), roughly(47.0), roughly(290.0), roughly(5400.0)
    ('10 s', '50 s', '5 min', '1.5 h')
    """
    if seconds < 60:
        return f"{max(1, round(seconds / 10)) * 10} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
